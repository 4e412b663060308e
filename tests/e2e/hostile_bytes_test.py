"""Truncated, oversized and senseless bytes on every socket of the real daemons: answered or hung up on, and the daemon
stays as it was. Random bytes print their seed (CAIRN_SEED chooses one)."""
import os
import random
import socket
import ssl
import time

from harness import expect, main, random_file, rule, same
from raw_grpc import HEADERS, PREFACE, SETTINGS, Call, frame, message, plain_socket, tls_socket

SEED = int(os.environ.get("CAIRN_SEED") or random.SystemRandom().randrange(1 << 32))
MIB = 1 << 20
REFUSED = (8, 13, None)  # RESOURCE_EXHAUSTED; INTERNAL beyond 2 GiB; or the call was reset
UNARY = {"chaind": ("Chain", ("Submit", "Simulate", "Query")),
         "p1": ("Provider", ("GetInfo", "Approve", "QueryUpload", "SubmitReceipts"))}


def daemons(net):
    """name -> (pid, gRPC endpoint, HTTP endpoint, log)"""
    status = net.json("dev", "status")
    p1 = status["providers"][0]
    return {"chaind": (int(status["chaind"]["pid"]), status["chain_endpoint"], status["chain_http"],
                       status["chaind"]["log"]),
            "p1": (int(p1["process"]["pid"]), p1["endpoint"], p1["http"], p1["process"]["log"])}


def varint(number):
    out = bytearray()
    while number >= 128:
        out.append(number % 128 + 128)
        number //= 128
    out.append(number)
    return bytes(out)


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def log_lines(path):
    with open(path, encoding="utf-8", errors="replace") as log:
        return log.read().splitlines()


def unharmed(net, work, lines_each=1):
    """Runs `work(name, endpoint, http)` on each daemon: how many hostile things it did."""
    for name, (pid, endpoint, http, log) in daemons(net).items():
        memory, before = resident(pid), len(log_lines(log))
        count = work(name, endpoint, http)
        expect(count > 0, "nothing was tried")
        expect(daemons(net)[name][0] == pid and os.path.exists(f"/proc/{pid}"), f"{name} went down")
        expect(resident(pid) - memory < 64 * MIB, f"{name} grew from {memory} to {resident(pid)} bytes")
        new = log_lines(log)[before:]
        expect(len(new) <= count * lines_each, f"{name} wrote {len(new)} lines for {count} attempts: {new[:5]}")
        expect(all(line.startswith("{") for line in new), f"{name}: not records: {new[:5]}")


@rule("a file is stored, for what comes to be held against")
def _(net):
    net.ok("bucket", "create", "calm", "--policy", "rs:4+2")
    net.ok("cp", random_file(os.path.join(net.root, "calm"), 300_000), "cairn://calm/x")


@rule("bytes that are no TLS, no HTTP/2 and no gRPC are hung up on")
def _(net):
    source = random.Random(SEED)
    print(f"seed {SEED}")

    def work(_, endpoint, http):
        pieces = [b"", b"GET / HTTP/1.1\r\n\r\n", PREFACE, b"\x16\x03\x01\xff\xff", b"\x16\x03\x01\x02\x00\x01\x00\x01",
                  b"\0" * 100_000] + [source.randbytes(source.randrange(1, 70_000)) for _ in range(20)]
        for piece in pieces:
            for open_socket in (plain_socket, tls_socket):
                with open_socket(endpoint) as raw:
                    try:
                        raw.sendall(piece)
                        raw.settimeout(0.05)
                        raw.recv(1000)
                    except (OSError, ssl.SSLError):
                        pass
        for piece in (b"GET /" + b"a" * 200_000, b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000, b"\0\r\n\r\n",
                      b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n"):
            with plain_socket(http) as raw:
                try:
                    raw.sendall(piece)
                    raw.settimeout(1)
                    raw.recv(1000)
                except OSError:
                    pass
        return 2 * len(pieces) + 4

    unharmed(net, work)


@rule("a request longer than any needs is refused, and what came of it is not kept")
def _(net):
    def work(name, endpoint, _):
        service, methods = UNARY[name]
        if service == "Provider":
            methods += ("Put",)
        sizes = (2 * MIB, 5 * MIB, 32 * MIB)
        for method in methods:
            for size in sizes:
                call = Call(endpoint, f"/cairn.rpc.v1.{service}/{method}")
                call.send(message(bytes(size)), end=True)
                status = call.status()
                call.close()
                # A stream whose message is refused has ended: what was not committed is not answered.
                expect(status in REFUSED or (method == "Put" and not call.answers), f"{method} of {size} bytes: status {status}")
        return len(methods) * len(sizes)

    unharmed(net, work)


@rule("a message that claims gigabytes is cut off at the limit for memory, and others are served before and after")
def _(net):
    # A little more than `limits.memory` may be under way; the daemon's memory stays below it with what it needs itself.
    limits = {"chaind": 128 * MIB, "p1": 512 * MIB}
    for name, method, claimed in (("chaind", "Chain/Submit", 0x7fffffff), ("chaind", "Chain/Query", 0xffffffff),
                                  ("p1", "Provider/Put", 0x7fffffff)):
        pid, endpoint, _, _ = daemons(net)[name]
        before = resident(pid)
        call = Call(endpoint, f"/cairn.rpc.v1.{method}")
        taken = call.send(message(bytes(1024 * MIB), claimed))
        grown = resident(pid) - before
        status = call.status()
        call.close()
        print(f"        {name}: cut off after {taken // MIB} MiB, resident memory grew by {grown // MIB} MiB")
        expect(call.ended and status != 0 and not call.answers, f"{name} goes on: status {status}")
        expect(taken < limits[name] * 5 // 4, f"{name} took {taken} bytes")
        expect(grown < limits[name], f"{name} grew by {grown} bytes")
        expect(daemons(net)[name][0] == pid and os.path.exists(f"/proc/{pid}"), f"{name} went down")
    net.ok("cat", "cairn://calm/x")


@rule("the largest request there can be is answered, by its content")
def _(net):
    endpoint = daemons(net)["chaind"][1]
    for size, refused in ((MIB, False), (MIB + 100_000, True)):
        body = b"\x0a" + varint(size) + bytes(size)  # SignedTransaction.body
        request = b"\x0a" + varint(len(body)) + body  # SubmitRequest.transaction
        call = Call(endpoint, "/cairn.rpc.v1.Chain/Submit")
        call.send(message(request), end=True)
        status = call.status()
        expect((status in REFUSED) == refused, f"{size} bytes: status {status}")
        call.close()


@rule("messages cut off in the middle, and ones that do not parse, are one refusal each")
def _(net):
    source = random.Random(SEED + 1)

    def work(name, endpoint, _):
        service, methods = UNARY[name]
        count = 0
        for method in methods:
            path = f"/cairn.rpc.v1.{service}/{method}"
            for payload, claimed in ((b"\x0a", 1000), (source.randbytes(500), 100_000), (b"", 1)):
                call = Call(endpoint, path)
                call.send(message(payload, claimed), end=True)  # the length promises more than comes
                status = call.status()
                call.close()
                expect(status != 0, f"{method}: a truncated message was answered with OK")
                count += 1
            for payload in (b"\x0a\xff\xff\xff\xff\x7f", b"\xff" * 300, source.randbytes(5000), b"\x0a\x05ab"):
                call = Call(endpoint, path)
                call.send(message(payload), end=True)
                status = call.status()
                call.close()
                expect(status != 0, f"{method}: nonsense was answered with OK")
                count += 1
            with tls_socket(endpoint) as raw:  # gone in the middle of a frame
                raw.sendall(PREFACE + frame(SETTINGS, 0, 0, b"") + frame(HEADERS, 4, 1, b"\x10")[:7])
            count += 1
        return count

    unharmed(net, work)


@rule("headers beyond their bound, and a method nobody has, are refused")
def _(net):
    def work(_, endpoint, __):
        for extra in ([("x-long", "v" * 60_000)], [(f"x-{i}", "v" * 100) for i in range(400)]):
            try:
                call = Call(endpoint, "/cairn.rpc.v1.Chain/Query", extra)
                call.send(message(b""), end=True)
                expect(call.status() != 0, "60 KB of headers were taken")
                call.close()
            except (OSError, ssl.SSLError):
                pass  # hung up on while they were sent
        call = Call(endpoint, "/cairn.rpc.v1.Nobody/Nothing")
        call.send(message(b""), end=True)
        expect(call.status() == 12, "an unknown method is UNIMPLEMENTED")
        call.close()
        return 3

    unharmed(net, work)


@rule("two hundred connections that say nothing keep nobody else from being served")
def _(net):
    def work(_, endpoint, __):
        idle = [plain_socket(endpoint) for _ in range(200)]
        start = time.monotonic()
        net.ok("--timeout", "20s", "stat", "cairn://calm/x")
        expect(time.monotonic() - start < 20, "served too late")
        for each in idle:
            each.shutdown(socket.SHUT_RDWR)
            each.close()
        return len(idle)

    unharmed(net, work)


@rule("after all of it the file is there and a new one can be stored")
def _(net):
    back = os.path.join(net.root, "back")
    net.ok("get", "cairn://calm/x", back)
    expect(same(os.path.join(net.root, "calm"), back), "the file differs")
    net.ok("cp", back, "cairn://calm/y")
    net.ok("chain", "check")


if __name__ == "__main__":
    main()

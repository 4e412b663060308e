"""kill -9, at moments that a seed draws (printed; CAIRN_KILL_SEED repeats them), of everything that runs: a client that
puts, seals or syncs, the ledger, a provider. Nothing acknowledged is missing, nothing is there by half, and the same
command goes on where the killed one was."""
import json
import os
import random
import re
import signal
import subprocess
import threading
import time

from harness import SOAK, expect, main, random_file, rule, same

SEED = int(os.environ.get("CAIRN_KILL_SEED", random.SystemRandom().randrange(1 << 32)))
CHANCE = random.Random(SEED)
COPIES, SIZE = (20, 1 << 30) if SOAK else (5, 256 << 20)
PART = 16 << 20
WIRE = 1 + 31 / 16384  # the least that a TLS record and an HTTP/2 frame add
print(f"seed {SEED}", flush=True)


class Watched:
    """A process, and the bytes that it has sent over all of its connections: what its peers have, and what is on the
    way."""

    def __init__(self, process):
        self.process, self.seen = process, {}

    def sent(self):
        table = subprocess.run(["ss", "-tinpOH"], capture_output=True, text=True, check=True).stdout
        for line in table.splitlines():
            if f"pid={self.process.pid}," not in line:
                continue
            fields = line.split()
            acknowledged = re.search(r"\bbytes_acked:(\d+)", line)
            self.seen[fields[3], fields[4]] = int(fields[2]) + (int(acknowledged[1]) if acknowledged else 0)
        return int(sum(self.seen.values()) / WIRE)  # with those that have been closed since

    def kill_when(self, condition):
        """Stops it once the condition holds, looks at what it has sent, then kills it; None when it ended before."""
        while not condition():
            if self.process.poll() is not None:
                return None
            time.sleep(0.01)
        self.process.send_signal(signal.SIGSTOP)
        sent = self.sent()
        self.process.kill()
        self.process.wait()
        return sent


def whole_or_absent(net, path, name):
    """What a reader may find after a put was killed."""
    back = os.path.join(net.root, "half")
    if os.path.exists(back):
        os.remove(back)
    if net.run("get", name, back).code == 0:
        expect(same(path, back), f"{name} is there with other bytes")
    else:
        expect(not os.path.exists(back), f"half of {name} was written")


def comes_back(net, path, name):
    back = os.path.join(net.root, "back")
    net.ok("get", name, back)
    expect(same(path, back), f"{name} differs")


def put(net, path, name):
    return net.json("cp", path, name)["items"][0]


def all_of(size):
    """What 4+2 shards of a sealed file of that size take."""
    return (64 + size + 16 * (size >> 16)) * 3 // 2


@rule(f"a cp killed {COPIES} times at {SIZE >> 20} MiB goes on, and sends at most one part again")
def _(net):
    net.ok("bucket", "create", "kill", "--policy", "rs:4+2")
    total = all_of(SIZE)
    for number in range(COPIES):
        path = random_file(os.path.join(net.root, "big"), SIZE, seed=SEED + number)
        name = f"cairn://kill/big{number}"
        moment = CHANCE.uniform(0.02, 0.98)
        watched = Watched(net.start("cp", path, name))
        sent = watched.kill_when(lambda: watched.sent() >= moment * total)
        expect(sent is not None, f"the cp ended before {moment:.2f} of its bytes")
        whole_or_absent(net, path, name)
        again = put(net, path, name)
        rest = int(again["sent_bytes"])
        repeated = sent + rest - total
        print(f"        killed at {moment:.2f}: {sent >> 20} MiB over {len(watched.seen)} connections, then "
              f"{rest >> 20} MiB of {total >> 20}, twice {int(repeated) >> 10} KiB", flush=True)
        expect(again["resumed"] and again["state"] == "durable", f"not continued: {again}")
        expect(repeated <= PART, f"{repeated / (1 << 20):.1f} MiB were sent again")
        comes_back(net, path, name)
        net.ok("--yes", "rm", name)


@rule("a source edited after the kill is put as a new version, never mixed with the old bytes")
def _(net):
    path = random_file(os.path.join(net.root, "edited"), 64 << 20, seed=SEED)
    watched = Watched(net.start("cp", path, "cairn://kill/edited"))
    half = all_of(64 << 20) // 2
    expect(watched.kill_when(lambda: watched.sent() >= half) is not None, "the cp was too fast")
    with open(path, "r+b") as source:
        source.seek(5 << 20)
        source.write(b"edited")
    again = put(net, path, "cairn://kill/edited")
    expect(not again["resumed"], f"the old upload was continued: {again}")
    expect(int(again["sent_bytes"]) >= 2 * half - PART, f"sent too little to be all of it: {again}")
    comes_back(net, path, "cairn://kill/edited")


@rule("a client killed while it seals leaves an object that is whole or absent, and the same command finishes it")
def _(net):
    for number in range(20 if SOAK else 6):
        path = random_file(os.path.join(net.root, "sealed"), 3 << 20, seed=SEED + number)
        name = f"cairn://kill/sealed{number}"
        delay = CHANCE.uniform(0, 0.05)
        process = net.start("--progress", "json", "cp", path, name)
        for line in process.stderr:
            if b'"seal"' in line:
                break
        time.sleep(delay)
        process.kill()
        process.wait()
        whole_or_absent(net, path, name)
        again = put(net, path, name)
        expect(again["state"] == "durable", f"not finished: {again}")
        expect(not again["resumed"] or int(again["sent_bytes"]) == 0, f"sent again what all holders had: {again}")
        comes_back(net, path, name)


def tree_of(net):
    tree = os.path.join(net.root, "tree")
    for i in range(300):
        os.makedirs(os.path.join(tree, f"d{i % 10}"), exist_ok=True)
        random_file(os.path.join(tree, f"d{i % 10}", f"f{i}"), 100 + 25 * i, seed=SEED)
    for i in range(3):
        random_file(os.path.join(tree, f"large{i}"), 24 << 20, seed=SEED + i)
    return tree


def files_below(root):
    return {os.path.relpath(os.path.join(folder, name), root) for folder, _, names in os.walk(root) for name in names}


def compare(net, tree, back):
    fetched = net.run("cp", "-r", "cairn://mirror/", back)
    if fetched.code != 0 and "NO_SUCH_OBJECT" in fetched.err:
        return set()
    expect(fetched.code == 0, f"cannot be fetched: {fetched}")
    found = files_below(back)
    expect(found <= files_below(tree), f"nobody has stored {sorted(found - files_below(tree))[:3]}")
    for name in found:
        expect(same(os.path.join(tree, name), os.path.join(back, name)), f"{name} differs")
    return found


@rule("a sync killed again and again has whole files only, and ends with all of them")
def _(net):
    net.ok("bucket", "create", "mirror", "--policy", "rs:4+2")
    tree, rounds = tree_of(net), 12 if SOAK else 4
    for number in range(rounds):
        until = time.monotonic() + CHANCE.uniform(0.1, 1.5)
        Watched(net.start("sync", tree + "/", "cairn://mirror/")).kill_when(lambda: time.monotonic() >= until)
        if number % 2 == 0:
            compare(net, tree, os.path.join(net.root, f"mirror{number}"))
    net.ok("sync", tree + "/", "cairn://mirror/")
    missing = files_below(tree) - compare(net, tree, os.path.join(net.root, "mirror"))
    expect(not missing, f"{len(missing)} files are missing: {sorted(missing)[:5]}")


# What a put may say when the ledger or its holders were gone for longer than it waits: stored but not durable yet,
# refused by the ledger, unreachable, too late, too few holders.
CLEAR = {3, 6, 9, 10, 12, 13}


class Putters:
    """Clients that put one file after the other, and remember which puts succeeded."""

    def __init__(self, net, bucket, clients):
        self.net, self.bucket, self.done, self.tried, self.unclear = net, bucket, [], [], []
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(n,)) for n in range(clients)]
        for thread in self.threads:
            thread.start()

    def work(self, number):
        count = 0
        while not self.stop.is_set():
            size = (200, 30_000, 400_000, 3_000_000)[count % 4]
            path = random_file(os.path.join(self.net.root, f"{self.bucket}-{number}-{count}"), size, seed=SEED + number)
            name = f"cairn://{self.bucket}/{number}-{count}"
            self.tried.append((path, name))
            result = self.net.run("cp", path, name)
            if result.code == 0:
                self.done.append((path, name))
            elif result.code not in CLEAR or "terminate called" in result.err:
                self.unclear.append(str(result))
            count += 1

    def finish(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()


def survives(net, bucket, pid_of):
    net.ok("bucket", "create", bucket, "--policy", "rs:4+2")
    putters = Putters(net, bucket, 3)
    try:
        for _ in range(10 if SOAK else 3):
            time.sleep(CHANCE.uniform(0.3, 2.5))
            os.kill(int(pid_of(net.json("dev", "status"))), signal.SIGKILL)
            time.sleep(CHANCE.uniform(0, 0.5))
            net.ok("dev", "up")
        time.sleep(1)
    finally:
        putters.finish()
    net.ok("dev", "up")
    net.ok("chain", "check")
    acknowledged = set(putters.done)
    print(f"        {len(acknowledged)} puts succeeded, {len(putters.tried) - len(acknowledged)} did not")
    expect(acknowledged, "nothing was put")
    expect(not putters.unclear, "\n".join(putters.unclear))
    for path, name in putters.tried:
        if (path, name) not in acknowledged:
            whole_or_absent(net, path, name)
            expect(put(net, path, name)["state"] == "durable", f"{name} is not durable")
        comes_back(net, path, name)


@rule("chaind killed while clients put: every put that succeeded is there, the others end well when they are repeated")
def _(net):
    survives(net, "ledger", lambda status: status["chaind"]["pid"])


@rule("a cp outlives chaind, killed in the middle of it and started again")
def _(net):
    path = random_file(os.path.join(net.root, "through"), 96 << 20, seed=SEED)
    moment = CHANCE.uniform(0.05, 0.9) * all_of(96 << 20)
    process = net.start("-o", "json", "cp", path, "cairn://kill/through")
    watched = Watched(process)
    while watched.sent() < moment and process.poll() is None:
        time.sleep(0.01)
    expect(process.poll() is None, "the cp was too fast")
    os.kill(int(net.json("dev", "status")["chaind"]["pid"]), signal.SIGKILL)
    net.ok("dev", "up")
    out, err = process.communicate(timeout=300)
    expect(process.returncode == 0, f"it ended with {process.returncode}: {err.decode()}")
    item = json.loads(out)["items"][0]
    expect(item["state"] == "durable", f"not durable: {item}")
    expect(int(item["sent_bytes"]) <= all_of(96 << 20) + PART, f"more than a part was sent again: {item}")
    comes_back(net, path, "cairn://kill/through")


@rule("providers killed while clients put: every put that succeeded is there, and scrub finds nothing damaged")
def _(net):
    survives(net, "holders", lambda status: CHANCE.choice(status["providers"])["process"]["pid"])
    for provider in net.json("dev", "status")["providers"]:
        damaged = net.json("dev", "scrub", provider["name"])["damaged"]
        expect(damaged == [], f"{provider['name']}: {damaged}")


if __name__ == "__main__":
    # A test network gives an upload 20 s from its creation to its seal, and drops what came later: on a busy machine a
    # killed one would be begun anew. An hour is what main networks give.
    main("--param", "seal_window_ms=3600000")

"""What others can see of a private bucket: nothing on any disk, nothing on the wire."""
import os
import socket
import threading

from harness import expect, main, rule

PATTERN = b"the quick brown fox keeps a secret under every stone of the cairn;"
NAME = "a-name-that-nobody-else-should-know.txt"


class Wire(threading.Thread):
    """Every packet on the loopback interface of this network namespace, searched for words. Needs root."""

    def __init__(self, words):
        super().__init__(daemon=True)
        self.words, self.found, self.bytes, self.stopping = words, set(), 0, False
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
        self.socket.bind(("lo", 0))
        self.socket.settimeout(0.2)

    def run(self):
        while not self.stopping:
            try:
                packet = self.socket.recv(1 << 17)
            except socket.timeout:
                continue
            self.bytes += len(packet)
            self.found.update(word for word in self.words if word in packet)

    def stop(self):
        self.stopping = True
        self.join()
        self.socket.close()


def files_with(root, words, skip):
    for folder, names, files in os.walk(root):
        names[:] = [n for n in names if os.path.join(folder, n) not in skip]
        for name in files:
            path = os.path.join(folder, name)
            try:
                with open(path, "rb") as source:
                    content = source.read()
            except OSError:
                continue
            for word in words:
                if word in content:
                    yield path, word


def scenario(net, bucket, *flags):
    path = os.path.join(net.root, "secret.txt")
    with open(path, "wb") as out:
        out.write(PATTERN * 40000)
    net.ok("bucket", "create", bucket, "--policy", "rs:4+2", *flags)
    wire = Wire([PATTERN, NAME.encode()])
    wire.start()
    net.ok("cp", path, f"cairn://{bucket}/{NAME}")
    net.ok("get", f"cairn://{bucket}/{NAME}", os.path.join(net.root, f"back-{bucket}"))
    wire.stop()
    daemons = net.json("dev", "status")["directory"]
    disk = {word for _, word in files_with(daemons, [PATTERN, NAME.encode()], set())}
    return wire, disk


@rule("content and name of a private object are on no disk of any daemon and in no packet [CS-03][CS-26][MP-19]")
def _(net):
    wire, disk = scenario(net, "private")
    expect(wire.bytes > len(PATTERN) * 40000, f"the scan saw only {wire.bytes} bytes")
    expect(not wire.found, f"in packets: {wire.found}")
    expect(not disk, f"on disks: {disk}")


@rule("the same scan finds them when the bucket is public, so it would have seen them")
def _(net):
    _, disk = scenario(net, "public", "--public")
    expect(disk == {PATTERN, NAME.encode()}, f"on disks: {disk}")


if __name__ == "__main__":
    main()

"""Disks that are full, the user's, a provider's and the ledger's: refused or stopped with one error, nothing half there,
and everything goes on once there is room. Small file systems of its own stand in for the disks: in a mount namespace,
as root or as root of a user namespace. Exit status 77 (skipped) where neither can be had."""
import os
import subprocess
import sys

from harness import BIN, Failed, expect, main, random_file, rule, same, wait_until

if os.environ.get("CAIRN_OWN_MOUNTS") != "1":
    own = ["unshare", "--mount"] + ([] if os.geteuid() == 0 else ["--user", "--map-root-user"])
    probe = os.path.join("/tmp", f"cairn-probe-{os.getpid()}")
    os.mkdir(probe)
    able = subprocess.run(own + ["mount", "-t", "tmpfs", "none", probe], capture_output=True, check=False)
    os.rmdir(probe)
    if able.returncode != 0:
        print("disk_full: no mount namespace; skipped")
        sys.exit(77)
    os.execvpe("unshare", own + [sys.executable, *sys.argv], {**os.environ, "CAIRN_OWN_MOUNTS": "1"})


class SmallDisk:
    """A file system of `size` over a folder that keeps what it had; after the block the folder is itself again, with
    what was written meanwhile."""

    def __init__(self, folder, size):
        self.folder, self.size = folder, size

    def run(self, *command):
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode != 0:
            raise Failed(f"{command}: {done.stderr.decode()}")

    def __enter__(self):
        aside = self.folder + ".aside"
        os.makedirs(aside, exist_ok=True)
        os.makedirs(self.folder, exist_ok=True)
        self.run("cp", "-a", self.folder + "/.", aside)
        self.run("mount", "-t", "tmpfs", "-o", f"size={self.size}", "none", self.folder)
        self.run("cp", "-a", aside + "/.", self.folder)
        self.run("rm", "-rf", aside)
        return self

    def fill(self):
        """To the last byte."""
        path = os.path.join(self.folder, "ballast")
        with open(path, "wb", buffering=0) as out:
            try:
                while True:
                    out.write(b"\0" * 4096)
            except OSError:
                pass
        return path

    def __exit__(self, *_):
        aside = self.folder + ".aside"
        os.makedirs(aside, exist_ok=True)
        self.run("cp", "-a", self.folder + "/.", aside)
        self.run("umount", "-l", self.folder)
        self.run("rm", "-rf", self.folder)
        os.rename(aside, self.folder)


@rule("a file that does not fit on the user's disk is one error, and nothing half is left there")
def _(net):
    net.ok("bucket", "create", "full", "--policy", "rs:4+2")
    path = random_file(os.path.join(net.root, "large"), 6_000_000)
    net.ok("cp", path, "cairn://full/large")
    with SmallDisk(os.path.join(net.root, "small-disk"), "2M") as disk:
        net.refused(14, "LOCAL_DISK_FULL", "get", "cairn://full/large", os.path.join(disk.folder, "large"))
        expect(os.listdir(disk.folder) == [], f"left behind: {os.listdir(disk.folder)}")


@rule("output that nothing takes any more is an error, not a success")
def _(net):
    for command in (("cat", "cairn://full/large"), ("ls", "cairn://full/"), ("-o", "json", "chain", "status")):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([os.path.join(BIN, "storectl"), *command], stdout=full,
                                  stderr=subprocess.PIPE, env=net.environment(), timeout=60, check=False)
        expect(done.returncode == 14, f"{command}: exit {done.returncode}: {done.stderr.decode()}")
        expect(b"LOCAL_" in done.stderr, f"{command}: {done.stderr.decode()}")


@rule("a user's state folder without room loses no file and blocks no command that needs none")
def _(net):
    path = os.path.join(net.root, "large")
    newcomer = net.newcomer("cramped")
    with SmallDisk(newcomer.folder, "64k") as disk:
        ballast = disk.fill()
        result = newcomer.run("wallet", "new", "main")
        expect(result.code == 14, f"a key that could not be written: {result}")
        newcomer.ok("chain", "status")
        os.remove(ballast)
        newcomer.ok("wallet", "new", "main")
    net.ok("cp", path, "cairn://full/again")


@rule("a provider's full disk refuses uploads, keeps what it has and takes more once there is room")
def _(net):
    status = net.json("dev", "status")
    p1 = next(p for p in status["providers"] if p["name"] == "p1")
    net.ok("bucket", "create", "wide", "--policy", "replicate:8")
    net.ok("dev", "down")
    with SmallDisk(p1["directory"], "320M") as disk:  # 256 MiB stay free
        net.ok("dev", "up")
        ballast = disk.fill()
        path = random_file(os.path.join(net.root, "more"), 3_000_000)
        result = net.refused(3, "PARTIAL", "--timeout", "60s", "cp", path, "cairn://wide/more")
        expect("127.0.1.1" in result.err and "left" in result.err, f"whose disk, and why: {result}")
        net.ok("get", "cairn://wide/more", os.path.join(net.root, "more.back"))
        back = os.path.join(net.root, "large.back")
        net.ok("get", "cairn://full/large", back)
        expect(same(os.path.join(net.root, "large"), back), "what was stored before differs")
        os.remove(ballast)
        net.ok("cp", path, "cairn://wide/more")
        net.ok("dev", "down")
    net.ok("dev", "up")
    net.ok("verify", "cairn://wide/more")


def newest(net):
    height = net.json("chain", "status")["height"]
    return net.json("chain", "block", height)["receipts"][-1]["transaction"]


@rule("a ledger whose disk is full stops with one error, and has everything it acknowledged when there is room")
def _(net):
    status = net.json("dev", "status")
    data = os.path.join(status["directory"], "chain")
    expect(os.path.isdir(data), f"no {data}")
    net.ok("dev", "down")
    account = net.json("wallet", "ls")["keys"][0]["account"]
    with SmallDisk(data, "64M") as disk:
        net.ok("dev", "up")
        net.ok("dev", "fund", "1", account)
        acknowledged = [newest(net)]
        ballast = disk.fill()
        refused = None
        for _ in range(200):  # pages that are free inside the file take some blocks yet
            result = net.run("--timeout", "20s", "dev", "fund", "1", account)
            if result.code != 0:
                refused = result
                break
            acknowledged.append(newest(net))
        expect(refused is not None, "the ledger wrote to a full disk")
        expect(sum(line.startswith("error: ") for line in refused.err.splitlines()) == 1, str(refused))
        wait_until(lambda: not net.json("dev", "status")["chaind"]["running"], 30, "the ledger stops")
        with open(status["chaind"]["log"], encoding="utf-8") as log:
            failures = [line for line in log if '"daemon.failed"' in line]
        expect(len(failures) == 1 and "DISK_FULL" in failures[0], f"its log: {failures}")
        os.remove(ballast)
        net.ok("dev", "up")
        for hash_ in acknowledged:
            expect(net.json("chain", "tx", "show", hash_)["verdict"] == "OK", f"{hash_} is gone")
        net.ok("dev", "fund", "1", account)
        net.ok("chain", "check")
        net.ok("dev", "down")
    net.ok("dev", "up")


if __name__ == "__main__":
    main()

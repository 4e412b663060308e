"""kill -9, at moments that a seed draws (printed; CAIRN_KILL_SEED repeats them), of a client that pays for what it
reads. The next run goes on: what was paid for and written down is not bought again, no voucher is signed twice or above
the deposit, and at the end the wallet's books, the providers' and the ledger's agree to the unit."""
import csv
import io
import json
import os
import random
import time

from harness import SOAK, expect, main, random_file, rule, same
from money import when
from paid import CHUNK, compare, price, units, usdc

SEED = int(os.environ.get("CAIRN_KILL_SEED", random.SystemRandom().randrange(1 << 32)))
CHANCE = random.Random(SEED)
KILLS = 20 if SOAK else 3
SIZE = 64 << 20
OPEN_FEE = 100
STRIPE = 1 << 20  # what is written down at once
HOLDERS = 4
# What a kill may cost: kReadAhead of apps/client/get.h, the rest of a stripe that is read again, a chunk ahead to each.
AHEAD = 16 << 20
IN_VAIN = AHEAD + STRIPE + HOLDERS * CHUNK
print(f"seed {SEED}", flush=True)


def part_of(folder):
    """Where the beginning of the download is kept, and how much of it."""
    for name in os.listdir(folder):
        if name.endswith(".part"):
            try:
                return os.path.getsize(os.path.join(folder, name))
            except FileNotFoundError:
                return 0
    return 0


def channels(net):
    return [c["channel"] for c in net.json("channel", "ls", "--all")["channels"]]


def lines_of(net, name):
    return list(csv.DictReader(io.StringIO(net.ok("channel", "statement", name, "--csv").out)))


def bought(net):
    """Bytes that this wallet has promised to pay for, over all channels."""
    return sum(int(lines[-1]["bytes"]) for lines in (lines_of(net, c) for c in channels(net)) if lines)


def sound(net, name):
    """What this wallet has signed: each voucher once, each above the one before, none above the deposit; and the payee
    has nothing that it does not know of."""
    lines = lines_of(net, name)
    epochs = [line["epoch"] for line in lines]
    expect(len(set(epochs)) == len(epochs), f"a voucher twice: {lines}")
    worth = [int(line["bytes"]) for line in lines]
    expect(all(a <= b for a, b in zip(worth, worth[1:])), f"bytes went back: {lines}")
    amounts = [units({"amount": line["amount"], "asset": "usdc"}) for line in lines]
    expect(amounts == [price(size) for size in worth], f"not the price: {lines}")
    deposit = units(net.json("channel", "show", name)["deposit"])
    expect(max(amounts, default=0) <= deposit, f"{amounts} of {deposit} are promised")
    compared = net.run("-o", "json", "channel", "statement", name, "--compare")
    if compared.code == 0:
        return
    # Signed and not sent yet, or sent and not answered: ours may be ahead, and only in what came last.
    expect(compared.code == 11 and "STATEMENTS_DIFFER" in compared.err, f"cannot be compared: {compared}")
    found = json.loads(compared.err)["error"]["evidence"]
    at, ours, theirs = int(found["voucher"]), found["ours"], found["theirs"]
    expect(ours != "no such voucher", f"the payee has a voucher that this wallet does not know: {found}")
    if theirs == "no such voucher":
        expect(at == len(lines) - 1, f"the payee lacks more than the last voucher: {found}, {lines}")
        return
    epoch, _, size, _ = theirs.split(", ")
    older = epoch.split()[1] == epochs[at] or at == len(lines) - 1
    expect(older and int(size.split()[0]) <= worth[-1], f"another voucher than ours: {found}, {lines}")


def hedged(seconds):
    """What slow holders may have brought beside another one: no request is slow within 5 seconds (kPaidHedge), and as
    many are under way as make the window."""
    return int(seconds // 5) * AHEAD


class Killed:
    """A download that is killed again and again, and in the end is not."""

    def __init__(self, net, name, number):
        self.net, self.name = net, f"cairn://killed/{name}"
        self.folder = os.path.join(net.root, f"back{number}")
        os.makedirs(self.folder)
        self.target = os.path.join(self.folder, "back")
        self.slow = 0  # bytes that hedging may have cost

    def start(self):
        return self.net.start("-o", "json", "--pay", "always", "get", self.name, self.target)

    def kill(self, seconds):
        """At a share of what is left, or at some time of a run: before the first byte, while channels open, at the end."""
        have, paid = part_of(self.folder), bought(self.net)
        by_time, moment, late = CHANCE.random() < 0.3, CHANCE.random() ** 2, CHANCE.uniform(0, 0.004)
        begun, process = time.monotonic(), self.start()
        while process.poll() is None:
            if by_time and time.monotonic() - begun >= moment ** 0.5 * seconds:
                break
            if not by_time and part_of(self.folder) > have + moment * (SIZE - have):
                break
            time.sleep(0.0002)
        time.sleep(late)
        process.kill()
        process.communicate()
        slow = hedged(time.monotonic() - begun)
        self.slow += slow
        if process.returncode == 0:  # it was faster
            expect(os.path.exists(self.target), "it said that it was done")
            return False
        expect(not os.path.exists(self.target) or part_of(self.folder) == 0, "half a file has its name")
        kept = part_of(self.folder)
        vain = bought(self.net) - paid - (SIZE if os.path.exists(self.target) else kept) + have
        print(f"        killed {'after ' + format(moment ** 0.5 * seconds, '.2f') + ' s' if by_time else f'at {moment:.2f}'}: "
              f"{kept >> 10} KiB kept, {vain >> 10} KiB paid for in vain", flush=True)
        expect(vain <= IN_VAIN + slow, f"{vain} bytes were bought in vain, {IN_VAIN} may be")
        expect(kept >= have or os.path.exists(self.target), f"{have} bytes were kept, now {kept}")
        return True

    def finish(self, path, sound_up_to=None):
        """Reads nothing again of what is there; the providers' journals tell what was asked for."""
        kept = part_of(self.folder) if sound_up_to is None else sound_up_to
        time.sleep(1.1)  # the journals' times are whole seconds, and reads of the killed may end late
        begun = int(time.time())
        process = self.start()
        _, err = process.communicate(timeout=300)
        self.slow += hedged(time.time() - begun)
        expect(process.returncode == 0, f"does not go on: {err.decode()}")
        expect(same(path, self.target), "the file differs")
        expect(os.listdir(self.folder) == ["back"], f"something is left: {os.listdir(self.folder)}")
        asked = [r for p in self.net.json("bill", "killed", "--reads")["buckets"][0]["providers"]
                 for r in p["records_read"] if when(r["time"]).timestamp() >= begun]
        again = [r for r in asked if int(r["offset"]) < kept // STRIPE * STRIPE]
        expect(not again, f"{kept} bytes were kept, and still these were read: {again}")


@rule("a paying client killed again and again goes on where it was, reads and pays for nothing again that it had written "
      "down, and signs nothing twice [CD-10][CD-40]")
def _(net):
    net.ok("bucket", "create", "killed", "--public", "--policy", "replicate:3")
    path = random_file(os.path.join(net.root, "large"), SIZE, seed=SEED)
    net.ok("cp", path, "cairn://killed/large")
    before = usdc(net)
    begun = time.monotonic()
    Killed(net, "large", 0).finish(path)
    seconds = time.monotonic() - begun
    first = sum(compare(net, c) for c in channels(net))
    expect(first >= SIZE, f"{first} bytes were paid for {SIZE}")
    kills = files = slow = 0
    while kills < KILLS:
        files += 1
        download = Killed(net, "large", files)
        for _ in range(CHANCE.randint(1, 3)):
            kills += download.kill(seconds)
            for c in channels(net):
                sound(net, c)
            if os.path.exists(download.target):
                break
        if not os.path.exists(download.target):
            download.finish(path)
        slow += download.slow
    for c in channels(net):
        sound(net, c)
    # What was signed and not sent is owed all the same, also over a channel that was not taken up again.
    paid = {c: int(lines_of(net, c)[-1]["bytes"]) for c in channels(net) if lines_of(net, c)}
    over = sum(paid.values()) - first - files * SIZE
    # Bytes that waited for others at a kill, and those of slow holders that others gave too.
    print(f"        {kills} kills, {files} files, {len(paid)} channels, {over >> 10} KiB more than the files", flush=True)
    expect(over <= kills * IN_VAIN + slow, f"{over} bytes too many were bought over {kills} kills, {IN_VAIN} each may be")
    earned, opened = {}, channels(net)
    for c in opened:
        size, shown = paid.get(c, 0), net.json("channel", "show", c)
        if shown["state"] == "open":
            expect(net.json("channel", "close", c)["closed"] == "together", f"{c} does not close together")
        expect(units(net.json("channel", "show", c)["claimed"]) == price(size), f"{c} paid something else")
        earned[shown["payee"]] = earned.get(shown["payee"], 0) + price(size)
    for provider, amount in earned.items():
        told = units(net.json("provider", "earnings", provider)["channels_paid_out"])
        expect(told == amount, f"{provider} says {told} instead of {amount}")
    gone = before - usdc(net)
    cost = sum(price(size) for size in paid.values()) + OPEN_FEE * len(opened)
    expect(gone == cost, f"{gone} units are gone, the reads cost {cost}")
    net.ok("chain", "check")


@rule("what an earlier run left is looked at: other bytes in it are not taken for the object's, and a second run beside "
      "the first does not touch it")
def _(net):
    download = Killed(net, "large", "damaged")
    path = os.path.join(net.root, "large")
    while part_of(download.folder) == 0:
        process = download.start()
        while process.poll() is None and part_of(download.folder) < SIZE // 3:
            time.sleep(0.0005)
        process.kill()
        process.communicate()
        if os.path.exists(download.target):
            os.remove(download.target)
    left = os.path.join(download.folder, next(n for n in os.listdir(download.folder) if n.endswith(".part")))
    with open(left, "r+b") as out:
        out.seek(1000)
        out.write(b"not what was paid for")
    download.finish(path, sound_up_to=0)  # the rest, and then, since it does not fit, all of it
    os.remove(download.target)
    both = [download.start(), download.start()]
    for process in both:
        _, err = process.communicate(timeout=300)
        expect(process.returncode == 0, f"one of two fails: {err.decode()}")
    expect(same(path, download.target), "the file differs")
    expect(os.listdir(download.folder) == ["back"], f"something is left: {os.listdir(download.folder)}")


if __name__ == "__main__":
    main("--providers", "4")

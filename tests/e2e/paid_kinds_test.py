"""Reads of every kind that nothing but a channel covers: manifests that are blobs, and whole objects at every holder."""
import os

from harness import expect, main, random_file, rule, same
from paid import CHUNK, channel, compare, price, spent_by, units, usdc

PARTS = 16  # roots of so many shards fill more than a ledger's record keeps of a manifest


def put(net, bucket, name, size):
    path = random_file(os.path.join(net.root, name), size)
    net.ok("cp", path, f"cairn://{bucket}/{name}")
    return path


def all_agree(net, spent):
    """What went over each channel is its bytes' price, and payer and payee have the same statement."""
    for s in spent:
        total = compare(net, s["channel"])
        expect(units(s["paid"]) == price(total) - price(total - int(s["bytes"])), f"not the price: {s} of {total}")


@rule("verify pays every holder for its part, within --max-cost, and says what it paid; without leave it is refused "
      "[CD-10][CD-49]")
def _(net):
    net.ok("bucket", "create", "plain", "--public", "--policy", "replicate:3")
    path = put(net, "plain", "a", 1_000_000)
    before = usdc(net)
    net.refused(8, "READ_QUOTA_SPENT", "verify", "cairn://plain/a")
    # Three times a million bytes are 30 units, and three channels cost 300 to open.
    net.refused(8, "PRICE_GUARD", "--pay", "always", "--max-cost", "0.000029usdc", "verify", "cairn://plain/a")
    net.refused(8, "PRICE_GUARD", "--max-cost", "0.000329usdc", "verify", "cairn://plain/a")
    expect(usdc(net) == before, "something was spent")
    result = net.json("--max-cost", "0.01usdc", "verify", "cairn://plain/a")
    item = result["items"][0]
    expect(item["good"] == 3 and all(part["ok"] for part in item["parts"]), f"not sound: {item}")
    expect(len(result["spent"]) == 3, f"not every holder was paid: {result}")
    for s in result["spent"]:
        expect(int(s["bytes"]) == 1_000_000 and units(s["paid"]) == 10, f"not its bytes: {s}")
    all_agree(net, result["spent"])
    again = net.json("--pay", "always", "verify", path, "cairn://plain/a")
    expect(again["same"], f"held against the file: {again}")


@rule("verify finds a damaged copy although it is paid for, and pays nothing for what did not hold")
def _(net):
    stat = net.json("stat", "cairn://plain/a")
    bad = next(p for p in net.json("dev", "status")["providers"] if p["account"] == stat["primary"])
    net.ok("dev", "misbehave", bad["name"], "wrong_bytes")
    result = net.run("-o", "json", "--pay", "always", "verify", "cairn://plain/a")
    net.ok("dev", "misbehave", bad["name"], "none")
    expect(result.code == 11 and "DAMAGED" in result.err, f"not found: {result}")
    told = result.json()
    parts = told["items"][0]["parts"]
    expect([p["provider"] for p in parts if not p["ok"]] == [bad["account"]], f"others are said to lie: {parts}")
    for s in told["spent"]:
        paid = int(s["bytes"])
        expect(paid == 1_000_000 or s["provider"] == bad["account"] and paid <= CHUNK, f"paid for lies: {s}")


@rule("an object whose manifest is a blob is read where only channels cover it: the manifest is paid like the rest "
      "[CD-10][CS-12]")
def _(net):
    net.ok("bucket", "create", "wide", "--policy", f"rs:{PARTS - 4}+4")
    path = put(net, "wide", "a", 3_000_000)
    net.refused(8, "READ_QUOTA_SPENT", "stat", "cairn://wide/a")  # the manifest is no part of the record
    stored = int(net.json("--pay", "needed", "stat", "cairn://wide/a")["stored_bytes"])
    back = os.path.join(net.root, "back")
    net.refused(8, "READ_QUOTA_SPENT", "get", "cairn://wide/a", back)
    expect(not os.path.exists(back), "something was written")
    before = usdc(net)
    spent = spent_by(net, "--pay", "needed", "get", "cairn://wide/a", back)
    expect(same(path, back), "the file differs")
    total = sum(int(s["bytes"]) for s in spent)
    expect(total > stored, f"{total} bytes were paid, {stored} are stored and the manifest comes to them")
    all_agree(net, spent)
    opened = [s for s in spent if units(s["open_fee"])]
    locked = sum(units(channel(net, s["channel"])["lock"]["locked"]) for s in opened)
    gone = before - usdc(net)
    expect(gone == locked + 100 * len(opened), f"{gone} units are gone, {locked} are locked")


if __name__ == "__main__":
    main("--providers", str(PARTS), "--param", "free_quota_bytes=0")

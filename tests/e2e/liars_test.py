"""Providers that lie, keep silent or refuse: the user is told, retries or replaces, and gets the money back."""
import os
import zlib
from decimal import Decimal

from harness import expect, main, random_file, rule, same, wait_until


def put_and_check(net, name, size=3_000_000):
    path = random_file(os.path.join(net.root, name), size, seed=zlib.crc32(name.encode()))
    net.ok("cp", path, f"cairn://honest/{name}")
    back = os.path.join(net.root, name + ".back")
    net.ok("get", f"cairn://honest/{name}", back)
    expect(same(path, back), f"{name} differs")


def names(net, reference):
    by_account = {p["account"]: p["name"] for p in net.json("dev", "status")["providers"]}
    stat = net.json("stat", reference)
    return by_account[stat["primary"]], [by_account[h["provider"]] for h in stat["holders"]]


@rule("a holder that serves wrong bytes is dropped and another one used [GF-45]")
def _(net):
    net.ok("bucket", "create", "honest", "--policy", "rs:4+2")
    put_and_check(net, "first")
    primary, holders = names(net, "cairn://honest/first")
    net.ok("dev", "misbehave", holders[0], "wrong_bytes")
    back = os.path.join(net.root, "wrong-bytes.back")
    net.ok("get", "cairn://honest/first", back)
    expect(same(os.path.join(net.root, "first"), back), "wrong bytes were accepted")
    net.ok("dev", "misbehave", holders[0], "none")


@rule("a holder that signs wrong receipts does not keep a put from being available [GF-24]")
def _(net):
    primary, holders = names(net, "cairn://honest/first")
    liar = next(h for h in holders if h != primary)
    net.ok("dev", "misbehave", liar, "wrong_receipt")
    path = random_file(os.path.join(net.root, "second"), 2_000_000)
    result = net.run("--wait", "available", "cp", path, "cairn://honest/second")
    expect(result.code == 0, str(result))
    back = os.path.join(net.root, "second.back")
    net.ok("get", "cairn://honest/second", back)
    expect(same(path, back), "second differs")
    net.ok("dev", "misbehave", liar, "none")


@rule("when the primary keeps silent or refuses to seal, the owner replaces it and the put succeeds [GF-12]")
def _(net):
    for fault in ("silent_after_approval", "refuse_seal"):
        primary, _ = names(net, "cairn://honest/first")
        net.ok("dev", "misbehave", primary, fault)
        put_and_check(net, fault)
        after, _ = names(net, f"cairn://honest/{fault}")
        expect(after != primary, f"{fault}: still primary {primary}")
        net.ok("dev", "misbehave", primary, "none")


@rule("what was locked for an upload that never sealed comes back after the deadline [GF-29]")
def _(net):
    net.ok("dev", "advance", "2m")
    pending = net.json("ls", "--pending", "cairn://honest/")
    expect(not [o for o in pending["items"] if o["state"] == "uploading"], f"still pending: {pending}")


def signed_but_unsealed(net, bucket, name):
    """An upload that the bucket's primary signed for while it refuses to seal; who that primary is."""
    net.ok("bucket", "create", bucket, "--policy", "rs:4+2")
    net.ok("cp", random_file(os.path.join(net.root, bucket), 10_000), f"cairn://{bucket}/before")
    account = net.json("stat", f"cairn://{bucket}/before")["primary"]
    primary, _ = names(net, f"cairn://{bucket}/before")
    net.ok("dev", "misbehave", primary, "refuse_seal")
    path = random_file(os.path.join(net.root, name), 2_000_000, seed=7)
    net.ok("--wait", "created", "cp", path, f"cairn://{bucket}/{name}")
    return account, primary


def fined(net, account):
    return float(net.json("provider", "show", account)["fined"]["amount"])


def free(net):
    return float(net.json("wallet", "balance")["free"]["amount"])


def ledger_sums(net):
    """What the account has in all, and what its history says went in and out, in units of 10^-18 crn."""
    unit = lambda money: int(Decimal(money["amount"]) * 10**18)
    def both():
        """Of one state: other blocks may settle the account's streams between two questions."""
        while True:
            before = net.json("wallet", "balance")
            rows = net.json("wallet", "history", "--blocks", "0")["events"]
            if net.json("wallet", "balance") == before:
                return before, rows

    balance, rows = both()
    signs = {"fee": -1, "sent": -1, "fine paid": -1, "received": 1, "fine received": 1, "streamed out": -1,
             "streamed in": 1}
    moved = sum(signs.get(row.get("what"), 0) * unit(row["amount"]) for row in rows if "amount" in row)
    return unit(balance["free"]) + unit(balance["locked"]) + unit(balance["reserve"]) - moved, rows


@rule("the history names every payment with its other side: what it adds up to is what the account has")
def _(net):
    start, _ = ledger_sums(net)
    net.ok("bucket", "create", "counted", "--policy", "rs:4+2")
    put = net.json("cp", os.path.join(net.root, "first"), "cairn://counted/first")["items"][0]
    net.ok("rm", "cairn://counted/first")
    net.ok("bucket", "rm", "counted")
    other = net.newcomer("counted")
    other.ok("wallet", "new", "main")
    account = other.json("wallet", "balance")["account"]
    net.ok("--yes", "wallet", "send", account, "1.5")
    net.ok("dev", "fund", "2")
    end, rows = ledger_sums(net)
    expect(start == end, f"{end - start} units are in no row")
    ours = [row for row in rows if put["object"] in row["for"]]
    of = lambda what: [row for row in ours if row.get("what") == what]
    total = lambda what: sum(Decimal(row["amount"]["amount"]) for row in of(what))
    expect(total("locked") == total("released") > 0, f"the object's rows: {ours}")  # at the seal, and at the end
    expect(all(row["with"] for row in of("locked") + of("sent")), f"the object's rows: {ours}")
    expect(of("sent") and total("sent") > total("received"), f"no minimum term in the object's rows: {ours}")
    expect(any(row.get("what") == "streamed out" for row in rows), "nothing flowed")
    sent = [row for row in rows if row.get("with") == account]
    expect([(row["what"], row["amount"]["amount"]) for row in sent] == [("sent", "1.5")], f"sent {sent}")
    expect(any(row["what"] == "received" and row["amount"]["amount"] == "2" for row in rows if "what" in row), "no gift")
    expect(any(row["type"] == "fee" and "create_bucket" in row["for"] for row in rows), "no fee of a bucket")


@rule("a primary that signs for an upload and never seals it pays its owner the fine, once [GF-29][GF-31]")
def _(net):
    account, primary = signed_but_unsealed(net, "claimed", "unsealed")
    kept = net.json("wallet", "fines")["fines"]
    expect([k["state"] for k in kept] == ["owed"] and kept[0]["primary"] == account, f"kept {kept}")
    expect(net.json("wallet", "claim")["fines"][0]["state"] == "owed", "claimed before the deadline")
    net.ok("dev", "advance", "25s")
    wait_until(lambda: net.json("wallet", "fines")["fines"][0]["state"] == "fine due", 10, "the deadline passes")
    before, earlier = free(net), fined(net, account)
    paid = net.json("wallet", "claim")["fines"]
    expect([k["state"] for k in paid] == ["paid"], f"claim says {paid}")
    fine = float(paid[0]["fine"]["amount"])
    expect(fine > 0 and abs(fined(net, account) - earlier - fine) < 1e-9, "the provider was not fined")
    expect(0 < free(net) - before <= fine, "the owner did not get it")  # less the fee of claiming
    expect(net.json("wallet", "fines")["fines"] == [], "the receipt is still kept")
    expect(net.json("wallet", "claim")["fines"] == [], "claimed twice")
    rows = net.json("wallet", "history")["events"]
    shown = [row for row in rows if row.get("what") == "fine received"]
    expect([(row["with"], float(row["amount"]["amount"])) for row in shown] == [(account, fine)], f"history says {shown}")
    net.ok("dev", "misbehave", primary, "none")


@rule("the next put claims a fine that is due by itself [GF-31]")
def _(net):
    account, primary = signed_but_unsealed(net, "unasked", "unsealed-too")
    net.ok("dev", "advance", "25s")
    wait_until(lambda: net.json("wallet", "fines")["fines"][0]["state"] == "fine due", 10, "the deadline passes")
    earlier = fined(net, account)
    net.ok("dev", "misbehave", primary, "none")
    net.ok("cp", os.path.join(net.root, "unsealed-too"), "cairn://unasked/unsealed-too")
    expect(fined(net, account) > earlier, "no fine was claimed")
    expect(net.json("wallet", "fines")["fines"] == [], "the receipt is still kept")


@rule("no fine without a signed receipt, for a seal that came, or once the owner replaced the primary [GF-31]")
def _(net):
    put_and_check(net, "honest-one")
    expect(net.json("wallet", "fines")["fines"] == [], "something is owed for a sealed object")

    account, primary = signed_but_unsealed(net, "replaced", "unsealed-three")
    net.ok("provider", "replace-primary", "replaced")
    net.ok("dev", "advance", "25s")
    wait_until(lambda: net.json("wallet", "fines")["fines"][0]["state"] == "nothing due", 10, "the deadline passes")
    earlier, before = fined(net, account), free(net)
    expect(net.json("wallet", "claim")["fines"][0]["state"] == "nothing due", "a fine for a replaced primary")
    expect(fined(net, account) == earlier and free(net) == before, "money moved")
    net.ok("dev", "misbehave", primary, "none")

    net.ok("bucket", "create", "silent", "--policy", "rs:4+2")
    net.ok("cp", os.path.join(net.root, "silent_after_approval"), "cairn://silent/before")
    account = net.json("stat", "cairn://silent/before")["primary"]
    primary, _ = names(net, "cairn://silent/before")
    net.ok("dev", "misbehave", primary, "silent_after_approval")
    put = net.start("cp", os.path.join(net.root, "silent_after_approval"), "cairn://silent/never")
    wait_until(lambda: net.json("ls", "--pending", "cairn://silent/")["items"][1:], 20, "the object is created")
    put.kill()
    put.communicate()
    earlier = fined(net, account)
    net.ok("dev", "advance", "25s")
    wait_until(lambda: not net.json("ls", "--pending", "cairn://silent/")["items"][1:], 10, "the deadline passes")
    expect(net.json("wallet", "fines")["fines"] == [], "a receipt that nobody signed")
    expect(fined(net, account) == earlier, "fined without a receipt")
    net.ok("dev", "misbehave", primary, "none")


@rule("puts and reads go on after the clocks were moved, also with a daemon started afterwards")
def _(net):
    net.ok("dev", "advance", "20m")
    _, holders = names(net, "cairn://honest/first")
    net.ok("dev", "fail", holders[1])
    net.ok("dev", "heal", holders[1])
    put_and_check(net, "later")
    wait_until(lambda: net.json("verify", "cairn://honest/later")["items"][0]["good"] == 6, 20, "all holders answer")


if __name__ == "__main__":
    main()

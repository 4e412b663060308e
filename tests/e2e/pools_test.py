"""One deposit behind many readers and many providers: reads that a pool pays for, to the unit."""
import csv
import io
import json
import os
import shutil
import subprocess

from harness import BIN, Result, expect, main, random_file, rule, same, wait_until
from paid import price, provider_of, spent_by, units, usdc

SIZE = 2_000_000


READERS = {}  # all of them put their files first: after some days no provider counts as live


def fetch(home, net, name, *flags):
    back = os.path.join(home.folder, "back")
    spent = spent_by(home, *flags, "get", f"cairn://pooled/{name}", back)
    expect(same(os.path.join(net.root, name), back), f"{name} differs")
    os.remove(back)
    return spent


def pool(net, name):
    return net.json("pool", "show", name)


def reader_of(net, name):
    """A client with files, a key of its own and not a unit of usdc; what it prints for a pool's owner."""
    home = net.newcomer(name)
    home.ok("wallet", "new", "main")
    net.ok("dev", "fund", "1000", home.json("wallet", "balance")["account"])
    home.ok("bucket", "create", "pooled", "--public", "--policy", "replicate:3")
    for file in ("a", "b"):
        home.ok("cp", random_file(os.path.join(net.root, file), SIZE), f"cairn://pooled/{file}")
    return home, home.json("pool", "key")["key"]


@rule("readers without money read from a pool under capabilities; the providers redeem, and pool, lanes and balances agree "
      "to the unit [JS-15][CD-46]")
def _(net):
    before = usdc(net)
    made = net.json("pool", "open", "2")["pool"]
    expect(before - usdc(net) == 2_000_000 + 100, "the deposit and the fee of opening")
    earned = {p["account"]: usdc(net, p["account"]) for p in net.json("dev", "status")["providers"]}
    spent = []
    READERS.update({name: reader_of(net, name) for name in ("first", "second", "short", "killer", "teller")})
    readers = [READERS["first"], READERS["second"]]
    grants = [net.json("pool", "grant", made, key, "1", "--expires", "48h")["grant"] for _, key in readers]
    back = os.path.join(net.root, "nothing")
    readers[0][0].refused(8, "READ_QUOTA_SPENT", "get", "cairn://pooled/a", back)
    readers[0][0].refused(2, "WRONG_SIGNER", "--pay", "always", "--pool", grants[1], "get", "cairn://pooled/a", back)
    readers[0][0].refused(2, "BAD_GRANT", "--pool", "00ff", "get", "cairn://pooled/a", back)
    for (reader, _), grant in zip(readers, grants):
        for name in ("a", "b"):
            spent += fetch(reader, net, name, "--pool", grant, "--pay", "always", "--max-cost", "0.01usdc")
        expect(usdc(reader) == 0, "a reader paid itself")
        reader.refused(8, "PRICE_GUARD", "--pool", grant, "--pay", "always", "--max-cost", "0.000019usdc", "get",
                       "cairn://pooled/a", back)
    expect(all(units(s["open_fee"]) == 0 for s in spent), f"a lane cost a fee: {spent}")
    lanes = {}
    for s in spent:
        size, provider = lanes.get(s["channel"], (0, s["provider"]))
        expect(provider == s["provider"], "a lane is of one provider")
        lanes[s["channel"]] = (size + int(s["bytes"]), provider)
    expect(sum(size for size, _ in lanes.values()) >= 4 * SIZE, f"unpaid: {lanes}")
    owed = {}
    for size, provider in lanes.values():
        owed[provider] = owed.get(provider, 0) + price(size)
    total = sum(owed.values())
    # The deposit is dear beside what is owed: providers take it when the capabilities end.
    expect(units(pool(net, made)["paid"]) == 0, "redeemed before it was worth a transaction")
    net.ok("dev", "advance", "43h")
    wait_until(lambda: units(pool(net, made)["paid"]) == total, 60, "every lane is redeemed")
    for account, amount in owed.items():
        split = sum(price(size) - price(size) // 10 for size, p in lanes.values() if p == account)
        expect(usdc(net, account) - earned[account] == split, f"{account} has not {amount} less a tenth")
    net.ok("pool", "close", made)
    net.ok("dev", "advance", "49h")
    wait_until(lambda: net.run("pool", "show", made).code == 4, 30, "the window ends, and nothing is left of the pool")
    expect(before - usdc(net) == 100 + total, f"{before - usdc(net)} units are gone, {total} were earned")
    net.ok("chain", "check")


def storaged(provider, *arguments):
    """What the provider's operator is told on its own machine."""
    command = [os.path.join(BIN, "storaged"), *arguments, f"--admin.listen={provider['admin']}",
               f"--node.data_dir={provider['directory']}", f"--net.advertise={provider['endpoint']}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    return Result(command[1:], done, 0)


def written(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="ascii") as out:
        out.write(text)
    return path


@rule("signer, provider and the pool's owner have the same statement of every lane, as CSV and as JSON, and a comparison by "
      "either side names the first voucher that differs [CD-09][JS-15]")
def _(net):
    made = net.json("pool", "open", "1")["pool"]
    reader, key = READERS["teller"]
    grant = net.json("pool", "grant", made, key, "1", "--expires", "48h")["grant"]
    with_pool = ("--pool", grant)
    lanes = {s["channel"]: (int(s["bytes"]), provider_of(net, s["provider"]))
             for s in fetch(reader, net, "a", *with_pool, "--pay", "always")}
    listed = {c["channel"]: c for c in reader.json(*with_pool, "channel", "ls")["channels"]}
    expect(set(listed) == set(lanes), f"{set(lanes)} were paid over, {listed} are listed")
    expect(all(c["side"] == "signer" and c["pool"] == made for c in listed.values()), f"{listed}")
    for lane, (size, provider) in lanes.items():
        told = reader.json(*with_pool, "channel", "statement", lane, "--compare")
        expect(told["same"] and told["channel"] == lane, f"{told}")
        text = reader.ok("channel", "statement", lane, "--csv").out
        rows = list(csv.DictReader(io.StringIO(text)))
        expect(int(told["vouchers"]) == len(rows) and int(rows[-1]["bytes"]) == size, f"{size} bytes: {rows}")
        expect(units({"amount": rows[-1]["amount"], "asset": "usdc"}) == price(size), f"not the price: {rows}")
        lines = reader.json("channel", "statement", lane)
        expect([(v["epoch"], v["bytes"], v["claim"]) for v in lines["vouchers"]] ==
               [(r["epoch"], r["bytes"], r["claim"]) for r in rows], "CSV and JSON differ")
        expect(reader.ok("-o", "csv", "channel", "statement", lane).out == text, "-o csv is something else")
        # The provider's operator, and the pool's owner, who signed nothing.
        expect(storaged(provider, "statement", "--channel", lane).out == text, "the provider's CSV differs")
        theirs = storaged(provider, "-o", "json", "statement", "--channel", lane)
        expect(theirs.json() == lines, f"the provider's JSON differs: {theirs}")
        newest = storaged(provider, "-o", "json", "statement").json()["channels"]
        expect([int(c["bytes"]) for c in newest if c["channel"] == lane] == [size], f"not among its newest: {newest}")
        expect(net.ok(*with_pool, "channel", "statement", lane, "--payee", "--csv").out == text, "the owner sees another one")
        expect(net.json("channel", "statement", lane)["vouchers"] == [], "the owner signed nothing")
        # Each against a file of the other.
        for name, content in (("theirs.csv", text), ("theirs.json", theirs.out)):
            file = written(reader.folder, name, content)
            expect(reader.json("channel", "statement", lane, "--with", file)["same"], "not the same")
            same_there = storaged(provider, "-o", "json", "statement", "--channel", lane, "--with", file)
            expect(same_there.code == 0 and same_there.json()["same"], f"{same_there}")
            expect(net.json(*with_pool, "channel", "statement", lane, "--payee", "--with", file)["same"], "not the same")
        forged = written(reader.folder, "forged.csv", text.replace(f",{size},", f",{size + 1},"))
        reader.refused(2, "BAD_STATEMENT", "channel", "statement", lane, "--with", forged)
        reader.refused(4, "NO_SUCH_CHANNEL", "channel", "statement", lane, "--compare")

    # A signer whose files are an older copy: the first difference is the last voucher that the copy has.
    copy = os.path.join(reader.folder, "older")
    shutil.copytree(os.path.join(reader.folder, "channels"), copy)
    more = {s["channel"]: s for s in fetch(reader, net, "b", *with_pool, "--pay", "always")}
    lane = next(name for name in more if name in lanes)
    provider = lanes[lane][1]
    newer = reader.ok("channel", "statement", lane, "--csv").out
    shutil.rmtree(os.path.join(reader.folder, "channels"))
    shutil.copytree(copy, os.path.join(reader.folder, "channels"))
    older = reader.ok("channel", "statement", lane, "--csv").out
    ours, theirs = (list(csv.DictReader(io.StringIO(text))) for text in (older, newer))
    expect(storaged(provider, "statement", "--channel", lane).out == newer, "the provider has another one")
    first = next(i for i, row in enumerate(theirs) if i >= len(ours) or row != ours[i])

    def brief(rows):
        if first >= len(rows):
            return "no such voucher"
        row = rows[first]
        return f"epoch {row['epoch']}, {row['ticks']} ticks, {row['bytes']} bytes, {row['amount']} usdc"

    def names(result, ours, theirs):
        expect(result.code == 11, f"not a difference: {result}")
        error = json.loads(result.err)["error"]
        expect(error["code"] == "STATEMENTS_DIFFER", f"{error}")
        expect(error["evidence"] == {"voucher": str(first), "ours": brief(ours), "theirs": brief(theirs)}, f"{error}")

    names(reader.run("-o", "json", *with_pool, "channel", "statement", lane, "--compare"), ours, theirs)
    names(storaged(provider, "-o", "json", "statement", "--channel", lane, "--with",
                   written(reader.folder, "older.csv", older)), theirs, ours)
    # Nobody else is told, and a lane is looked for under the grant alone.
    other = READERS["second"][0]
    other.refused(5, "NOT_YOUR_CHANNEL", *with_pool, "channel", "statement", lane, "--payee")
    foreign = net.json("pool", "grant", made, READERS["second"][1], "1")["grant"]
    reader.refused(4, "NO_SUCH_CHANNEL", "--pool", foreign, "channel", "statement", lane, "--payee")
    nothing = storaged(provider, "statement", "--channel", "00" * 16)
    expect(nothing.code == 4 and "NO_SUCH_CHANNEL" in nothing.err, f"{nothing}")


@rule("a pool that runs short is refused with cause and hint, and pays again once its owner has added to it; a revoked key "
      "pays no longer [JS-15]")
def _(net):
    made = net.json("pool", "open", "0.02")["pool"]
    reader, key = READERS["short"]
    back = os.path.join(net.root, "nothing")
    poor = net.json("pool", "grant", made, key, "0.000019")["grant"]
    result = reader.refused(7, "POOL_SHORT", "-o", "json", "--pool", poor, "--pay", "always", "get", "cairn://pooled/a",
                            back)
    expect("pool fund" in result.err and not os.path.exists(back), f"{result}")
    grant = net.json("pool", "grant", made, key, "1")["grant"]
    net.ok("pool", "fund", made, "0.1")
    expect(units(pool(net, made)["deposit"]) == 120_000, "not added")
    fetch(reader, net, "a", "--pool", grant, "--pay", "always")
    net.ok("pool", "revoke", made, key)
    reader.refused(6, "SIGNER_REVOKED", "--pool", grant, "--pay", "always", "get", "cairn://pooled/a", back)
    # What was promised before is redeemed all the same, before the capability ends.
    net.ok("dev", "advance", "19h")
    wait_until(lambda: units(pool(net, made)["paid"]) > 0, 60, "the lane is redeemed")
    stranger = net.newcomer("stranger")
    stranger.ok("wallet", "new", "main")
    stranger.refused(6, "NOT_OWNER", "pool", "grant", made, key, "1")
    net.refused(4, "NO_SUCH_POOL", "pool", "show", "00" * 16)


@rule("a provider killed while a pool pays it redeems everything that it acknowledged [JS-15][CD-40]")
def _(net):
    made = net.json("pool", "open", "1")["pool"]
    reader, key = READERS["killer"]
    grant = net.json("pool", "grant", made, key, "1", "--expires", "48h")["grant"]
    spent = fetch(reader, net, "b", "--pool", grant, "--pay", "always")
    for s in spent:
        os.kill(int(provider_of(net, s["provider"])["process"]["pid"]), 9)
    net.ok("dev", "up")
    more = fetch(reader, net, "a", "--pool", grant, "--pay", "always")
    lanes = {}
    for s in spent + more:
        lanes[s["channel"]] = lanes.get(s["channel"], 0) + int(s["bytes"])
    net.ok("dev", "advance", "43h")
    total = sum(price(size) for size in lanes.values())
    wait_until(lambda: units(pool(net, made)["paid"]) == total, 60, f"{total} units are redeemed")


if __name__ == "__main__":
    main("--providers", "4", "--param", "free_quota_bytes=0")

"""One deposit behind many readers and many providers: reads that a pool pays for, to the unit."""
import os

from harness import expect, main, random_file, rule, same, wait_until
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
    READERS.update({name: reader_of(net, name) for name in ("first", "second", "short", "killer")})
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

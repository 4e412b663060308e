"""Reads that channels pay for: bytes, vouchers and both balances agree to the unit, and nobody gains by an old store."""
import os
import shutil
import urllib.request

from harness import expect, main, random_file, rule, same, wait_until
from paid import channel, price, provider_of, spent_by, units, usdc


def spent(home, *arguments):
    return spent_by(home, "--pay", "always", "get", *arguments)


def read_back(home, net, name):
    back = os.path.join(net.root, "back")
    used = spent(home, f"cairn://paid/{name}", back)
    expect(same(os.path.join(net.root, name), back), f"{name} differs")
    return used


@rule("a paid download costs what its bytes cost, and payer, payee and treasury agree to the unit "
      "[CD-09][CD-10][CD-46][CD-49][CS-10][CS-12]")
def _(net):
    net.ok("bucket", "create", "paid", "--policy", "replicate:3")
    for name, size in (("small", 300_001), ("large", 9_000_000)):
        net.ok("cp", random_file(os.path.join(net.root, name), size), f"cairn://paid/{name}")
    before = usdc(net)
    first = read_back(net, net, "large")
    expect(first and all(int(s["bytes"]) > 0 for s in first), f"nothing was paid: {first}")
    expect(sum(int(s["bytes"]) for s in first) >= 9_000_000, f"unpaid bytes: {first}")
    for s in first:
        expect(units(s["paid"]) == price(int(s["bytes"])), f"not the price: {s}")
        expect(units(s["open_fee"]) == 100, f"not the fee of opening: {s}")
    ids = {s["channel"]: s for s in first}
    second = read_back(net, net, "small")
    total = {c: int(s["bytes"]) for c, s in ids.items()}
    for s in second:
        expect(units(s["open_fee"]) == 0 or s["channel"] not in ids, f"paid for opening again: {s}")
        total[s["channel"]] = total.get(s["channel"], 0) + int(s["bytes"])
    fees = {s["channel"]: units(s["open_fee"]) for s in second}
    fees.update({c: units(s["open_fee"]) for c, s in ids.items()})
    cost = 0
    for name, size in total.items():
        expect(net.json("channel", "statement", name, "--compare")["same"], "the statements differ")
        lines = net.json("channel", "statement", name)["vouchers"]
        expect(int(lines[-1]["bytes"]) == size and units(lines[-1]["amount"]) == price(size), f"statement {lines}")
        csv = net.ok("channel", "statement", name, "--csv").out.splitlines()
        expect(len(csv) == len(lines) + 1, f"as many lines as vouchers: {csv}")
        payee = channel(net, name)["payee"]
        earned = usdc(net, payee)
        closed = net.json("channel", "close", name)
        expect(closed["closed"] == "together" and closed["state"] == "settled", f"closed {closed}")
        paid = price(size)
        expect(usdc(net, payee) - earned == paid - paid // 10, f"{payee} has not {paid} less a tenth")
        lock = channel(net, name)["lock"]
        expect(units(lock["locked"]) == 0, f"still locked: {lock}")
        cost += paid + fees[name]
    earned = sum(units(net.json("provider", "earnings", p["account"])["channels_paid_out"])
                 for p in net.json("dev", "status")["providers"])
    expect(earned == sum(price(size) for size in total.values()), f"earnings say {earned}")
    expect(before - usdc(net) == cost, f"{before - usdc(net)} units are gone, the reads cost {cost}")


@rule("history names what a channel locked, paid and gave back; the rows add up to nothing locked [CS-12]")
def _(net):
    rows = [r for r in net.json("wallet", "history", "--blocks", "0")["events"]
            if r["type"].startswith("channel.") and "what" in r]
    total = lambda what: sum(units(r["amount"]) for r in rows if r["what"] == what)
    settled = sum(units(r["amount"]) for r in rows if r["type"] == "channel.settled")
    expect(total("locked") > 0 and total("locked") == settled, f"locked {total('locked')}, settled {settled}: {rows}")


@rule("a read is not paid for without leave, nor beyond --max-cost, nor from an empty wallet; nothing is spent")
def _(net):
    before = usdc(net)
    target = os.path.join(net.root, "guarded")
    net.refused(8, "PRICE_GUARD", "--pay", "always", "--max-cost", "0.000101usdc", "get", "cairn://paid/large", target)
    net.refused(2, "BAD_PAY", "--pay", "sometimes", "get", "cairn://paid/large", target)
    expect(usdc(net) == before and not os.path.exists(target), "something was spent or written")
    poor = net.newcomer("poor")
    poor.ok("wallet", "new", "main")
    account = poor.json("wallet", "balance")["account"]
    net.ok("--yes", "wallet", "send", account, "1000")
    poor.ok("bucket", "create", "own", "--policy", "replicate:2")
    poor.ok("cp", os.path.join(net.root, "small"), "cairn://own/small")
    poor.refused(7, "VERDICT_NO_FUNDS", "--pay", "always", "get", "cairn://own/small", target)


@rule("a store restored from an old backup takes the payee's claims over and closes together, without a penalty [CD-17]")
def _(net):
    used = read_back(net, net, "small")[0]
    folder = os.path.join(net.folder, "channels")
    backup = os.path.join(net.root, "backup")
    shutil.copytree(folder, backup)
    again = next(s for s in read_back(net, net, "large") if s["channel"] == used["channel"])
    shutil.rmtree(folder)
    shutil.copytree(backup, folder)
    short = net.run("channel", "statement", used["channel"], "--compare")
    expect(short.code == 11 and "STATEMENTS_DIFFER" in short.err, f"not a difference: {short}")
    size = int(used["bytes"]) + int(again["bytes"])
    closed = net.json("channel", "close", used["channel"])
    expect(closed["closed"] == "together" and closed["restored"], f"closed {closed}")
    expect(units(channel(net, used["channel"])["claimed"]) == price(size), "the payee was paid for less")


@rule("a stale close while the payee is dead: another operator's watchtower shows the better claim and is paid from "
      "the penalty [CD-15][CD-16][CD-39]")
def _(net):
    used = read_back(net, net, "small")[0]
    folder = os.path.join(net.folder, "channels")
    backup = os.path.join(net.root, "older")
    shutil.copytree(folder, backup)
    again = next(s for s in read_back(net, net, "large") if s["channel"] == used["channel"])
    owed = price(int(used["bytes"]) + int(again["bytes"]))
    payee = provider_of(net, used["provider"])
    others = [p["account"] for p in net.json("dev", "status")["providers"] if p["account"] != payee["account"]]
    wait_until(lambda: metric(payee, "channels_entrusted_units") >= 2 * owed, 60, "two towers have the newest claim")
    net.ok("dev", "fail", payee["name"])
    shutil.rmtree(folder)
    shutil.copytree(backup, folder)
    refused = net.run("channel", "close", used["channel"])
    expect(refused.code == 6 and "CLOSE_UNCERTAIN" in refused.err, f"closed without the payee: {refused}")
    had = {account: usdc(net, account) for account in others + [payee["account"]]}
    net.ok("channel", "close", used["channel"], "--alone", "--not-restored")
    shown = channel(net, used["channel"])
    expect(shown["state"] == "closing" and shown["lock"]["who"] == "ledger", f"shown {shown}")
    wait_until(lambda: units(channel(net, used["channel"])["claimed"]) == owed, 30, "a tower disputes")
    net.ok("dev", "advance", "49h")
    wait_until(lambda: channel(net, used["channel"])["state"] == "settled", 30, "the window ends")
    gained = {account: usdc(net, account) - had[account] for account in others}
    bounty = [g for g in gained.values() if g]
    expect(len(bounty) == 1 and bounty[0] == 500_000, f"half of the penalty of 1 usdc: {gained}")
    expect(usdc(net, payee["account"]) - had[payee["account"]] == owed - owed // 10 + 500_000, "the payee's share")
    net.ok("dev", "heal", payee["name"])


def metric(provider, name):
    """A number of the provider's own page."""
    with urllib.request.urlopen(f"http://{provider['http']}/metrics", timeout=5) as page:
        for line in page.read().decode().splitlines():
            if name in line and not line.startswith("#"):
                return float(line.split()[-1])
    raise AssertionError(f"{provider['name']} has no {name}")


if __name__ == "__main__":
    main("--providers", "4")

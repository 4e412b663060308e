"""A paid download when money is not where it should be: with an empty wallet, a frozen account, a paused sponsor, and
with a package upgraded in the middle. Each has its one clear outcome, nothing is lost, and bytes, vouchers, quota,
journal and balances agree to the unit."""
import json
import os

from harness import expect, main, random_file, rule, same, wait_until
from money import crn, events, new_account, package_rate, total, units, when
from paid import compare, price, spent_by, usdc
import paid

SIZE = 3_000_000
OPEN_FEE = 100


def put(net, bucket, *names):
    for name in names:
        net.ok("cp", random_file(os.path.join(net.root, f"{bucket}-{name}"), SIZE), f"cairn://{bucket}/{name}")


def came(net, bucket, name, back):
    expect(same(os.path.join(net.root, f"{bucket}-{name}"), back), f"{name} differs")
    os.remove(back)


def told(result, code, exit_code):
    """One clear error: code, exit code, a cause and what to do."""
    expect(result.code == exit_code, f"should exit {exit_code}: {result}")
    error = json.loads(result.err.splitlines()[-1])["error"]
    expect(error["code"] == code and error["exit"] == exit_code, f"not {code}: {error}")
    expect(error["message"] and error["hint"], f"no cause or no hint: {error}")
    return error


class Books:
    """What one wallet's channels, one bucket's journal and all balances say, from one moment to another."""

    def __init__(self, net, home, bucket):
        self.net, self.home, self.bucket = net, home, bucket
        self.before = self.look()

    def look(self):
        channels = {c["channel"]: c for c in self.home.json("channel", "ls", "--all")["channels"]}
        vouchers = {c: compare(self.home, c) for c in channels}
        payees = {c: self.home.json("channel", "show", c) for c in channels}
        one = self.net.json("bill", self.bucket)["buckets"][0]
        return {"usdc": usdc(self.home), "vouchers": vouchers, "payee": {c: s["payee"] for c, s in payees.items()},
                "locked": sum(paid.units(s["lock"]["locked"]) for s in payees.values()),
                "journal": {p["provider"]: int(p["channel_bytes"]) for p in one["providers"]},
                "package": sum(int(p["package_bytes"]) for p in one["providers"]),
                "bytes": int(one["bytes"])}

    def agree(self, spent, channel_bytes, package_bytes):
        """So much went over channels and out of the package since, by every book that there is."""
        was, now = self.before, self.look()
        by_voucher = {}
        for c, size in now["vouchers"].items():
            payee = now["payee"][c]
            by_voucher[payee] = by_voucher.get(payee, 0) + size - was["vouchers"].get(c, 0)
        by_journal = {p: size - was["journal"].get(p, 0) for p, size in now["journal"].items()}
        expect({p: n for p, n in by_voucher.items() if n} == {p: n for p, n in by_journal.items() if n},
               f"vouchers say {by_voucher}, journals {by_journal}")
        expect(sum(by_voucher.values()) == channel_bytes == sum(int(s["bytes"]) for s in spent),
               f"{by_voucher} over channels instead of {channel_bytes}: {spent}")
        expect(now["package"] - was["package"] == package_bytes, f"{now['package']} of the package, {package_bytes}")
        expect(now["bytes"] - was["bytes"] == channel_bytes + package_bytes, f"{now['bytes']} bytes were sent")
        fees = sum(paid.units(s["open_fee"]) for s in spent)
        expect(fees == OPEN_FEE * (len(now["vouchers"]) - len(was["vouchers"])), f"fees of {fees}")
        gone = was["usdc"] - now["usdc"]
        expect(gone == fees + now["locked"] - was["locked"], f"{gone} units left the wallet")
        for s in spent:
            size = now["vouchers"][s["channel"]]
            expect(paid.units(s["paid"]) == price(size) - price(was["vouchers"].get(s["channel"], 0)), f"price: {s}")


@rule("with an empty wallet a paid download is refused with cause and hint, opens nothing, costs the ledger's fee alone "
      "and works once there is money [CD-46]")
def _(net):
    poor = net.newcomer("poor")
    poor.ok("wallet", "new", "main")
    account = poor.json("wallet", "balance")["account"]
    net.ok("dev", "fund", "1000", account)
    poor.ok("bucket", "create", "poor", "--public", "--policy", "replicate:3")
    poor.ok("cp", random_file(os.path.join(net.root, "poor-a"), SIZE), "cairn://poor/a")
    expect(usdc(poor) == 0, "it has usdc")
    back = os.path.join(net.root, "poor.back")
    had, fees = total(net, account), fees_of(net, account)
    locked = poor.json("wallet", "balance")["locked"]
    told(poor.run("-o", "json", "--pay", "always", "get", "cairn://poor/a", back), "VERDICT_NO_FUNDS", 7)
    expect(not os.path.exists(back), "something was written")
    expect(poor.json("channel", "ls", "--all")["channels"] == [], "a channel was opened")
    bill = poor.json("bill", "poor")["buckets"][0]
    expect(int(bill["bytes"]) == 0, f"something was sent: {bill}")
    expect(usdc(poor) == 0 and poor.json("wallet", "balance")["locked"] == locked, "money moved")
    expect(had - total(net, account) == fees_of(net, account) - fees, "more than fees is gone")
    net.ok("--yes", "wallet", "send", account, "3usdc")
    books = Books(poor, poor, "poor")
    spent = spent_by(poor, "--pay", "always", "get", "cairn://poor/a", back)
    came(net, "poor", "a", back)
    books.agree(spent, SIZE, 0)


def fees_of(net, account):
    return sum(units(event["amount"]) for event in events(net, "fee", account))


def state_of(net, account):
    return net.json("account", "show", account)["state"]


def run_down(net, account, *states):
    for state in states:
        step = next(s for s in net.json("account", "show", account)["steps"] if s["state"] == state)
        now = when(net.json("chain", "status")["time"])
        net.ok("dev", "advance", f"{max(0, int((when(step['at']) - now).total_seconds())) + 1}s")
        wait_until(lambda: state_of(net, account) == state, 20, f"{state} at the time told")


@rule("a bucket whose account is frozen is still read for money, at the price and to the unit; the account loses nothing "
      "by it [CD-46][GF-87]")
def _(net):
    net.ok("bucket", "create", "frozen", "--public", "--policy", "replicate:3")
    account = new_account(net)
    net.ok("account", "deposit", account, "0.00000003")
    net.ok("account", "assign", account, "cairn://frozen")
    net.ok("cp", random_file(os.path.join(net.root, "frozen-a"), 400_000), "cairn://frozen/a")
    run_down(net, account, "throttled", "read_only")
    back = os.path.join(net.root, "frozen.back")
    told(net.run("-o", "json", "get", "cairn://frozen/a", back), "READ_QUOTA_SPENT", 8)
    error = told(net.run("-o", "json", "cp", os.path.join(net.root, "frozen-a"), "cairn://frozen/b"),
                 "VERDICT_PAYER_FROZEN", 7)
    expect("deposit" in error["hint"], f"{error}")
    had = total(net, account)
    books = Books(net, net, "frozen")
    spent = spent_by(net, "--pay", "always", "get", "cairn://frozen/a", back)
    came(net, "frozen", "a", back)
    books.agree(spent, 400_000, 0)
    expect(total(net, account) == had and state_of(net, account) == "read_only", "the account paid for a read")
    net.ok("account", "deposit", account, "1")
    expect(state_of(net, account) == "paying", "not back in the block of the deposit")
    books = Books(net, net, "frozen")
    spent = spent_by(net, "--pay", "needed", "get", "cairn://frozen/a", back)
    came(net, "frozen", "a", back)
    books.agree(spent, 400_000, 0)


@rule("while a sponsor pauses, the package it pays for covers nothing once the money ends; whoever wants pays by channel, "
      "and with its return the package does again [GF-49][GF-84]")
def _(net):
    sponsor = net.newcomer("sponsor")
    sponsor.ok("wallet", "new", "main")
    who = sponsor.json("wallet", "balance")["account"]
    net.ok("dev", "fund", "1000", who)
    account = new_account(net)
    net.ok("--yes", "account", "non-refundable", account)
    net.ok("bucket", "create", "given", "--public", "--policy", "replicate:3")
    put(net, "given", "a")
    net.ok("account", "deposit", account, "0.001")
    net.ok("account", "assign", account, "cairn://given")
    sponsor.ok("sponsor", "start", account, crn(2 * package_rate(net, 900_000_000_000)) + "/s")
    net.ok("dev", "advance", "100s")
    net.ok("--yes", "quota", "buy", "given", "90MB")
    back = os.path.join(net.root, "given.back")
    books = Books(net, net, "given")
    net.ok("get", "cairn://given/a", back)
    came(net, "given", "a", back)
    books.agree([], 0, SIZE)
    sponsor.ok("sponsor", "pause", account)
    run_down(net, account, "throttled", "read_only")
    told(net.run("-o", "json", "get", "cairn://given/a", back), "READ_QUOTA_SPENT", 8)
    had, given = total(net, account), total(net, who)
    books = Books(net, net, "given")
    spent = spent_by(net, "--pay", "needed", "get", "cairn://given/a", back)
    came(net, "given", "a", back)
    books.agree(spent, SIZE, 0)
    expect(total(net, account) == had and total(net, who) == given, "the read cost the account or its sponsor")
    sponsor.ok("sponsor", "resume", account)
    net.ok("dev", "advance", "100s")
    net.ok("account", "settle", account)
    wait_until(lambda: state_of(net, account) == "paying", 20, "the stream brings it back")
    books = Books(net, net, "given")
    net.ok("--pay", "needed", "get", "cairn://given/a", back)
    came(net, "given", "a", back)
    books.agree([], 0, SIZE)


@rule("a package upgraded in the middle of a paid download: channels pay until then, the package from then on, and every "
      "byte once [GF-49][GF-70][CD-46]")
def _(net):
    net.ok("bucket", "create", "middle", "--public", "--policy", "replicate:3")
    names = [f"n{i:02}" for i in range(14)]
    put(net, "middle", *names)
    net.ok("--yes", "quota", "buy", "middle", "4MB")  # one object of each of three holders
    for provider in net.json("dev", "status")["providers"]:
        net.ok("dev", "misbehave", provider["name"], "slow", "--parameter", "300")
    books = Books(net, net, "middle")
    folder = os.path.join(net.root, "middle.back")
    process = net.start("-o", "json", "--pay", "needed", "cp", "-r", "--parallel", "1", "cairn://middle/", folder)
    wait_until(lambda: process.poll() is not None or
               any(int(p["channel_bytes"]) for p in net.json("bill", "middle")["buckets"][0]["providers"]), 60,
               "a channel pays")
    expect(process.poll() is None, "it was too fast")
    net.ok("--yes", "quota", "upgrade", "middle", "1GB")
    out, err = process.communicate(timeout=300)
    expect(process.returncode == 0, f"it failed: {err.decode()}")
    for provider in net.json("dev", "status")["providers"]:
        net.ok("dev", "misbehave", provider["name"], "none")
    for name in names:
        expect(same(os.path.join(net.root, f"middle-{name}"), os.path.join(folder, name)), f"{name} differs")
    spent = json.loads(out)["summary"]["spent"]
    channel_bytes = sum(int(s["bytes"]) for s in spent)
    expect(channel_bytes % SIZE == 0 and 0 < channel_bytes < (len(names) - 3) * SIZE, f"{channel_bytes} over channels")
    books.agree(spent, channel_bytes, len(names) * SIZE - channel_bytes)
    one = net.json("bill", "middle")["buckets"][0]
    fees = [(int(p["to_second"]) - int(p["from_second"])) * units(p["rate"]) for p in one["package_periods"]]
    expect(len(fees) == 2 and [units(p["fee"]) for p in one["package_periods"]] == fees, f"{one}")
    net.ok("chain", "check")


if __name__ == "__main__":
    main("--providers", "4", "--param", "free_quota_bytes=0", "--param", "min_term_seconds=0",
         "--param", "journal_epoch_ms=5000")

"""Hand arithmetic: what rates and balances must be, from the ledger's parameters and prices, in integers."""
from datetime import datetime
from decimal import Decimal

from harness import expect

CRN = 10 ** 18


def units(money):
    """Of {"amount": "1.5", "asset": "crn"}, in the smallest unit, exactly."""
    expect(money["asset"] == "crn", f"not crn: {money}")
    return int((Decimal(money["amount"]) * CRN).to_integral_exact())


def crn(amount):
    return format(Decimal(amount) / CRN, "f")


def total(home, account):
    """What the ledger's record says: free and in reserve."""
    balance = home.json("wallet", "balance", account)
    return units(balance["free"]) + units(balance["reserve"])


def price(net):
    return {name: int(part["per_unit_e18"])
            for name, part in net.json("price", "show", "--network-only")["current"]["prices"].items()}


def params(net):
    return {name: value if isinstance(value, str) else units(value)
            for name, value in net.json("chain", "params").items()}


def copies_rate(net, size, copies=3):
    """The rate of one public object, as the rules have it: each part truncated once."""
    at, rules = price(net), params(net)
    charged = max(size, int(rules["min_charge_bytes"]))
    primary = at["primary"] * charged // CRN
    holder = at["holder"] * charged // CRN
    tax = (primary + copies * holder) * int(rules["tax_ppm"]) // 10 ** 6
    return primary + copies * holder + tax, tax


def package_rate(net, size):
    rate = price(net)["package"] * size // CRN
    return rate + rate * int(params(net)["tax_ppm"]) // 10 ** 6


def events(home, kind, account=None):
    told = home.json("wallet", "history", *([account] if account else []), "--blocks", "0")["events"]
    return [event for event in told if event["type"] == kind]


def settled(home, account):
    """Settles, and returns (second, total) of the settlement."""
    home.ok("account", "settle", account)
    second = int(events(home, "stream.settled", account)[-1]["attributes"]["second"])
    return second, total(home, account)


def new_account(net):
    return net.json("account", "create")["account"]


def open_wallet(net, home, amount):
    """A key of its own with so much crn; its account."""
    home.ok("wallet", "new", "main")
    who = home.json("wallet", "balance")["account"]
    net.ok("dev", "fund", amount, who)
    return who


def when(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def public_bucket(net, name, *more):
    net.ok("bucket", "create", name, "--public", "--policy", "replicate:3", *more)


def rate_of(part):
    return units(part["per_second"])

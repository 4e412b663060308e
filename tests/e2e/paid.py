"""Hand arithmetic of reads that channels pay for, in units of 10^-6 usdc."""
from decimal import Decimal

from harness import expect

CHUNK = 65_536  # what a tick pays


def units(money):
    expect(money["asset"] == "usdc", f"not usdc: {money}")
    return int(Decimal(money["amount"]) * 10**6)


def usdc(home, *account):
    return units(home.json("wallet", "balance", *account)["usdc"])


def price(size):
    """10 usdc a TB: a unit for 100,000 bytes, begun ones whole."""
    return -(-size // 100_000)


def spent_by(home, *arguments):
    """What a command paid, by channel."""
    return home.json(*arguments)["summary"]["spent"]


def channel(home, name):
    return home.json("channel", "show", name)


def provider_of(net, account):
    return next(p for p in net.json("dev", "status")["providers"] if p["account"] == account)


def compare(home, name):
    """Both sides' statements are the same; the last line's bytes."""
    expect(home.json("channel", "statement", name, "--compare")["same"], "the statements differ")
    lines = home.json("channel", "statement", name)["vouchers"]
    expect(units(lines[-1]["amount"]) == price(int(lines[-1]["bytes"])), f"not the price: {lines}")
    return int(lines[-1]["bytes"])

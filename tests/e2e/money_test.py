"""Money over the real daemons: payment accounts, sponsors, prices, packages, and a payer that runs dry."""
import json
import os
import re
import subprocess
import urllib.request

from harness import BIN, expect, main, random_file, rule, wait_until
from money import (CRN, copies_rate, crn, events, new_account, open_wallet, package_rate, params, price, public_bucket,
                   rate_of, settled, total, units, when)

NOTICE_S = 600
MAX_AGE_S = 900
SILENCE_S = 3600


@rule("a payment account pays for a bucket, and every balance is what hand arithmetic makes of rate and seconds [GF-65]"
      "[GF-76][GF-77]")
def _(net):
    account = new_account(net)
    deposited = net.json("account", "deposit", account, "50")
    expect(units(deposited["deposited"]) == 50 * CRN, deposited)
    expect(total(net, account) == 50 * CRN, "the deposit is all there is")
    public_bucket(net, "paid", "--payer", account)
    source = random_file(os.path.join(net.root, "paid.bin"), 1_000_000)
    net.ok("cp", source, "cairn://paid/a")
    rate, tax = copies_rate(net, 1_000_000)
    shown = net.json("stat", "cairn://paid/")
    expect(rate_of(shown["storage"]) == rate, f"{shown['storage']} is not {rate}")
    expect(shown["payer"] == account, shown["payer"])
    expect(shown["payer_standing"]["state"] == "paying", shown)
    expect(rate_of(net.json("stat", "cairn://paid/a")["rate"]) == rate, "the object costs what the bucket does")

    first, before = settled(net, account)
    net.ok("dev", "advance", "1000s")
    second, after = settled(net, account)
    expect(second - first >= 1000, f"{second - first} s")
    expect(before - after == rate * (second - first), f"{before - after} in {second - first} s at {rate}")
    # What is shown between two settlements is the same line.
    live = net.json("account", "show", account)
    now = units(live["free"]) + units(live["reserve"])
    expect(after - now == rate * (int(live["second"]) - second), live)
    expect(units(live["reserve"]) == rate * int(params(net)["reserve_seconds"]), "the reserve is full")

    # It all arrives: at the primary and the holders what is not tax.
    earned = 0
    for provider in net.json("provider", "ls")["providers"]:
        earns = rate_of(net.json("wallet", "balance", provider["account"])["earns"])
        if earns == 0:
            continue
        begin, had = settled(net, provider["account"])
        net.ok("dev", "advance", "100s")
        end, has = settled(net, provider["account"])
        expect(has - had == earns * (end - begin), f"{provider['account']}: {has - had} at {earns}")
        earned += earns
    expect(earned == rate - tax, f"{earned} of {rate - tax}")
    net.ok("chain", "check")


@rule("single objects are paid from their own account, by cp --payer and by account assign, and go back [GF-77]")
def _(net):
    public_bucket(net, "mixed")
    account, other = new_account(net), new_account(net)
    for each in (account, other):
        net.ok("account", "deposit", each, "10")
    source = random_file(os.path.join(net.root, "mixed.bin"), 200_000)
    net.ok("cp", source, "cairn://mixed/own")
    net.ok("cp", "--payer", account, source, "cairn://mixed/pinned")
    rate, _ = copies_rate(net, 200_000)

    def pays(who):
        return rate_of(net.json("account", "show", who)["pays"])

    expect(pays(account) == rate, "the named account pays")
    expect(net.json("stat", "cairn://mixed/pinned")["payer"] == account, "stat says so")
    net.ok("account", "assign", other, "cairn://mixed/own", "cairn://mixed/pinned")
    expect((pays(account), pays(other)) == (0, 2 * rate), "both moved")
    net.ok("account", "assign", "owner", "cairn://mixed/own")
    expect(pays(other) == rate, "one went back")
    net.ok("rm", "cairn://mixed/pinned")
    expect(pays(other) == 0, "nothing is paid for what is deleted")
    net.refused(4, "NO_SUCH_PAYMENT_ACCOUNT", "cp", "--payer", "77", source, "cairn://mixed/x")
    net.refused(4, "NO_SUCH_OBJECT", "stat", "cairn://mixed/x")


@rule("another's bucket is paid from an account only with consent, and only up to its rate [GF-59]")
def _(net):
    guest = net.newcomer("guest")
    who = open_wallet(net, guest, "100")
    account = new_account(net)
    net.ok("account", "deposit", account, "20")
    public_bucket(guest, "guests")
    source = random_file(os.path.join(net.root, "guest.bin"), 100_000)
    guest.ok("cp", source, "cairn://guests/a")
    rate, _ = copies_rate(net, 100_000)
    number = guest.json("bucket", "stat", "guests")["id"]
    guest.refused(13, "VERDICT_NO_CONSENT", "account", "assign", account, "cairn://guests")
    guest.refused(13, "VERDICT_NOT_OWNER", "account", "consent", account, number, "1")
    net.ok("account", "consent", account, number, crn(rate - 1) + "/s")
    guest.refused(13, "VERDICT_CONSENT_EXHAUSTED", "account", "assign", account, "cairn://guests")
    net.ok("account", "consent", account, number, crn(rate) + "/s")
    guest.ok("account", "assign", account, "cairn://guests")
    shown = net.json("account", "show", account)
    expect(rate_of(shown["pays"]) == rate, shown["pays"])
    expect(rate_of(shown["consents"][0]["used_rate"]) == rate, shown["consents"])
    guest.refused(13, "VERDICT_CONSENT_EXHAUSTED", "cp", source, "cairn://guests/b")
    # What is deleted pays the rest of its minimum term at once: the account shows how far it has paid ahead.
    expect(units(net.json("account", "show", account)["consents"][0]["ahead"]) == 0, "all by the second")
    guest.ok("rm", "cairn://guests/a")
    consent = net.json("account", "show", account)["consents"][0]
    term = rate * int(params(net)["min_term_seconds"])
    expect(0 < units(consent["ahead"]) <= term, consent)
    expect(rate_of(consent["used_rate"]) == 0, consent)
    guest.ok("cp", source, "cairn://guests/a")
    net.ok("account", "consent", account, number, "0")
    expect(rate_of(net.json("account", "show", account)["pays"]) == 0, "taken back")
    expect(guest.json("stat", "cairn://guests/")["payer"] == who, "the owner pays again")


@rule("small sums are withdrawn at once, large ones after the delay unless kept; anyone deposits, only the owner "
      "withdraws [GF-80]")
def _(net):
    keeper = net.newcomer("keeper")
    owner = open_wallet(net, keeper, "100")
    account = new_account(keeper)
    net.ok("account", "deposit", account, "400")
    net.refused(13, "VERDICT_NOT_OWNER", "account", "withdraw", account, "1")
    before = total(net, owner)
    small = keeper.json("account", "withdraw", account, "99.999999999999999999")
    expect(small["pending"] is False, small)
    taken = 100 * CRN - 1
    expect(total(net, owner) == before + taken - units(small["fee"]), "it is there at once")
    expect(total(net, account) == 400 * CRN - taken, "and gone there")

    large = keeper.json("account", "withdraw", account, "100")
    expect(large["pending"] is True and "arrives" in large, large)
    left = 400 * CRN - taken - 100 * CRN
    expect(total(net, account) == left, "out of reach meanwhile")
    keeper.refused(13, "VERDICT_WITHDRAWAL_PENDING", "account", "withdraw", account, "1")
    keeper.ok("account", "cancel-withdrawal", account)
    expect(total(net, account) == left + 100 * CRN, "kept")
    keeper.refused(13, "VERDICT_NO_WITHDRAWAL", "account", "cancel-withdrawal", account)

    keeper.ok("account", "withdraw", account, "200")
    shown = net.json("account", "show", account)
    expect(units(shown["withdrawal"]["amount"]) == 200 * CRN, shown)
    before = total(net, owner)
    net.ok("dev", "advance", "3500s")
    expect(total(net, owner) == before, "the delay is not over")
    net.ok("dev", "advance", "200s")
    wait_until(lambda: total(net, owner) == before + 200 * CRN, 20, "the withdrawal arrives by itself")
    keeper.refused(7, "VERDICT_NO_FUNDS", "account", "withdraw", account, "1000")


@rule("non-refundable is for ever, and only such accounts can be sponsored [GF-82][GF-83]")
def _(net):
    account = new_account(net)
    net.ok("account", "deposit", account, "5")
    net.refused(13, "VERDICT_NOT_SPONSORABLE", "sponsor", "start", account, "1")
    net.refused(6, "NOT_CONFIRMED", "account", "non-refundable", account)
    net.ok("--yes", "account", "non-refundable", account)
    net.refused(13, "VERDICT_NON_REFUNDABLE", "account", "withdraw", account, "1")
    net.refused(13, "VERDICT_NON_REFUNDABLE", "--yes", "account", "non-refundable", account)
    expect(net.json("account", "show", account)["refundable"] is False, "shown")
    expect(total(net, account) == 5 * CRN, "nothing left it")


@rule("a sponsor's stream flows, stands still while paused, flows again, and ends: both balances agree [GF-83][GF-84]")
def _(net):
    account = new_account(net)
    net.ok("--yes", "account", "non-refundable", account)
    sponsor = net.newcomer("sponsor")
    who = open_wallet(net, sponsor, "100")
    rate = 1_234_567_890_123
    fees = 0

    def do(*arguments):
        nonlocal fees
        fees += units(sponsor.json("sponsor", *arguments)["fee"])

    sponsor.refused(2, "BAD_AMOUNT", "sponsor", "start", account, "0")
    sponsor.refused(4, "NO_SUCH_SPONSORSHIP", "sponsor", "pause", account)
    do("start", account, crn(rate) + "/s")
    begun = total(sponsor, who) + fees
    net.ok("dev", "advance", "1000s")
    do("pause", account)
    given = sponsor.json("sponsor", "ls")["sponsorships"][0]
    expect(given["state"] == "paused" and rate_of(given["rate"]) == rate, given)
    paused = total(net, account)
    expect(paused >= 1000 * rate, f"{paused} at {rate}")
    net.ok("dev", "advance", "5000s")
    shown = net.json("account", "show", account)
    expect(units(shown["free"]) == total(net, account) == paused, "nothing flows while paused")
    do("resume", account)
    expect(sponsor.json("sponsor", "ls")["sponsorships"][0]["state"] == "flowing", "it flows again")
    net.ok("dev", "advance", "500s")
    do("stop", account)
    expect(sponsor.json("sponsor", "ls")["sponsorships"] == [], "none is left")
    got = total(net, account)
    at = [when(event["time"]) for event in events(net, "sponsorship.set", account)]
    expect(len(at) == 4, at)
    flowing = ((at[1] - at[0]) + (at[3] - at[2])).total_seconds()
    expect(flowing >= 1500 and got == rate * int(flowing), f"{got} in {flowing} s at {rate}")
    expect(begun - fees - total(sponsor, who) == got, "what one gave the other has")
    flowed = sum(int(event["attributes"]["received"]) for event in events(net, "stream.flowed", account))
    expect(flowed == got, f"the history tells of {flowed}, the balance of {got}")


@rule("a price that a quorum of oracles signed is announced, then holds; an idle bucket goes on as it was [GF-68][GF-86]")
def _(net):
    public_bucket(net, "idle")
    source = random_file(os.path.join(net.root, "idle.bin"), 500_000)
    net.ok("cp", source, "cairn://idle/a")
    old, _ = copies_rate(net, 500_000)
    asked = price(net)
    files = [os.path.join(net.root, f"oracle{i}.json") for i in (1, 2, 3)]

    def sign(i, *arguments):
        signed = net.ok("--key", f"oracle{i}", "--yes", "price", "sign", *arguments)
        with open(files[i - 1], "w", encoding="utf-8") as out:
            out.write(signed.out)

    net.refused(5, "NOT_AN_ORACLE", "price", "sign", "--primary", "0.6")
    sign(1, "--primary", "0.6", "--holder", "2.2")
    sign(2, files[0])
    net.refused(6, "PRICE_QUORUM_MISSING", "price", "post", files[1])
    with open(files[1], encoding="utf-8") as before:
        forged = json.load(before)
    forged["prices"]["primary_storage"]["per_unit_e18"]["low"] = "1"
    forgery = os.path.join(net.root, "forged.json")
    with open(forgery, "w", encoding="utf-8") as out:
        json.dump(forged, out)
    net.refused(2, "BAD_PRICE_STATEMENT", "price", "post", forgery)
    net.refused(2, "BAD_PRICE_STATEMENT", "--key", "oracle1", "--yes", "price", "sign", files[0])
    sign(3, files[0])
    net.ok("price", "post", files[1], files[2])

    shown = net.json("price", "show")
    coming = {name: int(part["per_unit_e18"]) for name, part in shown["next"]["prices"].items()}
    expect(coming["primary"] > asked["primary"] and coming["holder"] > asked["holder"], shown["next"])
    expect(coming["egress"] == asked["egress"], "what was not named stays")
    expect(price(net) == asked, "it does not hold yet")
    mine = next(b for b in shown["buckets"] if b["bucket"] == "idle")
    expect(rate_of(mine["objects_pay"]) == old and rate_of(mine["objects_anew"]) == old, mine)
    told = rate_of(mine["objects_anew_next"])
    expect(told > old, mine)

    net.ok("dev", "advance", f"{NOTICE_S}s")
    expect(price(net) == coming, "now it holds")
    expect("next" not in net.json("price", "show"), "and none is announced")
    expect(rate_of(net.json("stat", "cairn://idle/")["storage"]) == old, "the idle bucket is not billed anew")
    net.ok("cp", source, "cairn://idle/b")
    new, _ = copies_rate(net, 500_000)
    expect(new == told, f"{new} was not foretold as {told}")
    expect(rate_of(net.json("stat", "cairn://idle/b")["rate"]) == new, "what is new costs the new price")
    expect(rate_of(net.json("stat", "cairn://idle/a")["rate"]) == old, "what was there costs the old one")


@rule("stale, excessive and single-handed prices are refused, and silence hands over to the median [GF-86]")
def _(net):
    one = os.path.join(net.root, "stale.json")

    def all_sign(*arguments):
        statement = net.ok("--key", "oracle1", "--yes", "price", "sign", *arguments).out
        for i in (2, 3):
            with open(one, "w", encoding="utf-8") as out:
                out.write(statement)
            statement = net.ok("--key", f"oracle{i}", "--yes", "price", "sign", one).out
        with open(one, "w", encoding="utf-8") as out:
            out.write(statement)

    net.ok("dev", "advance", "120s")
    all_sign("--primary", "60")
    net.refused(13, "VERDICT_PRICE_OUT_OF_BOUNDS", "price", "post", one)
    all_sign("--primary", "0.61")
    net.ok("dev", "advance", f"{MAX_AGE_S + 1}s")
    net.refused(13, "VERDICT_STALE_PRICE", "price", "post", one)
    apart = [os.path.join(net.root, f"apart{i}.json") for i in (1, 2)]
    for i, file in enumerate(apart, 1):
        with open(file, "w", encoding="utf-8") as out:
            out.write(net.ok("--key", f"oracle{i}", "price", "sign", "--primary", f"0.6{i}").out)
    net.refused(6, "ORACLES_DISAGREE", "price", "post", *apart)
    all_sign("--primary", "0.62")
    net.ok("price", "post", one)
    net.refused(13, "VERDICT_BAD_PRICE_NUMBER", "price", "post", one)
    net.refused(13, "VERDICT_FEED_SPEAKS", "price", "refresh")
    net.ok("dev", "advance", f"{SILENCE_S}s")
    before = price(net)["primary"]
    net.ok("price", "refresh")
    net.ok("dev", "advance", f"{NOTICE_S}s")
    median = net.json("price", "show", "--network-only")["current"]
    expect(median["source"] == "median", median)
    expect(price(net)["primary"] < before, "back towards what providers ask")
    numbers = [int(p["number"]) for p in net.json("price", "history")["prices"]]
    expect(numbers == list(range(1, len(numbers) + 1)), numbers)


@rule("genesis names its oracles by sound keys, each once")
def _(net):
    key = net.ok("--key", "oracle1", "price", "oracle-key").out.strip()
    other = net.json("--key", "oracle2", "price", "oracle-key")["oracle_key"]

    def init(name, *oracles):
        words = [word for oracle in oracles for word in ("--oracle", oracle)]
        return subprocess.run([os.path.join(BIN, "chaind"), "-o", "json", "init", *words,
                               f"--node.data_dir={os.path.join(net.root, name)}"], capture_output=True, timeout=60,
                              check=False)

    for bad in (["zz"], [key[:-2]], ["09" + key[2:]], [key, key]):
        result = init("bad", *bad)
        expect(result.returncode == 2, f"{bad}: {result}")
        error = json.loads(result.stderr)["error"]
        expect(error["code"] in ("BAD_GENESIS_INPUT", "BAD_GENESIS") and error["hint"], error)
    good = init("good", other, key)
    expect(good.returncode == 0 and json.loads(good.stdout)["oracles"] == "2", f"{good}")


@rule("a provider sets what it asks")
def _(net):
    status = net.json("dev", "status")
    folder = next(p["directory"] for p in status["providers"] if p["name"] == "p1")
    key = os.path.join(folder, "account.key")
    net.refused(4, "NOT_REGISTERED", "price", "ask", "--holder", "2.1")
    net.refused(2, "USAGE", "price", "ask", "--key-file", key)
    asked = net.json("price", "ask", "--key-file", key, "--holder", "2.1")
    rounded = units(asked["prices"]["holder"]["per_tb"])
    expect(0 <= 21 * CRN // 10 - rounded <= 3, asked)
    expect(units(asked["prices"]["primary"]["per_tb"]) > 0, "the others stay")


@rule("a read package costs its price a second; larger at once, smaller once its period is over [GF-70][GF-71]")
def _(net):
    account = new_account(net)
    net.ok("account", "deposit", account, "50")
    public_bucket(net, "reads", "--payer", account)
    gb = 10 ** 9

    def pays():
        return rate_of(net.json("account", "show", account)["pays"])

    quoted = net.json("--dry-run", "quota", "buy", "reads", "100GB")
    expect(pays() == 0, "a dry run buys nothing")
    net.refused(8, "PRICE_GUARD", "--max-cost", "0.000000001", "quota", "buy", "reads", "100GB")
    net.ok("quota", "buy", "reads", "100GB")
    small = package_rate(net, 100 * gb)
    expect(pays() == small == rate_of(quoted["package_rate"]), f"{pays()} is not {small}")
    net.refused(6, "HAS_PACKAGE", "quota", "buy", "reads", "200GB")
    net.refused(6, "NOT_LARGER", "quota", "upgrade", "reads", "50GB")
    first, before = settled(net, account)
    net.ok("dev", "advance", "500s")
    net.ok("quota", "upgrade", "reads", "500GB")
    large = package_rate(net, 500 * gb)
    expect(pays() == large, f"{pays()} is not {large}")
    changed = int(events(net, "bucket.package_set")[-1]["attributes"]["second"])
    second, after = settled(net, account)
    expect(before - after == small * (changed - first) + large * (second - changed),
           "the old price up to the second of the change, the new one from it on")
    net.refused(6, "PACKAGE_TOO_SOON", "quota", "downgrade", "reads", "100GB")
    shown = net.json("quota", "show", "reads")
    expect(shown["package_bytes"] == str(500 * gb) and "smaller_from" in shown, shown)
    expect(shown["order"] == ["free", "package", "channel"], shown)
    net.ok("dev", "advance", "3600s")
    net.refused(6, "NOT_SMALLER", "quota", "downgrade", "reads", "600GB")
    net.ok("quota", "downgrade", "reads", "0")
    expect(pays() == 0, "nothing is read, nothing is paid")
    net.ok("quota", "cap", "reads", "1GB")
    expect(net.json("quota", "show", "reads")["free_cap_bytes"] == str(gb), "the cap is set")


@rule("a payer that runs dry is warned before each step, keeps its data, can delete, and is back in the block of the "
      "deposit [GF-88][GF-89]")
def _(net):
    account = new_account(net)
    size = 1_000_000
    rate, _ = copies_rate(net, size)
    rules = params(net)
    reserve, throttle, stop = (int(rules[k]) for k in ("reserve_seconds", "throttle_seconds", "forced_settle_seconds"))
    # Two objects, and money for both locks; a quarter of an hour beyond the reserve.
    net.ok("account", "deposit", account, crn(2 * rate * (reserve + 900)))
    public_bucket(net, "dry", "--payer", account)
    source = random_file(os.path.join(net.root, "dry.bin"), size)
    net.ok("cp", source, "cairn://dry/a")
    net.ok("cp", source, "cairn://dry/b")
    shown = net.json("account", "show", account)
    expect([step["state"] for step in shown["steps"]] == ["throttled", "read_only", "notice", "clearable"], shown)
    times = [when(step["at"]) for step in shown["steps"]]
    expect((times[1] - times[0]).total_seconds() == throttle - stop, shown["steps"])

    def advance_to(moment, beyond=1):
        now = when(net.json("chain", "status")["time"])
        net.ok("dev", "advance", f"{max(0, int((moment - now).total_seconds())) + beyond}s")

    def state():
        return net.json("account", "show", account)["state"]

    advance_to(times[0])
    wait_until(lambda: state() == "throttled", 20, "throttled at the time told")
    expect(net.json("stat", "cairn://dry/a")["payer_standing"]["state"] == "throttled", "stat says so")
    net.ok("get", "cairn://dry/a", os.path.join(net.root, "dry.back"))
    advance_to(times[1])
    wait_until(lambda: state() == "read_only", 20, "read only at the time told")
    told = net.json("account", "show", account)
    expect("deposit" in told["what_to_do"], told)
    net.refused(7, "VERDICT_PAYER_FROZEN", "cp", source, "cairn://dry/c")
    net.ok("rm", "cairn://dry/b")
    advance_to(times[2])
    wait_until(lambda: state() == "notice", 20, "notice at the time told")
    history = net.json("wallet", "history", account, "--blocks", "0")["events"]
    kinds = [event["type"] for event in history if event["type"].startswith("payer.")]
    expect(kinds == ["payer.warned", "payer.throttled", "payer.warned", "payer.read_only", "payer.warned",
                     "payer.notice"], kinds)
    missing = net.json("account", "show", account)["missing"]["amount"]
    paid = net.json("account", "deposit", account, missing)
    expect(state() == "paying", "back at once")
    resumed = events(net, "payer.resumed", account)[-1]
    expect(resumed["height"] == paid["height"], f"resumed at {resumed['height']}, paid at {paid['height']}")
    net.ok("get", "cairn://dry/a", os.path.join(net.root, "dry.back"))
    net.ok("account", "deposit", account, "1")
    net.ok("cp", source, "cairn://dry/c")


@rule("after a delete nothing is charged, served or kept [GF-90]")
def _(net):
    account = new_account(net)
    net.ok("account", "deposit", account, "20")

    def used():
        """Bytes of all blobs that all stores keep."""
        sizes = []
        for provider in net.json("dev", "status")["providers"]:
            with urllib.request.urlopen(f"http://{provider['http']}/metrics", timeout=10) as page:
                sizes += re.findall(r"^cairn_storage_live_bytes\S* (\S+)$", page.read().decode(), re.M)
        expect(len(sizes) == 8, sizes)
        return sum(int(float(size)) for size in sizes)

    public_bucket(net, "gone", "--payer", account)
    before = used()
    source = random_file(os.path.join(net.root, "gone.bin"), 3_000_000, seed=90)
    net.ok("cp", source, "cairn://gone/a")
    expect(used() >= before + 9_000_000, "three copies are kept")
    committed = sum(int(p["committed_bytes"]) for p in net.json("provider", "ls")["providers"])
    net.ok("rm", "cairn://gone/a")
    left = total(net, account)
    net.ok("dev", "advance", "10000s")
    expect(rate_of(net.json("account", "show", account)["pays"]) == 0, "nothing flows")
    expect(total(net, account) == left, "nothing was charged since")
    net.refused(4, "NO_SUCH_OBJECT", "get", "cairn://gone/a", os.path.join(net.root, "gone.back"))
    now = sum(int(p["committed_bytes"]) for p in net.json("provider", "ls")["providers"])
    expect(committed - now == 9_000_000, f"{committed - now} bytes were freed")
    wait_until(lambda: used() <= before, 60, "providers drop the bytes")
    net.ok("bucket", "rm", "gone")


@rule("whatever is wrong, money commands say a code, a cause and what to do")
def _(net):
    account = new_account(net)
    public_bucket(net, "wrong")
    wrong = [
        (4, ["account", "show", "999"]),
        (2, ["account", "deposit", account, "much"]),
        (2, ["account", "deposit", "cairn1zzz", "1"]),
        (7, ["account", "deposit", account, "99999999999"]),
        (7, ["account", "withdraw", account, "1"]),
        (13, ["account", "cancel-withdrawal", account]),
        (4, ["account", "assign", account, "cairn://nowhere"]),
        (2, ["account", "consent", account, "wrong", "fast"]),
        (4, ["sponsor", "stop", account]),
        (4, ["quota", "show", "nowhere"]),
        (2, ["quota", "buy", "wrong", "some"]),
        (17, ["quota", "downgrade", "wrong", "0"]),
        (4, ["price", "post", "/nonexistent"]),
        (2, ["price", "sign"]),
        (2, ["price", "sign", "--holder", "dear"]),
        (4, ["price", "ask", "--holder", "2"]),
    ]
    for code, command in wrong:
        result = net.run("-o", "json", *command)
        expect(result.code == code, f"should exit {code}: {result}")
        error = json.loads(result.err)["error"]
        expect(re.fullmatch(r"[A-Z][A-Z0-9_]+", error["code"]) and error["message"] and error["hint"], f"{result}")


@rule("the books balance at the end")
def _(net):
    net.ok("chain", "check")


if __name__ == "__main__":
    params_of_network = {"price_notice_ms": NOTICE_S * 1000, "price_max_age_ms": MAX_AGE_S * 1000,
                         "price_silence_ms": SILENCE_S * 1000, "withdraw_delay_ms": 3_600_000}
    main("--oracles", "3", *(word for name, value in params_of_network.items() for word in ("--param", f"{name}={value}")))

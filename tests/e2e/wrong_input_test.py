"""Wrong input: one error each, with a stable reason, the right exit code, and nothing lost."""
import json
import os
import re
import shutil
import socket
import subprocess

from harness import BIN, Home, expect, main, random_file, rule, same


def errors(result):
    return sum(line.startswith("error: ") for line in result.err.splitlines())


def shown_in_full(result, reason):
    """As text: one error with its code, its cause and what to try."""
    expect(errors(result) == 1, f"one error: {result}")
    expect(f"[{reason}]" in result.err, f"the code: {result}")
    expect("\n  cause  " in result.err and "\n  try    " in result.err, f"cause and hint: {result}")


def balance(home):
    return json.dumps(home.json("wallet", "balance"), sort_keys=True)


def last_transaction(home):
    """Hash of the newest transaction of the ledger."""
    for height in range(int(home.json("chain", "status")["height"]), 0, -1):
        receipts = home.json("chain", "block", str(height))["receipts"]
        if receipts:
            return receipts[-1]["transaction"]
    raise AssertionError("no transaction at all")


def run_daemon(program, *arguments, **environment):
    return subprocess.run([os.path.join(BIN, program), *arguments], env={**os.environ, **environment}, text=True,
                          capture_output=True, timeout=60, check=False)


@rule("an unknown bucket, object, provider or command is named, with the exit code for it [GF-07]")
def _(net):
    path = random_file(os.path.join(net.root, "small"), 1000)
    net.refused(4, "NO_SUCH_BUCKET", "cp", path, "cairn://nowhere/x")
    net.refused(4, "NO_SUCH_BUCKET", "ls", "cairn://nowhere/")
    net.ok("bucket", "create", "here", "--policy", "rs:4+2")
    net.refused(4, "NO_SUCH_OBJECT", "get", "cairn://here/missing", os.path.join(net.root, "missing"))
    net.refused(4, "NO_SUCH_FILE", "cp", os.path.join(net.root, "absent"), "cairn://here/x")
    net.refused(2, "bucket", "buckett", "ls")


@rule("a network is remembered only as what it shows itself to be")
def _(net):
    with open(os.path.join(net.folder, "profiles", "dev.toml"), encoding="ascii") as lines:
        dev = dict(re.findall(r'^(\w+) = "(.*)"$', lines.read(), re.MULTILINE))
    true = {"--endpoint": dev["endpoint"], "--tls-pin": dev["tls_pin"], "--chain-id": dev["id"],
            "--engine-key": dev["engine_key"]}

    def arguments(name, **changes):
        flags = {**true, **{"--" + key.replace("_", "-"): value for key, value in changes.items()}}
        return ["config", "profile", "add", name, *(part for pair in flags.items() if pair[1] for part in pair)]

    other = "0" * 63 + "1"
    net.refused(2, "BAD_PROFILE_NAME", *arguments("../away"))
    net.refused(2, "BAD_PROFILE", *arguments("away", chain_id="12"))
    net.refused(2, "BAD_PROFILE", *arguments("away", engine_key="12"))
    net.refused(2, "BAD_PROFILE", *arguments("away", endpoint="nowhere"))
    for changes, code, reason in (({"tls_pin": other}, 5, "PIN_MISMATCH"), ({"endpoint": "127.0.0.1:1"}, 9, "UNREACHABLE"),
                                  ({"chain_id": other}, 11, "LEDGER_ANSWER_UNPROVEN"),
                                  ({"engine_key": "0158" + "66" * 31},
                                   11, "LEDGER_ANSWER_UNPROVEN")):
        net.refused(code, reason, *arguments("away", **changes))
    net.refused(4, "NO_PROFILE", "--profile", "away", "chain", "status")
    for name, changes in (("whole", {}), ("lean", {"engine_key": ""})):
        net.ok(*arguments(name, **changes))
        expect(net.json("--profile", name, "chain", "status") is not None, name)
    expect({"dev", "whole", "lean"} <= {item["name"] for item in net.json("config", "profiles")["profiles"]}, "listed")
    net.ok("config", "profile", "remove", "whole")
    net.refused(4, "NO_PROFILE", "--profile", "whole", "chain", "status")


@rule("names that cannot be stored are refused before anything is sent, very long ones too")
def _(net):
    path = os.path.join(net.root, "small")
    for bad in ("a//b", "a/../b", "x" * 1025, "a/./b"):
        net.refused(2, "BAD_NAME", "cp", path, f"cairn://here/{bad}")
    net.refused(2, "BAD_BUCKET_NAME", "bucket", "create", "No_Capitals")
    # About the longest that fits one argument; libstorage's own test goes to 10 MiB.
    net.refused(2, "BAD_NAME", "cp", path, "cairn://here/" + "n" * 130_000)


@rule("a wrong passphrase opens nothing and says so")
def _(net):
    wrong = os.path.join(net.root, "wrong-passphrase")
    with open(wrong, "w", encoding="ascii") as out:
        out.write("not it\n")
    net.refused(5, "WRONG_PASSPHRASE", "--passphrase-file", wrong, "bucket", "create", "locked")


@rule("an account without funds is told what is missing and how to get it [GF-02]")
def _(net):
    poor = net.newcomer("poor")
    poor.ok("wallet", "new", "main")
    poor.refused(7, "UNKNOWN_ACCOUNT", "bucket", "create", "too-dear", "--policy", "rs:4+2")
    account = poor.json("wallet", "balance")["account"]
    net.ok("dev", "fund", "0.0001", account)
    poor.refused(7, "NO_FEE_FUNDS", "bucket", "create", "too-dear", "--policy", "rs:4+2")


@rule("a price above --max-cost moves nothing [JS-30]")
def _(net):
    path = random_file(os.path.join(net.root, "dear"), 2_000_000)
    before = net.json("wallet", "balance")
    net.refused(8, "PRICE_GUARD", "--max-cost", "0.000000000000000001", "cp", path, "cairn://here/dear")
    expect(net.json("wallet", "balance") == before, "the balance changed")
    net.refused(4, "NO_SUCH_OBJECT", "stat", "cairn://here/dear")


@rule("a bucket that exists, a policy nobody can place, and a bucket that is not empty are refused [GF-01]")
def _(net):
    net.refused(6, "EXISTS", "bucket", "create", "here", "--policy", "rs:4+2")
    net.refused(12, "NOT_ENOUGH_PROVIDERS", "bucket", "create", "wide", "--policy", "rs:20+10")
    net.refused(2, "BAD_POLICY", "bucket", "create", "odd", "--policy", "rs:0+0")
    net.ok("cp", os.path.join(net.root, "small"), "cairn://here/kept")
    net.refused(6, "NOT_EMPTY", "bucket", "rm", "here")


@rule("an unknown setting is refused with those there are")
def _(net):
    net.refused(2, "UNKNOWN_SETTING", "config", "set", "no.such.key", "1")


@rule("a name with control characters comes back exactly and is shown escaped")
def _(net):
    name = "evil\x1b[2J\nname\u202e"
    path = os.path.join(net.root, "small")
    folder = os.path.join(net.root, "odd")
    os.makedirs(folder)
    with open(path, "rb") as source, open(os.path.join(folder, name), "wb") as out:
        out.write(source.read())
    put = net.ok("cp", "-r", folder + "/", "cairn://here/odd/")
    listed = net.ok("ls", "-r", "cairn://here/odd/").out
    shown = "evil\\x1b[2J\\nname\\u202e"
    for text in (listed, put.out, put.err, net.ok("stat", "cairn://here/odd/" + name).out):
        expect("\x1b" not in text and "\u202e" not in text, f"not escaped: {text!r}")
    expect(shown in listed, f"listed {listed!r}")
    names = [o["ref"] for o in net.json("ls", "-r", "cairn://here/odd/")["items"]]
    expect(names == ["cairn://here/odd/" + name], f"JSON has {names!r}")
    back = os.path.join(net.root, "odd-back")
    net.ok("sync", "cairn://here/odd/", back)
    expect(os.listdir(back) == [name], f"came back as {os.listdir(back)!r}")
    missing = net.refused(4, "NO_SUCH_OBJECT", "stat", "cairn://here/odd/\x1b[31m")
    expect("\x1b" not in missing.err, f"not escaped: {missing.err!r}")


def distrusting(net, name, key, value):
    """A client whose profile says something else than the network's."""
    home = net.newcomer(name)
    profile = os.path.join(home.folder, "profiles", "dev.toml")
    with open(profile, encoding="ascii") as text:
        changed = re.sub(rf'^{key} = "[0-9a-f]*"$', f'{key} = "{value}"', text.read(), flags=re.M)
    with open(profile, "w", encoding="ascii") as out:
        out.write(changed)
    return home


@rule("a ledger that does not prove its answers is refused: another engine's key, another chain, an older state [GF-95]")
def _(net):
    key = net.json("chain", "status")["engine_key"]
    stranger = net.json("provider", "ls")["providers"][0]
    other = distrusting(net, "other-key", "engine_key", net.json("provider", "show", stranger["account"])["node_key"])
    other.refused(11, "LEDGER_ANSWER_UNPROVEN", "provider", "ls")
    other = distrusting(net, "other-chain", "id", "ab" * 32)
    other.refused(11, "LEDGER_ANSWER_UNPROVEN", "provider", "ls")
    keyless = distrusting(net, "no-key", "engine_key", "")
    expect(keyless.json("chain", "status")["engine_key"] == key, "the genesis record names another key")

    folder = os.path.join(keyless.folder, "ledgers")
    seen = os.path.join(folder, os.listdir(folder)[0])
    with open(seen, "w", encoding="ascii") as out:
        out.write(f"1000000 1 {'00' * 32}\n")
    keyless.refused(11, "LEDGER_ANSWER_UNPROVEN", "provider", "ls")
    os.remove(seen)
    keyless.ok("provider", "ls")


@rule("a transaction that is handed in again has its first outcome and happens once [GF-18]")
def _(net):
    account = net.json("wallet", "balance")["account"]
    poor = net.newcomer("payee")
    poor.ok("wallet", "new", "main")
    payee = poor.json("wallet", "receive")["account"]
    net.ok("--yes", "wallet", "send", payee, "3")
    sent = last_transaction(net)
    saved = os.path.join(net.root, "sent.tx")
    net.ok("chain", "tx", "save", sent, saved)
    before = (balance(net), balance(poor))
    for _ in range(3):
        expect(net.json("chain", "tx", "submit", saved)["transaction"] == sent, "another transaction")
    # Anyone may hand it in; it is still the one transaction of its signer.
    poor.ok("chain", "tx", "submit", saved)
    expect((balance(net), balance(poor)) == before, "money moved twice")
    expect(net.json("wallet", "balance")["account"] == account, "another account")


@rule("a changed byte in a signed transaction, a file that is none, and a file too large are refused")
def _(net):
    saved = os.path.join(net.root, "sent.tx")
    with open(saved, "rb") as source:
        good = source.read()
    before = balance(net)
    refusals = set()
    for at in range(0, len(good), 7):
        bad = os.path.join(net.root, "bad.tx")
        with open(bad, "wb") as out:
            out.write(good[:at] + bytes((good[at] ^ 0x20,)) + good[at + 1:])
        result = net.run("chain", "tx", "submit", bad)
        expect(result.code in (2, 13), f"byte {at}: {result}")
        expect(errors(result) == 1, f"byte {at}: {result}")
        refusals.add(result.err.split("[")[1].split("]")[0])
    expect(refusals & {"VERDICT_BAD_SIGNATURE"}, f"refusals: {refusals}")
    for content, reason in ((b"", "BAD_TRANSACTION_FILE"), (b"\xff" * 1000, "BAD_TRANSACTION_FILE"),
                            (b"\0" * (2 << 20), "FILE_TOO_LARGE")):
        with open(os.path.join(net.root, "none.tx"), "wb") as out:
            out.write(content)
        net.refused(2, reason, "chain", "tx", "submit", os.path.join(net.root, "none.tx"))
    net.refused(4, "NO_SUCH_TRANSACTION", "chain", "tx", "save", "00" * 32, os.path.join(net.root, "x.tx"))
    expect(balance(net) == before, "something was charged")


@rule("a daemon refuses an unknown key wherever it stands, a value of the wrong kind, and a port that is taken")
def _(net):
    data = os.path.join(net.root, "other-ledger")
    config = os.path.join(net.root, "daemon.toml")
    for daemon in ("chaind", "storaged"):
        with open(config, "w", encoding="ascii") as out:
            out.write(f'[node]\ndata_dir = "{data}"\n[net]\nlisten_on = "127.0.0.1:0"\n')
        unknown = run_daemon(daemon, "--config", config, "config", "check")
        expect(unknown.returncode == 2 and "UNKNOWN_CONFIG_KEY" in unknown.stderr and
               "net.listen" in unknown.stderr and config in unknown.stderr, str(unknown))
        flag = run_daemon(daemon, "--net.lissten=x", "run")
        expect(flag.returncode == 2 and "net.listen" in flag.stderr, str(flag))
        environment = run_daemon(daemon, "config", "check", **{f"CAIRN_{daemon.upper()}__NET__LISSTEN": "x"})
        expect(environment.returncode == 2 and "UNKNOWN_CONFIG_KEY" in environment.stderr, str(environment))
        value = run_daemon(daemon, "--limits.memory=perhaps", "config", "check")
        expect(value.returncode == 2 and "BAD_CONFIG_VALUE" in value.stderr, str(value))
        expect(not os.path.exists(data), "a refused start left something behind")
    expect(run_daemon("chaind", f"--node.data_dir={data}", "init").returncode == 0, "init")
    taken = net.json("dev", "status")["chain_endpoint"]
    for key in ("net.listen", "http.listen"):
        busy = run_daemon("chaind", f"--node.data_dir={data}", "--net.listen=127.0.0.1:0", "--http.listen=127.0.0.1:0",
                          f"--{key}={taken}", "run")
        expect(busy.returncode == 15 and "PORT_TAKEN" in busy.stderr and taken in busy.stderr, str(busy))


@rule("a dev network whose port is taken says which, and starts nothing")
def _(net):
    other = Home(os.path.join(net.root, "second-home"))
    result = other.refused(15, "PORT_TAKEN", "dev", "up")
    shown_in_full(result, "PORT_TAKEN")
    expect(not os.path.exists(os.path.join(other.folder, "dev", "dev")), "half a network was made")
    expect(not os.path.exists(os.path.join(other.folder, "keys")), "a key was made for no network")
    net.ok("chain", "status")


@rule("a settings file or a profile that says something unknown is refused by name")
def _(net):
    other = net.newcomer("settings")
    with open(os.path.join(other.folder, "storectl.toml"), "w", encoding="ascii") as out:
        out.write('profil = "dev"\n')
    result = other.run("chain", "status")
    expect(result.code == 2 and "profil" in result.err, str(result))
    os.remove(os.path.join(other.folder, "storectl.toml"))
    profile = os.path.join(other.folder, "profiles", "dev.toml")
    with open(profile, encoding="ascii") as source:
        good = source.read()
    for bad in ("", good[:len(good) // 2], good.replace('"', "", 1), "\0" * 100, "x" * 2_000_000):
        with open(profile, "w", encoding="ascii") as out:
            out.write(bad)
        result = other.run("chain", "status")
        expect(result.code not in (0, 1) and errors(result) == 1, f"{bad[:40]!r}: {result}")


@rule("the network that was reset is not taken for the one the profile knows, and takes none of its transactions")
def _(net):
    old = net.newcomer("old-profile")
    shutil.copytree(os.path.join(net.folder, "keys"), os.path.join(old.folder, "keys"), dirs_exist_ok=True)
    net.ok("dev", "down")
    net.ok("dev", "reset")
    net.ok("dev", "up")
    shown_in_full(old.refused(5, "PIN_MISMATCH", "chain", "status"), "PIN_MISMATCH")
    # The pin says who answers; with it right, the engine's key still says for which ledger.
    with open(os.path.join(net.folder, "profiles", "dev.toml"), encoding="ascii") as source:
        now = source.read()
    with open(os.path.join(old.folder, "profiles", "dev.toml"), encoding="ascii") as source:
        was = source.read()
    field = next(line for line in now.splitlines() if "pin" in line)
    mixed = "\n".join(field if "pin" in line else line for line in was.splitlines()) + "\n"
    with open(os.path.join(old.folder, "profiles", "dev.toml"), "w", encoding="ascii") as out:
        out.write(mixed)
    shown_in_full(old.refused(11, "LEDGER_ANSWER_UNPROVEN", "chain", "status"), "LEDGER_ANSWER_UNPROVEN")
    before = balance(net)
    shown_in_full(net.refused(13, "VERDICT_WRONG_CHAIN", "chain", "tx", "submit", os.path.join(net.root, "sent.tx")),
                  "VERDICT_WRONG_CHAIN")
    expect(balance(net) == before, "something was charged")


@rule("a transaction whose time is over and that the ledger has forgotten is refused without a fee")
def _(net):
    payee = net.newcomer("late")
    payee.ok("wallet", "new", "main")
    account = payee.json("wallet", "receive")["account"]
    net.ok("--yes", "wallet", "send", account, "1")
    late, saved = last_transaction(net), os.path.join(net.root, "late.tx")
    net.ok("chain", "tx", "save", late, saved)
    net.ok("dev", "advance", "120d")  # longer than blocks are kept
    for _ in range(20):  # each block lets some old ones go
        net.ok("--yes", "wallet", "send", account, "1")
        if net.run("chain", "tx", "show", late).code == 4:
            break
    before = balance(net)
    shown_in_full(net.refused(13, "VERDICT_EXPIRED", "chain", "tx", "submit", saved), "VERDICT_EXPIRED")
    expect(balance(net) == before, "something was charged")


@rule("a network can be reset after the folder of its keys was deleted, and its new account can pay")
def _(net):
    shutil.rmtree(os.path.join(net.folder, "keys"))
    net.ok("--yes", "dev", "reset")
    net.ok("dev", "up")
    net.ok("bucket", "create", "afresh", "--policy", "rs:4+2")
    net.ok("cp", os.path.join(net.root, "small"), "cairn://afresh/small")
    expect(float(net.json("wallet", "balance")["free"]["amount"]) > 0, "the new account has no money")


if __name__ == "__main__":
    main()

"""Wrong input: one error each, with a stable reason, the right exit code, and nothing lost."""
import os
import re
import shutil

from harness import expect, main, random_file, rule


@rule("an unknown bucket, object, provider or command is named, with the exit code for it [GF-07]")
def _(net):
    path = random_file(os.path.join(net.root, "small"), 1000)
    net.refused(4, "NO_SUCH_BUCKET", "cp", path, "cairn://nowhere/x")
    net.refused(4, "NO_SUCH_BUCKET", "ls", "cairn://nowhere/")
    net.ok("bucket", "create", "here", "--policy", "rs:4+2")
    net.refused(4, "NO_SUCH_OBJECT", "get", "cairn://here/missing", os.path.join(net.root, "missing"))
    net.refused(4, "NO_SUCH_FILE", "cp", os.path.join(net.root, "absent"), "cairn://here/x")
    net.refused(2, "bucket", "buckett", "ls")


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

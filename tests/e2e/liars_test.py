"""Providers that lie, keep silent or refuse: the user is told, retries or replaces, and gets the money back."""
import os
import zlib

from harness import expect, main, random_file, rule, same


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


if __name__ == "__main__":
    main()

"""Files of every size class, holders lost with their disks, a client that has nothing but the phrase."""
import os
import subprocess

from harness import expect, main, random_file, rule, same, wait_until

SIZES = [0, 1, 65535, 65536, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (16 << 20) + 1, 300 << 20]


def source(net, size):
    path = os.path.join(net.root, f"source-{size}")
    if not os.path.exists(path):
        random_file(path, size)
    return path


@rule("files of every size class are durable in an rs:4+2 bucket once put returns [GF-14][GF-24][MP-08]")
def _(net):
    net.ok("bucket", "create", "private", "--policy", "rs:4+2")
    for size in SIZES:
        net.ok("cp", source(net, size), f"cairn://private/size/{size}")
        stat = net.json("stat", f"cairn://private/size/{size}")
        expect(stat["state"] == "durable", f"{size} bytes are {stat['state']}")


@rule("after two holders are lost with their disks everything comes back equal, in parallel [GF-40]")
def _(net):
    net.ok("dev", "fail", "p2")
    net.ok("dev", "fail", "p5")
    running = []
    for size in SIZES:
        back = os.path.join(net.root, f"back-{size}")
        running.append((size, back, net.start("get", f"cairn://private/size/{size}", back)))
    for size, back, process in running:
        out, err = process.communicate(timeout=300)
        expect(process.returncode == 0, f"get of {size} bytes: exit {process.returncode}\n{out}\n{err}")
        expect(same(source(net, size), back), f"{size} bytes differ")


@rule("ranges come back equal while two holders are missing, wherever they begin and end")
def _(net):
    size = (16 << 20) + 1
    whole = open(source(net, size), "rb").read()
    for first, last in [(0, 0), (65535, 65536), (1 << 20, (1 << 20) + 9), (size - 1, size - 1), (5_000_000, 9_999_999)]:
        got = net.ok("cat", "--range", f"{first}-{last}", f"cairn://private/size/{size}").raw
        expect(got == whole[first:last + 1], f"range {first}-{last}: {len(got)} bytes, not those asked for")


@rule("a client with an empty cache and only the recovery phrase fetches everything [CS-02]")
def _(net):
    phrase = net.ok("--yes", "wallet", "export").out
    home = net.newcomer("phrase-only")
    home.ok("wallet", "import", "main", stdin=phrase.encode())
    names = {line.split()[-1] for line in home.ok("ls", "cairn://private/size/").out.splitlines()}
    expect(names == {str(size) for size in SIZES}, f"listed {sorted(names)}")
    for size in SIZES[:-1]:
        back = os.path.join(home.folder, f"back-{size}")
        home.ok("get", f"cairn://private/size/{size}", back)
        expect(same(source(net, size), back), f"{size} bytes differ")


@rule("with a third holder lost a get exits 12 within 10 s and leaves nothing partial behind")
def _(net):
    holders = [h["name"] for h in net.json("dev", "status")["providers"] if h["running"]]
    stat = net.json("stat", f"cairn://private/size/{(16 << 20) + 1}")
    alive = [h["provider"] for h in stat["holders"]]
    by_account = {p["account"]: p["name"] for p in net.json("dev", "status")["providers"]}
    third = next(by_account[a] for a in alive if by_account[a] in holders)
    second_lost = sum(1 for a in alive if by_account[a] not in holders)
    net.ok("dev", "fail", third)
    lost = second_lost + 1
    for account in alive:
        if lost >= 3:
            break
        name = by_account[account]
        if name in holders and name != third:
            net.ok("dev", "fail", name)
            lost += 1
    folder = os.path.join(net.root, "partial")
    os.makedirs(folder)
    result = net.refused(12, "NOT_ENOUGH_SHARDS", "get", f"cairn://private/size/{(16 << 20) + 1}",
                         os.path.join(folder, "file"))
    expect(result.seconds < 10, f"took {result.seconds:.1f} s")
    expect(os.listdir(folder) == [], f"left behind: {os.listdir(folder)}")
    for provider in net.json("dev", "status")["providers"]:
        if not provider["running"]:
            net.ok("dev", "heal", provider["name"])


@rule("a replicate:3 file survives the loss of two holders [JS-06]")
def _(net):
    net.ok("bucket", "create", "copies", "--policy", "replicate:3", "--public")
    path = source(net, (1 << 20) + 1)
    net.ok("cp", path, "cairn://copies/file")
    by_account = {p["account"]: p["name"] for p in net.json("dev", "status")["providers"]}
    holders = [by_account[h["provider"]] for h in net.json("stat", "cairn://copies/file")["holders"]]
    expect(len(set(holders)) == 3, f"holders {holders}")
    for name in holders[:2]:
        net.ok("dev", "fail", name)
    back = os.path.join(net.root, "copies-back")
    net.ok("get", "cairn://copies/file", back)
    expect(same(path, back), "bytes differ")
    for name in holders[:2]:
        net.ok("dev", "heal", name)


@rule("under +primary the primary keeps the whole blob, serves it when too few holders are left, and is paid for it")
def _(net):
    path = source(net, (16 << 20) + 1)
    net.ok("bucket", "create", "whole", "--policy", "rs:4+2+primary")
    net.ok("cp", path, "cairn://whole/file")
    wait_until(lambda: net.json("stat", "cairn://whole/file")["whole"], 30, "the whole copy")
    by_account = {p["account"]: p["name"] for p in net.json("dev", "status")["providers"]}
    stat = net.json("stat", "cairn://whole/file")
    plain = net.json("stat", f"cairn://private/size/{(16 << 20) + 1}")
    # Of one price: 0.5 for the primary and 2 for each of the 1.5 copies in shards; 2 more for the whole one.
    ratio = float(stat["per_month"]["amount"]) / float(plain["per_month"]["amount"])
    expect(abs(ratio - 5.5 / 3.5) < 0.01, f"its rate is {ratio:.3f} times that without +primary")
    holders = [by_account[h["provider"]] for h in stat["holders"]]
    expect(by_account[stat["primary"]] not in holders, "the primary's copy goes with a shard")
    checked = net.json("verify", "cairn://whole/file")["items"][0]["parts"]
    expect(any(p["position"] == "primary" and p["ok"] for p in checked), f"verified {checked}")
    for name in holders[:4]:
        net.ok("dev", "fail", name)
    back = os.path.join(net.root, "whole-back")
    net.ok("get", "cairn://whole/file", back)
    expect(same(path, back), "bytes differ")
    for name in holders[:4]:
        net.ok("dev", "heal", name)


@rule("the content id of a public object is what b3sum prints")
def _(net):
    path = source(net, (1 << 20) + 1)
    stat = net.json("stat", "cairn://copies/file")
    digest = subprocess.run(["b3sum", "--no-names", path], capture_output=True, check=True).stdout.decode().strip()
    expect(stat["content_hash"] == digest, f"{stat['content_hash']} is not {digest}")


@rule("a flipped byte in a pack is found by a read and by scrub, named, and never served [GF-41][MP-20]")
def _(net):
    path = source(net, (1 << 20) + 1)
    by_account = {p["account"]: p["name"] for p in net.json("dev", "status")["providers"]}
    stat = net.json("stat", "cairn://copies/file")
    name = by_account[stat["holders"][0]["provider"]]
    part = ["--part", stat["content_id"]]
    net.ok("dev", "corrupt", name, *part)
    net.ok("dev", "scrub", name)
    log = net.ok("dev", "logs", name).out
    named = [line for line in log.splitlines() if '"blob.damaged"' in line and stat["content_id"] in line]
    expect(named, f"scrub did not name {stat['content_id']}")
    wait_until(lambda: "blob.repaired" in net.ok("dev", "logs", name).out, 30, "the damaged part is fetched again")

    # Without a part it is one that counts, and scrub names it, however quick its repair.
    hit = net.ok("dev", "corrupt", name)
    picked = (hit.out + hit.err).split("part ")[1].split()[0]
    named = net.json("dev", "scrub", name)["damaged"]
    reported = net.ok("dev", "logs", name).out
    expect(any(line.startswith(picked) for line in named) or picked in reported, f"{picked} is not in {named}")
    wait_until(lambda: net.json("dev", "scrub", name)["damaged"] == [], 30, "everything is mended")

    net.ok("dev", "corrupt", name, *part)
    log = net.ok("dev", "logs", name).out
    reports = log.count('"blob.damaged"')
    for number in range(12):
        back = os.path.join(net.root, f"after-rot-{number}")
        net.ok("get", "cairn://copies/file", back)
        expect(same(path, back), "rotten bytes were served")
    wait_until(lambda: net.run("verify", "cairn://copies/file").code == 0, 30, "what a read noticed is mended")
    expect(net.ok("dev", "logs", name).out.count('"blob.damaged"') > reports, "no read noticed the damage")


if __name__ == "__main__":
    main()

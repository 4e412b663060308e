"""Many clients at once: mixed puts, gets and deletes, for 10 minutes under --soak, for half a minute otherwise."""
import os
import random
import threading
import time

from harness import SOAK, expect, main, random_file, rule, same

CLIENTS = 32
SECONDS = 600 if SOAK else 30


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return 0


@rule("32 clients mixing puts, gets and deletes see no error, and the daemons' memory stays flat")
def _(net):
    net.ok("bucket", "create", "load", "--policy", "rs:4+2")
    sources = [random_file(os.path.join(net.root, f"load-{size}"), size) for size in (300, 20_000, 400_000, 3_000_000)]
    pids = [p["pid"] for p in net.json("dev", "status")["processes"]]
    errors, counts, until = [], [0] * CLIENTS, time.monotonic() + SECONDS

    def client(number):
        chance = random.Random(number)
        mine = {}
        while time.monotonic() < until and not errors:
            name = f"cairn://load/c{number}/f{chance.randrange(6)}"
            if name in mine and chance.random() < 0.3:
                result = net.run("--yes", "rm", name)
                mine.pop(name)
            elif name in mine and chance.random() < 0.6:
                back = os.path.join(net.root, f"load-back-{number}")
                result = net.run("get", name, back)
                if result.code == 0 and not same(mine[name], back):
                    errors.append(f"{name} differs")
            else:
                mine[name] = chance.choice(sources)
                result = net.run("cp", mine[name], name)
            if result.code != 0:
                errors.append(str(result))
            counts[number] += 1

    threads = [threading.Thread(target=client, args=(n,)) for n in range(CLIENTS)]
    for thread in threads:
        thread.start()
    time.sleep(SECONDS / 3)
    early = [resident_kib(pid) for pid in pids]
    for thread in threads:
        thread.join()
    late = [resident_kib(pid) for pid in pids]
    print(f"        {sum(counts)} commands in {SECONDS} s; resident KiB {early} then {late}")
    expect(not errors, f"{len(errors)} errors, the first:\n{errors[0] if errors else ''}")
    expect(all(b < a * 1.5 + 32 * 1024 for a, b in zip(early, late)), f"memory grew: {early} then {late}")


if __name__ == "__main__":
    main()

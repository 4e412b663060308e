"""A source tree of many small files: few transactions, little time, everything back."""
import os
import random
import re
import time
import urllib.request

from harness import expect, main, rule, same

FILES = 10_000


def transactions(net):
    """In blocks so far, whoever sent them."""
    page = f"http://{net.json('dev', 'status')['chain_http']}/metrics"
    with urllib.request.urlopen(page, timeout=10) as answer:
        text = answer.read().decode()
    return sum(int(float(n)) for n in re.findall(r"^cairn_chain_transactions_total\{[^}]*\} (\S+)", text, re.M))


@rule("10,000 small files need at most 200 transactions and 60 s, and come back equal")
def _(net):
    tree = os.path.join(net.root, "tree")
    source = random.Random(7)
    for i in range(FILES):
        folder = os.path.join(tree, f"d{i % 100:02}")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, f"file{i:05}.txt"), "wb") as out:
            out.write(source.randbytes(source.randrange(100, 8000)))
    net.ok("bucket", "create", "tree", "--policy", "rs:4+2")
    before = transactions(net)
    start = time.monotonic()
    net.ok("cp", "-r", tree + "/", "cairn://tree/")
    seconds = time.monotonic() - start
    used = transactions(net) - before
    print(f"        {FILES} files: {used} transactions, {seconds:.1f} s")
    expect(used <= 200, f"{used} transactions")
    expect(seconds <= 60, f"{seconds:.1f} s")
    net.ok("dev", "fail", "p3")
    net.ok("dev", "fail", "p4")
    back = os.path.join(net.root, "back")
    net.ok("cp", "-r", "cairn://tree/", back)
    for folder, _, names in os.walk(tree):
        for name in names:
            path = os.path.join(folder, name)
            expect(same(path, os.path.join(back, os.path.relpath(path, tree))), f"{path} differs")


if __name__ == "__main__":
    main()

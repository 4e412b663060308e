"""The example program of the client library, against a real network."""
import os
import subprocess

from harness import expect, main, rule


@rule("the example stores a file and fetches it back")
def _(net):
    source = os.path.join(net.root, "example.bin")
    with open(source, "wb") as out:
        out.write(os.urandom(700_000))
    passphrase = net.ok("config", "get", "passphrase_file").out.strip()
    done = subprocess.run([os.environ["CAIRN_EXAMPLE"], "dev", "main", passphrase, source], env=net.environment(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    expect(done.returncode == 0, done.stderr.decode())
    expect(b"cairn://example/example.bin bafk" in done.stdout, done.stdout.decode())
    with open(source, "rb") as before, open(source + ".back", "rb") as after:
        expect(before.read() == after.read(), "another file came back")


if __name__ == "__main__":
    main()

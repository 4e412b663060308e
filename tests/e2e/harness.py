"""Drives real daemons through storectl, as a person at a terminal would.

A test file names its rules with the decorator and ends with `main()`:

    @rule("a private file comes back equal [GF-40]")
    def _(net):
        net.ok("cp", source, "cairn://b/x")

Each file gets one network of its own in a scratch folder, unless a rule asks for a fresh one. Everything it starts
ends with it. CAIRN_SOAK=1 selects the long forms.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

BIN = os.environ.get("CAIRN_BIN") or os.path.join(os.getcwd(), "bin")
SOAK = os.environ.get("CAIRN_SOAK") == "1"
_rules = []


def rule(title):
    def keep(function):
        _rules.append((title, function))
        return function

    return keep


class Failed(AssertionError):
    pass


def expect(condition, message):
    if not condition:
        raise Failed(message)


class Result:
    def __init__(self, arguments, process, seconds):
        self.arguments = arguments
        self.code = process.returncode
        self.out = process.stdout.decode("utf-8", "replace") if process.stdout is not None else ""
        self.raw = process.stdout
        self.err = process.stderr.decode("utf-8", "replace") if process.stderr is not None else ""
        self.seconds = seconds

    def json(self):
        return json.loads(self.out)

    def __str__(self):
        return f"storectl {' '.join(self.arguments)}\n  exit {self.code} after {self.seconds:.1f} s\n" \
               f"  stdout: {self.out[-2000:]}\n  stderr: {self.err[-2000:]}"


class Home:
    """A client's own folder: keys, profiles, transfers."""

    def __init__(self, folder):
        self.folder = folder
        self.settings = {}
        os.makedirs(folder, exist_ok=True)

    def environment(self):
        return {**os.environ, **self.settings, "CAIRN_HOME": self.folder,
                "PATH": BIN + os.pathsep + os.environ["PATH"]}

    def run(self, *arguments, stdin=None, timeout=300, **environment):
        settings = self.environment()
        settings.update(environment)
        start = time.monotonic()
        process = subprocess.run([os.path.join(BIN, "storectl"), *arguments], input=stdin, env=settings,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout)
        return Result(arguments, process, time.monotonic() - start)

    def start(self, *arguments, **environment):
        settings = self.environment()
        settings.update(environment)
        return subprocess.Popen([os.path.join(BIN, "storectl"), *arguments], env=settings,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def ok(self, *arguments, **options):
        result = self.run(*arguments, **options)
        expect(result.code == 0, f"should succeed: {result}")
        return result

    def refused(self, code, reason, *arguments, **options):
        """One clear error: this exit code, this reason, a cause and a next step."""
        result = self.run(*arguments, **options)
        expect(result.code == code, f"should exit {code}: {result}")
        expect(reason in result.err, f"should say {reason}: {result}")
        expect("Traceback" not in result.err and "terminate called" not in result.err, f"crashed: {result}")
        return result

    def json(self, *arguments, **options):
        return self.ok("-o", "json", *arguments, **options).json()


class Network(Home):
    """A dev network, and the home of the developer who started it."""

    def __init__(self, folder, *up):
        self.root = folder
        super().__init__(os.path.join(folder, "home"))
        self.ok("dev", "up", *up)

    def down(self):
        self.run("dev", "down")

    def newcomer(self, name):
        """A client on another machine: nothing but the network's profile and a passphrase of its own."""
        home = Home(os.path.join(self.root, name))
        shutil.copytree(os.path.join(self.folder, "profiles"), os.path.join(home.folder, "profiles"))
        passphrase = os.path.join(home.folder, "passphrase")
        with open(passphrase, "w", encoding="ascii") as out:
            out.write("a passphrase of my own\n")
        home.settings = {"STORECTL_PROFILE": "dev", "STORECTL_KEY": "main", "STORECTL_PASSPHRASE_FILE": passphrase}
        return home


def random_file(path, size, seed=1):
    """Bytes that differ for every seed and do not compress."""
    import random
    source = random.Random(seed * 1000003 + size)
    with open(path, "wb") as out:
        left = size
        while left:
            piece = min(left, 1 << 20)
            out.write(source.randbytes(piece))
            left -= piece
    return path


def same(a, b):
    with open(a, "rb") as x, open(b, "rb") as y:
        while True:
            p, q = x.read(1 << 20), y.read(1 << 20)
            if p != q:
                return False
            if not p:
                return True


def wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.2)
    raise Failed(f"not within {seconds} s: {what}")


def main(*up):
    scratch = tempfile.mkdtemp(prefix="cairn-e2e-")
    passed, failed, network = 0, 0, None
    try:
        network = Network(os.path.join(scratch, "net"), *up)
        for title, function in _rules:
            start = time.monotonic()
            try:
                function(network)
                passed += 1
                print(f"ok      {title} ({time.monotonic() - start:.1f} s)", flush=True)
            except Exception as error:  # every failure is shown, then the next rule runs
                failed += 1
                print(f"FAILED  {title}\n{error}", flush=True)
                if not isinstance(error, Failed):
                    traceback.print_exc(file=sys.stdout)
    except Failed as error:
        failed += 1
        print(f"FAILED  to start a network\n{error}", flush=True)
    finally:
        if network is not None:
            network.down()
        if failed and os.environ.get("CAIRN_KEEP"):
            print(f"kept: {scratch}")
        else:
            shutil.rmtree(scratch, ignore_errors=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)

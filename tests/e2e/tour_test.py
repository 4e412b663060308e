"""Runs every command of the README's tour, as printed, in one shell."""
import os
import re
import subprocess
import sys
import tempfile
import shutil

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("CAIRN_BIN") or os.path.join(os.getcwd(), "bin")


def commands():
    with open(os.path.join(REPOSITORY, "README.md"), encoding="utf-8") as page:
        for block in re.findall(r"```sh\n(.*?)```", page.read(), re.S):
            for line in block.splitlines():
                if line.startswith("$ "):
                    yield line[2:]


def main():
    scratch = tempfile.mkdtemp(prefix="cairn-tour-")
    shutil.copy(os.path.join(REPOSITORY, "README.md"), scratch)
    shutil.copytree(os.path.join(REPOSITORY, "cmake"), os.path.join(scratch, "cmake"))
    os.makedirs(os.path.join(scratch, "build", "release"))
    os.symlink(BIN, os.path.join(scratch, "build", "release", "bin"))
    lines = list(commands())
    script = ["set -e", "trap 'storectl dev down >/dev/null 2>&1 || true' EXIT"]
    for line in lines:
        script += [f"printf '%s\\n' {subprocess.list2cmdline([line])!r}", line]
    environment = {**os.environ, "CAIRN_HOME": os.path.join(scratch, "home")}
    run = subprocess.run(["bash", "-c", "\n".join(script)], cwd=scratch, env=environment, timeout=280)
    shutil.rmtree(scratch, ignore_errors=True)
    good = run.returncode == 0 and len(lines) > 20
    print(f"{len(lines)} commands of the tour")
    print("1 passed, 0 failed" if good else "0 passed, 1 failed")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""The simulator links the very archives that the programs link: what runs there is what runs here.

    check_links.py --ninja NINJA --build FOLDER
"""
import argparse
import subprocess
import sys

OURS = ("libcairn_storaged.a", "libcairn_client.a", "libcairn_chain.a", "libcairn_storage.a", "libcairn_base.a",
        "libcairn_rpc.a")
PROGRAMS = {"bin/storaged": ("storaged", "chain", "storage", "base", "rpc"),
            "bin/chaind": ("chain", "base", "rpc"),
            "bin/storectl": ("client", "chain", "storage", "base", "rpc")}


def archives(ninja, build, target):
    said = subprocess.run([ninja, "-C", build, "-t", "query", target], capture_output=True, text=True, check=True).stdout
    inputs = said.split("outputs:")[0].split()
    return {path for path in inputs if path.endswith(OURS)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ninja", required=True)
    parser.add_argument("--build", required=True)
    args = parser.parse_args()
    simulated = archives(args.ninja, args.build, "tests/sim/sim_test")
    wrong = []
    for program, parts in PROGRAMS.items():
        linked = archives(args.ninja, args.build, program)
        for part in parts:
            name = f"libcairn_{part}.a"
            theirs = {path for path in linked if path.endswith("/" + name)}
            if not theirs or not theirs <= simulated:
                wrong.append(f"{program}: {name} is {theirs or 'absent'}, the simulator has {simulated}")
    print("\n".join(wrong) or f"the simulator links {len(simulated)} archives of the programs")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Holds decoders.txt against the sources: what takes bytes or text apart is listed with the fuzz targets that reach it.

  tests/fuzz/decoders.py          fails when a decoder is not listed, or a line names what is not there
  tests/fuzz/decoders.py --find   prints what it takes for decoders

A decoder is a function or class with a line that begins to read somebody's bytes (MARKS). A line of decoders.txt:

  file | function or class | targets, or "- why none"
"""
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
LIST = os.path.join(HERE, "decoders.txt")
MARKS = re.compile(r"""
    \bReader\ \w+\( | \bParseFrom(String|Array|Istream|Cord)\w*\( | \bMergeFromString\( | \bJsonStringToMessage\(
  | \bSimple(Hex)?Atoi\( | \bSimpleAto[df]\( | \bBase64Unescape\( | \bWebSafeBase64Unescape\( | \bHexStringToBytes\(
  | \bfrom_chars\( | \bsscanf\( | \bstrto(ul|ull|l|ll|d)\( | \btoml::parse\( | \bjson::parse\( | \brequest_parser<
  | \bPEM_read_ | \bd2i_ | \b(absl|time)::Parse(Duration|Time)\( | \bFromHex\( | \bfrom_bytes\(
""", re.X)
OPENS = re.compile(r"^[A-Za-z_\[].*[\w>&*\])]\s*(\(|\{|$)|^(class|struct) ")
SKIP = re.compile(r"^(namespace|using|constexpr|inline constexpr|static const|extern|template|public|private|enum)\b|^#")
CLASS = re.compile(r"^(?:class|struct)\s+([\w:]+)")
FUNCTION = re.compile(r"([\w:~]+(?:<[^<>]*>)?)\s*\(")


def sources():
    for top in sorted(os.listdir(ROOT)):
        if not (top == "apps" or (top.startswith("lib") and os.path.isdir(os.path.join(ROOT, top)))):
            continue
        for folder, _, names in os.walk(os.path.join(ROOT, top)):
            for name in sorted(names):
                if name.endswith((".cc", ".h")):
                    yield os.path.relpath(os.path.join(folder, name), ROOT)


def unit_of(lines, at):
    """The function or class around a line: the nearest line above it that opens one at the left margin."""
    for i in range(at, -1, -1):
        line = lines[i]
        if SKIP.match(line) or not OPENS.match(line):
            continue
        found = CLASS.match(line)
        if found:
            return found.group(1)
        found = FUNCTION.search(line)
        if found:
            return found.group(1)
    return "?"


def find():
    """(file, unit) of every decoder, in order."""
    units = []
    for path in sources():
        with open(os.path.join(ROOT, path), encoding="utf-8") as source:
            lines = source.read().split("\n")
        for at, line in enumerate(lines):
            code = line.split("//")[0]
            if not MARKS.search(code):
                continue
            # A declaration or definition of the reading function itself is no use of one.
            unit = (path, unit_of(lines, at))
            if unit[1] != "?" and unit not in units and not (path.endswith(".h") and code.rstrip().endswith(";")
                                                             and "return" not in code):
                units.append(unit)
    return units


def read_list():
    """{(file, unit): targets, or a text that begins with "-"}; repeated lines are errors."""
    listed = {}
    with open(LIST, encoding="utf-8") as page:
        for number, line in enumerate(page, 1):
            line = line.split("#")[0].strip()
            if not line:
                continue
            fields = [field.strip() for field in line.split("|")]
            if len(fields) != 3 or (fields[0], fields[1]) in listed:
                sys.exit(f"decoders.txt:{number}: not of the form 'file | function | targets', or repeated")
            listed[fields[0], fields[1]] = fields[2]
    return listed


def main():
    found, listed = find(), None
    if sys.argv[1:] == ["--find"]:
        for path, unit in found:
            print(f"{path} | {unit} |")
        return 0
    listed = read_list()
    wrong = [f"{path}: {unit} reads somebody's bytes and is not in tests/fuzz/decoders.txt"
             for path, unit in found if (path, unit) not in listed]
    for (path, unit), targets in listed.items():
        if not os.path.exists(os.path.join(ROOT, path)):
            wrong.append(f"decoders.txt: there is no {path}")
            continue
        with open(os.path.join(ROOT, path), encoding="utf-8") as source:
            if not re.search(r"\b" + re.escape(unit.split("::")[-1]) + r"\b", source.read()):
                wrong.append(f"decoders.txt: {path} has no {unit}")
        if targets.startswith("-"):
            if len(targets) < 10:
                wrong.append(f"decoders.txt: {path} | {unit}: say why it has no target")
            continue
        for target in targets.split():
            if not os.path.exists(os.path.join(HERE, target + "_fuzz.cc")):
                wrong.append(f"decoders.txt: {path} | {unit}: there is no target {target}")
    for line in wrong:
        print(line)
    if not wrong:
        exempt = sum(targets.startswith("-") for targets in listed.values())
        print(f"{len(listed) - exempt} decoders with fuzz targets, {exempt} that need none")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

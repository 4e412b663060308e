#!/usr/bin/env python3
"""Holds tests/requirements.md against the tags of the tests.

  tests/check_requirements.py            fails when the page and the tags differ
  tests/check_requirements.py --update   writes the page's last column from the tags

A test proves a row when its title or tags name the row's id in brackets, as in [GF-25].
"""
import collections
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = os.path.join(HERE, "requirements.md")
ID = re.compile(r"\b(?:GF|JS|CD|CS|MP)-\d+\b")
ROW = re.compile(r"^\| ((?:GF|JS|CD|CS|MP)-\d+) \| (.*?) \| (.*?) \|$")
TITLE = re.compile(r'TEST_CASE(?:_METHOD\(\s*\w+\s*,|\()\s*((?:"(?:[^"\\]|\\.)*"\s*,?\s*)+)\)', re.S)
SCRIPT_TITLE = re.compile(r"""^@?rule\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+)\)""", re.M)


def proven():
    found = collections.defaultdict(set)
    for folder, _, names in os.walk(HERE):
        for name in names:
            path = os.path.join(folder, name)
            if name.endswith(".cc"):
                pattern = TITLE
            elif name.endswith(".py"):
                pattern = SCRIPT_TITLE
            else:
                continue
            with open(path, encoding="utf-8") as source:
                text = source.read()
            for title in pattern.findall(text):
                for row in ID.findall(title):
                    found[row].add(os.path.relpath(path, HERE))
    return found


def main():
    tags = proven()
    lines, wrong, seen = [], [], set()
    with open(PAGE, encoding="utf-8") as page:
        for line in page.read().split("\n"):
            match = ROW.match(line)
            if match:
                row, text, listed = match.groups()
                seen.add(row)
                actual = ", ".join(sorted(tags.get(row, ()))) or "-"
                if listed != actual:
                    wrong.append(f"{row}: the page says '{listed}', the tags say '{actual}'")
                line = f"| {row} | {text} | {actual} |"
            lines.append(line)
    wrong += [f"{row}: tagged in {', '.join(sorted(tags[row]))}, but no such row" for row in sorted(set(tags) - seen)]
    if sys.argv[1:] == ["--update"]:
        with open(PAGE, "w", encoding="utf-8") as page:
            page.write("\n".join(lines))
        return 0
    for line in wrong:
        print(line)
    print(f"{len(seen)} rows, {len(set(tags) & seen)} with a test")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

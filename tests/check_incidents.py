#!/usr/bin/env python3
"""Holds tests/incidents.md against the tests: every row names at least one, as `file: "title"`, and that file has a
test of that very title."""
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = os.path.join(HERE, "incidents.md")
NAMED = re.compile(r'([\w/.]+\.(?:cc|py)): "([^"]+)"')
TITLES = {".cc": re.compile(r'TEST_CASE(?:_METHOD\(\s*\w+\s*,|\()\s*((?:"(?:[^"\\]|\\.)*"\s*)+)', re.S),
          ".py": re.compile(r'^@?rule\(\s*f?((?:"(?:[^"\\]|\\.)*"\s*)+)', re.M)}
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')


def titles_of(name):
    path = os.path.join(HERE, name)
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as source:
        found = TITLES[os.path.splitext(name)[1]].findall(source.read())
    return {"".join(STRING.findall(title)) for title in found}


def rows():
    with open(PAGE, encoding="utf-8") as page:
        lines = [line for line in page if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines[1:]]


def main():
    wrong, tests = [], 0
    for cells in rows():
        if len(cells) != 4:
            wrong.append(f"{cells[0]}: {len(cells)} columns instead of 4")
            continue
        named = NAMED.findall(cells[3])
        tests += len(named)
        if not named or NAMED.sub("", cells[3]).strip("; ") != "":
            wrong.append(f"{cells[0]}: the last column is not a list of tests")
        for name, title in named:
            titles = titles_of(name)
            if titles is None:
                wrong.append(f"{cells[0]}: there is no tests/{name}")
            elif title not in titles:
                wrong.append(f'{cells[0]}: tests/{name} has no test "{title}"')
    for line in wrong:
        print(line)
    print(f"{len(rows())} incidents, {tests} tests")
    return 1 if wrong or not rows() else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Holds cmake/layers.txt against the tree.

  check_layers.py --root DIR [--nm NM] [--archive NAME=FILE ...]   fails when code and diagram differ
  check_layers.py --root DIR --self-test --cxx CXX --ar AR         plants violations in a copy and sees them found

Every #include line of lib*/ and apps/*/ must be allowed by its folder's line. What a library's line allows must be
used, too. An archive must not need a symbol of a Cairn namespace that its line does not allow.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

LIBRARIES = ("base", "storage", "payment", "chain")

# The beginning of a header's name, and the words that allow it.
HEADERS = (
    ("cairn/base/", ("base",)),
    ("cairn/storage/", ("storage",)),
    ("cairn/payment/", ("payment",)),
    ("cairn/chain/", ("chain",)),
    ("cairn/client/", ("client",)),
    ("absl/", ("absl",)),
    ("blake3", ("blake3",)),
    ("openssl/", ("boringssl", "openssl")),
    ("lmdb.h", ("lmdb",)),
    ("isa-l", ("isal",)),
    ("google/protobuf/", ("protobuf",)),
    ("grpc", ("grpc",)),
    ("boost/", ("boost",)),
    ("CLI/", ("cli",)),
    ("toml++/", ("toml",)),
    ("spdlog/", ("spdlog",)),
    ("prometheus/", ("prometheus",)),
    ("pugixml", ("pugixml",)),
)
# Generated headers are of the wire, whatever their folder: libchain's own, or rpc's.
GENERATED = re.compile(r"\.pb\.h$")
POSIX = re.compile(
    r"^(sys|netinet|arpa|net|linux)/|^(unistd|fcntl|poll|termios|dirent|signal|pthread|spawn|pwd|netdb|errno|dlfcn)\.h$")
# Vector instructions and plain C headers are part of the compiler.
COMPILER = re.compile(r"^([a-z]*mmintrin|immintrin|cpuid|stdint|stddef|stdlib|string|assert|math|malloc)\.h$|^[a-z_]+$")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]+)[>"]', re.M)
NAMESPACE = re.compile(r"\bcairn::(base|storage|payment|chain|client|rpc|app)::")


def read_layers(root):
    layers = {}
    with open(os.path.join(root, "cmake", "layers.txt"), encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            line = line.split("#", 1)[0].strip()
            if not line:
                continue
            name, colon, words = line.partition(":")
            if not colon or name in layers:
                sys.exit(f"cmake/layers.txt:{number}: expected 'name: words', once for each name")
            layers[name] = set(words.split())
    return layers


def folder_of(name):
    return f"lib{name}" if name in LIBRARIES else os.path.join("apps", name)


def sources(root, folder):
    for path, _, names in os.walk(os.path.join(root, folder)):
        for name in sorted(names):
            if name.endswith((".h", ".cc")):
                yield os.path.join(path, name)


def words_of(header):
    """The words of which one must be allowed; nothing for the compiler's own headers; None when unknown."""
    if header.startswith("apps/"):
        return (header.split("/")[1],)
    if GENERATED.search(header):
        return ("protobuf",)
    for beginning, words in HEADERS:
        if header.startswith(beginning):
            return words
    if POSIX.search(header):
        return ("posix",)
    return () if COMPILER.search(header) else None


def is_local(root, folder, path, header):
    """Beside the file, or below the library's private src."""
    places = (os.path.dirname(path), os.path.join(root, folder, "src"))
    return any(os.path.isfile(os.path.join(place, header)) for place in places)


def check_folder(root, name, allowed, private):
    folder = folder_of(name)
    wrong, used = [], set()
    for path in sources(root, folder):
        shown = os.path.relpath(path, root)
        public = os.sep + "include" + os.sep in path
        with open(path, encoding="utf-8") as source:
            headers = INCLUDE.findall(source.read())
        for header in headers:
            words = words_of(header)
            if words == () or (words and name in words) or is_local(root, folder, path, header):
                continue
            if words is None:
                wrong.append(f"{shown}: includes {header}, which no word of cmake/layers.txt stands for")
                continue
            granted = allowed.intersection(words)
            used |= granted
            if not granted:
                wrong.append(f"{shown}: includes {header}, but {folder} may not use {' or '.join(words)}")
            elif public and granted & private:
                wrong.append(f"{shown}: includes {header} in a public header")
    return wrong, used


def check_includes(root, layers):
    private = layers.get("private", set())
    wrong = []
    for name, allowed in sorted(layers.items()):
        if name == "private":
            continue
        if not any(sources(root, folder_of(name))):
            continue
        found, used = check_folder(root, name, allowed, private)
        wrong += found
        unused = sorted(allowed - used)
        if unused and name in LIBRARIES:
            wrong.append(f"cmake/layers.txt: {folder_of(name)} does not use {', '.join(unused)}")
        elif unused:
            print(f"note: {folder_of(name)} does not use {', '.join(unused)}")
    for name in sorted(os.listdir(os.path.join(root, "apps"))):
        if any(sources(root, os.path.join("apps", name))) and name not in layers:
            wrong.append(f"apps/{name}: has no line in cmake/layers.txt")
    return wrong


def check_archive(nm, name, archive, layers):
    if not os.path.isfile(archive):
        return [f"{archive}: not built"]
    command = [nm, "-C", "--undefined-only", archive]
    symbols = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    wrong = set()
    for line in symbols.splitlines():
        for namespace in NAMESPACE.findall(line):
            if namespace != name and namespace not in layers[name]:
                symbol = line.strip().removeprefix("U ")
                wrong.add(f"{os.path.basename(archive)}: needs {symbol}, but lib{name} may not use {namespace}")
    return sorted(wrong)


def self_test(root, cxx, ar, nm):
    """Each planted violation must be found, by a line that names it; the copy without it must be clean."""
    plants = (
        ("libstorage/src/planted.cc", '#include "cairn/payment/planted.h"', "may not use payment"),
        ("libpayment/src/planted.cc", '#include "cairn/storage/planted.h"', "may not use storage"),
        ("libstorage/src/planted.cc", "#include <openssl/aead.h>", "may not use boringssl"),
        ("libpayment/src/planted.cc", '#include "cairn/chain/v1/tx.pb.h"', "may not use protobuf"),
        ("libbase/include/cairn/base/planted.h", "#include <lmdb.h>", "in a public header"),
        ("libchain/src/planted.cc", "#include <nowhere.h>", "no word of"),
        ("libchain/src/planted.cc", '#include "apps/rpc/planted.h"', "may not use rpc"),
        ("apps/planted/main.cc", "#include <vector>", "has no line"),
    )
    missed = []
    with tempfile.TemporaryDirectory() as copy:
        for folder in ["cmake", "apps"] + [folder_of(name) for name in LIBRARIES]:
            shutil.copytree(os.path.join(root, folder), os.path.join(copy, folder))
        layers = read_layers(copy)
        clean = set(check_includes(copy, layers))
        for path, line, expected in plants:
            target = os.path.join(copy, path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "w", encoding="utf-8") as planted:
                planted.write(line + "\n")
            found = set(check_includes(copy, layers)) - clean
            if not any(expected in problem and "planted" in problem for problem in found):
                missed.append(f"self-test: {line} in {path} was not found")
            os.remove(target)
        missed += self_test_archive(copy, layers, cxx, ar, nm)
    return missed


def self_test_archive(folder, layers, cxx, ar, nm):
    source, made = os.path.join(folder, "planted.cc"), os.path.join(folder, "planted.o")
    archive = os.path.join(folder, "libplanted.a")
    with open(source, "w", encoding="utf-8") as planted:
        planted.write("namespace cairn::payment { int Owed(); }\n"
                      "namespace cairn::storage { int Ask() { return payment::Owed(); } }\n")
    subprocess.run([cxx, "-std=c++17", "-c", source, "-o", made], check=True)
    subprocess.run([ar, "rcs", archive, made], check=True)
    found = check_archive(nm, "storage", archive, layers)
    allowed = check_archive(nm, "payment", archive, layers)
    if not any("cairn::payment::Owed" in problem for problem in found):
        return ["self-test: a symbol of payment in an archive of storage was not found"]
    if allowed:
        return ["self-test: a library's own symbol was taken for another's"]
    return []


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", required=True)
    parser.add_argument("--archive", action="append", default=[], metavar="NAME=FILE")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("--nm", default="nm")
    parser.add_argument("--cxx", default="c++")
    parser.add_argument("--ar", default="ar")
    arguments = parser.parse_args()
    if arguments.self_test:
        wrong = self_test(arguments.root, arguments.cxx, arguments.ar, arguments.nm)
    else:
        layers = read_layers(arguments.root)
        wrong = check_includes(arguments.root, layers)
        for pair in arguments.archive:
            name, _, archive = pair.partition("=")
            wrong += check_archive(arguments.nm, name, archive, layers)
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

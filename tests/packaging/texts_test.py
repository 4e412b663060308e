"""Manual pages and completions against what the programs' own --help says, command by command.

    texts_test.py FOLDER_OF_PROGRAMS FOLDER_OF_TEXTS
"""
import gzip
import os
import re
import shutil
import subprocess
import sys

BIN, SHARE = sys.argv[1:3]
SECTIONS = {"storectl": 1, "chaind": 8, "storaged": 8}


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)


def commands(program, *path):
    """(path, subcommands, options) of the command and of all below it, out of --help."""
    text = run(os.path.join(BIN, program), *path, "--help").stdout
    below, options, title = [], [], ""
    for line in text.splitlines():
        if re.match(r"^\S.*:$", line):
            title = line
        elif title == "Subcommands:" and (word := re.match(r"^  ([a-z][\w-]*)", line)):
            below.append(word.group(1))
        elif word := re.match(r"^  ((?:-\w,)?--[\w.-]+|-\w(?= ))", line):
            options += word.group(1).split(",")
    assert "--help" in options, f"{program} {path}: {text}"
    yield (path, below, options)
    for word in below:
        yield from commands(program, *path, word)


def page_sections(program, section):
    """The page's text below each command's heading; "" is what stands before the commands and after them."""
    with gzip.open(os.path.join(SHARE, f"man/man{section}/{program}.{section}.gz"), "rt", encoding="utf-8") as page:
        text = page.read().replace("\\-", "-")
    out, at = {"": ""}, ""
    for line in text.splitlines():
        if heading := re.match(r'^\.SS "([^"]*)"', line):
            at = " ".join(w for w in heading.group(1).split() if w == w.lower() and not w.startswith("["))
            out[at] = ""
        elif line.startswith(".SH"):
            at = ""
        out[at] += line + "\n"
    return out


def bash_offers(program, words):
    script = os.path.join(SHARE, "bash-completion/completions", program)
    quoted = " ".join(f"'{word}'" for word in words)
    result = run("bash", "--norc", "-c", f"source '{script}'; COMP_WORDS=({quoted} ''); COMP_CWORD={len(words)}; "
                                         f"_{program}; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


def zsh_offers(program, words, prefix):
    """What the function hands to zsh's own helpers."""
    script = os.path.join(SHARE, "zsh/vendor-completions", f"_{program}")
    quoted = " ".join(f"'{word}'" for word in words)
    result = run("zsh", "-f", "-c", "compdef() {}; _files() {}\n"
                 "_describe() { shift; local each; for each in \"$@\"; do\n"
                 "  [[ $each == -- ]] || print -l -- ${(P)each}; done }\n"
                 f"source '{script}'; words=({quoted} '{prefix}'); CURRENT={len(words) + 1}; _{program}")
    assert result.returncode == 0 and not result.stderr, result.stderr
    return {line.split(":")[0] for line in result.stdout.splitlines()}


def fish_offers(program, words, prefix):
    script = os.path.join(SHARE, "fish/vendor_completions.d", f"{program}.fish")
    result = run("fish", "--no-config", "-c", f"source '{script}'; complete -C '{' '.join(words)} {prefix}'")
    assert result.returncode == 0, result.stderr
    return {line.split("\t")[0] for line in result.stdout.splitlines()}


def check(program, section):
    page = page_sections(program, section)
    with open(os.path.join(SHARE, "zsh/vendor-completions", f"_{program}"), encoding="utf-8") as script:
        zsh = script.read()
    count = 0
    for path, below, options in commands(program):
        where = " ".join((program, *path))
        heading = where if path else ""
        assert heading in page, f"{program}({section}) has no section for {where}"
        offered = bash_offers(program, (program, *path))
        for option in options:
            count += 1
            if path and option in ("-h", "--help"):
                continue
            assert re.search(rf"\\fB{re.escape(option)}\\fR", page[heading]), f"{program}({section}): {where} {option}"
            if option.startswith("--"):
                assert option in offered, f"bash does not offer {where} {option}"
                assert f"'{option}:" in zsh, f"zsh does not offer {where} {option}"
        for word in below:
            count += 1
            assert word in offered, f"bash does not offer {where} {word}"
            assert f"'{where} {word}'" in zsh, f"zsh does not know {where} {word}"
        for shell, offers in (("zsh", zsh_offers), ("fish", fish_offers)):
            if not shutil.which(shell):
                continue
            missing = set(below) - offers(program, (program, *path), "")
            missing |= {o for o in options if o.startswith("--")} - offers(program, (program, *path), "--")
            assert not missing, f"{shell} does not offer {where} {missing}"
    assert count > 20, f"{program}: {count} words"
    print(f"{program}: {count} commands and options, all in the page and in the completions")


def main():
    for program, section in SECTIONS.items():
        check(program, section)
        page = os.path.join(SHARE, f"man/man{section}/{program}.{section}.gz")
        if shutil.which("man"):
            warnings = run("man", "--warnings", "-l", page, env={**os.environ, "LC_ALL": "C.UTF-8"}).stderr
            assert not warnings, warnings
    # The value of an option is no command, and a command may follow it.
    assert "create" in bash_offers("storectl", ("storectl", "--profile", "dev", "bucket"))
    assert "up" in bash_offers("storectl", ("storectl", "dev"))
    assert run(os.path.join(BIN, "storectl"), "completion", "tcsh").returncode == 2


main()

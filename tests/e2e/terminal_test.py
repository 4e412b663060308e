"""What somebody at a terminal sees: results and errors on lines of their own, help that names the command."""
import os
import pty
import re
import subprocess

from harness import BIN, expect, main, random_file, rule, same


def at_a_terminal(net, *arguments):
    """The lines that stay on the screen."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([os.path.join(BIN, "storectl"), *arguments], env=net.environment(),
                               stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:  # the other side is closed
        pass
    os.close(ours)
    process.wait(60)
    lines, column = [""], 0
    for token in re.split(r"(\r|\n|\x1b\[K|\x1b\[[0-9;]*m)", shown.decode("utf-8")):
        if token == "\n":
            lines.append("")
            column = 0
        elif token == "\r":
            column = 0
        elif token == "\x1b[K":
            lines[-1] = lines[-1][:column]
        elif not token.startswith("\x1b"):
            column = 0 if lines[-1] == "" else column
            lines[-1] = lines[-1][:column] + token + lines[-1][column + len(token):]
            column += len(token)
    return process.returncode, b"\x1b[K" in shown, [line for line in lines if line]


@rule("the bar of a transfer is gone from the terminal before its result is shown")
def _(net):
    path, back = random_file(os.path.join(net.root, "large"), 40_000_000), os.path.join(net.root, "back")
    net.ok("bucket", "create", "seen", "--policy", "rs:4+2")
    code, bar, lines = at_a_terminal(net, "cp", path, "cairn://seen/large")
    expect(code == 0 and bar, f"a bar and success: {lines}")
    expect(lines[0].startswith("cairn://seen/large  "), f"the result begins its line: {lines}")
    expect(not any("[#" in line or "[." in line for line in lines), f"no bar is left: {lines}")
    code, bar, lines = at_a_terminal(net, "get", "cairn://seen/large", back)
    expect(code == 0 and bar and same(path, back), f"a bar and the file: {lines}")
    expect(lines[0].startswith(os.path.basename(back)) or lines[0].startswith(back), f"the result begins its line: {lines}")
    expect(not any("[#" in line or "[." in line for line in lines), f"no bar is left: {lines}")


@rule("an error begins a line of its own")
def _(net):
    code, _, lines = at_a_terminal(net, "get", "cairn://seen/nothing", os.path.join(net.root, "nothing"))
    expect(code == 4 and any(line.startswith("error: ") for line in lines), f"{lines}")


@rule("help shows how the whole command is written, and a group without a command names what it has")
def _(net):
    expect("Usage: storectl bucket create [OPTIONS] name" in net.ok("bucket", "create", "--help").out, "the command's path")
    expect("Usage: storectl [OPTIONS] SUBCOMMAND" in net.ok("--help").out, "the program")
    refused = net.refused(2, "USAGE", "price")
    expect("storectl price needs one of: " in refused.err and "storectl price --help" in refused.err, f"{refused}")


if __name__ == "__main__":
    main()

"""Goes from an empty folder to a first verdict, by conformance/targets/first-verdict.md, and checks that the page tells the truth.

Usage: python3 .ci/first_verdict.py BINARY [PAGE]

Below a line `<!-- first-verdict: NAME -->` stands a fenced block. One whose NAME is that of a file is written to this file, with `>>` before
it appended. Of the others every line `$ COMMAND` is run. All of it is done by one bash, in the order of the page, with BINARY as
oap-conform. The lines that follow a command have to come in what it prints, in this order: `…` stands for anything within a line, a line of
it alone for any lines, and blanks count once.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^<!-- first-verdict: (\S+) -->\n+```\w*\n(.*?)^```$", re.M | re.S)

# Most of it is spent on fetching packages; a machine that is busy with other things takes a few times as long as one that is not.
LIMIT = 300


def commands_of(name, block, folder):
    """The commands of a block, each with the lines that are promised; a file is a command that writes it."""
    if "." in name:
        kept = folder / ("file-%d" % len(list(folder.iterdir())))
        kept.write_text(block)
        way = ">>" if name.startswith(">>") else ">"
        return [("cat '%s' %s '%s'" % (kept, way, name.lstrip(">")), [])]
    found = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif found and line.strip():
            found[-1][1].append(line)
    return found


def script_of(commands, folder):
    """One bash for all commands, so that what one of them sets the next one sees, also how it ended."""
    lines = ["code=0"]
    for number, (command, _) in enumerate(commands):
        lines.append("(exit $code)")
        lines.append("{ %s\n} >'%s/%d' 2>&1 </dev/null; code=$?" % (command, folder, number))
    return "\n".join(lines)


def pattern_of(promised):
    """A promised line as an expression."""
    words = " ".join(promised.split())
    return re.compile(".*".join(re.escape(part) for part in words.split("…")) + "$")


def missing(promised, output):
    """The first promised line that does not come, or nothing."""
    lines = iter([" ".join(line.split()) for line in output.splitlines()])
    for line in promised:
        if line.strip() != "…" and not any(pattern_of(line).match(got) for got in lines):
            return line
    return None


def left_behind(folder):
    """Processes that still run something of this folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if folder in line:
            found.append(line)
    return found


def main():
    binary = Path(sys.argv[1]).resolve()
    page = Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "conformance/targets/first-verdict.md"
    blocks = BLOCK.findall(page.read_text())
    if not blocks:
        sys.exit("first verdict: %s has no blocks for it" % page)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as outside:
        work, told, tools = (Path(outside) / name for name in ("work", "told", "tools"))
        for folder in (work, told, tools):
            folder.mkdir()
        (tools / "oap-conform").symlink_to(binary)
        commands = [command for name, text in blocks for command in commands_of(name, text, tools)]
        environment = {
            "PATH": "%s:%s" % (tools, os.environ["PATH"]),
            "HOME": os.environ.get("HOME", outside),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        child = subprocess.Popen(["bash", "-c", script_of(commands, told)], cwd=work, env=environment, start_new_session=True)
        try:
            child.wait(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            print("first verdict: not there after %d s" % LIMIT)
        finally:
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            child.wait()
        failed = 0
        for number, (command, promised) in enumerate(commands):
            output = told / str(number)
            text = output.read_text(errors="replace") if output.exists() else "(not run)"
            line = missing(promised, text)
            if line is not None:
                failed += 1
                print("first verdict: '%s' does not print\n  %s\nbut\n%s" % (command, line, text))
        for line in left_behind(outside):
            failed += 1
            print("first verdict: left running: %s" % line)
    took = time.monotonic() - started
    print("first verdict: %d commands, %d wrong, %.0f s" % (len(commands), failed, took))
    sys.exit(1 if failed else 0)


main()

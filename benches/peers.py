#!/usr/bin/env python3
"""Times `oap-conform lint` beside other linters and validators, on the same manifests, in one run, and prints a Markdown table.

    cargo build --release
    python3 benches/peers.py --bin target/release/oap-conform

The peers are installed into a folder of their own, in the versions named below; npm, node and Python's venv must be there. Before
anything is timed, each tool is given the good manifests, which it must take, and a copy of one of them with each of the defects
below; the table says which it found, so that nobody is compared with a tool that looks at less.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = ROOT / "spec/schemas/manifest.json"
NPM = ["@stoplight/spectral-cli@6.16.3", "ajv@8.20.0", "ajv-cli@5.0.0", "ajv-formats@3.0.1"]
PYPI = ["check-jsonschema==0.39.0"]
BOUND_S = 600

# What is broken, how the table calls it, and how a manifest gets it.
DEFECTS = {
    "member": lambda m: call_of(m).update(method="FETCH"),
    "inner schema": lambda m: call_of(m)["input_schema"].update(type="strng"),
    "reference": lambda m: m["intents"][0]["actions"].append("nobody_has_this_name"),
    "expression": lambda m: call_of(m).update(conditional="input. == 1"),
    "duplicate key": None,
}


def call_of(manifest):
    return next(action for action in manifest["actions"] if action["type"] == "invoke_api")


class Tool:
    """A command that ends with 0 when all files are good and with something else when one is not."""

    def __init__(self, name, does, command, equal=False, environment=None):
        self.name, self.does, self.command, self.equal = name, does, command, equal
        self.environment = {**os.environ, **(environment or {})}
        self.best = None
        self.memory = 0
        self.finds = []

    def run(self, folder):
        """Seconds of the whole process, its exit code, its largest resident set in MiB."""
        with tempfile.TemporaryFile() as output:
            begun = time.perf_counter()
            process = subprocess.Popen(
                self.command(folder), stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=self.environment
            )
            _, status, used = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - begun
            process.returncode = os.waitstatus_to_exitcode(status)
            output.seek(0)
            self.said = output.read(4000).decode(errors="replace")
        return seconds, process.returncode, used.ru_maxrss / 1024

    def time(self, folder):
        seconds, code, memory = self.run(folder)
        if code != 0:
            sys.exit(f"{self.name} ended with {code} on good manifests:\n{self.said}")
        self.best = min(seconds, self.best or seconds)
        self.memory = max(self.memory, memory)


def install(folder):
    """The peers, unless the folder has them already."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "node_modules/.bin/spectral").exists():
        (folder / "package.json").write_text('{"private": true}\n')
        quiet(["npm", "install", "--no-audit", "--no-fund", "--save-exact", *NPM], folder)
    if not (folder / "py/bin/check-jsonschema").exists():
        quiet([sys.executable, "-m", "venv", "py"], folder)
        quiet(["py/bin/pip", "install", "--quiet", *PYPI], folder)
    # They look for their libraries from where they stand.
    for script in ["spectral.js", "resolver.js", "compiling.js"]:
        shutil.copy(ROOT / "benches/peers" / script, folder / script)


def quiet(command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=BOUND_S)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def tools(binary, peers):
    def files(folder):
        return sorted(str(path) for path in Path(folder).glob("*.json"))

    modules = peers / "node_modules/.bin"
    return [
        Tool("oap-conform lint", "all rules of `recommended`, each schema compiled", lambda folder: [binary, "lint", str(folder)], True),
        Tool(
            "ajv, compiling",
            "the manifest's schema, and each action's schemas compiled",
            lambda folder: ["node", str(peers / "compiling.js"), str(SCHEMA), str(folder)],
            True,
        ),
        Tool(
            "ajv-cli",
            "the manifest's schema",
            lambda folder: [
                str(modules / "ajv"), "validate", "--spec=draft2020", "--strict=false", "--all-errors", "-c", "ajv-formats",
                "-s", str(SCHEMA), "-d", f"{folder}/*.json",
            ],
        ),
        Tool(
            "check-jsonschema",
            "the manifest's schema",
            lambda folder: [str(peers / "py/bin/check-jsonschema"), "--schemafile", str(SCHEMA), *files(folder)],
        ),
        Tool(
            "Spectral",
            "the manifest's schema, the actions' schemas against their meta-schema, 12 small rules",
            lambda folder: [
                str(modules / "spectral"), "lint", "--quiet", "--fail-severity", "error", "-r", str(peers / "spectral.js"),
                "--resolver", str(peers / "resolver.js"), f"{folder}/*.json",
            ],
            environment={"MANIFEST_SCHEMA": str(SCHEMA)},
        ),
    ]


def generate(binary, folder, count, size):
    command = [binary, "generate", "manifest", "--bytes", size, "--seed", "1", "--count", str(count), "--into", str(folder)]
    quiet(command, ROOT)


def broken(good, folder):
    """A folder for each defect, with one manifest that has it."""
    import json

    for name, breaks in DEFECTS.items():
        text = good.read_text()
        if breaks is None:
            text = text.replace('"version"', '"version": "9.9.9",\n  "version"', 1)
        else:
            manifest = json.loads(text)
            breaks(manifest)
            text = json.dumps(manifest, indent=2)
        place = folder / name.replace(" ", "-")
        place.mkdir()
        (place / "manifest.json").write_text(text)
        yield name, place


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True, help="the oap-conform to time; build it with --release")
    parser.add_argument("--peers", type=Path, help="folder the peers are installed into and kept in [default: a temporary one]")
    parser.add_argument("--count", type=int, default=200, help="how many manifests [default: 200]")
    parser.add_argument("--bytes", default="33kB", help="how large each is, about [default: 33kB]")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each tool, of which the fastest counts [default: 5]")
    options = parser.parse_args()
    binary = str(Path(options.bin).resolve())
    with tempfile.TemporaryDirectory(prefix="oap-peers-") as scratch:
        scratch = Path(scratch)
        peers = (options.peers or scratch / "peers").resolve()
        install(peers)
        good = scratch / "good"
        generate(binary, good, options.count, options.bytes)
        measured = tools(binary, peers)
        for name, place in broken(good / "manifest-0001.json", scratch):
            for tool in measured:
                if tool.run(place)[1] != 0:
                    tool.finds.append(name)
        # Round by round, so that what else the machine does meets all of them.
        for _ in range(options.rounds):
            for tool in measured:
                tool.time(good)
        written = sum(path.stat().st_size for path in good.glob("*.json"))
        print(table(measured, options, written))


def table(measured, options, written):
    ours = measured[0]
    lines = [
        f"{options.count} manifests of {written / options.count / 1000:.1f} kB, best of {options.rounds} runs of the whole process.",
        "",
        "| tool | looks at | finds a broken | seconds | MiB | times ours |",
        "|---|---|---|---|---|---|",
    ]
    for tool in measured:
        finds = ", ".join(tool.finds) or "nothing"
        ratio = "" if tool is ours else f"{tool.best / ours.best:.1f}"
        lines.append(f"| {tool.name} | {tool.does} | {finds} | {tool.best:.3f} | {tool.memory:.0f} | {ratio} |")
    equal = [tool.best for tool in measured if tool.equal and tool is not ours]
    fastest = min(tool.best for tool in measured if tool is not ours)
    lines += [
        "",
        f"The fastest peer takes {fastest / ours.best:.1f} times as long; the fastest that compiles schemas too, {min(equal) / ours.best:.1f} times.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()

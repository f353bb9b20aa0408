"""Runs the steps of .github/workflows/conformance.yml on this machine, with the binary that is built, and checks what came of them.

Usage: python3 .ci/workflow.py BINARY WHOLE.json

The reports of the four shards, joined, must equal WHOLE.json, the report of one run over all cases, in all but its `run` block. Actions of
others are played: checkout and cache do nothing (the cache holds BINARY), artifacts are folders. Everything that this repository
wrote is run as it stands: every `run:` by bash, every expression from the inputs, the matrix and the outputs of the steps before.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYYAML = "pyyaml==6.0.2"
EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.S)


def yaml_module(folder):
    """PyYAML, from a folder of its own if this Python has none."""
    try:
        import yaml
    except ImportError:
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", folder, PYYAML],
            check=True,
        )
        sys.path.insert(0, str(folder))
        import yaml
    return yaml


class Runner:
    """One machine of the workflow: a copy of the checkout's view, a home, and what its steps have left."""

    def __init__(self, yaml, work, artifacts, matrix):
        self.yaml = yaml
        self.work = work
        self.artifacts = artifacts
        self.matrix = matrix
        self.summary = work / "summary.md"
        self.failed = False

    def value(self, expression, scope):
        """What an expression comes to. Only the forms that our files use; another is an error."""
        text = expression.strip()
        if match := re.fullmatch(r"(.+?)\s*(==|!=|&&)\s*(.+)", text):
            left, operator, right = match.groups()
            if operator == "&&":
                return self.truth(left, scope) and self.truth(right, scope)
            equal = str(self.value(left, scope)) == str(self.value(right, scope))
            return equal if operator == "==" else not equal
        if match := re.fullmatch(r"'([^']*)'", text):
            return match.group(1)
        if text == "always()":
            return True
        if match := re.fullmatch(r"steps\.([\w-]+)\.outputs\.([\w-]+)", text):
            return scope["steps"].get(match.group(1), {}).get(match.group(2), "")
        if match := re.fullmatch(r"(inputs|matrix|runner|github)\.([\w-]+)", text):
            return scope[match.group(1)].get(match.group(2), "")
        raise SystemExit(f"the expression {text!r} is of a form that this test does not know")

    def truth(self, text, scope):
        value = self.value(text, scope)
        return value not in ("", "false", False)

    def expand(self, text, scope):
        return EXPRESSION.sub(lambda match: str(self.value(match.group(1), scope)), str(text))

    def job(self, job):
        scope = {"inputs": {}, "matrix": self.matrix, "runner": {"os": "Linux", "arch": "X64"}, "github": {}, "steps": {}}
        self.steps(job["steps"], scope, None)
        return not self.failed

    def steps(self, steps, scope, action_path):
        for step in steps:
            condition = step.get("if")
            # As on the real runner: after a failure only what asks for it goes on.
            if condition is None and self.failed:
                continue
            if condition is not None:
                if self.failed and "always()" not in condition:
                    continue
                if not self.truth(condition, scope):
                    continue
            outputs = {}
            if "run" in step:
                outputs = self.shell(step, scope, action_path)
            else:
                given = {name: self.expand(value, scope) for name, value in step.get("with", {}).items()}
                outputs = self.use(step["uses"], given)
            if "id" in step:
                scope["steps"][step["id"]] = outputs

    def shell(self, step, scope, action_path):
        output = self.work / "output.txt"
        output.write_text("")
        environment = dict(os.environ)
        # Annotations are for a run there; the summary and the outputs are what this test reads.
        environment.pop("GITHUB_ACTIONS", None)
        environment |= {
            "HOME": str(self.work / "home"),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(self.summary),
        }
        if action_path:
            environment["GITHUB_ACTION_PATH"] = str(action_path)
        environment |= {name: self.expand(value, scope) for name, value in step.get("env", {}).items()}
        script = self.expand(step["run"], scope)
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=self.work / "checkout",
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )
        if done.returncode != 0:
            self.failed = True
            print(f"step {step.get('name', script)!r} ended with {done.returncode}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
        return dict(line.split("=", 1) for line in output.read_text().splitlines() if "=" in line)

    def use(self, action, given):
        checkout = self.work / "checkout"
        name = action.split("@")[0]
        if name == "actions/checkout":
            return {}
        if name == "actions/cache":
            # An expression that came to nothing leaves a hole, and a key with a hole finds somebody else's build.
            if "--" in given["key"] or given["key"].endswith("-"):
                raise SystemExit(f"the key {given['key']!r} has a hole")
            return {"cache-hit": "true"}
        if name == "actions/upload-artifact":
            for path in given["path"].split():
                target = self.artifacts / given["name"]
                target.mkdir(parents=True, exist_ok=True)
                shutil.copy(checkout / path, target)
            return {}
        if name == "actions/download-artifact":
            for folder in sorted(self.artifacts.glob(given["pattern"])):
                shutil.copytree(folder, checkout / given["path"] / folder.name)
            return {}
        if name.startswith("./"):
            folder = checkout / name
            action = self.yaml.safe_load((folder / "action.yml").read_text())
            unknown = set(given) - set(action["inputs"])
            if unknown:
                raise SystemExit(f"{name} has no inputs {sorted(unknown)}")
            inputs = {key: str(value.get("default", "")) for key, value in action["inputs"].items()} | given
            scope = {"inputs": inputs, "matrix": {}, "runner": {"os": "Linux", "arch": "X64"}, "github": {"action_path": folder}, "steps": {}}
            self.steps(action["runs"]["steps"], scope, folder)
            outputs = {key: self.expand(value["value"], scope) for key, value in action["outputs"].items()}
            missing = [key for key, value in outputs.items() if value == ""]
            if missing:
                raise SystemExit(f"{name} left the outputs {missing} empty")
            print(f"   {name}: {outputs}")
            return outputs
        raise SystemExit(f"this test does not know the action {action}")


def machine(yaml, base, name, binary, artifacts, matrix):
    work = base / name
    installed = work / "home" / ".cache" / "oap-conform" / "bin"
    installed.mkdir(parents=True)
    os.link(binary, installed / "oap-conform") if os.stat(binary).st_dev == os.stat(installed).st_dev else shutil.copy(binary, installed / "oap-conform")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    for path in filter(None, listed):
        to = work / "checkout" / path
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, to)
    return Runner(yaml, work, artifacts, matrix)


def main():
    binary, whole = Path(sys.argv[1]).resolve(), json.loads(Path(sys.argv[2]).read_text())
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        yaml = yaml_module(base / "pyyaml")
        workflow = yaml.safe_load((ROOT / ".github/workflows/conformance.yml").read_text())
        yaml.safe_load((ROOT / ".gitlab/oap-conform.yml").read_text())
        artifacts = base / "artifacts"
        shard, verdict = workflow["jobs"]["shard"], workflow["jobs"]["verdict"]
        for index in shard["strategy"]["matrix"]["shard"]:
            runner = machine(yaml, base, f"shard-{index}", binary, artifacts, {"shard": index})
            if not runner.job(shard):
                return 1
            if not runner.summary.read_text().strip():
                print("the shard wrote no summary")
                return 1
        runner = machine(yaml, base, "verdict", binary, artifacts, {})
        if not runner.job(verdict):
            return 1
        merged = json.loads((artifacts / "conformance" / "report.json").read_text())
        merged.pop("run")
        whole.pop("run")
        if merged != whole:
            for member in whole:
                if merged.get(member) != whole[member]:
                    print(f"four shards differ from one run in {member!r}")
            return 1
        print(f"workflow: four shards joined equal one run of {merged['totals']['cases']} cases")
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Holds the expression vectors against Jinja2 itself, from PyPI.

Every vector of fixtures/expressions/ is given to Jinja2 too. Where its answer is another one, the vector must be named in
fixtures/expressions/jinja-differences.json under a row of the table in section 8 of spec/expressions.md, which gives the reason. It is a failure when
a difference is not named there, when one is named that is none, and when a row has no vector or a name no row.

Usage: .ci/jinja_agreement.py [-v]      (-v lists each difference; exit code 1 on failure)
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

PINNED = ["jinja2==3.1.6", "markupsafe==3.0.3"]
ROOT = Path(__file__).resolve().parent.parent
VECTORS = ROOT / "fixtures" / "expressions"


def with_jinja():
    """Runs this program again where the pinned Jinja2 is, in a folder of its own that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(os.environ, JINJA_AGREEMENT="1", PIP_DISABLE_PIP_VERSION_CHECK="1")
        python = sys.executable
        made = subprocess.run([python, "-m", "venv", f"{folder}/venv"], capture_output=True, timeout=300)
        if made.returncode == 0:
            python = f"{folder}/venv/bin/python"
            install = [python, "-m", "pip", "install", "--quiet", *PINNED]
        else:
            # Some systems ship Python without ensurepip; a plain folder does as well.
            install = [python, "-m", "pip", "install", "--quiet", "--target", f"{folder}/packages", *PINNED]
            environment["PYTHONPATH"] = f"{folder}/packages"
        installed = subprocess.run(install, env=environment, capture_output=True, text=True, timeout=600)
        if installed.returncode != 0:
            sys.exit(f"jinja: cannot install {' '.join(PINNED)}\n{installed.stderr}")
        again = subprocess.run([python, __file__, *sys.argv[1:]], env=environment, timeout=600)
        return again.returncode


def joined(written):
    """A text, or the parts of one."""
    if isinstance(written, str):
        return written
    return "".join(part if isinstance(part, str) else part[0] * part[1] for part in written)


def expanded(value):
    """A value with its long texts and arrays written out."""
    if isinstance(value, list):
        return [expanded(element) for element in value]
    if isinstance(value, dict):
        if "$parts" in value:
            return joined(value["$parts"])
        if "$times" in value:
            element, times = value["$times"]
            return [expanded(element)] * times
        return {name: expanded(member) for name, member in value.items()}
    return value


def vectors():
    for path in sorted(VECTORS.glob("*.json")):
        if path.name == "jinja-differences.json":
            continue
        document = json.loads(path.read_text(encoding="utf-8"))
        states = {name: expanded(state) for name, state in document["states"].items()}
        for vector in document["vectors"]:
            roots = {name: expanded(vector[name]) for name in ("state", "observation", "input") if name in vector}
            if "use" in vector:
                roots["state"] = states[vector["use"]]
            yield vector, roots


def same(left, right):
    """Equality of JSON values: numbers by value, no number a boolean."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return left == right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    if isinstance(left, str) and isinstance(right, str):
        return str(left) == str(right)
    return left is None and right is None


def answer(evaluate):
    """What Jinja2 gives, as ("value", v), ("undefined",) or ("error", reason)."""
    import jinja2

    try:
        value = evaluate()
    except jinja2.TemplateSyntaxError:
        return ("error", "syntax")
    except jinja2.UndefinedError:
        return ("error", "undefined")
    except ZeroDivisionError:
        return ("error", "zero_division")
    except OverflowError:
        return ("error", "overflow")
    except TypeError:
        return ("error", "type")
    except Exception as error:  # whatever Python thinks of it: another reason than ours
        return ("error", type(error).__name__)
    if isinstance(value, jinja2.Undefined):
        return ("undefined",)
    return ("value", value)


def expected(vector):
    if "value" in vector:
        return ("value", expanded(vector["value"]))
    if "error" in vector:
        return ("error", vector["error"])
    return ("undefined",)


def agrees(ours, theirs):
    if ours[0] == "value" and theirs[0] == "value":
        return same(ours[1], theirs[1])
    return ours == theirs


def ask():
    """Each vector with our answer and that of Jinja2."""
    import jinja2
    from jinja2.nativetypes import NativeEnvironment

    class Missing(jinja2.ChainableUndefined):
        """A member of undefined is undefined; in text it is an error, as with StrictUndefined."""

        __str__ = jinja2.Undefined._fail_with_undefined_error

    expressions = jinja2.Environment(undefined=jinja2.ChainableUndefined)
    options = {"undefined": Missing, "keep_trailing_newline": True}
    text, native = jinja2.Environment(**options), NativeEnvironment(**options)
    for vector, roots in vectors():
        ours = expected(vector)
        if "expression" in vector:
            written = joined(vector["expression"])
            theirs = answer(lambda: expressions.compile_expression(written, undefined_to_none=False)(**roots))
        else:
            written = joined(vector["template"])
            # Native types turn text that looks like a literal into one, so text is asked for where text is expected.
            typed = ours[0] == "value" and not isinstance(ours[1], str)
            theirs = answer(lambda: (native if typed else text).from_string(written).render(**roots))
        yield vector, written, ours, theirs


def rows():
    """The keys of the table in section 8."""
    prose = (ROOT / "spec" / "expressions.md").read_text(encoding="utf-8")
    section = prose.split("\n## 8.", 1)[1]
    return re.findall(r"^\| `([a-z0-9-]+)` \|", section, re.MULTILINE)


def short(answer):
    if answer[0] == "value":
        return repr(answer[1])[:60]
    return " ".join(answer)


def main():
    excuses = json.loads((VECTORS / "jinja-differences.json").read_text(encoding="utf-8"))
    row_of = {vector: row for row, ids in excuses.items() for vector in ids}
    complaints = [f"two rows for one vector in the row {row}" for row, ids in excuses.items() for i in ids if row_of[i] != row]
    table = rows()
    complaints += [f"row {row} is not in section 8" for row in excuses if row not in table]
    complaints += [f"row {row} of section 8 has no vector" for row in table if not excuses.get(row)]
    complaints += [f"row {row} is there twice" for row in set(table) if table.count(row) > 1]
    count = agree = 0
    for vector, written, ours, theirs in ask():
        count += 1
        row = row_of.pop(vector["id"], None)
        line = f"{vector['id']}: {written[:100]!r}: here {short(ours)}, Jinja2 {short(theirs)}"
        if agrees(ours, theirs):
            agree += 1
            if row:
                complaints.append(f"no difference, but excused by {row}: {line}")
        elif row is None:
            complaints.append(f"difference without a reason: {line}")
        elif "-v" in sys.argv:
            print(f"{row}: {line}")
    complaints += [f"no such vector: {name}, excused by {row}" for name, row in row_of.items()]
    for complaint in complaints:
        print(complaint)
    reasons = len([row for row, ids in excuses.items() if ids])
    print(f"jinja: {count} vectors, {agree} agree, {count - agree} differ by {reasons} written reasons")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main() if "JINJA_AGREEMENT" in os.environ else with_jinja())

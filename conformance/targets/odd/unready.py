"""A small runtime that is not ready in one way: `unready.py MODE MARK`. Standard library only; `conformance/tests/doctor.rs` has the
table of modes. `well` is ready: it takes a manifest and carries out one action of a session.
"""

import hashlib
import json
import os
import re
import sys
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

MODE = sys.argv[1]
MANIFESTS = {}
SESSIONS = {}


def canonical(document):
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def sent(url, body, headers):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:
            return json.load(answer), None
    except urllib.error.HTTPError as error:
        return None, ("upstream_status", "the service answered %d" % error.code)
    except OSError as error:
        return None, ("upstream_unreachable", str(error))


def planned(session):
    base = "http://127.0.0.1:9/v1" if MODE == "asks-another-model" else os.environ["OPENAI_BASE_URL"]
    name = "gpt-4o" if MODE == "asks-by-another-name" else os.environ["OPENAI_MODEL"]
    key = "sk-of-my-own" if MODE == "shows-another-key" else os.environ["OPENAI_API_KEY"]
    prompt = "Plan." if MODE == "hides-the-goal" else json.dumps(session["asked"])
    body = {"model": name, "messages": [{"role": "user", "content": prompt}]}
    answer, problem = sent(base + "/chat/completions", body, {"authorization": "Bearer " + key})
    return json.loads(answer["choices"][0]["message"]["content"]) if answer else None


def done(session, plan):
    action = next(action for action in session["manifest"]["actions"] if action["name"] == plan["action"])
    result = {"action_name": plan["action"], "success": False, "output": None}
    if MODE == "refuses-loopback":
        return dict(result, error=problem_of("address_refused", "127.0.0.1 is a private address"))
    if MODE == "grants-no-token":
        return dict(result, error=problem_of("missing_credential", "CALENDAR_TOKEN is not granted"))
    token = re.sub(r"\$\{(\w+)\}", lambda found: os.environ[found[1]], action["auth"])
    headers = {} if MODE == "sends-no-token" else {"authorization": token}
    output, problem = sent(action["endpoint"], plan["args"], headers)
    if problem:
        return dict(result, error=problem_of(*problem))
    if MODE == "tells-a-secret":
        output["debug"] = token
    return dict(result, success=True, output=output, error=None)


def problem_of(code, message):
    return {"success": False, "errorCode": code, "message": message, "retryable": False}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = urlsplit(self.path).path
        parts = [unquote(part) for part in path.split("/")[1:]]
        if path == "/healthz":
            return self.answer(500 if MODE == "500-at-readiness" else 200, {"status": "ok"})
        if path == "/capabilities":
            return self.answer(404, problem_of("not_found", "no")) if MODE == "no-capabilities" else self.answer(200, CAPABILITIES)
        if self.command == "POST" and path == "/manifests":
            return self.register(json.loads(body))
        if self.command == "POST" and path == "/sessions":
            return self.open(json.loads(body))
        if self.command == "POST" and len(parts) == 3 and parts[0] == "sessions" and parts[2] == "step":
            return self.step(SESSIONS[parts[1]])
        if path.endswith("/close"):
            return self.answer(200, {"session_id": parts[1], "status": "closed", "transcript": {}})
        self.answer(404, problem_of("not_found", "there is nothing here"))

    do_GET = do_POST = do_DELETE = handle_any

    def register(self, manifest):
        if MODE == "no-registration":
            return self.answer(405, problem_of("method_not_allowed", "manifests come with the release"))
        if MODE == "refuses-the-manifest":
            where = {"pointer": "/actions/0/endpoint", "rule": "endpoint", "message": "is not https"}
            error = problem_of("manifest_invalid", "the manifest has 1 violation")
            return self.answer(422, dict(error, details={"violations": [where]}))
        if MODE == "dies-at-the-manifest":
            print("Traceback: no space left for", os.environ["CALENDAR_TOKEN"], file=sys.stderr, flush=True)
            os._exit(7)
        digest = "sha256:0" if MODE == "wrong-digest" else canonical(manifest)
        record = {"name": manifest["name"], "version": manifest["version"], "digest": digest}
        MANIFESTS["%s@%s" % (record["name"], record["version"])] = manifest
        self.answer(201, record)

    def open(self, asked):
        if MODE == "no-sessions":
            return self.answer(404, problem_of("not_found", "there is nothing here"))
        identity = os.urandom(16).hex()
        SESSIONS[identity] = {"asked": asked, "manifest": MANIFESTS[asked["manifest"]]}
        self.answer(201, {"session_id": identity, "status": "active", "manifest": asked["manifest"]})

    def step(self, session):
        plan = planned(session)
        if plan is None:
            return self.answer(503, dict(problem_of("llm_unavailable", "the model does not answer"), retryable=True))
        self.answer(200, {"result": done(session, plan), "steps_done": 1, "status": "active", "completed": False})

    def answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


CAPABILITIES = {
    "protocol_version": "2.0",
    "profiles": ["session"] if MODE == "wrong-capabilities" else ["core", "session"],
    "runtimes": [],
    "limits": {},
    "implementation": {"name": "unready", "version": MODE},
}


def main():
    if MODE == "exits-at-once":
        print("ModuleNotFoundError: No module named 'fastapi'", file=sys.stderr)
        sys.exit(1)
    if MODE == "nothing-listens":
        time.sleep(600)
    port = 0 if MODE == "listens-elsewhere" else int(os.environ["PORT"])
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    server.serve_forever()


main()

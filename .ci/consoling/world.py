"""What a console is looked at with: a scripted model, a service, a runtime that serves the page, and a story for them."""

import json
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request

# Seconds for the start of a process, and for one thing to appear.
START = 120
PATIENCE = 15
NOTE = "fine by the on-call team"
# What goals say whose model gives no plan; after a retry it comes to its senses where that is said.
LOST = "lose the thread"
LOST_ONCE = "lose the thread once"
NO_PLAN = "<i onclick=alert(1)>I would rather talk about the weather</i>"

checks = 0


def check(what, got, expected=True):
    global checks
    if got != expected:
        sys.exit(f"console: {what}: expected {expected!r}, got {got!r}")
    checks += 1


def passed():
    """How many checks held so far."""
    return checks


def text(**rules):
    return {"type": "string", **rules}


def manifest(crm):
    build = {"type": "object", "properties": {"build": {"type": "integer"}}, "required": ["build"]}
    api = {"type": "invoke_api", "method": "POST", "auth": "Bearer ${CRM_TOKEN}", "timeout_ms": 5000, "input_schema": build}
    return {
        "name": "ReleaseBot", "version": "1.0.0", "protocol_version": "2.0", "description": "Takes a build to its users, with a person's consent.",
        "actions": [
            {**api, "name": "check_build", "description": "Look at the tests of a build.", "endpoint": f"{crm}/v1/builds",
             "output_schema": {"type": "object"}, "result_path": {"/environment/build": "/build"}},
            {"type": "human_intervention", "name": "ask_window", "description": "Ask when it may go out.", "input_schema": build,
             "prompt": "When may this build go out, and to how many canaries first?",
             "output_schema": {
                 "type": "object", "additionalProperties": False, "required": ["window", "canaries", "keep_previous", "note"],
                 "properties": {
                     "window": text(title="Window", enum=["now", "tonight", "never"]),
                     # The bound stands in the schema alone: the page sends what is written, and the runtime refuses it.
                     "canaries": {"title": "Canaries", "type": "integer", "minimum": 1, "maximum": 20},
                     "keep_previous": {"title": "Keep the previous build for a rollback", "type": "boolean"},
                     "note": text(title="Note", maxLength=80)}},
             "result_path": {"/environment/window": "/window", "/environment/note": "/note"}},
            {**api, "name": "deploy_release", "description": "Bring the build to its users.", "endpoint": f"{crm}/v1/deployments",
             "access_control": {"verification": "approval"}, "effects": ["critical"], "completes_goal": True,
             "output_schema": {"type": "object"}, "result_path": {"/environment/deployment_id": "/deployment_id"}}],
        "intents": [{"name": "release", "description": "Check, ask, deploy.", "actions": ["check_build", "ask_window", "deploy_release"]}],
    }


def script():
    say = lambda action: {"action": action, "args": {"build": 1482}}
    often = {"times": "any", "usage": {"prompt_tokens": 812, "completion_tokens": 34}}
    return {
        "model": [
            {"on": {"saw": LOST_ONCE}, "text": NO_PLAN, "times": 3},
            {"on": {"saw": LOST, "not_saw": LOST_ONCE}, "text": NO_PLAN, **often},
            {"on": {"saw_error": "human_rejected"}, "emit": {"finished": True}, **often},
            {"on": {"saw": NOTE}, "emit": say("deploy_release"), **often},
            {"on": {"saw": "9f31c07"}, "emit": say("ask_window"), **often},
            {"emit": say("check_build"), **often}],
        "services": {"crm": {"script": [
            {"on": {"path": "/v1/builds"}, "times": "any", "reply": {"json": {"build": {"number": 1482, "image": "web:1482-9f31c07", "tests": {"passed": 1204, "failed": 0}}}}},
            {"on": {"path": "/v1/deployments"}, "times": "any", "reply": {"status": 201, "json": {"deployment_id": "D-2291"}}}]}},
    }


class Process:
    """A program that says when it is ready; it is ended with the block."""

    def __init__(self, command, environment):
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines = []

    def until(self, pattern):
        """The first line that fits, read within the time of a start."""
        timer = threading.Timer(START, self.process.kill)
        timer.start()
        try:
            for line in self.process.stdout:
                self.lines.append(line)
                if found := re.search(pattern, line):
                    return found
        finally:
            timer.cancel()
        sys.exit("console: the program was never ready:\n" + "".join(self.lines[-20:]))

    def drain(self):
        threading.Thread(target=lambda: [None for _ in self.process.stdout], daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Runtime:
    def __init__(self, base, token):
        self.base, self.token = base, token

    def call(self, method, path, body=None, **headers):
        """The status and the JSON of an answer."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json", **headers}
        request = urllib.request.Request(self.base + path, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def open(self, goal="Take build 1482 to all users", **environment):
        body = {"goal": {"description": goal, "intent": "release"}, "max_steps": 6, "observation": {
            "timestamp": "2026-03-28T14:32:10Z", "user_context": {"user_id": "U998877", "preferences": {"timezone": "Europe/Berlin"}},
            "environment": {"service": "web", "replicas": 4, "current": {"number": 1471, "image": "web:1471-77aa0c1"}, **environment}}}
        status, answer = self.call("POST", "/sessions", body)
        check("a session is opened", status, 201)
        return answer["session_id"]


def deployments(mock):
    with urllib.request.urlopen(f"{mock}/__mock/default/journal", timeout=PATIENCE) as answer:
        return sum("deployments" in json.dumps(call) for call in json.load(answer)["calls"])

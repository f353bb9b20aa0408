"""The whole runtime as a process, against a scripted model and service on loopback; answers are held against spec/schemas."""

import http.server
import json
import os
import subprocess
import sys
import threading
import time
import unittest
import urllib.error
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

ROOT = Path(__file__).resolve().parents[1]
GIVEN = ROOT.parents[2]
SECRET = "cal-tok+en/3f9a1c77=="


class Peer(http.server.BaseHTTPRequestHandler):
    """Model and services: what is answered is looked up by the last part of the goal or by the path."""

    replies, services, journal, prompts = {}, {}, [], []
    rest = "0"  # the Retry-After of a model that fails, in seconds
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.endswith("/chat/completions"):
            text = json.dumps(json.loads(body)["messages"])
            Peer.prompts.append(json.loads(body)["messages"])
            token = next((t for t in Peer.replies if t in text), None)
            reply = Peer.replies[token].pop(0) if token and Peer.replies[token] else None
            if reply is None:
                return self.send(503, b"{}", {"Retry-After": Peer.rest})
            reply = reply if isinstance(reply, str) else json.dumps(reply)
            return self.send(200, json.dumps({"choices": [{"message": {"content": reply}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}).encode())
        Peer.journal.append((self.command, self.path, dict(self.headers), body))
        status, answer, headers = Peer.services.get(self.path.partition("?")[0], (200, {}, {}))
        if status == "slow":
            time.sleep(1)
            status = 200
        self.send(status, answer if isinstance(answer, bytes) else json.dumps(answer).encode(), headers)

    do_GET = do_PUT = do_DELETE = do_PATCH = do_POST

    def send(self, status, body, headers=()):
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def schemas():
    documents = [json.loads(p.read_text()) for p in (GIVEN / "spec/schemas").glob("*.json")]
    return Registry().with_resources((d["$id"], Resource.from_contents(d)) for d in documents)


class Live(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        http.server.ThreadingHTTPServer.request_queue_size = 512
        cls.peer = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Peer)
        threading.Thread(target=cls.peer.serve_forever, daemon=True).start()
        cls.origin = f"http://127.0.0.1:{cls.peer.server_port}"
        env = {**os.environ, "PORT": "0", "OPENAI_BASE_URL": cls.origin + "/v1", "OPENAI_API_KEY": "sk-test-model-key-0001", "OPENAI_MODEL": "scripted-model",
               "OAP_MODEL_TIMEOUT_MS": "1000", "CALENDAR_TOKEN": SECRET, "CRM_TOKEN": SECRET + "x", "EMAIL_TOKEN": "eml-tok+en/8b2d4e01==", "OAP_SECRETS": "CALENDAR_TOKEN,CRM_TOKEN,EMAIL_TOKEN", "OAP_VARIABLES": "OAP_TEST_PLUGIN_ORIGIN",
               "OAP_TEST_PLUGIN_ORIGIN": cls.origin, "OAP_ALLOW_ADDRESSES": "127.0.0.0/8", "OAP_PLUGINS": str(GIVEN / "fixtures/plugins")}
        cls.process = subprocess.Popen([sys.executable, "main.py"], cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
        cls.base = cls.process.stdout.readline().split()[-1]
        cls.registry = schemas()
        cls.manifest("nodes"), cls.manifest("human"), cls.manifest("echo"), cls.manifest("meetbot"), cls.manifest("flags")

    @classmethod
    def tearDownClass(cls):
        cls.process.terminate()
        assert cls.process.wait(15) == 0, cls.process.returncode
        cls.process.stdout.close()
        cls.peer.shutdown()
        cls.peer.server_close()

    @classmethod
    def call(cls, method, path, body=None, headers=None):
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(cls.base + path, data, {"Content-Type": "application/json", **(headers or {})}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                document = json.load(error)
                cls.conforms("error", document)
                return error.code, document

    @classmethod
    def conforms(cls, schema, document):
        validator = Draft202012Validator({"$ref": f"https://open-action.example/2.0/schemas/{schema}.json"}, registry=cls.registry)
        errors = [f"{e.json_path}: {e.message[:200]}" for e in validator.iter_errors(document)]
        assert not errors, errors

    @classmethod
    def manifest(cls, name):
        text = (GIVEN / f"fixtures/manifests/valid/{name}.json").read_text()
        for host in ("calendar", "email", "crm"):
            text = text.replace(f"https://api.{host}.example.com", f"{cls.origin}/{host}")
        status, answer = cls.call("POST", "/manifests", text.encode())
        assert status == 201, answer
        cls.conforms("manifest-registered", answer)

    def session(self, manifest, *replies, **members):
        token = "T" + uuid.uuid4().hex
        Peer.replies[token] = list(replies)
        body = {"goal": {"description": "do " + token}, "manifest": manifest, "observation": {
            "timestamp": "2026-03-28T14:00:00Z", "user_context": {"user_id": "U1", "preferences": {}}, "environment": {}}, **members}
        status, answer = self.call("POST", "/sessions", body)
        self.assertEqual(status, 201, answer)
        self.conforms("create-session", answer)
        return "/sessions/" + answer["session_id"]

    def step(self, session, status=200):
        got, answer = self.call("POST", session + "/step")
        self.assertEqual(got, status, answer)
        if status == 200:
            self.conforms("step", answer)
        return answer

    def close(self, session):
        status, answer = self.call("POST", session + "/close", {})
        self.assertEqual(status, 200)
        self.conforms("close", answer)
        self.conforms("transcript", answer["transcript"])
        self.assertNotIn(SECRET, json.dumps(answer))
        return answer["transcript"]

    def test_core(self):
        for path, schema in (("/capabilities", "capabilities"), ("/healthz", "health"), ("/manifests", "manifest-list")):
            status, answer = self.call("GET", path)
            self.assertEqual(status, 200)
            self.conforms(schema, answer)
        self.assertEqual(self.call("GET", "/nope")[1]["errorCode"], "not_found")
        self.assertEqual(self.call("PUT", "/manifests")[0], 405)
        for body, headers, code in ((b"{", {}, "malformed_json"), (b'{"a":1,"a":2}', {}, "duplicate_key"), (b"[" * 65, {}, "too_deep"), (b"\xff", {}, "invalid_utf8"),
                                    (b"{}", {"Content-Type": "text/plain"}, "unsupported_media_type"), (b" " * 1048577, {}, "too_large"), (b"{}", {}, "manifest_invalid")):
            self.assertEqual(self.call("POST", "/manifests", body, headers)[1]["errorCode"], code)
        self.assertEqual(self.call("POST", "/sessions", {})[1]["errorCode"], "invalid_request")
        status, answer = self.call("GET", "/manifests/echo@1.0.0")
        self.assertEqual(status, 200)
        self.conforms("manifest-record", answer)
        self.assertEqual(self.call("POST", "/sessions/x%2Fy/step")[1]["errorCode"], "session_not_found")

    def test_loop(self):
        Peer.services["/calendar/v1/free_slots"] = (200, {"slots": []}, {})
        session = self.session("echo", "nonsense", {"action": "echo", "args": {"text": SECRET}}, {"action": "finish", "args": {}}, {"finished": True}, max_steps=5)
        path = json.loads((GIVEN / "fixtures/manifests/valid/echo.json").read_text())["actions"][0]["endpoint"].replace("https://api.crm.example.com", "/crm")
        Peer.services[path] = (200, {"heard": SECRET, "n": 1.5}, {})
        answer = self.step(session)
        self.assertTrue(answer["result"]["success"], answer)
        self.assertEqual(answer["result"]["output"]["heard"], "[REDACTED]")
        self.assertEqual(json.loads(Peer.journal[-1][3])["text"], "[REDACTED]")
        self.conforms("session", self.call("GET", session)[1])
        transcript = self.close(session)
        self.assertEqual([t["refused"] is None for t in transcript["turns"]], [False, True])
        self.assertEqual(self.call("POST", session + "/step")[0], 404)
        self.assertEqual(self.call("GET", session + "/transcript")[1], transcript)

    def test_model_failure_and_limit(self):
        session = self.session("echo", None, {"action": "echo", "args": {"text": "t"}}, max_steps=1)
        self.assertEqual(self.step(session, 503)["errorCode"], "llm_unavailable")
        self.step(session)
        self.assertEqual(self.step(session)["status"], "max_steps_reached")
        self.assertEqual(self.step(session, 400)["errorCode"], "session_finished")
        self.close(session)

    def test_model_that_wants_to_rest(self):
        session = self.session("echo", None, {"action": "echo", "args": {"text": "t"}})
        Peer.rest = "7"
        self.addCleanup(setattr, Peer, "rest", "0")
        self.assertEqual(self.step(session, 503)["errorCode"], "llm_unavailable")
        asked = len(Peer.prompts)
        self.assertEqual(self.step(session, 503)["errorCode"], "llm_unavailable")
        self.assertEqual(len(Peer.prompts), asked, "the model was asked before its time")
        self.close(session)

    def test_people(self):
        session = self.session("human", {"action": "ask_time_zone", "args": {}}, "a", "b", "c", {"action": "confirm", "args": {"question": "q"}}, {"finished": True})
        pending = self.step(session)["pending"]
        answer = f"{session}/interventions/{pending['id']}"
        self.assertEqual(self.step(session, 409)["errorCode"], "awaiting_human")
        self.assertEqual(self.call("POST", answer, {"output": {"time_zone": "X"}})[1]["details"]["violations"][0]["pointer"], "/output/time_zone")
        self.assertEqual(self.call("POST", answer, {})[0], 400)
        self.assertEqual(self.call("POST", answer, {"output": {"time_zone": "UTC"}})[1]["steps_done"], 1)
        self.assertEqual(self.call("POST", answer, {"output": {"time_zone": "UTC"}})[1]["errorCode"], "intervention_answered")
        pending = self.step(session)["pending"]
        self.assertEqual(len(pending["refusals"]), 3)
        answer = f"{session}/interventions/{pending['id']}"
        self.assertEqual(self.call("POST", answer, {"output": {"plan": {"action": "nope", "args": {}}}})[1]["errorCode"], "invalid_answer")
        status, again = self.call("POST", answer, {"output": {"plan": {"action": "confirm", "args": {"question": "x"}}}})
        self.conforms("intervention", again)
        self.assertEqual(again["pending"]["kind"], "human_intervention")
        status, rejected = self.call("POST", f"{session}/interventions/{again['pending']['id']}", {"decision": "reject"})
        self.assertEqual(rejected["result"]["error"]["errorCode"], "human_rejected")
        self.step(session)
        transcript = self.close(session)
        self.assertEqual([i["outcome"] for i in transcript["interventions"]], ["answered", "answered", "rejected", "cancelled"])

    def test_idempotency(self):
        session = self.session("echo", {"action": "echo", "args": {"text": "t"}}, {"action": "echo", "args": {"text": "t"}})
        first = self.call("POST", session + "/step", {"requestId": "k"})
        self.assertEqual(self.call("POST", session + "/step", headers={"Idempotency-Key": "k"}), first)
        self.assertEqual(self.call("POST", session + "/step", {"requestId": "k", "x": 1})[1]["errorCode"], "idempotency_conflict")
        self.close(session)
        self.assertEqual(self.call("POST", session + "/step", {"requestId": "k"}), first)

    def test_many_sessions(self):
        sessions = [self.session("echo", {"action": "echo", "args": {"text": "t"}}) for _ in range(100)]
        with ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(self.step, sessions))
        self.assertTrue(all(a["steps_done"] == 1 for a in answers))

    # --- workflows -----------------------------------------------------------------------------------------------------------

    def execute(self, nodes, status=200, **members):
        got, answer = self.call("POST", "/execute", {"open_action": nodes, "user_id": "U1", "manifest": "nodes", **members})
        self.assertEqual(got, status, answer)
        if status in (200, 202):
            self.conforms("execute-answer" if status == 200 else "approval-answer", answer)
        return answer

    @staticmethod
    def node(name, given=None, **members):
        return {"@type": "OpenAction:Action", "name": name, "input": given or {}, **members}

    def setUp(self):
        for path in ("/calendar/v1/free_slots", "/calendar/v1/events", "/email/v1/send", "/crm/v1/meetings"):
            Peer.services[path] = (200, {"id": "n1", "slots": ["x"]}, {})

    def test_workflow(self):
        answer = self.execute([self.node("look_up"), self.node("write_down", {"text": "{{ state.lastResult }}"}, conditional="state.lastResult.nothing")])
        self.assertEqual([r.get("status") for r in answer["results"]], [None, "skipped"])
        self.assertEqual(answer["state"]["history"][1]["undefined"], ["state.lastResult.nothing"])
        self.assertEqual(self.execute([{**self.node("look_up"), "fallback_action": "x"}], 400)["errorCode"], "invalid_request")
        self.assertEqual(self.execute(self.node("look_up", conditional="1 <"), 400)["errorCode"], "conditional_error")
        self.assertEqual(self.execute(self.node("look_up", {"a": "{{"}), 400)["errorCode"], "template_error")
        self.assertEqual(self.execute(self.node("nobody"), 404)["errorCode"], "undeclared_action")
        self.assertEqual(self.execute(self.node("look_up", accessControl={}), 422)["errorCode"], "profile_not_supported")
        self.assertEqual(self.execute(self.node("look_up", {"q": "{{ state.x }}"}))["error"]["errorCode"], "template_error")
        oa = {"@context": {"oa": "https://open-action.example/2.0/vocab#"}, "@type": "oa:Action", "oa:name": "look_up", "oa:conditional": "false"}
        self.assertEqual(self.execute(oa)["results"][0]["status"], "skipped")
        self.assertEqual(self.execute(self.node("look_up", protocolVersion="3.0"), 400)["errorCode"], "unsupported_protocol_version")
        self.assertEqual(self.execute({"@type": "OpenAction:HumanApproval", "prompt": "x"}, 400)["errorCode"], "invalid_request")

    def test_plugins(self):
        Peer.services["/p/v1/send"] = (200, {"id": "m1"}, {})
        plugin = {"@type": "OpenAction:Action", "pluginReference": "oap_test.note", "input": {"to": "a", "ref": "r"}}
        self.assertEqual(self.execute(plugin)["result"], {"id": "m1"})
        for name, code in (("broken", "plugin_error"), ("missing", "plugin_error"), ("strict", "output_validation_failed")):
            self.assertEqual(self.execute({**plugin, "pluginReference": "oap_test." + name})["error"]["errorCode"], code)
        self.assertEqual(self.execute({**plugin, "pluginReference": "oap_test.guarded"}, 403)["errorCode"], "insufficient_scope")
        self.assertEqual(self.execute({**plugin, "pluginReference": "no.such"}, 404)["errorCode"], "plugin_not_found")
        fell = self.execute({**plugin, "pluginReference": "oap_test.broken", "fallbackAction": "look_up"})
        self.assertEqual((fell["status"], len(fell["results"][0]["attempts"])), ("completed", 2))
        self.assertEqual([h["status"] for h in fell["state"]["history"]], ["failed", "fallback"])

    def test_approval(self):
        question = {"@type": "OpenAction:HumanApproval", "prompt": "Look for {{ input.q }}?", "action": self.node("look_up", {"q": "{{ 'a' + 'b' }}"})}
        asked = self.execute([self.node("look_up"), question, self.node("look_up")], 202, requestId="ap1")
        self.assertEqual(asked["approval"]["prompt"], "Look for ab?")
        self.assertEqual(self.execute([self.node("look_up"), question, self.node("look_up")], 202, requestId="ap1")["approval"]["id"], asked["approval"]["id"])
        resume = {"state": asked["state"], "approval": {"id": asked["approval"]["id"], "decision": "approve"}}
        self.assertEqual(self.execute(asked["resume"], 409, **{**resume, "state": {}})["errorCode"], "approval_changed")
        done = self.execute(asked["resume"], **resume)
        self.assertEqual((done["status"], len(done["results"])), ("completed", 2))
        self.assertEqual(done["state"]["history"][1]["approval"], {"id": asked["approval"]["id"], "by": "anonymous"})
        self.assertEqual(self.execute(asked["resume"], 409, **resume)["errorCode"], "approval_used")
        self.execute([self.node("look_up"), question, self.node("look_up")], 409, requestId="ap1")
        asked = self.execute([question], 202)
        no = self.execute(asked["resume"], state=asked["state"], approval={"id": asked["approval"]["id"], "decision": "reject"})
        self.assertEqual((no["status"], no["error"]["errorCode"], no["state"]["history"][0]["status"]), ("failed", "human_rejected", "rejected"))
        self.assertEqual(self.execute([question], 404, approval={"id": "nobody", "decision": "reject"})["errorCode"], "approval_not_found")

    def test_planning(self):
        Peer.replies["PLANTOKEN"] = ["x", [self.node("look_up")], [self.node("look_up")], "[]", "a", "b", "c"]
        status, answer = self.call("POST", "/plan", {"goal": "PLANTOKEN", "user_id": "U", "manifest": "nodes"})
        self.assertEqual(status, 200, answer)
        self.conforms("plan-answer", answer)
        again = self.execute([self.node("look_up", conditional="false"), self.node("nobody" if False else "write_down")], goal="PLANTOKEN")
        self.assertEqual([r["action_name"] for r in again["results"]], ["look_up", "look_up"])
        self.assertEqual(self.execute(self.node("look_up", conditional="false"), goal="PLANTOKEN")["status"], "completed")
        status, answer = self.call("POST", "/plan", {"goal": "PLANTOKEN", "user_id": "U", "manifest": "nodes"})
        self.assertEqual((status, answer["errorCode"]), (502, "invalid_plan"))
        self.assertEqual(self.call("POST", "/plan", {"goal": "PLANTOKEN", "user_id": "U", "manifest": "nodes"})[0], 503)

    def test_node_key(self):
        before = len(Peer.journal)
        key = uuid.uuid4().hex
        first, second = (self.execute(self.node("look_up", requestId=key)) for _ in range(2))
        self.assertEqual((first["result"], len(Peer.journal) - before), (second["result"], 1))
        self.assertEqual(self.execute(self.node("look_up", {"q": "other"}, requestId=key))["error"]["errorCode"], "idempotency_conflict")


if __name__ == "__main__":
    unittest.main()

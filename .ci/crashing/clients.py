"""Clients that know what was acknowledged to them, and the last look at whether all of it is there."""

import http.client
import json
import random
import subprocess
import threading
import time

from crashing.world import Found

OBSERVATION = {"timestamp": "2026-01-01T00:00:00Z", "user_context": {"user_id": "U", "preferences": {}}, "environment": {}}

# Longest time in which a call that is sent again and again must come to an end, in seconds.
PATIENCE_S = 180


class Client(threading.Thread):
    """Opens, steps, reads and closes sessions, one after another, and knows what was acknowledged."""

    def __init__(self, number, options, replicas, figures):
        super().__init__(daemon=True)
        self.chance = random.Random(options.seed * 1000 + number)
        self.name, self.replicas, self.figures, self.within = f"c{number}", replicas, figures, options.answer_within
        self.calls, self.failure, self.stop = 0, None, threading.Event()
        self.closed, self.open = {}, {}
        # When the last step was acknowledged, and the longest times of one answer and of one call with its repetitions.
        self.stepped, self.slowest, self.longest = 0.0, 0.0, 0.0

    def run(self):
        try:
            while not self.stop.is_set():
                self.session()
        except Found as found:
            self.failure = str(found)
        except Exception as error:  # whatever else goes wrong is the test's own fault, and must not pass for success
            self.failure = f"the test itself failed: {error!r}"

    def session(self):
        opened = self.call("POST", "/sessions", {"goal": {"description": "act"}, "observation": OBSERVATION, "max_steps": 50}, 201)
        session, results = opened["session_id"], []
        self.open[session] = results
        for _ in range(self.chance.randint(1, 8)):
            if self.stop.is_set():
                return
            answer = self.call("POST", f"/sessions/{session}/step", {}, 200)
            if answer["steps_done"] != len(results) + 1:
                raise Found(f"session {session}: step {answer['steps_done']} follows {len(results)} acknowledged steps")
            results.append(answer["result"]["output"])
            self.stepped = time.monotonic()
            self.figures["steps"] += 1
            if self.chance.random() < 0.3:
                self.look(session, results)
        if self.chance.random() < 0.8:
            closed = self.call("POST", f"/sessions/{session}/close", {}, 200)
            self.check(session, results, closed["transcript"])
            self.closed[session] = closed["transcript"]
            del self.open[session]
            self.figures["transcripts"] += 1

    def look(self, session, results):
        seen = self.call("GET", f"/sessions/{session}", None, 200)
        if seen["steps_done"] != len(results) or seen["observation"]["environment"].get("done") != (results[-1] if results else None):
            raise Found(f"session {session}: the observation is not that of the acknowledged steps")

    def check(self, session, results, transcript):
        steps = transcript["steps"]
        if [step["step_number"] for step in steps] != list(range(1, len(results) + 1)):
            raise Found(f"session {session}: the transcript has {len(steps)} steps, and {len(results)} were acknowledged")
        if [step["result"]["output"] for step in steps] != results:
            raise Found(f"session {session}: the transcript has other results than those acknowledged")

    def call(self, method, path, body, expected):
        """Sends a call until it is answered for good."""
        self.calls += 1
        headers = {"idempotency-key": f"{self.name}-{self.calls}", "content-type": "application/json"}
        begun = time.monotonic()
        while time.monotonic() < begun + PATIENCE_S:
            port = self.chance.choice(self.replicas).port
            if port is None:
                time.sleep(0.005)
                continue
            answer = self.send(port, method, path, body, headers)
            if answer is None:
                self.figures["cut off"] += 1
                time.sleep(0.005)
                continue
            status, value, rest = answer
            if status == expected:
                self.longest = max(self.longest, time.monotonic() - begun)
                return value
            told = f"{method} {path} was answered {status} {json.dumps(value)[:300]}"
            if status not in (409, 503) or not value.get("retryable"):
                raise Found(told)
            if status == 503 and (value.get("errorCode") != "capacity_exceeded" or not (rest or "").isdigit()):
                raise Found(f"{told} with Retry-After {rest}")
            self.figures[str(status)] += 1
            # Less patient than is asked for: more calls meet what is wrong.
            time.sleep(0.05 if status == 503 else 0.01)
        raise Found(f"{method} {path} was not answered in {PATIENCE_S} s")

    def send(self, port, method, path, body, headers):
        """Status, value and Retry-After of one answer; `None` where the connection was lost."""
        begun = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=self.within)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers if method == "POST" else {})
            answer = connection.getresponse()
            value = json.loads(answer.read())
        except TimeoutError:
            raise Found(f"{method} {path} had no answer for {self.within} s") from None
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()
        self.slowest = max(self.slowest, time.monotonic() - begun)
        return answer.status, value, answer.getheader("retry-after")


def failed(clients):
    return next((client.failure for client in clients if client.failure), None)


def last_look(binary, world, clients, replicas, figures, folder):
    """Everything once more, after one more death of all."""
    for replica in replicas:
        replica.kill()
    for replica in replicas:
        replica.start()
    acted, kept = 0, 0
    transcripts = folder / "transcripts"
    transcripts.mkdir()
    for client in clients:
        for session, results in client.open.items():
            client.look(session, results)
            client.check(session, results, client.call("POST", f"/sessions/{session}/close", {}, 200)["transcript"])
            acted += len(results)
        for session, transcript in client.closed.items():
            if client.call("GET", f"/sessions/{session}/transcript", None, 200) != transcript:
                raise Found(f"session {session}: the transcript is not the acknowledged one")
            # A folder is judged up to 10 000 files.
            part = transcripts / str(kept // 5000)
            part.mkdir(exist_ok=True)
            (part / f"{session}.json").write_text(json.dumps(transcript))
            kept += 1
            acted += len(transcript["steps"])
    doubled = [key for key, times in world.acts.items() if times > 1]
    if doubled:
        raise Found(f"the service acted {len(doubled)} times more than once for one step")
    if len(world.acts) != acted:
        raise Found(f"the service acted for {len(world.acts)} steps, and {acted} were acknowledged")
    figures["sessions"] = sum(len(client.open) + len(client.closed) for client in clients)
    for part in sorted(transcripts.iterdir()):
        command = [binary, "verify", str(part), "--manifest", str(folder / "manifest.json")]
        verified = subprocess.run(command, capture_output=True, text=True)
        if verified.returncode != 0:
            raise Found(f"verify finds fault with the transcripts:\n{verified.stdout[-3000:]}{verified.stderr[-1000:]}")

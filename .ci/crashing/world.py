"""What the reference speaks to: the model, and a service that acts once for each key and counts; and the processes of the
reference themselves."""

import http.server
import json
import os
import random
import signal
import socketserver
import subprocess
import threading
import time
from collections import Counter


class Found(Exception):
    """Something acknowledged is gone, or happened twice, or was not said as it should be."""


class World:
    """The model and the service, and what the service did."""

    def __init__(self, deaf):
        self.deaf, self.lock = deaf, threading.Lock()
        self.done, self.acts, self.requests = {}, Counter(), 0
        world = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers.get("content-length", 0)))
                if self.path.startswith("/v1/"):
                    plan = json.dumps({"action": "act", "args": {"n": 1}})
                    answer = {"choices": [{"message": {"role": "assistant", "content": plan}, "finish_reason": "stop"}]}
                else:
                    answer = world.act(self.headers.get("idempotency-key"))
                    time.sleep(random.random() * 0.02)
                body = json.dumps(answer).encode()
                try:
                    self.send_response(200)
                    self.send_header("content-type", "application/json")
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    self.close_connection = True

            def log_message(self, *_):
                pass

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads, request_queue_size = True, 256

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def act(self, key):
        with self.lock:
            self.requests += 1
            if key is None:
                raise SystemExit("the reference sent no Idempotency-Key")
            if self.deaf or key not in self.done:
                self.acts[key] += 1
                self.done[key] = {"id": len(self.done) + 1}
            return self.done[key]


class Replica:
    """One process of the reference."""

    def __init__(self, command, environment):
        self.command, self.environment = command, environment
        self.process, self.port = None, None

    def start(self):
        """Starts it; how many seconds that took."""
        begun = time.monotonic()
        # Signals that this process ignores stay ignored: a write beyond the limit of a file's length is an error then, no death.
        self.process = subprocess.Popen(
            self.command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            start_new_session=True, restore_signals=False
        )
        line = self.process.stdout.readline()
        if not line.startswith("listening on"):
            raise Found(f"a process did not start again: it ended with {self.process.wait()}")
        self.port = int(line.rsplit(":", 1)[1])
        return time.monotonic() - begun

    def kill(self):
        self.port = None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

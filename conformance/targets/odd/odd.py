"""A runtime that is odd in one way: `odd.py MODE MARK`. Standard library only; `conformance/tests/strangers.rs` has the table of modes.

It registers manifests and opens sessions, well enough for a few cases. MARK is there to be found in a list of processes.
"""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

MODE, MARK = sys.argv[1], sys.argv[2]
STARTED = time.monotonic()
LOCK = threading.Lock()
MANIFESTS = {}
SESSIONS = {}
REQUESTS = 0


def canonical(document):
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle_any(self):
        global REQUESTS
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = urlsplit(self.path).path
        if path == "/healthz":
            if MODE == "always-503" or (MODE == "slow-start" and time.monotonic() - STARTED < 1.5):
                return self.answer(503, {"status": "starting"})
            if MODE == "hangs":
                # Ready is told; from the first registration on nothing is answered.
                return time.sleep(600) if REQUESTS else self.answer(200, {"status": "ok"})
            return self.answer(200, {"status": "ok"})
        if path == "/capabilities":
            return self.answer(200, CAPABILITIES)
        with LOCK:
            REQUESTS += 1
            number = REQUESTS
        if MODE == "hangs":
            return time.sleep(600)
        if MODE == "dies-at-the-third" and number >= 3:
            self.die()
        self.route(path, body)

    do_GET = do_POST = do_DELETE = handle_any

    def route(self, path, body):
        parts = [unquote(part) for part in path.split("/")[1:]]
        if self.command == "POST" and path == "/manifests":
            return self.register(json.loads(body))
        if self.command == "DELETE" and parts[0] == "manifests" and len(parts) == 2:
            with LOCK:
                gone = MANIFESTS.pop(parts[1], None)
            return self.answer(200, gone) if gone else self.error(404, "manifest_not_found")
        if self.command == "POST" and path == "/sessions":
            manifest = MANIFESTS.get(json.loads(body).get("manifest"))
            session = "s" * 6 + os.urandom(16).hex()
            SESSIONS[session] = manifest
            return self.answer(201, {"session_id": session, "status": "active", "manifest": manifest})
        if path.endswith("/close") and MODE == "hangs-at-close":
            return time.sleep(600)
        self.error(404, "not_found")

    def register(self, manifest):
        record = {"name": manifest["name"], "version": manifest["version"], "digest": canonical(manifest)}
        key = "%s@%s" % (record["name"], record["version"])
        with LOCK:
            new = MANIFESTS.setdefault(key, record) is record
        # The first time is answered as it should be, so that what comes then is the case's business.
        if not new:
            if MODE == "dies-on-one-case":
                self.die()
            if MODE == "kills-itself":
                os.kill(os.getpid(), signal.SIGKILL)
            if MODE == "chunked-garbage":
                return self.raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nnothing of the kind\r\n")
            if MODE == "no-http":
                return self.raw(bytes(range(256)) * 8)
            if MODE == "closes-sockets":
                return self.raw(b"")
            if MODE == "half-an-answer":
                return self.raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"name\":")
            if MODE == "leaks-in-a-header":
                return self.answer(200, record, {"x-debug": "token " + os.environ["CALENDAR_TOKEN"]})
            if MODE == "endless-answer":
                return self.endless()
        self.answer(201 if new else 200, record)

    def die(self):
        print("Traceback: cannot go on with", os.environ.get("CALENDAR_TOKEN"), file=sys.stderr, flush=True)
        os._exit(7)

    def error(self, status, code):
        kind = "text/html" if MODE == "wrong-content-type" else "application/json"
        error = {"success": False, "errorCode": code, "message": "no", "retryable": False}
        self.answer(status, error, {"content-type": kind})

    def answer(self, status, document, headers=None):
        body = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def raw(self, data):
        self.wfile.write(data)
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def endless(self):
        self.send_response(200)
        self.end_headers()
        while True:
            self.wfile.write(b"[" * 65536)


CAPABILITIES = {
    "protocol_version": "2.0",
    "profiles": ["core", "session"] if MODE == "hangs-at-close" else ["core"],
    "runtimes": [],
    "limits": {},
    "implementation": {"name": "odd", "version": MODE},
}


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


def flood():
    line = b"x" * 1000 + os.environ["EMAIL_TOKEN"].encode() + b"\n"
    while True:
        os.write(1, line * 50)
        os.write(2, line)


def leave_children():
    """One that left group and session, one that left its environment too, and one that stays and is deaf."""
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)", MARK]
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(600)
        os._exit(0)
    os.wait()
    if os.fork() == 0:
        subprocess.Popen(sleeper, env={}, start_new_session=True)
        os._exit(0)
    os.wait()
    subprocess.Popen([sys.executable, "-c", deaf, MARK])


def main():
    if MODE == "exits-at-once":
        print("Traceback: no module named 'oap', token", os.environ["CALENDAR_TOKEN"], file=sys.stderr)
        sys.exit(3)
    if MODE == "never-ready":
        time.sleep(600)
    if MODE == "listens-late":
        time.sleep(1.2)
    if MODE == "ignores-signals":
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
    if MODE == "floods-its-output":
        threading.Thread(target=flood, daemon=True).start()
    if MODE == "forks-children":
        leave_children()
    port = 0 if MODE == "listens-elsewhere" else int(os.environ["PORT"])
    Server(("127.0.0.1", port), Handler).serve_forever()


main()

"""Adapters that are odd in one way each, around the tiny runtime: odd.py MODE. They are judged by conformance/tests/stdio.rs."""
import json
import os
import signal
import sys
import time

mode = sys.argv[1]
out = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)
import tiny  # noqa: E402  it prints when it is loaded


def write(text):
    out.write(text if isinstance(text, bytes) else text.encode())
    out.flush()


def say(line):
    write(json.dumps(line) + "\n")


if mode == "ignores-its-end":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if mode == "ends-at-once":
    print("token", os.environ["CALENDAR_TOKEN"], file=sys.stderr, flush=True)
    sys.exit(7)
if mode == "silent":
    time.sleep(60)
if mode == "prints-first":
    write("loading the model\n")
if mode == "shouts-a-secret":
    write("key " + os.environ["OPENAI_API_KEY"] + "\n")
say({"ready": True, "protocol": "oap-stdio/2" if mode == "other-protocol" else "oap-stdio/1"})

for count, line in enumerate(sys.stdin.buffer, 1):
    request = json.loads(line)
    body = request["body"] or ""
    status, headers, text = tiny.handle(request["method"], request["path"], request["headers"], body.encode())
    answer = {"id": request["id"], "status": status, "headers": [list(header) for header in headers], "body": text.decode()}
    if count == 3:
        if mode == "dies-at-the-third":
            os._exit(9)
        if mode == "closes-its-output":
            out.close()
            time.sleep(60)
        if mode == "prints-in-between":
            write("3 requests so far\n")
        if mode == "status-is-a-text":
            answer["status"] = str(status)
        if mode == "unknown-id":
            answer["id"] = "no-such-request"
        if mode == "not-utf-8":
            write(b"\xff\xfe\n")
        if mode == "line-without-end":
            write(b"x" * (33 << 20))
    say(answer)
    if mode == "answers-twice" and count == 3:
        say(answer)

if mode == "answers-again-at-its-end":
    say(answer)
while mode == "ignores-its-end":
    time.sleep(1)

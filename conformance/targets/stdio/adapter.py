"""oap-stdio/1 around a Python runtime: adapter.py MODULE.py, which has handle(method, path, headers, body) -> (status, headers, body)."""
import base64, importlib.util, json, os, sys, threading, traceback
from concurrent.futures import ThreadPoolExecutor

answers = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)  # whatever the runtime prints goes to standard error

specification = importlib.util.spec_from_file_location("runtime", sys.argv[1])
runtime = importlib.util.module_from_spec(specification)
specification.loader.exec_module(runtime)
one_at_a_time = threading.Lock()


def say(line):
    with one_at_a_time:
        answers.write(json.dumps(line).encode() + b"\n")
        answers.flush()


def answer(line):
    request = json.loads(line)
    body = request["body"] or ""
    body = body.encode() if isinstance(body, str) else base64.b64decode(body["base64"])
    try:
        status, headers, body = runtime.handle(request["method"], request["path"], request["headers"], body)
    except Exception:
        traceback.print_exc()
        status, headers, body = 500, [], b""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = {"base64": base64.b64encode(body).decode()}
    say({"id": request["id"], "status": status, "headers": [list(header) for header in headers], "body": text})


say({"ready": True, "protocol": "oap-stdio/1"})
pool = ThreadPoolExecutor(64)
for line in sys.stdin.buffer:
    pool.submit(answer, line)
os._exit(0)  # nobody waits for what is still open

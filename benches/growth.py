#!/usr/bin/env python3
"""How time and memory grow with what is given: steps of a session, open sessions, size of a manifest, size of an observation, cases of
the suite. Four sizes each; an exponent of 1 is linear growth. Prints Markdown tables, and with --write puts them into benches/README.md.

    cargo build --release
    python3 benches/growth.py --bin target/release/oap-conform [--write]

Time is processor time of the program that is measured, and so is little disturbed by what else the machine does; memory is what it holds
more than before. Model, service and the suite's target are in processes of their own and answer at once. The exponent is the slope of the
line through the logarithms; what a run has at the start whatever its size (a fresh process, its first allocations) is taken off first,
measured at a size near nothing.
"""

import argparse
import asyncio
import datetime
import json
import math
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / ".ci"))
sys.path.insert(0, str(ROOT / "benches"))
sys.dont_write_bytecode = True

from crashing.world import Replica  # noqa: E402
from stores import Connection, answer_all, whole  # noqa: E402

BEGIN, END = "<!-- growth: begin -->", "<!-- growth: end -->"
SIZES = {
    "steps": [1250, 2500, 5000, 10000],
    "sessions": [12_500, 25_000, 50_000, 100_000],
    "manifest": [100_000, 200_000, 400_000, 800_000],
    "observation": [60_000, 120_000, 240_000, 480_000],
    "cases": [600, 1200, 2400, 4800],
}
MOST = 1.1
# How many manifests of one size are kept.
MANIFESTS = 16
ACTION = {"type": "invoke_api", "name": "act", "method": "POST", "result_path": "/environment/done",
          "input_schema": {"type": "object"}, "output_schema": {"type": "object"}}


def observation(size=0):
    # Many members and texts of ordinary length: memory grows with members, not with letters.
    rows = [{"start": "2026-04-01T10:00:00Z", "end": "2026-04-01T10:30:00Z", "number": n} for n in range(size // 80)]
    return {"timestamp": "2026-03-28T14:00:05Z", "user_context": {"user_id": "U998877", "preferences": {}},
            "environment": {"done": {"id": 0}, "slots": rows}}


class Reference:
    """The reference, started anew, with what it used so far."""

    def __init__(self, options, base, folder, *more):
        document = {"name": "bench", "version": "1.0.0", "actions": [{**ACTION, "endpoint": f"{base}/act"}]}
        file = folder / "manifest.json"
        file.write_text(json.dumps(document))
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "OPENAI_API_KEY": "sk-bench", "OPENAI_BASE_URL": f"{base}/v1",
                       "OPENAI_MODEL": "scripted"}
        self.replica = Replica([str(options.bin), "serve", "--listen", "127.0.0.1:0", "--manifest", str(file), "--allow-address", "127.0.0.0/8", "--offer", "caching", *more],
                               environment)

    def __enter__(self):
        self.replica.start()
        return self

    def __exit__(self, *_):
        self.replica.kill()

    def seconds(self):
        return processor(self.replica.process.pid)

    def memory(self):
        return resident(self.replica.process.pid)

    async def connect(self):
        return (await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", self.replica.port))[1]


def processor(pid):
    """Processor seconds of all threads that the process has; finer than the ticks of its own figure."""
    spent = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            spent += int((task / "schedstat").read_text().split()[0])
        except OSError:
            pass
    return spent / 1e9


def resident(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("the system does not tell the memory of a process")


def opening(size=0, steps=10000):
    return json.dumps({"goal": {"description": "act"}, "observation": observation(size), "max_steps": steps}).encode()


async def ask(connection, path, body, expected):
    """A call without a key: what is remembered of keyed calls is bounded, and would be measured with the first of them."""
    connection.waiting = asyncio.get_running_loop().create_future()
    connection.transport.write(
        b"POST %b HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (path.encode(), len(body), body)
    )
    status, answer = await connection.waiting
    if status != expected:
        raise SystemExit(f"{path} was answered {status} {answer.decode()[:500]}")
    return answer


async def steps(options, base, folder):
    """One session, looked at after each of the sizes; the last steps beside the first."""
    with Reference(options, base, folder) as reference:
        connection = await reference.connect()
        # What the process allocates once is there when the first figures are taken.
        warm = json.loads(await ask(connection, "/sessions", opening(), 201))["session_id"]
        for _ in range(500):
            await ask(connection, f"/sessions/{warm}/step", b"{}", 200)
        await ask(connection, f"/sessions/{warm}/close", b"{}", 200)
        session = json.loads(await ask(connection, "/sessions", opening(), 201))["session_id"]
        time_, memory, done = reference.seconds(), reference.memory(), 0
        rows, marks = [], {}
        for size in SIZES["steps"]:
            while done < size:
                await ask(connection, f"/sessions/{session}/step", b"{}", 200)
                done += 1
            marks[size] = reference.seconds()
            rows.append((size, marks[size] - time_, reference.memory() - memory))
        first = (marks[SIZES["steps"][0]] - time_) / SIZES["steps"][0]
        half = SIZES["steps"][-2]
        last = (marks[SIZES["steps"][-1]] - marks[half]) / (SIZES["steps"][-1] - half)
        note = (f"A step of the first {SIZES['steps'][0]} takes {1e6 * first:.0f} µs of processor time, calls over HTTP included, one of the "
                f"last {SIZES['steps'][-1] - half} takes {1e6 * last:.0f} µs.")
        begun = reference.seconds()
        await ask(connection, f"/sessions/{session}/close", b"{}", 200)
        note += f" Closing the session of {done} steps takes {1e3 * (reference.seconds() - begun):.0f} ms."
        return rows, note


async def sessions(options, base, folder):
    with Reference(options, base, folder, "--sessions", str(2 * SIZES["sessions"][-1]), "--session-memory", "8192") as reference:
        connections = [await reference.connect() for _ in range(8)]
        body = opening()
        for connection in connections:
            await ask(connection, "/sessions", body, 201)
        time_, memory, waited, done = reference.seconds(), reference.memory(), 0.0, 0
        rows = []
        for size in SIZES["sessions"]:
            async def some(connection, count):
                for _ in range(count):
                    await ask(connection, "/sessions", body, 201)
            share, rest = divmod(size - done, len(connections))
            begun = time.perf_counter()
            await asyncio.gather(*(some(connection, share + (number < rest)) for number, connection in enumerate(connections)))
            waited += time.perf_counter() - begun
            done = size
            rows.append((size, reference.seconds() - time_, reference.memory() - memory))
        # A held session still takes steps.
        last = json.loads(await ask(connections[0], "/sessions", body, 201))["session_id"]
        await ask(connections[0], f"/sessions/{last}/step", b"{}", 200)
        size, spent, held = rows[-1]
        own = len(json.dumps(observation(), separators=(",", ":")))
        note = (f"{size} sessions are held at the same time, each {held / size / 1024:.1f} KiB with its observation, whose text has {own} bytes; "
                f"one is opened in {1e6 * spent / size:.0f} µs of processor time, {size / waited:.0f} a second with this client.")
        return rows, note


async def manifests(options, base, folder):
    """So many of each size that what one process happens to have free does not show."""
    rows = []
    for size in SIZES["manifest"]:
        made = subprocess.run([str(options.bin), "generate", "manifest", "--bytes", str(size), "--actions", str(max(size // 2200, 1)), "--seed", "1"],
                              check=True, capture_output=True)
        document = json.loads(made.stdout)
        with Reference(options, base, folder) as reference:
            connection = await reference.connect()
            times = []
            for number in range(MANIFESTS + 1):
                body = json.dumps({**document, "name": "grown", "version": f"1.{number}.0"}).encode()
                if number == 1:
                    memory = reference.memory()
                time_ = reference.seconds()
                await ask(connection, "/manifests", body, 201)
                times.append(reference.seconds() - time_)
            rows.append((len(body), statistics.median(times[1:]), (reference.memory() - memory) / MANIFESTS))
    return rows, f"Registering one: read, checked, its schemas compiled, kept; {MANIFESTS} of a size after a first one."


async def observations(options, base, folder):
    rows = []
    for size in SIZES["observation"]:
        with Reference(options, base, folder) as reference:
            connection = await reference.connect()
            body = opening(size)
            times = []
            ids = [json.loads(await ask(connection, "/sessions", body, 201))["session_id"] for _ in range(2)]
            await ask(connection, f"/sessions/{ids[0]}/step", b"{}", 200)
            memory = reference.memory()
            for _ in range(3 * options.rounds):
                time_ = reference.seconds()
                await ask(connection, f"/sessions/{ids[1]}/step", b"{}", 200)
                times.append(reference.seconds() - time_)
            rows.append((len(body), statistics.median(times), (reference.memory() - memory) / len(times)))
    return rows, "One step: shown to the model, merged, bounded, kept as it was after each step."


class Instant(asyncio.Protocol):
    """A target that answers each request at once with the same."""

    def connection_made(self, transport):
        self.transport, self.data = transport, b""

    def data_received(self, data):
        self.data += data
        while found := whole(self.data):
            self.data = self.data[found[1]:]
            self.transport.write(b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n{"status":"ok"}')


def answer_at_once(told):
    async def serve():
        server = await asyncio.get_running_loop().create_server(Instant, "127.0.0.1", 0)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


def cases(options, folder, port):
    """The suite itself against a target that answers everything at once with the same, as a null target does: each case is read, its
    manifest is sent, what came is judged, and it is reported."""
    rows, overhead = [], None
    for size in [1, *SIZES["cases"]]:
        written = folder / f"cases-{size}"
        written.mkdir()
        for number in range(size):
            (written / f"CAP-001-growth-{number}.yaml").write_text(
                f"id: CAP-001-growth-{number}\nrequirements: [{options.requirement}]\nneeds: [core]\n"
                "title: growth\nmanifest: none\nsteps:\n  - request: {method: GET, path: /healthz}\n    expect: {status: 200, body: {status: ok}}\n"
            )
        spent, memory = run_cases(options, written, port)
        rows.append((size, spent, memory))
    (_, start, little), *rows = rows
    overhead = (rows[-1][1] - rows[0][1]) / (rows[-1][0] - rows[0][0])
    rows = [(size, spent - start, memory - little) for size, spent, memory in rows]
    return rows, f"One more case costs {1e3 * overhead:.2f} ms of the suite's processor time, against a target that answers everything at once with the same."


def run_cases(options, folder, port):
    run = subprocess.Popen([str(options.bin), "run", "--url", f"http://127.0.0.1:{port}", "--cases", str(folder), "--jobs", "1"],
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, pid_status, usage = os.wait4(run.pid, 0)
    said = run.stderr.read().decode()
    run.stderr.close()
    run.returncode = os.waitstatus_to_exitcode(pid_status)
    if run.returncode not in (0, 1, 4):
        raise SystemExit(f"the suite ended with {run.returncode}: {said[-500:]}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def exponent(sizes, figures):
    if min(figures) <= 0:
        return None
    return statistics.linear_regression([math.log(size) for size in sizes], [math.log(figure) for figure in figures]).slope


def shown(seconds):
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1e3 * seconds:.1f} ms" if seconds >= 1e-3 else f"{1e6 * seconds:.0f} µs"


def memory_shown(size):
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size / 1024:.0f} KiB"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=Path, required=True, help="the oap-conform to measure; build it with --release")
    parser.add_argument("--only", nargs="+", choices=list(SIZES), default=list(SIZES), help="what to grow [default: all]")
    parser.add_argument("--rounds", type=int, default=5, help="how often short measurements are made [default: 5]")
    parser.add_argument("--requirement", default="CAP-001", help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help="put the tables into benches/README.md")
    options = parser.parse_args()
    options.bin = options.bin.resolve()
    lines, steep = ["| what | size | time | memory |", "|---|---|---|---|"], []
    slopes, notes = ["| what | exponent of time | exponent of memory |", "|---|---|---|"], []
    with tempfile.TemporaryDirectory(prefix="oap-growth-") as name, ExitStack() as open_:
        folder, ports = Path(name), {}
        for what, life in (("world", answer_all), ("instant", answer_at_once)):
            hears, tells = multiprocessing.Pipe(duplex=False)
            process = multiprocessing.Process(target=life, args=(tells,), daemon=True)
            process.start()
            open_.callback(process.terminate)
            ports[what] = hears.recv()
        base = f"http://127.0.0.1:{ports['world']}"
        measures = {"steps": steps, "sessions": sessions, "manifest": manifests, "observation": observations}
        for what in options.only:
            print(f"{what} …", file=sys.stderr, flush=True)
            if what == "cases":
                rows, note = cases(options, folder, ports["instant"])
            else:
                rows, note = asyncio.run(measures[what](options, base, folder))
            sizes = [row[0] for row in rows]
            fitted = [exponent(sizes, [row[column] for row in rows]) for column in (1, 2)]
            for size, seconds, held in rows:
                lines.append(f"| {what} | {size} | {shown(seconds)} | {memory_shown(held)} |")
            slopes.append(f"| {what} | " + " | ".join("not measurable" if slope is None else f"{slope:.2f}" for slope in fitted) + " |")
            steep += [f"{what}: {slope:.2f}" for slope in fitted if slope is not None and slope > MOST]
            notes.append(f"*{what}*: {note}")
    day = datetime.date.today().strftime("%-d %B %Y")
    text = "\n".join([f"Processor time of the program alone, and the memory that it holds more, {day}:", "", *slopes, "", *lines, "",
                      *("- " + note for note in notes)])
    print(text)
    if options.write:
        page = ROOT / "benches" / "README.md"
        before, _, rest = page.read_text().partition(BEGIN)
        _, mark, after = rest.partition(END)
        if not mark:
            raise SystemExit(f"{page} has not the marks {BEGIN} and {END}")
        page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
    if steep:
        raise SystemExit(f"steeper than {MOST}: {', '.join(steep)}")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Steps a second and latency of the reference with each store beside those without one, in one run, and prints a Markdown table.

    cargo build --release
    python3 benches/stores.py --bin target/release/oap-conform

All three run the whole time and take turns, round by round, in another order each, so that what else the machine does meets all.
Each turn is the same work: clients with connections of their own step through sessions that were opened before. A step is the
lightest there is: one request to the model, which answers at once with a call, one request to the service, whose answer goes into
the observation. With a store the plan is made durable before the service is asked, and the result with the answer, which each
call's key asks for, before the client hears of it. PostgreSQL's binaries must be there; it runs as it comes, on the same disk.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / ".ci"))
sys.dont_write_bytecode = True

from crashing.clients import OBSERVATION  # noqa: E402
from crashing.storage import Storage  # noqa: E402
from crashing.world import Replica  # noqa: E402

STORES = ["memory", "file", "postgres"]
STEPS = 50
# How many sessions of so many steps a turn has for each client, by the number of clients.
SESSIONS = {1: 8, 8: 4, 32: 2}
TICK = os.sysconf("SC_CLK_TCK")

PLAN = json.dumps({"action": "act", "args": {"n": 1}})
REPLY = json.dumps({"choices": [{"message": {"role": "assistant", "content": PLAN}, "finish_reason": "stop"}]}).encode()
RESULT = json.dumps({"id": 1}).encode()


def whole(data):
    """Length of the first message in the data, if all of it is there, and where its body begins."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = data[:end].lower()
    at = head.find(b"content-length:")
    length = int(head[at + 15:].split(b"\r\n", 1)[0]) if at >= 0 else 0
    return None if len(data) < end + 4 + length else (end + 4, end + 4 + length)


class Answerer(asyncio.Protocol):
    """The model and the service: a fixed answer to each request."""

    def connection_made(self, transport):
        self.transport, self.data = transport, b""

    def data_received(self, data):
        self.data += data
        while found := whole(self.data):
            body = REPLY if self.data.startswith(b"POST /v1/") else RESULT
            self.data = self.data[found[1]:]
            self.transport.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
            )


def answer_all(told):
    """The life of the process in which the model and the service are."""
    async def serve():
        server = await asyncio.get_running_loop().create_server(Answerer, "127.0.0.1", 0)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


class Connection(asyncio.Protocol):
    """One client's connection, which stays."""

    def connection_made(self, transport):
        self.transport, self.data, self.waiting = transport, b"", None

    def data_received(self, data):
        self.data += data
        if found := whole(self.data):
            answer, self.data = self.data, b""
            self.waiting.set_result((int(answer[9:12]), answer[found[0]:found[1]]))

    def connection_lost(self, error):
        if self.waiting and not self.waiting.done():
            self.waiting.set_exception(error or ConnectionError("closed"))

    async def ask(self, path, key, body, expected):
        self.waiting = asyncio.get_running_loop().create_future()
        self.transport.write(
            b"POST %b HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\nidempotency-key: %b\r\ncontent-length: %d\r\n\r\n%b"
            % (path.encode(), key.encode(), len(body), body)
        )
        status, answer = await self.waiting
        if status != expected:
            raise SystemExit(f"{path} was answered {status} {answer.decode()[:500]}")
        return answer


class Runner:
    """The reference with one store, and what was measured of it."""

    def __init__(self, store, replica):
        self.store, self.replica, self.keys = store, replica, 0
        self.rates, self.waits, self.processor = defaultdict(list), defaultdict(list), defaultdict(list)

    def key(self):
        self.keys += 1
        return f"{self.store}-{self.keys}"

    def seconds(self):
        """Processor time of the process so far."""
        fields = Path(f"/proc/{self.replica.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    async def turn(self, clients, count, measured=True):
        loop = asyncio.get_running_loop()
        opening = json.dumps({"goal": {"description": "act"}, "observation": OBSERVATION, "max_steps": STEPS}).encode()
        connections = [(await loop.create_connection(Connection, "127.0.0.1", self.replica.port))[1] for _ in range(clients)]
        work = []
        for connection in connections:
            opened = [await connection.ask("/sessions", self.key(), opening, 201) for _ in range(count)]
            work.append([json.loads(answer)["session_id"] for answer in opened])
        waits = []

        async def step(connection, sessions):
            for session in sessions:
                for _ in range(STEPS):
                    begun = time.perf_counter()
                    await connection.ask(f"/sessions/{session}/step", self.key(), b"{}", 200)
                    waits.append(time.perf_counter() - begun)

        used, begun = self.seconds(), time.perf_counter()
        await asyncio.gather(*(step(connection, sessions) for connection, sessions in zip(connections, work)))
        took = time.perf_counter() - begun
        if measured:
            self.rates[clients].append(len(waits) / took)
            self.waits[clients] += waits
            self.processor[clients].append((self.seconds() - used) / len(waits))
        for connection, sessions in zip(connections, work):
            for session in sessions:
                await connection.ask(f"/sessions/{session}/close", self.key(), b"{}", 200)
            connection.transport.close()


def flush(folder, times):
    """Times of a write of 4 KiB that is made durable, and nothing else."""
    with open(folder / "flushed", "r+b" if (folder / "flushed").exists() else "w+b", buffering=0) as file:
        for _ in range(50):
            begun = time.perf_counter()
            file.seek(0)
            file.write(os.urandom(4096))
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - begun)


async def measure(runners, options, folder):
    flushes = []
    for runner in runners:
        await runner.turn(8, 2, measured=False)
    for number in range(options.rounds):
        flush(folder, flushes)
        for clients in options.clients:
            for turn in range(len(runners)):
                await runners[(turn + number) % len(runners)].turn(clients, SESSIONS.get(clients, 2))
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
    return flushes


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, help="the oap-conform to time; build it with --release")
    parser.add_argument("--rounds", type=int, default=7, help="[default: 7]")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32], help="[default: 1 8 32]")
    parser.add_argument("--folder", type=Path, help="folder on the disk to measure [default: that of temporary files]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="oap-bench-", dir=options.folder) as name, ExitStack() as open_:
        folder = Path(name)
        os.chmod(folder, 0o755)
        hears, tells = multiprocessing.Pipe(duplex=False)
        world = multiprocessing.Process(target=answer_all, args=(tells,), daemon=True)
        world.start()
        open_.callback(world.terminate)
        base = f"http://127.0.0.1:{hears.recv()}"
        manifest = folder / "manifest.json"
        manifest.write_text(json.dumps({
            "name": "bench", "version": "1.0.0", "actions": [{
                "type": "invoke_api", "name": "act", "method": "POST", "endpoint": f"{base}/act", "result_path": "/environment/done",
                "input_schema": {"type": "object"}, "output_schema": {"type": "object"},
            }],
        }))
        environment = {
            "PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", name), "OPENAI_API_KEY": "sk-bench",
            "OPENAI_BASE_URL": f"{base}/v1", "OPENAI_MODEL": "scripted",
        }
        runners = []
        for store in STORES:
            stored = open_.enter_context(Storage(store, folder))
            replica = Replica(
                [str(options.bin), "serve", "--listen", "127.0.0.1:0", "--manifest", str(manifest), "--allow-address", "127.0.0.0/8",
                 *stored.options], environment,
            )
            replica.start()
            open_.callback(replica.kill)
            runners.append(Runner(store, replica))
        flushes = asyncio.run(measure(runners, options, folder))
        print(table(runners, options, flushes))


def table(runners, options, flushes):
    lines = [
        f"{options.rounds} rounds; steps a second are the middle round's, and so is each ratio of two turns of one round. A write of 4 KiB",
        "that is made durable, and nothing else, took "
        + ", ".join(f"{1000 * percentile(flushes, share):.2f} ms (p{share})" for share in (10, 50, 99)) + ".",
        "",
        "| clients | store | steps/s | of those in memory | p50 ms | p99 ms | processor µs a step |",
        "|---|---|---|---|---|---|---|",
    ]
    base = runners[0]
    for clients in options.clients:
        for runner in runners:
            rates, waits = runner.rates[clients], runner.waits[clients]
            ratio = statistics.median(one / other for one, other in zip(rates, base.rates[clients]))
            lines.append(
                f"| {clients} | {runner.store} | {statistics.median(rates):.0f} | {'' if runner is base else f'{ratio:.2f}'} "
                f"| {1000 * statistics.median(waits):.2f} | {1000 * percentile(waits, 99):.2f} "
                f"| {1e6 * statistics.median(runner.processor[clients]):.0f} |"
            )
    return "\n".join(lines)


def percentile(values, share):
    return statistics.quantiles(values, n=100)[share - 1]


if __name__ == "__main__":
    main()

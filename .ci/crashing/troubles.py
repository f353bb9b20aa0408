"""What happens to a store for a while, and how clients must come through it."""

import http.client
import resource
import time

from crashing.world import Found


# Seconds that whoever probes a process waits for its answer.
PROBE = 3


class Stopped:
    """PostgreSQL stands still: its connections stay, and nothing answers."""

    name, told_after, unready = "PostgreSQL stopped", 12, True

    def __init__(self, storage):
        self.server = storage.postgres

    def begin(self):
        self.server.stop()

    def end(self):
        self.server.resume()


class Killed(Stopped):
    """PostgreSQL is killed with all its processes, and started again."""

    name, told_after = "PostgreSQL killed", 1

    def begin(self):
        self.server.kill()

    def end(self):
        self.server.start()


class Full:
    """Something else takes all the room on the disk."""

    name, told_after, unready = "disk full", 0, False

    def __init__(self, storage):
        self.ballast = storage.folder / "ledger" / "ballast"

    def begin(self):
        with open(self.ballast, "wb", buffering=0) as ballast:
            for size in (1 << 20, 1 << 12):
                try:
                    while True:
                        ballast.write(bytes(size))
                except OSError:
                    pass

    def end(self):
        self.ballast.unlink()


class FullAndKilled(Full):
    """The disk is full, and before there is room again the process dies."""

    name = "disk full, and killed then"

    def __init__(self, storage, replicas):
        super().__init__(storage)
        self.replicas = replicas

    def end(self):
        for replica in self.replicas:
            replica.kill()
        super().end()
        for replica in self.replicas:
            replica.start()


class Limited:
    """The half of the ledger's file that is there may be written, and no more: for whoever may mount nothing."""

    name, told_after, unready = "length of files limited", 0, False

    def __init__(self, storage, replicas):
        self.file, self.replicas = storage.folder / "ledger" / "sessions.redb", replicas

    def limit(self, length):
        for replica in self.replicas:
            _, hard = resource.prlimit(replica.process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(replica.process.pid, resource.RLIMIT_FSIZE, (length, hard))

    def begin(self):
        self.limit(self.file.stat().st_size // 2)

    def end(self):
        self.limit(resource.RLIM_INFINITY)


def weather(options, storage, replicas):
    """The troubles that this store is to come through, one after another."""
    if options.pause_postgres:
        return [Stopped(storage), Killed(storage)]
    if options.disk_full == "limit":
        return [Limited(storage, replicas)]
    return [Full(storage), FullAndKilled(storage, replicas)]


def probe(replica, path):
    """The status that whoever looks after a process gets, or what went wrong."""
    connection = http.client.HTTPConnection("127.0.0.1", replica.port, timeout=PROBE)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError as problem:
        return f"no answer in {PROBE} s: {problem}"
    finally:
        connection.close()


def look_alive(trouble, replicas, ready):
    """Each process lives whatever its store does, and says whether calls are to be sent to it."""
    for replica in replicas:
        found = {path: probe(replica, path) for path in ("/healthz", "/readyz")}
        if found != {"/healthz": 200, "/readyz": ready}:
            raise Found(f"{trouble.name}: probes are answered {found}, readiness should be {ready}")


def endure(trouble, seconds, within, clients, replicas, figures):
    """One trouble of so many seconds under load; all clients must go on within so many seconds after it, with the same processes."""
    before = figures["503"]
    for client in clients:
        client.slowest = 0.0
    trouble.begin()
    deadline = time.monotonic() + seconds
    probed = not trouble.unready
    while time.monotonic() < deadline and not any(client.failure for client in clients):
        time.sleep(0.02)
        if not probed and time.monotonic() > deadline - seconds / 2:
            look_alive(trouble, replicas, 503)
            probed = True
    trouble.end()
    ended = time.monotonic()
    waiting = clients
    first = None
    while waiting and not any(client.failure for client in clients):
        if time.monotonic() > ended + within:
            raise Found(f"{trouble.name}: {len(waiting)} clients do not go on {within} s after its end")
        time.sleep(0.005)
        waiting = [client for client in waiting if client.stepped < ended]
        if first is None and len(waiting) < len(clients):
            first = time.monotonic() - ended
    for replica in replicas:
        if replica.process.poll() is not None:
            raise Found(f"{trouble.name}: a process ended with {replica.process.returncode}")
    if not any(client.failure for client in clients):
        look_alive(trouble, replicas, 200)
    told = figures["503"] - before
    if seconds > trouble.told_after and not told and not any(client.failure for client in clients):
        raise Found(f"{trouble.name} for {seconds} s: nobody was told")
    slowest = max(client.slowest for client in clients)
    after = time.monotonic() - ended
    return f"{trouble.name} for {seconds} s: {told} answers 503, the slowest answer after {slowest:.1f} s; " \
           f"first step {(first or 0):.1f} s after its end, each client's {after:.1f} s"

"""The stores that the reference can be run with, and what each needs."""

import importlib.machinery
import importlib.util
import os
import signal
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

CI = Path(__file__).resolve().parent.parent

# Room for a ledger on a disk of its own, in bytes.
ROOM = 128 * 1024 * 1024

# In this order no table refers to one that was made forgetful before it.
TABLES = ["answers", "transcripts", "session_rows", "sessions", "manifests", "documents", "counters"]


def lent(name):
    """A module of another tool of this folder."""
    loader = importlib.machinery.SourceFileLoader(name, str(CI / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


class Storage:
    """Options of `serve` for a store, with what has to run for it."""

    def __init__(self, store, folder, small_disk=False):
        self.store, self.folder, self.small_disk = store, folder, small_disk
        self.options, self.postgres, self.open = [], None, ExitStack()

    def __enter__(self):
        ledger = self.folder / "ledger"
        if self.small_disk:
            self.open.enter_context(SmallDisk(ledger))
        if self.store == "file":
            self.options = ["--data", str(ledger)]
        elif self.store == "postgres":
            os.chmod(self.folder, 0o755)
            self.postgres = server(self.folder)
            self.options = ["--postgres", self.open.enter_context(self.postgres), "--lease", "1"]
        return self

    def __exit__(self, *error):
        return self.open.__exit__(*error)


def server(folder):
    """PostgreSQL that can be stopped and killed: the one that the stores are judged with."""

    class Server(lent("stores").Postgres):
        def __exit__(self, *error):
            self.resume()
            super().__exit__(*error)

        def processes(self):
            """The server and its children, each of which would go on alone."""
            return [self.server.pid, *(pid for pid, parent in parents() if parent == self.server.pid)]

        def stop(self):
            # First the one that makes the others.
            os.kill(self.server.pid, signal.SIGSTOP)
            self.send(signal.SIGSTOP)

        def resume(self):
            if self.server.poll() is None:
                self.send(signal.SIGCONT)

        def kill(self):
            os.kill(self.server.pid, signal.SIGSTOP)
            killed = self.processes()
            self.send(signal.SIGKILL)
            self.server.wait()
            while any(Path(f"/proc/{pid}").exists() for pid in killed):
                time.sleep(0.01)

        def send(self, number):
            for pid in self.processes():
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass

        def forget(self):
            """Has the server lose at its death whatever it has, as no server should."""
            sql = "".join(f"ALTER TABLE oap.{table} SET UNLOGGED;" for table in TABLES)
            command = [self.bin / "psql", "-h", self.socket, "-U", "oap", "-d", "postgres", "-v", "ON_ERROR_STOP=1", "-c", sql]
            subprocess.run(command, check=True, **self.quiet)

    return Server(folder)


def parents():
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            yield int(stat.parent.name), int(parent)


class SmallDisk:
    """A disk of its own for a folder, for whoever may mount one."""

    def __init__(self, folder):
        self.folder = folder

    def __enter__(self):
        self.folder.mkdir(mode=0o700)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM},mode=700", "crash", self.folder], check=True)

    def __exit__(self, *_):
        subprocess.run(["umount", "--lazy", self.folder], check=True)

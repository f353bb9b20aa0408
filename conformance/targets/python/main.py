"""Starts the runtime: `python3 main.py`. Configuration comes from the environment; see README.md."""

import sys

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from oap.errors import error_object
from oap.http import Runtime, create_app
from oap.jsontext import encode


class JsonProtocol(H11Protocol):
    """Answers what is no HTTP at all with an error object too."""

    def send_400_response(self, msg):
        body = encode(error_object("invalid_request", "this is no valid HTTP request"))
        head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()


class Server(uvicorn.Server):
    """Says where it listens once it does, and tells the runtime when it stops."""

    def __init__(self, config, runtime):
        super().__init__(config)
        self._runtime = runtime

    async def startup(self, sockets=None):
        await super().startup(sockets)
        if self.started:
            port = self.servers[0].sockets[0].getsockname()[1]
            print(f"listening on http://127.0.0.1:{port}", flush=True)

    def handle_exit(self, sig, frame):
        # Unlike the inherited one it does not raise the signal again afterwards: this is a clean end.
        self._runtime.stopping = True
        self.force_exit = self.should_exit
        self.should_exit = True


def main():
    # Documents nest up to 64 levels, and the recursive parts use several frames for each.
    sys.setrecursionlimit(20_000)
    runtime = Runtime()
    config = uvicorn.Config(
        create_app(runtime), host="127.0.0.1", port=runtime.config.port, http=JsonProtocol, ws="none", lifespan="off", log_level="error",
        access_log=False, server_header=False, timeout_graceful_shutdown=10, backlog=2048, timeout_keep_alive=30)
    server = Server(config, runtime)
    server.run()
    sys.exit(0 if server.started else 1)


if __name__ == "__main__":
    main()

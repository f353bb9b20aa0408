"""The HTTP face: bodies, routes, error answers (spec capabilities.md, errors.md). Everything that leaves passes the redactor here."""

import asyncio
import re
from urllib.parse import unquote

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from . import PROFILES, PROTOCOL_VERSION, VERSION
from .actions import Executor, new_client
from .config import Config
from .errors import ApiError, invalid_request
from .idempotency import Store, request_key
from .jsontext import MIB, JsonError, encode, parse
from .manifests import Registry, read_manifest
from .model import Model
from .redaction import Redactor
from .sessions import Sessions
from .workflows import Workflows

BODY_TIMEOUT = 60


class Answer:
    """A status, headers and the bytes of a body, as they are stored for repetition."""

    def __init__(self, status, body, code=None, headers=None, question=None):
        self.status, self.body, self.code, self.headers, self.question = status, body, code, headers or {}, question

    def response(self):
        return Response(self.body, self.status, self.headers, "application/json")


class Runtime:
    """Everything that one process holds."""

    def __init__(self, config=None):
        self.config = config or Config()
        self.redactor = Redactor(self.config.known_secrets)
        self.client = new_client()
        self.registry, self.store, self.stopping = Registry(), Store(), False
        model, executor = Model(self.config, self.client), Executor(self.config, self.redactor, self.client)
        self.sessions = Sessions(self.config, self.registry, self.redactor, model, executor)
        self.workflows = Workflows(self.config, self.registry, self.redactor, model, executor, lambda: self.stopping)

    def answer(self, status, value, code=None, headers=None, question=None):
        return Answer(status, encode(self.redactor.value(value)), code, headers, question)

    def error(self, error):
        return self.answer(error.status, error.body(), error.code, error.headers)

    async def attempt(self, work):
        """The answer of a call, refusals included; what nobody expected is 500 and tells nothing."""
        try:
            result = work()
            if asyncio.iscoroutine(result):
                result = await result
            status, value, *question = result
            return self.answer(status, value, question=question[0] if question else None)
        except ApiError as error:
            return self.error(error)


async def read_body(request, limit=MIB, empty_is=None):
    """The JSON value of a request's body; an empty one is `empty_is`, where that is allowed."""
    data, length = bytearray(), 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            async for chunk in request.stream():
                length += len(chunk)
                if length <= limit:
                    data += chunk
                elif length > 32 * MIB:
                    break  # enough was read to let an honest client see the answer
    except TimeoutError:
        raise invalid_request("the body did not come in time") from None
    if length:
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media != "application/json":
            raise ApiError("unsupported_media_type", "the body must be application/json")
        if length > limit:
            raise ApiError("too_large", f"the body has more than {limit} bytes", headers={"Connection": "close"})
    elif empty_is is not None:
        return empty_is
    try:
        return parse(data)
    except JsonError as error:
        raise ApiError(error.code, error.message.replace("the text", "the body")) from None


def check_object(body):
    if not isinstance(body, dict):
        raise invalid_request("the body must be an object", ("", "type", "must be an object"))
    return body


def create_app(runtime):
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    sessions, registry, workflows = runtime.sessions, runtime.registry, runtime.workflows

    async def idempotent(request, body, work, from_body=True, asked=None):
        """Runs a call once for each key; without a key it just runs."""
        key = request_key(request.headers.getlist("idempotency-key"), body, from_body)
        if key is None:
            return (await runtime.attempt(work)).response()
        scope = (request.method, request.scope["path"], key)
        return (await runtime.store.run(scope, body, lambda: runtime.attempt(work), from_body, asked)).response()

    @app.get("/capabilities")
    async def capabilities():
        limits = {"body_bytes": MIB, "observation_bytes": MIB, "nesting": 64, "max_steps": 10_000, "model_attempts": 3}
        return runtime.answer(200, {"protocol_version": PROTOCOL_VERSION, "profiles": PROFILES, "runtimes": [], "limits": limits,
                                    "implementation": {"name": "oap-runtime-python", "version": VERSION}}).response()

    @app.get("/healthz")
    async def healthz():
        return runtime.answer(200, {"status": "ok"}).response()

    @app.post("/manifests")
    async def register(request: Request):
        body = await read_body(request)

        async def work():
            # Compiling the schemas of a large manifest takes a while; others go on meanwhile.
            manifest = await asyncio.to_thread(read_manifest, body)
            new = registry.register(manifest)
            return 201 if new else 200, {**manifest.identity(), "protocol_version": PROTOCOL_VERSION}

        return await idempotent(request, body, work, from_body=False)

    @app.get("/manifests")
    async def manifests():
        return runtime.answer(200, {"manifests": [m.identity() for m in registry.all()]}).response()

    @app.get("/manifests/{reference}")
    async def manifest(reference: str):
        found = registry.exact(unquote(reference))
        return runtime.answer(200, {**found.identity(), "manifest": found.document}).response()

    @app.delete("/manifests/{reference}")
    async def delete_manifest(reference: str):
        return runtime.answer(200, registry.delete(unquote(reference)).identity()).response()

    @app.post("/sessions")
    async def create_session(request: Request):
        body = check_object(await read_body(request))
        return await idempotent(request, body, lambda: sessions.create(body))

    @app.get("/sessions/{session_id}")
    async def read_session(session_id: str):
        return (await runtime.attempt(lambda: sessions.read(unquote(session_id)))).response()

    @app.post("/sessions/{session_id}/step")
    async def step(request: Request, session_id: str):
        body = check_object(await read_body(request, empty_is={}))
        return await idempotent(request, body, lambda: sessions.step(unquote(session_id)))

    @app.post("/sessions/{session_id}/close")
    async def close(request: Request, session_id: str):
        body = check_object(await read_body(request, empty_is={}))
        return await idempotent(request, body, lambda: sessions.close(unquote(session_id)))

    @app.get("/sessions/{session_id}/transcript")
    async def transcript(session_id: str):
        return (await runtime.attempt(lambda: sessions.transcript(unquote(session_id)))).response()

    @app.post("/sessions/{session_id}/interventions/{question_id}")
    async def intervene(request: Request, session_id: str, question_id: str):
        body = check_object(await read_body(request))
        return await idempotent(request, body, lambda: sessions.intervene(unquote(session_id), unquote(question_id), body))

    @app.post("/execute")
    async def execute(request: Request):
        body = await read_body(request, 4 * MIB)
        prepared = workflows.read_request(body)
        return await idempotent(request, body, lambda: workflows.execute(prepared), asked=workflows.repeated)

    @app.post("/plan")
    async def plan(request: Request):
        body = await read_body(request)
        prepared = workflows.read_plan_request(body)
        return (await runtime.attempt(lambda: workflows.plan(prepared))).response()

    @app.exception_handler(ApiError)
    async def refused(request, error):
        return runtime.error(error).response()

    @app.exception_handler(ClientDisconnect)
    async def gone(request, error):
        return runtime.error(invalid_request("the body broke off")).response()

    @app.exception_handler(HTTPException)
    async def no_route(request, error):
        allowed = {m for route in app.routes if route.path_regex.match(request.scope["path"]) for m in route.methods}
        if allowed:
            return runtime.error(ApiError("method_not_allowed", "the path has no such method", headers={"Allow": ", ".join(sorted(allowed))})).response()
        return runtime.error(ApiError("not_found", "there is no such path")).response()

    @app.exception_handler(Exception)
    async def fault(request, error):
        return runtime.error(ApiError("internal_error", "a fault of the runtime itself")).response()

    async def entry(scope, receive, send):
        if scope["type"] == "http":
            # Routes see the path as it was sent, so that an encoded slash in an id does not make another path.
            raw = scope.get("raw_path") or scope["path"].encode("utf-8")
            scope["path"] = re.sub(r"\?.*", "", raw.decode("latin-1"), flags=re.S)
            if runtime.stopping:
                return await runtime.error(ApiError("capacity_exceeded", "the runtime is shutting down")).response()(scope, receive, send)
        await app(scope, receive, send)

    entry.app = app
    return entry

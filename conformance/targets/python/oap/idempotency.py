"""Safe repetition: the stored answers of requests with a key (spec idempotency.md)."""

import asyncio
import hashlib
import re
import time
from collections import OrderedDict

from .errors import ApiError, CODES, invalid_request
from .jsontext import canonical

_KEY = re.compile(r"[\x20-\x7e]{1,255}")
MAX_ENTRIES, MAX_BYTES, KEEP = 20_000, 256 * 1_048_576, 24 * 3600


def check_key(key, pointer="/requestId"):
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise invalid_request("an idempotency key has 1 to 255 printable ASCII characters", (pointer, "pattern", "must be 1 to 255 printable ASCII characters"))
    return key


def request_key(headers, body, from_body=True):
    """The key of a request, from the header or the body; None if it has none."""
    given = {check_key(value, "") for value in headers}
    if from_body and isinstance(body, dict) and "requestId" in body:
        given.add(check_key(body["requestId"]))
    if len(given) > 1:
        raise invalid_request("two different idempotency keys")
    return given.pop() if given else None


def fingerprint(body, from_body=True):
    if from_body and isinstance(body, dict):
        body = {name: value for name, value in body.items() if name != "requestId"}
    return hashlib.sha256(canonical(body).encode("utf-8")).digest()


def is_final(status, code):
    if 200 <= status < 300:
        return status != 202
    return 400 <= status < 500 and status not in (401, 409, 429) and not (code and CODES[code][1])


class _Entry:
    def __init__(self, mark):
        self.mark, self.at, self.answer, self.question, self.size = mark, time.monotonic(), None, None, 0
        self.done = asyncio.get_running_loop().create_future()


class Store:
    def __init__(self):
        self._entries, self._bytes = OrderedDict(), 0

    async def run(self, scope, body, work, from_body=True, asked=None):
        """Runs `work` (→ Answer) once for each scope and body. `asked` handles the repetition of a call that was answered 202:
        it is given the approval's id and gives None when the stored answer still holds, or raises."""
        mark, entry = fingerprint(body, from_body), self._entries.get(scope)
        if entry and time.monotonic() - entry.at > KEEP and entry.done.done():
            self._drop(scope)
            entry = None
        if entry:
            if entry.mark != mark:
                raise ApiError("idempotency_conflict", "the key was used with another body")
            answer = await asyncio.shield(entry.done)
            if answer.status == 202 and asked:
                asked(entry.question)
            return answer
        entry = self._entries[scope] = _Entry(mark)
        try:
            answer = await work()
        except BaseException as error:
            self._entries.pop(scope, None)
            entry.done.set_exception(error if isinstance(error, Exception) else ApiError("conflict", "the first request was broken off"))
            entry.done.exception()  # nobody may be waiting for it
            raise
        entry.done.set_result(answer)
        if is_final(answer.status, answer.code) or (answer.status == 202 and asked):
            entry.question, entry.size = answer.question, len(answer.body)
            self._bytes += entry.size
            self._make_room()
        else:
            self._entries.pop(scope, None)
        return answer

    def _drop(self, scope):
        self._bytes -= self._entries.pop(scope).size

    def _make_room(self):
        for scope in list(self._entries):
            if len(self._entries) <= MAX_ENTRIES and self._bytes <= MAX_BYTES:
                break
            if self._entries[scope].done.done():
                self._drop(scope)

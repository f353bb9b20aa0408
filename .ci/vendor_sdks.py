#!/usr/bin/env python3
"""Asks the scripted model with the makers' own clients: PyPI openai, anthropic and cohere, replies in one piece and as streams, and failures.

    python3 .ci/vendor_sdks.py [oap-conform]      the binary; target/release/oap-conform by default

The clients go into a temporary folder, in the versions below. With OAP_VENDOR_TOOLS=FOLDER they stay there.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.request
import venv

PYPI = ["openai==3.54.0", "anthropic==2.12.0", "cohere==7.3.1"]
ROOT = pathlib.Path(__file__).resolve().parent.parent
KEY = "sk-test-model-key-0001"
SAID = '{"action": "greet", "args": {"who": "Zoë", "text": "a line\\nand another"}}'
USAGE = {"prompt_tokens": 11, "completion_tokens": 7}
# Seconds; the mock answers at once, and holds back what is to time out for much longer.
PATIENCE = 10
IMPATIENCE = 0.5
LIMIT = 120

checks = 0
ONE_PIECE, STREAM = "in one piece", "as a stream"


def check(what, got, expected):
    global checks
    if got != expected:
        sys.exit(f"vendor sdks: {what}: expected {expected!r}, got {got!r}")
    checks += 1


def fails(what, expected, ask):
    """Whether the maker's own exception is raised."""
    global checks
    try:
        got = ask()
    except expected:
        checks += 1
        return
    except Exception as error:  # another exception than the maker's is the finding
        sys.exit(f"vendor sdks: {what}: expected {expected.__name__}, got {type(error).__name__}: {error}")
    sys.exit(f"vendor sdks: {what}: expected {expected.__name__}, got {got!r}")


class Mock:
    """The scripted model of a running `oap-conform mock`, through its control door."""

    def __init__(self, model):
        self.model = model
        self.origin = model.removesuffix("/v1")

    def _door(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.origin}/__mock/{path}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    def script(self, *entries):
        self._door("PUT", "default", {"model": list(entries)})

    def asked(self):
        return len(self._door("GET", "default/journal")["calls"])


def good(**more):
    return {"text": SAID, "usage": USAGE, **more}


def fault(kind, **more):
    return {"fault": kind, **more}


class OpenAi:
    name = "openai"
    ended, cut = "stop", "length"
    repeats = (ONE_PIECE, STREAM)

    def __init__(self, mock):
        import openai

        self.errors = {
            400: openai.BadRequestError,
            401: openai.AuthenticationError,
            404: openai.NotFoundError,
            429: openai.RateLimitError,
            500: openai.InternalServerError,
            503: openai.InternalServerError,
            "timeout": openai.APITimeoutError,
            "connection": openai.APIConnectionError,
        }
        self.make = lambda key=KEY, retries=0, timeout=PATIENCE: openai.OpenAI(
            base_url=mock.model, api_key=key, max_retries=retries, timeout=timeout
        )

    def ask(self, **how):
        client = self.make(**how)
        reply = client.chat.completions.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "hello"}])
        usage = reply.usage
        return reply.choices[0].message.content, reply.choices[0].finish_reason, (usage.prompt_tokens, usage.completion_tokens)

    def stream(self, **how):
        text, reason, usage = "", None, None
        with self.make(**how).chat.completions.create(
            model="m",
            max_tokens=9,
            messages=[{"role": "user", "content": "hello"}],
            stream=True,
            stream_options={"include_usage": True},
        ) as chunks:
            for chunk in chunks:
                for choice in chunk.choices:
                    text += choice.delta.content or ""
                    reason = choice.finish_reason or reason
                if chunk.usage:
                    usage = (chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
        return text, reason, usage


class Anthropic:
    name = "anthropic"
    ended, cut = "end_turn", "max_tokens"
    repeats = (ONE_PIECE, STREAM)

    def __init__(self, mock):
        import anthropic

        self.errors = {
            400: anthropic.BadRequestError,
            401: anthropic.AuthenticationError,
            404: anthropic.NotFoundError,
            429: anthropic.RateLimitError,
            500: anthropic.InternalServerError,
            503: anthropic.InternalServerError,
            "timeout": anthropic.APITimeoutError,
            "connection": anthropic.APIConnectionError,
        }
        self.make = lambda key=KEY, retries=0, timeout=PATIENCE: anthropic.Anthropic(
            base_url=mock.origin, api_key=key, max_retries=retries, timeout=timeout
        )

    request = {"model": "m", "max_tokens": 9, "system": "plan", "messages": [{"role": "user", "content": "hello"}]}

    def ask(self, **how):
        reply = self.make(**how).messages.create(**self.request)
        text = "".join(block.text for block in reply.content if block.type == "text")
        return text, reply.stop_reason, (reply.usage.input_tokens, reply.usage.output_tokens)

    def stream(self, **how):
        with self.make(**how).messages.stream(**self.request) as events:
            text = "".join(events.text_stream)
            last = events.get_final_message()
        return text, last.stop_reason, (last.usage.input_tokens, last.usage.output_tokens)


class Cohere:
    name = "cohere"
    ended, cut = "COMPLETE", "MAX_TOKENS"
    # This client never asks again for a stream.
    repeats = (ONE_PIECE,)

    def __init__(self, mock):
        import cohere
        import httpx

        self.errors = {
            400: cohere.BadRequestError,
            401: cohere.UnauthorizedError,
            404: cohere.NotFoundError,
            429: cohere.TooManyRequestsError,
            500: cohere.InternalServerError,
            503: cohere.ServiceUnavailableError,
            "timeout": httpx.TimeoutException,
            "connection": httpx.TransportError,
        }
        self.make = lambda key=KEY, timeout=PATIENCE: cohere.ClientV2(api_key=key, base_url=mock.origin, timeout=timeout)

    request = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}

    @staticmethod
    def counts(usage):
        return int(usage.tokens.input_tokens), int(usage.tokens.output_tokens)

    def ask(self, retries=0, **how):
        reply = self.make(**how).chat(**self.request, request_options={"max_retries": retries})
        text = "".join(item.text for item in reply.message.content if item.type == "text")
        return text, reply.finish_reason, self.counts(reply.usage)

    def stream(self, retries=0, **how):
        text, reason, usage = "", None, None
        for event in self.make(**how).chat_stream(**self.request, request_options={"max_retries": retries}):
            if event.type == "content-delta":
                text += event.delta.message.content.text
            elif event.type == "message-end":
                reason, usage = event.delta.finish_reason, self.counts(event.delta.usage)
        return text, reason, usage


def judge(vendor, mock):
    name = vendor.name
    for way, ask in ((ONE_PIECE, vendor.ask), (STREAM, vendor.stream)):
        what = f"{name} {way}"
        mock.script(good(), good(finish_reason="length"), {"text": ""})
        check(what, ask(), (SAID, vendor.ended, (11, 7)))
        check(f"{what}, cut off", ask()[:2], (SAID, vendor.cut))
        check(f"{what}, without a text", ask()[0], "")
        for status in (400, 404, 429, 500, 503):
            mock.script(fault("status", status=status))
            fails(f"{what}, {status}", vendor.errors[status], ask)
            check(f"{what}, {status}, requests", mock.asked(), 1)
        mock.script(good())
        fails(f"{what}, wrong key", vendor.errors[401], lambda: ask(key="sk-another"))
        if way in vendor.repeats:
            mock.script(fault("status", status=429, retry_after=0), good())
            check(f"{what}, tried again", ask(retries=1)[0], SAID)
            check(f"{what}, tried again, requests", mock.asked(), 2)
        mock.script(fault("timeout"))
        fails(f"{what}, no answer", vendor.errors["timeout"], lambda: ask(timeout=IMPATIENCE))
        mock.script(fault("disconnect"))
        fails(f"{what}, no connection", vendor.errors["connection"], ask)
        # What breaks off within its body is told by the library beneath, not by each maker.
        mock.script(fault("truncated"))
        fails(f"{what}, broken off", Exception, ask)


def talk(binary):
    mock = subprocess.Popen([binary, "mock"], stdout=subprocess.PIPE, text=True)
    try:
        said = {}
        for line in mock.stdout:
            words = line.split()
            if words == ["ready"]:
                break
            said[words[0]] = words[1]
        else:
            sys.exit("vendor sdks: the mock did not start")
        model = Mock(said["model"])
        for vendor in (OpenAi, Anthropic, Cohere):
            judge(vendor(model), model)
    finally:
        mock.terminate()
        try:
            mock.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            mock.kill()
            mock.wait()
    print(f"vendor sdks: {checks} checks")


def install(folder):
    python = folder / "bin" / "python3"
    if not python.exists():
        venv.create(folder, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PYPI], check=True)
    return python


def main():
    binary = str(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "target/release/oap-conform").resolve())
    if os.environ.get("OAP_VENDOR_INSIDE"):
        talk(binary)
        return 0
    kept = os.environ.get("OAP_VENDOR_TOOLS")
    with tempfile.TemporaryDirectory() as own:
        python = install(pathlib.Path(kept or own))
        # Nothing that is set here for a real model, nor a proxy, may lead the clients elsewhere.
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        environment["OAP_VENDOR_INSIDE"] = "1"
        return subprocess.run([python, __file__, binary], env=environment, timeout=LIMIT).returncode


if __name__ == "__main__":
    sys.exit(main())

"""The wire to the model: OpenAI chat completions, one request, one reply, no retries (spec model.md)."""

import asyncio
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import httpx

from .jsontext import JsonError, encode, parse

MAX_ANSWER = 8 * 1_048_576


class ModelFailed(Exception):
    def __init__(self, message, retry_after=None):
        super().__init__(message)
        self.retry_after = retry_after


class Reply:
    def __init__(self, text, usage, finish_reason):
        self.text, self.usage, self.finish_reason = text, usage, finish_reason


def _seconds(value):
    """Retry-After in whole seconds, or None."""
    if value and value.isascii() and value.isdigit():
        return int(value) if len(value) < 10 else 999999999
    try:
        return max(0, round((parsedate_to_datetime(value) - datetime.now(timezone.utc)).total_seconds()))
    except (TypeError, ValueError):
        return None


class Model:
    def __init__(self, config, client):
        self._config, self._client = config, client

    async def ask(self, messages):
        """The model's reply to these messages, or ModelFailed."""
        config = self._config
        if not config.model_url:
            raise ModelFailed("no model is configured")
        body = {"model": config.model_name, "messages": messages, "temperature": 0.2, "max_tokens": config.model_tokens}
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if config.model_key:
            headers["Authorization"] = f"Bearer {config.model_key}"
        try:
            async with asyncio.timeout(config.model_timeout):
                async with self._client.stream("POST", config.model_url + "/chat/completions", content=encode(body), headers=headers) as response:
                    if not 200 <= response.status_code < 300:
                        raise ModelFailed(f"the model answered {response.status_code}", _seconds(response.headers.get("retry-after")))
                    data = bytearray()
                    async for chunk in response.aiter_raw():
                        data += chunk
                        if len(data) > MAX_ANSWER:
                            raise ModelFailed("the model's answer is too long")
        except TimeoutError:
            raise ModelFailed("the model did not answer in time") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError):
            raise ModelFailed("the model could not be reached or broke off") from None
        return self._read(data)

    @staticmethod
    def _read(data):
        try:
            document = parse(data, depth=200, duplicates_allowed=True)
            choice = document["choices"][0]
            message = choice["message"]
            if not isinstance(message, dict):
                raise TypeError
        except (JsonError, LookupError, TypeError):
            raise ModelFailed("the model's answer has no message") from None
        text = message.get("content")
        usage, counted = document.get("usage"), {}
        for name in ("prompt_tokens", "completion_tokens"):
            count = usage.get(name) if isinstance(usage, dict) else None
            if isinstance(count, int) and not isinstance(count, bool) and count >= 0:
                counted[name] = count
        reason = choice.get("finish_reason")
        return Reply(text if isinstance(text, str) else None, counted or None, reason if isinstance(reason, str) else None)

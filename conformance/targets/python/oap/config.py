"""The operator's configuration, out of environment variables (README.md names them)."""

import ipaddress
import os
import sys
from pathlib import Path

from .jsontext import JsonError, parse
from .manifests import PLUGIN, Action
from .schema import Schema, SchemaError

MIN_SECRET = 8


def _list(text):
    return [part.strip() for part in text.split(",") if part.strip()]


class Config:
    def __init__(self, env=os.environ):
        self.port = int(env.get("PORT") or 0)
        self.model_url = (env.get("OPENAI_BASE_URL") or "").rstrip("/")
        self.model_key = env.get("OPENAI_API_KEY") or ""
        self.model_name = env.get("OPENAI_MODEL") or "gpt-4o-mini"
        self.model_timeout = int(env.get("OAP_MODEL_TIMEOUT_MS") or 60_000) / 1000
        self.model_tokens = int(env.get("OAP_MODEL_MAX_TOKENS") or 4096)
        granted = {name: env[name] for name in _list(env.get("OAP_SECRETS", "")) if name in env}
        variables = {name: env[name] for name in _list(env.get("OAP_VARIABLES", "")) if name in env}
        # A short secret could not be redacted without tearing holes; the model's key is nobody's to name.
        self.secrets = {n: v for n, v in granted.items() if len(v) >= MIN_SECRET and n != "OPENAI_API_KEY" and v != self.model_key}
        self.variables = {n: v for n, v in variables.items() if n != "OPENAI_API_KEY" and not (self.model_key and self.model_key in v)}
        self.known_secrets = list(self.secrets.values()) + ([self.model_key] if self.model_key else [])
        self.bound = {}
        for pair in _list(env.get("OAP_BIND_SECRETS", "")):
            name, _, host = pair.partition("=")
            self.bound.setdefault(name.strip(), set()).add(host.strip().lower())
        self.allowed = [ipaddress.ip_network(cidr, strict=False) for cidr in _list(env.get("OAP_ALLOW_ADDRESSES", ""))]
        self.plugins = load_plugins(env.get("OAP_PLUGINS"))


class Plugin(Action):
    """A descriptor. Its code is read at the first use, and kept when it could be read."""

    def __init__(self, document, folder):
        super().__init__({**document, "type": "plugin"}, Schema(document["input_schema"]), Schema(document["output_schema"]))
        self.path = folder / str(document.get("code", ""))
        self.needs_scopes = bool(document.get("access_control"))
        self.code = None


def load_plugins(folder):
    plugins = {}
    for path in sorted(Path(folder).glob("*.json")) if folder else []:
        try:
            document = parse(path.read_bytes())
            if PLUGIN.fullmatch(document["name"]):
                plugins[document["name"]] = Plugin(document, path.parent)
        except (OSError, JsonError, SchemaError, KeyError, TypeError, ValueError):
            print(f"plugin descriptor {path.name} cannot be read and is left out", file=sys.stderr)
    return plugins

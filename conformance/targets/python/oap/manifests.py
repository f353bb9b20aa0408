"""Well-formed manifests (spec manifests.md), in both spellings, and the registry of those that were accepted (registration.md)."""

import hashlib
import re
from urllib.parse import urlsplit

from . import PROFILES, expressions
from .errors import ApiError, violation
from .jsonld import Names
from .jsontext import canonical, escape_token, pointer_tokens
from .schema import Schema, SchemaError

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
PLUGIN = re.compile(r"(?=.{1,128}\Z)[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_NUMBER = r"(?:0|[1-9][0-9]*)"
_PRE = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
VERSION = re.compile(rf"({_NUMBER})\.({_NUMBER})(?:\.({_NUMBER})(?:-({_PRE}(?:\.{_PRE})*))?)?")
VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_FIELD_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_CONNECTION_HEADERS = {"host", "content-length", "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
MAX_VIOLATIONS = 100
TYPES = {"invoke_api": None, "run_code": "sandbox", "read_file": "storage", "write_file": "storage",
         "human_intervention": "human", "plugin": "workflow"}

# camelCase of each member that has two spellings, by the object in which it stands
_MANIFEST = {"protocolVersion": "protocol_version"}
_ACTION = {c: "type" if c == "actionType" else re.sub(r"([A-Z])", lambda m: "_" + m.group(1).lower(), c) for c in (
    "actionType", "inputSchema", "outputSchema", "timeoutMs", "requestMap", "responseMap", "pluginReference", "accessControl",
    "fallbackAction", "resultPath", "completesGoal", "featureFlag", "requestId", "protocolVersion")}
_INTENT = {"accessControl": "access_control"}
_ACCESS = {"requiredScopes": "required_scopes", "rateLimit": "rate_limit"}
_LIMITS = {"cpuMs": "cpu_ms", "memoryMib": "memory_mib"}


def full_version(text):
    """The version in three parts, or None."""
    match = VERSION.fullmatch(text)
    return None if not match else text if match.group(3) is not None else text + ".0"


def precedence(version):
    """A sort key by semantic versioning."""
    major, minor, patch, pre = VERSION.fullmatch(version).groups()
    parts = [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in pre.split(".")] if pre else []
    return int(major), int(minor), int(patch), not pre, parts


def protocol_major(value):
    """The major version of MAJOR.MINOR, or None."""
    match = re.fullmatch(r"([0-9]{1,9})\.([0-9]{1,9})", value) if isinstance(value, str) else None
    return int(match.group(1)) if match else None


# --- from JSON-LD to snake_case -----------------------------------------------------------------------------------------


class _Normaliser:
    """Renames the members of a JSON-LD document, and remembers how each was called, for pointers into the original."""

    def __init__(self, problems):
        self.problems, self.original = problems, {}

    def manifest(self, document):
        names, result = self._object(Names(), document, "", "", _MANIFEST, "Manifest", True)
        for member, kind, table in (("actions", "Action", _ACTION), ("intents", "Intent", _INTENT)):
            if isinstance(result.get(member), list):
                at = f"/{member}"
                result[member] = [
                    self._part(names, part, f"{at}/{i}", f"{self.pointer(at)}/{i}", table, kind) for i, part in enumerate(result[member])]
        return result

    def _part(self, names, part, at, where, table, kind):
        if not isinstance(part, dict):
            return part
        inner, result = self._object(names, part, at, where, table, kind, kind == "Action")
        if kind == "Action" and "type" not in result:
            result["type"] = "plugin"
        self._inner(inner, result, at)
        return result

    def _inner(self, names, result, at):
        for member, table in (("access_control", _ACCESS), ("limits", _LIMITS)):
            if isinstance(result.get(member), dict):
                where = self.pointer(f"{at}/{member}")
                _, result[member] = self._object(names, result[member], f"{at}/{member}", where, table, None, False)
        node = result.get("fallback_action")
        if isinstance(node, dict):
            path = f"{at}/fallback_action"
            inner, result["fallback_action"] = self._object(names, node, path, self.pointer(path), _ACTION, "Action", False)
            self._inner(inner, result["fallback_action"], path)

    def _object(self, names, document, at, where, table, kind, needs_type):
        names, members, keys = names.members(document, where, self.problems)
        result, snakes = {}, set(table.values())
        type_key = keys.get("@type", "@type")
        if kind and "@type" in members:
            if names.type_of(members["@type"]) != kind:
                self.problems.append(violation(f"{where}/{escape_token(type_key)}", "enum", f"must be OpenAction:{kind}"))
        elif needs_type:
            self.problems.append(violation(where, "required", f"@type is missing; it must be OpenAction:{kind}"))
        for name, value in members.items():
            if name == "@type" and kind:
                continue
            if name in snakes:
                self.problems.append(violation(f"{where}/{escape_token(keys[name])}", "mixed_spelling", "this document is written in camelCase"))
                continue
            snake = table.get(name, name)
            result[snake] = value
            if keys[name] != snake:
                self.original[f"{at}/{escape_token(snake)}"] = keys[name]
        return names, result

    def pointer(self, pointer):
        """A pointer into the snake_case form as one into the document as it was sent."""
        at, out = "", ""
        for token in pointer.split("/")[1:]:
            at += "/" + token
            out += "/" + (escape_token(self.original[at]) if at in self.original else token)
        return out


def _mixed_in_snake(document, problems):
    """Members of a snake_case document that are written in the other spelling, or by another name of the vocabulary."""
    names = Names()

    def look(part, pointer, table, typed):
        if not isinstance(part, dict):
            return
        for key in part:
            bare = names.bare(key)
            if bare in table or bare != key or (typed and key == "@type"):
                problems.append(violation(f"{pointer}/{escape_token(key)}", "mixed_spelling", "this document is written in snake_case"))

    def action(part, pointer, declared=True):
        # A fallback is a node, which may say so in either spelling.
        look(part, pointer, _ACTION, declared)
        if isinstance(part, dict):
            look(part.get("access_control"), pointer + "/access_control", _ACCESS, False)
            look(part.get("limits"), pointer + "/limits", _LIMITS, False)
            if isinstance(part.get("fallback_action"), dict):
                action(part["fallback_action"], pointer + "/fallback_action", False)

    look(document, "", _MANIFEST, False)
    for i, part in enumerate(document["actions"] if isinstance(document.get("actions"), list) else []):
        action(part, f"/actions/{i}")
    for i, part in enumerate(document["intents"] if isinstance(document.get("intents"), list) else []):
        look(part, f"/intents/{i}", _INTENT, True)


# --- the rules ----------------------------------------------------------------------------------------------------------


class _Checker:
    """Collects every violation of a snake_case document, and what lies outside the declared profiles."""

    def __init__(self, document, problems):
        self.document, self.problems, self.foreign, self.other_version = document, problems, [], []
        self.schemas = {}

    def bad(self, pointer, rule, message):
        self.problems.append(violation(pointer, rule, message))

    def member(self, parent, pointer, name, kind, required=False):
        """The member if it is there and of its type; reports otherwise and gives None."""
        if name not in parent:
            if required:
                self.bad(pointer, "required", f"{name} is missing")
            return None
        value, at = parent[name], f"{pointer}/{escape_token(name)}"
        fits = {"string": lambda: isinstance(value, str), "object": lambda: isinstance(value, dict), "array": lambda: isinstance(value, list),
                "boolean": lambda: isinstance(value, bool),
                "integer": lambda: not isinstance(value, bool) and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))}
        if not fits[kind]():
            self.bad(at, "type", f"must be of type {kind}")
            return None
        return value

    def name(self, parent, pointer, required=True):
        name = self.member(parent, pointer, "name", "string", required)
        if name is not None and not NAME.fullmatch(name):
            self.bad(pointer + "/name", "pattern", f"must match {NAME.pattern}")
        return name

    def manifest(self):
        doc = self.document
        self.name(doc, "")
        version = self.member(doc, "", "version", "string", True)
        if version is not None and not VERSION.fullmatch(version):
            self.bad("/version", "invalid_version", "must be MAJOR.MINOR.PATCH with an optional pre-release, or MAJOR.MINOR")
        self.member(doc, "", "description", "string")
        protocol = self.member(doc, "", "protocol_version", "string")
        if protocol is not None:
            major = protocol_major(protocol)
            if major is None:
                self.bad("/protocol_version", "pattern", "must be MAJOR.MINOR")
            elif major != 2:
                self.other_version.append(violation("/protocol_version", "unsupported_protocol_version", "only version 2 is spoken here"))
        actions = self.member(doc, "", "actions", "array", True)
        names = {}
        if actions is not None:
            if not actions:
                self.bad("/actions", "minItems", "a manifest has at least one action")
            if len(actions) > 1000:
                self.bad("/actions", "maxItems", "a manifest has at most 1000 actions")
            for i, action in enumerate(actions[:1000]):
                if isinstance(action, dict):
                    self.unique(names, self.action(action, f"/actions/{i}"), f"/actions/{i}")
                else:
                    self.bad(f"/actions/{i}", "type", "an action is an object")
            self.fallbacks(actions[:1000], names)
        self.intents(names)

    def unique(self, names, name, pointer):
        if isinstance(name, str):
            if name in names:
                self.bad(pointer + "/name", "duplicate_name", f"the name is already that of {names[name]}")
            names.setdefault(name, pointer)

    def action(self, action, at):
        name = self.name(action, at)
        kind = self.member(action, at, "type", "string", True)
        if kind is not None and kind not in TYPES:
            self.bad(at + "/type", "enum", "must be one of " + ", ".join(TYPES))
        elif kind is not None and TYPES[kind] and TYPES[kind] not in PROFILES:
            self.foreign.append(violation(at + "/type", "profile_not_supported", f"{kind} needs the profile {TYPES[kind]}"))
        self.member(action, at, "description", "string")
        for member in ("input_schema", "output_schema"):
            self.schema(action, at, member)
        self.member(action, at, "completes_goal", "boolean")
        if self.member(action, at, "feature_flag", "string") == "":
            self.bad(at + "/feature_flag", "minLength", "must not be empty")
        for i, effect in enumerate(self.member(action, at, "effects", "array") or []):
            if effect not in ("read", "write", "cost", "critical"):
                self.bad(f"{at}/effects/{i}", "enum", "must be read, write, cost or critical")
        self.result_path(action, at)
        prompt = self.member(action, at, "prompt", "string", kind == "human_intervention")
        if prompt == "":
            self.bad(at + "/prompt", "minLength", "must not be empty")
        elif prompt and kind == "human_intervention":
            self.template(prompt, at + "/prompt")
        reference = self.member(action, at, "plugin_reference", "string")
        if reference is not None and not PLUGIN.fullmatch(reference):
            self.bad(at + "/plugin_reference", "pattern", "must be a dotted name of at most 128 characters")
        self.conditional(action, at)
        self.access(action, at)
        self.api(action, at, kind == "invoke_api")
        return name

    def access(self, part, at):
        if "access_control" in part and "access" not in PROFILES:
            self.foreign.append(violation(at + "/access_control", "profile_not_supported", "access_control needs the profile access"))

    def schema(self, action, at, member):
        if member not in action:
            self.bad(at, "required", f"{member} is missing")
        elif not isinstance(action[member], (dict, bool)):
            self.bad(f"{at}/{member}", "type", "a schema is an object or a boolean")
        else:
            try:
                self.schemas[at, member] = Schema(action[member])
            except SchemaError as error:
                for v in error.violations:
                    self.bad(f"{at}/{member}{v['pointer']}", v["rule"], v["message"])

    def conditional(self, part, at):
        text = self.member(part, at, "conditional", "string")
        if text is not None:
            try:
                expressions.parse_expression(text)
            except expressions.ExpressionError as error:
                self.bad(at + "/conditional", "invalid_expression", f"does not parse: {error.reason} at byte {error.offset}")

    def template(self, value, at):
        for path, error in expressions.template_errors(value):
            where = at + "".join("/" + escape_token(p) for p in path)
            self.bad(where, "invalid_template", f"does not parse: {error.reason} at byte {error.offset}")

    def pointer(self, text, at):
        tokens = pointer_tokens(text)
        if tokens is None:
            self.bad(at, "invalid_pointer", "must be a JSON Pointer")
        return tokens

    def overlaps(self, targets, at):
        seen = []
        for key, tokens in targets:
            if any(tokens[: len(o)] == o or o[: len(tokens)] == tokens for o in seen):
                self.bad(f"{at}/{escape_token(key)}", "overlapping_targets", "overlaps with another target")
            seen.append(tokens)

    def result_path(self, action, at):
        if "result_path" not in action:
            return
        value, at = action["result_path"], at + "/result_path"
        targets = []
        if isinstance(value, str):
            entries = [(value, None, at)]
        elif isinstance(value, dict):
            if not value:
                self.bad(at, "minProperties", "names no target")
            entries = [(key, source, f"{at}/{escape_token(key)}") for key, source in value.items()]
        else:
            self.bad(at, "type", "must be a string or an object")
            return
        for key, source, where in entries:
            tokens = self.pointer(key, where)
            if tokens is not None:
                if len(tokens) < 2 or tokens[0] != "environment":
                    self.bad(where, "outside_environment", "must lie below /environment/")
                else:
                    targets.append((key, tokens))
            if isinstance(value, dict):
                if not isinstance(source, str):
                    self.bad(where, "type", "a source is a JSON Pointer")
                else:
                    self.pointer(source, where)
        self.overlaps(targets, at)

    def api(self, action, at, required):
        endpoint = self.member(action, at, "endpoint", "string", required)
        if endpoint == "":
            self.bad(at + "/endpoint", "minLength", "must not be empty")
        elif endpoint is not None:
            if self.variables(endpoint, at + "/endpoint") and not valid_endpoint(endpoint):
                self.bad(at + "/endpoint", "invalid_url", "must be an absolute http or https URL without user information and fragment")
        method = self.member(action, at, "method", "string", required)
        if method is not None and method not in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            self.bad(at + "/method", "enum", "must be GET, POST, PUT, PATCH or DELETE")
        auth = self.member(action, at, "auth", "string")
        if auth is not None:
            self.header_value(auth, at + "/auth")
        timeout = self.member(action, at, "timeout_ms", "integer")
        if timeout is not None and timeout < 1:
            self.bad(at + "/timeout_ms", "minimum", "must be at least 1")
        if timeout is not None and timeout > 600_000:
            self.bad(at + "/timeout_ms", "maximum", "must be at most 600000")
        self.headers(action, at, auth is not None)
        for member in ("request_map", "response_map"):
            self.map(action, at, member)

    def variables(self, text, at):
        if "${" in VARIABLE.sub("", text):
            self.bad(at, "invalid_variable", "a ${ must begin a reference ${NAME}")
            return False
        return True

    def header_value(self, text, at):
        self.variables(text, at)
        if not re.fullmatch(r"[\x20-\x7e]+", text):
            self.bad(at, "invalid_header", "must be printable ASCII, and not empty")

    def headers(self, action, at, has_auth):
        seen = set()
        for name, value in (self.member(action, at, "headers", "object") or {}).items():
            where, lower = f"{at}/headers/{escape_token(name)}", name.lower()
            if not _FIELD_NAME.fullmatch(name):
                self.bad(where, "invalid_header", "is no HTTP field name")
            elif lower in _CONNECTION_HEADERS or lower.startswith("proxy-") or (lower == "authorization" and has_auth):
                self.bad(where, "forbidden_header", "cannot be declared")
            if lower in seen:
                self.bad(where, "duplicate_header", "stands twice")
            seen.add(lower)
            if not isinstance(value, str):
                self.bad(where, "type", "a header is a string")
            elif value:
                self.header_value(value, where)

    def map(self, action, at, member):
        entries, targets = self.member(action, at, member, "object"), []
        if entries is None:
            return
        if not entries:
            self.bad(f"{at}/{member}", "minProperties", "maps nothing")
        for target, source in entries.items():
            where = f"{at}/{member}/{escape_token(target)}"
            tokens = self.pointer(target, where)
            if tokens is not None:
                targets.append((target, tokens))
            if isinstance(source, str):
                self.pointer(source, where)
            elif not isinstance(source, dict):
                self.bad(where, "type", "a source is a JSON Pointer or a constant")
            elif set(source) != {"const"}:
                self.bad(where, "invalid_source", "a constant has the member const and no other")
        self.overlaps(targets, f"{at}/{member}")

    def fallbacks(self, actions, names):
        edges = {}
        for i, action in enumerate(actions):
            if not isinstance(action, dict) or "fallback_action" not in action:
                continue
            fallback, at = action["fallback_action"], f"/actions/{i}/fallback_action"
            target, where = fallback, at
            if isinstance(fallback, dict):
                target, where = self.fallback_node(fallback, at), at + "/name"
            elif not isinstance(fallback, str):
                self.bad(at, "type", "must be a name or a node")
                continue
            if isinstance(target, str):
                if target not in names:
                    self.bad(where, "unknown_action", "there is no action of this name")
                elif isinstance(action.get("name"), str):
                    edges[action["name"]] = (target, at)
        for start in edges:
            at, seen = start, set()
            while at in edges and at not in seen:
                seen.add(at)
                at = edges[at][0]
                if at == start:
                    self.bad(edges[start][1], "fallback_cycle", "the fallbacks lead back to this action")
                    break

    def fallback_node(self, node, at):
        """The name of the definition that a fallback node uses, or None."""
        name = self.name(node, at, "plugin_reference" not in node)
        reference = self.member(node, at, "plugin_reference", "string")
        if reference is not None and not PLUGIN.fullmatch(reference):
            self.bad(at + "/plugin_reference", "pattern", "must be a dotted name of at most 128 characters")
        given = self.member(node, at, "input", "object")
        if given is not None:
            self.template(given, at + "/input")
        self.conditional(node, at)
        access = node.get("access_control")
        if isinstance(access, dict) and access.get("verification") == "approval":
            self.bad(at + "/access_control/verification", "fallback_needs_approval", "a fallback cannot ask for approval")
        self.access(node, at)
        return name if reference is None else None  # with a plugin the name is a label

    def intents(self, actions):
        names = {}
        intents = self.member(self.document, "", "intents", "array") or []
        if len(intents) > 1000:
            self.bad("/intents", "maxItems", "a manifest has at most 1000 intents")
        for i, intent in enumerate(intents[:1000]):
            at = f"/intents/{i}"
            if not isinstance(intent, dict):
                self.bad(at, "type", "an intent is an object")
                continue
            self.unique(names, self.name(intent, at), at)
            self.member(intent, at, "description", "string")
            self.access(intent, at)
            listed = self.member(intent, at, "actions", "array", True)
            if listed == []:
                self.bad(at + "/actions", "minItems", "an intent has at least one action")
            for j, name in enumerate(listed or []):
                if not isinstance(name, str):
                    self.bad(f"{at}/actions/{j}", "type", "a name of an action is a string")
                elif name not in actions:
                    self.bad(f"{at}/actions/{j}", "unknown_action", "there is no action of this name")


def valid_endpoint(endpoint):
    """An absolute http or https URL, references standing for any text."""
    # A reference at the very beginning may hold scheme and host; this is how plugins write their origin.
    text = VARIABLE.sub(lambda m: "http://variable" if m.start() == 0 else "1", endpoint)
    if not re.fullmatch(r"[\x21-\x7e]+", text) or re.search(r'[<>"{}|\\^`]', text):
        return False
    try:
        parts = urlsplit(text)
        parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc and "#" not in text


class Manifest:
    """An accepted manifest in its snake_case form, with its schemas compiled."""

    def __init__(self, document, schemas):
        self.document, self.name = document, document["name"]
        self.version = full_version(document["version"])
        self.digest = "sha256:" + hashlib.sha256(canonical(document).encode("utf-8")).hexdigest()
        self.actions = {}
        for i, action in enumerate(document["actions"]):
            self.actions[action["name"]] = Action(action, schemas[f"/actions/{i}", "input_schema"], schemas[f"/actions/{i}", "output_schema"])
        self.intents = {intent["name"]: set(intent["actions"]) for intent in document.get("intents", [])}

    def identity(self):
        return {"name": self.name, "version": self.version, "digest": self.digest}


class Action:
    """A definition, or a plugin's descriptor, with its compiled schemas."""

    def __init__(self, document, input_schema, output_schema):
        self.document, self.name, self.type = document, document["name"], document["type"]
        self.input_schema, self.output_schema = input_schema, output_schema
        text = document.get("conditional")
        self.conditional = expressions.parse_expression(text) if text is not None else None

    def get(self, member, default=None):
        return self.document.get(member, default)

    @property
    def plugin(self):
        """The plugin that a definition of this type is bound to."""
        return self.document.get("plugin_reference", self.name) if self.type == "plugin" else None


def read_manifest(document):
    """A Manifest, or the ApiError with which the document is refused."""
    problems = []
    if not isinstance(document, dict):
        raise _refusal("manifest_invalid", [violation("", "type", "a manifest is an object")])
    names = Names()
    if "@context" in document:
        names = names.enter(document["@context"], "/@context", [])
    pointer = None
    if any(names.bare(key) == "@type" for key in document):
        normaliser = _Normaliser(problems)
        document, pointer = normaliser.manifest(document), normaliser.pointer
    else:
        _mixed_in_snake(document, problems)
    checker = _Checker(document, [])
    checker.manifest()

    def original(found):
        return [violation(pointer(v["pointer"]), v["rule"], v["message"]) for v in found] if pointer else found

    problems += original(checker.problems)
    if problems:
        raise _refusal("manifest_invalid", problems + original(checker.other_version))
    if checker.other_version:
        raise _refusal("unsupported_protocol_version", original(checker.other_version))
    if checker.foreign:
        raise _refusal("profile_not_supported", original(checker.foreign))
    return Manifest(document, checker.schemas)


def _refusal(code, violations):
    what = {"manifest_invalid": "the manifest has {} violations", "unsupported_protocol_version": "the manifest speaks another protocol version",
            "profile_not_supported": "the manifest uses {} members of profiles that are not offered here"}[code]
    return ApiError(code, what.format(len(violations)), {"violations": violations[:MAX_VIOLATIONS]})


# --- the registry -------------------------------------------------------------------------------------------------------


class Registry:
    MAX_MANIFESTS = 20_000

    def __init__(self):
        self._by_name = {}

    def register(self, manifest):
        """True if it is new, False if the very same was there already."""
        versions = self._by_name.setdefault(manifest.name, {})
        known = versions.get(manifest.version)
        if known is None:
            if sum(map(len, self._by_name.values())) >= self.MAX_MANIFESTS:
                raise ApiError("capacity_exceeded", "no more manifests can be registered")
            versions[manifest.version] = manifest
            return True
        if known.digest != manifest.digest:
            raise ApiError("manifest_conflict", "this name and version is taken by another manifest")
        return False

    def all(self):
        return [manifest for versions in self._by_name.values() for manifest in versions.values()]

    def exact(self, reference):
        name, at, version = reference.partition("@")
        manifest = self._by_name.get(name, {}).get(full_version(version) if at else None)
        if manifest is None:
            raise ApiError("manifest_not_found", "no registered manifest has this name and version")
        return manifest

    def delete(self, reference):
        manifest = self.exact(reference)
        del self._by_name[manifest.name][manifest.version]
        if not self._by_name[manifest.name]:
            del self._by_name[manifest.name]
        return manifest

    def select(self, body):
        """The manifest that a request means (registration.md 5)."""
        if "manifest" not in body:
            if len(self._by_name) != 1:
                raise ApiError("manifest_required", "the request has to name its manifest")
            return self._highest(next(iter(self._by_name)))
        reference = check_reference(body["manifest"])
        return self.exact(reference) if "@" in reference else self._highest(reference)

    def _highest(self, name):
        versions = self._by_name.get(name)
        if not versions:
            raise ApiError("manifest_not_found", "no registered manifest has this name")
        releases = [v for v in versions if "-" not in v]
        return versions[max(releases or versions, key=precedence)]


def check_reference(reference):
    """The reference, if it is a string of one of the two forms."""
    if isinstance(reference, str):
        name, at, version = reference.partition("@")
        if NAME.fullmatch(name) and (not at or VERSION.fullmatch(version)):
            return reference
    raise ApiError("invalid_request", "manifest must be name or name@version",
                   {"violations": [violation("/manifest", "pattern", "must be name or name@version")]})

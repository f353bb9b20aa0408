"""JSON Schema as spec/schemas.md wants it: five dialects, formats asserted, references within the schema only, bounded cost."""

import ipaddress
import re
import types
from fractions import Fraction
from itertools import islice
from urllib.parse import unquote

import regex
from jsonschema import _keywords, _legacy_keywords, _utils
from jsonschema import Draft4Validator, Draft6Validator, Draft7Validator, Draft201909Validator, Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from jsonschema_specifications import REGISTRY

from .errors import violation
from .jsontext import canonical, dumps, is_date_time, pointer_tokens, resolve, to_pointer
from .patterns import PatternError, translate

MAX_VIOLATIONS, MAX_SUBSCHEMAS, MAX_IN_PLACE = 100, 10_000, 32

# --- formats ----------------------------------------------------------------------------------------------------------

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOSTNAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL = re.compile(rf'(?:{_ATOM}(?:\.{_ATOM})*|"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\[\x20-\x7e])*")')
_PCT = r"%[0-9A-Fa-f]{2}"
_PCHAR = rf"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|{_PCT})"
_URI = re.compile(
    rf"[A-Za-z][A-Za-z0-9+.-]*:(?://(?:(?:[A-Za-z0-9._~!$&'()*+,;=:-]|{_PCT})*@)?"
    rf"(?:\[[0-9A-Fa-f:.]+\]|\[v[0-9A-Fa-f]+\.[A-Za-z0-9._~!$&'()*+,;=:-]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|{_PCT})*)(?::[0-9]*)?(?:/{_PCHAR}*)*"
    rf"|(?!//)(?:{_PCHAR}|/)*)(?:\?(?:{_PCHAR}|[/?])*)?(?:\#(?:{_PCHAR}|[/?])*)?"
)
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\.(?!\Z)|\Z)){4}")


def _is_ipv6(text):
    try:
        return "%" not in text and bool(ipaddress.IPv6Address(text))
    except ValueError:
        return False


def _is_email(text):
    local, at, domain = text.rpartition("@")
    if not at or len(local) > 64 or not _LOCAL.fullmatch(local):
        return False
    if domain.startswith("[") and domain.endswith("]"):
        literal = domain[1:-1]
        return bool(_IPV4.fullmatch(literal)) or (literal[:5].lower() == "ipv6:" and _is_ipv6(literal[5:]))
    return bool(_HOSTNAME.fullmatch(domain))


FORMATS = {
    "email": _is_email,
    "date-time": is_date_time,
    "date": lambda s: bool(re.fullmatch(r"[0-9-]{10}", s)) and is_date_time(s + "T00:00:00Z"),
    "time": lambda s: bool(re.fullmatch(r"[0-9]{2}:.*", s, re.S)) and is_date_time("2000-01-15T" + s),
    "uri": lambda s: bool(_URI.fullmatch(s)),
    "uuid": lambda s: bool(_UUID.fullmatch(s)),
    "ipv4": lambda s: bool(_IPV4.fullmatch(s)),
    "ipv6": _is_ipv6,
    "hostname": lambda s: bool(_HOSTNAME.fullmatch(s)),
}
_CHECKER = FormatChecker(formats=())
for _name, _check in FORMATS.items():
    _CHECKER.checks(_name)(lambda value, check=_check: not isinstance(value, str) or check(value))

# --- bounded regular expressions ---------------------------------------------------------------------------------------
# Whoever writes a manifest chooses the pattern, and a stranger the text: together they can keep a backtracking matcher busy
# for ever. The library calls `re.search`, which has no time limit; `regex` has one, so it takes its place there.

PATTERN_SECONDS = 0.5


def _bounded_search(pattern, text):
    return regex.search(pattern, text, timeout=PATTERN_SECONDS)


_keywords.re = _legacy_keywords.re = _utils.re = types.SimpleNamespace(search=_bounded_search)

# --- keywords for which the library is too slow or not exact ----------------------------------------------------------


def _unique_items(validator, unique, instance, schema):
    if unique and validator.is_type(instance, "array") and len({canonical(e) for e in instance}) != len(instance):
        yield ValidationError("elements are not unique")


def _multiple_of(validator, divisor, instance, schema):
    if validator.is_type(instance, "number") and Fraction(str(instance)) % Fraction(str(divisor)):
        yield ValidationError(f"not a multiple of {divisor}")


def _is_integer(checker, value):
    return not isinstance(value, bool) and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))


def _dialect(base):
    return extend(base, {"uniqueItems": _unique_items, "multipleOf": _multiple_of}, type_checker=base.TYPE_CHECKER.redefine("integer", _is_integer))


_DIALECTS = {
    "http://json-schema.org/draft-04/schema": _dialect(Draft4Validator),
    "http://json-schema.org/draft-06/schema": _dialect(Draft6Validator),
    "http://json-schema.org/draft-07/schema": _dialect(Draft7Validator),
    "https://json-schema.org/draft/2019-09/schema": _dialect(Draft201909Validator),
    "https://json-schema.org/draft/2020-12/schema": _dialect(Draft202012Validator),
}
_DEFAULT = "https://json-schema.org/draft/2020-12/schema"
_LEGACY = {uri for uri in _DIALECTS if "draft-0" in uri}
_SINGLE = {"additionalItems", "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames",
           "then", "unevaluatedItems", "unevaluatedProperties"}
_LISTS = {"allOf", "anyOf", "oneOf", "items", "prefixItems"}
_MAPS = {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"}
_IN_PLACE = {"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "dependencies"}
_DEFINITIONS = {"$defs", "definitions"}


class SchemaError(Exception):
    """A schema that cannot be used; `violations` have pointers into it."""

    def __init__(self, violations):
        super().__init__("invalid schema")
        self.violations = violations


def _children(schema):
    """(keyword, pointer tokens, subschema) of each part of a schema object that is a schema itself."""
    for keyword, value in schema.items():
        if keyword in _SINGLE and isinstance(value, (dict, bool)):
            yield keyword, (keyword,), value
        if keyword in _LISTS and isinstance(value, list):
            for index, part in enumerate(value):
                yield keyword, (keyword, index), part
        if keyword in _MAPS and isinstance(value, dict):
            for name, part in value.items():
                if isinstance(part, (dict, bool)):
                    yield keyword, (keyword, name), part


def _subschemas(schema):
    """How many subschemas stand in it; stops counting beyond the limit."""
    count, waiting = 0, [schema]
    while waiting and count <= MAX_SUBSCHEMAS:
        part = waiting.pop()
        count += 1
        if isinstance(part, dict):
            waiting.extend(child for _, _, child in _children(part))
    return count


class _Inspection:
    """Looks at a schema's references, patterns and cost before it is used."""

    def __init__(self, root, dialect):
        self.root, self.dialect = root, dialect
        self.id_keyword = "id" if "draft-04" in dialect else "$id"
        self.problems, self.seen, self.targets, self.anchors = [], {}, {}, {}
        own = root.get(self.id_keyword)
        self.own_id = own.partition("#")[0] if isinstance(own, str) else None
        self._find_anchors(root, ())
        self._visit(root, (), False)
        if not self.problems:
            self._cost()

    def _problem(self, path, rule, message):
        self.problems.append(violation(to_pointer(path), rule, message))

    def _find_anchors(self, schema, path):
        if not isinstance(schema, dict):
            return
        for keyword in ("$anchor", "$dynamicAnchor"):
            if isinstance(schema.get(keyword), str):
                self.anchors[schema[keyword]] = (path, schema)
        own = schema.get(self.id_keyword)
        if isinstance(own, str) and own.startswith("#"):
            self.anchors[own[1:]] = (path, schema)
        for _, tokens, part in _children(schema):
            self._find_anchors(part, (*path, *tokens))

    def _visit(self, schema, path, foreign):
        if not isinstance(schema, dict) or id(schema) in self.seen:
            return
        self.seen[id(schema)] = path
        own = schema.get(self.id_keyword)
        foreign = foreign or (bool(path) and isinstance(own, str) and not own.startswith("#"))
        for keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
            if isinstance(schema.get(keyword), str):
                self._reference(schema, keyword, path, foreign)
        if isinstance(schema.get("pattern"), str):
            self._pattern(schema["pattern"], (*path, "pattern"))
        if isinstance(schema.get("patternProperties"), dict):
            for pattern in schema["patternProperties"]:
                self._pattern(pattern, (*path, "patternProperties", pattern))
        for _, tokens, part in _children(schema):
            self._visit(part, (*path, *tokens), foreign)

    def _pattern(self, pattern, path):
        try:
            translate(pattern)
        except PatternError as error:
            self._problem(path, "invalid_schema", f"the regular expression cannot be read: {error}")

    def _reference(self, schema, keyword, path, foreign):
        base, _, fragment = schema[keyword].partition("#")
        where = (*path, keyword)
        if base and base in _DIALECTS | dict.fromkeys(_VOCABULARIES):
            return
        if foreign or (base and base != self.own_id):
            self._problem(where, "remote_ref", "a reference must stay within the schema")
            return
        fragment = unquote(fragment)
        if fragment == "" or fragment.startswith("/"):
            tokens = pointer_tokens(fragment)
            found, target = resolve(self.root, tokens) if tokens is not None else (False, None)
            target_path = tuple(tokens or ())
        else:
            found = fragment in self.anchors
            target_path, target = self.anchors.get(fragment, ((), None))
        if not found or not isinstance(target, (dict, bool)):
            self._problem(where, "invalid_schema", "the reference leads to nothing")
            return
        self.targets[id(schema), keyword] = target
        self._visit(target, target_path, False)

    def _in_place(self, schema):
        for keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
            if (id(schema), keyword) in self.targets:
                yield self.targets[id(schema), keyword]
        if "$ref" in schema and self.dialect in _LEGACY:
            return
        for keyword, _, part in _children(schema):
            if keyword in _IN_PLACE:
                yield part

    def _cost(self):
        depths, open_nodes = {}, set()

        def depth(schema):
            if not isinstance(schema, dict):
                return 1
            if id(schema) in open_nodes:
                raise _TooCostly(schema, "the references come back to it without going into the value")
            if id(schema) not in depths:
                open_nodes.add(id(schema))
                depths[id(schema)] = 1 + max((depth(part) for part in self._in_place(schema)), default=0)
                open_nodes.discard(id(schema))
                if depths[id(schema)] > MAX_IN_PLACE + 1:
                    raise _TooCostly(schema, f"more than {MAX_IN_PLACE} subschemas within one another apply to one value")
            return depths[id(schema)]

        total, path = 0, set()

        def count(schema):
            nonlocal total
            total += 1
            if total > MAX_SUBSCHEMAS:
                raise _TooCostly(self.root, f"more than {MAX_SUBSCHEMAS} subschemas")
            if not isinstance(schema, dict) or id(schema) in path:
                return
            path.add(id(schema))
            for keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
                if (id(schema), keyword) in self.targets:
                    count(self.targets[id(schema), keyword])
            for keyword, _, part in _children(schema):
                if keyword not in _DEFINITIONS:
                    count(part)
            path.discard(id(schema))

        try:
            for schema in [self.root, *(t for t in self.targets.values() if isinstance(t, dict))]:
                depth(schema)
            count(self.root)
        except _TooCostly as error:
            self._problem(self.seen.get(id(error.args[0]), ()), "invalid_schema", error.args[1])


class _TooCostly(Exception):
    pass


# The meta-schemas that a reference may lead to, besides those of _DIALECTS.
_VOCABULARIES = [uri for uri in REGISTRY if "/meta/" in uri or uri.endswith("#")]


class Schema:
    """A compiled schema."""

    def __init__(self, document):
        """Compiles, or raises SchemaError with every violation found."""
        self.document = document
        if isinstance(document, bool):
            self._validator = _DIALECTS[_DEFAULT](document, registry=REGISTRY)
            return
        named = document.get("$schema", _DEFAULT)
        uri = named.removesuffix("#") if isinstance(named, str) else None
        if uri not in _DIALECTS:
            raise SchemaError([violation("/$schema", "invalid_schema", "no known dialect of JSON Schema")])
        dialect = _DIALECTS[uri]
        if _subschemas(document) > MAX_SUBSCHEMAS:  # before the meta-schema, which looks at each of them
            raise SchemaError([violation("", "invalid_schema", f"more than {MAX_SUBSCHEMAS} subschemas")])
        meta = type(self)._meta(dialect).iter_errors(document)
        found = {to_pointer(error.absolute_path): error for error in islice(meta, MAX_VIOLATIONS)}
        if found:
            raise SchemaError([violation(p, "invalid_schema", f"breaks {_rule(e)} of the dialect") for p, e in found.items()])
        inspection = _Inspection(document, uri)
        if inspection.problems:
            raise SchemaError(inspection.problems[:MAX_VIOLATIONS])
        prepared = _with_python_patterns(document, inspection.seen)
        self._validator = dialect(prepared, registry=REGISTRY, format_checker=_CHECKER)

    @staticmethod
    def _meta(dialect):
        return dialect(dialect.META_SCHEMA, registry=REGISTRY)

    def violations(self, value, prefix=""):
        """All violations of a value, 100 at most; an empty list if it satisfies the schema."""
        try:
            errors = islice(self._validator.iter_errors(value), MAX_VIOLATIONS)
            return [violation(prefix + to_pointer(e.absolute_path), _rule(e), _message(e)) for e in errors]
        except (RecursionError, TimeoutError):
            return [violation(prefix, "schema", "the value cannot be held against its schema within the bounds")]


def _rule(error):
    return error.validator if isinstance(error.validator, str) else "false"


def _message(error):
    """A sentence without the value itself: it may be long, and is nobody's business in an error."""
    rule, wanted = _rule(error), error.validator_value
    if rule == "required" and isinstance(error.instance, dict) and isinstance(wanted, list):
        return "missing: " + ", ".join(dumps(name) for name in wanted if name not in error.instance)[:300]
    if rule in ("type", "enum", "const", "format") or isinstance(wanted, (int, float)):
        schema = error.schema if isinstance(error.schema, dict) else {}
        return f"must satisfy {rule} {dumps(schema.get(rule, wanted))[:200]}"
    return f"does not satisfy {rule}"


def _with_python_patterns(document, schema_ids):
    """A copy whose regular expressions are Python's; the library reads them with `re`."""

    def walk(node):
        if isinstance(node, list):
            return [walk(part) for part in node]
        if not isinstance(node, dict):
            return node
        result = {name: walk(part) for name, part in node.items()}
        if id(node) in schema_ids:
            if isinstance(node.get("pattern"), str):
                result["pattern"] = translate(node["pattern"])
            if isinstance(node.get("patternProperties"), dict):
                result["patternProperties"] = {}
                for pattern, part in node["patternProperties"].items():
                    text = translate(pattern)
                    while text in result["patternProperties"]:
                        text += "(?:)"
                    result["patternProperties"][text] = walk(part)
        return result

    return walk(document)

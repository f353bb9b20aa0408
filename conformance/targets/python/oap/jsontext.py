"""JSON as the protocol wants it: strict reading, compact and canonical writing, JSON Pointers, dates, equality by value."""

import json
import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal

MIB = 1_048_576
_STRUCTURE = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\Z|\\\Z)|[\[{]|[\]}]', re.S)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class JsonError(Exception):
    """The text cannot be read; `code` is one of malformed_json, invalid_utf8, too_deep, duplicate_key."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code, self.message = code, message


def _check_depth(text, limit):
    # Looked at before the parser runs, so that no text can exhaust its stack.
    if text.count("[") + text.count("{") <= limit:
        return
    depth = 0
    for match in _STRUCTURE.finditer(text):
        char = match.group()[0]
        if char in "[{":
            depth += 1
            if depth > limit:
                raise JsonError("too_deep", f"the text is nested deeper than {limit} levels")
        elif char in "]}":
            depth -= 1


def _integer(text):
    if len(text) > 310:
        raise ValueError("number out of range")
    value = int(text)
    if abs(value) >= 2**1024:
        raise ValueError("number out of range")
    return value


def _double(text):
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("number out of range")
    return value


def _no_constant(name):
    raise ValueError(f"{name} is not JSON")


def parse(data, depth=64, duplicates_allowed=False):
    """Reads one JSON value out of bytes or text, or raises JsonError."""
    if isinstance(data, (bytes, bytearray)):
        try:
            data = bytes(data).decode("utf-8")
        except UnicodeDecodeError:
            raise JsonError("invalid_utf8", "the text is not UTF-8") from None
    _check_depth(data, depth)
    repeated = []

    def members(pairs):
        result = dict(pairs)
        if len(result) != len(pairs) and not repeated:
            seen = set()
            repeated.extend(name for name, _ in pairs if name in seen or seen.add(name))
        return result

    try:
        value = json.loads(data, object_pairs_hook=members, parse_int=_integer, parse_float=_double, parse_constant=_no_constant)
        if _SURROGATE.search(data):
            dumps(value).encode("utf-8")
    except (ValueError, RecursionError):  # UnicodeEncodeError is a ValueError
        raise JsonError("malformed_json", "the text is not one JSON value") from None
    if repeated and not duplicates_allowed:
        raise JsonError("duplicate_key", "an object names a member twice")
    return value


def dumps(value):
    """Compact JSON in the order of the members."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def encode(value):
    return dumps(value).encode("utf-8")


def size(value):
    """Bytes of the compact JSON."""
    return len(encode(value))


def _es_number(number):
    """A double as ECMAScript prints it, which RFC 8785 demands."""
    if number == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    text, point = "".join(map(str, digits)), len(digits) + exponent
    if 0 < point <= 21:
        body = text[:point] + "." + text[point:] if point < len(text) else text + "0" * (point - len(text))
    elif -6 < point <= 0:
        body = "0." + "0" * -point + text
    else:
        e = point - 1
        body = text[0] + ("." + text[1:] if len(text) > 1 else "") + "e" + ("+" if e > 0 else "-") + str(abs(e))
    return ("-" if sign else "") + body


def _number(value, exact):
    if isinstance(value, int) and (-(2**63) <= value < 2**63 if exact else abs(value) <= 2**53):
        return str(value)
    return _es_number(float(value))


def canonical(value, exact_integers=False, visit=None):
    """RFC 8785; with `exact_integers` the compact JSON of expressions. `visit` is told of each element and member."""
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, (int, float)):
        return _number(value, exact_integers)
    parts = []
    if isinstance(value, list):
        for element in value:
            if visit:
                visit()
            parts.append(canonical(element, exact_integers, visit))
        return "[" + ",".join(parts) + "]"
    for name in sorted(value, key=lambda n: n.encode("utf-16-be")):
        if visit:
            visit()
        parts.append(json.dumps(name, ensure_ascii=False) + ":" + canonical(value[name], exact_integers, visit))
    return "{" + ",".join(parts) + "}"


# --- JSON Pointer ----------------------------------------------------------------------------------------------------

_POINTER = re.compile(r"(?:/(?:[^/~]|~[01])*)*")


def pointer_tokens(pointer):
    """The tokens of a JSON Pointer, or None if the text is none."""
    if not _POINTER.fullmatch(pointer):
        return None
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def escape_token(token):
    return str(token).replace("~", "~0").replace("/", "~1")


def to_pointer(path):
    return "".join("/" + escape_token(token) for token in path)


def resolve(value, tokens):
    """(True, value) at the tokens, or (False, None)."""
    for token in tokens:
        if isinstance(value, dict) and token in value:
            value = value[token]
        elif isinstance(value, list) and re.fullmatch(r"0|[1-9][0-9]{0,8}", token) and int(token) < len(value):
            value = value[int(token)]
        else:
            return False, None
    return True, value


# --- dates ------------------------------------------------------------------------------------------------------------

_DATE_TIME = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]+)?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))")


def is_date_time(text):
    """RFC 3339, with a zone, a day and a time that exist; 23:59:60 in UTC may be a leap second."""
    match = _DATE_TIME.fullmatch(text)
    if not match or text[10] == " ":
        return False
    year, month, day, hour, minute, second = (int(g) for g in match.groups()[:6])
    sign, zone_hour, zone_minute = match.groups()[6:]
    if hour > 23 or minute > 59 or second > 60 or (sign and (int(zone_hour) > 23 or int(zone_minute) > 59)):
        return False
    try:
        # The year 0 exists in RFC 3339 but not in Python; it is a leap year, as 2000 is.
        moment = datetime(year or 2000, month, day, hour, minute, min(second, 59))
        if second == 60:
            if sign:
                offset = timedelta(hours=int(zone_hour), minutes=int(zone_minute))
                moment = moment - offset if sign == "+" else moment + offset
            return (moment.hour, moment.minute) == (23, 59)
    except (ValueError, OverflowError):
        return False
    return True


def now():
    """The current time as an RFC 3339 text in UTC with milliseconds."""
    return rfc3339(datetime.now(timezone.utc))


def rfc3339(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"

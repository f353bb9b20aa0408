"""Known secrets are found in every encoding of secrets.md 2.1 and replaced by [REDACTED]; nothing else is touched."""

import base64
import json
import re

from .jsontext import dumps

MARK = "[REDACTED]"
_SHORT_ESCAPES = {"\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t", '"': '"', "\\": "\\", "/": "/"}


def _base64_forms(secret):
    """The characters that depend on the secret alone, at each of the three alignments and in both alphabets."""
    data = secret.encode("utf-8")
    for lead, start in ((0, 0), (1, 2), (2, 3)):
        text = base64.b64encode(b"\0" * lead + data).decode("ascii")[start : 8 * (lead + len(data)) // 6]
        yield text
        yield text.replace("+", "-").replace("/", "_")


def _percent_pattern(secret):
    parts = []
    for byte in secret.encode("utf-8"):
        char = chr(byte)
        coded = "%" + "".join(f"[{d}{d.lower()}]" if d.isalpha() else d for d in f"{byte:02X}")
        if byte < 128 and (char.isalnum() or char in "-._"):
            parts.append(re.escape(char))
        elif char == " ":
            parts.append(rf"(?:\+|{coded})")
        elif char in "~*":  # a form leaves the star and encodes the tilde, RFC 3986 the other way round
            parts.append(rf"(?:{re.escape(char)}|{coded})")
        else:
            parts.append(coded)
    return re.compile("".join(parts))


def _escaped_pattern(secret):
    """The secret inside a JSON string, however its characters are escaped there."""
    parts = []
    for char in secret:
        units = char.encode("utf-16-be")
        long_form = "".join(rf"\\u(?i:{units[i]:02x}{units[i + 1]:02x})" for i in range(0, len(units), 2))
        forms = [long_form]
        if char in _SHORT_ESCAPES:
            forms.append(re.escape("\\" + _SHORT_ESCAPES[char]))
        if char not in '"\\' and ord(char) >= 32:
            forms.append(re.escape(char))
        parts.append("(?:" + "|".join(forms) + ")")
    return re.compile("".join(parts))


class Redactor:
    def __init__(self, secrets):
        literals, self._percent, self._escaped = set(), [], []
        for secret in secrets:
            literals.add(secret)
            literals.add(json.dumps(secret, ensure_ascii=False)[1:-1])
            literals.update(_base64_forms(secret))
            self._percent.append(_percent_pattern(secret))
            self._escaped.append(_escaped_pattern(secret))
        # The longest first: a shorter find within a longer one would leave the rest of it.
        self._literals = sorted((t for t in literals if t), key=len, reverse=True)
        # The same texts as they stand in compact JSON, to see quickly that a whole value is clean.
        self._probes = [json.dumps(t, ensure_ascii=False)[1:-1] for t in self._literals]

    def text(self, text):
        for literal in self._literals:
            if literal in text:
                text = text.replace(literal, MARK)
        if "%" in text:
            for pattern in self._percent:
                text = pattern.sub(MARK, text)
        if "\\" in text:
            for pattern in self._escaped:
                text = pattern.sub(MARK, text)
        return text

    def value(self, value):
        """The value with every string and member name redacted."""
        if isinstance(value, str):
            return self.text(value)
        if not isinstance(value, (dict, list)):
            return value
        text = dumps(value)
        if "%" not in text and "\\\\" not in text and not any(probe in text for probe in self._probes):
            return value
        return self._walk(value)

    def _walk(self, value):
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self._walk(element) for element in value]
        if isinstance(value, dict):
            return {self.text(name): self._walk(member) for name, member in value.items()}
        return value

"""Regular expressions of ECMA-262 (`pattern`), translated into those of Python's `re`, without any flags."""

import functools
import re
import sys
import unicodedata

_SPACES = "\t\n\x0b\x0c\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_SPACES_NEGATED = "\x00-\x08\x0e-\x1f!-\x9f\xa1-\u167f\u1681-\u1fff\u200b-\u2027\u202a-\u202e\u2030-\u205e\u2060-\u2fff\u3001-\ufefe\uff00-\U0010ffff"
_CLASSES = {
    "d": "0-9", "D": "\x00-/:-\U0010ffff", "w": "A-Za-z0-9_", "W": "\x00-/:-@\\[-\\^`{-\U0010ffff",
    "s": _SPACES, "S": _SPACES_NEGATED,
}
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "v": "\x0b", "f": "\x0c", "0": "\0"}
_WORD = "[A-Za-z0-9_]"
_BOUNDARY = f"(?:(?<={_WORD})(?!{_WORD})|(?<!{_WORD})(?={_WORD}))"
_NO_BOUNDARY = f"(?:(?<={_WORD})(?={_WORD})|(?<!{_WORD})(?!{_WORD}))"
_LONG_NAMES = {"Letter": "L", "Lowercase_Letter": "Ll", "Uppercase_Letter": "Lu", "Number": "N", "Decimal_Number": "Nd",
               "Punctuation": "P", "Symbol": "S", "Separator": "Z", "Mark": "M", "Other": "C", "Alphabetic": "L",
               "Lowercase": "Ll", "Uppercase": "Lu"}


class PatternError(ValueError):
    pass


@functools.lru_cache(maxsize=64)
def _category(name):
    """The code points of a general category, as the inside of a class."""
    name = _LONG_NAMES.get(name, name)
    if not re.fullmatch(r"[LNPSZMC][a-z]?", name):
        raise PatternError(f"unknown property {name}")
    ranges, first = [], None
    for code in range(sys.maxunicode + 2):
        inside = code <= sys.maxunicode and unicodedata.category(chr(code)).startswith(name)
        if inside and first is None:
            first = code
        elif not inside and first is not None:
            ranges.append((first, code - 1))
            first = None
    return ranges


def _ranges_text(ranges):
    return "".join(f"\\U{a:08x}" if a == b else f"\\U{a:08x}-\\U{b:08x}" for a, b in ranges)


class _Translator:
    def __init__(self, source):
        self.source, self.at, self.out = source, 0, []

    def take(self, pattern):
        match = re.compile(pattern).match(self.source, self.at)
        if match:
            self.at = match.end()
        return match

    def translate(self):
        source = self.source
        while self.at < len(source):
            char = source[self.at]
            if char == "\\":
                self.out.append(self.escape())
            elif char == "[":
                self.out.append(self.character_class())
            elif char == "(":
                self.group()
            elif char in "*+?{":
                self.quantifier()
            else:
                self.at += 1
                self.out.append({".": "[^\n\r\u2028\u2029]", "$": r"\Z", "^": "^", "|": "|", ")": ")"}.get(char) or re.escape(char))
        return "".join(self.out)

    def group(self):
        if match := self.take(r"\(\?<([A-Za-z_$][A-Za-z0-9_$]*)>"):
            self.out.append(f"(?P<{match.group(1).replace('$', '_')}>")
        elif match := self.take(r"\(\?(?::|=|!|<=|<!)"):
            self.out.append(match.group())
        elif self.take(r"\((?!\?)"):
            self.out.append("(")
        else:
            raise PatternError("unknown kind of group")

    def quantifier(self):
        match = self.take(r"(?:[*+?]|\{[0-9]+(?:,[0-9]*)?\})\??")
        if not match:  # a brace that begins no quantifier stands for itself
            self.at += 1
            self.out.append(r"\{")
            return
        if self.at < len(self.source) and self.source[self.at] in "*+?":
            raise PatternError("nothing to repeat")
        self.out.append(match.group())

    def code_point(self):
        """\\xHH, \\uHHHH, \\u{…} and \\cX, behind the backslash; None if it is none of them."""
        if match := self.take(r"x([0-9A-Fa-f]{2})|u\{([0-9A-Fa-f]{1,6})\}"):
            return int(match.group(1) or match.group(2), 16)
        if match := self.take(r"u([dD][89abAB][0-9A-Fa-f]{2})\\u([dD][c-fC-F][0-9A-Fa-f]{2})"):
            high, low = (int(g, 16) for g in match.groups())
            return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)
        if match := self.take(r"u([0-9A-Fa-f]{4})"):
            return int(match.group(1), 16)
        if match := self.take(r"c([A-Za-z])"):
            return ord(match.group(1)) % 32
        return None

    def single(self):
        """One escaped character, as text for either place."""
        code = self.code_point()
        if code is None:
            char = self.source[self.at]
            self.at += 1
            code = ord(_CONTROLS.get(char, char))
        if code > sys.maxunicode:
            raise PatternError("no such code point")
        return f"\\U{code:08x}"

    def set_escape(self):
        """\\d, \\w, \\s, \\p{…} and their opposites as the inside of a class, or None."""
        if match := self.take(r"[dDwWsS]"):
            return _CLASSES[match.group()]
        if match := self.take(r"([pP])\{(?:(?:General_Category|gc)=)?([A-Za-z_]+)\}"):
            ranges = _category(match.group(2))
            if match.group(1) == "P":
                edges = [-1, *(x for r in ranges for x in r), sys.maxunicode + 1]
                ranges = [(edges[i] + 1, edges[i + 1] - 1) for i in range(0, len(edges), 2) if edges[i] + 1 <= edges[i + 1] - 1]
            return _ranges_text(ranges)
        return None

    def escape(self):
        self.at += 1
        if self.at >= len(self.source):
            raise PatternError("a backslash at the end")
        if match := self.take(r"[bB]"):
            return _BOUNDARY if match.group() == "b" else _NO_BOUNDARY
        if match := self.take(r"k<([A-Za-z_$][A-Za-z0-9_$]*)>"):
            return f"(?P={match.group(1).replace('$', '_')})"
        if match := self.take(r"[1-9][0-9]*"):
            return f"(?:\\{match.group()})"
        inside = self.set_escape()
        return f"[{inside}]" if inside is not None else self.single()

    def character_class(self):
        negated = bool(self.take(r"\[\^"))
        if not negated:
            self.at += 1
        parts = []
        while True:
            if self.at >= len(self.source):
                raise PatternError("a class has no end")
            char = self.source[self.at]
            self.at += 1
            if char == "]":
                break
            if char != "\\":
                parts.append("-" if char == "-" else f"\\U{ord(char):08x}")
                continue
            if self.at >= len(self.source):
                raise PatternError("a backslash at the end")
            if self.take("b"):
                parts.append(r"\x08")
                continue
            inside = self.set_escape()
            parts.append(inside if inside is not None else self.single())
        # A minus is a range only between two single characters; elsewhere it stands for itself.
        for i, part in enumerate(parts):
            if part == "-" and not (0 < i < len(parts) - 1 and parts[i - 1].startswith("\\U") and len(parts[i - 1]) == 10
                                    and parts[i + 1].startswith("\\U") and len(parts[i + 1]) == 10
                                    and not (i >= 2 and parts[i - 2] == "-")):
                parts[i] = r"\-"
        if not parts:
            return r"[\s\S]" if negated else "(?!)"
        return ("[^" if negated else "[") + "".join(parts) + "]"


@functools.lru_cache(maxsize=4096)
def translate(source):
    """The same regular expression for Python, or PatternError."""
    text = _Translator(source).translate()
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(str(error)) from None
    return text

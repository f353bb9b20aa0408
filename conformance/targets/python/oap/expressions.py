"""The expression language and templates of spec/expressions.md: a recursive-descent parser and a bounded evaluator."""

import json
import math
import re

from .jsontext import MIB, canonical

MAX_BYTES, MAX_NESTING, MAX_STEPS = 4096, 64, 10_000
MAX_TEXT_WORK, MAX_INPUT_STEPS = 16 * MIB, 1_000_000
ROOTS = ("state", "observation", "input")
_WORDS = {"true": True, "True": True, "false": False, "False": False, "none": None, "None": None, "null": None}
_KEYWORDS = {"or", "and", "not", "in", "is"}
_FILTERS = {"length", "first", "last", "lower", "upper", "trim", "tojson", "default", "join"}
_SPACE = re.compile(r"[ \t\n\r]*")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_SIGNS = ("==", "!=", "<=", ">=", "&&", "||", "<", ">", "+", "-", "*", "/", "%", "(", ")", "[", "]", ".", ",", "|", "!")
_ESCAPES = {"\\": "\\", "'": "'", '"': '"', "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WHITE = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1


class _Undefined:
    def __repr__(self):
        return "undefined"


UNDEFINED = _Undefined()


class ExpressionError(Exception):
    """`reason` is one of syntax, undefined, type, overflow, zero_division, limit; `offset` counts bytes."""

    def __init__(self, reason, offset=0, message=None):
        super().__init__(message or reason)
        self.reason, self.offset = reason, offset

    def details(self):
        return {"reason": self.reason, "offset": self.offset}


# --- parsing ----------------------------------------------------------------------------------------------------------
# A node is a tuple (kind, offset, …). Chains of operators are flat lists, so that their length costs no stack.


class _Parser:
    def __init__(self, text):
        if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
            raise ExpressionError("limit", 0)
        self.text, self.at, self.depth = text, 0, 0
        self._read()

    def byte(self, position):
        return len(self.text[:position].encode("utf-8", "surrogatepass"))

    def fail(self, position=None, reason="syntax"):
        raise ExpressionError(reason, self.byte(self.start if position is None else position))

    def _read(self):
        """Reads the next token: kind, value, start. Lazily, so that the first error from the left is the one told."""
        text = self.text
        self.start = at = _SPACE.match(text, self.at).end()
        if at == len(text):
            self.kind, self.value, self.at = "end", None, at
            return
        char = text[at]
        if match := _WORD.match(text, at):
            self.kind, self.value, self.at = "word", match.group(), match.end()
        elif match := _NUMBER.match(text, at):
            end = match.end()
            if end < len(text) and re.match(r"[A-Za-z0-9_]", text[end]):
                self.fail(end)
            self.kind, self.at = "number", end
            self.value = float(match.group()) if match.group(1) or match.group(2) else int(match.group())
            if self.value == math.inf:
                self.fail()
        elif char in "'\"":
            self._string(char)
        else:
            for sign in _SIGNS:
                if text.startswith(sign, at):
                    self.kind, self.value, self.at = "sign", sign, at + len(sign)
                    return
            self.fail()

    def _string(self, quote):
        text, at, parts = self.text, self.start + 1, []
        while True:
            if at >= len(text):
                self.fail(at)
            char = text[at]
            if char == quote:
                break
            if char < " ":
                self.fail(at)
            if char != "\\":
                parts.append(char)
                at += 1
                continue
            code = text[at + 1 : at + 2]
            if code in _ESCAPES and code:
                parts.append(_ESCAPES[code])
                at += 2
                continue
            unit = self._unit(at)
            end = at + 6
            if 0xD800 <= unit <= 0xDBFF:
                low = self._unit(end) if text.startswith("\\u", end) else 0
                if not 0xDC00 <= low <= 0xDFFF:
                    self.fail(at)
                unit, end = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00), end + 6
            elif 0xDC00 <= unit <= 0xDFFF:
                self.fail(at)
            parts.append(chr(unit))
            at = end
        self.kind, self.value, self.at = "string", "".join(parts), at + 1

    def _unit(self, at):
        match = re.compile(r"\\u([0-9A-Fa-f]{4})").match(self.text, at)
        if not match:
            self.fail(at)
        return int(match.group(1), 16)

    def is_sign(self, *signs):
        return self.kind == "sign" and self.value in signs

    def is_word(self, *words):
        return self.kind == "word" and self.value in words

    def deeper(self):
        self.depth += 1
        if self.depth > MAX_NESTING:
            self.fail(reason="limit")

    def expect(self, sign):
        if not self.is_sign(sign):
            self.fail()
        self._read()

    def whole(self):
        node = self.expression()
        if self.kind != "end":
            self.fail()
        return node

    def _chain(self, kind, operand, words, signs):
        first, rest = operand(), []
        while self.is_word(*words) or self.is_sign(*signs):
            sign, offset = self.value, self.byte(self.start)
            self._read()
            rest.append((sign, offset, operand()))
        return (kind, rest[0][1], first, rest) if rest else first

    def expression(self):
        return self._chain("or", self.conjunction, ("or",), ("||",))

    def conjunction(self):
        return self._chain("and", self.negation, ("and",), ("&&",))

    def negation(self):
        if self.is_word("not") or self.is_sign("!"):
            offset = self.byte(self.start)
            self.deeper()
            self._read()
            operand = self.negation()
            self.depth -= 1
            return ("not", offset, operand)
        return self.comparison()

    def comparison(self):
        left = self.sum()
        operator, offset = None, self.byte(self.start)
        if self.is_sign("==", "!=", "<=", "<", ">=", ">") or self.is_word("in"):
            operator = self.value
        elif self.is_word("not"):
            self._read()
            if not self.is_word("in"):
                self.fail()
            operator = "not in"
        if operator is None:
            return left
        self._read()
        return ("compare", offset, operator, left, self.sum())

    def sum(self):
        return self._chain("arithmetic", self.product, (), ("+", "-"))

    def product(self):
        return self._chain("arithmetic", self.tested, (), ("*", "/", "%"))

    def tested(self):
        operand = self.unary()
        if not self.is_word("is"):
            return operand
        offset, negated = self.byte(self.start), False
        self._read()
        if self.is_word("not"):
            negated = True
            self._read()
        if not self.is_word("defined", "none"):
            self.fail()
        test = self.value
        self._read()
        return ("is", offset, test, negated, operand)

    def unary(self):
        if not self.is_sign("-"):
            return self.filtered()
        offset = self.byte(self.start)
        self._minus_start = self.start
        # A minus before a number literal belongs to it, and does not count as a level.
        at = _SPACE.match(self.text, self.at).end()
        if at < len(self.text) and self.text[at] in "0123456789":
            self._read()
            return self.filtered(negative=True)
        self.deeper()
        self._read()
        operand = self.unary()
        self.depth -= 1
        return ("minus", offset, operand)

    def filtered(self, negative=False):
        if negative:
            value = self._checked_integer(-self.value)
            node = ("literal", self.byte(self.start), value)
            self._read()
        else:
            node = self.path()
        filters = []
        while self.is_sign("|"):
            self._read()
            if self.kind != "word" or self.value not in _FILTERS:
                self.fail()
            name, offset, argument = self.value, self.byte(self.start), None
            self._read()
            if self.is_sign("("):
                self.deeper()
                self._read()
                if name == "default" or (name == "join" and not self.is_sign(")")):
                    argument = self.expression()
                self.expect(")")
                self.depth -= 1
            elif name == "default":
                self.fail()
            filters.append((name, offset, argument))
        return ("filtered", node[1], node, filters) if filters else node

    def _checked_integer(self, value):
        if isinstance(value, int) and not _INT_MIN <= value <= _INT_MAX:
            self.fail()
        return value

    def path(self):
        offset = self.byte(self.start)
        base, name = self.primary()
        parts = []
        while self.is_sign(".", "["):
            part_offset = self.byte(self.start)
            if self.value == ".":
                self._read()
                if self.kind != "word":
                    self.fail()
                parts.append(("." + self.value, self.value, True, part_offset))
                self._read()
                continue
            self.deeper()
            self._read()
            sign = 1
            if self.is_sign("-"):
                sign = -1
                self._read()
                if self.kind != "number":
                    self.fail()
            if self.kind == "number" and isinstance(self.value, int):
                subscript = self._checked_integer(sign * self.value)
            elif self.kind == "string":
                subscript = self.value
            else:
                self.fail()
            parts.append(("[" + json.dumps(subscript, ensure_ascii=False) + "]", subscript, False, part_offset))
            self._read()
            self.expect("]")
            self.depth -= 1
        if not parts:
            return base
        return ("path", offset, base, parts, name and name + "".join(p[0] for p in parts))

    def primary(self):
        offset = self.byte(self.start)
        if self.kind == "word":
            word = self.value
            if word in ROOTS:
                self._read()
                return ("root", offset, word), word
            if word in _WORDS:
                self._read()
                return ("literal", offset, _WORDS[word]), None
            self.fail()
        if self.kind in ("number", "string"):
            value = self._checked_integer(self.value)
            self._read()
            return ("literal", offset, value), None
        if self.is_sign("("):
            self.deeper()
            self._read()
            node = self.expression()
            self.expect(")")
            self.depth -= 1
            return node, None
        if self.is_sign("["):
            self.deeper()
            self._read()
            elements = []
            if not self.is_sign("]"):
                elements.append(self.expression())
                while self.is_sign(","):
                    self._read()
                    elements.append(self.expression())
            self.expect("]")
            self.depth -= 1
            return ("array", offset, elements), None
        self.fail()


def parse_expression(text):
    return _Parser(text).whole()


# --- evaluation -------------------------------------------------------------------------------------------------------


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number(value):
    """Integers of the state beyond 64 bits are doubles."""
    if isinstance(value, int) and not isinstance(value, bool) and not _INT_MIN <= value <= _INT_MAX:
        return float(value)
    return value


def truth(value):
    return value is not UNDEFINED and bool(value)


def _utf8(text):
    return len(text) if text.isascii() else len(text.encode("utf-8"))


def _oversized(value):
    """True if the compact JSON of a value certainly has more than 1 MiB. Looked at before any text is made: a few names of a
    large value make an array that no memory holds as text."""
    total, waiting = 0, [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            total += len(part)
        elif isinstance(part, list):
            total += 1 + len(part)
            waiting.extend(part)
        elif isinstance(part, dict):
            total += 1 + 4 * len(part) + sum(map(len, part))
            waiting.extend(part.values())
        if total > MIB:
            return True
    return False


class Work:
    """What the templates of one input, or one conditional, have used up together."""

    def __init__(self):
        self.steps, self.text = 0, 0


class _Evaluator:
    def __init__(self, roots, work=None):
        self.roots, self.steps, self.undefined = roots, 0, []
        self.work = work or Work()

    def step(self, count=1, offset=0):
        self.steps += count
        self.work.steps += count
        if self.steps > MAX_STEPS or self.work.steps > MAX_INPUT_STEPS:
            raise ExpressionError("limit", offset)

    def made(self, text, offset, bounded=True):
        length = _utf8(text)
        if bounded and length > MIB:
            raise ExpressionError("limit", offset)
        self.weigh(length, offset)
        return text

    def weigh(self, length, offset):
        self.work.text += length
        if self.work.text > MAX_TEXT_WORK:
            raise ExpressionError("limit", offset)

    def result(self, node):
        value = self.evaluate(node)
        if isinstance(value, list) and (_oversized(value) or _utf8(canonical(value, True)) > MIB):
            raise ExpressionError("limit", node[1])
        return value

    def evaluate(self, node):
        return getattr(self, "_" + node[0])(*node[1:])

    def _literal(self, offset, value):
        return value

    def _root(self, offset, name):
        value = self.roots.get(name, UNDEFINED)
        if value is UNDEFINED and name not in self.undefined:
            self.undefined.append(name)
        return value

    def _array(self, offset, elements):
        values = [self.evaluate(element) for element in elements]
        if any(value is UNDEFINED for value in values):
            raise ExpressionError("undefined", offset)
        return values

    def _path(self, offset, base, parts, name):
        if base[0] == "root":
            value = self.roots.get(base[2], UNDEFINED)
        else:
            value = self.evaluate(base)
        for _, key, dotted, part_offset in parts:
            self.step(1, part_offset)
            if isinstance(key, int):
                inside = isinstance(value, list) and -len(value) <= key < len(value)
                value = value[key] if inside else UNDEFINED
            elif isinstance(value, dict) and key in value:
                value = value[key]
            elif dotted and key == "length" and isinstance(value, (list, dict, str)):
                value = len(value)
            else:
                value = UNDEFINED
        if value is UNDEFINED and name and name not in self.undefined:
            self.undefined.append(name)
        return _number(value)

    def _or(self, offset, first, rest):
        self.step(len(rest), offset)
        value = self.evaluate(first)
        for _, _, operand in rest:
            if truth(value):
                return value
            value = self.evaluate(operand)
        return value

    def _and(self, offset, first, rest):
        self.step(len(rest), offset)
        value = self.evaluate(first)
        for _, _, operand in rest:
            if not truth(value):
                return value
            value = self.evaluate(operand)
        return value

    def _not(self, offset, operand):
        self.step(1, offset)
        return not truth(self.evaluate(operand))

    def _is(self, offset, test, negated, operand):
        self.step(1, offset)
        value = self.evaluate(operand)
        return ((value is not UNDEFINED) if test == "defined" else (value is None)) != negated

    def _minus(self, offset, operand):
        self.step(1, offset)
        value = self.evaluate(operand)
        if value is UNDEFINED:
            raise ExpressionError("undefined", offset)
        if not _is_number(value):
            raise ExpressionError("type", offset)
        return self._in_range(-value, offset)

    @staticmethod
    def _in_range(value, offset):
        if isinstance(value, int):
            if not _INT_MIN <= value <= _INT_MAX:
                raise ExpressionError("overflow", offset)
        elif not math.isfinite(value):
            raise ExpressionError("overflow", offset)
        return value

    def _arithmetic(self, offset, first, rest):
        value = self.evaluate(first)
        for sign, at, operand in rest:
            right = self.evaluate(operand)
            self.step(1, at)
            value = self._calculate(sign, value, right, at)
        return value

    def _calculate(self, sign, left, right, offset):
        if left is UNDEFINED or right is UNDEFINED:
            raise ExpressionError("undefined", offset)
        if sign == "+" and isinstance(left, str) and isinstance(right, str):
            if len(left) + len(right) > MIB:
                raise ExpressionError("limit", offset)
            return self.made(left + right, offset)
        if not _is_number(left) or not _is_number(right):
            raise ExpressionError("type", offset)
        if sign == "/" or isinstance(left, float) or isinstance(right, float):
            left, right = float(left), float(right)
        if sign in "/%" and right == 0:
            raise ExpressionError("zero_division", offset)
        if sign == "+":
            value = left + right
        elif sign == "-":
            value = left - right
        elif sign == "*":
            value = left * right
        elif sign == "/":
            value = left / right
        else:
            value = left % right  # Python's remainder takes the sign of the divisor
        return self._in_range(value, offset)

    def equal(self, left, right, offset):
        if left is UNDEFINED or right is UNDEFINED:
            return left is right
        if _is_number(left) and _is_number(right):
            return _number(left) == _number(right)  # Python compares integers and doubles exactly
        if isinstance(left, list) and isinstance(right, list):
            if len(left) != len(right):
                return False
            for a, b in zip(left, right):
                self.step(1, offset)
                if not self.equal(a, b, offset):
                    return False
            return True
        if isinstance(left, dict) and isinstance(right, dict):
            if len(left) != len(right):
                return False
            for name, a in left.items():
                self.step(1, offset)
                if name not in right or not self.equal(a, right[name], offset):
                    return False
            return True
        return type(left) is type(right) and left == right

    def _compare(self, offset, operator, left_node, right_node):
        left, right = self.evaluate(left_node), self.evaluate(right_node)
        self.step(1, offset)
        if operator in ("==", "!="):
            return self.equal(left, right, offset) == (operator == "==")
        if operator in ("in", "not in"):
            return self._contains(left, right, offset) == (operator == "in")
        if left is UNDEFINED or right is UNDEFINED:
            raise ExpressionError("undefined", offset)
        if not (_is_number(left) and _is_number(right)) and not (isinstance(left, str) and isinstance(right, str)):
            raise ExpressionError("type", offset)
        if operator == "<":
            return left < right
        if operator == "<=":
            return left <= right
        return left > right if operator == ">" else left >= right

    def _contains(self, needle, hay, offset):
        if hay is UNDEFINED:
            raise ExpressionError("undefined", offset)
        if isinstance(hay, list):
            for element in hay:
                self.step(1, offset)
                if self.equal(needle, element, offset):
                    return True
            return False
        if isinstance(hay, dict):
            return isinstance(needle, str) and needle in hay
        if isinstance(hay, str) and isinstance(needle, str):
            self.weigh(len(hay) // 16, offset)
            return needle in hay
        raise ExpressionError("type", offset)

    def _filtered(self, offset, base, filters):
        value = self.evaluate(base)
        for name, at, argument_node in filters:
            argument = self.evaluate(argument_node) if argument_node is not None else ""
            self.step(1, at)
            value = self._filter(name, value, argument, at)
        return value

    def _filter(self, name, value, argument, offset):
        if name == "default":
            return argument if value is UNDEFINED else value
        if value is UNDEFINED:
            raise ExpressionError("undefined", offset)
        if name == "tojson":
            if _oversized(value):
                raise ExpressionError("limit", offset)
            return self.made(canonical(value, True, lambda: self.step(1, offset)), offset)
        wanted = {"length": (list, dict, str), "first": list, "last": list, "join": list}.get(name, str)
        if not isinstance(value, wanted):
            raise ExpressionError("type", offset)
        if name == "length":
            return len(value)
        if name in ("first", "last"):
            return _number(value[0 if name == "first" else -1]) if value else UNDEFINED
        if name == "join":
            return self._join(value, argument, offset)
        text = {"lower": str.lower, "upper": str.upper, "trim": lambda s: s.strip(_WHITE)}[name](value)
        return self.made(text, offset, bounded=False)

    def _join(self, elements, separator, offset):
        if separator is UNDEFINED:
            raise ExpressionError("undefined", offset)
        if not isinstance(separator, str):
            raise ExpressionError("type", offset)
        parts, length = [], 0
        for element in elements:
            self.step(1, offset)
            if _oversized(element):
                raise ExpressionError("limit", offset)
            part = element if isinstance(element, str) else canonical(element, True, lambda: self.step(1, offset))
            length += len(part) + (len(separator) if parts else 0)
            if length > MIB:
                raise ExpressionError("limit", offset)
            parts.append(part)
        return self.made(separator.join(parts), offset)


def evaluate(node, roots, work=None):
    """(value or UNDEFINED, undefined paths in the order in which they were read)."""
    evaluator = _Evaluator(roots, work)
    return evaluator.result(node), evaluator.undefined


# --- templates --------------------------------------------------------------------------------------------------------


def parse_template(text):
    """The parts of a string: texts and parsed expressions, as ("text", t) and ("expression", node)."""
    parts, at = [], 0
    while (start := text.find("{{", at)) >= 0:
        if start > at:
            parts.append(("text", text[at:start]))
        end = _template_end(text, start + 2)
        inner = text[start + 2 : end]
        if inner.startswith("-"):
            raise ExpressionError("syntax", 0)
        parts.append(("expression", parse_expression(inner)))
        at = end + 2
    if at < len(text):
        parts.append(("text", text[at:]))
    return parts


def _template_end(text, start):
    at, quote = start, None
    while at < len(text):
        char = text[at]
        if quote:
            if char == "\\":
                at += 1
            elif char == quote:
                quote = None
        elif char in "'\"":
            quote = char
        elif text.startswith("}}", at):
            return at
        at += 1
    raise ExpressionError("syntax", len(text[start:].encode("utf-8", "surrogatepass")), "a template has no end")


def render(text, roots, work=None):
    """The value of a string with its templates resolved."""
    if "{{" not in text:
        return text
    parts, work = parse_template(text), work or Work()
    values, length = [], 0
    for kind, content in parts:
        if kind == "expression":
            node = content
            content, _ = evaluate(node, roots, work)
            if content is UNDEFINED:
                raise ExpressionError("undefined", node[1])
            if len(parts) == 1:
                return content
            if not isinstance(content, str):
                if _oversized(content):
                    raise ExpressionError("limit", node[1])
                content = canonical(content, True)
        length += _utf8(content)
        if length > MIB:
            raise ExpressionError("limit", 0)
        values.append(content)
    return "".join(values)


def render_input(value, roots, work=None):
    """Every string of an input, at any depth, with its templates resolved; at most 1 MiB."""
    work, total = work or Work(), 0

    def walk(node):
        nonlocal total
        if isinstance(node, str):
            value = render(node, roots, work)
            # Counted as it grows: a thousand templates may name the same large value.
            total += len(value) if isinstance(value, str) else MIB + 1 if _oversized(value) else _utf8(canonical(value, True))
            if total > MIB:
                raise ExpressionError("limit", 0)
            return value
        if isinstance(node, list):
            return [walk(element) for element in node]
        if isinstance(node, dict):
            return {name: walk(member) for name, member in node.items()}
        return node

    resolved = walk(value)
    if _utf8(canonical(resolved, True)) > MIB:
        raise ExpressionError("limit", 0)
    return resolved


def template_errors(value, path=()):
    """(path, error) for each string of a value whose templates do not parse."""
    if isinstance(value, str):
        try:
            if "{{" in value:
                parse_template(value)
        except ExpressionError as error:
            yield path, error
    elif isinstance(value, (list, dict)):
        for key, member in value.items() if isinstance(value, dict) else enumerate(value):
            yield from template_errors(member, (*path, key))

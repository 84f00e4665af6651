"""The part of YAML in which Keras wrote configs, read and written as plain data.

Block and flow collections, plain and quoted scalars, references, and the tags
by which PyYAML wrote tuples, texts and NumPy's numbers: those become lists,
texts and numbers. Any other tag would name an object of Python, and is refused.
Nothing is ever made but dicts, lists, texts, numbers, booleans and ``None``.

Reference: "YAML Ain't Markup Language", version 1.1.
"""

import base64
import json
import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np

from keraunos.utils.errors import ModelFileError

__all__ = ["read_yaml", "write_yaml"]

MAX_BYTES = 1 << 22
MAX_DEPTH = 100
# A part may be repeated by reference: so many values may a text come to.
MAX_VALUES = 1_000_000

_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"), False),
}
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9_]*)")
_FLOAT = re.compile(r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+][0-9]+")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_ESCAPES = {
    "0": "\0", "a": "\a", "b": "\b", "t": "\t", "\t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r",
    "e": "\x1b", " ": " ", '"': '"', "/": "/", "\\": "\\", "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029",
}  # fmt: skip
_CODES = {"x": 2, "u": 4, "U": 8}
_TUPLE = "!!python/tuple"
_TEXTS = ("!!python/str", "!!python/unicode", "!!str")
_PLAIN = ("!!null", "!!bool", "!!int", "!!float")
_NUMBER = "!!python/object/apply:numpy.core.multiarray.scalar"
_DTYPE = "!!python/object/apply:numpy.dtype"


def read_yaml(text: Any, name: str) -> Any:
    """Plain data of a YAML text.

    Args:
        text: The text, or its bytes in UTF-8.
        name: What messages call it.

    Raises:
        ModelFileError: The text is outside of the part that is read, or too large.

    >>> read_yaml("a: [1, x]\\nb:\\n- !!python/tuple [null, 2.5]\\n", "it")
    {'a': [1, 'x'], 'b': [[None, 2.5]]}
    """
    if not isinstance(text, (str, bytes)):
        raise ModelFileError(f"{name} is a {type(text).__name__}; expected YAML text, such as to_yaml() returns.")
    if len(text) > MAX_BYTES:
        raise ModelFileError(f"{name} has {len(text)} bytes; a model's config has at most {MAX_BYTES}.")
    try:
        content = text.decode("utf-8") if isinstance(text, bytes) else text
        return _copied(_Reader(content.replace("\r\n", "\n"), name).document(), name, [MAX_VALUES], 0)
    except ModelFileError:
        raise
    except (ValueError, IndexError, TypeError, KeyError, OverflowError, RecursionError, MemoryError) as error:
        raise ModelFileError(f"{name} is not the YAML of a config: {error}.") from None


def write_yaml(value: Any) -> str:
    """YAML text of plain data, with the keys of each dict in alphabetical order.

    >>> print(write_yaml({"b": [1, {"c": "yes"}], "a": None}), end="")
    a: null
    b:
    - 1
    - {c: "yes"}
    """
    if not isinstance(value, (Mapping, list, tuple)) or not value:
        return f"{_flow(value)}\n"
    return "\n".join(_block(value)) + "\n"


# --- writing ------------------------------------------------------------------------------


def _block(value: Any) -> list[str]:
    lines = []
    if isinstance(value, Mapping):
        for key in sorted(value):
            head, item = f"{_flow(str(key))}:", value[key]
            indent = "  " if isinstance(item, Mapping) else ""
            lines += [f"{head} {_flow(item)}"] if _is_leaf(item) else [head, *(indent + line for line in _block(item))]
    else:
        for item in value:
            inner = [_flow(item)] if _is_leaf(item) else _block(item)
            lines += [f"- {inner[0]}", *(f"  {line}" for line in inner[1:])]
    return lines


def _is_leaf(value: Any) -> bool:
    """Whether a value stands on one line."""
    if not isinstance(value, (Mapping, list, tuple)):
        return True
    inside = list(value.values() if isinstance(value, Mapping) else value)
    return not inside or not any(isinstance(item, (Mapping, list, tuple)) and item for item in inside)


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_flow(str(key))}: {_flow(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str):
        plain = re.fullmatch(r"[A-Za-z_][\w./-]*", value) and value not in _WORDS
        return value if plain else json.dumps(value)
    if isinstance(value, float) and not isinstance(value, bool):
        text = repr(float(value))
        return text if "." in text or "e" not in text else text.replace("e", ".0e")
    return json.dumps(value)


# --- reading ------------------------------------------------------------------------------


class _Reader:
    def __init__(self, text: str, name: str) -> None:
        self.text, self.name, self.at = text, name, 0
        self.anchors: dict[str, Any] = {}

    def fail(self, what: str) -> NoReturn:
        line = self.text.count("\n", 0, self.at) + 1
        raise ModelFileError(f"{self.name}, line {line}: {what}")

    def document(self) -> Any:
        self.skip()
        if self.text.startswith("---", self.at):
            self.at += 3
        value = self.node(-1, 0)
        self.skip()
        if self.text.startswith("...", self.at):
            self.at += 3
            self.skip()
        if self.at < len(self.text):
            self.fail(f"{self.text[self.at : self.at + 20]!r} stands where the text should have ended.")
        return value

    # --- places ----------------------------------------------------------------

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def spaces(self) -> None:
        while self.peek() in (" ", "\t"):
            self.at += 1

    def skip(self) -> None:
        """Go over spaces, line ends and remarks."""
        while True:
            self.spaces()
            if self.peek() == "#" and (not self.at or self.text[self.at - 1] in " \t\n"):
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            if self.peek() != "\n":
                return
            self.at += 1

    def column(self) -> int:
        return self.at - self.text.rfind("\n", 0, self.at) - 1

    def ends_word(self, offset: int = 1) -> bool:
        return self.text[self.at + offset : self.at + offset + 1] in ("", " ", "\n", "\t")

    # --- nodes -----------------------------------------------------------------

    def node(self, indent: int, depth: int) -> Any:
        """The node inside of a block that is indented by ``indent``; ``None`` where there is none."""
        if depth > MAX_DEPTH:
            self.fail(f"it is nested deeper than {MAX_DEPTH} levels.")
        anchor = tag = None
        while True:
            line = self.text.find("\n", self.at)
            self.skip()
            column = self.column()
            fresh = 0 <= line < self.at
            dashed = self.peek() == "-" and self.ends_word()
            if not self.peek() or (fresh and column <= indent and not (column == indent and dashed)):
                return self.tagged(tag, None, anchor)
            if self.peek() == "&" and anchor is None:
                anchor = self.word()
            elif self.peek() == "!" and tag is None:
                tag = self.word()
            else:
                break
        first = self.peek()
        if first == "*":
            return self.reference()
        if dashed:
            return self.tagged(tag, self.sequence(column, depth), anchor)
        if first in "|>":
            return self.tagged(tag, self.literal(indent), anchor)
        if first in "[{":
            return self.tagged(tag, self.flow(depth), anchor)
        start = self.at
        scalar = self.scalar(indent, False)
        if self.is_key():
            self.at = start
            return self.tagged(tag, self.mapping(column, depth), anchor)
        return self.tagged(tag, scalar, anchor)

    def is_key(self) -> bool:
        self.spaces()
        return self.peek() == ":" and self.ends_word()

    def sequence(self, column: int, depth: int) -> list[Any]:
        items = []
        while self.peek() == "-" and self.ends_word() and self.column() == column:
            self.at += 1
            items.append(self.node(column, depth + 1))
            self.skip()
        return items

    def mapping(self, column: int, depth: int) -> dict[str, Any]:
        items: dict[str, Any] = {}
        while self.peek() and self.column() == column:
            key = self.scalar(column, True)
            if not self.is_key():
                self.fail("expected a key and a colon.")
            self.at += 1
            self.enter(items, key, self.node(column, depth + 1))
            self.skip()
        return items

    def enter(self, items: dict[str, Any], key: Any, value: Any) -> None:
        if not isinstance(key, str) or key == "<<":
            self.fail(f"the key {key!r} is no plain text; a config never holds that.")
        if key in items:
            self.fail(f"the key {key!r} stands twice in one object. It is damaged or was tampered with.")
        items[key] = value

    def flow(self, depth: int) -> Any:
        """A list or dict in brackets."""
        if depth > MAX_DEPTH:
            self.fail(f"it is nested deeper than {MAX_DEPTH} levels.")
        opening = self.peek()
        closing = "]" if opening == "[" else "}"
        items: list[Any] = []
        pairs: dict[str, Any] = {}
        self.at += 1
        while True:
            self.skip()
            if self.peek() == closing:
                self.at += 1
                return items if opening == "[" else pairs
            value = self.inner(depth)
            self.skip()
            if opening == "{":
                other = None
                if self.peek() == ":":
                    self.at += 1
                    self.skip()
                    other = None if self.peek() in ",}" else self.inner(depth)
                self.enter(pairs, value, other)
                self.skip()
            else:
                items.append(value)
            if self.peek() == ",":
                self.at += 1
            elif self.peek() != closing:
                self.fail(f"expected a comma or {closing!r}, found {self.peek()!r}.")

    def inner(self, depth: int) -> Any:
        """An item of a list or dict in brackets."""
        anchor = tag = None
        while self.peek() and self.peek() in "&!":
            if self.peek() == "&":
                anchor = self.word()
            else:
                tag = self.word()
            self.skip()
        if self.peek() == "*":
            return self.reference()
        if self.peek() and self.peek() in "[{":
            return self.tagged(tag, self.flow(depth + 1), anchor)
        return self.tagged(tag, self.scalar(-1, False, True), anchor)

    # --- references and tags ---------------------------------------------------

    def word(self) -> str:
        match = re.compile(r"[&!*][^\s,\[\]{}]*").match(self.text, self.at)
        assert match is not None
        self.at = match.end()
        return match[0]

    def reference(self) -> Any:
        name = self.word()[1:]
        if name not in self.anchors:
            self.fail(f"it refers to {name!r}, which is not there.")
        return self.anchors[name]

    def tagged(self, tag: str | None, value: Any, anchor: str | None) -> Any:
        value = value if tag is None else self.meant(tag, value)
        if anchor is not None:
            self.anchors[anchor[1:]] = value
        return value

    def meant(self, tag: str, value: Any) -> Any:
        if tag == _TUPLE and isinstance(value, list):
            return value
        if tag in _TEXTS and not isinstance(value, (list, dict)):
            return "" if value is None else str(value)
        if tag in _PLAIN and isinstance(value, str):
            return _resolved(value)
        if tag == "!!binary" and isinstance(value, str):
            return _Bytes(base64.b64decode("".join(value.split()), validate=True))
        if tag == _DTYPE:
            given = value.get("args") if isinstance(value, dict) else value
            if isinstance(given, list) and given and re.fullmatch(r"[biuf]\d{1,2}", str(given[0])):
                return _Type(given[0])
        if tag == _NUMBER and isinstance(value, list) and [type(item) for item in value] == [_Type, _Bytes]:
            return np.frombuffer(value[1], np.dtype(str(value[0])).newbyteorder("<"), 1)[0].item()
        self.fail(f"the tag {tag[:80]} names an object of Python, which a config never needs and no file may make.")

    # --- scalars ---------------------------------------------------------------

    def scalar(self, indent: int, is_key: bool, flow: bool = False) -> Any:
        if self.peek() == "'":
            return self.single()
        if self.peek() == '"':
            return self.double()
        return self.plain(indent, is_key, flow)

    def plain(self, indent: int, is_key: bool, flow: bool) -> Any:
        if (self.peek() and self.peek() in "%@`") or (not flow and self.peek() and self.peek() in ",]}"):
            self.fail(f"{self.peek()!r} cannot begin a value.")
        parts = []
        pattern = _FLOW_PART if flow else _BLOCK_PART
        while True:
            match = pattern.match(self.text, self.at)
            assert match is not None
            self.at = match.end()
            parts.append(match[0].rstrip(" \t"))
            if is_key or self.peek() != "\n":
                break
            before = self.at
            self.skip()
            ended = self.text.startswith(("...", "---"), self.at) and not self.column()
            stop = ended or self.peek() in ("", "#") or (flow and self.peek() in ",[]{}:")
            if stop or (not flow and (self.column() <= indent or self.begins_key())):
                self.at = before
                break
        if not flow and not parts[0]:
            self.fail("a value is missing.")
        return _resolved(" ".join(parts).strip())

    def begins_key(self) -> bool:
        """Whether a line is an entry of a dict or list, not more of a value."""
        end = self.text.find("\n", self.at)
        line = self.text[self.at : len(self.text) if end < 0 else end]
        return line.startswith("- ") or re.search(r":(\s|$)", line) is not None

    def single(self) -> str:
        parts, self.at = [], self.at + 1
        while True:
            end = self.text.find("'", self.at)
            if end < 0:
                self.fail("a text in quotes does not end.")
            parts.append(self.text[self.at : end])
            self.at = end + 1
            if self.peek() != "'":
                return _folded("'".join(parts))
            self.at += 1

    def double(self) -> str:
        parts: list[str] = []
        self.at += 1
        while True:
            match = _UNESCAPED.match(self.text, self.at)
            assert match is not None
            parts.append(match[0])
            self.at = match.end()
            sign = self.peek()
            if sign == '"':
                self.at += 1
                return "".join(parts)
            if sign == "\n":
                # A line end is a space, and each empty line after it a line end.
                parts[-1] = parts[-1].rstrip(" \t")
                start = self.at
                while self.peek() and self.peek() in " \t\n":
                    self.at += 1
                lines = self.text.count("\n", start, self.at)
                parts.append("\n" * (lines - 1) if lines > 1 else " ")
            elif sign == "\\":
                parts.append(self.escape())
            else:
                self.fail("a text in quotes does not end.")

    def escape(self) -> str:
        sign = self.text[self.at + 1 : self.at + 2]
        self.at += 2
        if sign == "\n":
            self.spaces()
            return ""
        if sign in _CODES:
            digits = self.text[self.at : self.at + _CODES[sign]]
            self.at += _CODES[sign]
            if not re.fullmatch(rf"[0-9A-Fa-f]{{{_CODES[sign]}}}", digits):
                self.fail(f"\\{sign}{digits} is no character.")
            return chr(int(digits, 16))
        if sign not in _ESCAPES:
            self.fail(f"\\{sign} is no character.")
        return _ESCAPES[sign]

    def literal(self, indent: int) -> str:
        """Lines after ``|`` (kept) or ``>`` (joined)."""
        match = re.compile(r"([|>])([-+]?)[ \t]*(?:#[^\n]*)?(?=\n|$)").match(self.text, self.at)
        if match is None:
            self.fail("expected the lines of a text.")
        self.at = match.end() + 1
        lines: list[str] = []
        width = None
        while self.at < len(self.text):
            end = self.text.find("\n", self.at)
            end = len(self.text) if end < 0 else end
            line = self.text[self.at : end]
            own = len(line) - len(line.lstrip(" "))
            if line.strip():
                width = own if width is None else width
                if own <= indent or own < width:
                    break
            lines.append(line[width or 0 :] if line.strip() else "")
            self.at = end + 1
        self.at = min(self.at, len(self.text))
        # The next node is looked for behind a line end.
        self.at = max(self.at - 1, 0) if self.text[self.at - 1 : self.at] == "\n" else self.at
        text = "\n".join(lines).rstrip("\n") if match[1] == "|" else " ".join(lines).strip()
        return text if match[2] == "-" else f"{text}\n"


class _Bytes(bytes):
    """Bytes of a number."""


class _Type(str):
    """Name of a NumPy dtype."""

    __slots__ = ()


_BLOCK_PART = re.compile(r"(?:[^\n:#]|:(?=[^\s])|(?<=\S)#)*")
_FLOW_PART = re.compile(r"(?:[^\n:#,\[\]{}]|:(?=[^\s,\[\]{}])|(?<=\S)#)*")
_UNESCAPED = re.compile(r'[^"\\\n]*')


def _folded(text: str) -> str:
    """Line ends inside of quotes: one is a space, further ones are kept."""
    return re.sub(r"[ \t]*\n([ \t\n]*)", lambda match: "\n" * match[1].count("\n") or " ", text)


def _resolved(text: str) -> Any:
    """What a plain scalar means."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) <= 40:
        if _INT.fullmatch(text):
            return int(text.replace("_", ""))
        if _FLOAT.fullmatch(text):
            return float(text.replace("_", ""))
        if _NOT_FINITE.fullmatch(text):
            return math.nan
    return text


def _copied(value: Any, name: str, left: list[int], depth: int) -> Any:
    """The value with every reference written out, and checked as JSON is."""
    left[0] -= 1
    if left[0] < 0 or depth > MAX_DEPTH:
        raise ModelFileError(f"{name}: its references come to more than {MAX_VALUES} values or {MAX_DEPTH} levels.")
    if isinstance(value, dict):
        return {key: _copied(item, name, left, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_copied(item, name, left, depth + 1) for item in value]
    if isinstance(value, (_Bytes, _Type)):
        raise ModelFileError(f"{name}: it holds bytes or a type where a config has numbers and texts.")
    if isinstance(value, float) and not math.isfinite(value):
        raise ModelFileError(f"{name}: a number is not finite.")
    if isinstance(value, int) and abs(value) > 2**63:
        raise ModelFileError(f"{name}: a number is too large.")
    return value

"""YAML in which Keras 1 and 2 wrote configs, read and written as plain data.

PyYAML parses and writes; what a parsed node means is decided here. The tags by
which PyYAML once wrote tuples, texts and NumPy's numbers become lists, texts
and numbers. Any other tag would name an object of Python, and is refused.
Nothing is ever made but dicts, lists, texts, numbers, booleans and ``None``.
"""

import base64
import math
import re
from typing import Any, NoReturn

import numpy as np
import yaml

from keraunos.utils.errors import ModelFileError

__all__ = ["read_yaml", "write_yaml"]

MAX_BYTES = 1 << 21
MAX_DEPTH = 100
# A part may be repeated by reference: so many values may a text come to.
MAX_VALUES = 1_000_000

_PREFIX = "tag:yaml.org,2002:"
_PLAIN = ("null", "bool", "int", "float", "str")
_TEXTS = ("python/str", "python/unicode")
_LISTS = ("seq", "python/tuple")
_NUMBER = "python/object/apply:numpy.core.multiarray.scalar"
_DTYPE = "python/object/apply:numpy.dtype"


def read_yaml(text: Any, name: str) -> Any:
    """Plain data of a YAML text.

    Args:
        text: The text, or its bytes in UTF-8.
        name: What messages call it.

    Raises:
        ModelFileError: The text is no YAML, names an object of Python, or is too large.

    >>> read_yaml("a: [1, x]\\nb:\\n- !!python/tuple [null, 2.5]\\n", "it")
    {'a': [1, 'x'], 'b': [[None, 2.5]]}
    """
    if not isinstance(text, (str, bytes)):
        raise ModelFileError(f"{name} is a {type(text).__name__}; expected YAML text, such as to_yaml() returns.")
    if len(text) > MAX_BYTES:
        raise ModelFileError(f"{name} has {len(text)} bytes; a model's config has at most {MAX_BYTES}.")
    try:
        node = yaml.compose(text.decode("utf-8") if isinstance(text, bytes) else text, yaml.SafeLoader)
        return None if node is None else _Reader(name).value(node, 0)
    except ModelFileError:
        raise
    except (yaml.YAMLError, ValueError, TypeError, LookupError, ArithmeticError, RecursionError, MemoryError) as error:
        raise ModelFileError(f"{name} is not the YAML of a config: {' '.join(str(error).split())}.") from None


def write_yaml(value: Any) -> str:
    """YAML text of plain data, with the keys of each dict in alphabetical order.

    >>> print(write_yaml({"b": [1, {"c": "yes"}], "a": None}), end="")
    a: null
    b:
    - 1
    - {c: 'yes'}
    """
    return yaml.dump(value, Dumper=_Writer, default_flow_style=None, sort_keys=True)


class _Writer(yaml.SafeDumper):
    """Writes tuples as lists, and a part that is there twice twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Writer.add_representer(tuple, _Writer.represent_list)


class _Reader:
    """Makes plain data of nodes.

    Args:
        name: What messages call the text.
    """

    def __init__(self, name: str) -> None:
        self._name, self._left = name, MAX_VALUES
        self._scalars = yaml.constructor.SafeConstructor()

    def value(self, node: Any, depth: int) -> Any:
        """What a node means."""
        self._left -= 1
        if self._left < 0 or depth > MAX_DEPTH:
            self._fail(node, f"with its references it comes to more than {MAX_VALUES} values or {MAX_DEPTH} levels.")
        tag = node.tag.removeprefix(_PREFIX)
        if isinstance(node, yaml.MappingNode) and tag == "map":
            return self._mapping(node, depth)
        if isinstance(node, yaml.SequenceNode):
            if tag in _LISTS:
                return [self.value(item, depth + 1) for item in node.value]
            if tag == _NUMBER:
                return self._checked(node, self._number(node))
        if isinstance(node, yaml.ScalarNode):
            if tag in _TEXTS:
                return node.value
            if tag in _PLAIN:
                return self._checked(node, self._scalars.construct_object(node))
        self._fail(node, f"the tag {tag[:80]} names an object, which a config never needs and no file may make.")

    def _mapping(self, node: Any, depth: int) -> dict[str, Any]:
        items: dict[str, Any] = {}
        for given, item in node.value:
            key = self.value(given, depth + 1) if given.tag != f"{_PREFIX}merge" else None
            if not isinstance(key, str):
                self._fail(given, "a key is no plain text; a config never holds that.")
            if key in items:
                self._fail(given, f"the key {key!r} stands twice in one object. It is damaged or was tampered with.")
            items[key] = self.value(item, depth + 1)
        return items

    def _number(self, node: Any) -> Any:
        """A number of NumPy's: its type and its bytes."""
        dtype, given = node.value
        arguments = dtype.value
        if isinstance(dtype, yaml.MappingNode):
            arguments = next(value.value for key, value in dtype.value if key.value == "args")
        kind = arguments[0].value
        if dtype.tag != _PREFIX + _DTYPE or not re.fullmatch(r"[biuf]\d{1,2}", kind) or given.tag != f"{_PREFIX}binary":
            self._fail(node, "a number of NumPy's is not written as PyYAML does.")
        content = base64.b64decode("".join(given.value.split()), validate=True)
        return np.frombuffer(content, np.dtype(kind).newbyteorder("<"), 1)[0].item()

    def _checked(self, node: Any, value: Any) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            self._fail(node, "a number is not finite.")
        if isinstance(value, int) and abs(value) > 2**63:
            self._fail(node, "a number is too large.")
        return value

    def _fail(self, node: Any, what: str) -> NoReturn:
        raise ModelFileError(f"{self._name}, line {node.start_mark.line + 1}: {what}")

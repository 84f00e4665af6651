"""YAML in which Keras 1 and 2 wrote configs, read and written as plain data.

PyYAML parses and writes; what a parsed node means is decided here. The tags by
which PyYAML once wrote tuples, texts and NumPy's numbers become lists, texts
and numbers. Any other tag would name an object of Python, and is refused.
Nothing is ever made but dicts, lists, texts, numbers, booleans and ``None``.
"""

import base64
import math
import re
from typing import Any, NamedTuple, NoReturn

import numpy as np
import yaml

from keraunos.utils.errors import ModelFileError
from keraunos.utils.untrusted import advice, guarded, limits

__all__ = ["read_yaml", "write_yaml"]

MAX_BYTES = 1 << 21
MAX_DEPTH = 100
# No number is longer; of a longer text no form needs to be found out.
_LONGEST_NUMBER = 100

_PREFIX = "tag:yaml.org,2002:"
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
    with guarded(f"{name} is not the YAML of a config"):
        node = _Nodes(text.decode("utf-8") if isinstance(text, bytes) else text, name).document()
        return None if node is None else _Values(name).value(node, 0)


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


class _Node(NamedTuple):
    """A part of the text: ``value`` is a text, a list of nodes, or a list of pairs of them."""

    tag: str
    value: Any
    line: int

    def fail(self, name: str, what: str) -> NoReturn:
        raise ModelFileError(f"{name}, line {self.line}: {what}")


class _Bounded:
    """Counts values, up to as many as a config may have.

    Args:
        name: What messages call the text.
    """

    def __init__(self, name: str) -> None:
        self._name, self._left = name, limits().config_values

    def _count(self, line: int, depth: int) -> None:
        self._left -= 1
        if self._left < 0 or depth > MAX_DEPTH:
            raise ModelFileError(
                f"{self._name}, line {line}: with its references it comes to more than {limits().config_values} values "
                f"or {MAX_DEPTH} levels. {advice('config_values')}"
            )


class _Nodes(_Bounded):
    """Makes nodes of the events of PyYAML's parser: its own nodes take many times the memory, and its depth the stack."""

    def __init__(self, text: str, name: str) -> None:
        super().__init__(name)
        self._source = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
        self._anchors: dict[str, _Node] = {}

    def document(self) -> _Node | None:
        """The only document; ``None`` where there is none."""
        try:
            self._source.get_event()
            if self._source.check_event(yaml.StreamEndEvent):
                return None
            self._source.get_event()
            node = self._node(self._source.get_event(), 0)
            self._source.get_event()
            if not self._source.check_event(yaml.StreamEndEvent):
                node.fail(self._name, "another document follows it.")
            return node
        except yaml.YAMLError as error:
            raise ModelFileError(
                f"{self._name} is not the YAML of a config: {' '.join(str(error).split())[:500]}."
            ) from None
        finally:
            self._source.dispose()

    def _node(self, event: Any, depth: int) -> _Node:
        line = event.start_mark.line + 1
        self._count(line, depth)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise ModelFileError(
                    f"{self._name}, line {line}: it refers to a part that is not complete, or not there."
                )
            return self._anchors[event.anchor]
        if isinstance(event, yaml.ScalarEvent):
            node = _Node(self._tag(event, yaml.ScalarNode, event.value), event.value, line)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = _Node(self._tag(event, yaml.SequenceNode, None), [], line)
            while not isinstance(event_inside := self._source.get_event(), yaml.SequenceEndEvent):
                node.value.append(self._node(event_inside, depth + 1))
        else:
            node = _Node(self._tag(event, yaml.MappingNode, None), [], line)
            while not isinstance(event_inside := self._source.get_event(), yaml.MappingEndEvent):
                key = self._node(event_inside, depth + 1)
                node.value.append((key, self._node(self._source.get_event(), depth + 1)))
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _tag(self, event: Any, kind: type, value: str | None) -> str:
        tag = event.tag
        if tag is None or tag == "!":
            if value is not None and len(value) > _LONGEST_NUMBER:
                return f"{_PREFIX}str"
            tag = self._source.resolve(kind, value, event.implicit)
        return str(tag)


class _Values(_Bounded):
    """Makes plain data of nodes."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        make = yaml.constructor.SafeConstructor()
        self._scalars: dict[Any, Any] = {
            "null": make.construct_yaml_null,
            "bool": make.construct_yaml_bool,
            "int": make.construct_yaml_int,
            "float": make.construct_yaml_float,
            "str": make.construct_yaml_str,
        }

    def value(self, node: _Node, depth: int) -> Any:
        """What a node means."""
        self._count(node.line, depth)
        tag = node.tag.removeprefix(_PREFIX)
        single = isinstance(node.value, str)
        if tag == "map" and not single:
            return self._mapping(node, depth)
        if tag in _LISTS and not single:
            return [self.value(item, depth + 1) for item in node.value]
        if tag == _NUMBER and not single:
            return self._checked(node, self._number(node))
        if tag in _TEXTS and single:
            return node.value
        if tag in self._scalars and single:
            if tag != "str" and len(node.value) > _LONGEST_NUMBER:
                node.fail(self._name, "a number is too large.")
            return self._checked(node, self._scalars[tag](yaml.ScalarNode(tag, node.value)))
        node.fail(self._name, f"the tag {tag[:80]} names an object, which a config never needs and no file may make.")

    def _mapping(self, node: _Node, depth: int) -> dict[str, Any]:
        items: dict[str, Any] = {}
        pairs: list[tuple[_Node, _Node]] = node.value
        for given, item in pairs:
            key = self.value(given, depth + 1) if given.tag != f"{_PREFIX}merge" else None
            if not isinstance(key, str):
                given.fail(self._name, "a key is no plain text; a config never holds that.")
            if key in items:
                given.fail(
                    self._name, f"the key {key[:80]!r} stands twice in one object. It is damaged or was tampered with."
                )
            items[key] = self.value(item, depth + 1)
        return items

    def _number(self, node: _Node) -> Any:
        """A number of NumPy's: its type and its bytes."""
        dtype, given = node.value
        arguments = dtype.value
        if arguments and isinstance(arguments[0], tuple) and not isinstance(arguments[0], _Node):
            arguments = next(value.value for key, value in dtype.value if key.value == "args")
        kind = arguments[0].value
        if dtype.tag != _PREFIX + _DTYPE or not re.fullmatch(r"[biuf]\d{1,2}", kind) or given.tag != f"{_PREFIX}binary":
            node.fail(self._name, "a number of NumPy's is not written as PyYAML does.")
        content = base64.b64decode("".join(given.value.split()), validate=True)
        return np.frombuffer(content, np.dtype(kind).newbyteorder("<"), 1)[0].item()

    def _checked(self, node: _Node, value: Any) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            node.fail(self._name, "a number is not finite.")
        if isinstance(value, int) and abs(value) > 2**63:
            node.fail(self._name, "a number is too large.")
        return value

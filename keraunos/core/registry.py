"""Closed tables from names to classes and functions, and the config of any object in them.

A config is ``{"module", "class_name", "config", "registered_name"}`` as Keras 3
writes it. Loading looks the class up in these tables and in the custom objects
that the caller passed, and nowhere else: no import, no attribute path, no
fallback. A user's object never replaces a built-in name.
"""

import contextlib
import contextvars
import importlib
import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

import numpy as np

from keraunos.utils import absent, spelling
from keraunos.utils.errors import ArgumentError, UnknownNameError
from keraunos.utils.text import snake_case, suggestion

T = TypeVar("T")
C = TypeVar("C", bound=Callable[..., Any])

TABLES: dict[str, "Table[Any]"] = {}
_registered: dict[str, Any] = {}
_none: Mapping[str, Any] = types.MappingProxyType({})
_custom: contextvars.ContextVar[Mapping[str, Any]] = contextvars.ContextVar("custom_objects", default=_none)
_shared: contextvars.ContextVar[dict[Any, Any] | None] = contextvars.ContextVar("shared_objects", default=None)
# Modules that fill the tables; ``import keraunos`` loads none of them.
_PROVIDERS = (
    *("activations", "initializers", "regularizers", "constraints", "losses", "metrics", "schedules", "optimizers"),
    *("layers", "models"),
)
_KERAS = ("keras.", "keraunos.", "tf_keras.", "tensorflow.keras.", "tensorflow.python.keras.", "builtins.")


class Table(Generic[T]):
    """The members of one family: layers, losses, initializers …

    Args:
        module: Public module that shows the members, such as ``"losses"``.
        kind: What a member is called in messages, such as ``"loss"``.
        base: Class of the members that are objects.
        functions: Whether plain functions are members too.
    """

    def __init__(self, module: str, kind: str, base: type, *, functions: bool = False) -> None:
        self.module, self.kind, self.base, self.functions = module, kind, base, functions
        self.members: dict[str, Any] = {}
        self.public: dict[str, Any] = {}
        TABLES[module] = self

    def register(self, *aliases: str) -> Callable[[C], C]:
        """Decorator that enters a class or function under its own name, in snake case too, and aliases."""

        def enter(member: C) -> C:
            self.public[member.__name__] = member
            for name in (member.__name__, snake_case(member.__name__), *aliases):
                self.members.setdefault(name, member)
            return member

        return enter

    def alias(self, name: str, member: Any) -> None:
        """Enter ``member`` under one more name, in place of what the name meant."""
        self.members[name] = member

    def lookup(self, name: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
        """Member of a name: built in, else the caller's; ``UnknownNameError`` otherwise."""
        if spelling.chosen():
            meant = spelling.provider().member(self.module, name)
            if meant is not None:
                return meant
        if name in self.members:
            return self.members[name]
        for objects in (custom_objects or {}, _custom.get(), _registered):
            if name in objects:
                return objects[name]
        meant = spelling.provider().member(self.module, name)
        if meant is not None:
            return meant
        raise UnknownNameError(
            f"there is no {self.kind} called {name!r}."
            f"{absent.absence(self.module, name) or suggestion(name, self.members)} "
            f"If it is yours, pass custom_objects={{{name!r}: ...}}."
        )

    def get(self, identifier: Any) -> Any:
        """The member that a user means: ``None``, a name, a config, a class, or the object itself."""
        if identifier is None:
            return None
        if isinstance(identifier, str):
            member = self.lookup(identifier)
            return member() if inspect.isclass(member) else member
        if isinstance(identifier, dict):
            return self.deserialize(identifier)
        if inspect.isclass(identifier):
            return identifier()
        if callable(identifier) or (self.base is not object and isinstance(identifier, self.base)):
            return identifier
        article = "an" if self.kind[0] in "aeiou" else "a"
        raise ArgumentError(
            f"expected {article} {self.kind}: a name, a config, or an object; not a {type(identifier).__name__}."
        )

    def serialize(self, value: Any) -> Any:
        """Config of a member; the plain name for a built-in function."""
        return serialize(value)

    def deserialize(self, config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
        """Member that a config, or a name, describes."""
        if config is None or isinstance(config, str):
            with custom_object_scope(custom_objects or {}):
                return self.get(config)
        return deserialize(config, custom_objects, table=self)


def serialize(value: Any) -> Any:
    """Config of an object of any table, of a function, or of plain data holding such.

    >>> from keraunos import regularizers
    >>> serialize(regularizers.L2(0.5))["config"]
    {'l2': 0.5}
    """
    from keraunos.core.fields import plain

    if isinstance(value, Mapping):
        return {key: serialize(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [serialize(item) for item in value]
    if hasattr(value, "get_config") and not inspect.isclass(value):
        return _serialize_object(value)
    if inspect.isfunction(value) or hasattr(value, "__wrapped__"):
        name = value.__name__
        built_in = [table.members[name] for table in TABLES.values() if table.functions and name in table.members]
        if any(member is value for member in built_in):
            return name
        if built_in and not value.__module__.startswith("keraunos."):
            raise ArgumentError(
                f"your function {name!r} has the name of a built-in one, so a config could not tell them apart. Rename it."
            )
        return {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}
    if isinstance(value, slice):
        ends = {"start": value.start, "stop": value.stop, "step": value.step}
        return {"class_name": "__slice__", "config": plain(ends)}
    if value is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if hasattr(value, "__array__") and np.ndim(value) > 0:
        array = np.asarray(value)
        return {"class_name": "__numpy__", "config": {"value": array.tolist(), "dtype": array.dtype.name}}
    return plain(value)


def _serialize_object(value: Any) -> dict[str, Any]:
    shared = _shared.get()
    if shared is not None and id(value) in shared:
        return dict(shared[id(value)][1])
    name = type(value).__name__
    table = next((t for t in TABLES.values() if t.members.get(name) is type(value)), None)
    config: dict[str, Any] = {
        "module": f"keras.{table.module}" if table else None,
        "class_name": name,
        "config": value.get_config(),
        "registered_name": None if table else get_registered_name(type(value)),
    }
    if table and hasattr(value, "keras_place"):
        config["module"], config["class_name"] = value.keras_place
    shapes = getattr(value, "get_build_config", lambda: None)()
    if shapes:
        config["build_config"] = serialize(shapes)
    if shared is not None and hasattr(value, "variables"):
        config["shared_object_id"] = len(shared) + 1
        shared[id(value)] = (value, config)
    return config


@contextlib.contextmanager
def shared_objects() -> Iterator[None]:
    """Within the block, places of one object get one number, and are one object again after loading."""
    token = _shared.set({})
    try:
        yield
    finally:
        _shared.reset(token)


def deserialize(
    config: Any, custom_objects: Mapping[str, Any] | None = None, *, table: "Table[Any] | None" = None
) -> Any:
    """Object that a config describes, made from the closed tables and the caller's custom objects.

    What a config leaves out is today's default, whatever era is active: it was left out because it was.
    """
    with custom_object_scope(custom_objects or {}), spelling.in_era(spelling.MODERN):
        if isinstance(config, list):
            return [deserialize(item) for item in config]
        if not isinstance(config, dict):
            return config
        if "class_name" not in config:
            return {key: deserialize(item) for key, item in config.items()}
        name, arguments = config["class_name"], config.get("config", {})
        if name in VALUES:
            return _value(str(name), arguments)
        if name == "function":
            return find_function(config, table)
        member = find_member(config, table)
        if not inspect.isclass(member):
            return member
        if not isinstance(arguments, dict):
            raise ArgumentError(f"the config of {name!r} is {type(arguments).__name__}; expected a dict of arguments.")
        shared, number = _shared.get(), config.get("shared_object_id")
        if shared is not None and number in shared:
            return shared[number]
        # A loss of the user's may be any class that can be called.
        made: Any = getattr(member, "from_config", lambda given: member(**given))(arguments)
        if config.get("build_config") and not getattr(made, "built", True):
            made.build_from_config(config["build_config"])
        if shared is not None and number is not None and hasattr(made, "variables"):
            shared[number] = made
        return made


# Values that JSON cannot hold, in Keras' spelling.
VALUES = ("__slice__", "__ellipsis__", "__numpy__", "__tensor__")


def _value(name: str, arguments: Any) -> Any:
    if name == "__ellipsis__":
        return ...
    if name == "__slice__":
        return slice(*(arguments.get(end) for end in ("start", "stop", "step")))
    if np.dtype(arguments["dtype"]).kind not in "biuf":
        raise ArgumentError(f"an array of {arguments['dtype']!r} in a config; expected numbers.")
    return np.asarray(arguments["value"], arguments["dtype"])


def find_table(config: Mapping[str, Any]) -> "Table[Any]":
    """Table that a config's ``module`` names; the module is compared, never imported."""
    module = str(config.get("module") or "")
    for prefix in ("keras.", "keraunos.", "src."):
        module = module.removeprefix(prefix)
    fitting = [name for name in TABLES if f"{module}.".startswith(f"{name}.")]
    return TABLES[max(fitting, key=len, default="layers")]


def find_member(config: Mapping[str, Any], table: "Table[Any] | None" = None) -> Any:
    """Class or function that a config names; a foreign module means one of the caller's."""
    name, module = str(config["class_name"]), config.get("module")
    registered = config.get("registered_name")
    foreign = isinstance(module, str) and not f"{module}.".startswith(_KERAS)
    if foreign or ("module" in config and module is None and registered):
        for key in (str(registered), name):
            for objects in (_custom.get(), _registered):
                if key in objects:
                    return objects[key]
        raise UnknownNameError(
            f"the class {name!r}{f' of module {module!r}' if module else ''} is not built in, and modules are never "
            f"imported for a file. If it is yours, pass custom_objects={{{name!r}: ...}}."
        )
    return (table or find_table(config)).lookup(name)


def find_function(config: Mapping[str, Any], table: "Table[Any] | None" = None) -> Any:
    """Function that a config names: a member of a table, else the caller's."""
    name = str(config.get("config"))
    for candidate in [table] if table else [t for t in TABLES.values() if t.functions]:
        if candidate and name in candidate.members:
            return candidate.members[name]
    found = get_registered_object(name)
    if found is None:
        raise UnknownNameError(
            f"the function {name!r} is not built in. If it is yours, pass custom_objects={{{name!r}: ...}}."
        )
    return found


def fill_tables() -> None:
    """Import every module whose members a config may name, so that the tables are complete."""
    for module in _PROVIDERS:
        importlib.import_module(f"keraunos.{module}")


# --- the caller's own objects ----------------------------------------------------------


@contextlib.contextmanager
def custom_object_scope(objects: Mapping[str, Any]) -> Iterator[None]:
    """Make the caller's classes and functions known by name inside a ``with`` block."""
    token = _custom.set({**_custom.get(), **objects})
    try:
        yield
    finally:
        _custom.reset(token)


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[C], C]:
    """Decorator that makes a user's class or function known to loading as ``package>name``.

    To decorate a class is to ask that files may name it; built-in names stay as they are.
    """

    def enter(member: C) -> C:
        if inspect.isclass(member) and not hasattr(member, "get_config"):
            raise ArgumentError(f"{member.__name__} has no get_config(), so it cannot be made again from a file.")
        own = name or member.__name__
        _registered[f"{package}>{own}"] = member
        _registered[own] = member
        return member

    return enter


def get_registered_name(member: Any) -> str:
    """``package>name`` of a registered class or function, else its own name."""
    return next((key for key, value in _registered.items() if value is member and ">" in key), member.__name__)


def get_registered_object(name: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Registered class or function of a name, or ``None``."""
    for objects in (custom_objects or {}, _custom.get(), _registered):
        if name in objects:
            return objects[name]
    return None


def get_custom_objects() -> dict[str, Any]:
    """The objects that ``register_keras_serializable`` has entered; a live dict."""
    return _registered

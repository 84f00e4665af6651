"""Classes whose body is their argument list.

A subclass of :class:`Configurable` that annotates class attributes, and defines
no ``__init__`` of its own, gets a constructor from them: the order of the
annotations is the order of the arguments, an assigned value is the default,
and ``Annotated[..., Field(...)]`` names the conversion. ``get_config`` reads
the fields back. Arguments that every class of a family takes (``name``,
``dtype``) are those of the nearest hand-written ``__init__``.

Type checkers read the bodies of ``Declared`` classes as they read dataclasses. What
they could not know is said for them alone: ``Converted`` says that an argument is kept
as something else than was given; a class under ``TYPE_CHECKING`` before the base of a
family lists what the whole family takes; ``by_name`` and ``KW_ONLY`` say where they must
not count on an argument's place. A test holds all of it against the constructors.
"""

import inspect
import itertools
import math
from collections.abc import Callable, Sequence
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Generic,
    Literal,
    Self,
    SupportsFloat,
    SupportsIndex,
    TypeVar,
    dataclass_transform,
    get_args,
    get_origin,
    overload,
)

import numpy as np

from keraunos.utils import spelling
from keraunos.utils.errors import ArgumentError
from keraunos.utils.text import suggestion
from keraunos.utils.tracebacks import tidy

_MISSING = inspect.Parameter.empty
Kept = TypeVar("Kept", covariant=True)
Given = TypeVar("Given", contravariant=True)


class Converted(Generic[Kept, Given]):
    """For type checkers: an attribute that is read as ``Kept``, and set, or given to the constructor, as ``Given``."""

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: type) -> Any: ...
        @overload
        def __get__(self, instance: object, owner: type) -> Kept: ...
        def __get__(self, instance: Any, owner: type) -> Any: ...
        def __set__(self, instance: Any, value: Given) -> None: ...


def by_name(*, default: Any, kw_only: Literal[True] = True) -> Any:
    """Default of an argument that the whole family takes by name, where a class says its place among its own.

    Type checkers order arguments by the class that declared them first, so the place is not theirs to know.
    """
    return default


def varying(method: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator that changes nothing: of a method whose overrides take other arguments, in the eyes of type checkers."""
    return method


class Field:
    """How an argument is converted when given, and written into a config.

    Args:
        convert: Function from what was given to what is kept.
        export: Function from what is kept to plain data.
        hidden: Whether the argument is one that Keras 3 does not know: it is given by
            name only, and left out of the config where it has its default, so that
            Keras reads our files.
    """

    def __init__(
        self, convert: Callable[[Any], Any], export: Callable[[Any], Any] | None = None, hidden: bool = False
    ) -> None:
        self.convert = convert
        self.export = export or plain
        self.hidden = hidden


class Configurable:
    """Base of everything that is made from named arguments and can be made again from its config."""

    _fields: ClassVar[dict[str, tuple[Field, Any]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        spelling.provider().adopt(cls)
        own = {
            name: (_field(annotation), cls.__dict__.get(name, _MISSING))
            for name, annotation in inspect.get_annotations(cls).items()
            if not name.startswith("_") and get_origin(annotation) is not ClassVar and annotation is not ClassVar
        }
        if "__init__" in cls.__dict__:
            return  # a hand-written constructor: the annotations are only remarks
        if own:
            # A class that declares every argument again decides their order too.
            cls._fields = own if own.keys() >= cls._fields.keys() else {**cls._fields, **own}
            cls.__init__ = _constructor(cls)  # type: ignore[method-assign, misc]

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain data, from which ``from_config`` makes an equal object."""
        return {
            name: field.export(getattr(self, name)) for name, (field, _) in self._fields.items() if self._writes(name)
        }

    def _writes(self, name: str) -> bool:
        """Whether a field stands in the config: a hidden one does where it has not its default."""
        field, default = self._fields[name]
        return not field.hidden or getattr(self, name) != default

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Object with the arguments of a config that ``get_config`` returned."""
        return cls(**config)


@dataclass_transform(field_specifiers=(by_name,))
class Declared(Configurable):
    """A Configurable whose subclasses have the constructors of their bodies in the eyes of type checkers too."""


def _constructor(cls: type) -> Callable[..., None]:
    fields: dict[str, tuple[Field, Any]] = cls._fields  # type: ignore[attr-defined]
    base: Any = next(
        c for c in cls.__mro__[1:] if "__init__" in c.__dict__ and not hasattr(vars(c)["__init__"], "from_fields")
    )
    inherited = inspect.signature(base.__init__).parameters if base is not object else {}
    family = [p for name, p in inherited.items() if name != "self" and p.kind is p.KEYWORD_ONLY and name not in fields]
    positional = [
        inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)
        for name, (field, default) in fields.items()
        if not field.hidden
    ]
    hidden = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
        for name, (field, default) in fields.items()
        if field.hidden
    ]
    for earlier, later in itertools.pairwise(positional):
        if earlier.default is not _MISSING and later.default is _MISSING:
            raise TypeError(f"{cls.__name__}: {later.name} has no default but follows {earlier.name}, which has one")
    open_ended = any(p.kind is p.VAR_KEYWORD for p in inherited.values()) and base is not object
    signature = inspect.Signature([*positional, *hidden, *family])
    names = tuple(p.name for p in positional)
    known = frozenset([*fields, *(p.name for p in family)])

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            owner = type(self).__name__
            extra: dict[str, Any] = {}
            if spelling.chosen() or not known.issuperset(kwargs):
                owners = spelling.owners_of(type(self))
                translated, kwargs = spelling.provider().arguments(owners, names, known, [*args], kwargs)
                args = tuple(translated)
                extra = {name: kwargs.pop(name) for name in list(kwargs) if open_ended and name not in known}
                spelling.refuse_unknown(owners, kwargs, known)
            if len(args) > len(positional):
                raise ArgumentError(
                    f"{owner} takes at most {len(positional)} positional arguments, but {len(args)} were given."
                )
            try:
                given = signature.bind(*args, **kwargs).arguments
            except TypeError as error:
                spelling.refuse_unknown(spelling.owners_of(type(self)), extra, known, sure=False)
                raise ArgumentError(f"{owner}: {error}. The arguments are {', '.join(fields)}.") from None
            for name, (field, default) in fields.items():
                value = given.get(name, default)
                try:
                    setattr(self, name, field.convert(value))
                except ArgumentError as error:
                    raise type(error)(f"{owner}: {name} is {value!r}; {error}") from None
            if base is not object:
                # A field that the hand-written constructor takes too (a name with a default of its own) is passed on.
                shared = {name: getattr(self, name) for name in fields if name in inherited}
                base.__init__(self, **shared, **{p.name: given[p.name] for p in family if p.name in given}, **extra)
            setup = getattr(self, "setup", None)
            if setup is not None:
                setup()
        except BaseException as error:
            tidy(error)
            raise

    __init__.from_fields = True  # type: ignore[attr-defined]
    __init__.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD), *positional, *hidden, *family]
    )
    return __init__


def _field(annotation: Any) -> Field:
    if get_origin(annotation) is Annotated:
        for extra in get_args(annotation)[1:]:
            if isinstance(extra, Field):
                return extra
    return Field(_unwrap)


def _unwrap(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def plain(value: Any) -> Any:
    """A value as JSON can hold it: NumPy scalars and arrays become numbers and lists."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


# --- common conversions --------------------------------------------------------------


def _whole(value: Any) -> int | None:
    if isinstance(value, (bool, np.bool_, str)) or value is None:
        return None
    try:
        return int(value) if float(value) == int(value) else None
    except (TypeError, ValueError, OverflowError):
        return None


def _positive_int(value: Any) -> int:
    number = _whole(value)
    if number is None or number <= 0:
        raise ArgumentError("expected a positive whole number.")
    return number


def _non_negative_int(value: Any) -> int:
    number = _whole(value)
    if number is None or number < 0:
        raise ArgumentError("expected a whole number, 0 or more.")
    return number


def real(
    low: float = -math.inf, high: float = math.inf, *, open_high: bool = False, optional: bool = False
) -> Callable[[Any], Any]:
    """Conversion to a finite ``float`` within bounds."""
    bounds = "" if low == -math.inf else f", {low:g} or more" if high == math.inf else f" from {low:g} to {high:g}"
    bounds += f" ({high:g} not included)" if open_high else ""

    def convert(value: Any) -> Any:
        if value is None and optional:
            return None
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if isinstance(value, str) or not low <= number <= high or (open_high and number == high):
            raise ArgumentError(f"expected a number{bounds}.")
        return number

    return convert


def choice(*allowed: Any) -> Callable[[Any], Any]:
    """Conversion that accepts one of a few values; texts in any case."""

    def convert(value: Any) -> Any:
        candidate = value.lower() if isinstance(value, str) else value
        if candidate not in allowed:
            listing = ", ".join(repr(item) for item in allowed)
            raise ArgumentError(f"expected one of {listing}.{suggestion(value, filter(None, map(str, allowed)))}")
        return candidate

    return convert


def per_axis(value: Any, rank: int, *, least: int = 1) -> tuple[int, ...]:
    """One whole number for each of ``rank`` axes, from one number or a sequence.

    >>> per_axis(3, 2), per_axis([1, 2], 2)
    ((3, 3), (1, 2))
    """
    values = list(value) if isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, str) else [value] * rank
    numbers = [_whole(item) for item in values]
    if len(values) == 1:
        numbers *= rank
    if len(numbers) != rank or any(number is None or number < least for number in numbers):
        kind = "a positive whole number" if least == 1 else f"a whole number, {least} or more"
        raise ArgumentError(f"expected {kind}, or {rank} of them." if rank > 1 else f"expected {kind}.")
    return tuple(number for number in numbers if number is not None)


def _axis_or_axes(value: Any) -> Any:
    if isinstance(value, (list, tuple)) and value:
        return tuple(_one_axis(item) for item in value)
    return _one_axis(value)


def _one_axis(value: Any) -> int | None:
    if isinstance(value, (bool, np.bool_)) or not (value is None or isinstance(value, (int, np.integer))):
        raise ArgumentError("expected an axis: a whole number.")
    return None if value is None else int(value)


def _factors(value: Any) -> Any:
    """A number, or one for each class."""
    if isinstance(value, (list, tuple, np.ndarray)):
        return [real()(item) for item in np.asarray(value).tolist()]
    return real()(value)


def whole(least: int) -> Callable[[Any], Any]:
    """Conversion to an ``int``, at least as large; ``None`` stays."""

    def convert(value: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise ArgumentError(f"expected None or a whole number, {least} or more.")
        return int(value)

    return convert


# NumPy's numbers are no int and no float for a type checker, hence the protocols.
PositiveInt = Annotated[Converted[int, SupportsIndex], Field(_positive_int)]
NonNegativeInt = Annotated[Converted[int, SupportsIndex], Field(_non_negative_int)]
Real = Annotated[Converted[float, SupportsFloat], Field(real())]
NonNegativeReal = Annotated[Converted[float, SupportsFloat], Field(real(0))]
Rate = Annotated[Converted[float, SupportsFloat], Field(real(0, 1))]
HiddenFlag = Annotated[bool, Field(bool, hidden=True)]
# One whole number, or several.
Wholes = SupportsIndex | Sequence[SupportsIndex]
Name = Converted[str, str | None]
Dtype = Converted[str, Any]
# A number for each axis, or one for all; the class knows how many axes there are.
Sizes = Converted[tuple[int, ...], Wholes]
OptionalSizes = Converted[Any, Wholes | None]
Axes = Annotated[Converted[Any, Wholes | None], Field(_axis_or_axes)]
Factors = Annotated[Converted[Any, SupportsFloat | Sequence[SupportsFloat] | np.ndarray], Field(_factors)]

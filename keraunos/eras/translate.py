"""Reads the table of eras for the library: the provider of ``keraunos.utils.spelling``."""

import functools
import importlib
import numbers
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from keraunos.core.registry import TABLES
from keraunos.eras import settings, table
from keraunos.utils import spelling, tree
from keraunos.utils.config import image_data_format
from keraunos.utils.errors import ArgumentError, ShapeError, UnknownNameError, warn
from keraunos.utils.text import snake_case

__all__ = [
    "Samples",
    "adopt",
    "arguments",
    "attribute",
    "automatic_name",
    "batch_logs",
    "compiling",
    "direction",
    "display_class",
    "engine",
    "epoch_name",
    "files",
    "first_input_name",
    "first_states",
    "hand_validation_data",
    "key",
    "log_order",
    "losses_of_calls",
    "member",
    "metric_name",
    "older_arguments",
    "own_steps",
    "run_params",
    "shown_class",
    "summary_printer",
    "weights_earlier",
    "weights_today",
]  # fmt: skip


class Samples(int):
    """A number of samples, where today's argument counts steps."""


class _Rows(NamedTuple):
    """The table's rows for one callee."""

    renames: dict[str, table.Rename]
    folds: tuple[table.Fold, ...]
    drops: dict[str, table.Drop]
    orders: dict[int, table.Order]
    traps: dict[str, table.Trap]
    defaults: tuple[table.Default, ...]
    respellings: tuple[table.Respelling, ...]
    settings: tuple[table.Setting, ...]
    ignored: tuple[table.Ignored, ...]

    @property
    def folded(self) -> set[str]:
        """Names that go into a tuple."""
        return {old for fold in self.folds for old in fold.olds}


def arguments(
    owners: Sequence[str], names: Sequence[str], known: Collection[str], args: list[Any], kwargs: dict[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """A call in today's spelling, with the active era's defaults.

    >>> arguments(("Dense",), ("units",), ("units", "use_bias"), [], {"units": 3, "use_bias": False})
    ([], {'units': 3, 'use_bias': False})
    """
    rows = _rows(tuple(owners))
    label = owners[0].rpartition(".")[2]
    args, kwargs = _by_name(rows, names, known, args, kwargs)
    given = set(names[: len(args)])
    said: dict[str, str] = {}
    for fold in rows.folds:
        _fold(label, fold, known, kwargs, given, said)
    for old in list(kwargs):
        value = kwargs[old]
        trap = rows.traps.get(old)
        if trap is not None and spelling.era() in trap.eras and value is not None:
            _enter(label, old, trap.new, kwargs.pop(old), kwargs, given, said)
        if old in known:
            continue
        if old in rows.drops:
            _drop(label, rows.drops[old], kwargs.pop(old))
        elif old in rows.renames:
            row = rows.renames[old]
            value = _value(label, row, kwargs.pop(old), kwargs)
            if row.warning and spelling.era() == 2:
                warn(row.warning)
            for new in row.new.split():
                _enter(label, old, new, value, kwargs, given, said)
            if not row.quiet:
                spelling.note(f"{old} is called {row.new.replace(' ', ' and ')} since Keras {row.last + 1}")
    for respelling in rows.respellings:
        _respell(respelling, names, args, kwargs)
    if spelling.chosen():
        _fill(label, rows, known, kwargs, given)
    return args, kwargs


def older_arguments(owners: Sequence[str]) -> Mapping[str, str]:
    """Old names of a callee's arguments, and those of today.

    >>> older_arguments(("GaussianNoise",))
    {'sigma': 'stddev'}
    """
    rows = _rows(tuple(owners))
    folded = {old: fold.new for fold in rows.folds for old in fold.olds}
    return {**folded, **{old: row.new for old, row in rows.renames.items()}}


# --- the steps of a call ------------------------------------------------------------------


def _by_name(
    rows: _Rows, names: Sequence[str], known: Collection[str], args: list[Any], kwargs: dict[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Arguments given by position in an era's order, as arguments by name."""
    era = spelling.era()
    if any(_last(rows, name) == 1 for name in kwargs if name not in known):
        era = 1  # an old name beside them says which order is meant
    row = rows.orders.get(era)
    order = row.names.split() if row else []
    if row is None or len(args) < 2 or not _plausible(order, args, row.exact):
        return args, kwargs
    named = dict(zip(order, args, strict=False))
    twice = next((name for name in named if name in kwargs), None)
    if twice is not None:
        raise ArgumentError(f"{twice} is given twice: by position and by name.")
    whole = all(
        set(fold.olds) <= {*named, *kwargs} for fold in rows.folds if fold.needs_all and {*named} & {*fold.olds}
    )
    if not whole:
        return args, kwargs
    first = rows.renames[order[0]].new if order[0] in rows.renames else order[0]
    kept = 1 if names[:1] == (first,) else 0
    return args[:kept], {**dict(list(named.items())[kept:]), **kwargs}


def _plausible(order: Sequence[str], args: Sequence[Any], exact: bool) -> bool:
    """Whether values can be what an order says, so that calls in today's order are left alone."""
    if len(args) > len(order) or (exact and len(args) != len(order)):
        return False
    return all(_PLAUSIBLE.get(name, _anything)(value) for name, value in zip(order, args, strict=False))


def _anything(value: Any) -> bool:
    return True


def _whole(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _initializer(value: Any) -> bool:
    if not isinstance(value, str):
        return value is None or callable(value)
    importlib.import_module("keraunos.initializers")
    return value in TABLES["initializers"].members


def _no_text(value: Any) -> bool:
    return not isinstance(value, str)


_PLAUSIBLE: Mapping[str, Callable[[Any], bool]] = {
    "output_shape": _no_text,
    "init": _initializer,
    "inner_init": _initializer,
    **dict.fromkeys(("nb_row", "nb_col", "kernel_dim1", "kernel_dim2", "kernel_dim3"), _whole),
}


def _last(rows: _Rows, name: str) -> int:
    """The last era that knew an argument; 3 where the table does not say."""
    if name in rows.renames:
        return rows.renames[name].last
    if name in rows.drops:
        return rows.drops[name].last
    return next((fold.last for fold in rows.folds if name in fold.olds), 3)


def _fold(
    label: str, fold: table.Fold, known: Collection[str], kwargs: dict[str, Any], given: set[str], said: dict[str, str]
) -> None:
    present = [old for old in fold.olds if old in kwargs and old not in known]
    if not present:
        return
    missing = [old for old in fold.olds if old not in kwargs]
    if missing and fold.needs_all:
        raise ArgumentError(f"{label}: {present[0]} needs {' and '.join(missing)} beside it, or {fold.new} instead.")
    value = tuple(kwargs.pop(old, None) for old in fold.olds)
    _enter(label, " and ".join(present), fold.new, value, kwargs, given, said)
    spelling.note(
        f"{' and '.join(present)} {'are' if len(present) > 1 else 'is'} called {fold.new} since Keras {fold.last + 1}"
    )


def _enter(
    label: str, old: str, new: str, value: Any, kwargs: dict[str, Any], given: set[str], said: dict[str, str]
) -> None:
    if new in kwargs or new in given:
        other = said.get(new, new)
        raise ArgumentError(f"{label}: {old} and {other} are the same argument; give one of them.")
    kwargs[new], said[new] = value, old


def _value(label: str, row: table.Rename, value: Any, kwargs: Mapping[str, Any]) -> Any:
    if row.values == "samples":
        return Samples(value)
    if row.values == "forget" and spelling.era() == 2:
        return True  # Keras 2 took no notice of any other first value
    if row.values == "output_shape":
        return _spatial_sizes(value, kwargs)
    if not row.values or not isinstance(value, str):
        return value
    known = table.VALUES[row.values]
    if value in known:
        return known[value]
    if value in known.values():
        return value
    raise ArgumentError(f"{label}: {row.old} is {value!r}; expected one of {', '.join(map(repr, known))}.")


def _spatial_sizes(shape: Any, kwargs: Mapping[str, Any]) -> Any:
    """The spatial sizes of a whole shape; Keras 2 took no notice of it any more."""
    if spelling.era() == 2 or shape is None:
        return None
    layout = kwargs.get("dim_ordering", kwargs.get("data_format"))
    layout = table.VALUES["layout"].get(layout, layout) or image_data_format()
    return tuple(shape[2:]) if layout == "channels_first" else tuple(shape[1:-1])


_SIDES = (("left_pad", "right_pad"), ("top_pad", "bottom_pad", "left_pad", "right_pad"))


def _respell(row: table.Respelling, names: Sequence[str], args: list[Any], kwargs: dict[str, Any]) -> None:
    """Numbers of zeros by name, or four of them in a row, as pairs; a rate that Keras 2 brought between 0 and 1."""
    place = names.index(row.argument) if row.argument in names else len(args)
    value = args[place] if place < len(args) else kwargs.get(row.argument)
    if row.values == "limited":
        if spelling.era() == 2 and isinstance(value, (int, float)) and not 0 <= value <= 1:
            _replace(row.argument, place, min(1.0, max(0.0, value)), args, kwargs)
        return
    sides = _SIDES[row.owners == "ZeroPadding2D"]
    if isinstance(value, dict) and set(value) <= set(sides):
        value = [value.get(side, 0) for side in sides]
    if not isinstance(value, (list, tuple)) or len(value) != len(sides) or not all(map(_whole, value)):
        return
    pairs = tuple(zip(value[::2], value[1::2], strict=True))
    _replace(row.argument, place, pairs[0] if len(pairs) == 1 else pairs, args, kwargs)


def _replace(name: str, place: int, value: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
    if place < len(args):
        args[place] = value
    else:
        kwargs[name] = value


def _drop(label: str, row: table.Drop, value: Any) -> None:
    if row.only and value not in row.only:
        raise ArgumentError(f"{label}: {row.old}={value!r} has no counterpart any more: {row.reason}.")
    spelling.note(f"{row.old} is not needed since Keras {row.last + 1}: {row.reason}")


def _fill(label: str, rows: _Rows, known: Collection[str], kwargs: dict[str, Any], given: set[str]) -> None:
    """Enter the active era's defaults, and remember them for the line that names them."""
    for row in rows.defaults:
        others = {row.argument, *row.unless.split()}
        # A base's constructor knows less than the class: what it does not know was filled in before.
        mine = row.argument in known or row.argument == "input_shape"
        if mine and spelling.era() in row.eras and not others & (kwargs.keys() | given):
            kwargs[row.argument] = row.eras[spelling.era()]
            if not row.quiet and not spelling.is_quiet():
                _applied.setdefault(label, {})[row.argument] = kwargs[row.argument]
    for setting in rows.settings:
        if setting.engine != engine() or setting.argument not in known:
            continue
        if kwargs.get(setting.argument) == setting.instead and setting.argument not in given:
            kwargs[setting.argument] = setting.value
    for ignored in rows.ignored:
        argument, value = ignored.unless
        if spelling.era() == ignored.era and ignored.argument in known and kwargs.get(argument) != value:
            kwargs[ignored.argument] = kwargs.get(ignored.another)
    if label in ("fit", "evaluate", "predict", "fit_generator"):
        _say_applied()


def engine() -> str:
    """The library that eras 1 and 2 are to compute like: TensorFlow, unless the settings for Keras say Theano.

    >>> engine()
    'tensorflow'
    """
    return "theano" if settings.library() == "theano" else "tensorflow"


_applied: dict[str, dict[str, Any]] = {}


def _say_applied() -> None:
    """One line with the defaults that were applied since the last one."""
    if _applied:
        calls = [f"{label}({', '.join(f'{k}={v!r}' for k, v in values.items())})" for label, values in _applied.items()]
        _applied.clear()
        spelling.note(f"defaults of Keras {spelling.era()}: {', '.join(calls)}")


@functools.cache
def _rows(owners: tuple[str, ...]) -> _Rows:
    def mine(row: Any) -> bool:
        return not set(owners).isdisjoint(row.owners.split())

    def nearest(rows: Sequence[Any]) -> list[Any]:
        # Rows of a base come first, so that those of the class itself replace them.
        place = {owner: -number for number, owner in enumerate(owners)}
        return sorted(
            filter(mine, rows), key=lambda row: max(place[owner] for owner in row.owners.split() if owner in place)
        )

    return _Rows(
        {row.old: row for row in nearest(table.RENAMES)},
        tuple(filter(mine, table.FOLDS)),
        {row.old: row for row in nearest(table.DROPS)},
        {row.era: row for row in nearest(table.ORDERS)},
        {row.name: row for row in nearest(table.TRAPS)},
        tuple({row.argument: row for row in nearest(table.DEFAULTS)}.values()),
        tuple(filter(mine, table.RESPELLINGS)),
        tuple(filter(mine, table.SETTINGS)),
        tuple(filter(mine, table.IGNORED)),
    )


# --- names of members, methods and modules ------------------------------------------------


def member(family: str, name: str) -> Any:
    """What a name means in the active era, where that is not what it means today; ``None`` otherwise."""
    from keraunos.eras import arithmetic

    if family == "layers":
        return _layer(name)
    own = arithmetic.FAMILIES.get(family, {}).get(name, {}).get(spelling.era())
    if own is not None:
        return own
    for alias in table.ALIASES:
        if (alias.module, alias.old) == (family, name) and alias.arguments and spelling.era() in alias.eras:
            return TABLES[family].members[alias.new](**alias.arguments)
    if name in TABLES[family].members:
        return None
    for row in table.MEMBERS:
        if (row.family, row.old) == (family, name):
            spelling.note(f"{name} is called {row.new} since Keras {row.last + 1}")
            return TABLES[family].lookup(row.new)
    return arithmetic.NAMED.get(name)


def _layer(name: str) -> Any:
    """A layer that Keras 3 has no longer, or has under another name."""
    from keraunos.eras import layers

    if name in layers.OWN:
        return layers.OWN[name]
    if name == "Recurrent":
        from keraunos.eras.stepping import Recurrent

        return Recurrent
    for row in table.ALIASES:
        if (row.module, row.old) == ("layers", name) and name not in TABLES["layers"].members:
            return TABLES["layers"].lookup(row.new)
    return None


def attribute(module: str, name: str) -> Any:
    """What an old name of a public module stands for, or ``None``.

    >>> attribute("regularizers", "WeightRegularizer").__name__
    'L1L2'
    """
    here = importlib.import_module(f"keraunos.{module}")
    for row in table.ALIASES:
        if (row.module, row.old) == (module, name) and spelling.era() in row.eras:
            new = getattr(here, row.new)
            spelling.note(f"{name} is called {row.new} since Keras {row.last + 1}")
            return _filled(name, new, row.arguments) if row.arguments else new
    if module == "layers":
        return _layer(name)
    if module not in TABLES:
        return None
    try:
        return TABLES[module].lookup(name, {})
    except UnknownNameError:
        return None


def _filled(name: str, function: Callable[..., Any], values: Mapping[str, Any]) -> Callable[..., Any]:
    @functools.wraps(function, assigned=("__doc__", "__module__"), updated=())
    def call(*args: Any, **kwargs: Any) -> Any:
        # The values stand in the order of the arguments; those given by position are not filled in.
        rest = dict(list(values.items())[len(args) :])
        return function(*args, **{**rest, **kwargs})

    call.__name__ = call.__qualname__ = name
    return call


# Methods that a user's class may define under an earlier name, today's name, and what the classes have that know it.
_EARLIER = (
    ("get_output_shape_for", "compute_output_shape", "compute_output_shape"),
    ("reset_states", "reset_state", "update_state"),
)


def adopt(cls: type) -> None:
    """Give a class of the library the methods and attributes that earlier eras called otherwise.

    An optimizer of a user's that says its updates itself keeps its learning rate itself too.
    """
    if not cls.__module__.startswith("keraunos."):
        if "get_updates" in vars(cls):
            cls.needs_rate = False  # type: ignore[attr-defined]
        # What a class says under an earlier name is what it says.
        for old, new, mark in _EARLIER:
            if old in vars(cls) and new not in vars(cls) and hasattr(cls, mark):
                setattr(cls, new, vars(cls)[old])
        return
    for row in table.METHODS:
        if row.owner == cls.__name__:
            setattr(cls, row.old, _renamed(row))


def _renamed(row: table.Method) -> Any:
    """Property, or method, that stands for another one."""
    place, _, function = row.new.partition(":")
    if function.endswith("()"):

        def value(self: Any) -> Any:
            module = importlib.import_module(f"keraunos.eras.{place}")
            return getattr(module, function.removesuffix("()"))(self)

        def keep(self: Any, given: Any) -> None:
            # A user's layer may have an attribute of this name.
            vars(self)[f"_own_{row.old}"] = given

        return property(
            lambda self: vars(self)[f"_own_{row.old}"] if f"_own_{row.old}" in vars(self) else value(self),
            keep,
            doc=f"As in Keras {row.last}.",
        )
    if function:

        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            functions = importlib.import_module(f"keraunos.eras.{place}")
            return getattr(functions, function)(self, *args, **kwargs)

        call.__name__ = row.old
        call.__doc__ = f"As in Keras {row.last}."
        return call

    def read(self: Any) -> Any:
        spelling.note(f"{row.old} is called {row.new} since Keras {row.last + 1}")
        return getattr(self, row.new)

    def write(self: Any, value: Any) -> None:
        spelling.note(f"{row.old} is called {row.new} since Keras {row.last + 1}")
        setattr(self, row.new, value)

    return property(read, write, doc=f"``{row.new}``, as Keras {row.last} called it.")


# --- what is shown ------------------------------------------------------------------------


def weights_today(layer: Any, arrays: Sequence[Any]) -> list[Any]:
    """Weights that are listed as in the active era, as they are listed today."""
    from keraunos.eras import weight_lists

    return weight_lists.today(layer, arrays)


def weights_earlier(layer: Any, arrays: Sequence[Any]) -> list[Any]:
    """Weights as the active era listed them."""
    from keraunos.eras import weight_lists

    return weight_lists.earlier(layer, arrays)


def names_to_extend(model: Any, names: list[str]) -> list[str]:
    """Names of the metrics of a compiled model, in a list by which further tensors get theirs."""
    from keraunos.eras import added

    return added.Names(names, model)


def shares_layers(model: Any) -> bool:
    """Whether the list that ``layers`` of a model returns was the model's own in the active era.

    Keras 2.2.4 left the Input out of that of a Sequential, and so copied it.
    """
    from keraunos.eras import nodes

    return nodes.shares_layers(model)


def check_softmax(rank: int) -> None:
    """Raise ``ShapeError`` for tensors whose softmax eras 1 and 2 refused.

    Keras 1 refused four axes too, which its later networks, such as MobileNet, would need.
    """
    if rank < 2:
        raise ShapeError(f"softmax: expected two axes or more, the batch first, but the inputs have {rank}.")


def fans(shape: Sequence[int]) -> tuple[float, float]:
    """Inputs and outputs of a weight, as the active era counted them."""
    from keraunos.eras import fans

    return fans.fans(shape)


def first_axis(rank: int) -> int | None:
    """The axis of a weight that came first in the active era, where that decides."""
    from keraunos.eras import fans

    return fans.first_axis(rank)


def first_values(layer: Any, initializer: Any) -> Any:
    """An initializer that sees the weights of a layer as the active era laid them out."""
    from keraunos.eras import fans

    return fans.first_values(layer, initializer)


def regularization_losses(layer: Any) -> list[Any]:
    """Value of each regularizer of the weights, as the active era applied them."""
    from keraunos.eras import added

    return added.regularization_losses(layer)


def losses_of_calls(layer: Any) -> list[Any]:
    """What recorded calls of a layer add to the loss, as symbolic tensors."""
    from keraunos.eras import added

    return added.losses_of_calls(layer)


def own_steps(layer: Any) -> Callable[..., Any] | None:
    """What runs a recurrent layer whose class says its steps itself, as classes of eras 1 and 2 did."""
    from keraunos.eras import stepping

    return functools.partial(stepping.run, layer) if stepping.says_steps(layer) else None


def first_states(layer: Any, sequences: Any) -> list[Any] | None:
    """The first states of a recurrent layer whose class says them of its sequences, as in eras 1 and 2."""
    from keraunos.eras import stepping

    return stepping.first_states(layer, sequences)


def display_class() -> Any:
    """Class of the active era's progress display."""
    from keraunos.eras.display import DISPLAYS

    return DISPLAYS[spelling.era()]


def summary_printer() -> Callable[..., None]:
    """Function that prints the active era's table of a model."""
    from keraunos.eras.summary import PRINTERS

    return PRINTERS[spelling.era()]


def metric_name(identifier: str, metric: Any) -> str:
    """Under which name a metric that was asked for by name is shown in the active era."""
    return table.SHOWN_METRICS.get(identifier, identifier) if spelling.chosen() else identifier


def direction(monitor: str) -> str:
    """Before Keras 3 an accuracy was known by its name, and anything else taken for an error.

    >>> direction("val_acc"), direction("val_my_error")
    ('up', 'down')
    """
    name = monitor.removeprefix("val_")
    if "acc" in monitor or name.startswith("fmeasure"):
        return "up"
    if not any(word in name.lower() for word in _ERRORS):
        spelling.note(
            f"mode='auto' takes {monitor!r} for an error, as Keras {spelling.era()} did, so the smallest is the best; where "
            "more is better, pass mode='max'"
        )
    return "down"


# What names of errors have in them.
_ERRORS = "loss err mse mae rms mape msle entropy perplexity dist dev nll bce kl cost hinge".split()


def epoch_name(epoch: int) -> str:
    """Epochs had five digits; Keras 1 counted them from 0."""
    return f"Epoch {epoch + (spelling.era() > 1):05d}"


def hand_validation_data(callbacks: Iterable[Any], data: tuple[Any, Any, Any]) -> None:
    """Before Keras 3 each callback found the inputs, targets and weights in one list, ``validation_data``."""
    x, y, weights = data
    arrays = [*tree.leaves(x), *tree.leaves(y)] if y is not None and all(map(_is_rows, tree.leaves((x, y)))) else None
    if arrays is not None:
        given = tree.leaves(weights) if weights is not None else [np.ones(part.shape[0]) for part in tree.leaves(y)]
        arrays = [*arrays, *given]
    for callback in callbacks:
        callback.validation_data = arrays


def _is_rows(values: Any) -> bool:
    return hasattr(values, "shape") and len(values.shape) > 0


def log_order(logs: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The values of an epoch in the order of eras 1 and 2: those of the validation, the loss, the metrics.

    >>> list(log_order({"acc": 0, "loss": 0, "val_acc": 0, "val_loss": 0}, ["loss", "acc"]))
    ['val_loss', 'val_acc', 'loss', 'acc']
    """
    place = {name: number for number, name in enumerate(names)}

    def order(name: str) -> tuple[bool, int]:
        return not name.startswith("val_"), place.get(name.removeprefix("val_"), len(place))

    return {name: logs[name] for name in sorted(logs, key=order)}


def batch_logs(
    number: int, rows: int, logs: Mapping[str, Any], earlier: Mapping[str, Any], seen: int, means: Sequence[str]
) -> dict[str, Any]:
    """Number, size and values of one batch, which eras 1 and 2 told, where today's are those of the epoch so far.

    >>> batch_logs(1, 10, {"loss": 3.0}, {"loss": 2.0}, 10, ["loss"])
    {'batch': 1, 'size': 10, 'loss': 4.0}
    """
    own = {
        name: (value * (seen + rows) - earlier.get(name, 0.0) * seen) / rows if name in means else value
        for name, value in logs.items()
    }
    return {"batch": number, "size": rows, **own}


def key(name: str, present: Collection[str]) -> str | None:
    """The key among those present that another era calls ``name``.

    >>> key("val_acc", ["loss", "val_accuracy"])
    'val_accuracy'
    """
    for base, group in _GROUPS.items():
        prefix = name.removesuffix(base)
        if prefix != name and (not prefix or prefix.endswith("_")):
            for other in group:
                if other != base and prefix + other in present:
                    return prefix + other
    return None


_GROUPS: Mapping[str, tuple[str, ...]] = {name: group for group in table.KEYS for name in group}


def shown_class(kind: str) -> str:
    """Name of a class in the active era.

    >>> shown_class("Conv2D")
    'Conv2D'
    """
    return table.SHOWN_CLASSES.get(spelling.era(), {}).get(kind, kind)


def automatic_name(kind: str, counted: Callable[[str], int]) -> str:
    """Name of an object of a class: ``dense_1`` and so on; ``counted`` says how often a prefix was used before.

    >>> automatic_name("InputLayer", lambda prefix: 4)
    'input_5'
    """
    prefix = "input" if kind == "InputLayer" else _lower(shown_class(kind))
    return f"{prefix}_{counted(prefix) + 1}"


def first_input_name(layer: Any, counted: Callable[[str], int]) -> str:
    """Name of the input that a ``Sequential`` makes for its first layer."""
    if spelling.era() > 1:
        return f"{layer.name}_input"
    prefix = f"{_lower(shown_class(type(layer).__name__))}_input"
    return f"{prefix}_{counted(prefix) + 1}"


def _lower(kind: str) -> str:
    # Keras 2.2.4 counted figures among the small letters: ConvLSTM2D became conv_lst_m2d.
    return kind.lower() if spelling.era() == 1 else snake_case(kind, "a-z0-9")


def compiling() -> Any:
    """Module with the checks of earlier eras where a model is compiled or trained."""
    return importlib.import_module("keraunos.eras.compiling")


def files() -> Any:
    """Module that reads and writes the files of earlier eras."""
    return importlib.import_module("keraunos.eras.files")


def run_params(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What callbacks learn about a run in eras 1 and 2, and what their display needs."""
    if spelling.era() == 1:
        return {**facts, "nb_epoch": facts["epochs"], "nb_sample": facts["samples"]}
    return dict(facts)

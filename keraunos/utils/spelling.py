"""The seam to other generations of Keras: what an unknown spelling means, and whose defaults hold.

The library knows only today's names. A provider, which ``keraunos/__init__``
names, knows the others. It is asked where a name is unknown, and about
everything where an era other than today's is active.
"""

import contextlib
import functools
import importlib
import inspect
import logging
import os
import sys
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar, cast

from keraunos.utils.errors import ArgumentError
from keraunos.utils.modules import offer
from keraunos.utils.text import nearest, suggestion
from keraunos.utils.tracebacks import tidy

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type)

MODERN = 3
_logger = logging.getLogger("keraunos.eras")
_provider: list[str] = []
_era = [MODERN]
_said: set[str] = set()
_quiet = [False]
_written = [MODERN]
_compile_settles = [False]


class Provider(Protocol):
    """What knows the spellings, defaults and texts of other eras."""

    def arguments(
        self,
        owners: Sequence[str],
        names: Sequence[str],
        known: Collection[str],
        args: list[Any],
        kwargs: dict[str, Any],
    ) -> tuple[list[Any], dict[str, Any]]:
        """A call in today's spelling.

        Args:
            owners: Names under which the table may know the callee: its class and bases, or itself.
            names: Arguments that may be given by position, in order.
            known: All arguments that are known by name.
            args, kwargs: The call.
        """

    def older_arguments(self, owners: Sequence[str]) -> Mapping[str, str]:
        """Old names of a callee's arguments, and those of today."""

    def member(self, family: str, name: str) -> Any:
        """Member of a family (``"losses"``) that a name means in the active era, or ``None`` for today's."""

    def attribute(self, module: str, name: str) -> Any:
        """What an old name of a public module stands for, or ``None``."""

    def adopt(self, cls: type) -> None:
        """Give a new class the methods and attributes that earlier eras called otherwise."""

    def metric_name(self, identifier: str, metric: Any) -> str:
        """Under which name a metric that was asked for by name is shown."""

    def log_order(self, logs: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
        """The values of an epoch in the order of the active era; ``names`` are those of the metrics, in order."""

    def batch_logs(
        self,
        number: int,
        rows: int,
        logs: Mapping[str, Any],
        earlier: Mapping[str, Any],
        seen: int,
        means: Sequence[str],
    ) -> dict[str, Any]:
        """What a hook of one batch is told in the active era.

        Args:
            number: Number of the batch in its epoch, from 0.
            rows: Rows of the batch.
            logs, earlier: Values of the epoch with and without this batch.
            seen: Rows before this batch.
            means: Names of the values that are means over rows.
        """

    def key(self, name: str, present: Collection[str]) -> str | None:
        """The key among those present that another era calls ``name``."""

    def automatic_name(self, kind: str, counted: Callable[[str], int]) -> str:
        """Name of an object of a class; ``counted`` says how often a prefix was used before."""

    def first_input_name(self, layer: Any, counted: Callable[[str], int]) -> str:
        """Name of the input that is made for a first layer."""

    def losses_of_calls(self, layer: Any) -> list[Any]:
        """What recorded calls of a layer add to the loss, as symbolic tensors."""

    def own_steps(self, layer: Any) -> Callable[..., Any] | None:
        """What runs a recurrent layer whose class says its steps itself: a function of sequences, states, mask, training."""

    def first_states(self, layer: Any, sequences: Any) -> list[Any] | None:
        """The first states of a recurrent layer whose class says them of its sequences."""

    def display_class(self) -> Any:
        """Class of the active era's progress display."""

    def summary_printer(self) -> Callable[..., None]:
        """Function that prints the active era's table of a model."""

    def weights_today(self, layer: Any, arrays: Sequence[Any]) -> list[Any]:
        """Weights that are listed as in the active era, as they are listed today."""

    def weights_earlier(self, layer: Any, arrays: Sequence[Any]) -> list[Any]:
        """Weights as the active era listed them."""

    def check_softmax(self, rank: int) -> None:
        """Raise ``ShapeError`` where a softmax of tensors of a rank was none in the active era."""

    def fans(self, shape: Sequence[int]) -> tuple[float, float]:
        """Inputs and outputs of a weight, as the active era counted them."""

    def first_axis(self, rank: int) -> int | None:
        """The axis of a weight that came first in the active era, where that decides."""

    def first_values(self, layer: Any, initializer: Any) -> Any:
        """An initializer that sees the weights of a layer as the active era laid them out."""

    def regularization_losses(self, layer: Any) -> list[Any]:
        """Value of each regularizer of the weights, as the active era applied them."""

    def names_to_extend(self, model: Any, names: list[str]) -> list[str]:
        """Names of the metrics of a compiled model, in a list by which further tensors get theirs."""

    def shares_layers(self, model: Any) -> bool:
        """Whether the list that ``layers`` of a model returns was the model's own in the active era."""

    def direction(self, monitor: str) -> str:
        """Whether a value that is followed shall go ``"up"`` or ``"down"``, by its name alone."""

    def epoch_name(self, epoch: int) -> str:
        """How messages call an epoch, counted from 0 here."""

    def hand_validation_data(self, callbacks: Iterable[Any], data: tuple[Any, Any, Any]) -> None:
        """Give callbacks the data that an epoch is validated on."""

    def run_params(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """What a callback learns about a run."""

    def compiling(self) -> Any:
        """Module that refuses, or warns of, what earlier eras did where a model is compiled or trained.

        Its functions: ``check_compile``, ``checked_weights``, ``warn_of_discrepancy`` and ``as_shown``.
        """

    def files(self) -> Any:
        """Module that translates what earlier eras wrote into files, and writes as the active one did.

        Its functions: ``origin``, ``todays_model``, ``todays_compile``, ``in_own_order``, ``todays_arrays``, ``todays_state``,
        ``backend_of`` to read; ``facts``, ``contents``, ``architecture``, ``optimizer_config`` and ``may_replace`` to
        write.
        """


def provide(module: str) -> None:
    """Name the module that is the provider; it is imported when it is first needed."""
    _provider[:] = [module]


def provider() -> Provider:
    """The module that knows other eras."""
    return cast(Provider, importlib.import_module(_provider[0]))


def era() -> int:
    """The active era: 1 or 2, or 3, which is today's.

    >>> era()
    3
    """
    return _era[0]


def chosen() -> bool:
    """Whether defaults of another era than today's are asked for."""
    return _era[0] != MODERN


def use_era(number: int) -> int:
    """Make an era active; returns the one before."""
    if number not in (1, 2, MODERN):
        raise ArgumentError(f"there is no era {number!r}; expected 1 (Keras 1), 2 (Keras 2) or 3 (Keras 3).")
    before, _era[0] = _era[0], number
    return before


def compile_settles(settles: bool | None = None) -> bool:
    """Whether ``compile`` settles for today's era too which layers are trained, as a kin of it had it; may be set.

    >>> compile_settles()
    False
    """
    if settles is not None:
        _compile_settles[0] = settles
    return _compile_settles[0]


@contextlib.contextmanager
def in_era(number: int) -> Iterator[None]:
    """Make an era active inside a ``with`` block.

    >>> with in_era(1):
    ...     era()
    1
    """
    before = use_era(number)
    try:
        yield
    finally:
        use_era(before)


def shown(name: str) -> str:
    """A log's name in the active era.

    >>> shown("learning_rate")
    'learning_rate'
    """
    return provider().metric_name(name, None) if chosen() else name


@contextlib.contextmanager
def quiet(written: int = MODERN) -> Iterator[None]:
    """Say and remember no notes inside a ``with`` block: a file's spelling is not the user's.

    Args:
        written: The era of the file.
    """
    before, _quiet[0] = _quiet[0], True
    written_before, _written[0] = _written[0], written
    try:
        yield
    finally:
        _quiet[0], _written[0] = before, written_before


def slashes_in_names() -> bool:
    """Whether a layer's name may have slashes, as it might before Keras 3: in such an era, and in its files."""
    return chosen() or _written[0] != MODERN


def is_quiet() -> bool:
    """Whether notes are neither said nor remembered."""
    return _quiet[0]


def epoch_name(epoch: int) -> str:
    """How messages call an epoch, which is counted from 0 here.

    >>> epoch_name(0)
    'Epoch 1'
    """
    return provider().epoch_name(epoch) if chosen() else f"Epoch {epoch + 1}"


def note(text: str) -> None:
    """Tell the user something once, in one line; ``KERAUNOS_NOTES=0`` or the logger's level silences it."""
    if text not in _said and not _quiet[0]:
        _said.add(text)
        if os.environ.get("KERAUNOS_NOTES", "1") == "0":
            return
        if "ipykernel" in sys.modules and not _logger.hasHandlers():
            # A notebook shows standard error, where a logger without handlers writes, on red.
            if _logger.isEnabledFor(logging.WARNING):
                print(f"keraunos: {text}")
        else:
            _logger.warning("keraunos: %s", text)


def forget_notes() -> None:
    """Let every note be said again."""
    _said.clear()


# --- where the library asks ------------------------------------------------------------


def spelled(function: F) -> F:
    """Decorator of a function, method or constructor whose arguments have, or had, other names too.

    An argument that no era knows is an ``ArgumentError`` that says which may be meant.
    """
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    method = bool(parameters) and parameters[0].name == "self"
    own = parameters[1:] if method else parameters
    names = tuple(p.name for p in own if p.kind is p.POSITIONAL_OR_KEYWORD)
    known = frozenset(p.name for p in own if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY))
    open_ended = any(p.kind is p.VAR_KEYWORD for p in own)
    constructor = function.__name__ == "__init__"
    owners = (f"{function.__module__.rpartition('.')[2]}.{function.__qualname__}", function.__qualname__)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            if _era[0] == MODERN and known.issuperset(kwargs):
                return function(*args, **kwargs)
            first, rest = (list(args[:1]), list(args[1:])) if method else ([], list(args))
            mine = owners_of(type(args[0])) if constructor and args else owners
            rest, kwargs = provider().arguments(mine, names, known, rest, dict(kwargs))
            if not open_ended:
                refuse_unknown(mine, kwargs, known)
            return function(*first, *rest, **kwargs)
        except BaseException as error:
            tidy(error)
            raise

    return cast(F, call)


def adopting(cls: C) -> C:
    """Decorator of a class without fields that has methods and attributes which earlier eras called otherwise."""
    provider().adopt(cls)
    return cls


def refuse_unknown(owners: Sequence[str], given: Iterable[str], known: Collection[str], sure: bool = True) -> None:
    """Raise ``ArgumentError`` for the first argument that no era knows, with the one that may be meant.

    Args:
        owners: Names of the callee, as ``Provider.arguments`` takes them.
        given: Names given.
        known: Names that are known.
        sure: Whether a name that is not known is wrong; otherwise only one that is nearly a known one is.
    """
    for name in given:
        if name not in known:
            older = provider().older_arguments(owners)
            meant = nearest(name, {*known, *older})
            if meant is not None and meant in older:
                hint = f" Did you mean {older[meant]!r}, once called {meant!r}?"
            else:
                hint = suggestion(name, known if meant is None else [meant])
            if sure or meant is not None:
                raise ArgumentError(f"{owners[0].rpartition('.')[2]}: unknown argument {name!r}.{hint}")


def owners_of(cls: type) -> tuple[str, ...]:
    """Names of a class and its bases, the nearest first; each with and without its family."""
    if cls not in _owners:
        _owners[cls] = tuple(_names_of(cls))
    return _owners[cls]


_owners: weakref.WeakKeyDictionary[type, tuple[str, ...]] = weakref.WeakKeyDictionary()


def _names_of(cls: type) -> Iterator[str]:
    bases = [base for base in cls.__mro__ if base is not object]
    for base in bases:
        yield base.__name__
        yield f"{(*base.__module__.split('.'), '')[1]}.{base.__name__}"


def offer_older(module: str) -> None:
    """``modules.offer`` for a module in which names are found too that earlier eras had for what is in it.

    Args:
        module: Full name of the module.
    """

    offer(module, lambda name: provider().attribute(module.removeprefix("keraunos."), name))


class Logs(dict[str, Any]):
    """Values by name, which answers to the names that other eras have for them.

    >>> Logs(accuracy=0.5)["acc"], "acc" in Logs(accuracy=0.5), list(Logs(accuracy=0.5))
    (0.5, True, ['accuracy'])
    """

    def __missing__(self, name: Any) -> Any:
        return self[self._meant(name)]

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or self._other(name) is not None

    def get(self, name: Any, default: Any = None) -> Any:
        """Value of a name, or of another era's name for it."""
        return self[name] if name in self else default  # noqa: SIM401

    def _other(self, name: object) -> str | None:
        return provider().key(name, self.keys()) if isinstance(name, str) else None

    def _meant(self, name: Any) -> str:
        found = self._other(name)
        if found is None:
            raise KeyError(name)
        return found

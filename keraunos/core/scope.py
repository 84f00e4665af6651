"""The Scope: which value each Variable has in one trace, and what the trace wrote.

A compiled step sees Variables as arguments. While it is traced, a Scope binds
each Variable to the tensor that stands for it, collects assignments, losses
and masks, and hands out random keys. What would be a silent fault becomes a
sentence: a Variable that nothing binds, state or random numbers inside an
inner loop.
"""

import contextlib
import contextvars
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from keraunos.backend import K
from keraunos.backend.depth import depth
from keraunos.utils.errors import ScopeError

if TYPE_CHECKING:
    from keraunos.core.variable import Variable

_current: contextvars.ContextVar["Scope | None"] = contextvars.ContextVar("scope", default=None)
_noted: contextvars.ContextVar["list[Variable] | None"] = contextvars.ContextVar("noted", default=None)
_optimizer_at_work: contextvars.ContextVar[bool] = contextvars.ContextVar("optimizer_at_work", default=False)


class Scope:
    """Binds values to Variables for one trace, and collects what the trace writes.

    Args:
        values: Tensor of each Variable that the trace may read.
        key: Function that makes the random key from which ``next_key`` derives; ``None`` for that of the outer Scope.
        strict: Whether reading a Variable that is not bound is an error; otherwise
            its present value enters the trace as a constant.
        owner: Name of the model, for messages.
    """

    def __init__(
        self,
        values: "Mapping[Variable, Any] | None" = None,
        *,
        key: Callable[[], Any] | None = None,
        strict: bool = True,
        owner: str = "the model",
    ) -> None:
        self.values = dict(values or {})
        self.key, self.strict, self.owner = key, strict, owner
        self.writes: dict[Variable, Any] = {}
        self.losses: list[tuple[Any, Any]] = []
        self.parent: Scope | None = None
        self.rows: Any = None  # which rows of the batch are real (1) and which padding (0); None: all are real
        self.guesses = False  # whether sizes in this trace stand for open ones (see symbolic.infer)
        self.only_shapes = False  # whether nothing of this trace is ever computed
        self.training: bool | None = None  # what the last outermost call of a layer was told
        self.computed: dict[int, Any] = {}  # by id, the values that symbolic tensors had in the models called
        self.outputs: list[tuple[Any, Any]] = []  # symbolic outputs of the models called, and their values
        self.checked: frozenset[Any] = frozenset()  # layers that look up only numbers which were checked before
        self.after: dict[Variable, Any] = {}  # values that Variables get once everything is computed
        self._masks: dict[int, tuple[Any, Any]] = {}
        self._keys_given = 0

    def __enter__(self) -> Self:
        self.parent = _current.get()
        self._depth = depth()
        self._token = _current.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)

    def read(self, variable: "Variable") -> Any:
        """Value of a Variable in this trace."""
        for values in (self.writes, self.values):
            if variable in values:
                return values[variable]
        if self.parent is not None:
            return self.parent.read(variable)
        if self.strict:
            raise ScopeError(
                f"the Variable {variable.path!r} is used while {self.owner} is compiled, but no layer, metric or "
                "optimizer of it holds that Variable. Make it an attribute of the layer or model that uses it."
            )
        noted = _noted.get()
        if noted is not None and variable not in noted:
            noted.append(variable)
        if self.only_shapes and variable.is_deferred:
            return K.zeros(variable.shape, variable.dtype)  # traced, it takes no memory
        return variable.concrete

    def write(self, variable: "Variable", value: Any) -> None:
        """Give a Variable a new value in this trace.

        A trainable one that a layer assigns has the new value from there on, and the gradient for it is one for that.
        """
        if variable.trainable and not _optimizer_at_work.get():
            variable.assigned_in_calls = True
            before = self.read(variable)
            value = K.stop_gradient(value) + (before - K.stop_gradient(before))
        if depth().traces > self._depth.traces:
            raise ScopeError(
                f"the Variable {variable.path!r} is assigned inside an inner loop or gradient. Return the new value "
                "from the inner function and assign it outside."
            )
        self.writes[variable] = value

    def next_key(self, seed: int | None = None) -> Any:
        """A random key that no other request of this trace gets."""
        if depth().loops > self._depth.loops:
            raise ScopeError(
                "random numbers are asked for inside an inner loop, where they would be the same at every turn. "
                "Draw them before the loop and pass slices in."
            )
        self._keys_given += 1
        number = self._keys_given
        if self.key is None:
            if self.parent is not None:
                return self.parent.next_key(seed)
            return K.fold_in(K.random_key(0 if seed is None else seed), number)
        # Not kept: a key made in an inner trace is of no use outside of it.
        key = self.key() if seed is None else K.fold_in(self.key(), seed)
        return K.fold_in(key, number)

    @property
    def drew(self) -> bool:
        """Whether random numbers were asked for."""
        return self._keys_given > 0

    def number_keys(self, number: int) -> None:
        """Let the keys that follow depend on a number alone, not on how many were given before."""
        scope = self
        while scope.key is None and scope.parent is not None:
            scope = scope.parent
        scope._keys_given = number << 8

    def root(self) -> "Scope":
        """The outermost Scope."""
        return self if self.parent is None else self.parent.root()


@contextlib.contextmanager
def noting_reads() -> "Iterator[list[Variable]]":
    """Collect the Variables that traces inside a ``with`` block read without a value being bound to them."""
    token = _noted.set([])
    try:
        yield _noted.get()  # type: ignore[misc]
    finally:
        _noted.reset(token)


def current_scope() -> Scope | None:
    """The Scope of the trace that is on, or ``None`` in eager code."""
    return _current.get()


def sizes_are_guesses() -> bool:
    """Whether the trace that is on only infers shapes, with made-up sizes in place of open ones."""
    scope = _current.get()
    while scope is not None and not scope.guesses:
        scope = scope.parent
    return scope is not None


def lookups_are_checked(layer: Any) -> bool:
    """Whether the numbers that a layer looks up in the trace that is on were checked before."""
    scope = _current.get()
    while scope is not None and layer not in scope.checked:
        scope = scope.parent
    return scope is not None


@contextlib.contextmanager
def optimizer_writes() -> Iterator[None]:
    """Permit assignments to trainable Variables: the optimizer's ``apply`` is at work."""
    token = _optimizer_at_work.set(True)
    try:
        yield
    finally:
        _optimizer_at_work.reset(token)


def next_key(seed: int | None = None) -> Any:
    """A fresh random key: of the trace that is on, else from NumPy's global generator."""
    scope = _current.get()
    if scope is not None:
        return scope.next_key(seed)
    return K.random_key(fresh_seed() if seed is None else _eager_count(seed))


def fresh_seed() -> int:
    """A 32-bit seed from NumPy's global generator, so that ``np.random.seed`` governs everything."""
    return int(np.random.randint(0, 2**31 - 1))


_eager_counts: dict[int, int] = {}


def _eager_count(seed: int) -> int:
    count = _eager_counts[seed] = _eager_counts.get(seed, -1) + 1
    return (seed * 1_000_003 + count) % 2**31


def reset_seeds() -> None:
    """Forget how often each explicit seed was used in eager code."""
    _eager_counts.clear()


# --- masks ---------------------------------------------------------------------------


def set_mask(tensor: Any, mask: Any) -> None:
    """Remember which time steps of a tensor are real."""
    if mask is None:
        return
    scope = _current.get()
    if scope is not None:
        # The pair keeps the tensor alive, so that its id is not given to another.
        scope._masks[id(tensor)] = (tensor, mask)
        return
    with contextlib.suppress(AttributeError):
        tensor._keras_mask = mask


def get_mask(tensor: Any) -> Any:
    """Mask of a tensor, or ``None``."""
    scope = _current.get()
    while scope is not None:
        if id(tensor) in scope._masks:
            return scope._masks[id(tensor)][1]
        scope = scope.parent
    return getattr(tensor, "_keras_mask", None)

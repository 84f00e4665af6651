"""``keras.backend`` of eras 1 and 2 where it builds a graph: placeholders, functions, gradients, phases, updates, loops.

What is said between two calls is recorded (``core/symbolic.py``) and computed
by ``function``, ``eval``, or a model; inside a layer's ``call`` and in a
compiled step it is computed there. Reference: ``keras.backend`` of Keras 1.2.2
and 2.2.4 on TensorFlow.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self, TypeVar, cast

import numpy as np

from keraunos.backend import K
from keraunos.backend.spec import TensorSpec
from keraunos.config import floatx
from keraunos.core import evaluation, phase
from keraunos.core.frozen import frozen
from keraunos.core.scope import Scope, current_scope, next_key
from keraunos.core.symbolic import Call, SymbolicTensor, is_recorded, is_symbolic, record, recording
from keraunos.core.variable import Variable
from keraunos.layers.layer import Layer
from keraunos.optimizers import Optimizer
from keraunos.utils import spelling, tree
from keraunos.utils.errors import ArgumentError, ShapeError

F = TypeVar("F", bound=Callable[..., Any])

__all__ = [
    "foldl", "foldr", "function", "get_session", "gradients", "in_test_phase", "in_train_phase", "is_placeholder",
    "learning_phase", "learning_phase_scope",
    "map_fn", "moving_average_update", "name_scope", "placeholder", "print_tensor", "rnn",
    "set_learning_phase", "set_session", "update", "update_add", "update_sub",
]  # fmt: skip


def recorded(function: F) -> F:
    """Let a function of tensors become one step of the graph where a symbolic tensor or ``K.variable`` is given."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        leaves = tree.leaves((args, kwargs))
        if any(map(is_recorded, leaves)) or is_symbolic(leaves):
            return record(Call(frozen(function)), args, kwargs)
        return function(*args, **kwargs)

    return cast(F, call)


def drawn(function: F) -> F:
    """The same for a function that draws random numbers: in eras 1 and 2, new ones whenever its result is needed."""
    in_graph = recorded(function)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if spelling.chosen() and recording():
            return record(Call(frozen(function)), args, kwargs)
        return in_graph(*args, **kwargs)

    return cast(F, call)


# --- placeholders and functions -----------------------------------------------------------


def placeholder(
    shape: Sequence[int | None] | None = None,
    ndim: int | None = None,
    dtype: str | None = None,
    sparse: bool = False,
    name: str | None = None,
) -> SymbolicTensor:
    """A symbolic tensor that is given to a ``function``.

    Args:
        shape: Sizes, ``None`` where open.
        ndim: Number of axes, all open, where no shape is given.
        dtype: Element type; the default float type if not given.
        sparse: Whether sparse matrices may be given; they are made dense.
        name: Name in messages.

    >>> x = placeholder((None, 3)); function([x], [x * 2.0])([np.ones((1, 3))])[0].tolist()
    [[2.0, 2.0, 2.0]]
    """
    if shape is None and ndim is None:
        raise ArgumentError("placeholder: give a shape, or ndim.")
    shape = (None,) * cast(int, ndim) if shape is None else tuple(shape)
    tensor = SymbolicTensor(shape, ElementType(dtype or floatx()), name)
    tensor.sparse = bool(sparse)
    return tensor


def is_placeholder(x: Any) -> bool:
    """Whether a symbolic tensor is where data enter."""
    return isinstance(x, SymbolicTensor) and (x.node is None or x.node.is_input)


class Function:
    """A compiled function of symbolic tensors: ``f([values]) -> [NumPy arrays]``; see ``function``."""

    def __init__(
        self, inputs: Any, outputs: Any, updates: Any = None, name: str | None = None, fetches: Any = None,
        feed_dict: Any = None, options: Any = None, run_metadata: Any = None, **others: Any,
    ) -> None:  # fmt: skip
        for what, given in (("inputs", inputs), ("outputs", outputs), ("updates", updates)):
            if not isinstance(given, (list, tuple, type(None))) or (given is None and what != "updates"):
                raise TypeError(f"function: {what} is a {type(given).__name__}; expected a list.")
        unknown = [key for key in others if key not in ("allow_input_downcast", "on_unused_input", "mode", "profile")]
        if unknown:
            raise ArgumentError(f"function: there is no argument {unknown[0]!r}; expected fetches or feed_dict.")
        self.inputs, self.outputs, self.updates = list(inputs), list(outputs), list(updates or ())
        self.name, self.feed_dict = name, feed_dict if feed_dict is not None else {}
        self._fetches = fetches if isinstance(fetches, (list, tuple)) else [] if fetches is None else [fetches]
        self._program: evaluation.Program | None = None
        self._fed: tuple[Any, ...] = ()

    def __call__(self, inputs: Sequence[Any]) -> list[Any]:
        """Outputs for values of the inputs, as NumPy arrays; then the updates are made."""
        if not isinstance(inputs, (list, tuple)):
            raise TypeError(f"a function is called with a list of values, not with a {type(inputs).__name__}.")
        if len(inputs) != len(self.inputs):
            raise ArgumentError(f"the function takes {len(self.inputs)} values, but {len(inputs)} were given.")
        training = phase.fixed_training()
        tensors, values = [], []
        for tensor, value in (*zip(self.inputs, inputs, strict=True), *self.feed_dict.items()):
            if is_learning_phase(tensor):
                training = bool(value)
            elif isinstance(tensor, SymbolicTensor):
                tensors.append(tensor)
                values.append(_fitting(value, tensor))
        fed = tuple(map(id, tensors))
        if self._program is None or fed != self._fed:
            updates = [update for update in (*self.updates, *self._fetches) if update is not None]
            self._program, self._fed = evaluation.Program(tensors, self.outputs, updates), fed
        return [np.asarray(K.to_numpy(result)) for result in self._program(values, training)]


def function(inputs: Any, outputs: Any, updates: Any = None, **options: Any) -> Function:
    """A compiled function of symbolic tensors, which may change Variables.

    Args:
        inputs: Symbolic tensors, ``learning_phase()`` among them where layers should be told whether they train.
        outputs: Symbolic tensors or Variables.
        updates: Pairs ``(variable, new value)``, what ``update`` and its like return, an optimizer's
            ``get_updates``, a model's ``updates``. New values are computed from the values before.
        **options: ``fetches``: further updates; ``feed_dict``: values of further inputs.

    >>> x = placeholder(ndim=1); y = placeholder(ndim=1)
    >>> function([x, y], [x + y])([[1.0], [2.0]])[0].tolist()
    [3.0]
    """
    return Function(inputs, outputs, updates, **options)


def gradients(loss: Any, variables: Any) -> list[Any]:
    """Derivatives of a loss, summed over its elements, for Variables and symbolic tensors; a list of symbolic tensors.

    For a tensor that the loss does not depend on it is ``None``.

    >>> from keraunos import ops
    >>> x = placeholder((2,))
    >>> function([x], gradients(ops.sum(x * x), [x]))([[1.0, 3.0]])[0].tolist()
    [2.0, 6.0]
    """
    targets = list(variables) if isinstance(variables, (list, tuple)) else [variables]
    symbols = [_symbol_of(what) for what in (loss, *targets)]
    for what, symbol in zip((loss, *targets), symbols, strict=True):
        if symbol is None:
            raise evaluation.NoHistory(
                f"gradients: a {type(what).__name__} has no history; expected a symbolic tensor or a Variable."
            )
    return evaluation.gradients(symbols[0], symbols[1:])


def _symbol_of(value: Any) -> Any:
    """The symbolic tensor whose value in the running trace this is: what a loss gets are values."""
    if isinstance(value, (SymbolicTensor, Variable)):
        return value
    scope = current_scope()
    while scope is not None:
        for tensor, known in scope.outputs:
            if known is value:
                return tensor
        scope = scope.parent
    return None


class Session:
    """What runs graphs, where scripts ask for it: ``get_session().run(tensors, feed_dict={placeholder: value})``."""

    def run(self, fetches: Any, feed_dict: Any = None, **_: Any) -> Any:
        """Values of tensors, in the form in which they were given."""
        wanted = tree.leaves(fetches)
        values = Function([], [x for x in wanted if x is not None], feed_dict=feed_dict)([])
        remaining = iter(values)
        return tree.map(lambda x: None if x is None else next(remaining), fetches)

    def close(self) -> None:
        """Nothing is held."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_sessions: list[Any] = []


def get_session() -> Any:
    """The session that ``set_session`` was given, else one of our own."""
    if not _sessions:
        _sessions.append(Session())
    return _sessions[-1]


def set_session(session: Any) -> None:
    """Accepted; what it was given is returned by ``get_session``, where it can run graphs."""
    _sessions[:] = [session if isinstance(session, Session) else Session()]


@contextlib.contextmanager
def name_scope(name: str) -> Iterator[str]:
    """Accepted: names of steps are not shown anywhere."""
    yield name


# --- phases -------------------------------------------------------------------------------


def _phase_now() -> Any:
    return K.array(int(bool(phase.training())), "int32")


_LEARNING_PHASE = "keras_learning_phase"
_phase_tensor: list[SymbolicTensor] = []


def learning_phase() -> Any:
    """1 while training, else 0: a number where it is known, else a symbolic tensor, which a ``function`` may be given.

    >>> learning_phase().shape
    ()
    """
    if not recording():
        return int(bool(phase.training()))
    fixed = phase.fixed_training()
    if fixed is not None:
        return int(fixed)
    if not _phase_tensor:
        _phase_tensor.append(record(Call(_phase_now, _LEARNING_PHASE), (), {}))
        _phase_tensor[0].name = _LEARNING_PHASE
    return _phase_tensor[0]


def is_learning_phase(x: Any) -> bool:
    """Whether ``x`` is what ``learning_phase`` returns between calls: its tensor, or the number that was set."""
    return isinstance(x, int) or (bool(_phase_tensor) and x is _phase_tensor[0])


def set_learning_phase(value: Any) -> None:
    """Let all layers train (1) or not (0) from now on, whatever they are told; ``clear_session`` ends it."""
    if value not in (0, 1):
        raise ArgumentError(f"set_learning_phase: {value!r} is no phase; expected 0 (test) or 1 (train).")
    phase.fix_training(bool(value))


@contextlib.contextmanager
def learning_phase_scope(value: Any) -> Iterator[None]:
    """``set_learning_phase`` for a ``with`` block; then it is again what it was.

    >>> with learning_phase_scope(1):
    ...     learning_phase()
    1
    """
    before = phase.fixed_training()
    set_learning_phase(value)
    try:
        yield
    finally:
        phase.fix_training(before)


def in_train_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """``x`` while training, else ``alt``; each may be a function without arguments.

    Args:
        x, alt: Tensors of one shape, or functions.
        training: 0 or 1, or a tensor; the phase that is on if not given.
    """
    if training is None:
        training = learning_phase()
    if isinstance(training, (int, np.integer, np.bool_)):
        chosen = x if training else alt
        return chosen() if callable(chosen) else chosen
    x, alt = (choice() if callable(choice) else choice for choice in (x, alt))
    if is_learning_phase(training):
        return record(Call(_by_phase, "in_train_phase"), (x, alt), {})
    from keraunos.eras.backend import switch

    return switch(training, x, alt)


def in_test_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """``alt`` while training, else ``x``."""
    return in_train_phase(alt, x, training)


def _by_phase(x: Any, alt: Any) -> Any:
    chosen = x if phase.training() else alt
    return chosen.value if isinstance(chosen, Variable) else K.array(chosen)


# --- updates ------------------------------------------------------------------------------


def update(x: Variable, new_x: Any) -> Any:
    """Give a Variable a new value.

    In a layer's ``call`` it is given while training only. Between calls, in eras 1 and 2, it is an operation for
    ``function(updates=[...])`` or ``eval``, else it happens at once. Returns the new value.
    """
    open_still = isinstance(new_x, SymbolicTensor) and bool(evaluation.sources_of([new_x]))
    if open_still or (spelling.chosen() and recording()):
        return record(Call(functools.partial(assigned, x), "update"), (new_x,), {})
    if phase.inside_a_call() and not phase.training():
        return new_x
    return x.assign(evaluation.value_of(new_x))


def update_add(x: Variable, increment: Any) -> Any:
    """Add to a Variable; see ``update``."""
    return update(x, x + increment)


def update_sub(x: Variable, decrement: Any) -> Any:
    """Subtract from a Variable; see ``update``."""
    return update(x, x - decrement)


def moving_average_update(x: Variable, value: Any, momentum: Any) -> Any:
    """Move a Variable towards a value: ``x * momentum + value * (1 - momentum)``; see ``update``."""
    return update(x, x * momentum + value * (1.0 - momentum))


def assigned(x: Variable, value: Any) -> Any:
    """The new value of a Variable, which it gets once everything is computed."""
    value = K.cast(K.array(value.value if isinstance(value, Variable) else value), x.dtype)
    if tuple(K.shape(value)) != x.shape:
        raise ShapeError(f"update: {x.path!r} has shape {x.shape}, its new value {tuple(K.shape(value))}.")
    scope = current_scope()
    if scope is not None:
        scope.after[x] = value
    return value


class OptimizerUpdates:
    """A step of an optimizer, for ``function(updates=optimizer.get_updates(loss, params))``."""

    def __init__(self, optimizer: Any, loss: Any, params: Sequence[Variable]) -> None:
        # What a subclass's own ``get_gradients`` returns is limited already.
        self._own = type(optimizer).get_gradients is not Optimizer.get_gradients  # type: ignore[attr-defined]
        found = optimizer.get_gradients(loss, list(params)) if self._own else gradients(loss, list(params))
        pairs = [(p, g) for p, g in zip(params, found, strict=True) if g is not None]
        self.optimizer, self.params = optimizer, [p for p, _ in pairs]
        self.tensors = tuple(g for _, g in pairs)

    def run(self, values: Any) -> None:
        """Apply the gradients."""
        with self.optimizer.unlimited() if self._own else contextlib.nullcontext():
            self.optimizer.apply([values[id(tensor)] for tensor in self.tensors], self.params)

    def keeps(self, variable: Variable) -> bool:
        """Whether a Variable is to be kept though it was not changed: none."""
        return False


# --- loops --------------------------------------------------------------------------------


def rnn(
    step_function: Callable[..., Any],
    inputs: Any,
    initial_states: Sequence[Any],
    go_backwards: bool = False,
    mask: Any = None,
    constants: Any = None,
    unroll: bool = False,
    input_length: int | None = None,
) -> tuple[Any, Any, list[Any]]:
    """Run a step over the time steps of its inputs.

    Args:
        step_function: ``(inputs of a step, states + constants) -> (outputs, new states)``.
        inputs: ``(samples, steps, ...)``.
        initial_states: States before the first step.
        go_backwards: Whether the last step comes first; the outputs are in the order in which they were made.
        mask: ``(samples, steps)``, 0 where a step is left out: states stay, and outputs are those of the step before,
            or zeros before the first.
        constants: Further tensors that the step gets after the states.
        unroll: Whether each step is written out.
        input_length: Accepted; the inputs say it.

    Returns:
        The last outputs, all outputs ``(samples, steps, ...)``, the last states.
    """
    if len(tuple(inputs.shape)) < 3:
        raise ShapeError(f"rnn: inputs of shape {tuple(inputs.shape)} have no steps; expected (samples, steps, ...).")
    if mask is not None and not initial_states and not unroll:
        raise ArgumentError("rnn: with a mask, initial states are needed.")
    run = recorded(functools.partial(_rnn, step_function, go_backwards=go_backwards, unroll=unroll))
    last, outputs, states = run(inputs, list(initial_states), mask, list(constants or ()))
    return last, outputs, list(states)


def _rnn(
    step_function: Callable[..., Any], inputs: Any, states: list[Any], mask: Any, constants: list[Any], *,
    go_backwards: bool, unroll: bool,
) -> tuple[Any, Any, list[Any]]:  # fmt: skip
    inputs, mask = _values((inputs, mask))
    states, constants = _values((states, constants))
    steps = _time_first(inputs)
    masks = None if mask is None else K.cast(_time_first(mask), "bool")
    if go_backwards:
        steps, masks = K.flip(steps, 0), None if masks is None else K.flip(masks, 0)
    key = next_key()

    def step(carry: Any, now: Any) -> Any:
        number, before, last = carry
        x, real = now
        with Scope(strict=False, key=lambda: K.fold_in(key, number)):
            output, after = step_function(x, [*before, *constants])
        after = _values(list(after))
        output = _values(output)
        if real is not None:
            output = _chosen(real, output, last)
            after = [_chosen(real, new, old) for new, old in zip(after, before, strict=True)]
        return (number + 1, [K.cast(a, K.dtype(b)) for a, b in zip(after, before, strict=True)], output), output

    with Scope(strict=False):
        sample = K.abstract(lambda x, s: step((0, s, None), (x, None))[1], _spec(steps[0]), tree.map(_spec, states))
    carry = (K.array(0, "int32"), states, K.zeros(sample.shape, sample.dtype))
    if unroll:
        made = []
        for t in range(K.shape(steps)[0]):
            carry, output = step(carry, (steps[t], None if masks is None else masks[t]))
            made.append(output)
        outputs = K.stack(made, 0)
    else:
        carry, outputs = K.scan(step, carry, (steps, masks))
    return carry[2], _time_first(outputs), list(carry[1])


def map_fn(fn: Callable[..., Any], elems: Any, name: str | None = None, dtype: str | None = None) -> Any:
    """``fn`` of each row of ``elems``, along a new first axis; a list of tensors is taken row by row too."""

    def mapped(elems: Any) -> Any:
        _, results = K.scan(lambda _, row: (0, _values(fn(row))), 0, _values(elems))
        return results if dtype is None else tree.map(lambda leaf: K.cast(leaf, dtype), results)

    return drawn(mapped)(elems)


def foldl(fn: Callable[..., Any], elems: Any, initializer: Any = None, name: str | None = None) -> Any:
    """``fn(fn(fn(initializer, first), second), ...)`` over the rows; without a first value it is the first row."""
    return _fold(fn, elems, initializer, backwards=False)


def foldr(fn: Callable[..., Any], elems: Any, initializer: Any = None, name: str | None = None) -> Any:
    """The same from the last row to the first."""
    return _fold(fn, elems, initializer, backwards=True)


def _fold(fn: Callable[..., Any], elems: Any, initializer: Any, *, backwards: bool) -> Any:
    def folded(elems: Any, start: Any) -> Any:
        elems, start = _values((K.array(elems) if isinstance(elems, np.ndarray) else elems, start))
        rows = K.flip(elems, 0) if backwards else elems
        if start is None:
            start, rows = rows[0], rows[1:]
        return K.scan(lambda so_far, row: (_values(fn(so_far, row)), 0), start, rows)[0]

    return drawn(folded)(elems, initializer)


def print_tensor(x: Any, message: str = "") -> Any:
    """The same tensor; its values are printed after a message whenever it is evaluated outside of a compiled program."""

    def printed(x: Any) -> Any:
        x = K.array(_values(x))
        with contextlib.suppress(Exception):  # of a tensor in a trace there are no values to print
            print(f"{message}{np.asarray(K.to_numpy(x))}")
        return x

    if is_symbolic(x) or is_recorded(x):
        return record(Call(printed, needs_values=True), (x,), {}, TensorSpec(x.shape, x.dtype))
    return printed(x)


# --- methods and attributes of the time ------------------------------------------------------


class Sizes(tuple[Any, ...]):
    """Sizes of a tensor as TensorFlow gave them."""

    def as_list(self) -> list[Any]:
        """The sizes in a list."""
        return list(self)

    @property
    def ndims(self) -> int:
        """Number of axes."""
        return len(self)


class ElementType(str):
    """Name of an element type, as TensorFlow gave it; that of a Variable was of a reference.

    >>> ElementType("float32").name, ElementType("float32", "_ref").name, ElementType("float32", "_ref") == "float32"
    ('float32', 'float32_ref', True)
    """

    def __new__(cls, dtype: str, ending: str = "") -> Self:
        """A string that is the bare name."""
        made = super().__new__(cls, dtype)
        made.name = f"{dtype}{ending}"
        return made

    name: str

    @property
    def base_dtype(self) -> "ElementType":
        """The type without the reference."""
        return ElementType(str(self))


def get_shape(self: Any) -> Sizes:
    """Sizes of a tensor, ``None`` where open."""
    return Sizes(self.shape)


def history(self: SymbolicTensor) -> tuple[Any, int, int]:
    """The layer that made a tensor, the number of its call, and the place among the outputs."""
    if self.node is None:
        raise AttributeError(f"{self.name!r} was made by no layer")
    layer = self.node.operation
    nodes = getattr(layer, "_nodes", [self.node])
    call = next((number for number, node in enumerate(nodes) if node is self.node), 0)
    outputs = tree.leaves(self.node.outputs)
    return layer, call, next(number for number, leaf in enumerate(outputs) if leaf is self)


def uses_learning_phase(self: SymbolicTensor) -> bool:
    """Whether the value of a tensor may depend on the phase."""
    return any(map(_depends_on_phase, evaluation.nodes_of([self])))


def model_uses_learning_phase(self: Any) -> bool:
    """Whether the outputs of a model may depend on the phase."""
    nodes = (
        self._graph.nodes if self._graph is not None else [n for layer in self._flatten_layers() for n in layer._nodes]
    )
    return any(map(_depends_on_phase, nodes))


def _depends_on_phase(node: Any) -> bool:
    operation = node.operation
    if isinstance(operation, Call):
        return operation.name in (_LEARNING_PHASE, "in_train_phase")
    if node.kwargs.get("training") is not None:
        return False  # it was told once and for all
    if getattr(operation, "_graph", None) is not None:
        return any(map(_depends_on_phase, operation._graph.nodes))
    return isinstance(operation, Layer) and _minds_phase(operation)


def layer_uses_learning_phase(self: Layer) -> bool:
    """Whether a layer does something else while it trains."""
    return _minds_phase(self)


def _minds_phase(layer: Any) -> bool:
    if vars(layer).get("_own_uses_learning_phase"):
        return True  # as a layer of a user's said itself
    inner = [part for part in layer._flatten_layers() if part is not layer]
    if inner:
        return any(map(_minds_phase, inner))
    if hasattr(layer, "recurrent_dropout"):
        return bool(layer.dropout or layer.recurrent_dropout)
    return layer._call_signature().training and layer.batch_coupled is not None


def get_gradients(self: Any, loss: Any, params: Sequence[Any]) -> list[Any]:
    """Symbolic gradients of a loss, limited as the optimizer's ``clipnorm`` and ``clipvalue`` say."""
    found = dict(enumerate(gradients(loss, list(params))))
    limited = self.limited({key: gradient for key, gradient in found.items() if gradient is not None})
    return [limited.get(key) for key in found]


def get_updates(self: Any, *args: Any, **kwargs: Any) -> list[Any]:
    """A step of the optimizer for ``function(updates=...)``: ``get_updates(loss, params)``.

    Eras before called it ``get_updates(params, constraints, loss)``; a Variable's constraint is applied in any case.
    """
    names = ("params", "constraints", "loss") if len(args) == 3 or "constraints" in kwargs else ("loss", "params")
    if len(args) == 2 and isinstance(args[0], (list, tuple)):
        names = ("params", "loss")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    for variable, constraint in (given.get("constraints") or {}).items():
        variable.constraint = constraint
    return [OptimizerUpdates(self, given["loss"], given["params"])]


def _make_train_function(self: Any) -> None:
    """Nothing: programs are compiled when they are needed."""
    self._need_compile("_make_train_function")


def _make_test_function(self: Any) -> None:
    """Nothing: programs are compiled when they are needed."""
    self._need_compile("_make_test_function")


def _make_predict_function(self: Any) -> None:
    """Nothing: programs are compiled when they are needed."""


def train_function(self: Any) -> Callable[[Sequence[Any]], list[Any]]:
    """``f([*inputs, *targets, *weights, phase])``: one step of training; the loss and the metrics."""
    return lambda values: _as_list(self.train_on_batch(*parts_of_batch(self, values)))


def test_function(self: Any) -> Callable[[Sequence[Any]], list[Any]]:
    """The same without training."""
    return lambda values: _as_list(self.test_on_batch(*parts_of_batch(self, values)))


def predict_function(self: Any) -> Callable[[Sequence[Any]], list[Any]]:
    """``f([*inputs, phase])``: the outputs."""
    return lambda values: Function(self.inputs, self.outputs)(list(values)[: len(self.inputs)])


def parts_of_batch(model: Any, values: Sequence[Any]) -> tuple[Any, Any, Any]:
    """Inputs, targets and weights of a batch, which come one behind the other."""
    inputs, outputs = len(model.inputs), len(model.outputs)
    x, y = list(values[:inputs]), list(values[inputs : inputs + outputs])
    weights = list(values[inputs + outputs : inputs + 2 * outputs])
    x, y, weights = (part[0] if len(part) == 1 else part for part in (x, y, weights))
    return x, y, weights if np.size(weights) else None


def _as_list(values: Any) -> list[Any]:
    return list(values) if isinstance(values, (list, tuple)) else [values]


# --- helpers ------------------------------------------------------------------------------


def _fitting(value: Any, tensor: SymbolicTensor) -> Any:
    value = value.toarray() if hasattr(value, "toarray") else value
    if isinstance(value, (Variable, SymbolicTensor)):
        value = value.value
    shape = np.shape(value)
    if len(shape) != len(tensor.shape) or any(w not in (None, s) for s, w in zip(shape, tensor.shape, strict=True)):
        raise ShapeError(f"a value of shape {shape} was given for {tensor.name!r} of shape {tensor.shape}.")
    return value if K.is_tensor(value) else np.asarray(value)


def _values(values: Any) -> Any:
    return tree.map(lambda leaf: leaf.value if isinstance(leaf, (Variable, SymbolicTensor)) else leaf, values)


def _time_first(x: Any) -> Any:
    """Samples and steps exchanged."""
    return K.transpose(x, (1, 0, *range(2, K.ndim(x))))


def _chosen(real: Any, new: Any, old: Any) -> Any:
    while K.ndim(real) < K.ndim(new):
        real = K.expand_dims(real, -1)
    return K.where(real, new, old)


def _spec(x: Any) -> TensorSpec:
    return TensorSpec(K.shape(x), K.dtype(x))

"""Layers of Keras 1 and 2 that Keras 3 has no counterpart of, under the names that their files keep.

Arguments have today's spelling; the table knows the older one.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np

from keraunos import activations
from keraunos.backend import K
from keraunos.core import code, registry
from keraunos.core.fields import Field, PositiveInt, Real, by_name
from keraunos.core.symbolic import SymbolicTensor, is_symbolic
from keraunos.core.variable import Variable
from keraunos.layers.activation import Learned, SharedAxes
from keraunos.layers.arguments import Constraint, Initializer, Regularizer
from keraunos.layers.core import Dense, Lambda
from keraunos.layers.layer import LAYERS, InputSpec, Layer, known
from keraunos.layers.merging import Concatenate, Dot, _like
from keraunos.layers.recurrent import CellLayer, GRUCell, LSTMCell
from keraunos.utils import spelling, tree
from keraunos.utils.config import epsilon
from keraunos.utils.errors import ArgumentError, ShapeError, UsageError
from keraunos.utils.spelling import spelled
from keraunos.utils.text import shape_text

__all__ = [
    "CuDNNGRU",
    "CuDNNLSTM",
    "MaxoutDense",
    "Merge",
    "ParametricSoftplus",
    "TimeDistributedDense",
    "merge",
]


# --- of one input -----------------------------------------------------------------------


class MaxoutDense(Layer):
    """Largest of several affine maps: ``max over maps m of (inputs @ kernel[m] + bias[m])``.

    Input shape:  ``(batch, features)``
    Output shape: ``(batch, units)``

    Args:
        units: Width of the output.
        maps: Number of maps.
        use_bias: Whether each map has a bias.
        kernel_initializer, bias_initializer: First values of the weights.
        kernel_regularizer, bias_regularizer, activity_regularizer: Functions added to the loss.
        kernel_constraint, bias_constraint: Functions applied after each update.

    Reference: Goodfellow et al. 2013, "Maxout networks"; the layer of Keras 1.2.2.

    >>> MaxoutDense(4, maps=3).compute_output_shape((None, 5))
    (None, 4)
    """

    units: PositiveInt
    maps: PositiveInt = 4
    use_bias: bool = True
    kernel_initializer: Initializer = "glorot_uniform"
    bias_initializer: Initializer = "zeros"
    kernel_regularizer: Regularizer = None
    bias_regularizer: Regularizer = None
    activity_regularizer: Regularizer = by_name(default=None, kw_only=True)
    kernel_constraint: Constraint = None
    bias_constraint: Constraint = None

    batch_coupled = False

    def setup(self) -> None:
        self.input_spec = InputSpec(ndim=2)

    def build(self, input_shape: Any) -> None:
        features = known(input_shape, -1, self.name)
        self.kernel = self.add_weight("kernel", (self.maps, features, self.units))
        if self.use_bias:
            self.bias = self.add_weight("bias", (self.maps, self.units))
        self.input_spec = InputSpec(ndim=2, axes={-1: features})

    def call(self, inputs: Any) -> Any:
        outputs = K.einsum("bf,mfu->bmu", inputs, self.kernel)
        return K.max(outputs + self.bias if self.use_bias else outputs, 1)


class ParametricSoftplus(Learned):
    """``alpha * log(1 + exp(beta * x))`` with learned ``alpha`` and ``beta``.

    Input shape:  any, with known sizes
    Output shape: the same

    Args:
        alpha, beta: First values.
        shared_axes: Axes along which one pair serves all, counted from 1.

    Reference: McFarland, Cui and Butts 2013, "Inferring nonlinear neuronal computation based on physiologically
    plausible inputs"; the layer of Keras 1.2.2.

    >>> ParametricSoftplus(alpha=2.0)([[0.0]]).round(3).tolist()
    [[1.386]]
    """

    alpha: Real = 0.2
    beta: Real = 5.0
    shared_axes: SharedAxes = None

    def build(self, input_shape: Any) -> None:
        self.alphas_initializer, self.betas_initializer = _constant(self.alpha), _constant(self.beta)
        self.add_numbers(input_shape, "alphas", "betas")

    def call(self: Any, inputs: Any) -> Any:
        return self.alphas * activations.softplus(self.betas * inputs)


def _constant(value: float) -> Callable[..., Any]:
    return lambda shape, dtype=None: np.full(shape, value, dtype)


class TimeDistributedDense(Dense):
    """A Dense layer for each step of a sequence, which Dense itself is today; see there for the arguments.

    >>> TimeDistributedDense(4).compute_output_shape((None, 7, 3))
    (None, 7, 4)
    """

    def setup(self) -> None:
        self.input_spec = InputSpec(ndim=3)


# --- of several inputs --------------------------------------------------------------------


def _mode(value: Any) -> Any:
    if not callable(value) and value not in _MODES:
        raise ArgumentError(f"expected one of {', '.join(map(repr, _MODES))}, or a function of the list of inputs.")
    return value


Mode = Annotated[Any, Field(_mode)]


class Merge(Layer):
    """One output from a list of inputs, by an operation that has a name, or by a function.

    ``"sum"``, ``"mul"``, ``"ave"`` and ``"max"`` go number by number; ``"concat"`` joins along an axis; ``"dot"`` is the
    sum of products along an axis of each of two inputs, and ``"cos"`` that divided by the lengths of both.

    Input shape:  a list of two shapes or more
    Output shape: as the layers Add, Multiply, Average, Maximum, Concatenate and Dot; of ``"cos"`` with an axis of 1
    after the batch

    Args:
        layers: Layers, models or symbolic tensors to merge at once; if not given, the layer is called on a list.
        mode: The operation.
        concat_axis: Axis of ``"concat"``.
        dot_axes: Axis of ``"dot"`` and ``"cos"``, or a pair: one of each input.
        output_shape: Accepted; shapes are found by tracing.
        output_mask: Mask of the outputs of a function, or a function of the list of masks.
        arguments: Further arguments of a function by name.
        node_indices: Which call of each layer to take, counted from 0.
        tensor_indices: Which output of that call to take.

    Raises:
        ArgumentError: There is no such mode, or a single input is given.
        ShapeError: Shapes do not fit together.
        UsageError: The layer is called a second time.

    Reference: the layer of Keras 1.2.2.

    >>> Merge(mode="concat").compute_output_shape([(None, 3), (None, 2)])
    (None, 5)
    """

    batch_coupled = False
    supports_masking = True

    def __init__(
        self,
        layers: Any = None,
        mode: Any = "sum",
        concat_axis: int = -1,
        dot_axes: Any = -1,
        output_shape: Any = None,
        output_mask: Any = None,
        arguments: dict[str, Any] | None = None,
        node_indices: Sequence[int] | None = None,
        tensor_indices: Sequence[int] | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        try:
            self.mode = _mode(mode)
        except ArgumentError as error:
            raise ArgumentError(f"{self.name}: mode is {mode!r}; {error}") from None
        self.concat_axis, self.dot_axes = concat_axis, dot_axes
        self.given_output_shape, self._output_mask = output_shape, output_mask
        self.arguments = dict(arguments or {})
        self.layers = None
        if layers is not None:
            if not isinstance(layers, (list, tuple)) or len(layers) < 2:
                raise ArgumentError(f"{self.name}: layers is {layers!r}; expected a list of two or more.")
            nodes, places = node_indices or [0] * len(layers), tensor_indices or [0] * len(layers)
            self([_output(layer, *index) for layer, *index in zip(layers, nodes, places, strict=True)])
            self.layers = [layer for layer in layers if isinstance(layer, Layer)]

    @property
    def brings_inputs(self) -> bool:
        """Whether the layer knows its inputs, so that a Sequential begins with those."""
        return self.layers is not None

    def build(self, input_shape: Any) -> None:
        shapes = input_shape
        if not isinstance(shapes, list) or len(shapes) < 2 or not all(isinstance(shape, tuple) for shape in shapes):
            raise ArgumentError(
                f"{self.name}: takes a list of two inputs or more, but {shape_text(shapes)} was given. Write "
                f"merge([a, b], mode={self.mode!r})."
            )
        if self.mode in ("sum", "mul", "ave", "max") and len({shape[1:] for shape in shapes}) > 1:
            shown = " and ".join(map(shape_text, shapes))
            raise ShapeError(f"{self.name}: inputs of shapes {shown} cannot be merged by {self.mode!r}: they differ.")
        if self.mode in ("dot", "cos") and len(shapes) != 2:
            raise ShapeError(f"{self.name}: {self.mode!r} takes two inputs, but {len(shapes)} were given.")

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(inputs, (list, tuple)):
            raise ArgumentError(f"{self.name}: takes a list of inputs, not one input. Write {self.name}([a, b]).")
        if self._nodes and is_symbolic(inputs):
            raise UsageError(f"{self.name}: merges once. Make another Merge, or use merge([a, b], mode={self.mode!r}).")
        return super().__call__(list(inputs), *args, **kwargs)

    def call(self, inputs: Any, mask: Any = None) -> Any:
        if callable(self.mode):
            # A Lambda knows which of the further arguments a function takes.
            return Lambda.call(_Function(self.mode, self.arguments), inputs, mask=mask)  # type: ignore[arg-type]
        return _MODES[self.mode](self, list(inputs))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        if callable(self.mode):
            # The function is asked of masks only; while shapes are inferred there are none.
            return (mask and self._output_mask(mask)) if callable(self._output_mask) else self._output_mask
        if mask is None or all(part is None for part in mask) or self.mode in ("dot", "cos"):
            return None
        if self.mode == "concat":
            wide = [
                K.ones_like(x, "bool") if part is None else _like(part, x) for part, x in zip(mask, inputs, strict=True)
            ]
            return K.all(K.concatenate(wide, self.concat_axis), -1)
        return K.all(K.stack([part for part in mask if part is not None]), 0)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return super().compute_output_shape([tuple(shape) for shape in input_shape])

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.update(
            concat_axis=self.concat_axis, dot_axes=self.dot_axes, arguments=registry.serialize(self.arguments)
        )
        for name, value in (
            ("mode", self.mode), ("output_shape", self.given_output_shape), ("output_mask", self._output_mask),
        ):  # fmt: skip
            config[name] = self._written(name, value)
        if self.layers:
            config["layers"] = [registry.serialize(layer) for layer in self.layers]
        return config

    def _written(self, argument: str, value: Any) -> Any:
        if not callable(value):
            return value
        if spelling.chosen() and hasattr(value, "__code__"):
            return code.write(value)
        if not value.__name__.isidentifier():
            raise ArgumentError(
                f"{self.name}: its {argument} is a Python lambda, which has no name to save. A file of today's form "
                "holds no code: define it with def."
            )
        return {"module": "builtins", "class_name": "function", "config": value.__name__, "registered_name": "function"}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Merge":
        from keraunos.layers.core import _function_of

        config = dict(config)
        for argument in ("mode", "output_shape", "output_mask"):
            config[argument] = _function_of(config.get(argument), argument)
        if config.get("layers"):
            # Layers of one name are one layer, given twice.
            made = {str(layer): registry.deserialize(layer, table=None) for layer in config["layers"]}
            config["layers"] = [made[str(layer)] for layer in config["layers"]]
        return cls(**{name: value for name, value in config.items() if name not in ("trainable", "dtype")})


class _Function:
    """A function with arguments, as ``Lambda.call`` sees one."""

    def __init__(self, function: Callable[..., Any], arguments: dict[str, Any]) -> None:
        self.function, self.arguments = function, arguments


def _each(combine: Callable[[Any, Any], Any]) -> Callable[[Merge, list[Any]], Any]:
    def merged(layer: Merge, inputs: list[Any]) -> Any:
        total = inputs[0]
        for x in inputs[1:]:
            total = combine(total, x)
        return total

    return merged


def _dot(layer: Merge, inputs: list[Any]) -> Any:
    return Dot(_pair(layer.dot_axes)).call(inputs)


def _cos(layer: Merge, inputs: list[Any]) -> Any:
    first, second = inputs
    axes = _pair(layer.dot_axes)
    one, other = axes if isinstance(axes, tuple) else (axes, axes)
    products = [
        Dot(pair).call([x, y])
        for pair, x, y in (((one, other), first, second), ((one, one), first, first), ((other, other), second, second))
    ]
    lengths = K.sqrt(K.maximum(products[1] * products[2], epsilon() ** 2))
    return K.expand_dims(products[0] / lengths, 1)


def _pair(axes: Any) -> Any:
    return tuple(axes) if isinstance(axes, list) else axes


_MODES: dict[str, Callable[[Merge, list[Any]], Any]] = {
    "sum": _each(lambda x, y: x + y),
    "mul": _each(lambda x, y: x * y),
    "concat": lambda layer, inputs: Concatenate(layer.concat_axis).call(inputs),
    "ave": lambda layer, inputs: _MODES["sum"](layer, inputs) / len(inputs),
    "cos": _cos,
    "dot": _dot,
    "max": _each(lambda x, y: K.maximum(x, y)),
}


def _output(layer: Any, node: int, place: int) -> Any:
    """A symbolic tensor: of a layer the output of one of its calls, of a model its own."""
    if isinstance(layer, SymbolicTensor):
        return layer
    nodes = getattr(layer, "_nodes", [])
    output = nodes[node].outputs if nodes else layer.output
    return tree.leaves(output)[place]


@spelled
def merge(
    inputs: Sequence[Any],
    mode: Any = "sum",
    concat_axis: int = -1,
    dot_axes: Any = -1,
    output_shape: Any = None,
    output_mask: Any = None,
    arguments: dict[str, Any] | None = None,
    name: str | None = None,
) -> Any:
    """One tensor from a list of tensors; see ``Merge`` for the arguments.

    >>> merge([K.ones((2, 3)), K.ones((2, 3))], mode="ave").shape
    (2, 3)
    """
    return Merge(None, mode, concat_axis, dot_axes, output_shape, output_mask, arguments, name=name)(list(inputs))


# --- recurrent ------------------------------------------------------------------------


class _TwoBiases:
    """Half of the bias is added to the inputs, the other half to the state."""

    use_bias = True
    bias: Any

    def input_bias(self) -> Any:
        return self.bias.value[: self.bias.shape[0] // 2]

    def recurrent_bias(self) -> Any:
        return self.bias.value[self.bias.shape[0] // 2 :]


class CuDNNLSTMCell(_TwoBiases, LSTMCell):
    """One step of CuDNNLSTM."""

    def add_bias(self, shape: tuple[int, ...]) -> Variable:
        def with_open_forget_gate(shape: Any, dtype: Any = None) -> Any:
            bias = np.array(self.bias_initializer(shape, dtype=dtype))
            bias[5 * self.units : 6 * self.units] = 1
            return bias

        own = with_open_forget_gate if self.unit_forget_bias else None
        return self.add_weight("bias", (2 * shape[0],), initializer=own)


class CuDNNGRUCell(_TwoBiases, GRUCell):
    """One step of CuDNNGRU."""

    reset_after = True

    def add_bias(self, shape: tuple[int, ...]) -> Variable:
        return self.add_weight("bias", (2 * shape[0],))


class CuDNNLayer(CellLayer):
    """Base: a recurrent layer with fixed activations, without dropout, that takes no masks."""

    supports_masking = False
    activation: ClassVar[Any] = staticmethod(activations.tanh)
    recurrent_activation: ClassVar[Any] = staticmethod(activations.sigmoid)
    use_bias: ClassVar[bool] = True
    dropout: ClassVar[float] = 0.0
    recurrent_dropout: ClassVar[float] = 0.0
    seed: ClassVar[int | None] = None
    unroll = zero_output_for_mask = False
    gates_apart: ClassVar[bool] = False

    def call(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: bool | None = None,
        constants: Any = None,
    ) -> Any:
        if mask is not None and any(part is not None for part in tree.leaves(mask)):
            kind = type(self).__name__
            raise ArgumentError(f"{self.name}: a {kind} takes no mask. Use {kind.removeprefix('CuDNN')} instead.")
        return super().call(sequences, initial_state, None, training)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None


class CuDNNLSTM(CuDNNLayer):
    """An LSTM with a bias for the inputs and another for the state, which a library of a vendor computed once.

    Input shape:  ``(batch, time, features)``
    Output shape: as RNN; the states are ``h`` and ``c``

    Args: those of LSTM that such a library knew: no activations, no dropout, no mask.

    Reference: the layer of Keras 2.2.4.

    >>> CuDNNLSTM(4).compute_output_shape((None, 7, 3))
    (None, 4)
    """

    units: PositiveInt  # type: ignore[misc]
    kernel_initializer: Initializer = "glorot_uniform"
    recurrent_initializer: Initializer = "orthogonal"
    bias_initializer: Initializer = "zeros"
    unit_forget_bias: bool = True
    kernel_regularizer: Regularizer = None
    recurrent_regularizer: Regularizer = None
    bias_regularizer: Regularizer = None
    activity_regularizer: Regularizer = by_name(default=None, kw_only=True)
    kernel_constraint: Constraint = None
    recurrent_constraint: Constraint = None
    bias_constraint: Constraint = None
    return_sequences: bool = False
    return_state: bool = False
    stateful: bool = False
    go_backwards: bool = False

    cell_class = CuDNNLSTMCell


class CuDNNGRU(CuDNNLayer):
    """A GRU whose reset gate acts after the product with the state; see ``CuDNNLSTM``.

    Input shape:  ``(batch, time, features)``
    Output shape: as RNN

    Args: those of GRU that the vendor's library knew: no activations, no dropout, no mask.

    Reference: the layer of Keras 2.2.4.

    >>> CuDNNGRU(4).compute_output_shape((None, 7, 3))
    (None, 4)
    """

    units: PositiveInt  # type: ignore[misc]
    kernel_initializer: Initializer = "glorot_uniform"
    recurrent_initializer: Initializer = "orthogonal"
    bias_initializer: Initializer = "zeros"
    kernel_regularizer: Regularizer = None
    recurrent_regularizer: Regularizer = None
    bias_regularizer: Regularizer = None
    activity_regularizer: Regularizer = by_name(default=None, kw_only=True)
    kernel_constraint: Constraint = None
    recurrent_constraint: Constraint = None
    bias_constraint: Constraint = None
    return_sequences: bool = False
    return_state: bool = False
    stateful: bool = False
    go_backwards: bool = False

    reset_after = True
    cell_class = CuDNNGRUCell


OWN: dict[str, Any] = {name: globals()[name] for name in __all__}
for _name, _member in OWN.items():
    if inspect.isclass(_member):
        LAYERS.alias(_name, _member)

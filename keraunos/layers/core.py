"""Dense, Input, and the layers without mathematics of their own: Identity, Lambda, Masking."""

import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from keraunos.backend import K
from keraunos.backend.spec import TensorSpec
from keraunos.core import code, registry
from keraunos.core.evaluation import frozen_call, symbolic
from keraunos.core.fields import Field, PositiveInt, Real, by_name, plain
from keraunos.core.symbolic import Node, SymbolicTensor
from keraunos.core.variable import Variable
from keraunos.layers.arguments import Activation, Constraint, Initializer, Regularizer
from keraunos.layers.layer import LAYERS, InputSpec, Layer, known
from keraunos.layers.lora import Adaptable, Alpha, Rank
from keraunos.utils import spelling
from keraunos.utils.config import floatx
from keraunos.utils.errors import ArgumentError, ShapeError, UnknownNameError
from keraunos.utils.spelling import chosen, spelled
from keraunos.utils.text import shape_text


@LAYERS.register()
class InputLayer(Layer):
    """The place where data enter a model.

    Output shape: ``(batch_size, *shape)``

    Args:
        shape: Sizes without the batch, ``None`` where open.
        batch_size: Size of the batch, ``None`` for any.
        dtype: Element type; the default float type if not given.
        sparse: Accepted; sparse data become dense, batch by batch.
        ragged: Only ``False``; rows of unequal length have to be padded first.
        batch_shape: ``(batch_size, *shape)`` in one.
        input_tensor: Symbolic tensor, or Variable, whose shape and dtype to take.
        optional: Whether ``None`` may be given for this input.
        name: Name.

    >>> InputLayer((28, 28)).output.shape
    (None, 28, 28)
    """

    batch_coupled = False

    @spelled
    def __init__(
        self,
        shape: Any = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Any = None,
        input_tensor: SymbolicTensor | None = None,
        optional: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if ragged:
            raise ArgumentError("Input: ragged=True is not supported. Pad the rows to one length, and use masks.")
        if isinstance(input_tensor, Variable):
            input_tensor = symbolic(input_tensor)
        if input_tensor is not None:
            if not isinstance(input_tensor, SymbolicTensor):
                kind = type(input_tensor).__name__
                raise ArgumentError(f"Input: tensor is a {kind}; expected a symbolic tensor, such as Input returns.")
            dtype = dtype or input_tensor.dtype
            if shape is None and batch_shape is None:
                batch_shape = input_tensor.shape
        if (shape is None) == (batch_shape is None) or (batch_shape is not None and batch_size is not None):
            raise ArgumentError(
                f"Input: shape is {shape!r}, batch_size is {batch_size!r} and batch_shape is {batch_shape!r}. Give "
                "either shape (without the batch, such as shape=(784,)), or batch_shape=(None, 784)."
            )
        sizes = _sizes((batch_size, *_sizes(shape)) if batch_shape is None else batch_shape)
        if input_tensor is not None:
            given = tuple(input_tensor.shape)
            if len(sizes) != len(given) or any(s not in (None, g) for s, g in zip(sizes, given, strict=True)):
                raise ShapeError(f"Input: the tensor has shape {shape_text(given)}, not {shape_text(sizes)}.")
            sizes = given
        super().__init__(name=name, dtype=dtype or floatx(), **kwargs)
        self.batch_shape, self.sparse, self.optional = sizes, bool(sparse), bool(optional)
        # Before Keras 3 the tensor itself was the input: what follows from it is computed from what it is made of.
        origin = (input_tensor,) if input_tensor is not None and spelling.chosen() else ()
        node = Node(self, origin, {}, TensorSpec(sizes, self.compute_dtype))
        node.outputs.name = self.name
        self._nodes.append(node)

    def call(self, inputs: Any) -> Any:
        return inputs

    def get_config(self) -> dict[str, Any]:
        return {
            "batch_shape": plain(self.batch_shape),
            "dtype": self.compute_dtype,
            "sparse": self.sparse,
            "ragged": False,
            "name": self.name,
            "optional": self.optional,
        }


def Input(
    shape: Any = None,
    batch_size: int | None = None,
    dtype: Any = None,
    sparse: bool | None = None,
    batch_shape: Any = None,
    name: str | None = None,
    tensor: SymbolicTensor | None = None,
    optional: bool = False,
) -> SymbolicTensor:
    """Symbolic tensor from which a functional model begins.

    Args:
        shape: Sizes without the batch, ``None`` where open.
        batch_size: Size of the batch, ``None`` for any.
        dtype: Element type; the default float type if not given.
        sparse: Accepted; sparse data become dense, batch by batch.
        batch_shape: ``(batch_size, *shape)`` in one.
        name: Name, by which data in a dict are matched.
        tensor: Symbolic tensor, or Variable, whose shape and dtype to take.
        optional: Whether ``None`` may be given for this input.

    >>> Input((32,)).shape
    (None, 32)
    """
    layer = InputLayer(
        shape, batch_size, dtype, sparse, None, batch_shape, input_tensor=tensor, optional=optional, name=name
    )
    output: SymbolicTensor = layer.output
    return output


@LAYERS.register()
class Dense(Adaptable):
    """Affine map of the last axis: ``activation(inputs @ kernel + bias)``.

    Input shape:  ``(batch, ..., features)``
    Output shape: ``(batch, ..., units)``

    Args:
        units: Width of the output.
        activation: Function of the outputs, or its name.
        use_bias: Whether to add a bias.
        kernel_initializer, bias_initializer: First values of the weights.
        kernel_regularizer, bias_regularizer, activity_regularizer: Functions added to the loss.
        kernel_constraint, bias_constraint: Functions applied after each update.
        lora_rank, lora_alpha: Rank and scale of a low-rank adaptation; see ``enable_lora``.

    >>> Dense(3).compute_output_shape((None, 7, 5))
    (None, 7, 3)
    """

    units: PositiveInt
    activation: Activation = None
    use_bias: bool = True
    kernel_initializer: Initializer = "glorot_uniform"
    bias_initializer: Initializer = "zeros"
    kernel_regularizer: Regularizer = None
    bias_regularizer: Regularizer = None
    activity_regularizer: Regularizer = by_name(default=None, kw_only=True)
    kernel_constraint: Constraint = None
    bias_constraint: Constraint = None
    lora_rank: Rank = None
    lora_alpha: Alpha = None

    batch_coupled = False
    supports_masking = True

    def setup(self) -> None:
        self.input_spec = InputSpec(min_ndim=2)

    def build(self, input_shape: Any) -> None:
        features = known(input_shape, -1, self.name)
        self.kernel = self.add_weight("kernel", (features, self.units))
        if self.use_bias:
            self.bias = self.add_weight("bias", (self.units,))
        self.adapt()
        self.input_spec = InputSpec(min_ndim=2, axes={-1: features})

    def call(self, inputs: Any) -> Any:
        outputs = K.matmul(inputs, self.adapted_weight())
        if self.use_bias:
            outputs = outputs + self.bias
        return self.activation(outputs)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if self.activity_regularizer is None:
            del config["activity_regularizer"]  # as Keras writes it
        return {**config, "quantization_config": None}


@LAYERS.register()
class Identity(Layer):
    """Passes its inputs on, of any shape.

    >>> Identity().compute_output_shape((None, 3))
    (None, 3)
    """

    batch_coupled = False
    supports_masking = True

    def call(self, inputs: Any) -> Any:
        return inputs


@LAYERS.register()
class Masking(Layer):
    """Marks time steps whose features all equal a value as not real, and sets them to 0.

    Input shape:  ``(batch, time, ..., features)``
    Output shape: the same; the mask is ``any(inputs != mask_value, -1)``

    Args:
        mask_value: The value that stands for "no data".

    >>> layer = Masking(-1.0)
    >>> layer.compute_mask([[[1.0, -1.0], [-1.0, -1.0]]]).tolist()
    [[True, False]]
    """

    mask_value: Real = 0.0

    batch_coupled = False
    supports_masking = True

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return K.any(K.not_equal(K.convert_to_tensor(inputs), self.mask_value), -1)

    def call(self, inputs: Any) -> Any:
        return K.where(K.any(K.not_equal(inputs, self.mask_value), -1, True), inputs, K.zeros_like(inputs))


def _callable(value: Any) -> Callable[..., Any]:
    if not callable(value):
        raise ArgumentError("expected a function of the inputs.")
    return value  # type: ignore[no-any-return]


Function = Annotated[Callable[..., Any], Field(_callable)]


@LAYERS.register()
class Lambda(Layer):
    """Any function as a layer: ``function(inputs, **arguments)``.

    The config holds the name of a function, not its code. So a model is
    loaded with ``custom_objects={"name": function}``, and one with a Python
    ``lambda`` cannot be saved. With Keras 1 or 2 chosen as the era, the config
    holds the code, as it did then; the program that wrote it finds its
    function again, and any other refuses it. For a function with weights, write a Layer.

    Input shape:  any
    Output shape: what the function returns

    Args:
        function: Function of the inputs; it gets ``training`` and ``mask`` too if it takes them.
        output_shape: Accepted; shapes are found by tracing the function.
        mask: The mask of the outputs, or a function ``(inputs, mask)`` of it.
        arguments: Further arguments by name.

    >>> Lambda(lambda x: x * 2)([1.0]).tolist()
    [2.0]
    """

    function: Function
    output_shape: Any = None
    mask: Any = None
    arguments: dict[str, Any] | None = None

    shape_by_config = False

    def setup(self) -> None:
        self.arguments = dict(self.arguments or {})
        self.supports_masking = self.mask is not None

    def call(self, inputs: Any, mask: Any = None, training: bool | None = None) -> Any:
        offered = {"mask": mask, "training": training}
        try:
            parameters = inspect.signature(self.function).parameters
        except ValueError:  # a built-in function does not tell its parameters
            parameters = {}
        wanted = {name: value for name, value in offered.items() if name in parameters}
        function = frozen_call(self) or self.function
        return function(inputs, **{**wanted, **(self.arguments or {})})

    def _program_call(self) -> Callable[..., Any]:
        return self.function

    def _computed(self, *args: Any, **kwargs: Any) -> Any:
        return self.call(*args, **kwargs)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def get_config(self) -> dict[str, Any]:
        config = Layer.get_config(self)
        for argument in ("function", "output_shape", "mask"):
            config[argument] = self._written(argument)
            if config[argument] is None:
                del config[argument]
        config["arguments"] = registry.serialize(self.arguments)
        return config

    def _written(self, argument: str) -> Any:
        value = getattr(self, argument)
        if not callable(value):
            return plain(value)
        name = getattr(value, "__name__", "<lambda>")
        if chosen() and hasattr(value, "__code__"):
            return code.write(value)  # as earlier releases did; it is refused on loading, where this is another program
        if not name.isidentifier():
            raise ArgumentError(
                f"{self.name}: its {argument} is a Python lambda, which has no name to save. A file of today's form "
                "holds no code: define it with def, or write a Layer."
            )
        return {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}

    def clone(self) -> "Lambda":
        """A layer of the same function; unlike through a config, a Python lambda stays."""
        family: dict[str, Any] = {"name": self.name, "trainable": self.trainable, "dtype": self.dtype_policy}
        return type(self)(self.function, self.output_shape, self.mask, self.arguments, **family)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Lambda":
        config = dict(config)
        for argument in ("function", "output_shape", "mask"):
            if argument in config:
                config[argument] = _function_of(config[argument], argument)
        config["arguments"] = registry.deserialize(config.get("arguments"))
        return super().from_config(config)


# --- helpers -------------------------------------------------------------------------


def _function_of(config: Any, argument: str) -> Any:
    """Function that a config names, among the caller's own only; other values as they are."""
    if not isinstance(config, dict):
        return tuple(config) if isinstance(config, list) else config
    if config.get("class_name") != "function":
        known = code.read(config)
        if known is not None:
            return known
        raise ArgumentError(
            f"Lambda: {argument} is stored as code ({config.get('class_name')}), and code from a file is never run. "
            "Make the model in Python and load only its weights."
        )
    name = str(config.get("config"))
    function = registry.get_registered_object(name)
    if function is None:
        raise UnknownNameError(
            f"Lambda: {argument} is called {name!r}, which names no function here. "
            f"If it is yours, pass custom_objects={{{name!r}: ...}}."
        )
    return function


def _sizes(shape: Any) -> tuple[int | None, ...]:
    sizes = [shape] if isinstance(shape, int) else shape
    if (
        not isinstance(sizes, Sequence)
        or isinstance(sizes, str)
        or not all(size is None or (int(size) == size and size >= 0) for size in sizes)
    ):
        raise ArgumentError(f"Input: shape is {shape!r}; expected a tuple of whole numbers, None where open.")
    return tuple(None if size is None else int(size) for size in sizes)

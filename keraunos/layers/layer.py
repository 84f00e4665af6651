"""The base of all layers: weights, calls on data and on symbolic tensors, masks, config."""

import inspect
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, SupportsIndex

import numpy as np

from keraunos import initializers, regularizers
from keraunos.backend import K, Operand
from keraunos.backend.spec import TensorSpec
from keraunos.core import dtypes, phase, registry
from keraunos.core.building import building
from keraunos.core.evaluation import NoHistory, computable, frozen_call, realized, symbolic
from keraunos.core.fields import Declared, Name, varying
from keraunos.core.frozen import frozen
from keraunos.core.naming import automatic_name
from keraunos.core.scope import Scope, current_scope, get_mask, set_mask, sizes_are_guesses
from keraunos.core.stateful import Stateful
from keraunos.core.symbolic import (
    Node,
    RecordedVariable,
    SymbolicTensor,
    infer,
    is_symbolic,
    nothing_outside,
    recording,
    traced,
)
from keraunos.core.variable import Variable, autocast_dtype, structure_changed
from keraunos.utils import tree
from keraunos.utils.errors import ArgumentError, NotBuiltError, ShapeError, warn
from keraunos.utils.spelling import chosen, owners_of, provider, refuse_unknown, slashes_in_names, spelled
from keraunos.utils.text import given_text, plural, shape_text
from keraunos.utils.tracebacks import entrance, tidy, told


class InputSpec:
    """What a layer accepts: rank, sizes of some axes, dtype.

    Args:
        dtype: Element type, or ``None`` for any.
        shape: Whole shape, ``None`` where any size is right.
        ndim: Exact number of axes.
        max_ndim, min_ndim: Bounds of the number of axes.
        axes: Size of single axes, such as ``{-1: 7}``.
        allow_last_axis_squeeze: Whether a last axis of size 1 may be missing or added.
        name: Expected key where inputs come as a dict.
        optional: Whether ``None`` may stand for this input.
    """

    def __init__(
        self,
        dtype: str | None = None,
        shape: Sequence[int | None] | None = None,
        ndim: int | str | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: dict[int, int | None] | None = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
        optional: bool = False,
    ) -> None:
        self.dtype, self.name, self.optional = dtype, name, optional
        self.shape = None if shape is None else tuple(shape)
        if isinstance(ndim, str):  # "2+" in Keras 1: two or more
            ndim, min_ndim = None, int(ndim.rstrip("+"))
        self.ndim = len(self.shape) if self.shape is not None else ndim
        self.max_ndim, self.min_ndim = max_ndim, min_ndim
        self.axes = {int(axis): size for axis, size in (axes or {}).items()}
        self.allow_last_axis_squeeze = allow_last_axis_squeeze

    def check(self, shape: tuple[int | None, ...], owner: str) -> None:
        """Raise ``ShapeError`` where a shape does not fit."""
        given = f"{owner}: inputs have shape {shape_text(shape)}"
        rank = len(shape)
        if self.ndim is not None and rank != self.ndim:
            raise ShapeError(
                f"{given}, which is {rank} axes, but the layer takes {self.ndim} "
                f"(the batch counts as one). {_rank_advice(rank, self.ndim)}"
            )
        if self.min_ndim is not None and rank < self.min_ndim:
            raise ShapeError(f"{given}, but the layer takes at least {self.min_ndim} axes (the batch counts as one).")
        if self.max_ndim is not None and rank > self.max_ndim:
            raise ShapeError(f"{given}, but the layer takes at most {self.max_ndim} axes (the batch counts as one).")
        sizes = {**dict(enumerate(self.shape or ())), **self.axes}
        for axis, size in sizes.items():
            if size is None or not -rank <= axis < rank or shape[axis] is None or shape[axis] == size:
                continue
            what = "features" if axis in (-1, rank - 1) else f"entries on axis {axis}"
            wanted = (None, *(sizes.get(a, sizes.get(a - rank)) for a in range(1, rank)))
            raise ShapeError(
                f"{owner}: inputs have {shape[axis]} {what}, but the layer was built for {size}. Build a new layer, "
                f"or reshape the inputs from {shape_text(shape)} to {shape_text(wanted)}."
            )


# Arguments that have no say in shapes, and would make layers different that are alike.
_WITHOUT_SHAPE = frozenset(
    {"name", "trainable", "seed"}
    | {f"{weight}_{kind}" for weight in ("kernel", "bias", "gamma", "beta", "embeddings", "recurrent", "depthwise")
       for kind in ("initializer", "regularizer", "constraint")}
)  # fmt: skip


class _Signature(NamedTuple):
    """What the ``call`` of a class accepts."""

    names: tuple[str, ...]
    training: bool
    mask: bool
    training_default: bool | None
    open_ended: bool


@told(lambda names: (f"the regularizer of {names['variable'].path!r}", given_text([names["variable"]])))
def _regularized(variable: Variable) -> Any:
    assert variable.regularizer is not None
    return variable.regularizer(variable.value)


def _told_call(names: Mapping[str, Any]) -> tuple[str, str] | None:
    """How errors name a call of a layer."""
    layer = names["self"]
    if "name" not in vars(layer):
        return None
    kind = "model" if hasattr(layer, "fit") else "layer"
    return f"the {kind} {layer.name!r} ({type(layer).__name__})", given_text(names["args"])


if TYPE_CHECKING:

    class _Arguments(Stateful, Declared, kw_only=True):
        """What every layer takes by name; see ``core.fields``."""

        activity_regularizer: Any = None
        activity_regularizer_sum: bool = False
        trainable: bool = True
        dtype: Any = None
        autocast: bool = True
        name: Name = None
        # What a first layer may be told in place of an Input before it.
        input_shape: Any = None
        batch_shape: Any = None
        input_dim: SupportsIndex | None = None
        batch_size: SupportsIndex | None = None
        weights: Any = None

else:
    _Arguments = Stateful


class Layer(_Arguments):
    """A function with weights.

    A subclass makes its weights in ``build(input_shape)`` with ``add_weight`` and
    computes in ``call(inputs)``. If it only annotates its arguments in the class
    body, the constructor and ``get_config`` follow from them.

    Args:
        activity_regularizer: Function of the outputs that is added to the loss,
            divided by the batch size.
        activity_regularizer_sum: Whether it is added undivided, as a sum over the batch.
        trainable: Whether an optimizer changes the weights.
        dtype: Element type or policy (``"mixed_bfloat16"``).
        autocast: Whether float inputs are converted to the compute type.
        name: Name; made from the class name if not given.

    >>> class Scale(Layer):
    ...     def build(self, input_shape):
    ...         self.factor = self.add_weight("factor", (input_shape[-1],), initializer="ones")
    ...     def call(self, inputs):
    ...         return inputs * self.factor
    >>> Scale().compute_output_shape((None, 3))
    (None, 3)
    """

    _not_parts: ClassVar[frozenset[str]] = frozenset({"_nodes", "_given", "_build_shapes", "_first_weights"})

    # Whether the output of a row depends on other rows of the batch while training.
    batch_coupled: ClassVar[bool | None] = None
    # Whether layers with equal configs give outputs of equal shapes for equal inputs.
    shape_by_config = True
    # Whether the outputs carry on the mask of the inputs.
    supports_masking = False

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        layer = object.__new__(cls)
        layer._given = (args, kwargs)  # type: ignore[attr-defined]
        return layer

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "build" in cls.__dict__:
            cls.build = _recording(cls.build)  # type: ignore[method-assign]

    @spelled
    def __init__(
        self,
        *,
        activity_regularizer: Any = None,
        activity_regularizer_sum: bool = False,
        trainable: bool = True,
        dtype: Any = None,
        autocast: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        owner = type(self).__name__
        shape = kwargs.pop("batch_shape", None)
        batch_size = kwargs.pop("batch_size", None)
        if "input_shape" in kwargs:
            inner = kwargs.pop("input_shape")
            shape = (batch_size, *_as_tuple(inner)) if shape is None else shape
        if "input_dim" in kwargs:
            shape = (batch_size, int(kwargs.pop("input_dim")))
        self._first_weights = kwargs.pop("weights", None)
        if kwargs:
            known = [*self._fields, "activity_regularizer", "trainable", "dtype", "autocast", "name", "input_shape"]
            refuse_unknown(owners_of(type(self)), kwargs, known)
        if name is not None and (not isinstance(name, str) or not name or ("/" in name and not slashes_in_names())):
            raise ArgumentError(f"{owner}: name is {name!r}; expected a text without '/'.")
        self.name = name or automatic_name(owner)
        self._trainable = bool(trainable)
        self.dtype_policy = dtypes.get(dtype)
        self.autocast = autocast
        self.given_batch_shape = None if shape is None else tuple(shape)
        if activity_regularizer is not None or not hasattr(self, "activity_regularizer"):
            self.activity_regularizer = regularizers.get(activity_regularizer)
        self.activity_regularizer_sum = bool(activity_regularizer_sum)
        self._weights_added: list[Variable] = []
        self._eager_losses: list[tuple[Any, Any]] = []
        self._updates_told: list[tuple[Any, Any]] = []
        self._symbolic_losses: list[SymbolicTensor] = []
        self._nodes: list[Node] = []
        making = building()
        if making is not None:
            making.layer()
        self.built = type(self).build is Layer.build
        if not hasattr(self, "input_spec"):
            self.input_spec: Any = None

    # --- for subclasses ----------------------------------------------------------

    @varying
    def build(self, input_shape: Any) -> None:
        """Make the weights; sizes that are not known are ``None``."""
        self.built = True

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the outputs."""
        raise ArgumentError(f"{self.name}: the class {type(self).__name__} defines no call(self, inputs).")

    def add_weight(
        self,
        *args: Any,
        name: str | None = None,
        shape: Any = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        aggregation: str | None = None,
    ) -> Variable:
        """Make a Variable of this layer.

        ``add_weight("kernel", shape)`` takes its initializer, regularizer and
        constraint from the attributes ``kernel_initializer`` and so on. Keras'
        order ``add_weight(shape, initializer, …, name=…)`` works the same.
        """
        if args and isinstance(args[0], str):
            name, args = args[0], args[1:]
        for argument, value in zip(("shape", "initializer", "dtype", "trainable"), args, strict=False):
            if argument == "shape":
                shape = value
            elif argument == "initializer":
                initializer = value
            elif argument == "dtype":
                dtype = value
            else:
                trainable = value
        name = name or ("variable" if not self._weights_added else f"variable_{len(self._weights_added)}")
        if initializer is None:
            initializer = getattr(self, f"{name}_initializer", None) or "glorot_uniform"
        if regularizer is None:
            regularizer = getattr(self, f"{name}_regularizer", None)
        if constraint is None:
            constraint = getattr(self, f"{name}_constraint", None)
        shape = () if shape is None else _as_tuple(shape)
        if any(size is None for size in shape):
            raise ShapeError(
                f"{self.name}: the weight {name!r} would have shape {shape_text(shape)}, whose size is not known. "
                "Give the model an Input with that size."
            )
        initializer = initializers.get(initializer)
        variable = Variable(
            provider().first_values(self, initializer) if chosen() else initializer,
            shape,
            dtypes.get(dtype).variable_dtype if dtype is not None else self.variable_dtype,
            trainable,
            autocast,
            aggregation,
            name,
            regularizer=regularizers.get(regularizer),
            constraint=_constraint(constraint),
        )
        variable.path = f"{self.name}/{name}"
        self._weights_added.append(variable)
        return variable

    add_variable = add_weight

    def add_loss(self, loss: Any, inputs: Any = None) -> None:
        """Add a scalar to the loss of the call that is going on.

        Args:
            loss: Scalar, or several. Made of symbolic tensors, between calls, it is computed at every step from then
                on, from what these tensors are in that step.
            inputs: What a loss of numbers depends on; of symbolic tensors it is known.
        """
        scope = current_scope()
        for part in tree.leaves(loss):
            if isinstance(part, SymbolicTensor) and computable(part):
                part = realized(part)
            if scope is not None:
                scope.losses.append((self, part))
            elif isinstance(part, SymbolicTensor):
                self._symbolic_losses.append(part)
            else:
                self._eager_losses.append((part, inputs))

    def add_update(self, updates: Any, inputs: Any = None) -> None:
        """Give Variables new values in every step of training: pairs ``(variable, value)``, or one of them.

        What was assigned already, by ``assign`` or ``assign_add``, need not be added. Updates of a layer with states,
        ``stateful``, are made in every call. Between calls they are only remembered, with the inputs that they depend
        on, for whoever asks for the layer's updates.
        """
        if current_scope() is None and not phase.inside_a_call():
            found = updates if isinstance(updates, list) else [updates]
            self._updates_told += [(update, inputs) for update in found]
            return
        if isinstance(updates, tuple) and len(updates) == 2 and isinstance(updates[0], Variable):
            updates = [updates]
        if phase.training() or getattr(self, "stateful", False):
            for update in updates if isinstance(updates, (list, tuple)) else [updates]:
                if isinstance(update, (list, tuple)):
                    update[0].assign(update[1])

    @varying
    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Mask of the outputs; the mask of the inputs where the layer supports masking.

        Raises:
            TypeError: There is a mask, the layer does not support masking, and an era before Keras 3 is active.
        """
        if self.supports_masking:
            return mask
        if chosen() and any(part is not None for part in tree.leaves(mask)):
            raise TypeError(
                f"{self.name}: does not support masking, but its inputs have a mask. Leave mask_zero=True or the Masking "
                "layer out, or let a layer before this one return no sequences."
            )
        return None

    @varying
    @entrance
    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shape of the outputs for inputs of a shape; ``None`` where a size is open."""
        specs = _map_shapes(lambda shape: TensorSpec(shape, self.compute_dtype), input_shape)
        return tree.map(lambda spec: spec.shape, infer(self, (specs,), seen=True))

    @entrance
    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Symbolic tensors like the outputs of a call."""
        return tree.map(lambda spec: SymbolicTensor(spec.shape, spec.dtype), infer(self, args, kwargs, seen=True))

    # --- calling -----------------------------------------------------------------

    @told(_told_call)
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the outputs of data, or record the call where the inputs are symbolic."""
        try:
            if "_weights_added" not in vars(self):
                raise ArgumentError(
                    f"{type(self).__name__}: its __init__ did not call super().__init__(). Call it, with **kwargs."
                )
            if args and _is_number_list(args[0]):
                args = (np.asarray(args[0]), *args[1:])
            if chosen() and recording():  # what is said of a Variable is said for later then
                args, kwargs = tree.map(
                    lambda leaf: symbolic(leaf) if isinstance(leaf, RecordedVariable) else leaf, (args, kwargs)
                )
            if is_symbolic((args, kwargs)):
                if not computable((args, kwargs)):
                    return self._record(args, kwargs)
                args, kwargs = realized((args, kwargs))
            args, kwargs = tree.map(self._convert, (args, kwargs))
            self._check(args)
            self._ensure_built(args, kwargs)
            return self._call_on_tensors(args, kwargs)
        except BaseException as error:
            tidy(error)
            raise

    def _record(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        specs = tree.map(lambda leaf: leaf.spec if isinstance(leaf, SymbolicTensor) else leaf, (args, kwargs))
        self._check(args)
        self._ensure_built(*specs)
        try:
            found, used = self._inferred(*specs)
        except NoHistory:
            # A layer that asks for gradients needs the tensors themselves, not the values that stand for them.
            outputs = self.call(*args, **kwargs)
            return outputs[0] if isinstance(outputs, list) and len(outputs) == 1 else outputs
        found = self._as_said(found, args, kwargs)
        if chosen() and isinstance(found, tuple):
            found = list(found)  # earlier eras told of several outputs in a list
        node = Node(self, args, kwargs, found, used, self._frozen_calls() if chosen() or used else None)
        self._nodes.append(node)
        return node.outputs

    def _inferred(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, list[SymbolicTensor]]:
        """Specs of the outputs, and the tensors that the call uses besides.

        While a model is made of a file, a call that is like another one has its specs.
        """
        making = building()
        key = None if making is None or making.custom else self._decisive(args, kwargs)
        if making is None or key is None:
            return traced(self, args, kwargs, seen=True)
        if key not in making.specs:
            known = self._known_outputs(args)
            making.specs[key] = (self, infer(self, args, kwargs) if known is None else known)
        return making.specs[key][1], []

    def _known_outputs(self, args: tuple[Any, ...]) -> Any:
        """Specs of the outputs where they are known without a trace, else ``None``."""
        return None

    def _decisive(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """All on which the specs of the outputs depend, as a key; ``None`` where that cannot be told."""
        form = tree.map(lambda leaf: isinstance(leaf, TensorSpec), args)
        if kwargs or not all(tree.leaves(form)):
            return None
        given = (repr(form), *((spec.shape, spec.dtype) for spec in tree.leaves(args)))
        own = type(self).__module__.startswith("keraunos.layers.") and self.shape_by_config
        if not own or getattr(self, "stateful", False) or any(isinstance(part, Layer) for _, part in self.parts()):
            return (id(self), *given)
        config = {key: value for key, value in self.get_config().items() if key not in _WITHOUT_SHAPE}
        return (type(self), json.dumps(config, sort_keys=True, default=repr), *given)

    def _frozen_calls(self) -> dict[int, Callable[..., Any]]:
        """The functions of a program that stand for the call of this layer and of those inside it, as they are now.

        Before Keras 3 they ran once, when the graph was made; here they run again, and shall mean the same.
        """
        found = {}
        for layer in self._flatten_layers():
            function = layer._program_call()
            kept = frozen(function)
            if kept is not function:
                found[id(layer)] = kept
        return found

    def _program_call(self) -> Callable[..., Any] | None:
        """The function that a program wrote for the call of this layer, or ``None``."""
        own = "call" not in vars(self) and not type(self).call.__module__.startswith("keraunos.")
        return type(self).call if own else None

    def _as_said(self, found: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Specs of outputs, with the sizes that a subclass says where ``call`` leaves them open."""
        if _is_own(type(self), "compute_output_spec"):
            said = tree.map(lambda leaf: tuple(leaf.shape), self.compute_output_spec(*args, **kwargs))
        elif _is_own(type(self), "compute_output_shape") and args and not self._said_by_names():
            said = self.compute_output_shape(
                tree.map(lambda leaf: None if leaf is None else tuple(leaf.shape), args[0])
            )
        else:
            return found
        specs, shapes = tree.leaves(found), list[tuple[Any, ...]]()
        _map_shapes(shapes.append, said)
        if len(shapes) == len(specs) and all(map(_agrees, specs, shapes)):
            sizes = [
                [own or size for own, size in zip(spec.shape, shape, strict=True)]
                for spec, shape in zip(specs, shapes, strict=True)
            ]
            pairs = zip(specs, sizes, strict=True)
            return tree.unflatten(found, [spec and TensorSpec(own, spec.dtype) for spec, own in pairs])
        warn(
            f"{self.name}: compute_output_shape of {type(self).__name__} says {said}, but call returns shape "
            f"{', '.join(shape_text(spec.shape) for spec in specs if spec)}. What call returns counts."
        )
        return found

    def _said_by_names(self) -> bool:
        """Whether ``compute_output_shape`` takes the shapes of several arguments by name."""
        parameters = inspect.signature(self.compute_output_shape).parameters.values()
        return sum(p.kind is p.POSITIONAL_OR_KEYWORD and p.default is p.empty for p in parameters) > 1

    @property
    def trace_cost(self) -> int:
        """How many usual layers it takes as long to trace as this one."""
        return 1

    def _call_on_tensors(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        making = building()
        if making is not None:
            making.call(self.trace_cost)
        signature = self._call_signature()
        named = dict(zip(signature.names, args, strict=False))
        training = kwargs.get("training", named.get("training"))
        # Inner layers that are not told follow the outermost one.
        training = phase.settled(phase.of_call() if training is None else training)
        if training is None:
            training = signature.training_default
        if signature.training and "training" not in named:
            kwargs["training"] = training
        elif not signature.training and not signature.open_ended:
            kwargs.pop("training", None)
        masks = tree.map(get_mask, args[0]) if args else None
        has_mask = any(mask is not None for mask in tree.leaves(masks))
        if signature.mask and "mask" not in named and kwargs.get("mask") is None:
            kwargs["mask"] = masks if has_mask else None
        elif kwargs.get("mask") is not None:
            masks, has_mask = kwargs["mask"], True
        dtype_token = autocast_dtype.set(self.compute_dtype if self.autocast else None)
        scope = current_scope()
        if scope is None:
            self._clear_losses()
        elif not phase.inside_a_call():
            scope.training = training
        try:
            with phase.calling(training):
                outputs = self._computed(*args, **kwargs)
        finally:
            autocast_dtype.reset(dtype_token)
        if is_symbolic(outputs):  # made of tensors of the graph that ``call`` uses besides its inputs
            outputs = realized(outputs)
        if self.activity_regularizer is not None:
            for output in tree.leaves(outputs):
                divisor = 1 if self.activity_regularizer_sum else K.shape(output)[0]
                self.add_loss(self.activity_regularizer(output) / divisor, args[0] if args else None)
        if has_mask or type(self).compute_mask is not Layer.compute_mask:
            self._pass_masks_on(args, outputs, masks if has_mask else None)
        return outputs

    def _computed(self, *args: Any, **kwargs: Any) -> Any:
        kept = frozen_call(self)
        return self.call(*args, **kwargs) if kept is None else kept(self, *args, **kwargs)

    def _pass_masks_on(self, args: tuple[Any, ...], outputs: Any, masks: Any) -> None:
        passed = self.compute_mask(args[0] if args else None, masks)
        if passed is None:
            return
        if tree.is_nested(outputs) and tree.is_nested(passed):
            for output, mask in zip(tree.leaves(outputs), tree.leaves(passed), strict=False):
                set_mask(output, mask)
        elif not tree.is_nested(passed):
            for output in tree.leaves(outputs):
                if K.is_tensor(output) and K.shape(output)[: K.ndim(passed)] == K.shape(passed):
                    set_mask(output, passed)

    def _convert(self, leaf: Any) -> Any:
        if isinstance(leaf, (np.ndarray, np.generic)):
            if leaf.dtype.kind in "OUS":
                raise ArgumentError(f"{self.name}: inputs are {leaf.dtype}, not numbers. Convert them first.")
            leaf = K.array(leaf)
        elif isinstance(leaf, Operand):
            leaf = getattr(leaf, "value", leaf)
        elif hasattr(leaf, "__array__") and not K.is_tensor(leaf):
            leaf = K.array(np.asarray(leaf))
        if self.autocast and K.is_tensor(leaf) and "float" in K.dtype(leaf) and K.dtype(leaf) != self.compute_dtype:
            if "float" not in self.compute_dtype:
                return leaf
            mask = get_mask(leaf)
            leaf = K.cast(leaf, self.compute_dtype)
            set_mask(leaf, mask)
        return leaf

    def _check(self, args: tuple[Any, ...]) -> None:
        if self.input_spec is None or not args:
            return
        tensors = [leaf for leaf in tree.leaves(args[0]) if leaf is not None]
        specs = tree.leaves(self.input_spec)
        if isinstance(self.input_spec, (list, tuple)) and len(specs) != len(tensors):
            raise ShapeError(f"{self.name}: takes {plural(len(specs), 'input')}, but {len(tensors)} were given.")
        for spec, tensor in zip(specs, tensors, strict=False):
            spec.check(tuple(tensor.shape) if hasattr(tensor, "shape") else np.shape(tensor), self.name)

    @classmethod
    def _call_signature(cls) -> _Signature:
        known = cls.__dict__.get("_signature_known")
        if known is None or known[0] is not cls.call:
            parameters = dict(list(inspect.signature(cls.call).parameters.items())[1:])
            default = parameters["training"].default if "training" in parameters else None
            known = (
                cls.call,
                _Signature(
                    tuple(parameters),
                    "training" in parameters,
                    "mask" in parameters,
                    default if isinstance(default, bool) else None,
                    any(p.kind is p.VAR_KEYWORD for p in parameters.values()),
                ),
            )
            cls._signature_known = known  # type: ignore[attr-defined]
        signature: _Signature = known[1]
        return signature

    # --- building ----------------------------------------------------------------

    def _ensure_built(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if self.built:
            return
        names = self._call_signature().names
        shapes = {
            name: _shapes_of(value)
            for name, value in {**dict(zip(names, args, strict=False)), **kwargs}.items()
            if any(hasattr(leaf, "shape") for leaf in tree.leaves(value)) and not name.endswith("mask")
        }
        wanted = list(inspect.signature(self.build).parameters)
        by_name = {f"{name}_shape": shape for name, shape in shapes.items()}
        if len(wanted) <= 1 or not set(wanted) & set(by_name):
            arguments: dict[str, Any] = dict(zip(wanted[:1], shapes.values(), strict=False))
        else:
            arguments = {name: by_name[name] for name in wanted if name in by_name}
        with nothing_outside():
            self.build(**arguments)
        self.built = True

    def get_build_config(self) -> dict[str, Any] | None:
        """The shapes that ``build`` was called with, in the form of Keras 3."""
        shapes: dict[str, Any] | None = vars(self).get("_build_shapes")
        if shapes is None:
            return None
        return {"input_shape": next(iter(shapes.values()))} if len(shapes) == 1 else {"shapes_dict": shapes}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Build with the shapes of ``get_build_config``."""
        if config and not self.built:
            if "shapes_dict" in config:
                self.build(**{name: _map_shapes(tuple, shape) for name, shape in config["shapes_dict"].items()})
            else:
                self.build(_map_shapes(tuple, next(iter(config.values()))))
            self.built = True

    # --- weights -----------------------------------------------------------------

    def _walks(self, part: Stateful) -> bool:
        return isinstance(part, Layer)

    def _flatten_layers(self) -> list["Layer"]:
        """This layer and all layers inside it, each once."""
        found: dict[int, Layer] = {id(self): self}
        queue = [self]
        while queue:
            for _, part in queue.pop(0).parts():
                if isinstance(part, Layer) and id(part) not in found:
                    found[id(part)] = part
                    queue.append(part)
        return list(found.values())

    @property
    def variables(self) -> list[Variable]:
        """All Variables: own trainable ones, own others, then those of inner layers."""
        return list(self.named_variables(f"{self.name}/").values())

    @property
    def weights(self) -> list[Variable]:
        """The Variables that are saved, in Keras' order."""
        return [variable for variable in self.variables if variable.saved]

    @property
    def trainable_variables(self) -> list[Variable]:
        """The Variables that an optimizer may change."""
        frozen = {id(v) for layer in self._flatten_layers() if not layer.trainable for v in layer.variables}
        return [v for v in self.variables if v.trainable and id(v) not in frozen]

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """The other Variables: statistics, and weights that are frozen."""
        trainable = {id(v) for v in self.trainable_variables}
        return [v for v in self.variables if id(v) not in trainable]

    @property
    def trainable_weights(self) -> list[Variable]:
        """The Variables that an optimizer may change; setting it says which of the layer's own are."""
        return self.trainable_variables

    @trainable_weights.setter
    def trainable_weights(self, variables: Sequence[Variable]) -> None:
        self._claim(variables, trainable=True)

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The other Variables; setting it says which of the layer's own are weights that are not trained."""
        return self.non_trainable_variables

    @non_trainable_weights.setter
    def non_trainable_weights(self, variables: Sequence[Variable]) -> None:
        self._claim(variables, trainable=False)

    def _claim(self, variables: Sequence[Variable], *, trainable: bool) -> None:
        """Make Variables weights of this layer."""
        names = {id(v): name for name, v in vars(self).items() if isinstance(v, Variable)}
        taken = {v.name for v in self._weights_added}
        for number, variable in enumerate(variables):
            variable.trainable, variable.saved = trainable, True
            if variable.name == "variable" or variable.name in taken:
                variable.name = names.get(id(variable), f"{variable.name}_{number}")
            if all(variable is not known for known in self._weights_added):
                self._weights_added.append(variable)
                taken.add(variable.name)
        structure_changed()

    @property
    def trainable(self) -> bool:
        """Whether an optimizer may change the weights; setting it also sets inner layers."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in self._flatten_layers() if "_weights_added" in vars(self) else [self]:
            layer._trainable = bool(value)
        structure_changed()

    def get_weights(self) -> list[Any]:
        """Copies of all weights as NumPy arrays, in the order of ``weights``."""
        arrays = [variable.numpy() for variable in self.weights]
        return provider().weights_earlier(self, arrays) if chosen() else arrays

    @entrance
    def set_weights(self, weights: Sequence[Any]) -> None:
        """Replace all weights; nothing changes unless every shape fits."""
        variables = self.weights
        if chosen():
            weights = provider().weights_today(self, weights)
        if len(weights) != len(variables):
            raise ShapeError(
                f"{self.name}: {plural(len(weights), 'array')} given, but there are {plural(len(variables), 'weight')}"
                f"{'' if self.built else ' (the layer is not built yet: call it or build() it first)'}."
            )
        for variable, value in zip(variables, weights, strict=True):
            if np.shape(value) != variable.shape:
                raise ShapeError(
                    f"{self.name}: the weight {variable.path!r} has shape {variable.shape}, but the array given for it "
                    f"has shape {np.shape(value)}."
                )
        for variable, value in zip(variables, weights, strict=True):
            variable.assign(np.asarray(value))

    def save_own_variables(self, store: Any) -> None:
        """Write the layer's own weights into a mapping under ``"0"``, ``"1"`` …; a subclass may write others."""
        for number, variable in enumerate(self._own_variables()):
            store[str(number)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Read the layer's own weights back.

        Raises:
            ShapeError: Their number or a shape differs.
        """
        own = self._own_variables()
        shapes = [np.shape(store[key]) for key in store]
        if shapes != [variable.shape for variable in own]:
            raise ShapeError(
                f"{self.name}: the file holds arrays of shapes {shapes} for it, but its weights have "
                f"{[variable.shape for variable in own]}."
            )
        for number, variable in enumerate(own):
            variable.assign(np.asarray(store[str(number)]))

    def _own_variables(self) -> list[Variable]:
        own = [part for _, part in self.parts() if isinstance(part, Variable) and part.saved]
        return sorted(own, key=lambda variable: not variable.trainable)

    def count_params(self) -> int:
        """Number of weights' elements."""
        if not self.built:
            raise NotBuiltError(f"{self.name}: not built yet, so it has no weights to count. Call it on data first.")
        return sum(math.prod(variable.shape) for variable in self.weights)

    @property
    def losses(self) -> list[Any]:
        """Regularization of the weights, activity regularization, and what ``add_loss`` added in the last call."""
        layers = self._flatten_layers()
        members = {id(layer) for layer in layers}
        scope = current_scope()
        added: list[Any] = [loss for layer in layers for loss in layer._symbolic_losses]
        if scope is None:
            added += [loss for layer in layers for loss, _ in layer._eager_losses]
            if chosen():
                added += provider().losses_of_calls(self)
        else:
            added = realized([*added, *(loss for layer, loss in scope.losses if id(layer) in members)])
            if chosen():  # before Keras 3 a number that was added counted in every step
                told = [loss for layer in layers for loss, _ in layer._eager_losses]
                added += [loss for loss in told if isinstance(loss, (int, float))]
        return [*added, *self.regularization_losses()]

    def regularization_losses(self) -> list[Any]:
        """Value of each trainable weight's regularizer."""
        if chosen():
            return provider().regularization_losses(self)
        return [_regularized(v) for v in self.trainable_variables if v.regularizer is not None]

    def _clear_losses(self) -> None:
        for layer in self._flatten_layers():
            layer._eager_losses.clear()

    # --- dtype, graph, config ----------------------------------------------------

    @property
    def compute_dtype(self) -> str:
        """Type of the computation."""
        return self.dtype_policy.compute_dtype

    @property
    def variable_dtype(self) -> str:
        """Type of the weights."""
        return self.dtype_policy.variable_dtype

    dtype = variable_dtype

    def _found(self, name: str) -> Any:
        if hasattr(type(self), name):
            return object.__getattribute__(self, name)  # a property that raised AttributeError: raise it again
        if chosen() and not name.startswith("_") and "_nodes" in vars(self):
            today = provider().older_arguments(owners_of(type(self))).get(name, name)
            if today != name and hasattr(self, today):
                return getattr(self, today)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    if not TYPE_CHECKING:  # or no attribute would be unknown
        __getattr__ = _found

    @property
    def input(self) -> Any:
        """Symbolic inputs of the first recorded call."""
        node = self._first_node()
        # Before Keras 3 states and the like, given by name, were inputs as any other.
        return node.given if chosen() and len(node.given) > 1 else node.args[0]

    @property
    def output(self) -> Any:
        """Symbolic outputs of the first recorded call."""
        return self._first_node().outputs

    def _first_node(self) -> Node:
        if not self._nodes:
            raise UsageErrorNeverCalled(
                f"{self.name}: was not called on symbolic tensors, so it has no input or output."
            )
        if len(self._nodes) > 1 and chosen():
            raise UsageErrorNeverCalled(
                f"{self.name}: was called {len(self._nodes)} times on symbolic tensors, so it has several inputs and "
                "outputs. Use get_input_at(number) and get_output_at(number)."
            )
        return self._nodes[0]

    def get_config(self) -> dict[str, Any]:
        """Name, dtype and arguments as plain data."""
        config = {"name": self.name, "trainable": self._trainable, "dtype": dtypes.serialize(self.dtype_policy)}
        config.update(super().get_config())
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
            if self.activity_regularizer_sum:
                config["activity_regularizer_sum"] = True
        if self._has_own_constructor():
            config.update(self._arguments_given())
        return config

    @classmethod
    def _has_own_constructor(cls) -> bool:
        """Whether a user wrote ``__init__`` but no ``get_config``, so that the arguments given are the config."""
        own = cls.__init__ is not Layer.__init__ and not hasattr(cls.__init__, "from_fields")
        return own and cls.get_config is Layer.get_config

    def _arguments_given(self) -> dict[str, Any]:
        args, kwargs = self._given  # type: ignore[attr-defined]
        bound = inspect.signature(type(self).__init__).bind(self, *args, **kwargs)
        bound.apply_defaults()
        parameters = inspect.signature(type(self).__init__).parameters
        config: dict[str, Any] = {}
        for name, value in list(bound.arguments.items())[1:]:
            if parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
                config.update(value)
            else:
                config[name] = value
        plain = registry.serialize({k: v for k, v in config.items() if k not in ("name", "trainable", "dtype")})
        for name, value in plain.items():
            if any(callable(leaf) or K.is_tensor(leaf) for leaf in tree.leaves(value)):
                raise ArgumentError(
                    f"{self.name}: the argument {name!r} of {type(self).__name__} cannot be written as plain data. "
                    "Give the class a get_config() that returns its arguments."
                )
        return plain

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Layer with the arguments of a config."""
        config = dict(config)
        if isinstance(config.get("dtype"), dict):
            config["dtype"] = dtypes.get(config["dtype"])
        if cls._has_own_constructor():
            config = {name: registry.deserialize(value) for name, value in config.items()}
        return cls(**config)

    def clone(self) -> Self:
        """A new layer with the same arguments, not built."""
        return type(self).from_config(self.get_config())

    def stateless_call(
        self,
        trainable_variables: Sequence[Any],
        non_trainable_variables: Sequence[Any],
        *args: Any,
        return_losses: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Outputs and new non-trainable values for given values of all Variables; changes nothing."""
        trainable, others = self.trainable_variables, self.non_trainable_variables
        for kind, own, given in (
            ("trainable", trainable, trainable_variables),
            ("other", others, non_trainable_variables),
        ):
            if len(own) != len(given):
                raise ShapeError(f"{self.name}: {len(given)} {kind} values given, but there are {len(own)} Variables.")
        values = dict(zip([*trainable, *others], [*trainable_variables, *non_trainable_variables], strict=True))
        with Scope(values, strict=False) as scope:
            outputs = self(*args, **kwargs)
            losses = self.losses
        updated = [scope.writes.get(variable, values[variable]) for variable in others]
        return (outputs, updated, losses) if return_losses else (outputs, updated)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"


if TYPE_CHECKING:

    class SomeLayer(Layer):
        """A layer whose class is not known, so that it may have any attribute."""

        def __getattr__(self, name: str) -> Any: ...

else:
    SomeLayer = Layer


class UsageErrorNeverCalled(NotBuiltError, AttributeError):
    """``input`` or ``output`` of a layer that is in no graph."""


LAYERS: registry.Table[Layer] = registry.Table("layers", "layer", Layer)


def _is_own(kind: type, name: str) -> bool:
    """Whether a class that is not the library's has a method."""
    owner = next(cls for cls in kind.__mro__ if name in vars(cls))
    return owner.__module__.split(".")[0] != "keraunos"


def _agrees(spec: Any, shape: tuple[Any, ...]) -> bool:
    """Whether a shape may be that of a tensor, open sizes apart."""
    if spec is None or len(spec.shape) != len(shape):
        return False
    return all(own is None or size in (None, own) for own, size in zip(spec.shape, shape, strict=True))


def known(shape: Any, axis: int, owner: str = "the layer") -> int:
    """Size of an axis that a layer must know to make its weights."""
    size = shape[axis] if -len(shape) <= axis < len(shape) else None
    if size is None:
        raise ShapeError(
            f"{owner}: axis {axis} of the inputs must have a known size, but their shape is {shape_text(shape)}. "
            "Give the size in Input(shape=...)."
        )
    return int(size)


def _recording(build: Callable[..., None]) -> Callable[..., None]:
    """``build`` that also marks the layer built and remembers the shapes."""
    if hasattr(build, "records"):
        return build
    parameters = list(inspect.signature(build).parameters)[1:]

    def recorded(self: Layer, *args: Any, **kwargs: Any) -> None:
        shapes = {**dict(zip(parameters, args, strict=False)), **kwargs}
        if "_build_shapes" not in vars(self):
            # While only shapes are traced, the batch has a size that stands for any.
            known_only = (lambda shape: (None, *shape[1:])) if sizes_are_guesses() else tuple
            self._build_shapes = {name: _map_shapes(known_only, s) for name, s in shapes.items()}  # type: ignore[attr-defined]
        build(self, *args, **kwargs)
        self.built = True
        if vars(self).get("_first_weights") is not None:
            first, self._first_weights = self._first_weights, None
            self.set_weights(first if isinstance(first, (list, tuple)) else [first])

    recorded.records = True  # type: ignore[attr-defined]
    recorded.__name__, recorded.__doc__ = "build", build.__doc__
    recorded.__signature__ = inspect.signature(build)  # type: ignore[attr-defined]
    return recorded


def _constraint(identifier: Any) -> Any:
    from keraunos import constraints

    return constraints.get(identifier)


def _as_tuple(shape: Any) -> tuple[Any, ...]:
    return (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)


def _shapes_of(value: Any) -> Any:
    def shape(leaf: Any) -> Any:
        return tuple(leaf.shape) if hasattr(leaf, "shape") else np.shape(leaf)

    return tree.map(lambda leaf: None if leaf is None else shape(leaf), value)


def _map_shapes(function: Callable[[Any], Any], shapes: Any) -> Any:
    """Apply a function to each shape of a tree whose leaves are shapes."""
    if isinstance(shapes, dict):
        return {key: _map_shapes(function, shape) for key, shape in shapes.items()}
    if shapes is not None and all(size is None or isinstance(size, (int, np.integer)) for size in shapes):
        return function(tuple(shapes))
    return None if shapes is None else [_map_shapes(function, shape) for shape in shapes]


def _is_number_list(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple))
        and bool(value)
        and all(isinstance(leaf, (int, float, bool)) for leaf in tree.leaves(value))
    )


def _rank_advice(rank: int, wanted: int) -> str:
    if rank > wanted:
        return "Put a Flatten or Reshape layer before it, or leave the first number out if you gave the whole data's shape."
    return "Add the missing axis with a Reshape layer or with x[..., None]."

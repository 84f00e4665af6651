"""Layers around a layer: both directions of time, and every step of time."""

from typing import Any

import numpy as np

from keraunos.backend import K
from keraunos.core import registry
from keraunos.core.fields import choice
from keraunos.core.symbolic import Call, is_symbolic, record
from keraunos.layers.layer import LAYERS, Layer, _map_shapes
from keraunos.layers.recurrent import SequenceSpec
from keraunos.utils import tree
from keraunos.utils.errors import ArgumentError, ShapeError
from keraunos.utils.spelling import spelled
from keraunos.utils.text import shape_text

__all__ = ["Bidirectional", "TimeDistributed", "Wrapper"]

_merge_mode = choice("concat", "sum", "mul", "ave", None)
# What both directions of a Bidirectional must have in common.
_COMMON = ("stateful", "return_sequences", "return_state")


class Wrapper(Layer):
    """Base of layers that hold one other layer.

    Args:
        layer: The layer inside.

    Raises:
        ArgumentError: What is given is no layer.
    """

    layer: Any

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.layer = _layer(layer, type(self).__name__)

    def build(self, input_shape: Any = None) -> None:
        if not self.layer.built:
            self.layer.build(input_shape)
            self.layer.built = True

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "layer": registry.serialize(self.layer)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**config)


@LAYERS.register()
class Bidirectional(Layer):
    """A recurrent layer over time in both directions: ``merge(forward(x), backward(x))``.

    Input shape:  ``(batch, time, features)``
    Output shape: that of the layer, its last axis twice as wide with ``"concat"``; a pair with ``None``;
    with ``return_state`` followed by the states of the forward, then of the backward layer

    Args:
        layer: A recurrent layer; a copy of it runs forward.
        merge_mode: ``"concat"``, ``"sum"``, ``"mul"``, ``"ave"``, or ``None`` for both outputs.
        weights: First values of all weights, those of the forward layer first.
        backward_layer: The layer that runs backward; another copy of ``layer`` if not given.
        zero_output_for_mask: Whether outputs of masked steps are zero in both, rather than those of the step before.

    Raises:
        ArgumentError: ``layer`` is not recurrent, or the two layers do not match.

    Reference: Schuster, Paliwal 1997, "Bidirectional recurrent neural networks".

    >>> from keraunos.layers.recurrent import LSTM
    >>> Bidirectional(LSTM(4, return_sequences=True)).compute_output_shape((None, 7, 3))
    (None, 7, 8)
    """

    supports_masking = True

    @spelled
    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: Any = None,
        *,
        zero_output_for_mask: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.zero_output_for_mask = bool(zero_output_for_mask)
        try:
            self.merge_mode = _merge_mode(merge_mode)
        except ArgumentError as error:
            raise ArgumentError(f"{self.name}: merge_mode is {merge_mode!r}; {error}") from None
        layer = _recurrent(layer, self.name, "layer")
        self.forward_layer = _copy(layer, "forward")
        if backward_layer is None:
            self.backward_layer = _copy(layer, "backward", go_backwards=True)
        else:
            self.backward_layer = _recurrent(backward_layer, self.name, "backward_layer")
        self._check_pair()
        for direction in (self.forward_layer, self.backward_layer):
            # Repeated outputs of masked steps would be merged with other steps' outputs.
            if hasattr(direction, "zero_output_for_mask") and self.zero_output_for_mask:
                direction.zero_output_for_mask = direction.return_sequences
        self.initial_weights = None if weights is None else [np.asarray(weight) for weight in weights]
        self.input_spec = layer.input_spec

    def _check_pair(self) -> None:
        forward, backward = self.forward_layer, self.backward_layer
        if forward.go_backwards == backward.go_backwards:
            raise ArgumentError(
                f"{self.name}: both layers have go_backwards={forward.go_backwards}. One must run the other way."
            )
        for name in _COMMON:
            ahead, back = getattr(forward, name), getattr(backward, name)
            if ahead != back:
                raise ArgumentError(
                    f"{self.name}: {name} is {ahead} in the forward layer, but {back} in the backward layer. "
                    "Give both the same."
                )

    @property
    def batch_coupled(self) -> bool | None:  # type: ignore[override]
        """What the layers inside say."""
        found = (self.forward_layer.batch_coupled, self.backward_layer.batch_coupled)
        return True if True in found else None if None in found else False

    @property
    def stateful(self) -> bool:
        """Whether states pass from batch to batch."""
        return bool(self.forward_layer.stateful)

    @property
    def return_sequences(self) -> bool:
        """Whether the outputs of all steps are returned."""
        return bool(self.forward_layer.return_sequences)

    @property
    def return_state(self) -> bool:
        """Whether the last states are returned too."""
        return bool(self.forward_layer.return_state)

    @property
    def states(self) -> tuple[Any, ...] | None:
        """The kept states of both layers, or ``None``."""
        both = (self.forward_layer.states, self.backward_layer.states)
        return None if any(states is None for states in both) else (*both[0], *both[1])

    def reset_state(self) -> None:
        """Set the kept states of both layers to zero."""
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    def reset_states(self) -> None:
        """``reset_state``, as earlier releases called it."""
        self.reset_state()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("constants") is not None:
            constants = kwargs["constants"]
            kwargs["constants"] = list(constants) if isinstance(constants, (list, tuple)) else [constants]
        return super().__call__(*args, **kwargs)

    def build(self, sequences_shape: Any, initial_state_shape: Any = None, constants_shape: Any = None) -> None:
        further = {} if constants_shape is None else {"constants_shape": constants_shape}
        for layer in (self.forward_layer, self.backward_layer):
            if not layer.built:
                layer.build(sequences_shape, **further)
                layer.built = True
        self.input_spec = self.forward_layer.input_spec
        if self.initial_weights is not None:
            self.set_weights(self.initial_weights)

    def call(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: bool | None = None,
        constants: Any = None,
    ) -> Any:
        if isinstance(sequences, (list, tuple)):
            sequences, *given = sequences
            count = getattr(self.forward_layer, "num_constants", None)
            if count and constants is None:
                given, constants = given[:-count], given[-count:]
            initial_state = given or initial_state
        ahead, back = self._halves(initial_state)
        if mask is not None:
            mask = tree.leaves(mask)[0]
        further = {} if constants is None else {"constants": constants}
        forward = self.forward_layer(sequences, initial_state=ahead, mask=mask, training=training, **further)
        backward = self.backward_layer(sequences, initial_state=back, mask=mask, training=training, **further)
        states: tuple[Any, ...] = ()
        if self.return_state:
            (forward, *first), (backward, *second) = forward, backward
            states = (*first, *second)
        if self.return_sequences:
            # The layer that runs backward gives its outputs last step first.
            backward = K.flip(backward, 1)
        merged = self._merge(K.cast(forward, self.compute_dtype), K.cast(backward, self.compute_dtype))
        if self.merge_mode is None:
            return (*merged, *states)
        return (merged, *states) if states else merged

    def _halves(self, states: Any) -> tuple[Any, Any]:
        if states is None:
            return None, None
        states = list(states) if isinstance(states, (list, tuple)) else [states]
        if len(states) % 2:
            raise ShapeError(
                f"{self.name}: initial_state has {len(states)} tensors, which cannot be halved. Give the states of the "
                "forward layer, then those of the backward layer."
            )
        return states[: len(states) // 2], states[len(states) // 2 :]

    def _merge(self, forward: Any, backward: Any) -> Any:
        if self.merge_mode is None:
            return forward, backward
        if self.merge_mode == "concat":
            return K.concatenate([forward, backward], axis=-1)
        if self.merge_mode == "mul":
            return forward * backward
        return (forward + backward) / (2 if self.merge_mode == "ave" else 1)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        passed = tree.leaves(mask)[0] if self.return_sequences else None
        return [passed, passed] if self.merge_mode is None else [passed] if self.return_state else passed

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        shape = self.forward_layer.compute_output_shape(sequences_shape)
        shape, *states = shape if self.return_state else (shape,)
        if self.merge_mode is None:
            return (shape, shape, *states, *states)
        if self.merge_mode == "concat":
            back = self.backward_layer.compute_output_shape(sequences_shape)
            back = back[0] if self.return_state else back
            shape = (*shape[:-1], shape[-1] + back[-1])
        return (shape, *states, *states) if self.return_state else shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "merge_mode": self.merge_mode,
            "layer": registry.serialize(self.forward_layer),
            "backward_layer": registry.serialize(self.backward_layer),
            **({} if self.zero_output_for_mask else {"zero_output_for_mask": False}),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**config)


@LAYERS.register()
class TimeDistributed(Wrapper):
    """Applies a layer to each step by itself: ``output[:, t] = layer(inputs[:, t])``.

    Steps are computed as one larger batch, unless the layer looks at the whole batch
    (BatchNormalization while training) or might do so (a layer of your own): then one after the other.

    Input shape:  ``(batch, time, ...)``
    Output shape: ``(batch, time, ...)``, the rest as the layer gives it

    Args:
        layer: The layer for one step.
        steps_as_rows: Whether to compute them as one larger batch in any case, so that a BatchNormalization
            while training takes the statistics of all steps together; not where the batch size is fixed.
        masks_by_layer: Whether the mask of the outputs is what the layer makes of the inputs and their mask; by default
            it is the mask of the inputs.

    Raises:
        ShapeError: The inputs have less than three axes.

    >>> from keraunos.layers.core import Dense
    >>> TimeDistributed(Dense(4)).compute_output_shape((None, 7, 3))
    (None, 7, 4)
    """

    supports_masking = True

    @spelled
    def __init__(self, layer: Any, *, steps_as_rows: bool = False, masks_by_layer: bool = False, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        self.masks_by_layer = bool(masks_by_layer)
        self.input_spec = SequenceSpec(min_ndim=3)
        self.steps_as_rows = bool(steps_as_rows)
        self._fixed_rows = False

    @property
    def batch_coupled(self) -> bool | None:  # type: ignore[override]
        """What the layer inside says."""
        return self.layer.batch_coupled

    def build(self, input_shape: Any) -> None:
        self._fixed_rows = tree.leaves(_map_shapes(lambda shape: (shape[0] is not None,), input_shape))[0]
        super().build(_map_shapes(lambda shape: (shape[0], *shape[2:]), input_shape))

    def get_config(self) -> dict[str, Any]:
        given = {name: True for name in ("steps_as_rows", "masks_by_layer") if getattr(self, name)}
        return {**super().get_config(), **given}

    def call(self, inputs: Any, mask: Any = None, training: bool | None = None) -> Any:
        batch_size, time = K.shape(tree.leaves(inputs)[0])[:2]
        if mask is not None:
            self._check_mask(mask, (batch_size, time))
        if not self._rows_are_independent(training):
            steps = [
                self._apply(tree.map(lambda x: x[:, t], inputs), None if mask is None else mask[:, t], training)  # noqa: B023
                for t in range(time)
            ]
            return tree.map(lambda *outputs: K.stack(outputs, axis=1), *steps)
        rows = tree.map(lambda x: K.reshape(x, (-1, *K.shape(x)[2:])), (inputs, mask)[: 1 if mask is None else 2])
        outputs = self._apply(rows[0], None if mask is None else rows[1], training)
        return tree.map(lambda y: K.reshape(y, (batch_size, time, *K.shape(y)[1:])), outputs)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        if not self.masks_by_layer:
            return super().compute_mask(inputs, mask)
        if is_symbolic((inputs, mask)):  # sizes that are open are known where it is computed
            return record(Call(self.compute_mask, "mask"), (inputs, mask), {})
        rows = tree.map(lambda x: K.reshape(x, (-1, *K.shape(x)[2:])), inputs)
        steps = None if mask is None else K.reshape(mask, (-1, *K.shape(mask)[2:]))
        found = self.layer.compute_mask(rows, steps)
        if found is not None:
            return K.reshape(found, (*K.shape(tree.leaves(inputs)[0])[:2], *K.shape(found)[1:]))
        return mask if mask is None or K.ndim(mask) == 2 else K.any(mask, tuple(range(2, K.ndim(mask))))

    def _apply(self, inputs: Any, mask: Any, training: bool | None) -> Any:
        named = {} if mask is None or not self.layer._call_signature().mask else {"mask": mask}
        outputs = self.layer(inputs, training=training, **named)
        return tree.map(lambda y: K.cast(y, self.compute_dtype) if "float" in K.dtype(y) else y, outputs)

    def _rows_are_independent(self, training: bool | None) -> bool:
        """Whether steps may be merged into the batch without changing any number, or else shall be."""
        if self.steps_as_rows and not self._fixed_rows:
            return True
        for layer in self.layer._flatten_layers():
            coupled = layer.batch_coupled
            if coupled is None and type(layer).__module__.startswith("keraunos.models"):
                coupled = False  # a Sequential or a graph does what its layers do, and they come in turn
            if coupled and not training and not getattr(layer, "stateful", False):
                coupled = False  # statistics of the batch count while training only
            # A regularizer that is summed up over rows gets those of all steps at once.
            summed = layer.activity_regularizer is None or layer.activity_regularizer_sum
            if coupled is not False or not summed:
                return False
        return True

    def _check_mask(self, mask: Any, wanted: tuple[int, int]) -> None:
        if tuple(K.shape(mask)[:2]) != wanted:
            raise ShapeError(
                f"{self.name}: the mask has shape {shape_text(K.shape(mask))}; expected {wanted}, the batch and time "
                "axes of the inputs."
            )


def _layer(value: Any, owner: str) -> Any:
    if isinstance(value, dict):
        value = LAYERS.deserialize(value)
    if not isinstance(value, Layer):
        hint = f" Make one first: {value.__name__}(...)." if isinstance(value, type) else ""
        raise ArgumentError(f"{owner}: layer is {value!r}; expected a layer.{hint}")
    return value


def _recurrent(value: Any, owner: str, argument: str) -> Any:
    layer = _layer(value, owner)
    missing = [name for name in ("go_backwards", *_COMMON) if not hasattr(layer, name)]
    if missing:
        raise ArgumentError(
            f"{owner}: {argument} is {layer.name!r}, a {type(layer).__name__}, which has no {missing[0]}; expected a "
            "recurrent layer such as LSTM, GRU, SimpleRNN or RNN."
        )
    return layer


def _copy(layer: Any, direction: str, **changes: Any) -> Any:
    """A layer with the same arguments and fresh weights, named after its direction."""
    config = {**layer.get_config(), "name": f"{direction}_{layer.name.removeprefix(direction + '_')}", **changes}
    if hasattr(layer, "implementation"):  # which stands in no config of today's
        config["implementation"] = layer.implementation
    # The user's own cells inside need not be registered to be copied.
    with registry.custom_object_scope({type(part).__name__: type(part) for part in layer._flatten_layers()}):
        return type(layer).from_config(config)

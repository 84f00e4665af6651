"""Sequential: a stack of layers, each with one input and one output."""

from collections.abc import Callable, Sequence
from typing import Any, Self

from keraunos.core import registry
from keraunos.core.evaluation import sources_of
from keraunos.core.naming import first_input_name
from keraunos.core.symbolic import SymbolicTensor
from keraunos.layers import InputLayer
from keraunos.layers.layer import LAYERS, Layer, SomeLayer
from keraunos.models.layer_list import LayerList
from keraunos.models.model import Model
from keraunos.utils import tree
from keraunos.utils.errors import ArgumentError, ShapeError
from keraunos.utils.spelling import provider
from keraunos.utils.text import shape_text
from keraunos.utils.tracebacks import entrance


@LAYERS.register()
class Sequential(Model):
    """A stack of layers.

    The weights are made at once if the first layer is an ``Input`` (or was given
    ``input_shape``), else when the model first sees data.

    Args:
        layers: Layers from input to output.
        trainable: Whether an optimizer changes the weights.
        name: Name.

    >>> from keraunos.layers import Dense, Input
    >>> model = Sequential([Input((4,)), Dense(8, activation="relu"), Dense(3)])
    >>> model.output_shape
    (None, 3)
    """

    @entrance
    def __init__(self, layers: Sequence[Any] | None = None, trainable: bool = True, name: str | None = None) -> None:
        super().__init__(trainable=trainable, name=name)
        self._stack: list[Any] = []
        self.built = False
        if layers is not None and not isinstance(layers, (list, tuple)):
            raise ArgumentError(
                f"Sequential: layers is a {type(layers).__name__}; expected a list: Sequential([layer, ...])."
            )
        names: set[str] = set()
        for layer in layers or ():
            self._put(layer, names)
        self._rebuild()

    @entrance
    def add(self, layer: Layer | SymbolicTensor | Callable[..., Any], rebuild: bool = True) -> None:
        """Put a layer on top."""
        layer = self._put(layer, {known.name for known in self._stack})
        if rebuild:
            self._extend(layer)

    def _put(self, layer: Any, names: set[str]) -> Layer:
        """Put a layer on those of the given names, to which its own is added."""
        if isinstance(layer, SymbolicTensor):
            layer = layer.node.operation if layer.node is not None else layer
        if not isinstance(layer, Layer):
            if callable(layer) and not isinstance(layer, type):
                from keraunos.layers import Lambda

                layer = Lambda(layer)
            else:
                hint = f" Make an object of it: {layer.__name__}(...)." if isinstance(layer, type) else ""
                raise ArgumentError(f"Sequential: {layer!r} is no layer.{hint}")
        if layer.name in names:
            raise ArgumentError(
                f"{self.name}: there is a layer called {layer.name!r} already. Give each layer a name of its own."
            )
        if not self._stack and not isinstance(layer, InputLayer):
            shape = layer.given_batch_shape
            if shape is None and isinstance(layer, Model) and layer._graph is not None:
                shape = layer.input_shape
            if getattr(layer, "brings_inputs", False):
                shape = None  # its inputs are there already
            if shape is not None and all(size is None or isinstance(size, int) for size in shape):
                self._stack.append(InputLayer(batch_shape=shape, name=first_input_name(layer)))
        elif self._stack and isinstance(layer, InputLayer):
            raise ArgumentError(
                f"{self.name}: an Input must be the first layer, but {len(self._stack)} are there already."
            )
        self._stack.append(layer)
        names.update(known.name for known in self._stack[-2:])
        return layer

    def pop(self, rebuild: bool = True) -> SomeLayer:
        """Take the top layer off and return it."""
        if not self.layers:
            raise ArgumentError(f"{self.name}: there is no layer to take off.")
        layer = self._stack.pop()
        if rebuild:
            self._shorten(layer)
        return layer

    def _shorten(self, layer: Layer) -> None:
        """End before the layer that was on top; the others are not called again, so that each has one output."""
        last = None if self._graph is None else tree.leaves(self._graph.outputs)[0].node
        if last is None or last.operation is not layer or isinstance(self._stack[-1], InputLayer):
            self._rebuild()
            return
        assert self._graph is not None
        before = last.args[0]
        before.users.remove(last)
        self._set_graph(self._graph.inputs, before)
        self._forget_programs()

    def _extend(self, layer: Layer) -> None:
        if self._graph is None or isinstance(layer, InputLayer):
            self._rebuild()
            return
        inputs, outputs = self._graph.inputs, self._graph.outputs
        try:
            self._set_graph(inputs, layer(outputs))
        except BaseException:
            self._stack.pop()
            raise
        self._forget_programs()

    def _rebuild(self) -> None:
        self._graph = None
        self.built = False
        self._forget_programs()
        if self._stack and getattr(self._stack[0], "brings_inputs", False):
            tensor = self._stack[0].output
            for layer in self._stack[1:]:
                tensor = layer(tensor)
            self._set_graph(sources_of(tree.leaves(tensor)), tensor)
        elif len(self._stack) > 1 and isinstance(self._stack[0], InputLayer):
            tensor = inputs = self._stack[0].output
            for layer in self._stack[1:]:
                tensor = layer(tensor)
            self._set_graph(inputs, tensor)

    def build(self, input_shape: Any = None) -> None:
        """Make the weights for inputs of a shape (the batch first)."""
        if self._graph is not None or input_shape is None:
            return
        if not self._stack:
            raise ArgumentError(f"{self.name}: has no layers. Add some with add().")
        shape = tuple(input_shape)
        name = first_input_name(self._stack[0])
        # A layer that converts nothing looks up rows of a table, whose numbers 16 bits cannot hold.
        dtype = self.compute_dtype if self._stack[0].autocast else self.variable_dtype
        self._stack.insert(0, InputLayer(batch_shape=(None, *shape[1:]), dtype=dtype, name=name))
        try:
            self._rebuild()
        except BaseException:
            # Layers below the one that failed keep weights for this shape; they are made again on the next try.
            del self._stack[0]
            for layer in self._stack:
                _unbuild(layer)
            raise

    def _ensure_built(self, args: Any, kwargs: Any) -> None:
        if self._graph is None:
            if not self._stack:
                raise ArgumentError(f"{self.name}: has no layers. Add some with add().")
            given = tree.leaves(args[0])
            if len(given) != 1:
                raise ShapeError(
                    f"{self.name}: a Sequential takes one input, but several were given. Use Model(inputs, outputs)."
                )
            shape = tuple(given[0].shape)
            if len(shape) < 2:
                raise ShapeError(
                    f"{self.name}: the data has shape {shape_text(shape)}, but the first axis must be the batch. "
                    "One row is x[None], one feature a row is x[:, None]."
                )
            self.build(shape)

    @property
    def layers(self) -> list[SomeLayer]:
        """The layers from input to output, without the ``Input``."""
        return LayerList((layer for layer in self._stack if not isinstance(layer, InputLayer)), self._layers_changed)

    def _keep_layers(self, layers: list[Layer]) -> None:
        self._stack = [*(layer for layer in self._stack if isinstance(layer, InputLayer)), *layers]
        if self._graph is not None:
            self._graph_layers = [layer for layer in self._graph_layers if layer in self._stack]

    def get_config(self) -> dict[str, Any]:
        """The layers as plain data."""
        from keraunos.models.configs import layer_config

        config = Layer.get_config(self)
        return {
            **{key: config[key] for key in ("name", "trainable", "dtype")},
            "layers": [layer_config(layer) for layer in self._stack],
            **({"build_input_shape": list(self.input_shape)} if self._graph is not None else {}),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """Sequential of a config, with new weights; of a config of any era."""
        earlier = provider().files().todays_arguments("Sequential", config)
        if earlier is not None:
            if earlier["class_name"] != "Sequential":
                return registry.deserialize(earlier, custom_objects)  # type: ignore[no-any-return]
            config = earlier["config"]
        with registry.custom_object_scope(custom_objects or {}):
            layers = [registry.deserialize(item, table=None) for item in config["layers"]]
        model = cls(layers, trainable=config.get("trainable", True), name=config.get("name"))
        shape = config.get("build_input_shape")
        if model._graph is None and shape:
            model.build(tuple(shape))
        return model


def _unbuild(layer: Layer) -> None:
    if layer._weights_added and not isinstance(layer, Model):
        for name, value in list(vars(layer).items()):
            if any(value is variable for variable in layer._weights_added):
                delattr(layer, name)
        layer._weights_added.clear()
        layer.built = False

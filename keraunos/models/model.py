"""Model: a layer that can be trained, saved and shown; from a graph, or written as a class."""

import html
import inspect
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast, overload

from keraunos import saving
from keraunos.backend import K
from keraunos.backend.spec import TensorSpec
from keraunos.core.fields import varying
from keraunos.core.naming import automatic_name
from keraunos.core.scope import get_mask, set_mask
from keraunos.core.symbolic import SymbolicTensor, infer, is_symbolic
from keraunos.core.variable import structure_changed
from keraunos.layers import Input
from keraunos.layers.layer import LAYERS, Layer, SomeLayer
from keraunos.models import configs
from keraunos.models.endings import carries_nan, final_activation
from keraunos.models.graph import Graph
from keraunos.models.layer_list import LayerList
from keraunos.models.lookups import lookups as find_lookups
from keraunos.models.summary import print_summary
from keraunos.training.computed import ROWS
from keraunos.training.data.lookups import Lookups
from keraunos.training.trainer import Trainer
from keraunos.utils import tree
from keraunos.utils.errors import ArgumentError, KeraunosError, NotBuiltError, ShapeError, warn
from keraunos.utils.spelling import chosen, provider, spelled
from keraunos.utils.text import plural, shape_text, suggestion
from keraunos.utils.tracebacks import entrance

_Ends = SymbolicTensor | Sequence[Any] | Mapping[str, Any]

if TYPE_CHECKING:

    class _Arguments(Layer):
        """What subclasses without a constructor take; see ``core.fields``."""

        inputs: Any = None
        outputs: Any = None

else:
    _Arguments = Layer


@LAYERS.register("Functional")
class Model(Trainer, _Arguments):
    """Layers with inputs and outputs, and everything to train and use them.

    ``Model(inputs, outputs)`` is the network between symbolic tensors. A subclass
    makes layers in ``__init__`` and uses them in ``call(self, inputs)``.

    Args:
        inputs, outputs: Symbolic tensors, or lists or dicts of them.
        name: Name; ``functional`` and so on if not given.

    >>> from keraunos.layers import Dense, Input
    >>> inputs = Input((4,))
    >>> model = Model(inputs, Dense(3)(inputs))
    >>> model.output_shape, model.count_params()
    ((None, 3), 15)
    """

    _not_parts: ClassVar[frozenset[str]] = Layer._not_parts | {
        "optimizer", "history", "_graph", "_objectives", "_programs", "_compile_arguments", "_device_blocks", "_paces",
        "_borrowed", "_trained", "_flags", "_step_said",
    }  # fmt: skip

    # Not annotated: a type checker would take it for an argument of subclasses.
    _graph = cast("Graph | None", None)
    _inputs_forgotten = False

    @overload
    def __init__(self, inputs: _Ends, outputs: _Ends, name: str | None = None, **kwargs: Any) -> None: ...
    @overload
    def __init__(
        self, *, name: str | None = None, trainable: bool = True, dtype: Any = None, autocast: bool = True
    ) -> None: ...
    @spelled
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        given = dict(zip(("inputs", "outputs", "name"), args, strict=False))
        for name in ("inputs", "outputs"):
            if name in kwargs:
                given[name] = kwargs.pop(name)
        if "name" in given:
            kwargs["name"] = given["name"]
        if ("inputs" in given) != ("outputs" in given):
            raise ArgumentError(f"{type(self).__name__}: give both inputs and outputs, or neither.")
        if type(self) is Model and "inputs" not in given:
            raise ArgumentError(
                "Model needs inputs and outputs: Model(inputs, outputs). Or subclass it and define call()."
            )
        if type(self) is Model and kwargs.get("name") is None:
            kwargs["name"] = automatic_name("Functional")
        super().__init__(**kwargs)
        if "inputs" in given:
            ends = (given["inputs"], given["outputs"])
            self._set_graph(*(map(_as_one_list, ends) if chosen() else ends))

    def _set_graph(self, inputs: Any, outputs: Any) -> None:
        graph = Graph(inputs, outputs, self.name)
        leaves = tree.leaves(inputs)
        if chosen() and len({id(leaf) for leaf in leaves}) < len(leaves):
            raise ArgumentError(f"{self.name}: an input stands twice among the inputs. Give each of them once.")
        if chosen() and graph.begins_inside:
            raise ArgumentError(
                f"{self.name}: graph disconnected. An input is what a layer returned; before Keras 3 a model begins where "
                "Input stands. Give what Input() returned."
            )
        if graph.begins_inside:
            # The layers before such an input are not this model's: it gets inputs of its own.
            fresh = [fresh_input(leaf) for leaf in leaves]
            inputs, outputs = graph.replayed(fresh, lambda layer, *args, **kwargs: layer(*args, **kwargs))
            graph = Graph(inputs, outputs, self.name)
        self._graph, self._inputs_forgotten = graph, False
        self._graph_layers: list[Any] = [
            operation for operation in self._graph.operations if isinstance(operation, Layer)
        ]
        names = Counter(layer.name for layer in self._graph_layers)
        twice = next((name for name, number in names.items() if number > 1), None)
        if twice is not None:
            raise ArgumentError(f"{self.name}: two layers are called {twice!r}. Give each layer a name of its own.")
        self.built = True

    # --- calling -----------------------------------------------------------------

    @varying
    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """Outputs for inputs."""
        if self._graph is None:
            return super().call(inputs)
        flat = self._matched(inputs)
        if mask is not None:
            for value, part in zip(flat, tree.leaves(mask), strict=False):
                set_mask(value, part)
        return self._graph.run(flat)

    def _known_outputs(self, args: tuple[Any, ...]) -> Any:
        if self._graph is None or type(self).call is not Model.call:
            return None
        wanted = [leaf.spec for leaf in tree.leaves(self._graph.inputs)]
        if len(args) != 1 or isinstance(args[0], Mapping) or tree.leaves(args[0]) != wanted:
            return None
        return tree.map(lambda leaf: leaf.spec, self._graph.outputs)

    def _matched(self, inputs: Any) -> list[Any]:
        """The inputs in the order of the graph's, in their types and ranks."""
        assert self._graph is not None
        wanted = tree.leaves(self._graph.inputs)
        if isinstance(inputs, Mapping):
            if ROWS in inputs:
                return []
            names = list(self._graph.inputs) if isinstance(self._graph.inputs, Mapping) else self.fed_names
            missing = [name for name in names if name not in inputs]
            if missing:
                raise ArgumentError(
                    f"{self.name}: the inputs have no {missing[0]!r}, only {list(inputs)}.{suggestion(missing[0], inputs)}"
                )
            given = [inputs[name] for name in names]
        else:
            given = tree.leaves(inputs)
        if len(given) == len(self._graph.fed):
            wanted = self._graph.fed
        if len(given) != len(wanted):
            raise ShapeError(
                f"{self.name}: {plural(len(given), 'input')} given, but the model has {len(wanted)}: {self.input_names}."
            )
        return [self._fitted(value, target) for value, target in zip(given, wanted, strict=True)]

    def _fitted(self, value: Any, target: SymbolicTensor) -> Any:
        if value is None:
            return None
        shape, wanted = tuple(value.shape), target.shape
        mask = get_mask(value)
        if len(shape) == len(wanted) - 1 and wanted[-1] == 1:
            value = K.expand_dims(value, -1)
        elif len(shape) == len(wanted) + 1 and shape[-1] == 1:
            value = K.squeeze(value, -1)
        shape = tuple(value.shape)
        if len(shape) != len(wanted) or any(
            w is not None and s != w for s, w in zip(shape[1:], wanted[1:], strict=True)
        ):
            own = "one row" if len(shape) == len(wanted) else f"rank {len(shape)}"
            raise ShapeError(
                f"{self.name}: the input {target.name!r} has shape {shape_text((None, *shape[1:]))}, but the model takes "
                f"{shape_text(wanted)} ({own} of {shape_text(shape[1:])} against {shape_text(wanted[1:])}). "
                "Reshape the data, or build the model with Input(shape=...) of the data's."
            )
        if K.dtype(value) != target.dtype and not isinstance(value, SymbolicTensor):
            value = K.cast(value, target.dtype)
        set_mask(value, mask)
        return value

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Masks of the outputs for inputs that are symbolic tensors; of values, the outputs carry them."""
        if self._graph is None or not is_symbolic(inputs):
            return super().compute_mask(inputs, mask) if self._graph is None else None
        masks = (
            [None] * len(self.inputs) if mask is None else [mask] if not isinstance(mask, (list, tuple)) else list(mask)
        )
        found = self._graph.masks(tree.leaves(inputs), masks)
        return found[0] if len(found) == 1 else found

    def _pass_masks_on(self, args: tuple[Any, ...], outputs: Any, masks: Any) -> None:
        # The layers of a graph have done it.
        if self._graph is None:
            super()._pass_masks_on(args, outputs, masks)

    def _convert(self, leaf: Any) -> Any:
        # The graph's inputs say their own types; a model converts nothing itself.
        if self._graph is not None and K.is_tensor(leaf):
            return leaf
        return super()._convert(leaf)

    @varying
    @entrance
    def build(self, input_shape: Any = None) -> None:
        """Make all weights by calling the model on inputs of a shape."""
        if self._graph is not None or input_shape is None:
            return
        from keraunos.layers.layer import _map_shapes

        specs = _map_shapes(lambda shape: TensorSpec(shape, self.compute_dtype), input_shape)
        self.built = True
        try:
            infer(self, (specs,))
        except Exception:
            self.built = False
            raise

    def _ensure_built(self, args: Any, kwargs: Any) -> None:
        # A model written as a class builds its layers while it is called.
        if not self.built and type(self).build is Model.build:
            self._build_shapes = {"input_shape": tree.map(lambda leaf: tuple(leaf.shape), args[0])} if args else {}
            self.built = True
        else:
            super()._ensure_built(args, kwargs)

    def declared_outputs(self) -> Any:
        """Specs of the outputs, where the graph says them, else ``None``."""
        if self._graph is None or type(self).call is not Model.call:
            return None
        return tree.map(lambda leaf: leaf.spec, self._graph.outputs)

    # --- parts -------------------------------------------------------------------

    @property
    def layers(self) -> list[SomeLayer]:
        """The layers, in order from inputs to outputs."""
        if self._graph is not None:
            return LayerList(self._graph_layers, self._layers_changed)
        return [part for _, part in self.parts() if isinstance(part, SomeLayer)]

    def _layers_changed(self, layers: list[Layer], method: str) -> None:
        """The list that ``layers`` returned was changed by a method: before Keras 3 it was the model's own."""
        if not (chosen() and provider().shares_layers(self)):
            if method == "pop":
                warn(
                    f"{self.name}: model.layers is a copy, and the model keeps the layer. For the outputs of the one before "
                    "make a Model(model.inputs, model.layers[-2].output), or of a Sequential use model.pop()."
                )
            return
        self._keep_layers(list(layers))
        structure_changed()

    def _keep_layers(self, layers: list[Layer]) -> None:
        """Have these layers: what they leave out is computed where the outputs need it, and no longer trained or saved."""
        self._graph_layers = layers

    def _forget_programs(self) -> None:
        self.__dict__.setdefault("_programs", {}).clear()
        if self._objectives is not None:
            self._objectives.resolved = False

    @entrance
    def get_layer(self, name: str | None = None, index: int | None = None) -> SomeLayer:
        """Layer of a name or an index."""
        if (name is None) == (index is None):
            raise ArgumentError("get_layer: give a name or an index, one of the two.")
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ArgumentError(
                    f"get_layer: index {index} is out of range; the model has {plural(len(self.layers), 'layer')}."
                )
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        names = [layer.name for layer in self.layers]
        raise ArgumentError(f"get_layer: the model has no layer {name!r}.{suggestion(name, names)}")

    @property
    def variables(self) -> list[Any]:
        """All Variables, layer by layer."""
        return list(self.named_variables().values())

    @property  # type: ignore[misc]
    def inputs(self) -> Any:
        """Symbolic inputs, as a flat list; set to ``None`` they are forgotten, so that others may be set."""
        return None if self._inputs_forgotten else tree.leaves(self._need_graph("inputs").inputs)

    @inputs.setter  # type: ignore[misc]
    def inputs(self, value: None) -> None:
        if value is not None:
            raise ArgumentError(f"{self.name}: inputs cannot be exchanged. Make a Model(inputs, outputs).")
        self._inputs_forgotten = True

    @property  # type: ignore[misc]
    def outputs(self) -> Any:
        """Symbolic outputs, as a flat list; with an era before Keras 3 others may be set, and are what the model returns."""
        return tree.leaves(self._need_graph("outputs").outputs)

    @outputs.setter  # type: ignore[misc]
    def outputs(self, value: Any) -> None:
        if not chosen():
            raise ArgumentError(
                f"{self.name}: outputs cannot be exchanged since Keras 3. Make a Model(model.inputs, outputs)."
            )
        self._graph = Graph(self._need_graph("outputs").inputs, _as_one_list(value), self.name)
        self._forget_programs()
        structure_changed()

    @property
    def input(self) -> Any:
        """Symbolic inputs, as they were given."""
        return self._need_graph("input").inputs

    @property
    def output(self) -> Any:
        """Symbolic outputs, as they were given."""
        return self._need_graph("output").outputs

    @property  # type: ignore[misc]
    def input_shape(self) -> Any:
        """Shapes of the inputs."""
        return tree.map(lambda leaf: leaf.shape, self._need_graph("input_shape").inputs)

    @property
    def output_shape(self) -> Any:
        """Shapes of the outputs."""
        return tree.map(lambda leaf: leaf.shape, self._need_graph("output_shape").outputs)

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs; none where the model has no graph."""
        if self._graph is None:
            return []
        if isinstance(self._graph.inputs, Mapping):
            return list(self._graph.inputs)
        return [leaf.name for leaf in tree.leaves(self._graph.inputs)]

    @property
    def fed_names(self) -> list[str]:
        """Names of the inputs that data are given for: not of those that the model computes itself."""
        if self._graph is None or not self.computes_inputs:
            return self.input_names
        return [leaf.name for leaf in self._graph.fed]

    @property
    def computes_inputs(self) -> bool:
        """Whether the model computes some of its inputs itself, from Variables and constants."""
        return self._graph is not None and len(self._graph.fed) < len(tree.leaves(self._graph.inputs))

    @property
    def has_call(self) -> bool:
        """Whether the model itself computes outputs: from a graph, or by the ``call`` of a subclass."""
        return self._graph is not None or type(self).call is not Model.call

    @property
    def own_rows(self) -> int | None:
        """Rows of a batch where no input is given, since the model computes all of them."""
        if self._graph is None or self._graph.fed:
            return None
        return tree.leaves(self._graph.inputs)[0].shape[0]  # type: ignore[no-any-return]

    @property
    def output_names(self) -> list[str]:
        """Names of the outputs: keys of a dict, else the layers that make them."""
        if self._graph is None:
            return []
        if isinstance(self._graph.outputs, Mapping):
            return list(self._graph.outputs)
        makers = [leaf.node.operation if leaf.node is not None else leaf for leaf in tree.leaves(self._graph.outputs)]
        names = [maker.name for maker in makers]
        before = [names[:place].count(name) for place, name in enumerate(names)]
        return [f"{name}_{count}" if count else name for name, count in zip(names, before, strict=True)]

    def lookups(self) -> Lookups:
        """Which numbers of the data its Embeddings look up, as far as it is known."""
        return find_lookups(self)

    def final_activations(self) -> dict[str, tuple[str, str]]:
        """Of outputs of which they are known: the name of the layer that ends them, and of its activation."""
        if self._graph is None or type(self).call is not Model.call:
            return {}
        found = zip(self.output_names, map(final_activation, tree.leaves(self._graph.outputs)), strict=True)
        return {name: ending for name, ending in found if ending is not None}

    @property
    def carries_nan(self) -> bool:
        """Whether it is known that NaN in an input reaches the outputs: nothing on the way takes it out."""
        if self._graph is None or type(self).call is not Model.call:
            return False
        readers = {id(node.operation): node.operation for leaf in self._graph.fed for node in leaf.users}
        return all(map(carries_nan, readers.values()))

    def _need_graph(self, what: str) -> Graph:
        if self._graph is None:
            raise NotBuiltError(
                f"{self.name}: {what} is known only for a Sequential with an input shape or a Model(inputs, outputs)."
            )
        return self._graph

    # --- shown, saved, copied ----------------------------------------------------

    @property
    def keras_place(self) -> tuple[str, str]:
        """Module and class under which real Keras knows such a model."""
        return ("keras.src.models.functional", "Functional") if type(self) is Model else ("keras", type(self).__name__)

    @entrance
    def summary(
        self,
        line_length: int | None = None,
        positions: Any = None,
        print_fn: Any = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Any = None,
    ) -> None:
        """Print the layers, their output shapes and numbers of weights.

        Args:
            line_length: Width of the table.
            positions: Ends of the columns, as fractions of the width or in characters.
            print_fn: Function that gets the text instead of ``print``.
            expand_nested: Whether to list the layers inside models.
            show_trainable: Whether to show which layers are trained.
            layer_range: Names (patterns) of the first and the last layer to show.
        """
        print_summary(self, line_length, positions, print_fn, expand_nested, show_trainable, layer_range)

    def _repr_html_(self) -> str | None:
        """The summary, and how the model was compiled, for a notebook; ``None`` where it cannot be shown."""
        lines: list[str] = []
        try:
            self.summary(print_fn=lines.append)
        except KeraunosError:
            return None
        if self.compiled:
            given = ", ".join(f"{name}={self._compile_arguments[name]!r}" for name in ("loss", "metrics"))
            lines.append(f"compiled with {self.optimizer!r}, {given}")
        return f"<pre>{html.escape(chr(10).join(lines))}</pre>"

    def get_config(self) -> dict[str, Any]:
        """The graph as plain data; of a subclass with a constructor of its own, its arguments."""
        if self._graph is None or not _takes_graph(type(self)):
            return super().get_config()
        return configs.graph_config(self)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """Model of a config, with new weights; of a config of any era."""
        if cls is Model or "layers" in config:
            earlier = provider().files().todays_arguments("Model", config)
            config = config if earlier is None else earlier["config"]
            return configs.graph_from_config(cls, config, custom_objects)
        return super().from_config(config)

    def to_json(self, **options: Any) -> str:
        """The architecture as JSON text."""
        return saving.to_json(self, **options)

    @spelled
    def save(self, filepath: Any, overwrite: bool = True, **options: Any) -> None:
        """Write the model, its weights and the optimizer's state to a ``.keras`` or ``.h5`` file."""
        saving.save_model(self, filepath, overwrite=overwrite, **options)

    def save_weights(self, filepath: Any, overwrite: bool = True, **options: Any) -> None:
        """Write the weights to an HDF5 file."""
        saving.save_weights(self, filepath, overwrite=overwrite, **options)

    @spelled
    def load_weights(self, filepath: Any, skip_mismatch: bool = False, **options: Any) -> None:
        """Read the weights from an HDF5 file."""
        saving.load_weights(self, filepath, skip_mismatch=skip_mismatch, **options)

    def __reduce_ex__(self, protocol: Any) -> Any:
        # Pickles and copies go through the format of files, so that they hold no more than it does.
        return saving.reduce_model(self) if self.built else super().__reduce_ex__(protocol)


def _takes_graph(cls: type[Model]) -> bool:
    """Whether a class is made of inputs and outputs, as ``Model`` is."""
    if cls.__init__ is Model.__init__:
        return True
    kinds = [parameter.kind for parameter in inspect.signature(cls.__init__).parameters.values()][1:]
    return kinds == [inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD]


def _as_one_list(ends: Any) -> Any:
    """Inputs or outputs as they were until Keras 3: a list, where there are several, and a list of one meant its only tensor."""
    if not isinstance(ends, (list, tuple)):
        return ends
    return ends[0] if len(ends) == 1 else list(ends)


def fresh_input(leaf: SymbolicTensor) -> SymbolicTensor:
    """An ``Input`` of the shape and dtype of a tensor; of its name too where that is an input."""
    is_input = leaf.node is None or not leaf.node.inputs
    return Input(batch_shape=leaf.shape, dtype=leaf.dtype, name=leaf.name if is_input else None)  # type: ignore[no-any-return]

"""Losses and updates of layers of eras 1 and 2, told between calls as symbolic tensors, and what they depend on."""

from typing import Any

from keraunos.backend import K
from keraunos.backend.spec import TensorSpec
from keraunos.core import evaluation
from keraunos.core.scope import Scope
from keraunos.core.symbolic import Call, Node, SymbolicTensor, record, recording, traced
from keraunos.core.variable import Variable
from keraunos.eras import weight_lists
from keraunos.layers.layer import Layer
from keraunos.utils import tree

__all__ = ["get_losses_for", "get_updates_for", "losses_of_calls", "regularization_losses", "state_updates", "updates"]


class LayerUpdate:
    """What a layer assigns to one of its Variables while it trains, for ``function(updates=model.updates)``.

    Args:
        *variables: The Variable, and those that go with it.
    """

    tensors: tuple[Any, ...] = ()

    def __init__(self, *variables: Variable) -> None:
        self.variables = variables

    def run(self, values: Any) -> None:
        """Nothing: the layer assigns while it is called."""

    def keeps(self, variable: Variable) -> bool:
        """Whether a Variable is one of those that are to be kept."""
        return any(variable is own for own in self.variables)


# --- updates ------------------------------------------------------------------------------


def updates(self: Any) -> list[Any]:
    """What the layers assign while they train, for ``function(updates=...)``; of frozen layers nothing."""
    layers = [layer for layer in self._flatten_layers() if layer.trainable]
    told = [update for layer in layers for update, _ in layer._updates_told]
    return [*told, *_made(layer for layer in layers if not getattr(layer, "stateful", False))]


def state_updates(self: Any) -> list[Any]:
    """What stateful layers assign whenever they are called."""
    return _made(layer for layer in self._flatten_layers() if getattr(layer, "stateful", False) is True)


def get_updates_for(self: Any, inputs: Any) -> list[Any]:
    """The updates that depend on some inputs, or with ``None`` those that depend on none."""
    layers = [layer for layer in self._flatten_layers() if layer.trainable]
    told = [update for layer in layers for update, condition in layer._updates_told if _same(condition, inputs)]
    return told if inputs is None else [*told, *_made(layers)]


def _made(layers: Any) -> list[Any]:
    """Those that layers make in a call that trains: of layers that were called on symbolic tensors only to predict, none."""
    found = []
    for layer in layers:
        if layer._nodes and all(node.kwargs.get("training") in (False, 0) for node in layer._nodes):
            continue
        own = [variable for variable in layer._weights_added if not variable.trainable]
        # Counters that no file holds are no update of their own.
        silent = [variable for variable in own if not variable.saved]
        found += [LayerUpdate(v, *silent) for v in own if v.saved] or [LayerUpdate(*silent)] * bool(silent)
    return found


# --- losses -------------------------------------------------------------------------------


def losses_of_calls(self: Any) -> list[SymbolicTensor]:
    """What the recorded calls of a layer, or of the layers of a model, add to the loss."""
    graph = getattr(self, "_graph", None)
    nodes = self._nodes if graph is None else graph.nodes
    return [loss for node in nodes if isinstance(node.operation, Layer) for loss in _losses_of(node)]


def get_losses_for(self: Any, inputs: Any) -> list[Any]:
    """Losses that depend on some inputs, or with ``None`` those that depend on none."""
    layers = self._flatten_layers()
    told = [(loss, condition) for layer in layers for loss, condition in layer._eager_losses]
    symbolic = [loss for layer in layers for loss in layer._symbolic_losses]
    if inputs is None:
        free = [loss for loss, condition in told if condition is None]
        rest = [loss for loss in symbolic if not evaluation.sources_of([loss])]
        return [*free, *rest, *self.regularization_losses()]
    wanted = {id(leaf) for leaf in tree.leaves(inputs)}
    fitting = [loss for loss, condition in told if _same(condition, inputs)]
    return [*fitting, *(loss for loss in [*symbolic, *losses_of_calls(self)] if wanted & _behind(loss))]


def regularization_losses(self: Any) -> list[Any]:
    """Value of each weight's regularizer, of frozen layers too; between calls a tensor.

    Keras 1 kept the gates of a recurrent layer apart, and regularized each by itself.
    """
    gates = weight_lists.gates(self)
    pieces = [
        (variable, number, gates.get(id(variable), 1))
        for variable in self.variables
        if variable.regularizer is not None
        for number in range(gates.get(id(variable), 1))
    ]
    if not recording():
        return [_regularized(*piece) for piece in pieces]
    return [record(Call(_regularized, "regularizer"), piece, {}, TensorSpec((), piece[0].dtype)) for piece in pieces]


def _regularized(variable: Any, number: int, count: int) -> Any:
    value = variable.value if count == 1 else K.split(variable.value, count, -1)[number]
    return variable.regularizer(value)


def _losses_of(node: Node) -> list[SymbolicTensor]:
    """What one recorded call adds to the loss, each a symbolic tensor, the same ones whenever they are asked for."""
    known: list[SymbolicTensor] | None = vars(node).get("losses")
    if known is not None:
        return known
    layer = node.operation
    found: list[SymbolicTensor] = []
    if node.inputs and any(_may_add(inner) for inner in layer._flatten_layers()):

        def collected(*args: Any, **kwargs: Any) -> list[Any]:
            with Scope(strict=False) as scope:
                evaluation.perform(node, args, kwargs)
            return [loss for _, loss in scope.losses]

        users = [len(tensor.users) for tensor in node.inputs]
        specs, used = traced(collected, node.args, node.kwargs)
        made = Node(Call(collected, "losses"), node.args, node.kwargs, specs, used)
        made.number = node.number  # its random numbers are those of the call
        found = list(made.outputs)
        # To ask for losses makes nobody depend on the inputs.
        for tensor, count in zip(node.inputs, users, strict=True):
            del tensor.users[count:]
    vars(node)["losses"] = found
    return found


def _may_add(layer: Layer) -> bool:
    """Whether a call may add to the loss: a regularizer of outputs, or a layer that is not the library's own."""
    return layer.activity_regularizer is not None or not type(layer).__module__.startswith("keraunos.")


def _behind(tensor: SymbolicTensor) -> set[int]:
    """Ids of the tensors, and of the Variables, that a tensor follows from."""
    nodes = evaluation.nodes_of([tensor])
    return {id(tensor), *(id(leaf) for node in nodes for leaf in tree.leaves((node.args, node.kwargs)))}


def _same(condition: Any, inputs: Any) -> bool:
    """Whether an update or a loss was told to depend on just these tensors."""
    if condition is None or inputs is None:
        return condition is None and inputs is None
    first, second = tree.leaves(condition), tree.leaves(inputs)
    return len(first) == len(second) and all(map(_is, first, second))


def _is(first: Any, second: Any) -> bool:
    """Whether two tensors are one; what a layer was called on may be the value of a Variable."""
    return first is second or (isinstance(second, Variable) and first is second.concrete)


# --- metrics of tensors --------------------------------------------------------------------


class Names(list[str]):
    """Names of metrics; one that is appended is that of a tensor in ``metrics_tensors``."""

    def __init__(self, names: list[str], model: Any) -> None:
        super().__init__(names)
        self._model = model

    def append(self, name: str) -> None:
        """Name the next tensor."""
        super().append(name)
        self._model._objectives.names_of_tensors.append(name)


def metrics_tensors(self: Any) -> list[Any]:
    """Tensors whose mean is counted as a metric, in a list to which a compiled model's may be added.

    Their names are appended to ``metrics_names``. Those of the metrics of ``compile`` are not in the list.
    """
    return self._need_compile("metrics_tensors").tensors  # type: ignore[no-any-return]

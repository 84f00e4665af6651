"""The losses and updates that layers and models of eras 1 and 2 told between calls, one for each call and weight.

A loss is a tensor of the graph; an update stands for a Variable that a call
assigns while it trains. Keras 1 kept the gates of a recurrent layer apart, and
regularized each by itself. Weights of frozen layers were regularized too.
"""

import functools
from collections.abc import Iterable, Sequence
from typing import Any

from keraunos.backend import K
from keraunos.backend.spec import TensorSpec
from keraunos.core import evaluation, phase
from keraunos.core.scope import Scope
from keraunos.core.symbolic import Call, Node, SymbolicTensor, infer, record, recording
from keraunos.core.variable import Variable
from keraunos.eras import weight_lists
from keraunos.layers.layer import Layer
from keraunos.utils import tree

__all__ = ["get_losses_for", "get_updates_for", "losses", "regularization_losses", "state_updates", "updates"]


# --- losses -------------------------------------------------------------------------------


def losses(self: Any) -> list[Any]:
    """What ``add_loss`` was given, what was added in each call on symbolic tensors, and the regularization of weights.

    A model tells of the calls in its own graph.
    """
    given = [loss for part in self._flatten_layers() for loss, _ in part._given_losses]
    return [*given, *(loss for node in _calls(self) for loss in _of_call(node)), *regularization_losses(self)]


def get_losses_for(self: Any, inputs: Any) -> list[Any]:
    """Losses that depend on some inputs, as was said or is seen, or with ``None`` those that depend on none."""
    pairs = [
        (loss, _inputs_of(loss) if told is None else told)
        for part in self._flatten_layers()
        for loss, told in part._given_losses
    ]
    if inputs is None:
        return [*_given_for(pairs, None), *regularization_losses(self)]
    return [*_given_for(pairs, inputs), *(loss for node in _calls_on(self, inputs) for loss in _of_call(node))]


def _inputs_of(loss: Any) -> list[Any] | None:
    """The inputs that a tensor follows from, ``None`` where it follows from none."""
    return (evaluation.sources_of([loss]) or None) if isinstance(loss, SymbolicTensor) else None


def regularization_losses(self: Any) -> list[Any]:
    """Value of each weight's regularizer; between calls a tensor."""
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


def _of_call(node: Node) -> list[Any]:
    """The losses that a call of a layer adds."""
    layer = node.operation
    if not isinstance(layer, Layer) or not any(part._adds_losses for part in layer._flatten_layers()):
        return []
    if "losses" not in vars(node):
        again = Call(functools.partial(_added, layer), "losses")
        made = Node(again, node.args, node.kwargs, infer(again, node.args, node.kwargs))
        made.number = node.number  # its random numbers are those of the call
        vars(node)["losses"] = made.outputs
    return list(vars(node)["losses"])


def _added(layer: Any, *args: Any, **kwargs: Any) -> list[Any]:
    with Scope(strict=False) as scope:
        layer(*args, **kwargs)
    return [K.array(loss) for _, loss in scope.losses]


# --- updates ------------------------------------------------------------------------------


class LayerUpdates:
    """What layers of a model assign to Variables while they train, for ``function(updates=model.updates)``."""

    tensors: tuple[Any, ...] = ()

    def __init__(self, variables: Sequence[Variable]) -> None:
        self.variables = variables

    def run(self, values: Any) -> None:
        """Nothing: the layers assign while they are called."""

    def keeps(self, variable: Variable) -> bool:
        """Whether a Variable is the layers'."""
        return any(variable is own for own in self.variables)


def updates(self: Any) -> list[Any]:
    """What ``add_update`` was given, and what the layers assign while they train, one for each Variable."""
    given = [update for part in _trained(self) for update, _ in part._given_updates]
    return [*given, *_assigned(_calls(self))]


def get_updates_for(self: Any, inputs: Any) -> list[Any]:
    """Updates that depend on some inputs, or with ``None`` those of which nobody said so."""
    given = [update for part in _trained(self) for update in _given_for(part._given_updates, inputs)]
    return given if inputs is None else [*given, *_assigned(_calls_on(self, inputs))]


def state_updates(self: Any) -> list[Any]:
    """What stateful layers assign whenever they are called."""
    stateful = [layer for layer in self._flatten_layers() if getattr(layer, "stateful", False) is True]
    return [LayerUpdates(layer.variables) for layer in stateful]


def _trained(self: Any) -> list[Any]:
    """The layers inside that are updated: a frozen one is not, unless it keeps states."""
    return [part for part in self._flatten_layers() if part.trainable or getattr(part, "stateful", False)]


def _assigned(nodes: Iterable[Node]) -> list[LayerUpdates]:
    """The weights that calls of layers assign while they train."""
    found: dict[int, Variable] = {}
    for node in nodes:
        layer = node.operation
        if isinstance(layer, Layer) and any(
            not v.trainable for part in layer._flatten_layers() for v in part._weights_added
        ):

            def train(*args: Any, layer: Any = layer, **kwargs: Any) -> None:
                with Scope(strict=False) as scope, phase.calling(True):
                    layer(*args, **kwargs)
                found.update((id(v), v) for v in scope.writes if v.saved)

            infer(train, node.args, node.kwargs)
    return [LayerUpdates([variable]) for variable in found.values()]


# --- calls --------------------------------------------------------------------------------


def _calls(self: Any) -> Sequence[Node]:
    """The calls in the graph of a model, or of a layer."""
    graph = getattr(self, "_graph", None)
    return self._nodes if graph is None else graph.nodes  # type: ignore[no-any-return]


def _calls_on(self: Any, inputs: Any) -> list[Node]:
    """The calls of a layer on some inputs; of a model, those in its graph that need them."""
    wanted = {id(leaf) for leaf in tree.leaves(inputs)}
    if getattr(self, "_graph", None) is None:
        return [node for node in self._nodes if {id(leaf) for leaf in _called_on(node)} == wanted]
    behind: set[int] = set(wanted)
    found = []
    for node in self._graph.nodes:
        if any(id(leaf) in behind for leaf in node.inputs):
            found.append(node)
            behind |= {id(leaf) for leaf in tree.leaves(node.outputs)}
    return found


def _called_on(node: Node) -> list[Any]:
    """The tensors that a layer was called on: of one that only reads a Variable, that."""
    steps = [leaf.node and leaf.node.operation for leaf in node.inputs]
    reads = [isinstance(step, Call) and step.call is evaluation.itself for step in steps]
    return [leaf.node.args[0] if read else leaf for leaf, read in zip(node.inputs, reads, strict=True)]  # type: ignore[union-attr]


def _given_for(pairs: Iterable[tuple[Any, Any]], inputs: Any) -> list[Any]:
    """What was given for some inputs."""
    if inputs is None:
        return [what for what, given in pairs if given is None]
    wanted = {id(leaf) for leaf in tree.leaves(inputs)}
    return [what for what, given in pairs if given is not None and {id(leaf) for leaf in tree.leaves(given)} <= wanted]

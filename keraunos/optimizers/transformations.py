"""Optax transformations as optimizers."""

from collections.abc import Sequence
from typing import Any

from keraunos.backend import K
from keraunos.core.naming import unique_name
from keraunos.core.variable import Variable
from keraunos.optimizers.base import Optimizer, Tensors, unused
from keraunos.utils import tree
from keraunos.utils.errors import UsageError


class OptaxOptimizer(Optimizer):
    """An optax gradient transformation as an optimizer.

    ``optimizers.get(optax.adam(1e-3))`` and ``compile(optimizer=optax.adam(1e-3))``
    make one. Its learning rate can be read and set if the transformation was
    made with ``optax.inject_hyperparams``.

    Args:
        transformation: Anything with ``init(params)`` and ``update(gradients, state, params)``.
        name: Name.

    >>> import numpy as np
    >>> from keraunos import Variable
    >>> from keraunos.optimizers import get
    >>> from collections import namedtuple
    >>> halve = namedtuple("Transformation", "init update")(
    ...     lambda params: (), lambda grads, state, params: ({k: -0.5 * g for k, g in grads.items()}, state)
    ... )
    >>> weight = Variable([1.0])
    >>> get(halve).apply([np.array([1.0])], [weight]); weight.numpy().tolist()
    [0.5]
    """

    packable = False  # type: ignore[assignment]

    def __init__(self, transformation: Any, name: str | None = None) -> None:
        self.transformation = transformation
        self._structure: Any = None
        # The state for no parameters shows whether there is a learning rate to hold.
        probe = tree.paths(transformation.init({}))
        scheduled = any("learning_rate" in path[:-1] for path, _ in probe)
        found = [leaf for path, leaf in probe if _injected(path, leaf) and not scheduled]
        super().__init__(float(found[0]) if found else _no_learning_rate, name=name or unique_name("optax"))

    def __repr__(self) -> str:
        rate = f", learning_rate={float(self._rate):.6g}" if isinstance(self._rate, Variable) else ""
        return f"<{type(self).__name__} name={self.name}{rate}>"

    @property
    def learning_rate(self) -> Any:
        """The injected learning rate, a Variable; may be set."""
        return self._rate if isinstance(self._rate, Variable) else _no_learning_rate()

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        if hasattr(self, "_iterations") and not isinstance(self._rate, Variable):
            _no_learning_rate()
        Optimizer.learning_rate.fset(self, value)  # type: ignore[attr-defined]

    def build(self, variables: Sequence[Variable]) -> None:
        """Make the transformation's state for trainable variables."""
        super().build(variables)
        self._paths: dict[Any, str] = {}
        for variable in variables:
            self._paths[variable] = unused(variable.path, self._paths.values())
        self._structure = self.transformation.init({self._paths[v]: K.array(v.value) for v in variables})
        self._added = []
        for path, leaf in tree.paths(self._structure):
            if hasattr(leaf, "dtype") and not self._is_rate(path, leaf):
                name = "_".join(str(part).replace("/", "_") for part in path)
                self._added.append(self._named(Variable(leaf, trainable=False, name=name)))

    def _rate_holders(self) -> dict[str, Any]:
        rate = {"learning_rate": self._rate} if isinstance(self._rate, Variable) else {}
        return {"iterations": self._iterations, **rate}

    def _is_rate(self, path: Any, leaf: Any) -> bool:
        return isinstance(self._rate, Variable) and _injected(path, leaf)

    def _updated(
        self, gradients: Tensors, parameters: Any, slots: Any, scalars: Any, state: Any, rate: Any, updates: Any
    ) -> tuple[Any, Any, Any]:
        described = tree.paths(self._structure)
        # JAX sorts the keys of dicts: leaves are found by name here, and by their place in the structure below.
        held = [hasattr(leaf, "dtype") and not self._is_rate(path, leaf) for path, leaf in described]
        scalar_names = [f"added_{number}" for number in range(sum(held))]
        values = iter(scalar_names)
        flat = [
            scalars[next(values)] if kept else state["learning_rate"] if self._is_rate(path, leaf) else leaf
            for (path, leaf), kept in zip(described, held, strict=True)
        ]
        own = tree.unflatten(self._structure, flat)
        names = {key: self._paths.get(key, key) for key in parameters}
        given = {names[key]: value for key, value in parameters.items()}
        slopes = {names[key]: gradients.get(key, K.zeros_like(value)) for key, value in parameters.items()}
        changes, own = self.transformation.update(slopes, own, given)
        parameters = {
            key: value + K.cast(changes[names[key]], K.dtype(value)) if key in gradients else value
            for key, value in parameters.items()
        }
        ordered = tree.leaves(tree.map(lambda _, leaf: leaf, self._structure, own))
        new = [leaf for leaf, kept in zip(ordered, held, strict=True) if kept]
        return parameters, slots, dict(zip(scalar_names, new, strict=True))

    @property
    def program_key(self) -> tuple[Any, ...]:
        """What a compiled step has fixed of this optimizer."""
        return (type(self), id(self.transformation))

    def get_config(self) -> dict[str, Any]:
        """Refused: an optax transformation consists of functions, which no file may hold."""
        raise UsageError(
            f"{self.name}: an optax transformation cannot be written into a config. Save the model without its "
            "optimizer (include_optimizer=False), and compile again after loading."
        )


def _injected(path: tuple[Any, ...], leaf: Any) -> bool:
    return len(path) > 1 and path[-1] == "learning_rate" and hasattr(leaf, "dtype")


def _no_learning_rate() -> Any:
    raise UsageError(
        "the learning rate of this optax transformation is fixed inside it. To read and set it, wrap the "
        "transformation: optax.inject_hyperparams(optax.adam)(learning_rate=0.001)."
    )

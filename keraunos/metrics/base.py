"""The base of the metrics: state in Variables that batches update and an epoch reads."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from keraunos import initializers
from keraunos.backend import K
from keraunos.core.naming import unique_name
from keraunos.core.registry import Table
from keraunos.core.scope import Scope
from keraunos.core.stateful import Stateful
from keraunos.core.variable import Variable
from keraunos.losses import computing_dtype
from keraunos.utils import tree
from keraunos.utils.errors import ArgumentError, NotBuiltError, UsageError
from keraunos.utils.text import snake_case
from keraunos.utils.tracebacks import entrance


class Metric(Stateful):
    """Base of the metrics: a number about many batches.

    A subclass makes its state in ``__init__`` with ``add_variable``, changes it
    in ``update_state`` with ``assign``, and returns a number from ``result``.

    Args:
        dtype: Float type of the computation; the default float type if not given.
        name: Name in logs; the class's own in snake case, made unique, if not given.

    >>> class Rows(Metric):
    ...     def __init__(self, name="rows", **kwargs):
    ...         super().__init__(name=name, **kwargs)
    ...         self.rows = self.add_variable((), "zeros", name="rows")
    ...
    ...     def update_state(self, y_true, y_pred, sample_weight=None):
    ...         self.rows.assign(self.rows + len(y_true))
    ...
    ...     def result(self):
    ...         return self.rows
    >>> rows = Rows()
    >>> rows.update_state([0, 1], [0, 1]); rows.update_state([1], [1])
    >>> float(rows.result())
    3.0
    """

    #: Whether ``sample_weight`` of shape ``(batch,)`` with zeros leaves those rows out exactly, so
    #: that a short batch may be padded. Unknown for a user's ``update_state``, hence False.
    row_wise = False

    #: ``"up"`` where more is better, ``"down"`` where less is; ``None`` where that is not known.
    direction: ClassVar[str | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "update_state" in cls.__dict__ and "row_wise" not in cls.__dict__:
            cls.row_wise = False

    def __init__(self, *, dtype: Any = None, name: str | None = None) -> None:
        self.name = name or unique_name(snake_case(type(self).__name__))
        self.dtype = computing_dtype(dtype)
        self._variables: list[Variable] = []

    def build(self, y_true_shape: Sequence[int | None], y_pred_shape: Sequence[int | None]) -> None:
        """Make the state whose shape depends on the data; ``update_state`` does it where nobody did."""

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Take one batch in; ``(y_true, y_pred, sample_weight=None)`` for most metrics."""
        raise UsageError(
            f"{type(self).__name__} does not define update_state(self, y_true, y_pred, sample_weight=None)."
        )

    def result(self) -> Any:
        """Value over all batches since ``reset_state``."""
        raise UsageError(f"{type(self).__name__} does not define result(self).")

    def reset_state(self) -> None:
        """Forget all batches: every Variable becomes 0."""
        for variable in self.variables:
            variable.assign(np.zeros(variable.shape, "float32"))

    @entrance
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Take one batch in and return the value so far."""
        self.update_state(*args, **kwargs)
        return self.result()

    # --- state ---------------------------------------------------------------------------

    def add_variable(
        self,
        shape: Sequence[int],
        initializer: Any = "zeros",
        dtype: Any = None,
        aggregation: str | None = None,
        name: str | None = None,
    ) -> Variable:
        """Make a Variable of the state.

        Args:
            shape: Its shape.
            initializer: Name of an initializer, or a function ``(shape, dtype)``.
            dtype: Element type; the default float type if not given.
            aggregation: Accepted for Keras' sake; replicas do not exist here.
            name: Its name.
        """
        if "_variables" not in self.__dict__:
            raise UsageError(
                f"{type(self).__name__}: add_variable() comes after super().__init__(name=name), which is missing."
            )
        taken = {variable.name for variable in self._variables}
        name = name or "variable"
        number = next(n for n in range(len(taken) + 1) if (f"{name}_{n}" if n else name) not in taken)
        variable = Variable(
            initializers.get("zeros" if initializer is None else initializer),
            shape=tuple(shape),
            dtype=None if dtype is None else computing_dtype(dtype),
            trainable=False,
            autocast=False,
            aggregation=aggregation,
            name=f"{name}_{number}" if number else name,
        )
        self._variables.append(variable)
        return variable

    def add_weight(
        self, shape: Any = (), initializer: Any = None, dtype: Any = None, name: Any = None, **kwargs: Any
    ) -> Variable:
        """As ``add_variable``; the name may come first, as Keras 2 has it."""
        if isinstance(shape, str):
            shape, name = kwargs.pop("shape", ()), shape
        kwargs = {key: value for key, value in kwargs.items() if key not in ("aggregation", "synchronization")}
        for key in kwargs:
            raise ArgumentError(f"{type(self).__name__}.add_weight: unknown argument {key!r}.")
        return self.add_variable(shape, initializer, dtype, name=name)

    @property
    def variables(self) -> list[Variable]:
        """State: own Variables in the order in which they were made, then those of parts."""
        found: list[Variable] = []
        for _, part in self.parts():
            for variable in [part] if isinstance(part, Variable) else getattr(part, "variables", ()):
                if all(variable is not other for other in found):
                    found.append(variable)
        return found

    def stateless_update_state(self, metric_variables: Sequence[Any], *args: Any, **kwargs: Any) -> list[Any]:
        """State after one batch, as a function of the state before; see ``update_state``."""
        with self._bound(metric_variables) as scope:
            self.update_state(*args, **kwargs)
        return [scope.writes.get(variable, value) for variable, value in scope.values.items()]

    def stateless_result(self, metric_variables: Sequence[Any]) -> Any:
        """``result`` as a function of the state."""
        with self._bound(metric_variables):
            return tree.map(lambda leaf: leaf.value if isinstance(leaf, Variable) else leaf, self.result())

    def stateless_reset_state(self) -> list[Any]:
        """State that has seen no batch."""
        with self._bound([variable.concrete for variable in self.variables]) as scope:
            self.reset_state()
        return [scope.writes.get(variable, value) for variable, value in scope.values.items()]

    def _bound(self, metric_variables: Sequence[Any]) -> Scope:
        variables = self.variables
        if len(metric_variables) != len(variables):
            raise ArgumentError(
                f"{self.name}: {len(metric_variables)} tensors were given as metric_variables, but the metric has "
                f"{len(variables)} Variables: {', '.join(variable.name for variable in variables)}."
            )
        values = [K.array(value) for value in metric_variables]
        return Scope(dict(zip(variables, values, strict=True)), strict=False, owner=f"the metric {self.name!r}")

    def _need_state(self, attribute: str) -> None:
        """Error where the state that depends on the data does not exist yet."""
        if attribute not in self.__dict__:
            raise NotBuiltError(f"{self.name}: no batch has been seen yet. Call update_state() before result().")

    # --- config --------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Arguments as plain data."""
        return {"name": self.name, "dtype": self.dtype, **super().get_config()}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


table: Table[Metric] = Table("metrics", "metric", Metric, functions=True)

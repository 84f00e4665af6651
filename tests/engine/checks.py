"""What the conformance tests share: a case of one operation, its oracle in NumPy, and the comparison."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from keraunos.utils import tree

# NumPy computes in 64 bits where the library stays with 32.
_NARROW = {"float64": "float32", "int64": "int32"}


class Case(NamedTuple):
    """One call of an operation, and a function of the same arguments that says what it must return."""

    operation: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    oracle: Callable[..., Any]
    dtype: str | None = None
    tolerance: float = 1e-5
    smooth: bool = False

    @property
    def title(self) -> str:
        """A readable name for reports."""
        described = [_describe(a) for a in self.args] + [f"{k}={_describe(v)}" for k, v in self.kwargs.items()]
        return f"{self.operation}({', '.join(described)})"


def titles(cases: list[Case]) -> list[str]:
    """Names of cases, each once."""
    seen: dict[str, int] = {}
    for case in cases:
        seen[case.title] = seen.get(case.title, 0) + 1
    used: dict[str, int] = {}
    result = []
    for case in cases:
        used[case.title] = used.get(case.title, 0) + 1
        result.append(case.title if seen[case.title] == 1 else f"{case.title}#{used[case.title]}")
    return result


def check(engine: Any, case: Case, *, tensors: bool) -> None:
    """The operation returns what the oracle says, in the dtype that it should have."""
    args, kwargs = case.args, case.kwargs
    expected = case.oracle(*args, **kwargs)
    if tensors:
        args, kwargs = tree.map(lambda a: engine.array(a) if isinstance(a, np.ndarray) else a, (args, kwargs))
    assert_matches(engine, getattr(engine, case.operation)(*args, **kwargs), expected, case.dtype, case.tolerance)


def assert_matches(engine: Any, result: Any, expected: Any, dtype: str | None = None, tolerance: float = 1e-5) -> None:
    """Same tree, shapes, dtypes and values; the keys of dicts may stand in another order."""

    def compare(wanted: Any, found: Any) -> None:
        wanted = np.asarray(wanted)
        assert engine.is_tensor(found)
        assert engine.shape(found) == wanted.shape
        assert engine.dtype(found) == (dtype or _NARROW.get(wanted.dtype.name, wanted.dtype.name))
        found, wanted = engine.to_numpy(found).astype("float64"), wanted.astype("float64")
        np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)

    assert len(tree.leaves(result)) == len(tree.leaves(expected))
    tree.map(compare, expected, result)


def check_gradient(engine: Any, case: Case) -> None:
    """The gradient of a weighted sum of the result, in a random direction, is that of the oracle in 64 bits."""
    random = np.random.default_rng(3)
    places = [i for i, a in enumerate(case.args) if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
    points = {str(i): case.args[i] for i in places}
    directions = {i: random.normal(size=case.args[i].shape) for i in places}
    shape = np.shape(case.oracle(*case.args, **case.kwargs))
    weights = random.normal(size=shape)

    def moved(step: float) -> float:
        args = [a.astype("float64") + step * directions[i] if i in places else a for i, a in enumerate(case.args)]
        return float(np.sum(case.oracle(*args, **case.kwargs) * weights))

    def objective(values: dict[str, Any]) -> Any:
        args = [values.get(str(i), a) for i, a in enumerate(case.args)]
        result = getattr(engine, case.operation)(*args, **case.kwargs)
        return engine.sum(result * engine.array(weights)), None

    _, gradient = engine.value_and_gradient(objective)({i: engine.array(a) for i, a in points.items()})
    slope = sum(np.sum(engine.to_numpy(gradient[str(i)]).astype("float64") * directions[i]) for i in places)
    np.testing.assert_allclose(slope, (moved(1e-5) - moved(-1e-5)) / 2e-5, rtol=1e-3, atol=1e-3)


def _describe(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype.name}{list(value.shape)}".replace(" ", "")
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(_describe, value))}]"
    return getattr(value, "__name__", None) or str(value)

"""Initializers: functions from a shape to the NumPy array that a weight starts with.

They compute in NumPy, so that a network of twenty layers needs no compilation
to begin and every engine starts from the same numbers. Without a seed, each call
draws one from NumPy's global generator: ``np.random.seed(1)`` makes a script
repeat. With a whole number as seed, each call returns the same numbers.
"""

import copy
import functools
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY
from types import FunctionType
from typing import Annotated, Any, SupportsFloat, SupportsIndex

import numpy as np

from keraunos.core import registry
from keraunos.core.fields import Converted, Declared, Field, HiddenFlag, choice, real
from keraunos.core.registry import Table
from keraunos.utils import spelling
from keraunos.utils.config import floatx
from keraunos.utils.errors import ArgumentError, ShapeError
from keraunos.utils.text import shape_text
from keraunos.utils.tracebacks import entrance

__all__ = [
    "STFT",
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "deserialize",
    "get",
    "serialize",
]

# The standard deviation of a standard normal variable cut off at -2 and 2.
_TRUNCATED_DEVIATION = 0.87962566103423978


class Initializer(Declared):
    """Base of the initializers; a subclass defines ``__call__(self, shape, dtype=None)``.

    ``get_config`` is needed only to save a layer that uses the subclass; where
    the class body declares the arguments it is written already.

    >>> class Sevens(Initializer):
    ...     def __call__(self, shape, dtype=None):
    ...         return np.full(shape, 7, dtype or "float32")
    >>> Sevens()((2,))
    array([7., 7.], dtype=float32)
    """

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        """Array of a shape and dtype (the default float type where ``None``)."""
        raise ArgumentError(f"{type(self).__name__} does not define __call__(self, shape, dtype=None).")

    def later(self, shape: Sequence[int], dtype: str) -> Callable[[], Any] | None:
        """Function that gives the same array as a call now, whenever it is called; ``None`` where only now will do."""
        given = [getattr(self, name, None) for name in ("input_axes", "output_axes", "tiled", "window")]
        seed, value = getattr(self, "seed", None), getattr(self, "value", 0)
        # What is decided by more than the number of axes may have to refuse a shape, and at once.
        if any(given) or hasattr(seed, "next") or np.ndim(value) or not type(self).__module__.startswith("keraunos."):
            return None
        try:
            (copy.copy(self) if seed is not None else self._with_seed(0))([min(size, 2) for size in shape], dtype)
        except Exception:
            return None
        made = self if seed is not None or not hasattr(self, "seed") else self._with_seed(_fresh_seed())
        return functools.partial(made, tuple(shape), dtype)

    def _with_seed(self, seed: int) -> "Initializer":
        made = copy.copy(self)
        if hasattr(self, "seed"):
            made.seed = seed
        return made

    def clone(self) -> "Initializer":
        """Another initializer with the same arguments."""
        return type(self).from_config(self.get_config())


table: Table[Initializer] = Table("initializers", "initializer", Initializer)


def _seed(value: Any) -> Any:
    if isinstance(value, dict):
        value = registry.deserialize(value)
    if value is None or hasattr(value, "next"):
        return value
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return int(value)
    raise ArgumentError("expected None, a whole number or a SeedGenerator.")


def _axes(value: Any) -> Any:
    return None if value is None else [int(axis) for axis in value]


def _positive(value: Any) -> float:
    number: float = real()(value)
    if number <= 0:
        raise ArgumentError("expected a positive number.")
    return number


def _distribution(value: Any) -> Any:
    if isinstance(value, str) and value.lower() == "normal":
        return "truncated_normal"
    return choice("truncated_normal", "untruncated_normal", "uniform")(value)


def _constant(value: Any) -> Any:
    if isinstance(value, dict) and value.get("class_name") == "__numpy__":
        return np.asarray(value["config"]["value"], str(value["config"]["dtype"]))
    if isinstance(value, np.generic):
        value = value.item()
    if np.asarray(value).dtype.kind in "OSU":
        raise ArgumentError("expected a number or an array of numbers.")
    return value if isinstance(value, (bool, int, float, list, tuple)) else np.asarray(value)


def _constant_config(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"class_name": "__numpy__", "config": {"value": value.tolist(), "dtype": value.dtype.name}}
    return value


def _window(window: Any, length: int = 1, periodic: bool = False) -> np.ndarray:
    if not isinstance(window, str):
        return np.asarray(window)
    from scipy.signal import get_window

    try:
        return np.asarray(get_window(window, length, periodic))
    except ValueError:
        raise ArgumentError("expected None, an array, or a window that scipy.signal.get_window knows.") from None


def _checked_window(window: Any) -> Any:
    if window is not None:
        _window(window)
    return window


_Seed = Annotated[Any, Field(_seed, registry.serialize)]
_Axes = Annotated[Converted[list[int] | None, Sequence[SupportsIndex] | None], Field(_axes)]
_Real = Annotated[Converted[float, SupportsFloat], Field(real())]
_Deviation = Annotated[Converted[float, SupportsFloat], Field(real(0))]


# --- constant -------------------------------------------------------------------------


@table.register("zero")
class Zeros(Initializer):
    """Every element is 0.

    >>> Zeros()((2, 2))
    array([[0., 0.],
           [0., 0.]], dtype=float32)
    """

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        return np.zeros(shape, _numpy_dtype(dtype))


@table.register("one")
class Ones(Initializer):
    """Every element is 1.

    >>> Ones()((2,), "int32")
    array([1, 1], dtype=int32)
    """

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        return np.ones(shape, _numpy_dtype(dtype))


@table.register()
class Constant(Initializer):
    """Every element is ``value``.

    Args:
        value: A number, or an array that broadcasts to the weight's shape.

    Raises:
        ShapeError: The array does not broadcast to the shape.

    >>> Constant(3)((2,))
    array([3., 3.], dtype=float32)
    """

    value: Annotated[Any, Field(_constant, _constant_config)] = 0.0

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        value = np.asarray(self.value).astype(_numpy_dtype(dtype))
        try:
            return np.broadcast_to(value, tuple(shape)).copy()
        except ValueError:
            raise ShapeError(
                f"Constant: a value of shape {shape_text(value.shape)} does not fit a weight of shape "
                f"{shape_text(shape)}. Give a number, or an array of the weight's shape."
            ) from None


@table.register("IdentityInitializer")
class Identity(Initializer):
    """``gain`` on the diagonal of a matrix, 0 elsewhere.

    Args:
        gain: Value of the diagonal.
        tiled: Whether a matrix that is not square is made of square ones side by side.

    Raises:
        ShapeError: The shape is not that of a matrix, or not one of several squares where it is tiled.

    >>> Identity()((2, 2))
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    """

    gain: _Real = 1.0
    _: KW_ONLY
    tiled: HiddenFlag = False

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        if len(shape) != 2:
            raise ShapeError(f"Identity makes matrices, but the weight has shape {shape_text(shape)}.")
        square = min(shape)
        if self.tiled and max(shape) % square:
            raise ShapeError(
                f"Identity: a weight of shape {shape_text(shape)} is not made of squares, as tiled=True has it. "
                "Let the longer side be a multiple of the shorter one."
            )
        matrix = (
            np.tile(np.eye(square), (shape[0] // square, shape[1] // square))
            if self.tiled
            else np.eye(shape[0], shape[1])
        )
        return (self.gain * matrix).astype(_numpy_dtype(dtype))

    def get_config(self) -> dict[str, Any]:
        # Keras 3 writes no gain; leaving out the default keeps the two forms equal.
        return {name: value for name, value in super().get_config().items() if (name, value) != ("gain", 1)}


@table.register("STFTInitializer")
class STFT(Initializer):
    """Kernel of a short-time Fourier transform: ``cos`` or ``sin`` of ``-2 pi t f / n``, windowed.

    The shape is ``(frame length, 1, n // 2 + 1)`` with ``n`` the FFT length.

    Args:
        side: ``"real"`` (cosine) or ``"imag"`` (sine).
        window: Name of a SciPy window, an array of the frame length, or ``None``.
        scaling: ``"density"`` divides by the window's 2-norm, ``"spectrum"`` by its 1-norm, ``None`` not at all.
        periodic: Whether a named window is periodic rather than symmetric.

    Raises:
        ShapeError: The weight has not three axes, or the window another length than the frame.

    >>> STFT(window=None)((2, 1, 2))[:, 0].tolist()
    [[1.0, 1.0], [1.0, -1.0]]
    """

    side: Annotated[str, Field(choice("real", "imag"))] = "real"
    window: Annotated[Any, Field(_checked_window)] = "hann"
    scaling: Annotated[str | None, Field(choice("density", "spectrum", None))] = "density"
    periodic: bool = False

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        if len(shape) != 3:
            raise ShapeError(f"STFT makes kernels of 3 axes, but the weight has shape {shape_text(shape)}.")
        frame, _, bands = shape
        angle = -2 * np.pi * np.arange(frame)[:, None] * np.arange(bands) / max((bands - 1) * 2, 1)
        kernel = np.cos(angle) if self.side == "real" else np.sin(angle)
        if self.window is not None:
            window = _window(self.window, frame, self.periodic)
            if window.shape != (frame,):
                raise ShapeError(f"STFT: the window has shape {shape_text(window.shape)}, the frame length is {frame}.")
            norms = {"density": np.sqrt(np.sum(window**2)), "spectrum": np.sum(np.abs(window)), None: 1}
            kernel = kernel * window[:, None] / norms[self.scaling]
        return np.broadcast_to(kernel[:, None, :], tuple(shape)).astype(_numpy_dtype(dtype))


# --- random ---------------------------------------------------------------------------


@table.register("normal")
class RandomNormal(Initializer):
    """Normal numbers.

    Args:
        mean: Their mean.
        stddev: Their standard deviation.
        seed: ``None``, a whole number, or a SeedGenerator.

    >>> RandomNormal(seed=1)((2, 3)).shape
    (2, 3)
    """

    mean: _Real = 0.0
    stddev: _Deviation = 0.05
    seed: _Seed = None

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        return _scaled(_generator(self.seed).standard_normal(shape), self.stddev, self.mean, dtype)


@table.register("uniform")
class RandomUniform(Initializer):
    """Uniform numbers in ``[minval, maxval)``.

    Args:
        minval: Lower bound, included.
        maxval: Upper bound, not included.
        seed: ``None``, a whole number, or a SeedGenerator.

    >>> values = RandomUniform(0, 1, seed=1)((100,))
    >>> bool(values.min() >= 0 and values.max() < 1)
    True
    """

    minval: _Real = -0.05
    maxval: _Real = 0.05
    seed: _Seed = None

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        return _scaled(_generator(self.seed).random(shape), self.maxval - self.minval, self.minval, dtype)


@table.register()
class TruncatedNormal(Initializer):
    """Normal numbers, drawn again where they are more than two standard deviations from the mean.

    Args:
        mean: Mean before and after truncation.
        stddev: Standard deviation before truncation.
        seed: ``None``, a whole number, or a SeedGenerator.

    >>> bool(abs(TruncatedNormal(stddev=1, seed=1)((1000,))).max() <= 2)
    True
    """

    mean: _Real = 0.0
    stddev: _Deviation = 0.05
    seed: _Seed = None

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        return _scaled(_truncated_normal(_generator(self.seed), shape), self.stddev, self.mean, dtype)


class _FanScaled(Initializer):
    scale, mode, distribution = 1.0, "fan_in", "truncated_normal"
    seed, input_axes, output_axes = None, None, None

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        told = self.input_axes is not None and self.output_axes is not None
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        if spelling.chosen() and not told:
            fan_in, fan_out = spelling.provider().fans(shape)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        deviation = math.sqrt(self.scale / max(1.0, fan))
        generator = _generator(self.seed)
        if self.distribution == "uniform":
            limit = math.sqrt(3) * deviation
            return _scaled(generator.random(shape), 2 * limit, -limit, dtype)
        if self.distribution == "untruncated_normal":
            return _scaled(generator.standard_normal(shape), deviation, 0, dtype)
        return _scaled(_truncated_normal(generator, shape), deviation / _TRUNCATED_DEVIATION, 0, dtype)


@table.register()
class VarianceScaling(_FanScaled):
    """Numbers of mean 0 and variance ``scale / n``, ``n`` being a fan of the weight.

    Args:
        scale: Positive factor of the variance.
        mode: ``n`` is the number of inputs (``"fan_in"``), of outputs (``"fan_out"``) or their mean (``"fan_avg"``).
        distribution: ``"truncated_normal"`` (also called ``"normal"``), ``"untruncated_normal"`` or ``"uniform"``.
        seed: ``None``, a whole number, or a SeedGenerator.
        input_axes: Axes whose sizes multiply to the number of inputs; by default as for kernels.
        output_axes: Axes whose sizes multiply to the number of outputs.

    Reference: He, Zhang, Ren, Sun 2015, "Delving Deep into Rectifiers".

    >>> bool(abs(VarianceScaling(3, "fan_in", "uniform", seed=1)((9, 4))).max() <= 1)
    True
    """

    scale: Annotated[Converted[float, SupportsFloat], Field(_positive)] = 1.0
    mode: Annotated[str, Field(choice("fan_in", "fan_out", "fan_avg"))] = "fan_in"
    distribution: Annotated[str, Field(_distribution)] = "truncated_normal"
    seed: _Seed = None
    input_axes: _Axes = None
    output_axes: _Axes = None


class _NamedScaling(_FanScaled):
    seed: _Seed = None
    input_axes: _Axes = None
    output_axes: _Axes = None


@table.register()
class GlorotUniform(_NamedScaling):
    """Uniform numbers of variance ``2 / (fan_in + fan_out)``: within ``±sqrt(6 / (fan_in + fan_out))``.

    Args:
        seed: ``None``, a whole number, or a SeedGenerator.
        input_axes: Axes whose sizes multiply to ``fan_in``; by default as for kernels.
        output_axes: Axes whose sizes multiply to ``fan_out``.

    Reference: Glorot, Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks".

    >>> bool(abs(GlorotUniform(seed=1)((3, 3))).max() <= 1)
    True
    """

    mode, distribution = "fan_avg", "uniform"


@table.register()
class GlorotNormal(_NamedScaling):
    """Truncated normal numbers of variance ``2 / (fan_in + fan_out)``; see :class:`GlorotUniform`.

    >>> GlorotNormal(seed=1)((3, 3)).shape
    (3, 3)
    """

    mode = "fan_avg"


@table.register()
class HeNormal(_NamedScaling):
    """Truncated normal numbers of variance ``2 / fan_in``.

    Arguments as :class:`GlorotUniform`. Reference: He, Zhang, Ren, Sun 2015,
    "Delving Deep into Rectifiers".

    >>> HeNormal(seed=1)((3, 3)).shape
    (3, 3)
    """

    scale = 2.0


@table.register()
class HeUniform(_NamedScaling):
    """Uniform numbers of variance ``2 / fan_in``: within ``±sqrt(6 / fan_in)``; see :class:`HeNormal`.

    >>> bool(abs(HeUniform(seed=1)((6, 3))).max() <= 1)
    True
    """

    scale, distribution = 2.0, "uniform"


@table.register()
class LecunNormal(_NamedScaling):
    """Truncated normal numbers of variance ``1 / fan_in``.

    Arguments as :class:`GlorotUniform`. Reference: LeCun, Bottou, Orr, Müller 1998,
    "Efficient BackProp"; Klambauer et al. 2017, "Self-Normalizing Neural Networks".

    >>> LecunNormal(seed=1)((3, 3)).shape
    (3, 3)
    """


@table.register()
class LecunUniform(_NamedScaling):
    """Uniform numbers of variance ``1 / fan_in``: within ``±sqrt(3 / fan_in)``; see :class:`LecunNormal`.

    >>> bool(abs(LecunUniform(seed=1)((3, 3))).max() <= 1)
    True
    """

    distribution = "uniform"


@table.register("OrthogonalInitializer")
class Orthogonal(Initializer):
    """``gain`` times a matrix with orthonormal columns, or rows where it has fewer rows than columns.

    A weight of more axes is treated as a matrix of its last axis against all others.

    Args:
        gain: Factor.
        seed: ``None``, a whole number, or a SeedGenerator.

    Raises:
        ShapeError: The weight has fewer than two axes.

    Reference: Saxe, McClelland, Ganguli 2014, "Exact solutions to the nonlinear dynamics of
    learning in deep linear neural networks".

    >>> matrix = Orthogonal(seed=1)((3, 2))
    >>> np.abs(matrix.T @ matrix).round(5).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """

    gain: _Real = 1.0
    seed: _Seed = None

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        if len(shape) < 2:
            raise ShapeError(f"Orthogonal needs two axes or more, but the weight has shape {shape_text(shape)}.")
        against = spelling.provider().first_axis(len(shape)) if spelling.chosen() else None
        axis = len(shape) - 1 if against is None else against
        others = [size for number, size in enumerate(shape) if number != axis]
        rows, columns = math.prod(others), shape[axis]
        numbers = _generator(self.seed).standard_normal((max(rows, columns), min(rows, columns)))
        q, r = np.linalg.qr(numbers)
        # The signs make the distribution uniform over all orthogonal matrices (Mezzadri 2007).
        q = q * np.where(np.diag(r) < 0, -1, 1)
        q = q.T if rows < columns else q
        return np.moveaxis((self.gain * q).reshape(*others, columns), -1, axis).astype(_numpy_dtype(dtype))


# --- by name --------------------------------------------------------------------------


@entrance
def get(identifier: Any) -> Any:
    """Initializer that a name, a config, a class, an array of values, or a function of a shape means.

    >>> get("he_normal").get_config()["seed"] is None
    True
    """
    if hasattr(identifier, "shape") and not callable(identifier):
        return Constant(identifier)
    found = table.get(identifier)
    return _given_a_type(found) if isinstance(found, FunctionType) else found


def serialize(initializer: Any) -> Any:
    """Config of an initializer, as Keras 3 writes it."""
    return table.serialize(initializer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Initializer that a config, or a name, describes."""
    return table.deserialize(config, custom_objects)


def _given_a_type(function: FunctionType) -> Callable[..., Any]:
    """A function ``(shape, dtype)`` of one of the shape alone, or of shape and name, as scripts before Keras 2 wrote."""
    parameters = inspect.signature(function).parameters
    if "dtype" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return function
    extra: dict[str, Any] = {"name": None} if "name" in parameters else {}

    @functools.wraps(function)
    def call(shape: Sequence[int], dtype: str | None = None) -> Any:
        return function(shape, **extra)

    del call.__wrapped__
    return call


# --- helpers --------------------------------------------------------------------------


def compute_fans(
    shape: Sequence[int], input_axes: Sequence[int] | None = None, output_axes: Sequence[int] | None = None
) -> tuple[int, int]:
    """How many inputs and outputs a weight joins; a kernel is ``(*window, inputs, outputs)``.

    >>> compute_fans((3, 3, 8, 16)), compute_fans((5,)), compute_fans((2, 3, 4), [0], [1, 2])
    ((72, 144), (5, 5), (2, 12))
    """
    shape = tuple(int(size) for size in shape)
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[axis] for axis in input_axes), math.prod(shape[axis] for axis in output_axes)
    if len(shape) < 2:
        return math.prod(shape), math.prod(shape)
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


def _generator(seed: Any) -> np.random.Generator:
    if seed is None:
        seed = _fresh_seed()
    elif hasattr(seed, "next"):
        seed = [int(number) for number in np.asarray(seed.next()).ravel()]
    elif seed < 0:
        seed %= 2**64
    return np.random.Generator(np.random.Philox(seed))


def _fresh_seed() -> int:
    return int(np.random.randint(2**32, dtype=np.uint32))


def _truncated_normal(generator: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    numbers = generator.standard_normal(math.prod(shape))
    (outside,) = np.nonzero(np.abs(numbers) > 2)
    while outside.size:
        numbers[outside] = generator.standard_normal(outside.size)
        outside = outside[np.abs(numbers[outside]) > 2]
    return numbers.reshape(shape)


def _scaled(numbers: np.ndarray, factor: float, offset: float, dtype: str | None) -> np.ndarray:
    numbers = np.asarray(numbers)
    numbers *= factor  # in place: a network may have a hundred million of them
    numbers += offset
    return numbers.astype(_numpy_dtype(dtype))


def _numpy_dtype(dtype: str | None) -> np.dtype:
    try:
        return np.dtype(dtype or floatx())
    except TypeError:
        import ml_dtypes  # bfloat16 and the 8-bit floats

        return np.dtype(getattr(ml_dtypes, str(dtype or floatx())))


spelling.offer_older(__name__)

"""Small helpers of ``keras.utils`` in Keras 1 and 2 that today's Keras has no more."""

import base64
import binascii
import inspect
import marshal
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from keraunos import config, layers, models
from keraunos.core.registry import get_custom_objects, get_registered_object
from keraunos.eras.summary import PRINTERS
from keraunos.utils import spelling
from keraunos.utils.errors import ArgumentError, ShapeError, UnknownNameError
from keraunos.utils.spelling import spelled

_PADDINGS = ("valid", "same", "full", "causal")


# --- lists and functions ------------------------------------------------------------------


def has_arg(fn: Callable[..., Any], name: str, accept_all: bool = False) -> bool:
    """Whether a function takes an argument by name.

    Args:
        fn: The function.
        name: The argument.
        accept_all: Whether ``**kwargs`` counts.

    >>> has_arg(lambda x, *, y=1: x, "y")
    True
    """
    parameters = inspect.signature(fn).parameters
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    if name in parameters:
        return parameters[name].kind in kinds
    return accept_all and any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def to_list(x: Any, allow_tuple: bool = False) -> list[Any]:
    """A list as it is, a tuple as a list if ``allow_tuple``, anything else as the one item of a list.

    >>> to_list(1), to_list((1, 2), allow_tuple=True)
    ([1], [1, 2])
    """
    if isinstance(x, list):
        return x
    return list(x) if allow_tuple and isinstance(x, tuple) else [x]


def unpack_singleton(x: Any) -> Any:
    """The item of a list of one; any other list as it is."""
    return x[0] if len(x) == 1 else x


def make_tuple(*args: Any) -> tuple[Any, ...]:
    """The arguments."""
    return args


def is_all_none(iterable_or_element: Any) -> bool:
    """Whether all items are ``None``."""
    return all(item is None for item in to_list(iterable_or_element, allow_tuple=True))


def object_list_uid(object_list: Any) -> str:
    """Numbers of objects, in one text."""
    return ", ".join(str(abs(id(item))) for item in to_list(object_list))


def slice_arrays(arrays: Any, start: Any = None, stop: int | None = None) -> Any:
    """The rows ``start`` to ``stop``, or those numbered in ``start``, of one array or of each in a list.

    >>> slice_arrays([np.arange(4), None], 1, 3)
    [array([1, 2]), None]
    """
    if arrays is None or (not isinstance(arrays, list) and not hasattr(arrays, "__getitem__")):
        return [None]
    chosen = np.asarray(start).tolist() if hasattr(start, "__len__") else slice(start, stop)
    if isinstance(arrays, list):
        return [None if array is None else array[chosen] for array in arrays]
    return arrays[chosen]


slice_X = slice_arrays


def transpose_shape(shape: Any, target_format: str, spatial_axes: Sequence[int]) -> Any:
    """A shape with channels last, in a layout.

    >>> transpose_shape((16, 128, 64, 3), "channels_first", (1, 2))
    (16, 3, 128, 64)
    """
    if target_format not in ("channels_first", "channels_last"):
        raise ArgumentError(
            f'The `data_format` argument must be one of "channels_first", "channels_last". Received: {target_format}'
        )
    if target_format == "channels_last":
        return shape
    return type(shape)([*shape[: spatial_axes[0]], shape[-1], *(shape[axis] for axis in spatial_axes)])


def get_from_module(
    identifier: Any,
    module_params: Mapping[str, Any],
    module_name: str,
    instantiate: bool = False,
    kwargs: Mapping[str, Any] | None = None,
) -> Any:
    """What a name stands for in a dictionary, custom objects before it; anything but a name or config as it is.

    Args:
        identifier: A name, a config ``{"name": …, …}`` or the thing itself.
        module_params: Names, and what they stand for.
        module_name: What these are, for the error.
        instantiate: Whether it is called.
        kwargs: Arguments of the call.

    Raises:
        UnknownNameError: There is no such name.
    """
    if isinstance(identifier, dict):
        rest = dict(identifier)
        identifier, kwargs, instantiate = rest.pop("name"), rest, True
    if not isinstance(identifier, str):
        return identifier
    found = get_registered_object(identifier) or module_params.get(identifier)
    if found is None:
        raise UnknownNameError(f"Invalid {module_name}: {identifier}")
    return found(**(kwargs or {})) if instantiate else found


class CustomObjectScope:
    """Classes and functions that are known by name inside a ``with`` block, and listed by ``get_custom_objects``.

    Args:
        objects: Dictionaries of them.

    >>> with CustomObjectScope({"Mine": dict}):
    ...     "Mine" in get_custom_objects()
    True
    """

    def __init__(self, *objects: Mapping[str, Any]) -> None:
        self.custom_objects = objects
        self.backup: dict[str, Any] | None = None

    def __enter__(self) -> "CustomObjectScope":
        self.backup = dict(get_custom_objects())
        for objects in self.custom_objects:
            get_custom_objects().update(objects)
        return self

    def __exit__(self, *_: Any) -> None:
        get_custom_objects().clear()
        get_custom_objects().update(self.backup or {})


def custom_object_scope(*objects: Mapping[str, Any]) -> CustomObjectScope:
    """``CustomObjectScope`` of some dictionaries."""
    return CustomObjectScope(*objects)


def func_dump(func: Callable[..., Any]) -> tuple[str, Any, tuple[Any, ...] | None]:
    """A function as text: its compiled code, its defaults, the values it refers to."""
    code = base64.encodebytes(marshal.dumps(func.__code__)).decode("ascii")
    cells = func.__closure__  # type: ignore[attr-defined]
    return code, func.__defaults__, tuple(cell.cell_contents for cell in cells) if cells else None  # type: ignore[attr-defined]


def func_load(code: Any, defaults: Any = None, closure: Any = None, globs: Mapping[str, Any] | None = None) -> Any:
    """The function that ``func_dump`` wrote. Calling it runs its code: load none that you do not trust.

    Args:
        code: The text, or all that ``func_dump`` returned.
        defaults, closure: The rest of it.
        globs: Names that the code refers to.
    """
    if isinstance(code, (tuple, list)):
        code, defaults, closure = code
    try:
        compiled = marshal.loads(base64.decodebytes(code.encode("ascii")))
    except (UnicodeEncodeError, binascii.Error, ValueError, EOFError, TypeError):
        compiled = marshal.loads(code.encode("raw_unicode_escape"))  # as releases before 2.1.2 wrote it
    cells = None if closure is None else tuple(map(_cell, closure))
    names = dict(globals() if globs is None else globs)
    defaults = tuple(defaults) if isinstance(defaults, list) else defaults
    return types.FunctionType(compiled, names, compiled.co_name, defaults, cells)


def _cell(value: Any) -> types.CellType:
    return value if isinstance(value, types.CellType) else types.CellType(value)


# --- scores of predictions ----------------------------------------------------------------


def binary_logloss(p: Any, y: Any) -> float:
    """Mean of −log of the probability given to what is true: ``p`` for 1, ``1 − p`` for 0.

    >>> float(binary_logloss([0.5, 0.5], [0, 1]))
    0.6931471805599453
    """
    p, y = np.clip(p, 1e-15, 1 - 1e-15), np.asarray(y)
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p), axis=0)


def multiclass_logloss(p: Any, y: Any) -> float:
    """Mean of −log of the probability given to the true class; classes are counted from 1."""
    p = np.asarray(p)
    return -np.mean(np.log(p[np.arange(len(p)), np.asarray(y) - 1]))


def accuracy(p: Any, y: Any) -> float:
    """Part of the items of two lists that are equal."""
    return np.mean([one == other for one, other in zip(p, y, strict=False)])


def probas_to_classes(y_pred: Any) -> np.ndarray:
    """Number of the most probable class of each row; of one column, whether it is above 0.5."""
    y_pred = np.asarray(y_pred)
    if y_pred.ndim > 1 and y_pred.shape[1] > 1:
        return categorical_probas_to_classes(y_pred)
    return (y_pred.reshape(len(y_pred)) > 0.5).astype(int)


def categorical_probas_to_classes(p: Any) -> np.ndarray:
    """Number of the most probable class of each row."""
    return np.argmax(p, axis=1)


# --- shapes and kernels -------------------------------------------------------------------


def normalize_tuple(value: Any, n: int, name: str) -> tuple[int, ...]:
    """``n`` whole numbers, from one or from ``n`` of them.

    >>> normalize_tuple(5, 2, "kernel_size")
    (5, 5)
    """
    values = (value,) * n if isinstance(value, int) else tuple(value) if np.iterable(value) else ()
    if len(values) != n or not all(isinstance(item, (int, np.integer)) for item in values):
        raise ArgumentError(f"The `{name}` argument must be a tuple of {n} integers. Received: {value}")
    return values


def normalize_padding(value: str) -> str:
    """A padding in small letters."""
    if value.lower() not in ("valid", "same", "causal"):
        raise ArgumentError(
            f'The `padding` argument must be one of "valid", "same" (or "causal" for Conv1D). Received: {value}'
        )
    return value.lower()


@spelled
def convert_kernel(kernel: Any, data_format: str | None = None) -> np.ndarray:
    """A kernel turned by half a turn, which makes a true convolution of a correlation and the other way round.

    Args:
        kernel: Kernel with three to five axes: the spatial ones, then inputs and filters.
        data_format: ``"channels_first"`` for a kernel with filters and inputs before the spatial axes.
    """
    kernel = np.asarray(kernel)
    if not 3 <= kernel.ndim <= 5:
        raise ShapeError(f"Invalid kernel shape: {kernel.shape}; expected three to five axes.")
    first = (data_format or config.image_data_format()) == "channels_first" and spelling.era() == 1
    axes = range(2, kernel.ndim) if first else range(kernel.ndim - 2)
    return np.flip(kernel, tuple(axes)).copy()


@spelled
def conv_output_length(
    input_length: int | None, filter_size: int, padding: str, stride: int, dilation: int = 1
) -> int | None:
    """Length of the output of a convolution.

    >>> conv_output_length(32, 5, "valid", 2)
    14
    """
    if input_length is None:
        return None
    assert padding in _PADDINGS, f"padding is {padding!r}; expected one of {', '.join(_PADDINGS)}"
    reach = (filter_size - 1) * dilation
    length = input_length + {"valid": -reach, "full": reach}.get(padding, 0)
    return (length + stride - 1) // stride


@spelled
def conv_input_length(output_length: int | None, filter_size: int, padding: str, stride: int) -> int | None:
    """Length of the input that a convolution makes an output of that length of."""
    if output_length is None:
        return None
    assert padding in _PADDINGS[:3], f"padding is {padding!r}; expected one of {', '.join(_PADDINGS[:3])}"
    pad = {"same": filter_size // 2, "valid": 0, "full": filter_size - 1}[padding]
    return (output_length - 1) * stride - 2 * pad + filter_size


def deconv_length(
    dim_size: int | None,
    stride_size: int,
    kernel_size: int,
    padding: str,
    output_padding: int | None = None,
    dilation: int = 1,
) -> int | None:
    """Length of the output of a transposed convolution.

    >>> deconv_length(32, 2, 5, "valid")
    67
    """
    assert padding in _PADDINGS[:3], f"padding is {padding!r}; expected one of {', '.join(_PADDINGS[:3])}"
    if dim_size is None:
        return None
    size = (kernel_size - 1) * dilation + 1
    if output_padding is None:
        extra = {"same": 0, "valid": max(size - stride_size, 0), "full": -(stride_size + size - 2)}[padding]
        return dim_size * stride_size + extra
    pad = {"same": size // 2, "valid": 0, "full": size - 1}[padding]
    return (dim_size - 1) * stride_size + size - 2 * pad + output_padding


# --- layers and models --------------------------------------------------------------------


def layer_from_config(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The layer or model that a config describes."""
    return layers.deserialize(dict(config), custom_objects)


def count_params(weights: Any) -> int:
    """How many numbers some Variables hold; each counts once."""
    return int(sum(np.prod(tuple(weight.shape)) for weight in {id(weight): weight for weight in weights}.values()))


def count_total_params(layers: Sequence[Any], layer_set: Any = None) -> tuple[int, int]:
    """How many numbers the layers learn, and how many they do not; those in ``layer_set`` do not count."""
    mine = [layer for layer in layers if layer_set is None or layer not in layer_set]
    learned = [weight for layer in mine for weight in layer.trainable_weights]
    others = [weight for layer in mine for weight in layer.non_trainable_weights]
    return count_params(learned), count_params(others)


def print_summary(
    model: Any, line_length: int | None = None, positions: Any = None, print_fn: Callable[..., Any] | None = None
) -> None:
    """Print the table of a model's layers: ``model.summary()``."""
    PRINTERS[min(spelling.era(), 2)](model, line_length=line_length, positions=positions, print_fn=print_fn)


def convert_all_kernels_in_model(model: Any) -> None:
    """Turn every kernel of a convolution in a model by half a turn: see ``convert_kernel``."""
    for layer in model.layers:
        if isinstance(layer, models.Model):
            convert_all_kernels_in_model(layer)
        elif "Conv" in type(layer).__name__ and hasattr(layer, "kernel"):
            layer.kernel.assign(convert_kernel(np.asarray(layer.kernel.numpy()), "channels_last"))


def convert_dense_weights_data_format(
    dense: Any, previous_feature_map_shape: Sequence[int], target_data_format: str = "channels_first"
) -> None:
    """Reorder the rows of a dense layer's kernel, which follows a flattened image, for the other layout.

    Args:
        dense: The layer.
        previous_feature_map_shape: Shape of the image before it was flattened, in the layout that the weights shall be
            for, though they are not yet: so Keras 2.2.4 reads it.
        target_data_format: The layout that they shall be for.
    """
    if target_data_format not in ("channels_first", "channels_last"):
        raise ArgumentError(
            f"target_data_format is {target_data_format!r}; expected 'channels_first' or 'channels_last'."
        )
    kernel, *rest = dense.get_weights()
    ends = (0, 2) if target_data_format == "channels_last" else (2, 0)
    images = kernel.reshape(*np.moveaxis(np.empty(previous_feature_map_shape), *ends[::-1]).shape, -1)
    dense.set_weights([np.moveaxis(images, *ends).reshape(kernel.shape), *rest])

"""What surrounds networks for ImageNet: how images are prepared, which shapes are taken, what the classes are called."""

import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from keraunos import ops
from keraunos.utils import config, get_file
from keraunos.utils.errors import ArgumentError, DataError, warn
from keraunos.utils.modules import offer
from keraunos.utils.spelling import spelled

__all__ = ["decode_predictions", "obtain_input_shape", "preprocess_input", "preprocessing"]
offer(__name__)


class _Manner(NamedTuple):
    """Pixels from 0 to 255 become ``(pixel / divisor - mean) / deviation``."""

    divisor: float
    mean: Sequence[float]
    deviation: Sequence[float] | None = None
    blue_first: bool = False


# Means and deviations of the channels of ImageNet. Caffe's networks were trained on images with blue first.
_MANNERS = {
    "caffe": _Manner(1.0, (103.939, 116.779, 123.68), blue_first=True),
    "tf": _Manner(127.5, (1.0,)),
    "torch": _Manner(255.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half_range": _Manner(128.0, (1.0,)),
}
_CLASS_NAMES = {
    2: "https://s3.amazonaws.com/deep-learning-models/image-models/imagenet_class_index.json",
    3: "https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json",
}
_CLASS_NAMES_HASH = "c2c37ea517e94d9795004a39431a14cb"


@spelled
def preprocess_input(x: Any, data_format: str | None = None, mode: str = "caffe") -> Any:
    """Images as a network for ImageNet was trained on them.

    Args:
        x: Images, or one, with red, green and blue from 0 to 255. An array of floats is written over.
        data_format: Where the channels are: ``"channels_last"`` or ``"channels_first"``; as configured by default.
        mode: ``"caffe"`` subtracts the mean of each channel and puts blue first, ``"tf"`` maps to -1 to 1,
            ``"torch"`` maps to 0 to 1 and standardizes each channel.

    Raises:
        ArgumentError: An unknown mode or data format.

    >>> preprocess_input(np.array([[[0.0, 127.5, 255.0]]]), mode="tf").tolist()
    [[[-1.0, 0.0, 1.0]]]
    """
    if mode not in _MANNERS:
        raise ArgumentError(f"preprocess_input: mode is {mode!r}; expected 'caffe', 'tf' or 'torch'.")
    manner, axis = _MANNERS[mode], _channel_axis(data_format)
    if not isinstance(x, np.ndarray):
        dtype = "float32"
        x = ops.flip(x, axis) if manner.blue_first else x
    else:
        x = x if np.issubdtype(x.dtype, np.floating) else x.astype(config.floatx())
        dtype = x.dtype
        x = np.flip(x, axis) if manner.blue_first else x

    def by_channel(values: Sequence[float]) -> Any:
        return np.array(values, dtype).reshape(-1, *[1] * (-1 - axis))

    # On an array of NumPy each of these writes into it.
    if manner.divisor != 1.0:
        x /= manner.divisor
    x -= by_channel(manner.mean)
    if manner.deviation is not None:
        x /= by_channel(manner.deviation)
    return x


def preprocessing(module: str, mode: str) -> Callable[..., Any]:
    """The ``preprocess_input`` of a module of networks.

    Args:
        module: Full name of the module.
        mode: Its mode.
    """

    def prepare(x: Any, data_format: str | None = None, *, mode: str = mode) -> Any:
        return preprocess_input(x, data_format, mode)

    prepare.__doc__ = (
        f"Images as the networks of this module want them: mode {mode!r} of "
        "``keraunos.applications.imagenet_utils.preprocess_input``."
    )
    prepare.__module__, prepare.__name__, prepare.__qualname__ = module, "preprocess_input", "preprocess_input"
    return spelled(prepare)


@spelled
def decode_predictions(preds: Any, top: int = 5, *, version: int = 3) -> list[list[tuple[str, str, float]]]:
    """The likeliest classes of ImageNet for each row: ``(WordNet's number, name, score)``, the best first.

    The names come from a file that is fetched when they are first asked for.

    Args:
        preds: Scores of shape (rows, 1000).
        top: How many classes.
        version: Whose address of the file holds: 2 (of 2018) or 3 (today's).

    Raises:
        DataError: The scores have another shape.
        DownloadError: The names are not in a cache and cannot be fetched.

    >>> decode_predictions(np.zeros((2, 10)))
    Traceback (most recent call last):
        ...
    keraunos.utils.errors.DataError: decode_predictions: the scores have shape (2, 10); expected (rows, 1000), ...
    """
    scores = np.asarray(ops.convert_to_numpy(preds))
    if scores.ndim != 2 or scores.shape[1] != 1000:
        raise DataError(
            f"decode_predictions: the scores have shape {scores.shape}; expected (rows, 1000), one for each class of "
            "ImageNet."
        )
    path = get_file(
        "imagenet_class_index.json", _CLASS_NAMES[max(2, version)], cache_subdir="models", file_hash=_CLASS_NAMES_HASH
    )
    names = _class_names(path)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    return [[(*names[place], row[place]) for place in places] for row, places in zip(scores, best, strict=True)]


@functools.cache
def _class_names(path: str) -> list[tuple[str, str]]:
    read = json.loads(Path(path).read_text(encoding="utf-8"))
    return [(read[str(number)][0], read[str(number)][1]) for number in range(1000)]


@spelled
def obtain_input_shape(
    input_shape: Sequence[int | None] | None,
    default_size: int,
    min_size: int,
    data_format: str | None,
    require_flatten: bool,
    weights: str | None = None,
) -> tuple[int | None, ...]:
    """The shape of a network's images: the one asked for, if it will do, or the default.

    Args:
        input_shape: What was asked for, without the batch; may be ``None``.
        default_size, min_size: Rows and columns that the network has by default, and needs.
        data_format: Where the channels are; as configured if ``None``.
        require_flatten: Whether the sizes must be known, for a dense layer follows.
        weights: ``"imagenet"`` if its weights will be loaded, which want three channels.

    Raises:
        ArgumentError: The shape will not do.

    >>> obtain_input_shape(None, 224, 32, "channels_last", True)
    (224, 224, 3)
    """
    place = _channel_axis(data_format)

    def shaped(size: int | None, channels: int | None) -> tuple[int | None, ...]:
        return (channels, size, size) if place == -3 else (size, size, channels)

    if input_shape is None:
        return shaped(default_size if require_flatten else None, 3)
    shape = tuple(input_shape)
    if len(shape) != 3:
        raise ArgumentError(f"input_shape is {shape}; expected three sizes, such as {shaped(default_size, 3)}.")
    pretrained = weights == "imagenet"
    if pretrained and require_flatten and shape != shaped(default_size, 3):
        raise ArgumentError(
            f"input_shape is {shape}, but the network's top was trained on {shaped(default_size, 3)}. Give that shape, "
            "or include_top=False, or weights=None."
        )
    if pretrained and shape[place] != 3:
        raise ArgumentError(f"input_shape is {shape}; ImageNet's weights want 3 channels, in {_format(place)}.")
    if shape[place] not in (1, 3):
        warn(f"images have 1 or 3 channels as a rule, not {shape[place]} as in {shape}.")
    sizes = shape[1:] if place == -3 else shape[:-1]
    if any(size is not None and size < min_size for size in sizes):
        raise ArgumentError(f"input_shape is {shape}; the network needs at least {min_size} rows and columns.")
    if require_flatten and None in shape:
        raise ArgumentError(f"input_shape is {shape}; with include_top=True all three sizes must be known.")
    return shape


def _channel_axis(data_format: str | None) -> int:
    """Where the channels are, counted from the end, so that it holds with and without a batch."""
    data_format = data_format or config.image_data_format()
    if data_format not in ("channels_first", "channels_last"):
        raise ArgumentError(f"data_format is {data_format!r}; expected 'channels_first' or 'channels_last'.")
    return -3 if data_format == "channels_first" else -1


def _format(place: int) -> str:
    return "channels_first" if place == -3 else "channels_last"

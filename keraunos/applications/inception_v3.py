"""InceptionV3: branches of convolutions of several sizes, side by side (Szegedy and others, 2015).

>>> InceptionV3(weights=None, include_top=False, input_shape=(75, 75, 3)).output_shape
(None, 1, 1, 2048)
"""

import re
from typing import Any

from keraunos import layers
from keraunos.applications.imagenet_utils import decode_predictions, preprocessing
from keraunos.applications.network import (
    CHOLLET,
    GOOGLE,
    Network,
    Weights,
    batch_norm,
    channel_axis,
    pooled_top,
    published,
    relu,
)
from keraunos.utils.modules import offer

__all__ = ["InceptionV3", "decode_predictions", "preprocess_input"]
offer(__name__)

preprocess_input = preprocessing(__name__, "tf")

# A branch is words: `64:5` is 64 filters of 5 x 5 and `64:1x7` of 1 x 7; `!` means without zeros around, `/2` with
# stride 2 and without zeros; `avg` and `max` pool 3 x 3; words joined by `&` stand side by side on the same inputs.
STEM = "32:3/2 32:3! 64:3 max/2 80:1! 192:3! max/2"
_SMALL = "64:1 | 48:1 64:5 | 64:1 96:3 96:3 | avg {0}:1"
_LONG = "192:1 | {0}:1 {0}:1x7 192:7x1 | {1}:1 {0}:7x1 {0}:1x7 {0}:7x1 192:1x7 | avg 192:1"
_WIDE = "320:1 | 384:1 384:1x3&384:3x1 | 448:1 384:3 384:1x3&384:3x1 | avg 192:1"


def _blocks(version: int) -> list[str]:
    first = version == 1
    return [
        _SMALL.format(32),
        *[_SMALL.format(32 if first else 64)] * 2,
        "384:3/2 | 64:1 96:3 96:3/2 | max/2",
        _LONG.format(128, 128),
        *[_LONG.format(160, 160)] * 2,
        _LONG.format(192, 160 if first else 192),
        f"192:1 320:3/2 | 192:1 192:1x7 192:7x1 192:3/2 | {'avg' if first else 'max'}/2",
        *[_WIDE] * 2,
    ]


def convolution(x: Any, filters: int, kernel: Any, strides: int = 1, padding: str = "same", name: Any = None) -> Any:
    """A convolution, normalized and cut off."""
    x = layers.Conv2D(filters, kernel, strides=strides, padding=padding, use_bias=False, name=name)(x)
    return relu(batch_norm(x, name and f"{name}_bn", scale=False), name and f"{name}_ac")


def _first_convolution(x: Any, filters: int, kernel: Any, strides: int = 1, padding: str = "same") -> Any:
    """As the first version had it: cut off, then normalized."""
    return batch_norm(layers.Conv2D(filters, kernel, strides=strides, padding=padding, activation="relu")(x))


def chain(x: Any, words: str, version: int = 3, fork: str | None = None) -> Any:
    """One branch.

    Args:
        x: Images or features.
        words: What it is made of.
        version: The form of its convolutions.
        fork: Name of the layer that joins what stands side by side.
    """
    for word in words.split():
        if "&" in word:
            x = _joined([chain(x, part, version) for part in word.split("&")], fork)
            continue
        halved = word.endswith("/2")
        if word[:3] in ("avg", "max"):
            pool = layers.AveragePooling2D if word.startswith("avg") else layers.MaxPooling2D
            x = pool(3, strides=2 if halved else 1, padding="valid" if halved else "same")(x)
            continue
        filters, *kernel = map(int, re.findall(r"\d+", word.removesuffix("/2")))
        function = _first_convolution if version == 1 else convolution
        padding = "valid" if halved or word.endswith("!") else "same"
        x = function(x, filters, tuple(kernel) if len(kernel) > 1 else kernel[0], 2 if halved else 1, padding)
    return x


def mixed(x: Any, branches: str, name: str, version: int = 3, fork: str | None = None) -> Any:
    """Branches side by side on the same inputs, joined along the channels.

    Args:
        x: Features.
        branches: Their words, ``|`` between them.
        name: Name of the layer that joins them.
        version: The form of their convolutions.
        fork: Name of the layer that joins what stands side by side in the first branch that parts again.
    """
    made = []
    for words in branches.split("|"):
        made.append(chain(x, words, version, fork))
        fork = None if "&" in words else fork
    return _joined(made, name)


def _joined(branches: list[Any], name: str | None) -> Any:
    return layers.Concatenate(axis=channel_axis(), name=name)(branches)


def _features(x: Any, version: int) -> Any:
    x = chain(x, STEM, version)
    for number, branches in enumerate(_blocks(version)):
        x = mixed(x, branches, f"mixed{number}", version, f"mixed9_{number - 9}")
    return x


def _top(x: Any, version: int, classes: int, activation: Any) -> Any:
    if version > 1:
        return pooled_top()(x, version, classes, activation)
    x = layers.AveragePooling2D(8, strides=8, name="avg_pool")(x)
    return layers.Dense(classes, activation=activation, name="predictions")(layers.Flatten(name="flatten")(x))


_LAST = "inception_v3_weights_tf_dim_ordering_tf_kernels{top}.h5"
_FIRST = "inception_v3_weights_th_dim_ordering_th_kernels{top}.h5"
_HASHES = ("9a0d58056eeedaa3f26cb7ebd46da564", "bcbd6486424b2319ff4ef7d526e38f63")
_WEIGHTS = {
    1: Weights(
        f"{CHOLLET}v0.2/{_LAST}",
        ("fe114b3ff2ea4bf891e9353d1bbfb32f", "2f3609166de1d967d1a481094754f691"),
        channels_first=Weights(
            f"{CHOLLET}v0.2/{_FIRST}", ("b3baf3070cc4bf476d43a2ea61b0ca5f", "79aaa90ab4372b4593ba3df64e142f05")
        ),
    ),
    2: Weights(f"{CHOLLET}v0.5/{_LAST}", _HASHES),
    3: Weights(f"{GOOGLE}inception_v3/{_LAST}", _HASHES),
}
InceptionV3 = published(
    __name__,
    "InceptionV3",
    "InceptionV3: eleven blocks of branches, in which convolutions of 7 x 7 are made of 1 x 7 and 7 x 1.",
    Network(_features, _WEIGHTS, _top, size=299, least=75, open_top=(2,), called="inception_v3"),
)

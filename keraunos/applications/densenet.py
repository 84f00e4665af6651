"""Densely connected networks: every layer sees all before it (Huang, Liu, van der Maaten and Weinberger, 2016).

>>> DenseNet121(weights=None, include_top=False, input_shape=(32, 32, 3)).output_shape
(None, 1, 1, 1024)
"""

import functools
from collections.abc import Sequence
from typing import Any

from keraunos import layers
from keraunos.applications.imagenet_utils import decode_predictions, preprocessing
from keraunos.applications.network import (
    GOOGLE,
    TODAY,
    Network,
    Weights,
    batch_norm,
    channel_axis,
    pooled_top,
    published,
    relu,
)
from keraunos.utils.modules import offer

__all__ = ["DenseNet121", "DenseNet169", "DenseNet201", "decode_predictions", "preprocess_input"]
offer(__name__)

preprocess_input = preprocessing(__name__, "torch")
_GROWTH = 32


def _active(x: Any, name: str, kind: str = "_") -> Any:
    return relu(batch_norm(x, f"{name}{kind}bn", epsilon=1.001e-5), f"{name}{kind}relu")


def _conv(x: Any, filters: int, kernel: int, name: str, **options: Any) -> Any:
    return layers.Conv2D(filters, kernel, use_bias=False, name=name, **options)(x)


def _features(x: Any, version: int, depths: Sequence[int]) -> Any:
    kind = "_" if version == TODAY else "/"
    x = layers.ZeroPadding2D(3)(x)
    x = _active(_conv(x, 64, 7, f"conv1{kind}conv", strides=2), "conv1", kind)
    x = layers.ZeroPadding2D(1)(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool1")(x)
    for stage, depth in enumerate(depths, 2):
        if stage > 2:  # half of the channels, and of the rows and columns
            name = f"pool{stage - 1}"
            x = _conv(_active(x, name), x.shape[channel_axis()] // 2, 1, f"{name}_conv")
            x = layers.AveragePooling2D(2, strides=2, name=f"{name}_pool")(x)
        for block in range(1, depth + 1):
            name = f"conv{stage}_block{block}"
            y = _conv(_active(x, f"{name}_0"), 4 * _GROWTH, 1, f"{name}_1_conv")
            y = _conv(_active(y, f"{name}_1"), _GROWTH, 3, f"{name}_2_conv", padding="same")
            x = layers.Concatenate(axis=channel_axis(), name=f"{name}_concat")([x, y])
    return _active(x, "", "")


def _published(depth: int, depths: Sequence[int], hashes: tuple[str, str]) -> Any:
    file = f"densenet{depth}_weights_tf_dim_ordering_tf_kernels{{top}}.h5"
    weights = {
        2: Weights(f"https://github.com/keras-team/keras-applications/releases/download/densenet/{file}", hashes),
        3: Weights(f"{GOOGLE}densenet/{file}", hashes),
    }
    about = f"DenseNet{depth}: {sum(depths)} blocks of two convolutions, each joined to all before it."
    network = Network(
        functools.partial(_features, depths=depths), weights, pooled_top("predictions", "fc1000"), named_pools=(2, 3)
    )
    return published(__name__, f"DenseNet{depth}", about, network)


DenseNet121 = _published(121, (6, 12, 24, 16), ("9d60b8095a5708f2dcce2bca79d332c7", "30ee3e1110167f948a6b9946edeeb738"))
DenseNet169 = _published(169, (6, 12, 32, 32), ("d699b8f76981ab1b30698df4c175e90b", "b8c4d4c20dd625c148057b9ff1c1176b"))
DenseNet201 = _published(201, (6, 12, 48, 32), ("1ceb130c1ea1b78c3bf6114dbdfd8807", "c13680b51ded0fb44dff2d8f86ac8bb1"))

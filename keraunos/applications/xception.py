"""Xception: separable convolutions with sums around them (Chollet, 2016).

>>> Xception(weights=None, include_top=False, input_shape=(71, 71, 3)).output_shape
(None, 3, 3, 2048)
"""

from typing import Any

from keraunos import layers
from keraunos.applications.imagenet_utils import decode_predictions, preprocessing
from keraunos.applications.network import CHOLLET, GOOGLE, Network, Weights, batch_norm, published, relu
from keraunos.utils.modules import offer

__all__ = ["Xception", "decode_predictions", "preprocess_input"]
offer(__name__)

preprocess_input = preprocessing(__name__, "tf")


def _separable(x: Any, filters: int, name: str) -> Any:
    return batch_norm(layers.SeparableConv2D(filters, 3, padding="same", use_bias=False, name=name)(x), f"{name}_bn")


def _features(x: Any, version: int) -> Any:
    for number, filters in enumerate((32, 64), 1):
        name = f"block1_conv{number}"
        x = layers.Conv2D(filters, 3, strides=3 - number, use_bias=False, name=name)(x)
        x = relu(batch_norm(x, f"{name}_bn"), f"{name}_act")
    middle = dict.fromkeys(range(5, 13), (728, 728, 728))
    for block, widths in {2: (128, 128), 3: (256, 256), 4: (728, 728), **middle, 13: (728, 1024)}.items():
        residual = x
        if block not in middle:
            residual = layers.Conv2D(widths[-1], 1, strides=2, padding="same", use_bias=False)(x)
            residual = batch_norm(residual)
        for number, filters in enumerate(widths, 1):
            name = f"block{block}_sepconv{number}"
            x = x if name == "block2_sepconv1" else relu(x, f"{name}_act")
            x = _separable(x, filters, name)
        if block not in middle:
            x = layers.MaxPooling2D(3, strides=2, padding="same", name=f"block{block}_pool")(x)
        x = layers.Add()([x, residual])
    for number, filters in enumerate((1536, 2048), 1):
        name = f"block14_sepconv{number}"
        x = relu(_separable(x, filters, name), f"{name}_act")
    return x


_FILE = "xception_weights_tf_dim_ordering_tf_kernels{top}.h5"
_HASHES = ("0a58e3b7378bc2990ea3b43d5981f1f6", "b0042744bf5b25fce3cb969f33bebb97")
_WEIGHTS = {
    1: Weights(f"{CHOLLET}v0.4/{_FILE}"),
    2: Weights(f"{CHOLLET}v0.4/{_FILE}", _HASHES),
    3: Weights(f"{GOOGLE}xception/{_FILE}", _HASHES),
}
Xception = published(
    __name__,
    "Xception",
    "Xception: 36 convolutions, all but the first two separable.",
    Network(_features, _WEIGHTS, size=299, least=71, open_top=(2,), last_only=(1, 2)),
)

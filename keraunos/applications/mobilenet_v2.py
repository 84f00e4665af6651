"""MobileNetV2: residual blocks that are wide inside and narrow at their ends (Sandler and others, 2018).

>>> MobileNetV2(weights=None, include_top=False, input_shape=(32, 32, 3), alpha=0.35).output_shape
(None, 1, 1, 1280)
"""

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
    padded,
    pooled_top,
    published,
)
from keraunos.utils.errors import ArgumentError
from keraunos.utils.modules import offer

__all__ = ["MobileNetV2", "decode_predictions", "preprocess_input"]
offer(__name__)

preprocess_input = preprocessing(__name__, "tf")

# Channels, blocks, and the stride of the first of them, of each stage.
_STAGES = ((16, 1, 1), (24, 2, 2), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2), (320, 1, 1))
_ALPHAS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
_top = pooled_top("predictions", "Logits", pool=None)


def divisible(width: float, divisor: int = 8) -> int:
    """The multiple of ``divisor`` nearest to a width, not less than 90 percent of it.

    >>> divisible(17), divisible(8.4), divisible(12)
    (16, 8, 16)
    """
    near = max(divisor, int(width + divisor / 2) // divisor * divisor)
    return near if near >= 0.9 * width else near + divisor


def _norm(x: Any, name: str) -> Any:
    return batch_norm(x, name, epsilon=1e-3, momentum=0.999)


def _conv(x: Any, filters: int, name: str, kernel: int = 1, **options: Any) -> Any:
    return layers.Conv2D(filters, kernel, use_bias=False, name=name, **{"padding": "same", **options})(x)


def _block(x: Any, number: int, filters: int, strides: int) -> Any:
    name, channels, y = f"block_{number}_" if number else "expanded_conv_", x.shape[channel_axis()], x
    if number:
        y = _norm(_conv(x, 6 * channels, f"{name}expand"), f"{name}expand_BN")
        y = layers.ReLU(6.0, name=f"{name}expand_relu")(y)
    if strides == 2:
        y = padded(y, 3, f"{name}pad")
    padding = "same" if strides == 1 else "valid"
    y = layers.DepthwiseConv2D(3, strides=strides, padding=padding, use_bias=False, name=f"{name}depthwise")(y)
    y = layers.ReLU(6.0, name=f"{name}depthwise_relu")(_norm(y, f"{name}depthwise_BN"))
    y = _norm(_conv(y, filters, f"{name}project"), f"{name}project_BN")
    return layers.Add(name=f"{name}add")([x, y]) if strides == 1 and channels == filters else y


def _features(x: Any, version: int, alpha: float) -> Any:
    today = version == TODAY
    x = x if today else padded(x, 3, "Conv1_pad")
    x = _conv(x, divisible(32 * alpha), "Conv1", 3, strides=2, padding="same" if today else "valid")
    x = layers.ReLU(6.0, name="Conv1_relu")(_norm(x, "bn_Conv1"))
    number = 0
    for filters, blocks, strides in _STAGES:
        for block in range(blocks):
            x = _block(x, number, divisible(int(filters * alpha)), strides if block == 0 else 1)
            number += 1
    x = _norm(_conv(x, divisible(1280 * max(alpha, 1.0)), "Conv_1"), "Conv_1_bn")
    return layers.ReLU(6.0, name="out_relu")(x)


def _weights(folder: str) -> Any:
    def file(rows: int, alpha: float) -> Weights:
        if alpha not in _ALPHAS:
            raise ArgumentError(
                f"MobileNetV2: alpha is {alpha}; there are weights for {', '.join(map(str, _ALPHAS))}. Give weights=None "
                "for another width."
            )
        name = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{float(alpha)}_{rows}{{top}}.h5"
        return Weights(folder + name, without_top="_no_top")

    return file


MobileNetV2 = published(
    __name__,
    "MobileNetV2",
    "MobileNetV2: 17 residual blocks of depthwise convolutions.",
    Network(
        _features,
        {
            2: _weights("https://github.com/JonathanCMitchell/mobilenet_v2_keras/releases/download/v1.1/"),
            3: _weights(f"{GOOGLE}mobilenet_v2/"),
        },
        lambda x, version, classes, activation, alpha: _top(x, version, classes, activation),
        own={"alpha": 1.0},
        sizes=(96, 128, 160, 192, 224),
        last_only=(2,),
        called="mobilenetv2_{alpha:0.2f}_{rows}",
    ),
    "input_shape alpha include_top weights input_tensor pooling classes classifier_activation",
)

"""MobileNet: depthwise convolutions, each followed by one of 1 x 1 (Howard and others, 2017).

>>> MobileNet(weights=None, include_top=False, input_shape=(32, 32, 3), alpha=0.25).output_shape
(None, 1, 1, 256)
"""

from typing import Any

from keraunos import layers
from keraunos.applications.imagenet_utils import decode_predictions, preprocessing
from keraunos.applications.network import CHOLLET, GOOGLE, TODAY, Network, Weights, batch_norm, channel_axis, published
from keraunos.utils.errors import ArgumentError
from keraunos.utils.modules import offer

__all__ = ["MobileNet", "decode_predictions", "preprocess_input"]
offer(__name__)

preprocess_input = preprocessing(__name__, "tf")

# Channels and stride of each block.
_BLOCKS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1),
    (1024, 2), (1024, 1),
)  # fmt: skip
_ALPHAS = {0.25: "2_5", 0.5: "5_0", 0.75: "7_5", 1.0: "1_0"}


def _active(x: Any, name: str) -> Any:
    return layers.ReLU(6.0, name=f"{name}_relu")(batch_norm(x, f"{name}_bn"))


def _features(x: Any, version: int, alpha: float, depth_multiplier: int, dropout: float) -> Any:
    if version < TODAY:
        x = layers.ZeroPadding2D(((0, 1), (0, 1)), name="conv1_pad")(x)
    padding = "same" if version == TODAY else "valid"
    x = layers.Conv2D(int(32 * alpha), 3, strides=2, padding=padding, use_bias=False, name="conv1")(x)
    x = _active(x, "conv1")
    for number, (filters, strides) in enumerate(_BLOCKS, 1):
        if strides == 2:
            x = layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"conv_pad_{number}")(x)
        x = layers.DepthwiseConv2D(
            3,
            padding="same" if strides == 1 else "valid",
            depth_multiplier=depth_multiplier,
            strides=strides,
            use_bias=False,
            name=f"conv_dw_{number}",
        )(x)
        x = _active(x, f"conv_dw_{number}")
        x = layers.Conv2D(int(filters * alpha), 1, padding="same", use_bias=False, name=f"conv_pw_{number}")(x)
        x = _active(x, f"conv_pw_{number}")
    return x


def _top(
    x: Any, version: int, classes: int, activation: Any, alpha: float, depth_multiplier: int, dropout: float
) -> Any:
    if version == TODAY:
        x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    else:
        channels = int(1024 * alpha)
        x = layers.GlobalAveragePooling2D()(x)
        x = layers.Reshape((1, 1, channels) if channel_axis() == 3 else (channels, 1, 1), name="reshape_1")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Conv2D(classes, 1, padding="same", name="conv_preds")(x)
    if version == TODAY:
        x = layers.Reshape((classes,), name="reshape_2")(x)
        return layers.Activation(activation, name="predictions")(x)
    return layers.Reshape((classes,), name="reshape_2")(layers.Activation(activation, name="act_softmax")(x))


def _weights(folder: str) -> Any:
    def file(rows: int, alpha: float, depth_multiplier: int, dropout: float) -> Weights:
        if depth_multiplier != 1 or alpha not in _ALPHAS:
            raise ArgumentError(
                f"MobileNet: alpha is {alpha} and depth_multiplier is {depth_multiplier}; there are weights for alpha "
                f"{', '.join(map(str, _ALPHAS))} and depth_multiplier 1. Give weights=None for another network."
            )
        return Weights(f"{folder}mobilenet_{_ALPHAS[alpha]}_{rows}_tf{{top}}.h5", without_top="_no_top")

    return file


MobileNet = published(
    __name__,
    "MobileNet",
    "MobileNet: 13 depthwise convolutions, each followed by one of 1 x 1.",
    Network(
        _features,
        {2: _weights(f"{CHOLLET}v0.6/"), 3: _weights(f"{GOOGLE}mobilenet/")},
        _top,
        own={"alpha": 1.0, "depth_multiplier": 1, "dropout": 0.001},
        sizes=(128, 160, 192, 224),
        last_only=(2,),
        called="mobilenet_{alpha:0.2f}_{rows}",
    ),
    "input_shape alpha depth_multiplier dropout include_top weights input_tensor pooling classes classifier_activation",
)

"""Inception-ResNet V2: branches of convolutions, scaled and added to their inputs (Szegedy and others, 2016).

>>> InceptionResNetV2(weights=None, include_top=False, input_shape=(75, 75, 3)).output_shape
(None, 1, 1, 1536)
"""

from typing import Any

from keraunos import layers
from keraunos.applications.imagenet_utils import decode_predictions, preprocessing
from keraunos.applications.inception_v3 import STEM, chain, convolution, mixed
from keraunos.applications.network import (
    CHOLLET,
    GOOGLE,
    TODAY,
    Network,
    Weights,
    channel_axis,
    published,
    relu,
)
from keraunos.utils.modules import offer

__all__ = ["CustomScaleLayer", "InceptionResNetV2", "decode_predictions", "preprocess_input"]
offer(__name__)

preprocess_input = preprocessing(__name__, "tf")

# Branches, as in ``inception_v3``: of each kind of residual block, and of what stands before the blocks of this kind.
_KINDS = (
    ("block35", 10, 0.17, "32:1 | 32:1 32:3 | 32:1 48:3 64:3"),
    ("block17", 20, 0.1, "192:1 | 128:1 160:1x7 192:7x1"),
    ("block8", 10, 0.2, "192:1 | 192:1 224:1x3 256:3x1"),
)
_BEFORE = {
    "mixed_5b": "96:1 | 48:1 64:5 | 64:1 96:3 96:3 | avg 64:1",
    "mixed_6a": "384:3/2 | 256:1 256:3 384:3/2 | max/2",
    "mixed_7a": "256:1 384:3/2 | 256:1 288:3/2 | 256:1 288:3 320:3/2 | max/2",
}


@layers.LAYERS.register()
class CustomScaleLayer(layers.Layer):
    """The first input, plus the second times ``scale``.

    Args:
        scale: The factor.

    >>> float(CustomScaleLayer(0.5)([1.0, 4.0]))
    3.0
    """

    scale: float

    def call(self, inputs: Any) -> Any:
        return inputs[0] + inputs[1] * self.scale


def _features(x: Any, version: int) -> Any:
    x = chain(x, STEM)
    for (kind, count, scale, branches), (name, before) in zip(_KINDS, _BEFORE.items(), strict=True):
        x = mixed(x, before, name)
        for number in range(1, count + 1):
            name = f"{kind}_{number}"
            last = name == "block8_10"  # neither scaled down nor cut off
            channels = x.shape[channel_axis()]
            y = layers.Conv2D(channels, 1, padding="same", name=f"{name}_conv")(mixed(x, branches, f"{name}_mixed"))
            x = CustomScaleLayer(1.0 if last else scale, name=None if version == TODAY else name)([x, y])
            x = x if last else relu(x, f"{name}_ac")
    return convolution(x, 1536, 1, name="conv_7b")


_FILE = "inception_resnet_v2_weights_tf_dim_ordering_tf_kernels{top}.h5"
_HASHES = ("e693bd0210a403b3192acc6073ad2e96", "d19885ff4a710c122648d3b5c3b684e4")
InceptionResNetV2 = published(
    __name__,
    "InceptionResNetV2",
    "Inception-ResNet V2: forty residual blocks of branches.",
    Network(
        _features,
        {2: Weights(f"{CHOLLET}v0.7/{_FILE}", _HASHES), 3: Weights(f"{GOOGLE}inception_resnet_v2/{_FILE}", _HASHES)},
        size=299,
        least=75,
        open_top=(2,),
        called="inception_resnet_v2",
    ),
)

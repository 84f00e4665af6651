"""VGG16 and VGG19: blocks of 3 x 3 convolutions, each followed by pooling (Simonyan and Zisserman, 2014).

>>> VGG16(weights=None, include_top=False, input_shape=(32, 32, 3)).output_shape
(None, 1, 1, 512)
"""

import functools
from collections.abc import Sequence
from typing import Any

from keraunos import layers
from keraunos.applications.imagenet_utils import decode_predictions, preprocessing
from keraunos.applications.network import CHOLLET, GOOGLE, Network, Weights, published
from keraunos.utils.modules import offer

__all__ = ["VGG16", "decode_predictions", "preprocess_input"]
offer(__name__)

preprocess_input = preprocessing(__name__, "caffe")


def _features(x: Any, version: int, depths: Sequence[int]) -> Any:
    for block, depth in enumerate(depths, 1):
        for number in range(1, depth + 1):
            x = layers.Conv2D(
                min(32 << block, 512), 3, padding="same", activation="relu", name=f"block{block}_conv{number}"
            )(x)
        x = layers.MaxPooling2D(2, strides=2, name=f"block{block}_pool")(x)
    return x


def _top(x: Any, version: int, classes: int, activation: Any) -> Any:
    x = layers.Flatten(name="flatten")(x)
    for name in ("fc1", "fc2"):
        x = layers.Dense(4096, activation="relu", name=name)(x)
    return layers.Dense(classes, activation=activation, name="predictions")(x)


def vgg(module: str, depth: int, depths: Sequence[int], hashes: tuple[str, str]) -> Any:
    """A network of this family.

    Args:
        module: The module where it stands.
        depth: Layers with weights.
        depths: Convolutions of each block.
        hashes: Of its weights.
    """
    file = f"vgg{depth}_weights_{{}}_dim_ordering_{{}}_kernels{{{{top}}}}.h5"
    last, first = file.format("tf", "tf"), file.format("th", "th")
    weights = {
        1: Weights(f"{CHOLLET}v0.1/{last}", channels_first=Weights(f"{CHOLLET}v0.1/{first}")),
        2: Weights(f"{CHOLLET}v0.1/{last}", hashes),
        3: Weights(f"{GOOGLE}vgg{depth}/{last}", hashes),
    }
    about = f"VGG{depth}: {sum(depths)} convolutions of 3 x 3 in {len(depths)} blocks, and three dense layers."
    return published(module, f"VGG{depth}", about, Network(functools.partial(_features, depths=depths), weights, _top))


VGG16 = vgg(__name__, 16, (2, 2, 3, 3, 3), ("64373286793e3c8b2b4e3219cbf3544b", "6d6bbae143d832006294945121d1f1fc"))

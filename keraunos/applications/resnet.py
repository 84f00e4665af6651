"""Residual networks: blocks that add to their inputs (He, Zhang, Ren and Sun, 2015 and, with ``V2``, 2016).

>>> ResNet50(weights=None, include_top=False, input_shape=(32, 32, 3), pooling="avg").output_shape
(None, 2048)
"""

import functools
from collections.abc import Sequence
from typing import Any

from keraunos import layers
from keraunos.applications.imagenet_utils import decode_predictions, preprocessing
from keraunos.applications.network import (
    CHOLLET,
    GOOGLE,
    TODAY,
    Network,
    Weights,
    batch_norm,
    pooled_top,
    published,
    relu,
)
from keraunos.utils.modules import offer

__all__ = ["ResNet50", "ResNet101", "ResNet152", "decode_predictions", "preprocess_input"]
offer(__name__)

preprocess_input = preprocessing(__name__, "caffe")
_EPSILON = 1.001e-5
_EARLIER_PARTS = {"0": "1", "1": "2a", "2": "2b", "3": "2c"}


def _conv(x: Any, filters: int, kernel: int, name: str, version: int = TODAY, **options: Any) -> Any:
    if version == 2:
        options["kernel_initializer"] = "he_normal"
    return layers.Conv2D(filters, kernel, name=name, **options)(x)


def _norm(x: Any, name: str, version: int = TODAY) -> Any:
    return batch_norm(x, name, **({"epsilon": _EPSILON} if version == TODAY else {}))


def _block(x: Any, version: int, stage: int, block: int, filters: int, strides: int) -> Any:
    """Three convolutions, the middle one of 3 x 3, and their sum with the inputs."""
    today = version == TODAY

    def name(part: str, kind: str) -> Any:
        if today:
            return f"conv{stage}_block{block}_{part}_{kind}" if part else f"conv{stage}_block{block}_{kind}"
        if kind not in ("conv", "bn"):
            return None
        return f"{'res' if kind == 'conv' else 'bn'}{stage}{chr(96 + block)}_branch{_EARLIER_PARTS[part]}"

    def normalized(x: Any, part: str, filters: int, kernel: int = 1, **options: Any) -> Any:
        return _norm(_conv(x, filters, kernel, name(part, "conv"), version, **options), name(part, "bn"), version)

    shortcut = normalized(x, "0", 4 * filters, strides=strides) if block == 1 and today else x
    y = relu(normalized(x, "1", filters, strides=strides), name("1", "relu"))
    y = relu(normalized(y, "2", filters, 3, padding="same"), name("2", "relu"))
    y = normalized(y, "3", 4 * filters)
    if block == 1 and not today:
        shortcut = normalized(x, "0", 4 * filters, strides=strides)
    x = layers.Add(name=name("", "add"))([shortcut, y] if today else [y, shortcut])
    return relu(x, name("", "out"))


def _features(x: Any, version: int, depths: Sequence[int]) -> Any:
    stem = {
        1: (None, "conv1", "bn_conv1"),
        2: ("conv1_pad", "conv1", "bn_conv1"),
        3: ("conv1_pad", "conv1_conv", "conv1_bn"),
    }
    pad, conv, norm = stem[version]
    x = layers.ZeroPadding2D(3, name=pad)(x)
    x = _norm(_conv(x, 64, 7, conv, version, strides=2), norm, version)
    x = relu(x, "conv1_relu" if version == TODAY else None)
    if version > 1:
        x = layers.ZeroPadding2D(1, name="pool1_pad")(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool1_pool" if version == TODAY else None)(x)
    for stage, depth in enumerate(depths, 2):
        for block in range(1, depth + 1):
            x = _block(x, version, stage, block, 16 << stage, 2 if block == 1 < stage - 1 else 1)
    # The first version pooled even where no classifier follows.
    return x if version > 1 else layers.AveragePooling2D(7, name="avg_pool")(x)


def _top(x: Any, version: int, classes: int, activation: Any) -> Any:
    if version > 1:
        return pooled_top("predictions", "fc1000")(x, version, classes, activation)
    return layers.Dense(classes, activation=activation, name="fc1000")(layers.Flatten()(x))


def _block_v2(x: Any, stage: int, block: int, filters: int, strides: int) -> Any:
    """As ``_block``, normalized and cut off before each convolution."""
    name = f"conv{stage}_block{block}"
    y = relu(_norm(x, f"{name}_preact_bn"), f"{name}_preact_relu")
    if block == 1:
        shortcut = _conv(y, 4 * filters, 1, f"{name}_0_conv", strides=strides)
    else:
        shortcut = layers.MaxPooling2D(1, strides=strides)(x) if strides > 1 else x
    y = _conv(y, filters, 1, f"{name}_1_conv", use_bias=False)
    y = relu(_norm(y, f"{name}_1_bn"), f"{name}_1_relu")
    y = layers.ZeroPadding2D(1, name=f"{name}_2_pad")(y)
    y = _conv(y, filters, 3, f"{name}_2_conv", strides=strides, use_bias=False)
    y = relu(_norm(y, f"{name}_2_bn"), f"{name}_2_relu")
    return layers.Add(name=f"{name}_out")([shortcut, _conv(y, 4 * filters, 1, f"{name}_3_conv")])


def _features_v2(x: Any, version: int, depths: Sequence[int]) -> Any:
    x = layers.ZeroPadding2D(3, name="conv1_pad")(x)
    x = _conv(x, 64, 7, "conv1_conv", strides=2)
    x = layers.ZeroPadding2D(1, name="pool1_pad")(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool1_pool")(x)
    for stage, depth in enumerate(depths, 2):
        for block in range(1, depth + 1):
            # The last block of a stage has the stride, but for the last stage.
            x = _block_v2(x, stage, block, 16 << stage, 2 if block == depth and stage < 5 else 1)
    return relu(_norm(x, "post_bn"), "post_relu")


# Blocks of each stage, and the hashes of the weights of both generations.
_NETWORKS = {
    50: (
        (3, 4, 6, 3),
        ("2cb95161c43110f7111970584f804107", "4d473c1dd8becc155b73f8504c6f6626"),
        ("3ef43a0b657b3be2300d5770ece849e0", "fac2f116257151a9d068a22e544a4917"),
    ),
    101: (
        (3, 4, 23, 3),
        ("f1aeb4b969a6efcfb50fad2f0c20cfc5", "88cf7a10940856eca736dc7b7e228a21"),
        ("6343647c601c52e1368623803854d971", "c0ed64b8031c3730f411d2eb4eea35b5"),
    ),
    152: (
        (3, 8, 36, 3),
        ("100835be76be38e30d865e96f2aaae62", "ee4c566cf9a93f14d82f913c2dc6dd0c"),
        ("a49b44d1979771252814e80f8ec446f9", "ed17cf2e0169df9d443503ef94b23b33"),
    ),
}  # fmt: skip
_EARLIER = f"{CHOLLET}v0.2/resnet50_weights_{{0}}_dim_ordering_{{0}}_kernels{{{{top}}}}.h5"
_EARLIER_HASHES = ("a7b3fe01876f51b976af0dea6bc144eb", "a268eb855778b3df3c7506639542a6af")
_THEANO_HASHES = ("1c1f8f5b0c8ee28fe9d950625a230e1c", "f64f049c92468c9affcd44b0976cdafe")


def _published(depth: int, module: str = __name__, second: bool = False) -> Any:
    depths, *hashes = _NETWORKS[depth]
    name = f"ResNet{depth}{'V2' if second else ''}"
    weights = {
        TODAY: Weights(f"{GOOGLE}resnet/{name.lower()}_weights_tf_dim_ordering_tf_kernels{{top}}.h5", hashes[second])
    }
    if name == "ResNet50":
        last = Weights(_EARLIER.format("tf"), _EARLIER_HASHES)
        weights = {1: last._replace(channels_first=Weights(_EARLIER.format("th"), _THEANO_HASHES)), 2: last, **weights}
    features = functools.partial(_features_v2 if second else _features, depths=depths)
    about = f"{name}: {sum(depths)} residual blocks{', normalized before each convolution' if second else ''}."
    return published(module, name, about, Network(features, weights, _top, named_pools=(TODAY,)))


def second(module: str, depth: int) -> Any:
    """A network of the second generation.

    Args:
        module: The module where it stands.
        depth: Layers with weights: 50, 101 or 152.
    """
    return _published(depth, module, second=True)


ResNet50, ResNet101, ResNet152 = (_published(depth) for depth in _NETWORKS)

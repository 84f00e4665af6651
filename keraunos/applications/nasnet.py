"""NASNet: cells that a search found, repeated (Zoph, Vasudevan, Shlens and Le, 2017).

>>> NASNetMobile(weights=None, include_top=False, input_shape=(32, 32, 3)).output_shape
(None, 1, 1, 1056)
"""

import functools
from typing import Any

from keraunos import layers
from keraunos.applications.imagenet_utils import decode_predictions, preprocessing
from keraunos.applications.network import (
    GOOGLE,
    Network,
    Weights,
    batch_norm,
    channel_axis,
    padded,
    pooled_top,
    published,
    relu,
)
from keraunos.utils.modules import offer

__all__ = ["NASNetLarge", "NASNetMobile", "decode_predictions", "preprocess_input"]
offer(__name__)

preprocess_input = preprocessing(__name__, "tf")


def _norm(x: Any, name: str) -> Any:
    return batch_norm(x, name, momentum=0.9997, epsilon=1e-3)


def _conv(x: Any, filters: int, name: str, kernel: int = 1, **options: Any) -> Any:
    return layers.Conv2D(
        filters,
        kernel,
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
        **{"padding": "same", **options},
    )(x)


def _separable(x: Any, filters: int, kernel: int, name: str, strides: int = 1) -> Any:
    """Two separable convolutions, the first with the strides."""
    for number in (1, 2):
        x = relu(x)
        halved = strides == 2 and number == 1
        if halved:
            x = padded(x, kernel, f"separable_conv_1_pad_{name}")
        x = layers.SeparableConv2D(
            filters,
            kernel,
            strides=2 if halved else 1,
            padding="valid" if halved else "same",
            use_bias=False,
            name=f"separable_conv_{number}_{name}",
        )(x)
        x = _norm(x, f"separable_conv_{number}_bn_{name}")
    return x


def _adjusted(p: Any, x: Any, filters: int, name: str) -> Any:
    """The output of the cell before last, in the shape of the last one's."""
    if p is None:
        return x
    rows = 2 if channel_axis() == 1 else 1
    if p.shape[rows + 1] != x.shape[rows + 1]:
        p = relu(p, f"adjust_relu_1_{name}")
        halves = []
        for number in (1, 2):
            half = p
            if number == 2:  # every other pixel, one further
                half = layers.ZeroPadding2D(((0, 1), (0, 1)))(p)
                half = layers.Cropping2D(((1, 0), (1, 0)))(half)
            half = layers.AveragePooling2D(1, strides=2, name=f"adjust_avg_pool_{number}_{name}")(half)
            halves.append(_conv(half, filters // 2, f"adjust_conv_{number}_{name}"))
        return _norm(layers.Concatenate(axis=channel_axis())(halves), f"adjust_bn_{name}")
    if p.shape[channel_axis()] != filters:
        return _norm(_conv(relu(p), filters, f"adjust_conv_projection_{name}"), f"adjust_bn_{name}")
    return p


def _pooled(x: Any, kind: str, name: str, **options: Any) -> Any:
    pool = layers.AveragePooling2D if kind == "avg" else layers.MaxPooling2D
    return pool(3, name=name, **options)(x)


def _normal_cell(x: Any, p: Any, filters: int, name: str) -> Any:
    p = _adjusted(p, x, filters, name)
    h = _norm(_conv(relu(x), filters, f"normal_conv_1_{name}"), f"normal_bn_1_{name}")
    same = {"strides": 1, "padding": "same"}

    def added(number: int, *parts: Any) -> Any:
        return layers.Add(name=f"normal_add_{number}_{name}")(list(parts))

    x1 = added(1, _separable(h, filters, 5, f"normal_left1_{name}"), _separable(p, filters, 3, f"normal_right1_{name}"))
    x2 = added(2, _separable(p, filters, 5, f"normal_left2_{name}"), _separable(p, filters, 3, f"normal_right2_{name}"))
    x3 = added(3, _pooled(h, "avg", f"normal_left3_{name}", **same), p)
    x4 = added(4, _pooled(p, "avg", f"normal_left4_{name}", **same), _pooled(p, "avg", f"normal_right4_{name}", **same))
    x5 = added(5, _separable(h, filters, 3, f"normal_left5_{name}"), h)
    joined = layers.Concatenate(axis=channel_axis(), name=f"normal_concat_{name}")
    return joined([p, x1, x2, x3, x4, x5]), x


def _reduction_cell(x: Any, p: Any, filters: int, name: str) -> Any:
    p = _adjusted(p, x, filters, name)
    h = _norm(_conv(relu(x), filters, f"reduction_conv_1_{name}"), f"reduction_bn_1_{name}")
    h3 = padded(h, 3, f"reduction_pad_1_{name}")
    half = {"strides": 2, "padding": "valid"}

    def part(inputs: Any, kernel: int, side: str, strides: int = 2) -> Any:
        return _separable(inputs, filters, kernel, f"reduction_{side}_{name}", strides)

    def added(which: str, *parts: Any) -> Any:
        return layers.Add(name=which and f"reduction_{which}_{name}")(list(parts))

    x1 = added("add_1", part(h, 5, "left1"), part(p, 7, "right1"))
    x2 = added("add_2", _pooled(h3, "max", f"reduction_left2_{name}", **half), part(p, 7, "right2"))
    x3 = added("add3", _pooled(h3, "avg", f"reduction_left3_{name}", **half), part(p, 5, "right3"))
    x4 = _pooled(x1, "avg", f"reduction_left4_{name}", strides=1, padding="same")
    x4 = layers.Add()([x2, x4])
    x5 = part(x1, 3, "left4", 1)
    x5 = added("add4", x5, _pooled(h3, "max", f"reduction_right5_{name}", **half))
    joined = layers.Concatenate(axis=channel_axis(), name=f"reduction_concat_{name}")
    return joined([x2, x3, x4, x5]), x


def _features(x: Any, version: int, stem: int, filters: int, blocks: int, skips: bool) -> Any:
    x = _norm(_conv(x, stem, "stem_conv1", 3, strides=2, padding="valid"), "stem_bn1")
    p = None
    for number in (1, 2):
        x, p = _reduction_cell(x, p, filters * number // 4, f"stem_{number}")
    for stage in range(3):
        if stage:
            x, before = _reduction_cell(x, p, filters << stage, f"reduce_{stage * blocks}")
            p = p if skips else before
        for block in range(blocks):
            x, p = _normal_cell(x, p, filters << stage, str(stage * blocks + bool(stage) + block))
    return relu(x)


def _published(
    kind: str, size: int, stem: int, last: int, blocks: int, skips: bool, hashes: tuple[str, str], about: str
) -> Any:
    name = f"NASNet{kind.capitalize()}"
    files = {
        2: "https://github.com/titu1994/Keras-NASNet/releases/download/v1.2/",
        3: f"{GOOGLE}nasnet/",
    }
    network = Network(
        functools.partial(_features, stem=stem, filters=last // 24, blocks=blocks, skips=skips),
        {
            version: Weights(f"{folder}NASNet-{kind}{{top}}.h5", hashes, "-no-top", f"nasnet_{kind}{{top}}.h5")
            for version, folder in files.items()
        },
        pooled_top(pool=None),
        size=size,
        last_only=(2,),
        fixed=(3,),
        called=f"nasnet_{kind}",
    )
    order = "input_shape include_top weights input_tensor pooling classes classifier_activation"
    return published(__name__, name, f"{name}: {about}", network, order)


NASNetMobile = _published(
    "mobile", 224, 32, 1056, 4, False,
    ("020fb642bf7360b370c678b08e0adf61", "1ed92395b5b598bdda52abe5c0dbfd63"),
    "12 normal cells and 4 that halve, for small devices.",
)  # fmt: skip
NASNetLarge = _published(
    "large", 331, 96, 4032, 6, True,
    ("11577c9a518f0070763c2b964a382f17", "d81d89dc07e6e56530c4e77faddd61b5"),
    "18 normal cells and 4 that halve.",
)  # fmt: skip

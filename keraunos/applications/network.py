"""What all published networks share: how they are called, their images, their last layers, their weights."""

import contextlib
import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from keraunos import layers
from keraunos.applications.imagenet_utils import obtain_input_shape
from keraunos.models import Model
from keraunos.utils import config, get_file, get_source_inputs
from keraunos.utils.errors import ArgumentError, warn
from keraunos.utils.spelling import spelled

GOOGLE = "https://storage.googleapis.com/tensorflow/keras-applications/"
CHOLLET = "https://github.com/fchollet/deep-learning-models/releases/download/"
TODAY = 3
_ORDER = "include_top weights input_tensor input_shape pooling classes classifier_activation"
_DEFAULTS: Mapping[str, Any] = {
    "include_top": True, "weights": "imagenet", "input_tensor": None, "input_shape": None, "pooling": None,
    "classes": 1000, "classifier_activation": "softmax",
}  # fmt: skip
_ABOUT = """{about}

    Args:
        include_top: Whether to end in the classifier.
        weights: ``"imagenet"`` for those trained on ImageNet, which are fetched; ``None`` for random ones; or the
            path of a weights file.
        input_tensor: Symbolic tensor, or Variable, to build the network on.
        input_shape: Shape of an image. {shape} by default; any shape of at least {least} rows and columns without
            the classifier.
        pooling: What follows the last features where there is no classifier: ``None``, ``"avg"`` or ``"max"``.
        classes: Number of classes.
        classifier_activation: Activation of the classifier; ``None`` for logits.{own}
        name: Name of the model.
        version: Which published form: 1 (of 2016), 2 (of 2018) or 3 (today's). They differ in names of layers and in
            files of weights, some in paddings too.

    Raises:
        ArgumentError: Arguments that do not go together, or a shape that the network cannot take.
        DownloadError: The weights are not in a cache and cannot be fetched.
"""


class Weights(NamedTuple):
    """Where weights of a network are published.

    Attributes:
        address: Of the file with the classifier, ``{top}`` standing where the one without it says so.
        hashes: MD5 of both files, where it was published.
        without_top: How the file without the classifier says so.
        name: What the file is called in the cache, if not as at its address.
        channels_first: Where the weights of the network with channels first are, if these are others.
    """

    address: str
    hashes: tuple[str | None, str | None] = (None, None)
    without_top: str = "_notop"
    name: str = ""
    channels_first: "Weights | None" = None

    def fetched(self, include_top: bool) -> str:
        """Path of the file in a cache, into which it is fetched if need be."""
        top = "" if include_top else self.without_top
        address = self.address.format(top=top)
        name = self.name.format(top=top.replace("-", "_")) if self.name else address.rpartition("/")[2]
        return str(get_file(name, address, cache_subdir="models", file_hash=self.hashes[not include_top]))


def channel_axis() -> int:
    """The axis of the channels in a batch of images."""
    return 1 if config.image_data_format() == "channels_first" else 3


def batch_norm(x: Any, name: str | None = None, **options: Any) -> Any:
    """Each channel normalized."""
    return layers.BatchNormalization(axis=channel_axis(), name=name, **options)(x)


def relu(x: Any, name: str | None = None) -> Any:
    """The positive part."""
    return layers.Activation("relu", name=name)(x)


def pooled_top(name: str = "predictions", old_name: str = "predictions", pool: str | None = "avg_pool") -> Any:
    """A classifier: the mean of each channel, and a dense layer.

    Args:
        name, old_name: What the dense layer is called, today and in earlier versions.
        pool: What the layer before it is called.
    """

    def top(x: Any, version: int, classes: int, activation: Any, **own: Any) -> Any:
        x = layers.GlobalAveragePooling2D(name=pool)(x)
        return layers.Dense(classes, activation=activation, name=name if version == TODAY else old_name)(x)

    return top


def double(size: int | None, kernel: int) -> tuple[int, int]:
    """Zeros before and after an axis, so that a window with stride 2 falls as in a network trained elsewhere."""
    even = 1 if size is None else 1 - size % 2
    return kernel // 2 - even, kernel // 2


def padded(x: Any, kernel: int, name: str | None = None) -> Any:
    """Images with the zeros around them that a window of stride 2 needs."""
    sizes = x.shape[2:] if channel_axis() == 1 else x.shape[1:3]
    return layers.ZeroPadding2D(tuple(double(size, kernel) for size in sizes), name=name)(x)


@dataclass(frozen=True)
class Network:
    """A published network.

    Attributes:
        features: ``features(x, version, **own)``: from images to the last features.
        weights: By version, where its weights are; or a function of the version, rows of an image and own arguments
            that says so. The versions that it has are the keys.
        top: ``top(x, version, classes, activation, **own)``: from the last features to the scores.
        size, least: Rows and columns of images by default, and at least.
        own: Its own arguments and their defaults.
        sizes: Rows of square images that there are weights for, where these are several.
        named_pools: Versions whose layers that pool without a classifier have names.
        open_top: Versions that take images of any size even with a classifier.
        last_only: Versions that take images with channels last only.
        fixed: Versions whose images have the default size even without a classifier.
        called: The model's name, which may be made of its own arguments; that of the function by default.
    """

    features: Callable[..., Any]
    weights: Mapping[int, Any]
    top: Callable[..., Any] = field(default_factory=pooled_top)
    size: int = 224
    least: int = 32
    own: Mapping[str, Any] = field(default_factory=dict)
    sizes: tuple[int, ...] = ()
    named_pools: tuple[int, ...] = ()
    open_top: tuple[int, ...] = ()
    last_only: tuple[int, ...] = ()
    fixed: tuple[int, ...] = ()
    called: str = ""

    def build(
        self,
        *,
        include_top: bool,
        weights: Any,
        input_tensor: Any,
        input_shape: Any,
        pooling: str | None,
        classes: int,
        classifier_activation: Any,
        name: str | None,
        version: int,
        **own: Any,
    ) -> Model:
        """The model for the arguments of a call."""
        version = max((known for known in self.weights if known <= version), default=min(self.weights))
        pretrained = isinstance(weights, str) and weights == "imagenet"
        _check(include_top, weights, pooling, classes, classifier_activation)
        with _channels_last() if version in self.last_only else contextlib.nullcontext():
            shape = self._shape(input_shape, input_tensor, include_top, pretrained, version)
            rows = shape[1] if channel_axis() == 1 else shape[0]
            if pretrained and self.sizes:
                rows = self._trained_size(shape, rows)
            inputs, x = _images(input_tensor, shape)
            x = self.features(x, version, **own)
            if include_top:
                x = self.top(x, version, classes, classifier_activation, **own)
            elif pooling is not None:
                kind = {"avg": layers.GlobalAveragePooling2D, "max": layers.GlobalMaxPooling2D}[pooling]
                x = kind(name=f"{pooling}_pool" if version in self.named_pools else None)(x)
            model = Model(inputs, x, name=name or self.called.format(rows=rows, **own))
            first = channel_axis() == 1
        if pretrained:
            file = self.weights[version]
            file = file(rows=rows, **own) if callable(file) else file
            weights = (file.channels_first if first and file.channels_first else file).fetched(include_top)
        if weights is not None:
            model.load_weights(weights)
        return model

    def _shape(self, asked: Any, tensor: Any, include_top: bool, pretrained: bool, version: int) -> Any:
        if asked is None and tensor is not None:
            return tuple(tensor.shape)[1:]
        size = self.size
        if asked is not None and len(asked) == 3:
            rows, columns = asked[1:] if channel_axis() == 1 else asked[:2]
            size = rows if rows == columns and rows in self.sizes else size
        known = (include_top and version not in self.open_top) or (asked is None and version in self.fixed)
        shown = "imagenet" if pretrained else None
        return obtain_input_shape(asked, size, self.least, config.image_data_format(), known, shown)

    def _trained_size(self, shape: Any, rows: int | None) -> int:
        """The rows that the weights were trained on: those of the images, or the default where these are others."""
        columns = shape[2] if channel_axis() == 1 else shape[1]
        if rows == columns and rows in self.sizes:
            return int(rows)
        warn(
            f"there are weights for square images of {', '.join(map(str, self.sizes))} rows, not for {shape}: those "
            f"for {self.size} are loaded."
        )
        return self.size


def published(module: str, name: str, about: str, network: Network, order: str = _ORDER) -> Callable[..., Model]:
    """The function that builds a network.

    Args:
        module: The module where it stands.
        name: Its name.
        about: One sentence on the network, and where it is published.
        network: The network.
        order: Its arguments in order, without the name.
    """
    defaults = {**_DEFAULTS, **network.own, "name": None if "{" in network.called else network.called or name.lower()}
    parameters = [
        inspect.Parameter(argument, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=defaults[argument])
        for argument in [*order.split(), "name"]
    ]
    parameters.append(inspect.Parameter("version", inspect.Parameter.KEYWORD_ONLY, default=TODAY))
    signature = inspect.Signature(parameters)

    def build(*args: Any, **kwargs: Any) -> Model:
        given = signature.bind(*args, **kwargs)
        given.apply_defaults()
        return network.build(**given.arguments)

    shape = (network.size, network.size, 3)
    own = "".join(f"\n        {argument}: {_OWN[argument]}" for argument in network.own)
    build.__doc__ = _ABOUT.format(about=about, shape=shape, least=network.least, own=own)
    build.__module__, build.__name__, build.__qualname__ = module, name, name
    build.__signature__ = signature  # type: ignore[attr-defined]
    return spelled(build)


# What arguments of single networks mean.
_OWN = {
    "alpha": "Factor of the number of channels.",
    "depth_multiplier": "Channels that a depthwise convolution makes of one.",
    "dropout": "Share of the last features that is dropped in training.",
}


def _check(include_top: bool, weights: Any, pooling: Any, classes: int, activation: Any) -> None:
    if weights is None:
        return _check_pooling(pooling)
    if weights != "imagenet" and not os.path.exists(weights):
        raise ArgumentError(
            f"weights is {str(weights)!r}; expected None for random ones, 'imagenet', or the path of a weights file that "
            "is there."
        )
    if weights == "imagenet" and include_top and classes != 1000:
        raise ArgumentError(
            f"classes is {classes}, but the classifier trained on ImageNet has 1000. Give include_top=False and a "
            "classifier of your own, or weights=None."
        )
    if include_top and activation not in (None, "linear", "softmax"):
        raise ArgumentError(
            f"classifier_activation is {activation!r}; a classifier with trained weights has 'softmax', or None."
        )
    _check_pooling(pooling)


def _check_pooling(pooling: Any) -> None:
    if pooling not in (None, "avg", "max"):
        raise ArgumentError(f"pooling is {pooling!r}; expected None, 'avg' or 'max'.")


@contextlib.contextmanager
def _channels_last() -> Iterator[None]:
    """Channels last inside of the block, with a word where they are configured otherwise."""
    before = config.image_data_format()
    if before != "channels_last":
        warn("this network is only there with channels last: its images have them so.")
    config.set_image_data_format("channels_last")
    try:
        yield
    finally:
        config.set_image_data_format(before)


def _images(tensor: Any, shape: Any) -> tuple[Any, Any]:
    """The model's inputs, and the images that the network is built on."""
    if tensor is None:
        images = layers.Input(shape=shape)
        return images, images
    node = getattr(tensor, "node", None)
    if node is not None and not isinstance(node.operation, layers.InputLayer):
        sources = get_source_inputs(tensor)
        # What follows from Variables or placeholders alone is the data itself.
        if sources and all(source.node is not None for source in sources):
            return sources[0] if len(sources) == 1 else sources, tensor
    if node is None or not isinstance(node.operation, layers.InputLayer):
        tensor = layers.Input(tensor=tensor)
    return tensor, tensor

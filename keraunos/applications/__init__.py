"""Networks that were published with their weights: to classify images, or to begin from.

Every module has its networks, their ``preprocess_input`` and ``decode_predictions``.
Names are looked up when they are first used.
"""

import importlib
from typing import Any

_NETWORKS = {
    "densenet": "DenseNet121 DenseNet169 DenseNet201",
    "inception_resnet_v2": "InceptionResNetV2",
    "inception_v3": "InceptionV3",
    "mobilenet": "MobileNet",
    "mobilenet_v2": "MobileNetV2",
    "nasnet": "NASNetLarge NASNetMobile",
    "resnet": "ResNet50 ResNet101 ResNet152",
    "resnet_v2": "ResNet50V2 ResNet101V2 ResNet152V2",
    "vgg16": "VGG16",
    "vgg19": "VGG19",
    "xception": "Xception",
}
_MODULES = (*_NETWORKS, "imagenet_utils", "resnet50")
_BY_NAME = {name: module for module, names in _NETWORKS.items() for name in names.split()}

__all__ = sorted((*_MODULES, *_BY_NAME))


def __getattr__(name: str) -> Any:
    if name in _BY_NAME:
        return getattr(importlib.import_module(f"{__name__}.{_BY_NAME[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"there is no network {name!r}; known are {', '.join(_BY_NAME)}")


def __dir__() -> list[str]:
    return __all__

"""Networks that were published with their weights: to classify images, or to begin from.

Every module has its networks, their ``preprocess_input`` and ``decode_predictions``.
Names are looked up when they are first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from keraunos.utils.modules import offer

if TYPE_CHECKING:  # the names that are found when they are first used
    from keraunos.applications import (
        densenet,
        imagenet_utils,
        inception_resnet_v2,
        inception_v3,
        mobilenet,
        mobilenet_v2,
        nasnet,
        resnet,
        resnet50,
        resnet_v2,
        vgg16,
        vgg19,
        xception,
    )
    from keraunos.applications.densenet import DenseNet121, DenseNet169, DenseNet201
    from keraunos.applications.inception_resnet_v2 import InceptionResNetV2
    from keraunos.applications.inception_v3 import InceptionV3
    from keraunos.applications.mobilenet import MobileNet
    from keraunos.applications.mobilenet_v2 import MobileNetV2
    from keraunos.applications.nasnet import NASNetLarge, NASNetMobile
    from keraunos.applications.resnet import ResNet50, ResNet101, ResNet152
    from keraunos.applications.resnet_v2 import ResNet50V2, ResNet101V2, ResNet152V2
    from keraunos.applications.vgg16 import VGG16
    from keraunos.applications.vgg19 import VGG19
    from keraunos.applications.xception import Xception

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

__all__ = [
    "VGG16",
    "VGG19",
    "DenseNet121",
    "DenseNet169",
    "DenseNet201",
    "InceptionResNetV2",
    "InceptionV3",
    "MobileNet",
    "MobileNetV2",
    "NASNetLarge",
    "NASNetMobile",
    "ResNet50",
    "ResNet50V2",
    "ResNet101",
    "ResNet101V2",
    "ResNet152",
    "ResNet152V2",
    "Xception",
    "densenet",
    "imagenet_utils",
    "inception_resnet_v2",
    "inception_v3",
    "mobilenet",
    "mobilenet_v2",
    "nasnet",
    "resnet",
    "resnet50",
    "resnet_v2",
    "vgg16",
    "vgg19",
    "xception",
]


def _found(name: str) -> Any:
    if name in _BY_NAME:
        return getattr(importlib.import_module(f"{__name__}.{_BY_NAME[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    return None


offer(__name__, _found)

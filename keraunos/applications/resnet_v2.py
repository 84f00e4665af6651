"""Residual networks of the second generation: normalized before each convolution (He, Zhang, Ren and Sun, 2016)."""

from keraunos.applications.imagenet_utils import decode_predictions, preprocessing
from keraunos.applications.resnet import second
from keraunos.utils.modules import offer

__all__ = ["ResNet50V2", "ResNet101V2", "ResNet152V2", "decode_predictions", "preprocess_input"]
offer(__name__)

preprocess_input = preprocessing(__name__, "tf")
ResNet50V2, ResNet101V2, ResNet152V2 = (second(__name__, depth) for depth in (50, 101, 152))

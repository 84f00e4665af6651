"""ResNet50 by the name of its first module; see ``keraunos.applications.resnet``."""

from keraunos.applications.resnet import ResNet50, decode_predictions, preprocess_input
from keraunos.utils.modules import offer

__all__ = ["ResNet50", "decode_predictions", "preprocess_input"]
offer(__name__)

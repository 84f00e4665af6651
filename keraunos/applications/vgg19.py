"""VGG19: VGG16 with three convolutions more (Simonyan and Zisserman, 2014)."""

from keraunos.applications.imagenet_utils import decode_predictions, preprocessing
from keraunos.applications.vgg16 import vgg
from keraunos.utils.modules import offer

__all__ = ["VGG19", "decode_predictions", "preprocess_input"]
offer(__name__)

preprocess_input = preprocessing(__name__, "caffe")
VGG19 = vgg(__name__, 19, (2, 2, 4, 4, 4), ("cbe5617147190e668d6c5d5026f83318", "253f8cb515780f3b799900260a226db6"))

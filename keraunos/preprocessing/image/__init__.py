"""Images: read and written, turned, shifted and stretched at random, and handed out in batches."""

from keraunos.preprocessing.image.batches import DataFrameIterator, DirectoryIterator, Iterator, NumpyArrayIterator
from keraunos.preprocessing.image.files import array_to_img, img_to_array, list_pictures, load_img, save_img
from keraunos.preprocessing.image.generator import ImageDataGenerator
from keraunos.preprocessing.image.transforms import (
    apply_affine_transform,
    apply_brightness_shift,
    apply_channel_shift,
    apply_transform,
    flip_axis,
    random_brightness,
    random_channel_shift,
    random_rotation,
    random_shear,
    random_shift,
    random_zoom,
    transform_matrix_offset_center,
)
from keraunos.utils.modules import offer

__all__ = [
    "DataFrameIterator",
    "DirectoryIterator",
    "ImageDataGenerator",
    "Iterator",
    "NumpyArrayIterator",
    "apply_affine_transform",
    "apply_brightness_shift",
    "apply_channel_shift",
    "apply_transform",
    "array_to_img",
    "flip_axis",
    "img_to_array",
    "list_pictures",
    "load_img",
    "random_brightness",
    "random_channel_shift",
    "random_rotation",
    "random_shear",
    "random_shift",
    "random_zoom",
    "save_img",
    "transform_matrix_offset_center",
]
offer(__name__)

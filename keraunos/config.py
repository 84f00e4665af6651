"""Settings that hold everywhere (``keras.config``)."""

from keraunos.core.dtypes import dtype_policy, set_dtype_policy
from keraunos.utils.config import (
    epsilon,
    floatx,
    image_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
)
from keraunos.utils.modules import offer

__all__ = [
    "dtype_policy", "epsilon", "floatx", "image_data_format", "set_dtype_policy", "set_epsilon", "set_floatx",
    "set_image_data_format",
]  # fmt: skip
offer(__name__)

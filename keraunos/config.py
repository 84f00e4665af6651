"""Settings that hold everywhere (``keras.config``)."""

from keraunos.core.dtypes import dtype_policy, set_dtype_policy
from keraunos.utils.config import (
    disable_traceback_filtering,
    enable_traceback_filtering,
    epsilon,
    floatx,
    image_data_format,
    is_traceback_filtering_enabled,
    set_epsilon,
    set_floatx,
    set_image_data_format,
)
from keraunos.utils.modules import offer

__all__ = [
    "disable_traceback_filtering", "dtype_policy", "enable_traceback_filtering", "epsilon", "floatx",
    "image_data_format", "is_traceback_filtering_enabled", "set_dtype_policy", "set_epsilon", "set_floatx",
    "set_image_data_format",
]  # fmt: skip
offer(__name__)

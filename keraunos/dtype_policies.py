"""Dtype policies (``keras.dtype_policies``)."""

from keraunos.core.dtypes import DTypePolicy, get, serialize
from keraunos.utils.modules import offer

__all__ = ["DTypePolicy", "get", "serialize"]
offer(__name__)

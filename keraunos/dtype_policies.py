"""Dtype policies (``keras.dtype_policies``)."""

from keraunos.core.dtypes import DTypePolicy, get, serialize

__all__ = ["DTypePolicy", "get", "serialize"]

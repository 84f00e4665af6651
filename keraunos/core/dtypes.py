"""Dtype policies: in which type a layer computes, and in which it keeps its weights."""

from typing import Any

from keraunos.utils import config
from keraunos.utils.errors import ArgumentError
from keraunos.utils.text import suggestion

FLOATS = ("float16", "bfloat16", "float32", "float64")
_NAMES = (
    *FLOATS,
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "bool",
    "mixed_float16",
    "mixed_bfloat16",
)


class DTypePolicy:
    """Compute type and weight type under one name.

    Args:
        name: A dtype, or ``mixed_float16`` or ``mixed_bfloat16`` (compute in
            16 bits, keep weights in float32).

    >>> policy = DTypePolicy("mixed_bfloat16")
    >>> policy.compute_dtype, policy.variable_dtype
    ('bfloat16', 'float32')
    """

    def __init__(self, name: str | None = None) -> None:
        name = str(name or config.floatx())
        if name not in _NAMES:
            raise ArgumentError(f"dtype is {name!r}, which is no dtype and no policy.{suggestion(name, _NAMES)}")
        self.name = name
        mixed = name.startswith("mixed_")
        self.compute_dtype = name.removeprefix("mixed_")
        self.variable_dtype = "float32" if mixed else name

    def get_config(self) -> dict[str, Any]:
        """The name."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "DTypePolicy":
        """Policy of a config."""
        return cls(**config)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, DTypePolicy) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f'<DTypePolicy "{self.name}">'


_default: list[DTypePolicy] = []


def dtype_policy() -> DTypePolicy:
    """The policy of layers that are given none."""
    return _default[0] if _default else DTypePolicy(config.floatx())


def set_dtype_policy(policy: Any) -> None:
    """Set the policy of layers that are given none."""
    _default[:] = [get(policy)]


def get(identifier: Any) -> DTypePolicy:
    """Policy from a name, a config, a NumPy dtype, or itself."""
    if identifier is None:
        return dtype_policy()
    if isinstance(identifier, DTypePolicy):
        return identifier
    if isinstance(identifier, dict):
        return DTypePolicy(identifier.get("config", identifier).get("name"))
    return DTypePolicy(getattr(identifier, "name", None) or getattr(identifier, "__name__", None) or str(identifier))


def serialize(policy: DTypePolicy) -> dict[str, Any]:
    """Config as Keras 3 writes it."""
    return {"module": "keras", "class_name": "DTypePolicy", "config": policy.get_config(), "registered_name": None}

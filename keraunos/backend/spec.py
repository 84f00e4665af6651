"""What is known of a tensor before it has values: shape and dtype."""

from collections.abc import Sequence
from typing import Any


class TensorSpec:
    """Shape (``None`` where a size is open) and dtype of a tensor that does not exist yet."""

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: Sequence[int | None], dtype: str = "float32") -> None:
        self.shape = tuple(None if size is None else int(size) for size in shape)
        self.dtype = str(dtype)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, TensorSpec) and (self.shape, self.dtype) == (other.shape, other.dtype)

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype))

    def __repr__(self) -> str:
        return f"TensorSpec({self.shape}, {self.dtype!r})"

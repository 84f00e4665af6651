"""Low-rank adaptation: train two thin matrices instead of a layer's large one."""

from typing import Annotated, Any, ClassVar, Self, SupportsFloat, SupportsIndex

from keraunos.backend import K
from keraunos.core.fields import Converted, Field, real
from keraunos.layers.layer import Layer
from keraunos.utils.errors import ArgumentError, NotBuiltError, UsageError


def _rank(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
        raise ArgumentError("expected a positive whole number, or None.")
    return int(value)


Rank = Annotated[Converted[int | None, SupportsIndex | None], Field(_rank)]
Alpha = Annotated[Converted[float | None, SupportsFloat | None], Field(real(optional=True))]


class Adaptable(Layer):
    """Base of layers with a matrix ``W`` that can be frozen and adapted: ``W + lora_alpha / lora_rank * a @ b``.

    A subclass ends with the arguments ``lora_rank`` and ``lora_alpha``, makes its
    matrix in ``build``, then calls ``adapt()``, and computes with ``adapted_weight()``.

    Reference: Hu et al. 2021, "LoRA: low-rank adaptation of large language models".
    """

    adapted: ClassVar[str] = "kernel"
    lora_enabled = False
    lora_rank = None  # type: int | None
    lora_alpha = None  # type: float | None

    def enable_lora(
        self,
        rank: int,
        lora_alpha: float | None = None,
        a_initializer: Any = "he_uniform",
        b_initializer: Any = "zeros",
    ) -> None:
        """Freeze the matrix and add two trainable ones of a rank, which change nothing at first.

        Args:
            rank: Columns of the first and rows of the second matrix.
            lora_alpha: Scale of their product, times ``rank``; ``rank`` if not given.
            a_initializer, b_initializer: First values.

        Raises:
            NotBuiltError: there is no matrix yet.
            UsageError: done before, or the matrix has a constraint, which the sum would not keep.
        """
        if not self.built and not hasattr(self, self.adapted):
            raise NotBuiltError(
                f"{self.name}: enable_lora needs the weights. Call the layer on data or build() it first."
            )
        weight = getattr(self, self.adapted)
        if self.lora_enabled:
            raise UsageError(f"{self.name}: LoRA is enabled already, with rank {self.lora_rank}.")
        if weight.constraint is not None:
            raise UsageError(
                f"{self.name}: LoRA cannot keep the constraint of {self.adapted!r}. Remove the constraint."
            )
        self.lora_rank = _rank(rank)
        self.lora_alpha = rank if lora_alpha is None else lora_alpha
        for letter, shape, initializer in (
            ("a", (*weight.shape[:-1], rank), a_initializer),
            ("b", (rank, weight.shape[-1]), b_initializer),
        ):
            name = f"lora_{self.adapted}_{letter}"
            thin = self.add_weight(
                name, shape, initializer=initializer, dtype="float32", regularizer=weight.regularizer
            )
            setattr(self, name, thin)
        weight.trainable = False
        self.lora_enabled = True

    def adapt(self) -> None:
        """Enable the adaptation in ``build`` if ``lora_rank`` asks for it."""
        if self.lora_rank:
            self.enable_lora(self.lora_rank, self.lora_alpha)

    def adapted_weight(self) -> Any:
        """The matrix with which to compute."""
        weight = getattr(self, self.adapted)
        if not self.lora_enabled:
            return weight
        a, b = (getattr(self, f"lora_{self.adapted}_{letter}") for letter in "ab")
        return weight + K.cast(self.lora_alpha / self.lora_rank * K.matmul(a, b), K.dtype(weight.value))

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if self.lora_rank:
            config["lora_alpha"] = self.lora_rank if self.lora_alpha is None else self.lora_alpha
        else:
            del config["lora_rank"], config["lora_alpha"]
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        config = dict(config)
        if config.pop("quantization_config", None) is not None:
            raise ArgumentError(f"{cls.__name__}: the layer is quantized, which is not supported. Save it in float32.")
        return super().from_config(config)

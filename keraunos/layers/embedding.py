"""Embedding: a learned vector for each whole number."""

from dataclasses import KW_ONLY
from typing import Annotated, Any, SupportsFloat

from keraunos.backend import K
from keraunos.core.fields import Converted, Field, PositiveInt, real
from keraunos.core.scope import current_scope, lookups_are_checked, next_key
from keraunos.layers.arguments import Constraint, Initializer, Regularizer
from keraunos.layers.layer import LAYERS
from keraunos.layers.lora import Adaptable, Alpha, Rank
from keraunos.utils.errors import ArgumentError

HiddenRate = Annotated[Converted[float, SupportsFloat], Field(real(0, 1), hidden=True)]


@LAYERS.register()
class Embedding(Adaptable):
    """Row of a table for each whole number: ``embeddings[inputs]``.

    Input shape:  ``(batch, ...)`` of whole numbers from 0 to ``input_dim - 1``
    Output shape: ``(batch, ..., output_dim)``

    A number that is no row of the table is an error in eager code, and in ``fit``, ``evaluate`` and ``predict``
    where the numbers follow from the data. Where a compiled function computes them nothing can be raised: there
    its row is NaN.

    Args:
        input_dim: How many numbers there are: the largest one plus 1.
        output_dim: Width of each vector.
        embeddings_initializer: First values of the table.
        embeddings_regularizer: Function added to the loss.
        embeddings_constraint: Function applied after each update.
        mask_zero: Whether 0 means "no entry": later layers get a mask that leaves it out.
        lora_rank, lora_alpha: Rank and scale of a low-rank adaptation; see ``enable_lora``.
        dropout: Share of the rows that a training step sees as zeros, from 0 to 1, the others growing to keep the
            mean: whole words are dropped, wherever they occur (Gal and Ghahramani 2016).

    Raises:
        ArgumentError: a number out of range, or fractions instead of whole numbers.

    >>> Embedding(1000, 8).compute_output_shape((None, 20))
    (None, 20, 8)
    """

    input_dim: PositiveInt
    output_dim: PositiveInt
    embeddings_initializer: Initializer = "uniform"
    embeddings_regularizer: Regularizer = None
    embeddings_constraint: Constraint = None
    mask_zero: bool = False
    lora_rank: Rank = None
    lora_alpha: Alpha = None
    _: KW_ONLY
    dropout: HiddenRate = 0.0

    adapted = "embeddings"
    batch_coupled = False

    def setup(self) -> None:
        self.supports_masking = self.mask_zero
        self.autocast = False  # inputs are numbers of rows, and 16 bits could not hold them

    def build(self, input_shape: Any = None) -> None:
        self.embeddings = self.add_weight("embeddings", (self.input_dim, self.output_dim))
        self.adapt()

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        checked = self._check_rows(inputs) if current_scope() is None else lookups_are_checked(self)
        table = self.adapted_weight()
        if training and 0 < self.dropout < 1:
            kept = K.random_uniform(next_key(), (self.input_dim, 1)) >= self.dropout
            table = table * (K.cast(kept, K.dtype(table)) / (1 - self.dropout))
        outputs = K.take(table, K.cast(inputs, "int32"), 0)
        if not checked:
            outputs = K.where(K.expand_dims(self._valid(inputs), -1), outputs, float("nan"))
        return K.cast(outputs, self.compute_dtype)

    def _valid(self, inputs: Any) -> Any:
        """Which inputs are rows of the table."""
        inside = K.logical_and(K.greater_equal(inputs, 0), K.less(inputs, self.input_dim))
        return K.logical_and(inside, K.equal(inputs, K.floor(inputs))) if "float" in K.dtype(inputs) else inside

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return K.not_equal(inputs, 0) if self.mask_zero else None

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {"activity_regularizer": None, **config, "quantization_config": None}

    def _check_rows(self, inputs: Any) -> bool:
        """Refuse inputs that are no rows; whether there were values to look at."""
        try:
            rows = K.to_numpy(inputs)
        except Exception:  # inside a compiled function there are no values to look at
            return False
        if rows.size == 0:
            return True
        if rows.dtype.kind not in "iub" and (rows != rows.round()).any():
            fraction = rows[rows != rows.round()].flat[0]
            raise ArgumentError(
                f"{self.name}: inputs hold {fraction:g}, but rows are looked up by whole numbers. "
                "Convert the inputs to whole numbers, or use a Dense layer for measurements."
            )
        for found in (rows.min(), rows.max()):
            if not 0 <= found < self.input_dim:
                advice = f"Make it larger (input_dim={int(rows.max()) + 1})" if found > 0 else "Number the rows from 0"
                raise ArgumentError(
                    f"{self.name}: inputs hold {found:g}, but the table has rows 0 to {self.input_dim - 1}. "
                    f"{advice}, or correct the inputs."
                )
        return True

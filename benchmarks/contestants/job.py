"""What every contestant does with a workload."""

from abc import ABC, abstractmethod
from typing import Any


class Job(ABC):
    """A network of one contestant, ready to be trained."""

    @abstractmethod
    def fit(self, x: Any, y: Any, epochs: int) -> list[float]:
        """Trains; every epoch is shuffled, and its loss and accuracy are kept. Returns those of the last."""

    @abstractmethod
    def predict(self, x: Any) -> Any:
        """Outputs for rows, batch by batch, as a NumPy array."""

    @abstractmethod
    def evaluate(self, x: Any, y: Any) -> list[float]:
        """Loss and accuracy."""

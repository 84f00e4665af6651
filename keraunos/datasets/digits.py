"""Digits: 1,797 handwritten digits of 8 x 8 pixels (Alpaydin and Kaynak, 1998); inside the package."""

from pathlib import Path

from keraunos.datasets.preparing import Pair, split
from keraunos.datasets.reading import read_npz
from keraunos.utils.modules import offer

__all__ = ["load_data"]
offer(__name__)

_FILE = Path(__file__).parent / "data" / "digits.npz"


def load_data(test_split: float = 0.2, seed: int = 113) -> tuple[Pair, Pair]:
    """Images of digits, and the digits they show: MNIST in small.

    Args:
        test_split: Fraction to test with, at least 0 and below 1.
        seed: Seed of the shuffle.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: uint8 images of shape (n, 8, 8), 0 for white
        paper to 16, and uint8 digits of shape (n,).

    Raises:
        ArgumentError: ``test_split`` is out of range.

    >>> (x_train, y_train), (x_test, y_test) = load_data()
    >>> x_train.shape, x_test.shape, int(x_train.max())
    ((1437, 8, 8), (360, 8, 8), 16)
    """
    data = read_npz(_FILE, {"x": ((None, 8, 8), "u"), "y": ((None,), "u")})
    return split(data["x"], data["y"], test_split, seed)

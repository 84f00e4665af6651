"""Boston housing: prices and 13 properties of 506 districts (Harrison and Rubinfeld, 1978).

One property, ``B``, rests on a racist assumption about prices, which is why many
collections no longer carry the set. ``california_housing`` serves as well.
"""

from keraunos.datasets.preparing import Pair, split
from keraunos.datasets.reading import KERAS_FILES, check, fetch, read_npz
from keraunos.utils.modules import offer

__all__ = ["load_data"]
offer(__name__)

_HASH = "f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5"


def load_data(path: str = "boston_housing.npz", test_split: float = 0.2, seed: int = 113) -> tuple[Pair, Pair]:
    """Properties of districts, and the median price of a house there in thousands of dollars.

    Args:
        path: Name of the file in the ``datasets`` folder of a cache, or an absolute path.
        test_split: Fraction to test with, at least 0 and below 1.
        seed: Seed of the shuffle.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: float64 arrays of shapes (n, 13) and (n,).

    Raises:
        ArgumentError: ``test_split`` is out of range.
        DownloadError: The file is not in a cache and cannot be fetched.
        DataError: The file holds something else.
    """
    file = fetch(path, KERAS_FILES + "boston_housing.npz", _HASH)
    data = read_npz(file, {"x": ((None, 13), "f"), "y": ((None,), "f")})
    check(file, len(data["x"]) == len(data["y"]), f"{len(data['x']):,} districts have {len(data['y']):,} prices")
    return split(data["x"], data["y"], test_split, seed)

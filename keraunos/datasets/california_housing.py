"""California housing: prices and 8 properties of 20,640 districts in the census of 1990 (Pace and Barry, 1997)."""

from keraunos.datasets.preparing import Pair, split
from keraunos.datasets.reading import KERAS_FILES, check, fetch, read_npz
from keraunos.utils.errors import ArgumentError
from keraunos.utils.modules import offer
from keraunos.utils.text import suggestion

__all__ = ["load_data"]
offer(__name__)

_HASH = "1a2e3a52e0398de6463aebe6f4a8da34fb21fbb6b934cf88c3425e766f2a1a6f"
_ROWS = {"small": 600, "large": None}


def load_data(
    version: str = "large", path: str = "california_housing.npz", test_split: float = 0.2, seed: int = 113
) -> tuple[Pair, Pair]:
    """Properties of districts, and the median price of a house there in dollars.

    The columns: longitude, latitude, median age of the houses, rooms, bedrooms,
    inhabitants, households, median income in tens of thousands of dollars.

    Args:
        version: ``"large"`` for all districts, ``"small"`` for the first 600.
        path: Name of the file in the ``datasets`` folder of a cache, or an absolute path.
        test_split: Fraction to test with, at least 0 and below 1.
        seed: Seed of the shuffle.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: float32 arrays of shapes (n, 8) and (n,).

    Raises:
        ArgumentError: ``test_split`` is out of range, or another version.
        DownloadError: The file is not in a cache and cannot be fetched.
        DataError: The file holds something else.
    """
    if version not in _ROWS:
        raise ArgumentError(f"version is {version!r}.{suggestion(version, _ROWS)}")
    file = fetch(path, KERAS_FILES + "california_housing.npz", _HASH)
    data = read_npz(file, {"x": ((None, 8), "f"), "y": ((None,), "f")})
    check(file, len(data["x"]) == len(data["y"]), f"{len(data['x']):,} districts have {len(data['y']):,} prices")
    rows = slice(_ROWS[version])
    return split(data["x"][rows], data["y"][rows], test_split, seed)

"""MNIST: 70,000 handwritten digits of 28 x 28 pixels (LeCun, Bottou, Bengio and Haffner, 1998; CC BY-SA 3.0)."""

from keraunos.datasets.preparing import Pair
from keraunos.datasets.reading import KERAS_FILES, check, fetch, read_npz
from keraunos.utils.modules import offer

__all__ = ["load_data"]
offer(__name__)

_HASH = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"


def load_data(path: str = "mnist.npz") -> tuple[Pair, Pair]:
    """60,000 images to train on and 10,000 to test with, and the digits they show.

    Args:
        path: Name of the file in the ``datasets`` folder of a cache, or an absolute path.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: uint8 images of shape (n, 28, 28), 0 for
        white paper to 255, and uint8 digits of shape (n,).

    Raises:
        DownloadError: The file is not in a cache and cannot be fetched.
        DataError: The file holds something else.
    """
    file = fetch(path, KERAS_FILES + "mnist.npz", _HASH)
    images, digits = ((None, 28, 28), "u"), ((None,), "u")
    data = read_npz(file, {"x_train": images, "y_train": digits, "x_test": images, "y_test": digits})
    train, test = (data["x_train"], data["y_train"]), (data["x_test"], data["y_test"])
    for x, y in (train, test):
        check(file, len(x) == len(y), f"{len(x):,} images have {len(y):,} labels")
        check(file, y.max(initial=0) < 10, f"a label is {y.max(initial=0)}; expected 0 to 9")
    return train, test

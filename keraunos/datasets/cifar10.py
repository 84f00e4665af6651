"""CIFAR-10: 60,000 colour pictures of 32 x 32 pixels in ten kinds (Krizhevsky, 2009)."""

import numpy as np

from keraunos.datasets.preparing import Pair
from keraunos.datasets.reading import cifar_batch, cifar_folder
from keraunos.utils.modules import offer

__all__ = ["load_data"]
offer(__name__)

_ORIGIN = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
_HASH = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"


def load_data() -> tuple[Pair, Pair]:
    """50,000 pictures to train on and 10,000 to test with, and the kind of thing they show.

    The kinds, 0 to 9: airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: uint8 images of shape (n, 32, 32, 3), or (n, 3, 32, 32)
        where ``image_data_format`` is channels_first, and uint8 kinds of shape (n, 1).

    Raises:
        DownloadError: The archive is not in a cache and cannot be fetched.
        DataError: A file of it holds something else.
    """
    folder = cifar_folder("cifar-10-batches-py", _ORIGIN, _HASH)
    batches = [cifar_batch(folder / f"data_batch_{number}", "labels", 10) for number in range(1, 6)]
    x, y = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return (x, y), cifar_batch(folder / "test_batch", "labels", 10)

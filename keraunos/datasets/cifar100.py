"""CIFAR-100: 60,000 colour pictures of 32 x 32 pixels in a hundred kinds of twenty groups (Krizhevsky, 2009)."""

from keraunos.datasets.preparing import Pair
from keraunos.datasets.reading import cifar_batch, cifar_folder
from keraunos.utils.errors import ArgumentError
from keraunos.utils.modules import offer
from keraunos.utils.text import suggestion

__all__ = ["load_data"]
offer(__name__)

_ORIGIN = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
_HASH = "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7"
_KINDS = {"fine": 100, "coarse": 20}


def load_data(label_mode: str = "fine") -> tuple[Pair, Pair]:
    """50,000 pictures to train on and 10,000 to test with, and the kind of thing they show.

    Args:
        label_mode: ``"fine"`` for the hundred kinds, ``"coarse"`` for the twenty groups.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: uint8 images of shape (n, 32, 32, 3), or (n, 3, 32, 32)
        where ``image_data_format`` is channels_first, and labels of shape (n, 1).

    Raises:
        ArgumentError: Another ``label_mode``.
        DownloadError: The archive is not in a cache and cannot be fetched.
        DataError: A file of it holds something else.
    """
    if label_mode not in _KINDS:
        raise ArgumentError(f"label_mode is {label_mode!r}.{suggestion(label_mode, _KINDS)}")
    folder = cifar_folder("cifar-100-python", _ORIGIN, _HASH)
    train, test = (cifar_batch(folder / part, f"{label_mode}_labels", _KINDS[label_mode]) for part in ("train", "test"))
    return train, test

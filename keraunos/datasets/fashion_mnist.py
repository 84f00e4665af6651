"""Fashion-MNIST: 70,000 pictures of clothes of 28 x 28 pixels (Xiao, Rasul and Vollgraf, 2017; MIT licence)."""

from keraunos.datasets.preparing import Pair
from keraunos.datasets.reading import check, fetch, read_idx
from keraunos.utils.modules import offer

__all__ = ["load_data"]
offer(__name__)

_ORIGIN = "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/"
_HASHES = {
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}


def load_data() -> tuple[Pair, Pair]:
    """60,000 pictures to train on and 10,000 to test with, and the kind of thing they show.

    The kinds, 0 to 9: T-shirt or top, trouser, pullover, dress, coat, sandal,
    shirt, sneaker, bag, ankle boot.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: uint8 images of shape (n, 28, 28) and uint8 kinds of shape (n,).

    Raises:
        DownloadError: A file is not in a cache and cannot be fetched.
        DataError: A file holds something else.
    """
    return _load("train"), _load("t10k")


def _load(part: str) -> Pair:
    images, labels = f"{part}-images-idx3-ubyte.gz", f"{part}-labels-idx1-ubyte.gz"
    file, label_file = (
        fetch(name, _ORIGIN + name, _HASHES[name], "datasets/fashion-mnist") for name in (images, labels)
    )
    x, y = read_idx(file, 3), read_idx(label_file, 1)
    check(file, x.shape[1:] == (28, 28), f"its images have shape {x.shape[1:]}; expected (28, 28)")
    check(label_file, len(x) == len(y), f"{len(x):,} images have {len(y):,} labels")
    check(label_file, y.max(initial=0) < 10, f"a label is {y.max(initial=0)}; expected 0 to 9")
    return x, y

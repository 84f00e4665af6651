"""Modules that old scripts import and that are gone, or not installed, made of what is here."""

import array
import functools
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from keraunos.utils.errors import DataError

# --- sklearn.cross_validation -----------------------------------------------------------


class Folds:
    """Splits of a known number of samples, as iterators of scikit-learn before 0.18 were: over (train, test) rows."""

    def __init__(self, splitter: Any, size: int, labels: Any = None) -> None:
        self._splitter, self._size, self._labels = splitter, size, labels

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        import numpy as np

        return self._splitter.split(np.zeros((self._size, 1)), self._labels)

    def __len__(self) -> int:
        import numpy as np

        return self._splitter.get_n_splits(np.zeros((self._size, 1)), self._labels)


def cross_validation() -> dict[str, Any]:
    """What ``sklearn.cross_validation`` held: today's functions, and splitters that take the data first."""
    from sklearn import model_selection as today

    class KFold(Folds):
        """``KFold(n, n_folds=3, shuffle=False, random_state=None)``."""

        def __init__(self, n: int, n_folds: int = 3, shuffle: bool = False, random_state: Any = None) -> None:
            super().__init__(today.KFold(n_folds, shuffle=shuffle, random_state=random_state), n)

    class StratifiedKFold(Folds):
        """``StratifiedKFold(y, n_folds=3, shuffle=False, random_state=None)``."""

        def __init__(self, y: Any, n_folds: int = 3, shuffle: bool = False, random_state: Any = None) -> None:
            super().__init__(today.StratifiedKFold(n_folds, shuffle=shuffle, random_state=random_state), len(y), y)

    class LeaveOneOut(Folds):
        """``LeaveOneOut(n)``."""

        def __init__(self, n: int) -> None:
            super().__init__(today.LeaveOneOut(), n)

    class ShuffleSplit(Folds):
        """``ShuffleSplit(n, n_iter=10, test_size=0.1, train_size=None, random_state=None)``."""

        def __init__(
            self, n: int, n_iter: int = 10, test_size: Any = 0.1, train_size: Any = None, random_state: Any = None
        ) -> None:
            splitter = today.ShuffleSplit(n_iter, test_size=test_size, train_size=train_size, random_state=random_state)
            super().__init__(splitter, n)

    class StratifiedShuffleSplit(Folds):
        """``StratifiedShuffleSplit(y, n_iter=10, test_size=0.1, train_size=None, random_state=None)``."""

        def __init__(
            self, y: Any, n_iter: int = 10, test_size: Any = 0.1, train_size: Any = None, random_state: Any = None
        ) -> None:
            splitter = today.StratifiedShuffleSplit(
                n_iter, test_size=test_size, train_size=train_size, random_state=random_state
            )
            super().__init__(splitter, len(y), y)

    own = (KFold, StratifiedKFold, LeaveOneOut, ShuffleSplit, StratifiedShuffleSplit)
    names = "train_test_split cross_val_score cross_val_predict permutation_test_score PredefinedSplit check_cv".split()
    return {**{name: getattr(today, name) for name in names}, **{one.__name__: one for one in own}}


# --- python-mnist -----------------------------------------------------------------------


class MNIST:
    """Digits from the four IDX files of a folder, as python-mnist reads them: lists of lists, and arrays of bytes.

    Args:
        path: The folder with ``train-images-idx3-ubyte`` and the three others.
        mode: ``"vanilla"``, the only one.
        return_type: ``"lists"`` or ``"numpy"``.
        gz: Whether the files are packed and end in ``.gz``; found out where they say it themselves.
    """

    def __init__(self, path: str = ".", mode: str = "vanilla", return_type: str = "lists", gz: bool = False) -> None:
        if mode != "vanilla" or return_type not in ("lists", "numpy"):
            raise ValueError(f"mode {mode!r} with return_type {return_type!r} needs the package python-mnist")
        self.path, self.return_type, self.gz = path, return_type, gz

    def load_training(self) -> tuple[Any, Any]:
        """60,000 images of 784 numbers, and their digits."""
        return self._load("train")

    def load_testing(self) -> tuple[Any, Any]:
        """10,000 images of 784 numbers, and their digits."""
        return self._load("t10k")

    def _load(self, stem: str) -> tuple[Any, Any]:
        images = self._read(f"{stem}-images-idx3-ubyte", 3)
        labels = self._read(f"{stem}-labels-idx1-ubyte", 1)
        if len(images) != len(labels):
            raise DataError(f"{self.path}: {len(images):,} images have {len(labels):,} labels.")
        return _as_asked(self, images, labels)

    def _read(self, name: str, dimensions: int) -> Any:
        from keraunos.datasets.reading import read_idx

        return read_idx(Path(self.path) / f"{name}{'.gz' if self.gz else ''}", dimensions)


def from_cache(part: int) -> Callable[[Any, Callable[[], None]], Any]:
    """Maker of ``load_training`` (0) or ``load_testing`` (1) that does without the folder of the files."""

    def make(load: Any, say: Callable[[], None]) -> Any:
        @functools.wraps(load)
        def call(self: Any) -> tuple[Any, Any]:
            if os.path.exists(self.path):
                return load(self)
            from keraunos.datasets import mnist

            say()
            return _as_asked(self, *mnist.load_data()[part])

        return call

    return make


def _as_asked(reader: Any, images: Any, labels: Any) -> tuple[Any, Any]:
    images = images.reshape(len(images), -1)
    if reader.return_type == "numpy":
        return images, labels
    return images.tolist(), array.array("B", labels.tobytes())


def mnist() -> dict[str, Any]:
    """What ``mnist`` holds."""
    return {"MNIST": MNIST}


# --- six --------------------------------------------------------------------------------


def six() -> dict[str, Any]:
    """The part of ``six`` that scripts use, as it is on Python 3."""
    return {
        "PY2": False,
        "PY3": True,
        "string_types": (str,),
        "integer_types": (int,),
        "class_types": (type,),
        "text_type": str,
        "binary_type": bytes,
        "MAXSIZE": sys.maxsize,
        "iteritems": lambda mapping: iter(mapping.items()),
        "iterkeys": lambda mapping: iter(mapping.keys()),
        "itervalues": lambda mapping: iter(mapping.values()),
        "next": next,
        "callable": callable,
        "u": lambda text: text,
        "b": lambda text: text.encode("latin-1"),
        "StringIO": importlib.import_module("io").StringIO,
        "BytesIO": importlib.import_module("io").BytesIO,
        "with_metaclass": lambda meta, *bases: meta("NewBase", bases, {}),
        "add_metaclass": _add_metaclass,
        "wraps": functools.wraps,
        "reraise": _reraise,
        "raise_from": _raise_from,
        "viewitems": lambda mapping: mapping.items(),
        "viewkeys": lambda mapping: mapping.keys(),
        "viewvalues": lambda mapping: mapping.values(),
        "iterlists": lambda mapping: iter(mapping.lists()),
        "python_2_unicode_compatible": lambda cls: cls,
        "ensure_str": _text,
        "ensure_text": _text,
        "ensure_binary": lambda text, encoding="utf-8", errors="strict": (
            text.encode(encoding, errors) if isinstance(text, str) else text
        ),
        "unichr": chr,
        "int2byte": lambda number: bytes((number,)),
        "byte2int": lambda text: text[0],
        "indexbytes": lambda text, place: text[place],
        "iterbytes": iter,
        "advance_iterator": next,
        "get_function_code": lambda function: function.__code__,
        "get_function_defaults": lambda function: function.__defaults__,
        "get_method_function": lambda method: method.__func__,
        "get_method_self": lambda method: method.__self__,
        "exec_": exec,
        "PY34": True,
        "print_": print,
    }


def _text(text: Any, encoding: str = "utf-8", errors: str = "strict") -> str:
    return text.decode(encoding, errors) if isinstance(text, bytes) else text


def _reraise(kind: Any, value: BaseException | None, traceback: Any = None) -> None:
    """Raise an exception with the traceback that it was caught with."""
    error = kind() if value is None else value
    raise error.with_traceback(traceback or error.__traceback__)


def _raise_from(value: BaseException, cause: BaseException | None) -> None:
    raise value from cause


def _add_metaclass(meta: type) -> Callable[[type], type]:
    """Decorator of a class that makes it anew with a metaclass."""

    def made(cls: type) -> type:
        body = dict(vars(cls))
        slots = body.get("__slots__", ())
        for name in ("__dict__", "__weakref__", *((slots,) if isinstance(slots, str) else slots)):
            body.pop(name, None)
        anew: type = meta(cls.__name__, cls.__bases__, body)
        return anew

    return made


def six_moves() -> dict[str, Any]:
    """The part of ``six.moves`` that scripts use."""
    import builtins

    names = {"cPickle": "pickle", "queue": "queue", "configparser": "configparser", "html_parser": "html.parser"}
    return {
        **{name: importlib.import_module(module) for name, module in names.items()},
        **{name: getattr(builtins, name) for name in "range map zip filter input".split()},
        "xrange": range,
        "reduce": functools.reduce,
        "StringIO": importlib.import_module("io").StringIO,
        "zip_longest": importlib.import_module("itertools").zip_longest,
    }


# --- modules under another name ---------------------------------------------------------


def contents_of(module: str) -> dict[str, Any]:
    """What another module holds, under its own names."""
    there = vars(importlib.import_module(module))
    return {name: value for name, value in there.items() if not name.startswith("__")}

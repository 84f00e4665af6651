"""What functions and methods that pandas, SciPy, scikit-learn, seaborn and matplotlib have dropped used to do."""

import functools
import inspect
import os
import re
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from keraunos.utils.errors import DataError

Say = Callable[[], None]

# --- calls that are today's but for some words -------------------------------------------


def renamed(**words: str) -> Callable[[Any, Say], Any]:
    """Maker of a wrapper that takes arguments under old names too.

    >>> old = renamed(size="height")(lambda height: height, lambda: None)
    >>> old(size=3), old(height=4)
    (3, 4)
    """

    def make(function: Any, say: Say) -> Any:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            for old in words.keys() & kwargs.keys():
                say()
                kwargs[words[old]] = kwargs.pop(old)
            return function(*args, **kwargs)

        return call

    return make


def any_mode(init: Any, say: Say) -> Any:
    """The constructor of a file that, where no mode is given, may be read and written, and is made if it is not there."""

    @functools.wraps(init)
    def call(self: Any, name: Any, mode: str | None = None, *args: Any, **kwargs: Any) -> None:
        if mode is None:
            say()
            fixed = isinstance(name, (str, os.PathLike)) and os.path.exists(name) and not os.access(name, os.W_OK)
            mode = "r" if fixed else "a"
        init(self, name, mode, *args, **kwargs)

    return call


def positional(
    *names: str, first: int = 1, fits: Callable[[tuple[Any, ...]], bool] = bool
) -> Callable[[Any, Say], Any]:
    """Maker of a wrapper that takes arguments by position which are taken by name only today.

    Args:
        names: What the positions from ``first`` on are called.
        first: How many arguments may stand by position today.
        fits: Whether such arguments are given in the old order.
    """

    def make(function: Any, say: Say) -> Any:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            if len(args) > first and fits(args[first:]):
                say()
                kwargs |= dict(zip(names, args[first:], strict=False))
                args = args[:first]
            return function(*args, **kwargs)

        return call

    return make


# --- NumPy ------------------------------------------------------------------------------


def make_in1d(numpy: Any) -> Any:
    """``in1d``: ``isin`` of flat arrays."""
    return lambda ar1, ar2, **options: numpy.isin(numpy.asarray(ar1).ravel(), ar2, **options)


def make_asfarray(numpy: Any) -> Any:
    """``asfarray``: an array of floating-point numbers."""
    return lambda a, dtype=float: numpy.asarray(a, dtype=dtype)


# --- pandas -----------------------------------------------------------------------------


class Ix:
    """``.ix`` of pandas 0.x: on each axis labels first, and positions where integers cannot be labels."""

    def __init__(self, of: Any) -> None:
        self._of = of

    def __getitem__(self, key: Any) -> Any:
        indexer, key = self._indexer(key)
        return indexer[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        indexer, key = self._indexer(key)
        indexer[key] = value

    def _indexer(self, key: Any) -> tuple[Any, Any]:
        """``loc`` or ``iloc``, and the key for it."""
        frame = self._of.ndim == 2
        keys = list(key) if frame and isinstance(key, tuple) and len(key) == 2 else [key]
        axes = list(self._of.axes)[: len(keys)]
        by_position = [_means_position(axis, one) for axis, one in zip(axes, keys, strict=True)]
        if not any(by_position):
            return self._of.loc, key
        if not all(by_position):
            keys = [
                one if position else _positions(axis, one)
                for axis, one, position in zip(axes, keys, by_position, strict=True)
            ]
        return self._of.iloc, tuple(keys) if len(keys) > 1 else keys[0]


def _means_position(axis: Any, key: Any) -> bool:
    import numpy as np
    import pandas as pd

    if pd.api.types.is_numeric_dtype(axis.dtype) and not pd.api.types.is_bool_dtype(axis.dtype):
        return False  # numbers are labels there
    if isinstance(key, slice):
        ends = [end for end in (key.start, key.stop) if end is not None]
        return bool(ends) and all(isinstance(end, (int, np.integer)) for end in ends)
    if isinstance(key, (int, np.integer)) and not isinstance(key, (bool, np.bool_)):
        return key not in axis
    if pd.api.types.is_list_like(key) and not isinstance(key, tuple):
        dtype = np.asarray(key).dtype
        return len(key) > 0 and dtype.kind in "iu" and not set(key) & set(axis)
    return False


def _positions(axis: Any, key: Any) -> Any:
    import numpy as np
    import pandas as pd

    if isinstance(key, slice):
        return axis.slice_indexer(key.start, key.stop, key.step)
    if callable(key) or not pd.api.types.is_list_like(key):
        return axis.get_loc(key)
    if np.asarray(key).dtype == bool:
        return np.asarray(key)
    found = axis.get_indexer_for(key)
    if (found < 0).any():
        raise KeyError(f"{[one for one, place in zip(key, found, strict=False) if place < 0]} not in index")
    return found


def as_matrix(self: Any, columns: Any = None) -> Any:
    """The values, of some columns or of all."""
    return self.values if columns is None else self[columns].values


def append_rows(
    self: Any, other: Any, ignore_index: bool = False, verify_integrity: bool = False, sort: bool = False
) -> Any:
    """A frame with the rows of another, of several, or with a ``Series`` or dict as a row, behind its own."""
    import pandas as pd

    if isinstance(other, dict):
        other = pd.Series(other)
    if isinstance(other, pd.Series):
        if other.name is None and not ignore_index:
            raise TypeError("can only append a Series if ignore_index=True or if the Series has a name")
        other = other.to_frame().T.infer_objects()
    elif isinstance(other, list) and other and not hasattr(other[0], "columns"):
        other = pd.DataFrame(other)
    parts = [self, *other] if isinstance(other, (list, tuple)) else [self, other]
    return pd.concat(parts, ignore_index=ignore_index, verify_integrity=verify_integrity, sort=sort)


def append_values(self: Any, to_append: Any, ignore_index: bool = False, verify_integrity: bool = False) -> Any:
    """A series with the values of another, or of several, behind its own."""
    import pandas as pd

    parts = [self, *to_append] if isinstance(to_append, (list, tuple)) else [self, to_append]
    return pd.concat(parts, ignore_index=ignore_index, verify_integrity=verify_integrity)


def sort_frame(self: Any, columns: Any = None, axis: int = 0, ascending: Any = True, inplace: bool = False) -> Any:
    """A frame sorted by columns, or by its index where none are given."""
    if columns is None:
        return self.sort_index(axis=axis, ascending=ascending, inplace=inplace)
    return self.sort_values(columns, axis=axis, ascending=ascending, inplace=inplace)


def get_value(self: Any, index: Any, column: Any) -> Any:
    """One cell."""
    return self.at[index, column]


def value_counts(values: Any, sort: bool = True, ascending: bool = False, normalize: bool = False) -> Any:
    """How often each value stands in an array."""
    import pandas as pd

    return pd.Series(values).value_counts(sort=sort, ascending=ascending, normalize=normalize)


def set_value(self: Any, index: Any, column: Any, value: Any) -> Any:
    """Set one cell, and return the frame."""
    self.at[index, column] = value
    return self


def mean_deviation(self: Any, axis: int = 0) -> Any:
    """Mean absolute deviation from the mean."""
    mean = self.mean(axis=axis)
    return (self - mean).abs().mean() if self.ndim == 1 or axis == 0 else self.sub(mean, axis=0).abs().mean(axis=1)


def rolling(name: str) -> Callable[..., Any]:
    """``pd.rolling_mean(values, window)`` and its kin."""

    def call(arg: Any, window: int, min_periods: int | None = None, center: bool = False, **_: Any) -> Any:
        return getattr(arg.rolling(window, min_periods=min_periods, center=center), name)()

    return call


def fill_by_method(fillna: Any, say: Say) -> Any:
    """``fillna(method="ffill")``, which is ``ffill()`` today."""

    @functools.wraps(fillna)
    def call(self: Any, value: Any = None, method: str | None = None, axis: Any = None, **kwargs: Any) -> Any:
        if method is None:
            return fillna(self, value, **({} if axis is None else {"axis": axis}), **kwargs)
        say()
        return getattr(self, {"pad": "ffill", "backfill": "bfill"}.get(method, method))(axis=axis, **kwargs)

    return call


# --- SciPy ------------------------------------------------------------------------------


def bytescale(data: Any, cmin: float | None = None, cmax: float | None = None, high: int = 255, low: int = 0) -> Any:
    """Numbers scaled to bytes: the least becomes ``low``, the greatest ``high``; bytes stay as they are."""
    import numpy as np

    data = np.asarray(data)
    if data.dtype == np.uint8:
        return data
    least, most = data.min() if cmin is None else cmin, data.max() if cmax is None else cmax
    scale = float(high - low) / ((most - least) or 1)
    return (((data - least) * scale + low).clip(low, high) + 0.5).astype(np.uint8)


def imread(name: Any, flatten: bool = False, mode: str | None = None) -> Any:
    """An image file as an array, in one colour where ``flatten``; ``OSError`` where it is none."""
    import numpy as np
    from PIL import Image

    with Image.open(name) as file:
        image: Image.Image = file
        if mode is not None:
            image = image.convert(mode)
        elif image.mode == "P":
            image = image.convert("RGBA" if "transparency" in image.info else "RGB")
        elif image.mode == "1":
            image = image.convert("L")
        return np.array(image.convert("F") if flatten else image)


def toimage(
    arr: Any, high: int = 255, low: int = 0, cmin: float | None = None, cmax: float | None = None, mode: Any = None
) -> Any:
    """A Pillow image of an array: (rows, columns), or with an axis of 3 or 4 colours."""
    import numpy as np
    from PIL import Image

    data = np.asarray(arr)
    if data.ndim == 2 and mode == "F":
        return Image.fromarray(data.astype(np.float32))
    colours = [axis for axis, size in enumerate(data.shape) if size in (3, 4)] if data.ndim == 3 else []
    if data.ndim == 3 and colours:
        data = np.moveaxis(data, 2 if 2 in colours else colours[0], -1)
    elif data.ndim != 2:
        raise ValueError(
            f"an array of shape {data.shape} is no image; expected 2 axes, or 3 with one of 3 or 4 colours"
        )
    image = Image.fromarray(bytescale(data, cmin, cmax, high, low))
    return image if mode is None else image.convert(mode)


def imsave(name: Any, arr: Any, format: str | None = None) -> None:  # noqa: A002 - SciPy's name
    """Write an array to an image file."""
    toimage(arr).save(name, format)


def imresize(arr: Any, size: Any, interp: str = "bilinear", mode: str | None = None) -> Any:
    """An image in another size: per cent, a fraction, or (rows, columns)."""
    import numpy as np
    from PIL import Image

    image = toimage(arr, mode=mode)
    if isinstance(size, (int, np.integer)):
        size = size / 100.0
    if isinstance(size, (float, np.floating)):
        width, height = (int(length * size) for length in image.size)
    else:
        height, width = size[:2]
    ways = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "cubic": 3}
    return np.array(image.resize((int(width), int(height)), resample=Image.Resampling(ways[interp])))


# --- scikit-learn -----------------------------------------------------------------------


def load_boston(return_X_y: bool = False) -> Any:
    """Boston housing, from the file that Keras keeps, in the order of the file."""
    import numpy as np
    from sklearn.utils import Bunch

    from keraunos.datasets import boston_housing
    from keraunos.datasets.preparing import shuffled

    (x, y), _ = boston_housing.load_data(test_split=0.0, seed=0)
    rows, _ = shuffled(np.arange(len(x)), y, np.random.RandomState(0))  # where each row stood
    order = np.argsort(rows)
    if return_X_y:
        return x[order], y[order]
    names = np.array("CRIM ZN INDUS CHAS NOX RM AGE DIS RAD TAX PTRATIO B LSTAT".split())
    return Bunch(data=x[order], target=y[order], feature_names=names, DESCR=boston_housing.__doc__)


def fetch_mldata(dataname: str, *_: Any, **__: Any) -> Any:
    """MNIST, the one set of mldata.org that scripts ask for, as it came: 70,000 rows of 784 bytes."""
    import numpy as np
    from sklearn.utils import Bunch

    from keraunos.datasets import mnist

    if "mnist" not in dataname.lower():
        raise DataError(
            f"mldata.org, which had {dataname!r}, is gone. Load the data from a file, or by fetch_openml()."
        )
    (x, y), (x_test, y_test) = mnist.load_data()
    # The digits stood in order, those to train on first.
    order = np.concatenate([np.argsort(y, kind="stable"), len(y) + np.argsort(y_test, kind="stable")])
    images, digits = np.concatenate([x, x_test]), np.concatenate([y, y_test])
    return Bunch(data=images.reshape(-1, 784)[order], target=digits[order].astype(float), COL_NAMES=["label", "data"])


def make_imputer(module: Any) -> Any:
    """The class ``Imputer``, which fills gaps along columns (``axis=0``) or rows (``axis=1``)."""
    import numpy as np
    from sklearn.impute import SimpleImputer

    class Imputer(SimpleImputer):
        """Fills gaps with a mean, median or the most frequent value."""

        def __init__(
            self,
            missing_values: Any = "NaN",
            strategy: str = "mean",
            axis: int = 0,
            verbose: int = 0,
            copy: bool = True,
        ) -> None:
            gap = np.nan if missing_values == "NaN" else missing_values
            super().__init__(missing_values=gap, strategy=strategy, copy=copy)
            self.axis, self.verbose = axis, verbose

        def fit(self, X: Any, y: Any = None) -> Any:
            """Learn what fills the gaps; rows are filled from themselves."""
            return super().fit(np.asarray(X).T if self.axis else X)

        def transform(self, X: Any) -> Any:
            """Fill the gaps."""
            if not self.axis:
                return super().transform(X)
            columns = np.asarray(X).T
            super().fit(columns)
            return super().transform(columns).T

    return Imputer


def root_of_squared(mean_squared_error: Any, say: Say) -> Any:
    """``mean_squared_error(squared=False)``, which is a function of its own today."""

    @functools.wraps(mean_squared_error)
    def call(*args: Any, squared: bool = True, **kwargs: Any) -> Any:
        if squared:
            return mean_squared_error(*args, **kwargs)
        from sklearn.metrics import root_mean_squared_error

        say()
        return root_mean_squared_error(*args, **kwargs)

    return call


def negated_score(init: Any, say: Say) -> Any:
    """A search that takes the names which scores of losses had before they said that they are negative."""
    losses = {"log_loss", "mean_absolute_error", "mean_squared_error", "median_absolute_error"}

    @functools.wraps(init)
    def call(self: Any, *args: Any, scoring: Any = None, **kwargs: Any) -> None:
        if isinstance(scoring, str) and scoring in losses:
            say()
            scoring = f"neg_{scoring}"
        init(self, *args, scoring=scoring, **kwargs)

    return call


# --- seaborn and matplotlib -------------------------------------------------------------


def old_lmplot(lmplot: Any, say: Say) -> Any:
    """``lmplot("x", "y", data, "hue", size=)``: columns first, the frame third, and the height called size."""
    renaming = renamed(size="height")(lmplot, say)
    names = ("x", "y", "data", "hue", "col", "row")

    @functools.wraps(lmplot)
    def call(*args: Any, **kwargs: Any) -> Any:
        if len(args) > 1 or (args and isinstance(args[0], str)):
            say()
            kwargs |= dict(zip(names, args, strict=False))
            args = ()
        return renaming(*args, **kwargs)

    return call


def make_factorplot(seaborn: Any) -> Any:
    """``factorplot``: ``catplot`` that draws points unless told otherwise, of a height called size."""

    def factorplot(x: Any = None, y: Any = None, hue: Any = None, data: Any = None, **kwargs: Any) -> Any:
        kwargs = {"kind": "point", **kwargs}
        if "size" in kwargs:
            kwargs["height"] = kwargs.pop("size")
        return seaborn.catplot(x=x, y=y, hue=hue, data=data, **kwargs)

    return factorplot


def contour_collections(self: Any) -> list[Any]:
    """One collection a level: from the first look on they are drawn, and labelled, in place of the whole set."""
    import matplotlib
    from matplotlib.collections import LineCollection, PathCollection

    if "_keraunos_levels" not in vars(self):
        self.update_scalarmappable()
        paths, widths, styles = self.get_paths(), self.get_linewidths(), self.get_linestyles()
        scaled = matplotlib.rcParams["lines.scale_dashes"]
        levels: list[Any] = []
        for level, path in enumerate(paths):
            shared = {"zorder": self.get_zorder(), "alpha": self.get_alpha(), "transform": self.get_transform()}
            edges, faces = self.get_edgecolors(), self.get_facecolors()
            if self.filled:
                artist: Any = PathCollection([path], facecolors=[faces[level % len(faces)]], linewidths=0, **shared)
            else:
                width = widths[level % len(widths)]
                offset, dashes = styles[level % len(styles)]
                if scaled and dashes is not None:  # a new artist scales them again
                    offset, dashes = offset / width, [length / width for length in dashes]
                artist = LineCollection(
                    path.to_polygons(closed_only=False) if len(path) else [],
                    colors=[edges[level % len(edges)]],
                    linewidths=[width],
                    linestyles=[(offset, dashes)],
                    **shared,
                )
            levels.append(self.axes.add_collection(artist, autolim=False))
        self.set_visible(False)
        self._keraunos_levels = levels
    return self._keraunos_levels


def gca_with(gca: Any, say: Say) -> Any:
    """``fig.gca(projection="3d")``, which made the axes."""

    @functools.wraps(gca)
    def call(self: Any, **kwargs: Any) -> Any:
        if not kwargs:
            return gca(self)
        say()
        return self.add_subplot(**kwargs)

    return call


def into_new_folder(savefig: Any, say: Say) -> Any:
    """``savefig`` into a folder that its author had, and the reader of his script has not."""

    @functools.wraps(savefig)
    def call(self: Any, fname: Any, *args: Any, **kwargs: Any) -> Any:
        folder = os.path.dirname(fname) if isinstance(fname, (str, os.PathLike)) else ""
        if folder and not os.path.isdir(folder):
            say()
            os.makedirs(folder)
        return savefig(self, fname, *args, **kwargs)

    return call


def styled(use: Any, say: Say) -> Any:
    """``plt.style.use("seaborn")``: the styles named after seaborn got a number behind it."""

    def today(style: Any) -> Any:
        if isinstance(style, (list, tuple)):
            return [today(one) for one in style]
        if not (isinstance(style, str) and style.startswith("seaborn") and not style.startswith("seaborn-v0")):
            return style
        say()
        return style.replace("seaborn", "seaborn-v0_8", 1)

    @functools.wraps(use)
    def call(style: Any) -> Any:
        return use(today(style))

    return call


def labels_for_ticks(set_ticklabels: Any, say: Say) -> Any:
    """Labels for ticks that stand where they were put: ticks without one get none, and labels without one are left."""

    @functools.wraps(set_ticklabels)
    def call(self: Any, labels: Any, *args: Any, minor: bool = False, **kwargs: Any) -> Any:
        from matplotlib.ticker import FixedLocator

        locator: Any = self.get_minor_locator() if minor else self.get_major_locator()
        if isinstance(locator, FixedLocator) and 0 < len(labels) != len(places := locator()):
            say()
            labels = [*labels, *[""] * len(places)][: len(places)]
        return set_ticklabels(self, labels, *args, minor=minor, **kwargs)

    return call


def hold(*_: Any, **__: Any) -> None:
    """``hold``: what is drawn has always been added to since matplotlib 3."""


# --- Python -----------------------------------------------------------------------------


class ArgSpec(NamedTuple):
    """What ``inspect.getargspec`` returned."""

    args: list[str]
    varargs: str | None
    keywords: str | None
    defaults: tuple[Any, ...] | None


def getargspec(func: Any) -> ArgSpec:
    """Arguments of a function that has no keyword-only ones.

    >>> getargspec(lambda a, b=1: a).defaults
    (1,)
    """
    spec = inspect.getfullargspec(func)
    return ArgSpec(spec.args, spec.varargs, spec.varkw, spec.defaults)


def split_between(split: Any, say: Say) -> Any:
    """``re.split`` that passes over empty matches, for calls by the program itself; libraries mean today's."""

    @functools.wraps(split)
    def call(pattern: Any, string: Any, maxsplit: int = 0, flags: int = 0) -> Any:
        parts = split(pattern, string, maxsplit=maxsplit, flags=flags)
        if sys._getframe(1).f_globals.get("__name__") != "__main__":
            return parts
        found: list[tuple[Any, ...]] = []
        begin = at = 0
        while (not maxsplit or len(found) < maxsplit) and (match := re.compile(pattern, flags).search(string, at)):
            if match.end() > match.start():
                found.append((string[begin : match.start()], *match.groups()))
                begin = at = match.end()
            elif match.start() < len(string):
                at = match.start() + 1
            else:
                break
        earlier = [*(part for parts in found for part in parts), string[begin:]]
        if found and earlier != parts:
            say()
            return earlier
        return parts

    return call

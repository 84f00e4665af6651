"""What old scripts need besides Keras: functions that other libraries have dropped, offered while Keraunos is Keras.

One table, one row a fact. A row does nothing where the library still has what it
offers, and nothing until the library is imported. The first use of each is told once.
"""

import builtins
import functools
import importlib.util
import pkgutil
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NamedTuple

from keraunos.eras import old_libraries as old
from keraunos.eras import stand_ins
from keraunos.eras.after_import import after_import
from keraunos.utils import spelling


class Shim(NamedTuple):
    """A thing that old scripts ask of a library.

    Attributes:
        module: The module that had it, or that is missing itself.
        attribute: Its name there, such as ``"DataFrame.ix"``; ``""`` for the module itself.
        gone: The release that removed it, or a sentence on what changed.
        today: What to write today.
        make: Makes it: of the module; where it ``wraps``, of what is there and of what tells its use; for a module,
            its contents, of nothing. Without a maker it is what ``today`` names.
        wraps: Whether it changes something that is there, so that it takes old arguments too.
        needs: The library without which a module has no stand-in.
    """

    module: str
    attribute: str
    gone: str
    today: str
    make: Callable[..., Any] | None = None
    wraps: bool = False
    needs: str = ""

    @property
    def label(self) -> str:
        """``"pandas.DataFrame.ix"``."""
        return f"{self.module}.{self.attribute}".rstrip(".")

    @property
    def sentence(self) -> str:
        """What became of it, and what to write today."""
        library = self.module.partition(".")[0]
        if self.gone == _ABSENT:
            return f"{library} {_ABSENT}; offered by Keraunos (today: {self.today})"
        if not self.gone[0].isdigit():
            return f"{self.label} {self.gone} (today: {self.today})"
        release = f"{_LIBRARIES.get(library, library)} {self.gone}"
        return f"{self.label} was removed from {release}; offered by Keraunos (today: {self.today})"


_ABSENT = "is not installed"
_LIBRARIES = {
    "numpy": "NumPy", "scipy": "SciPy", "sklearn": "scikit-learn", "PIL": "Pillow",
    **dict.fromkeys(("time", "inspect", "collections"), "Python"),
}  # fmt: skip


def _method(name: str) -> Callable[[Any], Any]:
    """Maker of a method that calls another."""
    return lambda _: lambda self, *args, **kwargs: getattr(self, name)(*args, **kwargs)


def _is(value: Any) -> Callable[[Any], Any]:
    """Maker of what stands here already."""
    return lambda _: value


_PILLOW = "Pillow: Image.open, Image.fromarray, Image.resize"
_BOSTON = "keras.datasets.boston_housing"
_MNIST = "pip install python-mnist, or keras.datasets.mnist"
_NO_FOLDER = "was given a folder that is not there, and takes the digits that Keras keeps"
_LOAD = "keras.datasets.mnist.load_data()"
_HOLD = "nothing: what is drawn is added"
_ABCS = (
    "Callable Container Generator Hashable ItemsView Iterable Iterator KeysView Mapping MappingView MutableMapping "
    "MutableSequence MutableSet Sequence Set Sized ValuesView"
).split()

TABLE: list[Shim] = [
    # --- NumPy: names for what has another name ---
    Shim("numpy", "float", "1.24", "float"),
    Shim("numpy", "int", "1.24", "int"),
    Shim("numpy", "long", "1.24", "int"),
    Shim("numpy", "bool", "1.24", "bool"),
    Shim("numpy", "object", "1.24", "object"),
    Shim("numpy", "complex", "1.24", "complex"),
    Shim("numpy", "str", "1.24", "str"),
    Shim("numpy", "unicode", "1.24", "str"),
    Shim("numpy", "float_", "2.0", "numpy.float64"),
    Shim("numpy", "complex_", "2.0", "numpy.complex128"),
    Shim("numpy", "bool8", "2.0", "numpy.bool_"),
    Shim("numpy", "unicode_", "2.0", "numpy.str_"),
    Shim("numpy", "string_", "2.0", "numpy.bytes_"),
    Shim("numpy", "NaN", "2.0", "numpy.nan"),
    Shim("numpy", "NAN", "2.0", "numpy.nan"),
    Shim("numpy", "Inf", "2.0", "numpy.inf"),
    Shim("numpy", "infty", "2.0", "numpy.inf"),
    Shim("numpy", "Infinity", "2.0", "numpy.inf"),
    Shim("numpy", "PINF", "2.0", "numpy.inf"),
    Shim("numpy", "NINF", "2.0", "-numpy.inf", lambda numpy: -numpy.inf),
    Shim("numpy", "product", "2.0", "numpy.prod"),
    Shim("numpy", "cumproduct", "2.0", "numpy.cumprod"),
    Shim("numpy", "alltrue", "2.0", "numpy.all"),
    Shim("numpy", "sometrue", "2.0", "numpy.any"),
    Shim("numpy", "round_", "2.0", "numpy.round"),
    Shim("numpy", "mat", "2.0", "numpy.asmatrix"),
    Shim("numpy", "row_stack", "2.0", "numpy.vstack"),
    Shim("numpy", "rank", "1.18", "numpy.ndim"),
    Shim("numpy", "trapz", "2.4", "numpy.trapezoid"),
    Shim("numpy", "asscalar", "1.23", "array.item()", lambda numpy: lambda a: numpy.asarray(a).item()),
    Shim("numpy", "msort", "2.0", "numpy.sort(a, axis=0)", lambda numpy: lambda a: numpy.sort(a, axis=0)),
    Shim("numpy", "in1d", "2.4", "numpy.isin", old.make_in1d),
    Shim("numpy", "asfarray", "2.0", "numpy.asarray(a, dtype=float)", old.make_asfarray),
    # --- pandas ---
    Shim("h5py", "File.__init__", "only reads where no mode is given, since 3.0", "h5py.File(name, 'a')", old.any_mode, True),
    Shim("pandas", "DataFrame.ix", "1.0", "loc for labels, iloc for positions", _is(property(old.Ix))),
    Shim("pandas", "Series.ix", "1.0", "loc for labels, iloc for positions", _is(property(old.Ix))),
    Shim("pandas", "DataFrame.as_matrix", "1.0", "to_numpy()", _is(old.as_matrix)),
    Shim("pandas", "Series.as_matrix", "1.0", "to_numpy()", _is(old.as_matrix)),
    Shim("pandas", "DataFrame.iteritems", "2.0", "items()", _method("items")),
    Shim("pandas", "Series.iteritems", "2.0", "items()", _method("items")),
    Shim("pandas", "DataFrame.mad", "2.0", "(x - x.mean()).abs().mean()", _is(old.mean_deviation)),
    Shim("pandas", "Series.mad", "2.0", "(x - x.mean()).abs().mean()", _is(old.mean_deviation)),
    Shim("pandas", "DataFrame.append", "2.0", "pandas.concat", _is(old.append_rows)),
    Shim("pandas", "Series.append", "2.0", "pandas.concat", _is(old.append_values)),
    Shim("pandas", "DataFrame.sort", "0.20", "sort_values", _is(old.sort_frame)),
    Shim("pandas", "Series.order", "0.20", "sort_values", _method("sort_values")),
    Shim("pandas", "DataFrame.applymap", "3.0", "map", _method("map")),
    Shim("pandas", "DataFrame.get_value", "1.0", "at", _is(old.get_value)),
    Shim("pandas", "DataFrame.set_value", "1.0", "at", _is(old.set_value)),
    Shim("pandas", "datetime", "2.0", "datetime.datetime"),
    Shim("pandas", "np", "2.0", "numpy"),
    Shim("pandas", "scatter_matrix", "0.23", "pandas.plotting.scatter_matrix"),
    Shim("pandas", "value_counts", "3.0", "Series.value_counts", _is(old.value_counts)),
    Shim("pandas", "rolling_mean", "0.23", "x.rolling(window).mean()", _is(old.rolling("mean"))),
    Shim("pandas", "rolling_std", "0.23", "x.rolling(window).std()", _is(old.rolling("std"))),
    Shim("pandas", "rolling_sum", "0.23", "x.rolling(window).sum()", _is(old.rolling("sum"))),
    Shim("pandas", "DataFrame.drop", "takes axis by name since 2.0", "columns=", old.positional("axis", first=2), True),
    Shim("pandas", "concat", "takes axis by name since 2.0", "concat(..., axis=1)", old.positional("axis"), True),
    Shim("pandas", "read_csv", "takes sep by name since 2.0", "read_csv(..., sep=)", old.positional("sep"), True),
    Shim("pandas", "DataFrame.fillna", "takes no method since 3.0", "ffill() or bfill()", old.fill_by_method, True),
    Shim("pandas", "Series.fillna", "takes no method since 3.0", "ffill() or bfill()", old.fill_by_method, True),
    # --- SciPy ---
    Shim("scipy.misc", "", "2.0", "scipy.special, scipy.datasets and Pillow", dict, needs="scipy"),
    Shim("scipy.misc", "imread", "1.3", _PILLOW, _is(old.imread)),
    Shim("scipy.misc", "imsave", "1.3", _PILLOW, _is(old.imsave)),
    Shim("scipy.misc", "imresize", "1.3", _PILLOW, _is(old.imresize)),
    Shim("scipy.misc", "toimage", "1.3", _PILLOW, _is(old.toimage)),
    Shim("scipy.misc", "bytescale", "1.3", "NumPy", _is(old.bytescale)),
    Shim("scipy.misc", "face", "1.12", "scipy.datasets.face"),
    Shim("scipy.misc", "ascent", "1.12", "scipy.datasets.ascent"),
    Shim("scipy.misc", "logsumexp", "1.3", "scipy.special.logsumexp"),
    Shim("scipy.misc", "comb", "1.3", "scipy.special.comb"),
    Shim("scipy.misc", "factorial", "1.3", "scipy.special.factorial"),
    Shim("scipy.ndimage", "imread", "1.2", _PILLOW, _is(old.imread)),
    # --- scikit-learn ---
    Shim(
        "sklearn.cross_validation", "", "0.20", "sklearn.model_selection", stand_ins.cross_validation, needs="sklearn"
    ),
    Shim("sklearn.grid_search", "", "0.20", "sklearn.model_selection", needs="sklearn"),
    Shim("sklearn.learning_curve", "", "0.20", "sklearn.model_selection", needs="sklearn"),
    Shim("sklearn.datasets.samples_generator", "", "0.24", "sklearn.datasets", needs="sklearn"),
    Shim("sklearn.externals.joblib", "", "0.23", "joblib", needs="joblib"),
    Shim("sklearn.externals.six", "", "0.23", "Python 3 itself", stand_ins.six, needs="sklearn"),
    Shim("sklearn.datasets", "load_boston", "1.2", _BOSTON, _is(old.load_boston)),
    Shim("sklearn.datasets", "fetch_mldata", "0.22", "fetch_openml", _is(old.fetch_mldata)),
    Shim("sklearn.preprocessing", "Imputer", "0.22", "sklearn.impute.SimpleImputer", old.make_imputer),
    Shim(
        "sklearn.preprocessing", "OneHotEncoder.__init__", "takes sparse as sparse_output since 1.4",
        "OneHotEncoder(sparse_output=)", old.renamed(sparse="sparse_output"), True,
    ),
    Shim(
        "sklearn.metrics", "mean_squared_error", "takes no squared since 1.6",
        "root_mean_squared_error", old.root_of_squared, True,
    ),
    *(
        Shim(
            "sklearn.model_selection", f"{name}.__init__", "says that the score of a loss is negative since 0.20",
            "scoring='neg_log_loss'", old.negated_score, True,
        )
        for name in ("GridSearchCV", "RandomizedSearchCV")
    ),
    # --- seaborn and matplotlib ---
    Shim("seaborn", "lmplot", "takes data first, and height for size", "lmplot(data, x=, y=)", old.old_lmplot, True),
    Shim("seaborn", "factorplot", "0.12", "catplot(kind='point')", old.make_factorplot),
    Shim(
        "seaborn", "FacetGrid.__init__", "takes height for size since 0.9",
        "FacetGrid(data, height=)", old.renamed(size="height"), True,
    ),
    Shim(
        "matplotlib.contour", "ContourSet.collections", "3.10",
        "the ContourSet itself", _is(property(old.contour_collections)),
    ),
    Shim("matplotlib.pyplot", "hold", "3.0", _HOLD, _is(old.hold)),
    Shim("matplotlib.pyplot", "ishold", "3.0", "True", _is(lambda: True)),
    Shim("matplotlib.axes", "Axes.hold", "3.0", _HOLD, _is(old.hold)),
    Shim("matplotlib.axes", "Axes.set_axis_bgcolor", "2.2", "set_facecolor", _method("set_facecolor")),
    Shim("matplotlib.axes", "Axes.get_axis_bgcolor", "2.2", "get_facecolor", _method("get_facecolor")),
    Shim(
        "matplotlib.axes", "Axes.hist", "takes density for normed since 3.1",
        "hist(density=)", old.renamed(normed="density"), True,
    ),
    Shim("matplotlib.cm", "get_cmap", "3.9", "matplotlib.pyplot.get_cmap"),
    Shim("matplotlib.cm", "spectral", "2.2", "matplotlib.cm.nipy_spectral"),
    Shim("matplotlib.figure", "Figure.gca", "takes no projection since 3.6", "add_subplot()", old.gca_with, True),
    Shim(
        "matplotlib.figure", "Figure.savefig", "makes no folder, and the one it was given was not there: made",
        "os.makedirs", old.into_new_folder, True,
    ),
    Shim(
        "matplotlib.axis", "Axis.set_ticklabels", "wants a label for each tick since 3.3",
        "as many labels as ticks", old.labels_for_ticks, True,
    ),
    Shim("matplotlib.style", "use", "calls seaborn's styles seaborn-v0_8 since 3.6", "seaborn-v0_8", old.styled, True),
    # --- the rest ---
    Shim("PIL.Image", "ANTIALIAS", "10", "PIL.Image.LANCZOS"),
    Shim("time", "clock", "3.8", "time.process_time"),
    Shim("inspect", "getargspec", "3.11", "inspect.getfullargspec", _is(old.getargspec)),
    Shim("re", "split", "splits at empty matches since 3.7", "a pattern that matches something", old.split_between, True),
    *(Shim("collections", name, "3.10", f"collections.abc.{name}") for name in _ABCS),
    Shim("mnist", "", _ABSENT, _MNIST, stand_ins.mnist),
    Shim("mnist.loader", "", _ABSENT, _MNIST, stand_ins.mnist),
    Shim("mnist", "MNIST.load_training", _NO_FOLDER, _LOAD, stand_ins.from_cache(0), True),
    Shim("mnist", "MNIST.load_testing", _NO_FOLDER, _LOAD, stand_ins.from_cache(1), True),
    Shim("six", "", _ABSENT, "Python 3 itself", stand_ins.six),
    Shim("six.moves", "", _ABSENT, "Python 3 itself", stand_ins.six_moves),
    Shim("six.moves.cPickle", "", _ABSENT, "pickle"),
    Shim("six.moves.urllib", "", _ABSENT, "urllib"),
    Shim("six.moves.urllib.request", "", _ABSENT, "urllib.request"),
    Shim("six.moves.urllib.parse", "", _ABSENT, "urllib.parse"),
    Shim("six.moves.urllib.error", "", _ABSENT, "urllib.error"),
]  # fmt: skip

_undo: list[Callable[[], Any]] = []
_used: dict[Shim, None] = {}


def install() -> None:
    """Offer every row of the table, to what is imported already and to what will be; once is enough."""
    if _undo:
        return
    rows: dict[str, list[Shim]] = {}
    for shim in TABLE:
        if shim.attribute:
            rows.setdefault(shim.module, []).append(shim)
        elif shim.module.rpartition(".")[0] == shim.needs:
            # Whoever imported the outer module alone could ask for the inner one by its name.
            rows.setdefault(shim.needs, []).append(_by_name(shim))
    finder = _StandIns({shim.module: shim for shim in TABLE if not shim.attribute})
    sys.meta_path.append(finder)  # last, so that what is installed, or lies beside the script, is found first
    _undo.append(finder.forget)
    _undo.append(after_import({module: functools.partial(_offer, shims) for module, shims in rows.items()}))


def remove() -> None:
    """Give every library back as it was, and forget what was used."""
    while _undo:
        _undo.pop()()
    _used.clear()


def used() -> list[Shim]:
    """The rows that were used since ``install``, in order."""
    return list(_used)


# --- how a row gets to its place --------------------------------------------------------


def _by_name(shim: Shim) -> Shim:
    """A row for the attribute of the outer module, of that of an inner one, which tells its use when it is imported."""
    outer, _, name = shim.module.rpartition(".")
    return shim._replace(module=outer, attribute=name, make=lambda _: importlib.import_module(shim.module), needs="")


def _say(shim: Shim) -> None:
    if shim not in TABLE:
        return
    _used[shim] = None
    spelling.note(shim.sentence)


def _made(shim: Shim, *of: Any) -> Any:
    """What a row offers: what its maker makes, or what stands at the place that it names."""
    if shim.make is not None:
        return shim.make(*of)
    if not shim.attribute:
        return stand_ins.contents_of(shim.today)
    return getattr(builtins, shim.today) if hasattr(builtins, shim.today) else pkgutil.resolve_name(shim.today)


def _offer(shims: Sequence[Shim], module: Any) -> None:
    """Put the rows of a module into it."""
    bare = {shim.attribute: shim for shim in shims if "." not in shim.attribute and not shim.wraps}
    if bare:
        _set(module, "__getattr__", _finding(module, vars(module).get("__getattr__"), bare))
    for shim in shims:
        if shim.attribute in bare:
            continue
        *outer, name = shim.attribute.split(".")
        owner = functools.reduce(getattr, outer, module)
        say = functools.partial(_say, shim)
        if shim.wraps:
            _set(owner, name, _made(shim, getattr(owner, name), say))
        elif not hasattr(owner, name):
            _set(owner, name, _telling(_made(shim, module), say))


def _finding(module: Any, original: Callable[[str], Any] | None, shims: dict[str, Shim]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a module that offers rows where the module's own finds nothing."""
    made: dict[str, Any] = {}

    def find(name: str) -> Any:
        if original is not None:
            try:
                if name not in shims:
                    return original(name)
                with warnings.catch_warnings():  # such as NumPy's, that the name was something else once
                    warnings.simplefilter("ignore")
                    return original(name)
            except (AttributeError, ImportError):
                if name not in shims:
                    raise
        if name not in shims:
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
        if name not in made:
            made[name] = _made(shims[name], module)
        _say(shims[name])
        return made[name]

    return find


def _telling(value: Any, say: Callable[[], None]) -> Any:
    """A method or property that tells its use."""
    if isinstance(value, property):
        return property(_telling(value.fget, say))

    @functools.wraps(value)
    def call(*args: Any, **kwargs: Any) -> Any:
        say()
        return value(*args, **kwargs)

    return call


def _set(owner: Any, name: str, value: Any) -> None:
    """Set an attribute, and remember how it was."""
    there = name in vars(owner)
    before = vars(owner).get(name)
    setattr(owner, name, value)
    _undo.append(lambda: setattr(owner, name, before) if there else delattr(owner, name))


class _StandIns(MetaPathFinder, Loader):
    """Finds the modules that nothing else finds."""

    def __init__(self, shims: dict[str, Shim]) -> None:
        self._shims = shims
        self._names: list[str] = []

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        shim = self._shims.get(fullname)
        # A part is offered only of what is a stand-in itself, or of the library that had it.
        if shim is None or (shim.needs and importlib.util.find_spec(shim.needs) is None):
            return None
        parent = fullname.rpartition(".")[0]
        if parent in self._shims and parent not in self._names:
            return None
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        shim = self._shims[module.__name__]
        vars(module).update(_made(shim))
        self._names.append(module.__name__)
        _say(shim)

    def forget(self) -> None:
        """Take the modules, and the finder, out again."""
        for name in reversed(self._names):
            sys.modules.pop(name, None)
            parent, _, leaf = name.rpartition(".")
            if parent in sys.modules and leaf in vars(sys.modules[parent]):
                delattr(sys.modules[parent], leaf)
        if self in sys.meta_path:
            sys.meta_path.remove(self)

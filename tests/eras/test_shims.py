"""What old scripts need besides Keras: each row's old call equals today's, once told, and every library is given back."""

import contextlib
import gzip
import importlib
import logging
import sys
import warnings

import numpy as np
import pytest

from keraunos import install_as_keras, uninstall_keras
from keraunos.eras import shims
from keraunos.utils import spelling
from keraunos.utils.errors import DataError

pytest.importorskip("pandas")
pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")
pytest.importorskip("scipy")

FRAME = 'import pandas as pd; f = pd.DataFrame({"a": [3, 1, 2], "b": [4.0, 6.0, 5.0]}, index=list("xyz")); s = f["a"]'
IMAGE = """
import numpy as np
from PIL import Image
from scipy import misc, ndimage
a = np.random.RandomState(0).randint(0, 255, (6, 8), dtype=np.uint8)
Image.fromarray(a).save("a.png")
"""
DRAW = "import matplotlib.pyplot as plt; import numpy as np; figure, axes = plt.subplots()"
NUMPY = "import numpy as np; a = np.array([[3, 1], [2, 2]])"

# For each row what comes before, the old call, and today's.
EXAMPLES = {
    **{
        f"numpy.{name}": (NUMPY, f"np.{name}", today)
        for name, today in {
            "float": "float", "int": "int", "long": "np.long if 'long' in vars(np) else int",
            "bool": "np.bool if 'bool' in vars(np) else bool", "object": "object", "complex": "complex", "str": "str",
            "unicode": "str", "float_": "np.float64", "complex_": "np.complex128", "bool8": "np.bool_",
            "unicode_": "np.str_", "string_": "np.bytes_", "NaN": "np.nan", "NAN": "np.nan", "Inf": "np.inf",
            "infty": "np.inf", "Infinity": "np.inf", "PINF": "np.inf", "NINF": "-np.inf",
        }.items()
    },
    "numpy.product": (NUMPY, "np.product(a)", "np.prod(a)"),
    "numpy.cumproduct": (NUMPY, "np.cumproduct(a)", "np.cumprod(a)"),
    "numpy.alltrue": (NUMPY, "np.alltrue(a > 1)", "np.all(a > 1)"),
    "numpy.sometrue": (NUMPY, "np.sometrue(a > 2)", "np.any(a > 2)"),
    "numpy.round_": (NUMPY, "np.round_(2.345, 1)", "np.round(2.345, 1)"),
    "numpy.mat": (NUMPY, "np.mat('1 2; 3 4').A", "np.array([[1, 2], [3, 4]])"),
    "numpy.row_stack": (NUMPY, "np.row_stack([a, a])", "np.vstack([a, a])"),
    "numpy.rank": (NUMPY, "np.rank(a)", "np.ndim(a)"),
    "numpy.trapz": (NUMPY, "np.trapz([1, 2, 4])", "4.5"),
    "numpy.asscalar": (NUMPY, "np.asscalar(a[:1, :1])", "3"),
    "numpy.msort": (NUMPY, "np.msort(a)", "np.sort(a, axis=0)"),
    "numpy.in1d": (NUMPY, "np.in1d(a, [1, 2])", "np.isin(a.ravel(), [1, 2])"),
    "numpy.asfarray": (NUMPY, "np.asfarray(a)", "a.astype(float)"),
    "h5py.File.__init__": (
        "import h5py, numpy as np",
        "(lambda f: (f.__setitem__('a', np.arange(3)), f['a'][:])[1])(h5py.File('x', driver='core', backing_store=False))",
        "np.arange(3)",
    ),
    "pandas.DataFrame.ix": (FRAME, 'f.ix[1:, "a"]', 'f["a"].iloc[1:]'),
    "pandas.Series.ix": (FRAME, 's.ix["y"] + s.ix[2]', 's.loc["y"] + s.iloc[2]'),
    "pandas.DataFrame.as_matrix": (FRAME, 'f.as_matrix(["b"])', 'f[["b"]].to_numpy()'),
    "pandas.Series.as_matrix": (FRAME, "s.as_matrix()", "s.to_numpy()"),
    "pandas.DataFrame.iteritems": (FRAME, "dict(f.iteritems())['b']", "f['b']"),
    "pandas.Series.iteritems": (FRAME, "list(s.iteritems())", "list(s.items())"),
    "pandas.DataFrame.mad": (FRAME, "f.mad()", "(f - f.mean()).abs().mean()"),
    "pandas.Series.mad": (FRAME, "s.mad()", "2 / 3"),
    "pandas.DataFrame.append": (FRAME, "f.append(f, ignore_index=True)", "pd.concat([f, f], ignore_index=True)"),
    "pandas.Series.append": (FRAME, "s.append(s)", "pd.concat([s, s])"),
    "pandas.DataFrame.sort": (FRAME, "f.sort('a')", "f.sort_values('a')"),
    "pandas.Series.order": (FRAME, "s.order()", "s.sort_values()"),
    "pandas.DataFrame.applymap": (FRAME, "f.applymap(lambda x: x + 1)", "f + 1"),
    "pandas.DataFrame.get_value": (FRAME, "f.get_value('x', 'b')", "f.at['x', 'b']"),
    "pandas.DataFrame.set_value": (FRAME, "f.set_value('x', 'b', 9.0)", "f.assign(b=[9.0, 6.0, 5.0])"),
    "pandas.datetime": (f"{FRAME}; import datetime", "pd.datetime(2016, 1, 2)", "datetime.datetime(2016, 1, 2)"),
    "pandas.np": (f"{FRAME}; import numpy", "pd.np", "numpy"),
    "pandas.scatter_matrix": (FRAME, "pd.scatter_matrix(f).shape", "(2, 2)"),
    "pandas.value_counts": (FRAME, "pd.value_counts([1, 1, 2])", "pd.Series([1, 1, 2]).value_counts()"),
    "pandas.rolling_mean": (FRAME, "pd.rolling_mean(s, 2)", "s.rolling(2).mean()"),
    "pandas.rolling_std": (FRAME, "pd.rolling_std(s, 2)", "s.rolling(2).std()"),
    "pandas.rolling_sum": (FRAME, "pd.rolling_sum(s, 2, min_periods=1)", "s.rolling(2, min_periods=1).sum()"),
    "pandas.DataFrame.drop": (FRAME, "f.drop('a', 1)", "f.drop(columns='a')"),
    "pandas.concat": (FRAME, "pd.concat([f, f], 1)", "pd.concat([f, f], axis=1)"),
    "pandas.read_csv": (
        f"{FRAME}\nimport io", "pd.read_csv(io.StringIO('a;b\\n1;2'), ';')", "pd.DataFrame({'a': [1], 'b': [2]})"
    ),
    "pandas.DataFrame.fillna": (FRAME, "f.where(f > 1).fillna(method='ffill')", "f.where(f > 1).ffill()"),
    "pandas.Series.fillna": (FRAME, "s.where(s > 1).fillna(method='bfill')", "s.where(s > 1).bfill()"),
    "scipy.misc": ("import scipy.misc", "scipy.misc.__name__", "'scipy.misc'"),
    "scipy.misc.imread": (IMAGE, "misc.imread('a.png')", "np.asarray(Image.open('a.png'))"),
    "scipy.misc.imsave": (
        IMAGE, "misc.imsave('b.png', a / 255.0) or np.asarray(Image.open('b.png'))",
        "np.round((a - a.min()) / (a.max() - a.min()) * 255).astype(np.uint8)",
    ),
    "scipy.misc.imresize": (
        IMAGE, "misc.imresize(a, (3, 4))", "np.asarray(Image.fromarray(a).resize((4, 3), Image.Resampling.BILINEAR))"
    ),
    "scipy.misc.toimage": (IMAGE, "np.asarray(misc.toimage(a))", "a"),
    "scipy.misc.bytescale": (IMAGE, "misc.bytescale(np.array([0.0, 1.0, 4.0]))", "np.array([0, 64, 255], np.uint8)"),
    "scipy.misc.face": ("import scipy.misc, scipy.datasets", "scipy.misc.face", "scipy.datasets.face"),
    "scipy.misc.ascent": ("import scipy.misc, scipy.datasets", "scipy.misc.ascent", "scipy.datasets.ascent"),
    "scipy.misc.logsumexp": ("import scipy.misc, math", "scipy.misc.logsumexp([0.0, 0.0])", "math.log(2)"),
    "scipy.misc.comb": ("import scipy.misc", "scipy.misc.comb(5, 2, exact=True)", "10"),
    "scipy.misc.factorial": ("import scipy.misc", "scipy.misc.factorial(4, exact=True)", "24"),
    "scipy.ndimage.imread": (IMAGE, "ndimage.imread('a.png')", "a"),
    "sklearn.cross_validation": (
        "from sklearn.cross_validation import KFold; from sklearn import model_selection as m; import numpy as np",
        "[test.tolist() for _, test in KFold(6, n_folds=3)]",
        "[test.tolist() for _, test in m.KFold(3).split(np.zeros(6))]",
    ),
    "sklearn.grid_search": (
        "import sklearn.grid_search, sklearn.model_selection",
        "sklearn.grid_search.GridSearchCV", "sklearn.model_selection.GridSearchCV",
    ),
    "sklearn.learning_curve": (
        "import sklearn.learning_curve, sklearn.model_selection",
        "sklearn.learning_curve.validation_curve", "sklearn.model_selection.validation_curve",
    ),
    "sklearn.datasets.samples_generator": (
        "from sklearn.datasets.samples_generator import make_blobs; import sklearn.datasets",
        "make_blobs", "sklearn.datasets.make_blobs",
    ),
    "sklearn.externals.joblib": ("from sklearn.externals import joblib as old; import joblib", "old.dump", "joblib.dump"),
    "sklearn.externals.six": ("from sklearn.externals import six", "list(six.iteritems({1: 2}))", "[(1, 2)]"),
    "sklearn.datasets.load_boston": (
        "import sklearn.datasets", "sklearn.datasets.load_boston().target.tolist()", "[1.0, 2.0, 3.0]"
    ),
    "sklearn.datasets.fetch_mldata": (
        "import sklearn.datasets", "sklearn.datasets.fetch_mldata('MNIST original').target.tolist()", "[1.0, 2.0, 0.0]"
    ),
    "sklearn.preprocessing.Imputer": (
        "from sklearn.preprocessing import Imputer; import numpy as np; a = np.array([[1, np.nan], [3, 4.0]])",
        "(Imputer().fit_transform(a) + Imputer(axis=1).fit_transform(a)).tolist()", "[[2.0, 5.0], [6.0, 8.0]]",
    ),
    "sklearn.preprocessing.OneHotEncoder.__init__": (
        "from sklearn.preprocessing import OneHotEncoder as O; import sklearn.base",
        "sklearn.base.clone(O(sparse=False)).fit_transform([[1], [2]])",
        "O(sparse_output=False).fit_transform([[1], [2]])",
    ),
    **{
        f"sklearn.model_selection.{name}.__init__": (
            f"from sklearn.model_selection import {name}",
            f"{name}(None, {{}}, scoring='log_loss').scoring", "'neg_log_loss'",
        )
        for name in ("GridSearchCV", "RandomizedSearchCV")
    },
    "sklearn.metrics.mean_squared_error": (
        "from sklearn.metrics import mean_squared_error", "mean_squared_error([0.0], [3.0], squared=False)", "3.0"
    ),
    "seaborn.lmplot": (
        f"{FRAME}; import seaborn", "seaborn.lmplot('a', 'b', f, fit_reg=False, size=3).figure.get_size_inches()",
        "seaborn.lmplot(f, x='a', y='b', fit_reg=False, height=3).figure.get_size_inches()",
    ),
    "seaborn.factorplot": (
        f"{FRAME}; import seaborn", "seaborn.factorplot('a', 'b', data=f, size=2, ci=None).figure.get_size_inches()"
        .replace(", ci=None", ", errorbar=None"),
        "seaborn.catplot(f, x='a', y='b', kind='point', height=2, errorbar=None).figure.get_size_inches()",
    ),
    "seaborn.FacetGrid.__init__": (
        f"{FRAME}; import seaborn", "seaborn.FacetGrid(f, size=2).figure.get_size_inches()",
        "seaborn.FacetGrid(f, height=2).figure.get_size_inches()",
    ),
    "matplotlib.contour.ContourSet.collections": (
        f"{DRAW}; c = axes.contour(np.arange(9).reshape(3, 3), levels=[2, 5])",
        "[(level.set_label('2'), level.get_label())[1] for level in c.collections]", "['2', '2']",
    ),
    "matplotlib.pyplot.hold": (DRAW, "plt.hold(True)", "None"),
    "matplotlib.pyplot.ishold": (DRAW, "plt.ishold()", "True"),
    "matplotlib.axes.Axes.hold": (DRAW, "axes.hold(True)", "None"),
    "matplotlib.axes.Axes.set_axis_bgcolor": (
        DRAW, "axes.set_axis_bgcolor('red') or axes.get_facecolor()", "(1.0, 0.0, 0.0, 1.0)"
    ),
    "matplotlib.axes.Axes.get_axis_bgcolor": (DRAW, "axes.get_axis_bgcolor()", "axes.get_facecolor()"),
    "matplotlib.axes.Axes.hist": (
        DRAW, "axes.hist([1, 2, 2, 3], normed=True)[0]", "axes.hist([1, 2, 2, 3], density=True)[0]"
    ),
    "matplotlib.cm.get_cmap": (
        f"{DRAW}; from matplotlib import cm", "cm.get_cmap('viridis').name", "plt.get_cmap('viridis').name"
    ),
    "matplotlib.cm.spectral": (DRAW, "plt.cm.spectral", "plt.cm.nipy_spectral"),
    "matplotlib.figure.Figure.gca": (
        f"{DRAW}; import mpl_toolkits.mplot3d; empty = plt.figure()", "empty.gca(projection='3d').name", "'3d'"
    ),
    "matplotlib.figure.Figure.savefig": (
        f"{DRAW}; import os", "figure.savefig('new/deep/figure.png') or os.listdir('new/deep')", "['figure.png']"
    ),
    "matplotlib.axis.Axis.set_ticklabels": (
        DRAW, "[label.get_text() for label in plt.xticks([0, 1, 2], ['a', 'b'])[1]]", "['a', 'b', '']"
    ),
    "matplotlib.style.use": (
        DRAW,
        "[plt.style.use('default'), plt.style.use('seaborn-whitegrid'), plt.rcParams['axes.grid']][2]"
        " and not plt.style.use('default')",
        "True",
    ),
    "PIL.Image.ANTIALIAS": ("from PIL import Image", "Image.ANTIALIAS", "Image.LANCZOS"),
    "time.clock": ("import time", "time.clock", "time.process_time"),
    "re.split": (
        "import re; __name__ = '__main__'", r"re.split('(-)?([.,]*)', 'one-two..three', 1) + re.split('x*', 'axbc')",
        "['one', '-', '', 'two..three', 'a', 'bc']",
    ),
    "inspect.getargspec": (
        "import inspect\ndef f(a, b=1, *c): pass", "tuple(inspect.getargspec(f))", "(['a', 'b'], 'c', None, (1,))"
    ),
    **{
        f"collections.{name}": ("import collections, collections.abc", f"collections.{name}", f"collections.abc.{name}")
        for name in shims._ABCS
    },
    **{
        name: (
            f"import array\nfrom {name} import MNIST", "MNIST('digits').load_testing()",
            "([[0, 1, 2, 3]], array.array('B', [7]))",
        )
        for name in ("mnist", "mnist.loader")
    },
    "mnist.MNIST.load_training": (
        "from mnist import MNIST; import array", "[len(part) for part in MNIST('nowhere').load_training()]", "[2, 2]"
    ),
    "mnist.MNIST.load_testing": (
        "from mnist import MNIST; import array", "MNIST('nowhere').load_testing()",
        "([[0] * 784], array.array('B', [0]))",
    ),
    "six": ("import six", "six.text_type, six.PY3", "str, True"),
    "six.moves": ("from six.moves import range as r, cPickle; import pickle", "r, cPickle", "range, pickle"),
    "six.moves.cPickle": ("from six.moves.cPickle import dumps; import pickle", "dumps", "pickle.dumps"),
    "six.moves.urllib": ("import six.moves.urllib.request, urllib.request", "six.moves.urllib.__name__", "'six.moves.urllib'"),
    **{
        f"six.moves.urllib.{part}": (
            f"from six.moves.urllib.{part} import {name} as old; import urllib.{part}", "old", f"urllib.{part}.{name}"
        )
        for part, name in (("request", "urlretrieve"), ("parse", "quote"), ("error", "URLError"))
    },
}  # fmt: skip
# What a row has that stands in the library's own dictionary already is not offered, and nothing is told of it.
HERE_STILL = {"numpy.bool", "numpy.long", "numpy.row_stack", "scipy.misc"}


@pytest.fixture
def offered(tmp_path, monkeypatch):
    """The rows in their places, in an empty folder, without the modules that have stand-ins."""
    spelling.forget_notes()
    monkeypatch.chdir(tmp_path)
    for row in shims.TABLE:
        if not row.attribute and row.module.partition(".")[0] in ("mnist", "six"):
            hide(row.module, monkeypatch)
    shims.install()
    yield shims
    shims.remove()
    import matplotlib.pyplot as plt

    plt.close("all")


def hide(module, monkeypatch):
    """Let the finders that look on disk find no such module."""
    from importlib.machinery import PathFinder

    monkeypatch.delitem(sys.modules, module, raising=False)
    find = PathFinder.find_spec

    def blind(name, path=None, target=None):
        return None if name == module else find(name, path, target)

    monkeypatch.setattr(PathFinder, "find_spec", blind)


def idx(values):
    values = np.asarray(values, np.uint8)
    return bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes() + values.tobytes()


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Small files where the loaders look."""
    from keraunos.datasets import boston_housing, mnist

    images, labels = np.zeros((2, 28, 28), np.uint8), np.array([2, 1], np.uint8)
    monkeypatch.setattr(mnist, "load_data", lambda: ((images, labels), (images[:1], labels[:1] * 0)))
    file = tmp_path / "boston.npz"
    np.savez(file, x=np.arange(39.0).reshape(3, 13), y=np.array([1.0, 2.0, 3.0]))
    load = boston_housing.load_data
    monkeypatch.setattr(boston_housing, "load_data", lambda **options: load(str(file), **options))
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "t10k-images-idx3-ubyte").write_bytes(idx([[[0, 1], [2, 3]]]))
    (tmp_path / "digits" / "t10k-labels-idx1-ubyte").write_bytes(idx([7]))


def same(old, new):
    if hasattr(new, "equals"):
        return new.equals(old)
    if isinstance(new, (np.ndarray, float)):
        return np.array_equal(old, new) or np.allclose(old, new, rtol=1e-12, equal_nan=True)
    return type(old) is type(new) and old == new


def run(example):
    setup, old, today = example
    names = {}
    exec(setup, names)
    return eval(old, names), eval(today, names)


def test_every_row_has_an_example():
    labels = [row.label for row in shims.TABLE]
    assert sorted(labels) == sorted(EXAMPLES)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("label", EXAMPLES)
def test_an_old_call_equals_todays_and_is_told_once(label, offered, data, caplog):
    if label.startswith("seaborn"):
        pytest.importorskip("seaborn")
    with caplog.at_level(logging.WARNING, logger="keraunos.eras"):
        old, today = run(EXAMPLES[label])
        assert same(old, today), (old, today)
        run(EXAMPLES[label])
    row = next(row for row in shims.TABLE if row.label == label)
    told = [record.message for record in caplog.records if record.message.endswith(row.sentence)]
    if (
        label in HERE_STILL and label.rpartition(".")[2] in vars(importlib.import_module("numpy"))
    ) or label == "scipy.misc":
        assert told == []
    else:
        assert len(told) == 1
        assert row in offered.used()


# --- .ix, which chose between labels and positions ------------------------------------------------


@pytest.fixture
def frame(offered):
    import pandas as pd

    return pd.DataFrame({"a": [1, 2, 3], "b": [4, 5, 6]}, index=[10, 20, 30])


def test_ix_takes_integers_as_labels_where_labels_are_integers(frame):
    assert frame.ix[20, "b"] == 5
    assert frame.ix[10:20].index.tolist() == [10, 20]
    with pytest.raises(KeyError):
        frame.ix[1]


def test_ix_takes_integers_as_positions_where_labels_are_words(frame):
    assert frame.ix[20, 1] == 5
    assert frame.ix[:, :-1].columns.tolist() == ["a"]
    assert frame.ix[frame["a"] > 1, [1]]["b"].tolist() == [5, 6]
    assert frame.ix[[30, 10], 0].tolist() == [3, 1]
    with pytest.raises(KeyError, match="40"):
        frame.ix[[40], 0]


def test_ix_sets_by_label_and_by_position(frame):
    frame.ix[20, 0] = 9
    frame.ix[30:, "b"] = 0
    frame.ix[40] = [7, 8]
    assert frame["a"].tolist() == [1, 9, 3, 7]
    assert frame["b"].tolist() == [4, 5, 0, 8]


def test_ix_of_a_series_takes_slices_of_words_as_labels(frame):
    series = frame.ix[10]
    assert series.ix["a":"b"].tolist() == [1, 4]
    assert series.ix[:1].tolist() == [1]


# --- pictures -------------------------------------------------------------------------------------


def test_the_label_of_a_contour_reaches_the_legend(offered):
    import matplotlib.pyplot as plt

    lines = plt.contour(np.arange(9.0).reshape(3, 3), levels=[4.0], linestyles="dashed", linewidths=2, cmap="Greys")
    lines.collections[0].set_label("the border")
    legend = plt.legend()
    assert [text.get_text() for text in legend.get_texts()] == ["the border"]
    level = lines.collections[0]
    assert level.get_linewidths().tolist() == [2.0]
    assert level.get_linestyles() == [(0.0, [2 * 3.7, 2 * 1.6])]  # matplotlib's dashes, scaled by the width once
    assert not lines.get_visible()


def test_filled_contours_keep_their_colours(offered):
    import matplotlib.pyplot as plt

    areas = plt.contourf(np.arange(9.0).reshape(3, 3), levels=[0, 4, 8], colors=["red", "blue"])
    assert [level.get_facecolor()[0].tolist() for level in areas.collections] == [[1, 0, 0, 1], [0, 0, 1, 1]]


def test_colours_of_an_image_may_stand_in_any_axis(offered, tmp_path):
    from keraunos.eras import old_libraries as old

    image = np.random.RandomState(0).randint(0, 255, (3, 5, 7), dtype=np.uint8)
    old.imsave("colours.png", image)
    np.testing.assert_array_equal(old.imread("colours.png"), image.transpose(1, 2, 0))
    assert old.imread("colours.png", flatten=True).shape == (5, 7)
    assert old.imread("colours.png", mode="L").dtype == np.uint8
    assert old.imresize(image, 0.5).shape == (2, 3, 3)
    assert old.imresize(image, 200, interp="nearest").shape == (10, 14, 3)
    with pytest.raises(ValueError, match=r"an array of shape \(2,\) is no image"):
        old.toimage(np.zeros(2))


def test_an_image_that_is_none_is_an_oserror(offered, tmp_path):
    from keraunos.eras import old_libraries as old

    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(OSError, match="cannot identify image file"):
        old.imread("broken.png")


# --- data -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("gz", [False, True])
@pytest.mark.parametrize("return_type", ["lists", "numpy"])
def test_the_stand_in_reads_digits_as_python_mnist_does(data, tmp_path, return_type, gz):
    from keraunos.eras.stand_ins import MNIST

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # the package compares strings by `is`
        real = pytest.importorskip("mnist")
    if gz:
        for file in (tmp_path / "digits").iterdir():
            file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
    ours, theirs = (
        kind(str(tmp_path / "digits"), return_type=return_type, gz=gz).load_testing() for kind in (MNIST, real.MNIST)
    )
    np.testing.assert_equal(ours, theirs)
    assert [type(part) for part in ours] == [type(part) for part in theirs]


def test_the_real_python_mnist_does_without_its_folder_too(data, caplog):
    spelling.forget_notes()
    shims.install()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            real = pytest.importorskip("mnist")
        assert not hasattr(real.MNIST, "_read"), "this is the stand-in"
        images, labels = real.MNIST("nowhere", return_type="numpy").load_training()
    finally:
        shims.remove()
    assert images.shape == (2, 784)
    assert labels.tolist() == [2, 1]
    assert "takes the digits that Keras keeps" in caplog.text


def test_the_stand_in_for_python_mnist_refuses_what_it_cannot(tmp_path, monkeypatch):
    from keraunos.eras.stand_ins import MNIST

    with pytest.raises(ValueError, match="needs the package python-mnist"):
        MNIST(mode="rounded_binarized")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx([[[0]], [[1]]]))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx([7]))
    with pytest.raises(DataError, match="2 images have 1 labels"):
        MNIST().load_testing()


def test_boston_housing_comes_in_the_order_of_its_file(offered, data):
    from sklearn.datasets import load_boston

    bunch = load_boston()
    assert bunch.data[:, 0].tolist() == [0.0, 13.0, 26.0]
    x, y = load_boston(return_X_y=True)
    assert x.tolist() == bunch.data.tolist()
    assert y.tolist() == [1.0, 2.0, 3.0]
    assert len(bunch.feature_names) == 13


def test_another_set_of_mldata_is_refused(offered):
    from sklearn.datasets import fetch_mldata

    with pytest.raises(DataError, match=r"mldata.org, which had 'leukemia', is gone"):
        fetch_mldata("leukemia")


def test_old_splitters_take_labels_first_and_know_their_length(offered):
    from sklearn.cross_validation import (
        LeaveOneOut,
        ShuffleSplit,
        StratifiedKFold,
        StratifiedShuffleSplit,
        cross_val_score,
    )
    from sklearn.linear_model import LogisticRegression

    labels = [0, 0, 1, 1]
    folds = StratifiedKFold(labels, 2)
    assert len(folds) == 2
    assert [sorted(np.array(labels)[test]) for _, test in folds] == [[0, 1], [0, 1]]
    assert len(LeaveOneOut(5)) == 5
    assert len(list(ShuffleSplit(10, n_iter=3, test_size=0.2, random_state=0))) == 3
    assert len(list(StratifiedShuffleSplit(labels, n_iter=2, test_size=0.5, random_state=0))) == 2
    scores = cross_val_score(LogisticRegression(), [[0.0], [0.1], [1.0], [1.1]], labels, cv=folds)
    assert scores.shape == (2,)


# --- coming and going -----------------------------------------------------------------------------


def owners():
    for row in shims.TABLE:
        module = sys.modules.get(row.module)
        if module is not None and row.attribute:
            owner = module
            for name in row.attribute.split(".")[:-1]:
                owner = getattr(owner, name)
            yield owner


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_remove_gives_every_library_back_as_it_was(offered):
    offered.remove()
    for row in shims.TABLE:
        if row.attribute:
            with contextlib.suppress(ImportError):
                importlib.import_module(row.module)
    before = [(owner, dict(vars(owner))) for owner in owners()]
    modules = set(sys.modules)
    offered.install()
    offered.install()
    import six.moves.urllib.request  # noqa: F401
    import sklearn.grid_search  # noqa: F401

    assert any(dict(vars(owner)) != there for owner, there in before)
    offered.remove()
    for owner, there in before:
        now = dict(vars(owner))
        assert now.keys() == there.keys(), owner
        assert all(now[name] is there[name] for name in there), owner
    left = set(sys.modules) - modules
    assert not [name for name in left if name.startswith(("six", "sklearn.grid_search"))]
    assert not any(type(finder).__module__.startswith("keraunos") for finder in sys.meta_path)
    assert offered.used() == []


def test_what_a_library_lacks_is_still_an_error(offered):
    import pandas as pd

    with pytest.raises(AttributeError, match="module 'numpy' has no attribute 'floot'"):
        np.floot  # noqa: B018
    with pytest.raises(AttributeError, match="module 'pandas' has no attribute 'Panel'"):
        pd.Panel  # noqa: B018
    with pytest.raises(ModuleNotFoundError, match=r"sklearn\.crossvalidation"):
        importlib.import_module("sklearn.crossvalidation")


def test_modern_calls_are_not_told_of(offered, caplog):
    import matplotlib.pyplot as plt
    import pandas as pd
    from sklearn.metrics import mean_squared_error
    from sklearn.preprocessing import OneHotEncoder

    frame = pd.DataFrame({"a": [1.0, None]})
    assert frame.fillna(0)["a"].tolist() == [1.0, 0.0]
    assert frame.drop("a", axis=1).columns.tolist() == []
    assert pd.concat([frame, frame], axis=1).shape == (2, 2)
    assert mean_squared_error([0.0], [3.0]) == 9.0
    OneHotEncoder(sparse_output=False).fit([[1]])
    figure = plt.figure()
    assert figure.gca() is plt.gca()
    figure.savefig("here.png")
    assert caplog.records == []
    assert offered.used() == []


def test_a_module_that_is_imported_later_gets_its_rows(tmp_path, monkeypatch):
    from keraunos.eras.after_import import after_import

    (tmp_path / "a_module_of_a_test.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    seen = []
    end = after_import({"a_module_of_a_test": lambda module: seen.append(module.x)})
    module = importlib.import_module("a_module_of_a_test")
    end()
    assert seen == [1]
    assert module.__spec__.loader is module.__loader__
    del sys.modules["a_module_of_a_test"]
    again = importlib.import_module("a_module_of_a_test")
    assert seen == [1]
    assert type(again.__loader__) is type(module.__loader__)


def test_a_program_that_is_told_its_era_gets_them_until_keras_is_put_back():
    install_as_keras(era=2)
    try:
        assert np.float is float
        install_as_keras(era=3)
        assert not hasattr(np, "float")
        install_as_keras(era=1)
        assert np.float is float
        install_as_keras(era=1, shims=False)
        assert not hasattr(np, "float")
    finally:
        uninstall_keras()
    assert not hasattr(np, "float")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_inner_module_is_there_for_whoever_imported_the_outer_one(offered):
    import scipy as sp
    import sklearn

    assert sp.misc.comb(4, 2) == 6
    assert (
        sklearn.cross_validation.train_test_split is importlib.import_module("sklearn.model_selection").train_test_split
    )


def test_six_raises_wraps_and_makes_classes_anew(offered):
    import six

    class Meta(type):
        pass

    @six.add_metaclass(Meta)
    class Made:
        __slots__ = ("a",)

    @six.wraps(len)
    def count():
        return 0

    assert type(Made) is Meta
    assert count.__name__ == "len"
    assert list(six.viewitems({1: 2})) == [(1, 2)]
    assert six.ensure_text(b"a") == six.ensure_str("a") == six.ensure_binary("a").decode()
    with pytest.raises(ValueError, match="outer") as caught:
        six.raise_from(ValueError("outer"), KeyError("inner"))
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(ZeroDivisionError) as caught:
        try:
            _ = 1 / 0
        except ZeroDivisionError:
            six.reraise(*sys.exc_info())
    assert caught.traceback[-1].lineno < caught.traceback[0].lineno or len(caught.traceback) > 1

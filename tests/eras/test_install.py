"""``import keras`` while Keraunos is installed as Keras: what is found, what is not, and that all is put back."""

import importlib
import subprocess
import sys
import types

import keras as real_keras
import numpy as np
import pytest

import keraunos
from keraunos import install_as_keras, uninstall_keras
from keraunos.eras import modules, notebook
from keraunos.utils import config, spelling
from keraunos.utils.errors import ArgumentError


def loaded() -> dict[str, types.ModuleType]:
    roots = ("keras", "tf_keras", "tensorflow")
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] in roots}


@pytest.fixture(autouse=True)
def put_back():
    before, path, era = loaded(), list(sys.meta_path), spelling.era()
    spelling.forget_notes()
    yield
    uninstall_keras()
    assert loaded() == before
    assert sys.meta_path == path
    assert spelling.era() == era


@pytest.fixture
def notes(caplog):
    def texts() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.name == "keraunos.eras"]

    return texts


# --- what is found --------------------------------------------------------------------------


def test_import_keras_finds_the_classes_of_keraunos():
    keras = install_as_keras()
    from keras.layers import Dense
    from keras.models import Sequential

    assert Dense is keraunos.layers.Dense
    assert Sequential is keras.Sequential is keraunos.Sequential
    assert keras is sys.modules["keras"]
    assert keras.layers.Dense is Dense


@pytest.mark.parametrize("name", sorted(modules.BY_NAME))
def test_every_module_is_found_under_every_package_with_names_that_are_there(name):
    install_as_keras()
    for root in modules.ROOTS:
        module = importlib.import_module(f"{root}.{name}".rstrip("."))
        assert module.__name__ == f"{root}.{name}".rstrip(".")
        assert [own for own in modules.public(name) if not hasattr(module, own)] == []
        assert set(modules.public(name)) <= set(dir(module))


def test_nothing_that_is_said_to_be_absent_is_there():
    install_as_keras()
    for row in modules.ABSENT:
        module = importlib.import_module(f"keras.{row.module}".rstrip("."))
        found = {name for name in row.names.split() if hasattr(module, name)}
        assert found <= {"merge"}  # the module of era 2 stands where the function of era 1 did


@pytest.mark.parametrize(
    "statement, found",
    [
        ("from keras.layers.core import Dense as it", "layers.Dense"),
        ("from keras.layers.convolutional import Convolution2D as it", "layers.Conv2D"),
        ("from keras.layers.recurrent import LSTM as it", "layers.LSTM"),
        ("from keras.engine.topology import Layer as it", "layers.Layer"),
        ("from keras.engine import Input as it", "layers.Input"),
        ("from keras.engine.training import Model as it", "models.Model"),
        ("from keras.utils.np_utils import to_categorical as it", "utils.to_categorical"),
        ("from keras.utils.generic_utils import Progbar as it", "utils.Progbar"),
        ("from keras.utils.vis_utils import plot_model as it", "utils.plot_model"),
        ("from keras.utils.visualize_util import plot as it", "utils.plot_model"),
        ("from keras.objectives import mse as it", "losses.mean_squared_error"),
        ("from keras.preprocessing.sequence import pad_sequences as it", "utils.pad_sequences"),
        ("from keras.optimizers.schedules import ExponentialDecay as it", "schedules.ExponentialDecay"),
        ("from keras.optimizers.legacy import Adam as it", "optimizers.Adam"),
        ("from keras.optimizers import rmsprop as it", "optimizers.RMSprop"),
        ("from keras.regularizers import WeightRegularizer as it", "regularizers.L1L2"),
        ("from tensorflow.keras.layers import GRU as it", "layers.GRU"),
        ("from tensorflow.python.keras.layers import GRU as it", "layers.GRU"),
        ("from tf_keras.layers import GRU as it", "layers.GRU"),
        ("import tensorflow as tf; it = tf.keras.callbacks.EarlyStopping", "callbacks.EarlyStopping"),
        ("import keras; it = keras.datasets.mnist.load_data", "datasets.mnist.load_data"),
    ],
)
def test_an_import_of_any_era_finds_the_thing(statement, found):
    install_as_keras()
    names: dict[str, object] = {}
    exec(statement, names)
    path, _, name = f"keraunos.{found}".rpartition(".")
    assert names["it"] is getattr(importlib.import_module(path), name)


def test_import_star_brings_names_of_every_era_and_tells_of_none(notes):
    install_as_keras()
    names: dict[str, object] = {}
    exec("from keras.layers import *", names)
    assert {"Dense", "Convolution2D", "AtrousConvolution2D"} <= set(names)
    assert notes() == []


def test_the_version_is_that_of_the_era():
    keras = install_as_keras(1)
    assert keras.__version__ == "1.2.2"
    assert install_as_keras(2) is keras
    assert keras.__version__ == keras.version() == "2.2.4"
    install_as_keras(3)
    assert keras.__version__ == "3.15.1"


def test_a_module_that_has_another_place_today_says_so_once(notes):
    install_as_keras()
    importlib.import_module("keras.utils.np_utils")
    importlib.import_module("tensorflow.keras.utils.np_utils")
    assert notes() == ["keraunos: keras.utils.np_utils is called keras.utils since Keras 3"]


def test_functions_of_initializations_make_variables_with_the_numbers_of_era_1():
    install_as_keras(1)
    from keras import initializations

    drawn = initializations.normal((500, 20), scale=0.001, name="W")
    assert drawn.name == "W"
    assert 0.0009 < drawn.numpy().std() < 0.0011
    assert initializations.get("one")((2,)).numpy().tolist() == [1, 1]
    # He et al. (2015): standard deviation sqrt(2 / inputs), of a normal distribution that is not cut off in era 1.
    he = initializations.he_normal((200, 500)).numpy()
    assert he.std() == pytest.approx(0.1, rel=0.02)
    assert np.abs(he).max() > 0.3


# --- what is not ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement, words",
    [
        ("import keras.distillation", "keras.distillation of Keras 3 is not in Keraunos."),
        ("from keras.layers import Dens", "keras.layers.Dens is not in Keraunos. Did you mean 'Dense'?"),
        ("import keras.quantizers", "keras.quantizers of Keras 3 is not in Keraunos."),
        ("import keras.src", "keras.src is not in Keraunos."),
        ("import tensorflow.examples", "tensorflow.examples: tensorflow is not installed; Keraunos stands in for tf.k"),
        ("from tensorflow import Session", "tensorflow.Session: tensorflow is not installed; Keraunos stands in for"),
    ],
)
def test_an_import_of_what_is_not_there_says_so_plainly(statement, words):
    install_as_keras()
    with pytest.raises(ImportError) as error:
        exec(statement, {})
    assert str(error.value).startswith(words)


def test_an_attribute_that_is_not_there_says_so_plainly():
    keras = install_as_keras()
    with pytest.raises(AttributeError, match="keras.layers.Dens is not in Keraunos. Did you mean 'Dense'"):
        _ = keras.layers.Dens
    with pytest.raises(AttributeError, match="keras.distillation of Keras 3 is not in Keraunos"):
        _ = keras.distillation
    assert not hasattr(keras, "no_such_thing")


def test_a_module_that_was_a_function_once_can_be_called():
    keras = install_as_keras()
    assert keras.layers.merge([keras.layers.Input((2,)), keras.layers.Input((3,))], mode="concat").shape == (None, 5)
    with pytest.raises(TypeError, match="module 'keras.layers' is not callable"):
        keras.layers()


def test_an_era_that_never_was_is_refused():
    with pytest.raises(ArgumentError, match="there is no era 4"):
        install_as_keras(4)
    assert not hasattr(sys.modules["keras"], "__place__")


# --- coming and going -----------------------------------------------------------------------


def test_real_keras_is_put_back_as_it_was():
    names = {name for name in sys.modules if name.partition(".")[0] == "keras"}
    install_as_keras(2)
    assert importlib.import_module("keras") is not real_keras
    uninstall_keras()
    assert importlib.import_module("keras") is real_keras
    assert {name for name in sys.modules if name.partition(".")[0] == "keras"} == names
    assert importlib.import_module("keras.layers").Dense is real_keras.layers.Dense is not keraunos.layers.Dense


def test_installing_twice_is_installing_once():
    path = list(sys.meta_path)
    assert install_as_keras() is install_as_keras()
    assert len(sys.meta_path) == len(path) + 2  # the finder, and the watch for a real TensorFlow
    uninstall_keras()
    uninstall_keras()
    assert sys.meta_path == path


def test_uninstalling_restores_the_era_that_was_before():
    install_as_keras(1)
    install_as_keras(2)
    assert spelling.era() == 2
    uninstall_keras()
    assert spelling.era() == 3


def test_without_an_era_the_one_that_was_chosen_stays():
    with spelling.in_era(2):
        install_as_keras()
        assert spelling.era() == 2
        uninstall_keras()
        assert spelling.era() == 2


def test_the_display_goes_with_the_era(capsys):
    keras = install_as_keras(2)
    keras.Sequential([keras.layers.Dense(3, input_dim=2)]).summary()
    assert "Layer (type)                 Output Shape" in capsys.readouterr().out
    uninstall_keras()
    keraunos.Sequential([keraunos.layers.Dense(3, input_dim=2)]).summary()
    assert "Layer (type)                 Output Shape" not in capsys.readouterr().out


def test_keras_is_installed_under_its_names_in_a_program_that_has_never_seen_another():
    code = (
        "import keraunos, sys; keraunos.install_as_keras(era=1); print('jax' in sys.modules)\n"
        "from keras.layers import Dense; print(Dense.__module__)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[1] == "keraunos.layers.core"


# --- TensorFlow -----------------------------------------------------------------------------


def test_a_stand_in_for_tensorflow_sets_seeds_and_silences_the_logger():
    install_as_keras(2)
    import tensorflow as tf

    assert tf.__version__ == "1.12.0"
    tf.set_random_seed(5)
    one = np.random.rand()
    tf.random.set_seed(5)
    assert np.random.rand() == one
    tf.compat.v1.set_random_seed(5)
    assert np.random.rand() == one
    level = tf.get_logger().level
    tf.logging.set_verbosity(tf.logging.ERROR)
    assert tf.get_logger().level == tf.compat.v1.logging.ERROR
    tf.get_logger().setLevel(level)
    with pytest.raises(AttributeError, match="tensorflow.Session: tensorflow is not installed; Keraunos stands in"):
        tf.Session()


@pytest.fixture
def tensorflow(tmp_path, monkeypatch):
    """A TensorFlow that is installed: it has a keras of its own, as an attribute and as a module."""
    folder = tmp_path / "tensorflow"
    (folder / "keras").mkdir(parents=True)
    (folder / "__init__.py").write_text("from tensorflow import keras\n__version__ = '2.99'\nSession = 'real'\n")
    (folder / "keras" / "__init__.py").write_text("whose = 'theirs'\n")
    (folder / "python.py").write_text("whose = 'theirs'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "tensorflow"]:
        del sys.modules[name]


def test_of_a_real_tensorflow_only_keras_is_ours(tensorflow):
    install_as_keras()
    import tensorflow as tf

    assert (tf.__version__, tf.Session) == ("2.99", "real")
    assert tf.keras.layers.Dense is keraunos.layers.Dense
    from tensorflow.keras.layers import LSTM
    from tensorflow.python import whose

    assert LSTM is keraunos.layers.LSTM
    assert whose == "theirs"


def test_a_real_tensorflow_that_was_there_before_gets_its_keras_back(tensorflow):
    import tensorflow as tf

    theirs = tf.keras
    install_as_keras()
    assert tf.keras.layers.Dense is keraunos.layers.Dense
    uninstall_keras()
    assert tf.keras is theirs is sys.modules["tensorflow.keras"]
    assert tf.keras.whose == "theirs"
    for name in [name for name in sys.modules if name.partition(".")[0] == "tensorflow"]:
        del sys.modules[name]


# --- notebooks ------------------------------------------------------------------------------


class Events:
    """What IPython has of events."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def register(self, event, function):
        assert event == "pre_run_cell"
        self.heard.append(function)

    def unregister(self, event, function):
        self.heard.remove(function)


class Shell:
    """A notebook: cells are looked at, then run."""

    def __init__(self) -> None:
        self.events = Events()
        self.execution_count = 0

    def run(self, cell):
        self.execution_count += 1
        for function in self.events.heard:
            function(types.SimpleNamespace(raw_cell=cell))
        exec(cell, {})


def test_a_notebook_takes_the_era_of_its_cells(notes):
    shell = Shell()
    keraunos.load_ipython_extension(shell)
    shell.run("import keras\nassert keras.__version__ == '3.15.1'")
    assert notes() == []
    shell.run("import keras\nkeras.optimizers.SGD(lr=0.1)\nassert keras.__version__ == '2.2.4'")
    assert "keraunos: Keras 2 (lr cell 2)" in notes()
    shell.run("import keras\nkeras.layers.Dense(output_dim=3)\nassert keras.__version__ == '1.2.2'")
    assert "keraunos: Keras 1 (output_dim cell 3)" in notes()
    keraunos.unload_ipython_extension(shell)
    assert shell.events.heard == []
    assert spelling.era() == 3


def test_a_notebook_keeps_an_era_that_was_chosen():
    install_as_keras(2)
    shell = Shell()
    notebook.load_ipython_extension(shell)
    shell.run("import keras\nkeras.layers.Dense(output_dim=3)\nassert keras.__version__ == '2.2.4'")


def test_loading_the_extension_twice_listens_once():
    shell = Shell()
    notebook.load_ipython_extension(shell)
    notebook.load_ipython_extension(shell)
    assert len(shell.events.heard) == 1
    notebook.unload_ipython_extension(shell)


def test_a_program_that_installs_the_alias_gets_the_era_of_its_own_spelling(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import keraunos\nkeraunos.install_as_keras()\n"
        "import keras\nfrom keras.layers import Dense\n"
        "print(keras.__version__, Dense(output_dim=2, input_dim=3).name)\n"
    )
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=True)
    assert done.stdout == "1.2.2 dense_1\n"
    assert "keraunos: Keras 1 (output_dim line 5)" in done.stderr


# --- a person's settings for Keras ----------------------------------------------------------


@pytest.fixture
def keras_json(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    before = config.floatx(), config.epsilon(), config.image_data_format()
    yield tmp_path / "keras.json"
    uninstall_keras()
    assert (config.floatx(), config.epsilon(), config.image_data_format()) == before


def test_keras_1_reads_its_settings_until_it_is_uninstalled(keras_json, notes):
    keras_json.write_text('{"image_dim_ordering": "th", "epsilon": 1e-5, "backend": "theano", "floatx": "float32"}')
    K = install_as_keras(era=1).backend
    assert (K.image_dim_ordering(), K.backend(), K.epsilon(), K.floatx()) == ("th", "theano", 1e-5, "float32")
    assert notes() == [
        "keraunos: settings for Keras hold: epsilon=1e-05, image_data_format='channels_first', backend='theano'"
    ]
    assert install_as_keras(era=3).backend.image_data_format() == "channels_last"


def test_keras_2_reads_its_own_word_for_the_image_layout(keras_json):
    keras_json.write_text('{"image_dim_ordering": "th", "image_data_format": "channels_last", "floatx": "float8"}')
    K = install_as_keras(era=2).backend
    assert (K.image_data_format(), K.backend(), K.floatx()) == ("channels_last", "tensorflow", "float32")


@pytest.mark.parametrize("content", ["no json", "[]", "{}"])
def test_settings_that_say_nothing_change_nothing(keras_json, content, notes):
    keras_json.write_text(content)
    assert install_as_keras(era=2).backend.backend() == "tensorflow"
    assert notes() == []


@pytest.mark.parametrize(("era", "line"), [(1, "20/20 [====="), (2, "20/20 [====="), (3, "20/20")])
def test_a_progress_bar_is_that_of_the_era(era, line, capsys):
    keras = install_as_keras(era=era)
    from keras.utils.generic_utils import Progbar

    Progbar(20).update(20)
    shown = capsys.readouterr().out
    assert line in shown
    assert ("\x1b" in shown) == (era == 3)
    assert keras.utils.Progbar is Progbar


# --- what TensorFlow's Keras did otherwise than Keras 3 ---------------------------------------


def adversaries(tensorflow):
    """A critic that is compiled free, frozen, and compiled again behind a generator, as in posts about GANs."""
    install_as_keras(era=3)
    if tensorflow:
        import tensorflow as tf

        keras = tf.keras
    else:
        import keras
    critic = keras.Sequential([keras.layers.Dense(4, input_shape=(3,)), keras.layers.BatchNormalization()])
    critic.add(keras.layers.Dense(1))
    critic.compile("sgd", "mse")
    critic.trainable = False
    both = keras.Sequential([keras.layers.Dense(3, input_shape=(2,)), critic])
    both.compile("sgd", "mse")
    return critic, both


def changed(model, step):
    before = [weight.copy() for weight in model.get_weights()]
    step()
    return [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]


def test_under_tensorflow_a_model_trains_what_was_trainable_when_it_was_compiled():
    critic, both = adversaries(tensorflow=True)
    rng = np.random.RandomState(0)
    x, y, z = rng.rand(8, 3), np.ones((8, 1)), rng.rand(8, 2)
    assert changed(critic, lambda: critic.train_on_batch(x, y)) == [True] * 8
    assert changed(critic, lambda: critic.fit(x, y, verbose=0)) == [True] * 8
    assert not critic.trainable
    assert changed(critic, lambda: both.train_on_batch(z, y)) == [False] * 8
    assert changed(both, lambda: both.fit(z, y, verbose=0)) == [True] * 2 + [False] * 8
    critic.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="all of its weights are frozen, so training changes none of them"):
        assert changed(critic, lambda: critic.train_on_batch(x, y)) == [False] * 8


def test_under_keras_3_a_critic_that_is_frozen_later_is_said_to_learn_nothing():
    critic, _ = adversaries(tensorflow=False)
    with pytest.warns(UserWarning, match="sequential: all of its weights are frozen"):
        assert changed(critic, lambda: critic.train_on_batch(np.ones((4, 3)), np.ones((4, 1)))) == [False] * 8


def test_serialize_gives_the_form_of_keras_2():
    install_as_keras(2)
    from keras import constraints, losses, metrics, optimizers, regularizers

    assert metrics.serialize(metrics.categorical_accuracy) == "categorical_accuracy"
    assert metrics.serialize(metrics.mse) == losses.serialize(losses.mse) == "mean_squared_error"
    assert metrics.serialize(None) is None
    assert regularizers.serialize(regularizers.l2(0.5)) == {"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.5}}
    assert constraints.serialize(constraints.max_norm(2)) == {
        "class_name": "MaxNorm",
        "config": {"max_value": 2.0, "axis": 0},
    }
    assert sorted(optimizers.serialize(optimizers.SGD())["config"]) == ["decay", "lr", "momentum", "nesterov"]
    with pytest.raises(ArgumentError, match="neither a function nor an object"):
        metrics.serialize(3)


@pytest.mark.parametrize(
    "era, shape, works", [(1, (3,), 0), (1, (2, 3), 1), (1, (1, 1, 1, 2), 1), (2, (3,), 0), (2, (1, 1, 1, 2), 1)]
)
def test_softmax_refuses_what_it_did_in_its_era(era, shape, works):
    install_as_keras(era)
    from keras import activations

    if works:
        np.testing.assert_allclose(np.sum(activations.softmax(np.ones(shape)), -1), 1, rtol=1e-6)
    else:
        with pytest.raises(ValueError, match=f"softmax: .* but the inputs have {len(shape)}"):
            activations.softmax(np.ones(shape))


def test_what_is_keraunos_own_is_found_under_its_own_name():
    assert (
        modules.absence("", "plots")
        == "keras.plots is no name of Keras. Keraunos' own is keraunos.plots: import keraunos."
    )
    assert (
        modules.absence("layers", "TextVectorization")
        == "keras.layers.TextVectorization of Keras 3 is not in Keraunos."
    )

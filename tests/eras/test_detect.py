"""Which era a program is of, told from its spelling."""

import pytest

from keraunos.eras import table
from keraunos.eras.detect import Mark, detect
from keraunos.eras.documents import Block, read_document

IMPORTS = "from keras.layers import *\nfrom keras.models import *\nfrom keras.optimizers import *\n"


@pytest.mark.parametrize(
    "post, era, words",
    [
        ("000_6d56304045e4cceb", 1, "Keras 1 (output_dim line 204, nb_epoch line 221)"),
        ("001_5572dccca8a21824", 1, "Keras 1 (nb_epoch line 98, W_regularizer line 151, b_regularizer line 151, …)"),
        ("002_f9412362b9aa0884", 2, "Keras 2 (lr line 182, 'acc' line 289, 'val_acc' line 341)"),
        ("003_fb56c0d375655452", 3, "Keras 3 ('accuracy' line 108)"),
        (
            "004_2591c646e9f18d21",
            1,
            "Keras 1 (nb_epoch line 42, Convolution2D(…, …, …) line 161, border_mode line 161)",
        ),
    ],
)
def test_the_posts_are_of_their_eras(shared, post, era, words):
    found = detect(read_document(shared(f"posts/{post}.txt")).blocks)
    assert (found.era, found.text) == (era, words)


@pytest.mark.parametrize(
    "source, era",
    [
        # Era 1: its spellings, and none of later eras.
        ("model.fit(x, y, nb_epoch=2)", 1),
        ("Dense(output_dim=3, input_dim=2)", 1),
        ("Convolution2D(32, 3, 3)", 1),
        ("Conv2D(32, 3, 3, activation='relu')", 1),
        ("MaxPooling2D((2, 2), border_mode='same')", 1),
        ("Model(input=a, output=b)", 1),
        ("from keras.layers import merge", 1),
        ("from keras.regularizers import WeightRegularizer", 1),
        ("Dense(3, W_regularizer=WeightRegularizer(l2=0.1))", 1),
        ("from keras import backend as K\nK.image_dim_ordering()", 1),
        ("import keras\nkeras.objectives.mse", 1),
        ("from keras import initializations", 1),
        ("model.compile('sgd', 'mse', class_mode='binary')", 1),
        ("class Mine(Layer):\n    def get_output_shape_for(self, shape): return shape", 1),
        ("KerasClassifier(build, nb_epoch=3)", 1),
        ("print(self.params['nb_epoch'])", 1),
        ("Adam(lr=0.1, decay=0.1)\nmodel.fit(x, y, nb_epoch=2)", 1),
        # Era 2: what ended with it, or both spellings at once.
        ("Adam(lr=0.1)", 2),
        ("model.fit_generator(g, 10)", 2),
        ("model.predict_classes(x)", 2),
        ("history.history['acc']", 2),
        ("logs.get('val_acc')", 2),
        ("EarlyStopping(monitor='val_acc')", 2),
        ("ModelCheckpoint('weights-{val_acc:.2f}.hdf5')", 2),
        ("from keras.utils import np_utils", 2),
        ("from keras.layers.core import Dense", 2),
        ("from keras.layers.merge import concatenate", 2),
        ("from keras.layers import CuDNNLSTM", 2),
        ("from __future__ import print_function\nmodel.fit(x, y, epochs=2)", 2),
        ("from keras import backend as K\nK.mean(x)", 2),
        ("from keras.preprocessing.image import ImageDataGenerator", 2),
        ("from keras.preprocessing.text import Tokenizer", 2),
        ("from keras.layers import Merge, Highway", 1),
        ("from keras.metrics import fmeasure", 1),
        ("from keras.layers import LocallyConnected2D", 2),
        ("from keras.wrappers.scikit_learn import KerasClassifier", 2),
        ("from keras import backend as K\nK.learning_phase()", 2),
        ("from keras.models import model_from_yaml", 2),
        ("Dense(3, init='uniform')\nmodel.fit(x, y, epochs=2)", 2),
        ("import keras\nkeras.utils.to_categorical(y)\nmodel.fit(x, y, nb_epoch=2)", 2),
        ("from keras.layers import concatenate\nConvolution2D(8, 3, 3)", 2),
        ("print(model.optimizer.lr)", 2),
        ("from tensorflow.keras.layers import Dense\nprint(history.history['acc'])", 2),
        # Era 3: nothing older, or something that nothing older had.
        ("", 3),
        ("model.fit(x, y, epochs=2)", 3),
        ("Conv2D(32, (3, 3))", 3),
        ("Conv2D(64, 3, 2)\nmodel.fit(x, y, epochs=2)", 3),
        ("history.history['accuracy']", 3),
        ("from keras import ops\nprint(history.history['acc'])", 3),
        ("from tensorflow.keras.optimizers import Adam\nAdam(lr=0.1)", 3),
        ("import tensorflow as tf\ntf.keras.optimizers.Adam(lr=0.1)\nmodel.fit_generator(g)", 3),
        ("Adam(learning_rate=0.1)", 3),
        ("from __future__ import annotations", 3),
        ("from keras import backend as K\nK.clear_session()", 3),
        ("from keras.preprocessing.image import load_img", 3),
        ("model.compile('sgd', 'mse', jit_compile=True)", 3),
        # What only today's Keras has, imported or written out, decides over arguments and attributes.
        ("from keras import ops\nDense(3, init='uniform')", 3),
        ("import keras\nkeras.ops.mean(x)\nmodel.fit(x, y, nb_epoch=2)", 3),
        ("from keras import ops\nprint(model.layers[0].W)", 3),
        ("import keras\nkeras.saving.load_model('a.keras').layers[0].get_output_at(0)", 3),
        ("Adam(learning_rate=0.1)\nprint(model.layers[0].W)", 3),
        # Attributes of the program's own, and those that anything may have.
        (
            "class Mine(Layer):\n    def build(self, s): self.W, self.b = s, 0\n    def call(self, x): return x @ self.W",
            3,
        ),
        (
            "class Mine(Layer):\n    def __init__(self): self.layer = Dense(3)\n    def call(self, x): return self.layer(x)",
            3,
        ),
        ("class Task:\n    updates: int = 0\n    def run(self): return self.updates", 3),
        ("class Watch(Callback):\n    def on_epoch_end(self, epoch, logs): self.model.stop_training = True", 3),
        ("import torch\nprint(linear.W, linear.b, linear.updates)", 3),
        ("print(args.alphas, data.W)", 3),
        ("print(layer.kernel, layer.bias, layer.get_weights(), optimizer.weights, model.step, x.U, p.b_i)", 3),
        ("print(model.input_shape, model.output_shape)", 3),
        ("for layer in model.layers: print(layer.W)", 1),
        ("print(model.layers[0].b)", 1),
        ("print(model.get_layer('a').W)", 1),
        ("print(model.layers[0].W)\nmodel.fit(x, y, epochs=2)", 2),
        ("print(layer.get_output_at(0))", 2),
        ("tokenizer.nb_words", 1),
        ("model.reset_states()", 2),
        # Entries of logs that the program names itself.
        ("model.compile('sgd', 'mse', metrics=[BinaryAccuracy(name='acc')])\nprint(history.history['val_acc'])", 3),
        # What stands there for other releases.
        (
            "try:\n    from keras.layers.merge import concatenate\nexcept ImportError:\n    from keras.layers import concatenate",
            3,
        ),
        ("try:\n    from keras import ops\nexcept ImportError:\n    from keras import backend as ops", 3),
        ("try:\n    from keras.utils import np_utils\nexcept ImportError:\n    print('no Keras')", 2),
        ("try:\n    from keras.layers import Merge\nexcept ImportError:\n    from keras.legacy.layers import Merge", 1),
        ("try:\n    m.fit(x, y, nb_epoch=1)\nexcept TypeError:\n    m.fit(x, y, epochs=1)", 3),
        ("if keras.__version__ < '2':\n    m.fit(x, y, nb_epoch=1)\nelse:\n    m.fit(x, y, epochs=1)", 3),
        ("if keras.__version__ < '2':\n    print('old')\nm.fit(x, y, nb_epoch=1)", 1),
        # What is not Keras'.
        ("import torch\ntorch.optim.Adam(model.parameters(), lr=0.1)", 3),
        ("from torch.optim import Adam\nAdam(model.parameters(), lr=0.1)", 3),
        ("from sklearn.svm import SVC\nSVC().predict_proba(x)", 3),
        ("def Dense(output_dim): pass\nDense(output_dim=3)", 3),
        ("train(nb_epoch=3)", 3),
        ("d['acc'] = 3", 3),
        ("print('acc {acc:.3f}'.format(acc=3))", 3),
        ("args.lr", 3),
        ("not python at all", 3),
        ("# nb_epoch=3\ntext = 'nb_epoch=3'", 3),
    ],
)
def test_a_program_is_of_the_era_of_its_spelling(source, era):
    assert detect(source).era == era, detect(source).marks


@pytest.mark.parametrize(
    "row", [row for row in table.RENAMES if row.last < 3], ids=lambda row: f"{row.owners.split()[0]}-{row.old}"
)
def test_every_old_argument_of_the_table_is_a_mark(row):
    for owner in row.owners.split():
        call = owner.rpartition(".")[2] if "." not in owner else f"something.{owner.rpartition('.')[2]}"
        members = {
            "Conv": "Conv2D", "CellLayer": "LSTM", "GatedCell": "LSTMCell", "Pooling": "MaxPooling2D",
            "GlobalPooling": "GlobalMaxPooling2D", "ZeroPadding": "ZeroPadding2D", "Cropping": "Cropping2D",
            "UpSampling": "UpSampling2D", "SpatialDropout": "SpatialDropout2D", "Layer": "Dense", "Optimizer": "SGD",
        }  # fmt: skip
        found = detect(f"{IMPORTS}{members.get(call, call)}({row.old}=1)").marks
        assert Mark(row.old, 1, row.last, "line 4") in found, owner


def test_an_import_under_another_name_is_seen_through():
    source = (
        "from keras.layers import Convolution2D as C\nfrom keras import layers as L\nC(8, 3, 3)\nL.Dense(init='one')"
    )
    assert detect(source).text == "Keras 1 (Convolution2D(…, …, …) line 3, init line 4)"


def test_the_line_names_each_spelling_once_where_it_first_stands():
    source = "model.fit(nb_epoch=1)\nmodel.fit(nb_epoch=1)\nDense(output_dim=1)\nDense(init='one')\nDense(bias=False)"
    assert detect(source).text == "Keras 1 (nb_epoch line 1, output_dim line 3, init line 4, …)"
    assert detect("x = 1").text == "Keras 3 (no mark of an earlier one)"


def test_two_eras_in_one_program_are_both_named():
    found = detect("model.fit(nb_epoch=1)\nmodel.fit(epochs=1)")
    assert found.text == "Keras 2 (nb_epoch line 1, epochs line 2)"


def test_places_are_those_of_the_document():
    blocks = [
        Block("import keras", 1, "cell", "book.ipynb, cell 1"),
        Block("%matplotlib inline\nDense(output_dim=1)", 1, "cell", "book.ipynb, cell 2"),
        Block("model.fit(nb_epoch=1)", 40, "fenced"),
        Block("print 'Python 2', nb_epoch", 50, "fenced"),
    ]
    assert detect(blocks).text == "Keras 1 (output_dim cell 2, nb_epoch line 40)"


def test_what_one_block_imports_the_next_block_means():
    blocks = [Block("from torch.optim import Adam", 1, "fenced"), Block("Adam(lr=1)", 3, "fenced")]
    assert detect(blocks).marks == ()


@pytest.fixture
def folder(tmp_path):
    """A folder with a package and a module, of which the program imports some."""
    texts = {
        "nets.py": "def train(model): model.fit(1, 2, nb_epoch=3)",
        "modern.py": "from keras import ops",
        "today.py": "import nets",
        "package/__init__.py": "from . import inner",
        "package/inner.py": "from ..package.deep import build",
        "package/deep.py": "from keras.layers import Highway",
        "keras.py": "from keras.layers import Highway",
        "broken.py": "print 'Python 2'",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    "source, text",
    [
        ("import nets", "Keras 1 (nb_epoch nets.py line 1)"),
        ("from nets import train", "Keras 1 (nb_epoch nets.py line 1)"),
        ("import today", "Keras 1 (nb_epoch nets.py line 1)"),
        ("import package", "Keras 1 (keras.layers.Highway deep.py line 1)"),
        ("from package import deep", "Keras 1 (keras.layers.Highway deep.py line 1)"),
        ("import package.deep as d", "Keras 1 (keras.layers.Highway deep.py line 1)"),
        ("import nets, modern", "Keras 3 (keras.ops modern.py line 1)"),
        ("import nets\nmodel.fit(x, epochs=2)", "Keras 2 (nb_epoch nets.py line 1, epochs line 2)"),
        ("import keras, broken, missing, numpy", "Keras 3 (no mark of an earlier one)"),
    ],
)
def test_modules_beside_a_program_are_read_where_it_imports_them(folder, source, text):
    assert detect(source, folder).text == text
    assert detect(source).era != 1


def test_modules_that_import_each_other_are_read_once(tmp_path):
    (tmp_path / "a.py").write_text("import b\nDense(init='one')")
    (tmp_path / "b.py").write_text("import a")
    assert [mark.word for mark in detect("import a", tmp_path).marks] == ["init"]

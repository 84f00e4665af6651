"""Files of earlier eras are data too: what is hostile or damaged ends in one sentence, and nothing of it runs."""

import base64
import contextlib
import io
import json
import marshal
import os
import random
import resource
import signal

import h5py
import numpy as np
import pytest

from keraunos import saving
from keraunos.eras.files import model_from_yaml
from keraunos.eras.yaml_text import read_yaml, write_yaml
from keraunos.utils.errors import ModelFileError


@contextlib.contextmanager
def within(seconds):
    """Fails where the block takes longer, or the process grows by more than 300 MB."""

    def late(*_):
        raise TimeoutError(f"more than {seconds} s")

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


def code():
    function = compile("lambda x: __import__('os').environ.update(CODE_OF_A_FILE_RAN='1')", "x", "eval").co_consts[0]
    return marshal.dumps(function)


LAMBDAS = {
    "1.2.2": [code().decode("raw_unicode_escape"), None, None],
    "2.2.4": [base64.encodebytes(code()).decode(), None, None],
}


def entry(kind, **config):
    return {"class_name": kind, "config": config}


def lstm(name):
    gates = {"inner_activation": "hard_sigmoid", "forget_bias_init": "one", "inner_init": "orthogonal"}
    return entry("LSTM", name=name, output_dim=2, init="glorot_uniform", activation="tanh", **gates)


def stack(version, *layers):
    """Config of a model, as Keras 1.2.2 or 2.2.4 wrote a Sequential."""
    config = list(layers) if version == "1.2.2" else {"name": "sequential_1", "layers": list(layers)}
    return {"class_name": "Sequential", "config": config, "keras_version": version, "backend": "tensorflow"}


def first(version):
    if version == "1.2.2":
        return entry("Dense", name="d", output_dim=2, batch_input_shape=[None, 3], input_dtype="float32", bias=True)
    return entry("Dense", name="d", units=2, batch_input_shape=[None, 3], dtype="float32", use_bias=True)


def hdf5(config, training=None, fill=None):
    """An HDF5 model as Keras wrote it for one Dense layer of 3 to 2; ``fill`` changes the open file."""
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        file.attrs["keras_version"] = config.get("keras_version", "2.2.4").encode()
        file.attrs["model_config"] = config if isinstance(config, bytes) else json.dumps(config).encode()
        if training is not None:
            file.attrs["training_config"] = json.dumps(training).encode()
        weights = file.create_group("model_weights")
        weights.attrs["layer_names"] = [b"d"]
        group = weights.create_group("d")
        group.attrs["weight_names"] = [b"d_W:0", b"d_b:0"]
        group["d_W:0"], group["d_b:0"] = np.ones((3, 2), "float32"), np.zeros(2, "float32")
        if fill is not None:
            fill(file)
    return memory.getvalue()


def refuses(data, match, **options):
    with within(10), pytest.raises(ModelFileError, match=match):
        saving.load_model(io.BytesIO(data), **options)
    assert "CODE_OF_A_FILE_RAN" not in os.environ


VERSIONS = pytest.mark.parametrize("version", ["1.2.2", "2.2.4"])


@VERSIONS
def test_the_unchanged_file_loads(version):
    model = saving.load_model(io.BytesIO(hdf5(stack(version, first(version)))))
    np.testing.assert_array_equal(model(np.ones((1, 3))), [[3.0, 3.0]])


@VERSIONS
@pytest.mark.parametrize("safe_mode", [True, None])
def test_code_of_a_lambda_is_refused_in_every_format(version, safe_mode):
    layer = entry("Lambda", name="own", function=LAMBDAS[version], function_type="lambda", arguments={})
    config = stack(version, first(version), layer)
    match = "Lambda layer 'own' .* never runs .*custom_objects={'own': ...}"
    refuses(hdf5(config), match, safe_mode=safe_mode)
    for read, text in ((saving.model_from_json, json.dumps(config)), (model_from_yaml, write_yaml(config))):
        with pytest.raises(ModelFileError, match=match):
            read(text, safe_mode=safe_mode)
    assert "CODE_OF_A_FILE_RAN" not in os.environ
    model = saving.load_model(io.BytesIO(hdf5(config)), {"own": lambda x: 2 * x}, safe_mode=safe_mode)
    np.testing.assert_array_equal(model(np.ones((1, 3))), [[6.0, 6.0]])


@VERSIONS
def test_code_of_a_lambda_runs_where_the_caller_asks(version):
    function = marshal.dumps(compile("lambda x: 3 * x + K.sum(x)", "x", "eval").co_consts[0])
    text = function.decode("raw_unicode_escape") if version == "1.2.2" else base64.encodebytes(function).decode()
    layer = entry("Lambda", name="own", function=[text, None, None], function_type="lambda", arguments={})
    model = saving.load_model(io.BytesIO(hdf5(stack(version, first(version), layer))), safe_mode=False)
    np.testing.assert_array_equal(model(np.ones((1, 3))), [[15.0, 15.0]])


@pytest.mark.parametrize(
    "name", ["os.system", "system", "subprocess.Popen", "__import__", "eval", "Model.load_weights"]
)
@pytest.mark.parametrize("place", ["layer", "inner", "initializer", "regularizer", "optimizer"])
def test_no_class_but_those_of_the_tables_can_be_named(name, place):
    bad = entry(name, command="true")
    dense = first("2.2.4")
    training = None
    layers = [dense]
    if place == "layer":
        layers.append(bad)
    elif place == "inner":
        layers.append(entry("TimeDistributed", name="t", layer=bad))
    elif place == "optimizer":
        training = {"optimizer_config": bad, "loss": "mse", "metrics": []}
    else:
        dense["config"][f"kernel_{place}"] = bad
    refuses(hdf5(stack("2.2.4", *layers), training), "there is no|cannot be made|not a model|expected")


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("model_config", b"{", "not valid JSON"),
        ("model_config", b"[]", "no class_name"),
        ("model_config", b'{"class_name": "Sequential", "config": 7}', "cannot be made"),
        ("model_config", 7, "not a text"),
        ("training_config", b"nonsense", "not valid JSON"),
        ("training_config", b'{"optimizer_config": {"class_name": ["SGD"], "config": {}}}', "not the form|two texts"),
    ],
)
def test_configs_that_are_none_are_refused(key, value, match):
    def fill(file):
        file.attrs[key] = value

    refuses(hdf5(stack("2.2.4", first("2.2.4")), fill=fill), match)


def test_weights_that_the_file_has_not_are_not_made():
    config = stack("1.2.2", first("1.2.2"))
    config["config"][0]["config"]["output_dim"] = 10**9
    refuses(hdf5(config), "all numbers of the file together are fewer")


def test_links_and_foreign_storage_in_a_model_are_refused():
    def soft(file):
        file["model_weights/d/other"] = h5py.SoftLink("/model_weights/d/d_W:0")

    def outside(file):
        file["model_weights/d/other"] = h5py.ExternalLink("/etc/passwd", "/")

    for fill in (soft, outside):
        refuses(hdf5(stack("2.2.4", first("2.2.4")), fill=fill), "link")


def test_gates_that_do_not_fit_each_other_are_refused():
    layer = lstm("r")
    layer["config"]["batch_input_shape"] = [None, 4, 3]

    def fill(file):
        weights = file["model_weights"]
        weights.attrs["layer_names"] = [b"r"]
        group = weights.create_group("r")
        names = [f"r_{part}_{gate}:0".encode() for gate in "icfo" for part in "WUb"]
        group.attrs["weight_names"] = names
        for number, name in enumerate(names):
            shape = [(3, 2), (2, 2), (2,)][number % 3]
            group[name.decode()] = np.zeros((5, *shape[1:]) if number == 3 else shape, "float32")

    refuses(hdf5(stack("1.2.2", layer), fill=fill), "arrays do not fit")


# --- YAML ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['export CODE_OF_A_FILE_RAN=1']",
        "a: !!python/object/new:os.system [true]",
        "a: !!python/name:os.system",
        "a: !!python/module:os",
        "a: !!python/object:__main__.X {}",
        "!!python/object/apply:numpy.core.multiarray.scalar\n- !!python/object/apply:numpy.dtype\n  args: [O8, 0, 1]\n- x",
        "a: !<tag:yaml.org,2002:python/object/apply:os.system> [true]",
        "a: !own x",
    ],
)
def test_yaml_makes_no_objects(text):
    with pytest.raises(ModelFileError, match="names an object|not written as PyYAML does"):
        read_yaml(text, "the YAML text")
    assert "CODE_OF_A_FILE_RAN" not in os.environ


# Each part refers ten times to the one before.
BOMB = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (BOMB, "comes to more"),
        ("a: &a [*a]", "refers to a part that is not complete"),
        ("a: *b", "not there"),
        ("--- 1\n--- 2", "another document follows"),
        ("[" * 200 + "]" * 200, "levels"),
        ("- " * 200 + "x", "levels"),
        ("a: 1\na: 2", "'a' stands twice"),
        ("{a: 1, a: 2}", "'a' stands twice"),
        ("<<: {a: 1}", "is no plain text"),
        ("a: .inf", "not finite"),
        ("a: .nan", "not finite"),
        (f"a: {'9' * 30}", "too large"),
        ("a: 'x", "not the YAML"),
        ('a: "\\q"', "not the YAML"),
        ("a: [1, 2", "not the YAML"),
        ("? [a]\n: 1", "is no plain text"),
        ("a: 1\n b: 2", "not the YAML"),
        ("x" * (5 << 20), "bytes"),
        (b"\xff\xfe", "not the YAML"),
        (7, "expected YAML text"),
    ],
)  # fmt: skip
def test_yaml_outside_of_the_rules_is_refused(text, match):
    with within(10), pytest.raises(ModelFileError, match=match):
        read_yaml(text, "the YAML text")


def test_yaml_that_is_no_model_is_refused():
    for text in ("", "[]", "just words", "class_name: Dense\nconfig: {units: 2}"):
        with pytest.raises(ModelFileError):
            model_from_yaml(text)


# --- damage -------------------------------------------------------------------------------


def originals():
    """A model of each old era with recurrent, wrapped and convolved layers, and a graph."""
    one = stack(
        "1.2.2",
        entry("Convolution1D", name="c", nb_filter=2, filter_length=2, batch_input_shape=[None, 5, 3], init="uniform"),
        entry("Bidirectional", name="b", layer=lstm("r"), merge_mode="sum"),
        entry("Dense", name="d", output_dim=2, W_regularizer={"name": "L1L2Regularizer", "l1": 0.0, "l2": 0.1}),
    )
    node = lambda *names: [[[name, 0, 0, {}] for name in names]]  # noqa: E731
    layers = [
        {
            "name": "i",
            **entry("InputLayer", batch_input_shape=[None, 3], dtype="float32", name="i"),
            "inbound_nodes": [],
        },
        {"name": "d", **entry("Dense", name="d", units=3), "inbound_nodes": node("i")},
        {"name": "a", **entry("Add", name="a"), "inbound_nodes": node("i", "d")},
    ]
    graph = {"name": "m", "layers": layers, "input_layers": [["i", 0, 0]], "output_layers": [["a", 0, 0]]}
    return [one, {"class_name": "Model", "config": graph, "keras_version": "2.2.4", "backend": "theano"}]


JUNK = [
    None, True, 0, -1, 7, 2**62, 1e300, "", "relu", "../x", [], {}, [None], [[["i", 0, 0]]], ["i", 9, 9],
    {"class_name": "Dense"}, {"class_name": "os.system", "config": {}}, {"class_name": "__lambda__", "config": {}},
    {"name": "L1L2Regularizer", "l1": "x"}, {"i": 1}, "i", "Merge", "Sequential",
]  # fmt: skip


def bent(config, choose):
    """A copy in which one value somewhere is another."""
    config = json.loads(json.dumps(config))
    places = []

    def walk(value):
        for key in value if isinstance(value, dict) else range(len(value)):
            places.append((value, key))
            if isinstance(value[key], (dict, list)):
                walk(value[key])

    walk(config)
    for _ in range(choose.choice([1, 1, 2])):
        holder, key = choose.choice(places)
        if choose.random() < 0.2 and isinstance(holder, dict):
            holder.pop(key, None)
        else:
            holder[key] = choose.choice(JUNK)
    return config


def flipped(data, choose, values=(0, 255, *range(256))):
    data = bytearray(data)
    for _ in range(choose.choice([1, 1, 2, 8])):
        data[choose.randrange(len(data))] = choose.choice(values)
    return bytes(data)


# Letters and signs, and now and then a byte that no text has.
LETTERS = (0, 255, 10, *range(32, 127))


def survives(read, data):
    """Whether the data were refused; anything but a result or the one error fails the test."""
    try:
        read(data)
    except ModelFileError:
        return 1
    return 0


def damage(count, seed):
    """How many of so many damaged files of each format were refused."""
    choose = random.Random(seed)
    refused = {"config": 0, "json": 0, "yaml": 0, "hdf5": 0}
    models = [
        hdf5(stack(version, first(version)), {"optimizer_config": entry("SGD", lr=0.1), "loss": "mse"})
        for version in ("1.2.2", "2.2.4")
    ]
    for number in range(count):
        config = originals()[number % 2]
        refused["config"] += survives(saving.model_from_json, json.dumps(bent(config, choose)))
        refused["json"] += survives(saving.model_from_json, flipped(json.dumps(config).encode(), choose, LETTERS))
        refused["yaml"] += survives(model_from_yaml, flipped(write_yaml(config).encode(), choose, LETTERS))
        refused["hdf5"] += survives(
            lambda data: saving.load_model(io.BytesIO(data)), flipped(models[number % 2], choose)
        )
    return refused


@pytest.mark.filterwarnings("ignore")
def test_damaged_files_of_every_format_end_in_a_result_or_one_error():
    with within(60):
        refused = damage(100, seed=1)
    assert all(number > 5 for number in refused.values()), refused
    assert "CODE_OF_A_FILE_RAN" not in os.environ

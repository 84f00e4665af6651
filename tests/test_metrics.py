"""Metrics: agreement with Keras 3 over batches, laws over the table, a user's own, and messages."""

import inspect
import json
import warnings

import numpy as np
import pytest

from keraunos import losses, metrics
from keraunos.backend import K
from keraunos.core.scope import Scope
from keraunos.utils.errors import ArgumentError, NotBuiltError, ShapeError, UnknownNameError, UsageError

# The shapes of the golden cases, so that eager operations are compiled once for both.
N, C, T = 12, 3, 4
BATCHES = (slice(0, 6), slice(6, 12))


def _data():
    g = np.random.Generator(np.random.Philox(6))
    f = np.float32
    logits = g.normal(size=(N, C)).astype(f) * 2
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    labels = g.integers(0, C, N)
    real = g.normal(size=(N, C)).astype(f)
    scores = np.clip(np.abs(logits) / 4, 0, 1)
    return {
        "real": (real, real + logits / 4),
        "column": (real[:, :1], real[:, :1] + logits[:, :1] / 4),
        "vector": (real[:, 0], real[:, :1] + logits[:, :1] / 4),
        "steps": (g.normal(size=(N, T, C)).astype(f), g.normal(size=(N, T, C)).astype(f)),
        "positive": (np.abs(real) * 3, np.abs(logits) + 0.1),
        "signs": (np.sign(real), logits),
        "binary": (g.integers(0, 2, (N, C)).astype(f), scores),
        "single": (g.integers(0, 2, (N, 1)).astype(f), scores[:, :1]),
        "flat": (g.integers(0, 2, N).astype(f), scores[:, 0]),
        "logit": (g.integers(0, 2, (N, C)).astype(f), logits),
        "onehot": (np.eye(C, dtype=f)[labels], probabilities),
        "labels": (labels, probabilities),
        "label_column": (labels[:, None], probabilities),
        "label_steps": (g.integers(0, C, (N, T)), np.abs(g.normal(size=(N, T, C))).astype(f)),
        "classes": (labels, np.where(g.uniform(size=N) < 0.6, labels, 1)),
        "onehot_classes": (np.eye(C, dtype=f)[labels], probabilities),
        "ids": (labels, np.argsort(-probabilities, -1)),
    }


DATA = _data()
WEIGHT = np.random.Generator(np.random.Philox(7)).uniform(0.2, 2, N).astype("float32")

CASES = [
    ("Accuracy", {}, "classes"),
    ("BinaryAccuracy", {}, "binary"),
    ("BinaryAccuracy", {"threshold": 0.7}, "single"),
    ("CategoricalAccuracy", {}, "onehot"),
    ("SparseCategoricalAccuracy", {}, "labels"),
    ("SparseCategoricalAccuracy", {}, "label_column"),
    ("SparseCategoricalAccuracy", {}, "label_steps"),
    ("TopKCategoricalAccuracy", {"k": 2}, "onehot"),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, "labels"),
    ("SparseTopKCategoricalAccuracy", {"k": 2, "from_sorted_ids": True}, "ids"),
    ("TruePositives", {}, "binary"),
    ("FalsePositives", {"thresholds": [0.2, 0.6]}, "binary"),
    ("TrueNegatives", {}, "flat"),
    ("FalseNegatives", {"thresholds": 0.3}, "single"),
    ("Precision", {}, "binary"),
    ("Precision", {"thresholds": [0.0, 0.5, 1.0]}, "single"),
    ("Precision", {"top_k": 2}, "onehot"),
    ("Precision", {"class_id": 1, "thresholds": 0.3}, "onehot"),
    ("Recall", {}, "flat"),
    ("Recall", {"top_k": 2, "class_id": 2}, "onehot"),
    ("SensitivityAtSpecificity", {"specificity": 0.5}, "binary"),
    ("SensitivityAtSpecificity", {"specificity": 0.5, "num_thresholds": 1}, "binary"),
    ("SpecificityAtSensitivity", {"sensitivity": 0.6, "num_thresholds": 11}, "binary"),
    ("PrecisionAtRecall", {"recall": 0.4, "class_id": 0}, "binary"),
    ("RecallAtPrecision", {"precision": 0.5}, "single"),
    ("AUC", {}, "single"),
    ("AUC", {"num_thresholds": 5, "summation_method": "majoring"}, "binary"),
    ("AUC", {"num_thresholds": 9, "summation_method": "minoring", "curve": "PR"}, "binary"),
    ("AUC", {"curve": "PR"}, "flat"),
    ("AUC", {"curve": "PRGAIN", "num_thresholds": 30}, "binary"),
    ("AUC", {"thresholds": [0.1, 0.35, 0.8]}, "binary"),
    ("AUC", {"multi_label": True, "num_labels": C, "label_weights": [1.0, 2.0, 0.0]}, "binary"),
    ("AUC", {"multi_label": True, "thresholds": [0.3, 0.4]}, "binary"),
    ("AUC", {"label_weights": [1.0, 2.0, 0.5], "from_logits": True}, "logit"),
    ("F1Score", {}, "onehot"),
    ("F1Score", {"average": "micro", "threshold": 0.4}, "binary"),
    ("F1Score", {"average": "weighted"}, "onehot"),
    ("FBetaScore", {"average": "macro", "beta": 2.0, "threshold": 0.5}, "binary"),
    ("IoU", {"num_classes": C, "target_class_ids": [0, 2]}, "classes"),
    ("IoU", {"num_classes": C, "target_class_ids": [1], "sparse_y_pred": False, "dtype": "float32"}, "labels"),
    ("BinaryIoU", {"threshold": 0.4}, "flat"),
    ("MeanIoU", {"num_classes": C, "ignore_class": 1, "dtype": "float32"}, "classes"),
    ("MeanIoU", {"num_classes": C}, "classes"),
    ("OneHotIoU", {"num_classes": C, "target_class_ids": [0, 1]}, "onehot_classes"),
    ("OneHotMeanIoU", {"num_classes": C, "dtype": "float32"}, "onehot_classes"),
    ("MeanSquaredError", {}, "real"),
    ("MeanSquaredError", {}, "steps"),
    ("MeanSquaredError", {}, "vector"),
    ("RootMeanSquaredError", {}, "real"),
    ("RootMeanSquaredError", {}, "vector"),
    ("MeanAbsoluteError", {}, "real"),
    ("MeanAbsolutePercentageError", {}, "real"),
    ("MeanSquaredLogarithmicError", {}, "positive"),
    ("LogCoshError", {}, "real"),
    ("CosineSimilarity", {}, "real"),
    ("CosineSimilarity", {"axis": 1}, "steps"),
    ("Hinge", {}, "signs"),
    ("SquaredHinge", {}, "signs"),
    ("CategoricalHinge", {}, "onehot"),
    ("KLDivergence", {}, "onehot"),
    ("Poisson", {}, "positive"),
    ("BinaryCrossentropy", {"label_smoothing": 0.1}, "binary"),
    ("BinaryCrossentropy", {"from_logits": True}, "logit"),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}, "onehot"),
    ("SparseCategoricalCrossentropy", {}, "labels"),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, "label_steps"),
    ("R2Score", {}, "real"),
    ("R2Score", {"class_aggregation": "variance_weighted_average"}, "real"),
    ("R2Score", {"class_aggregation": None}, "column"),
    ("R2Score", {"num_regressors": 2}, "column"),
    ("R2Score", {"num_regressors": 40}, "column"),
    ("PearsonCorrelation", {}, "real"),
    ("ConcordanceCorrelation", {}, "real"),
]
IDS = [f"{name}-{data}-{'-'.join(kwargs)}".rstrip("-") for name, kwargs, data in CASES]
CLASSES = [member for member in metrics.table.public.values() if inspect.isclass(member)]


def make(member, arguments, /, **more):
    return getattr(metrics, member)(**arguments, **more)


def feed(metric, y, p, weight=None, batches=BATCHES):
    for batch in batches:
        metric.update_state(y[batch], p[batch], sample_weight=None if weight is None else weight[batch])
    return np.asarray(K.to_numpy(K.array(metric.result())))


# --- against Keras -----------------------------------------------------------------------


@pytest.mark.parametrize(("name", "kwargs", "data"), CASES, ids=IDS)
def test_results_over_batches_agree_with_keras_with_and_without_weights(name, kwargs, data):
    keras = pytest.importorskip("keras")
    y, p = DATA[data]
    ours, oracle = make(name, kwargs), getattr(keras.metrics, name)(**kwargs)
    whole = np.array([1, 2, 1, 1, 3, 1, 1, 2, 1, 1, 1, 2])
    fractions = "IoU" not in name or kwargs.get("dtype") == "float32"
    for weight in (None, WEIGHT if fractions else whole):
        with warnings.catch_warnings(action="ignore"):
            expected = feed(oracle, y, p, weight)
        np.testing.assert_allclose(feed(ours, y, p, weight), expected, rtol=2e-5, atol=1e-5)
        ours.reset_state(), oracle.reset_state()


@pytest.mark.parametrize("member", CLASSES, ids=lambda c: c.__name__)
def test_a_class_has_the_arguments_of_keras_in_order_with_their_defaults(member):
    keras = pytest.importorskip("keras")
    # Keras 3 does not know by_batch, which earlier releases did.
    ours = {n: p for n, p in inspect.signature(member).parameters.items() if n != "by_batch"}
    theirs = inspect.signature(getattr(keras.metrics, member.__name__)).parameters
    if member is metrics.MeanMetricWrapper:  # a subclass may declare the function instead of passing it
        theirs = {n: p.replace(default=None) if n == "fn" else p for n, p in theirs.items()}
    assert [(n, p.default) for n, p in ours.items()] == [(n, p.default) for n, p in theirs.items()]


def test_the_public_names_are_those_of_keras():
    keras = pytest.importorskip("keras")
    assert {name for name in dir(keras.metrics) if not name.startswith("_")} <= set(metrics.__all__)
    assert len(CLASSES) == 45
    assert {name for name, _, _ in CASES} >= {c.__name__ for c in CLASSES} - {"Mean", "Sum", "MeanMetricWrapper"}


def test_names_and_aliases_resolve_as_in_keras():
    pytest.importorskip("keras")
    from keras.src.metrics import ALL_OBJECTS_DICT

    for name, member in ALL_OBJECTS_DICT.items():
        if member.__name__ != "Metric":
            assert metrics.table.members[name].__name__ == member.__name__


@pytest.mark.parametrize(
    "name",
    [n for n in metrics.__all__ if n[0].islower() and hasattr(getattr(metrics, n), "__module__") and n not in
     ("get", "serialize", "deserialize", "resolve")],
)  # fmt: skip
def test_metric_functions_agree_with_keras(name):
    keras = pytest.importorskip("keras")
    if hasattr(losses, name):
        assert getattr(metrics, name) is getattr(losses, name)
        return
    ours, oracle = getattr(metrics, name), getattr(keras.metrics, name)
    assert list(inspect.signature(ours).parameters) == list(inspect.signature(oracle).parameters)
    kinds = {"sparse": "labels", "catego": "onehot", "top_k_": "onehot", "binary": "binary"}
    y, p = DATA[kinds.get(name[:6], "real")]
    np.testing.assert_allclose(np.asarray(ours(y, p)), np.asarray(oracle(y, p)), rtol=1e-4, atol=1e-5)


def test_golden_values_of_the_release(shared):
    golden = json.loads(shared("golden/k3/losses_metrics.json").read_text())
    weight = np.array(golden["sample_weight"], "float32")
    seen = 0
    for case in golden["metric_classes"]:
        data = golden["data"][case["data"]]
        y, p = (np.array(data[key]) for key in ("y_true", "y_pred"))
        metric = getattr(metrics, case["class"])(**case["kwargs"])
        w = weight if case["weighted"] else None
        with warnings.catch_warnings(action="ignore"):  # IoU cuts the fractions of the weights off
            value = feed(metric, y, p, w, [slice(0, 6)])
        np.testing.assert_allclose(value, case["result_after_all"], rtol=3e-5, atol=1e-5, err_msg=str(case))
        seen += 1
    assert seen == golden["counts"]["metric_classes"]


# --- against scikit-learn ----------------------------------------------------------------


def test_scores_agree_with_scikit_learn():
    scores = pytest.importorskip("sklearn.metrics")
    y, p = DATA["labels"]
    found = p.argmax(-1)
    for average in ("macro", "micro", "weighted", None):
        expected = scores.f1_score(y, found, average=average, sample_weight=WEIGHT, labels=range(C))
        value = feed(metrics.F1Score(average=average), y, p, WEIGHT)
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5)
    y, p = DATA["flat"]
    value = feed(metrics.Precision(), y, p, WEIGHT)
    assert value == pytest.approx(scores.precision_score(y, p > 0.5, sample_weight=WEIGHT), rel=1e-5)
    value = feed(metrics.AUC(thresholds=np.unique(p[(p > 0) & (p < 1)])), y, p, WEIGHT)
    assert value == pytest.approx(scores.roc_auc_score(y, p, sample_weight=WEIGHT), abs=1e-5)
    y, p = DATA["real"]
    assert feed(metrics.R2Score(), y, p, WEIGHT) == pytest.approx(scores.r2_score(y, p, sample_weight=WEIGHT), rel=1e-5)


def test_r2_keeps_its_digits_far_from_zero():
    y, p = DATA["column"]
    near, far = feed(metrics.R2Score(), y, p), feed(metrics.R2Score(), y + 1000, p + 1000)
    assert far == pytest.approx(near, abs=1e-3)


def test_correlations_along_the_batch_are_those_of_the_epoch():
    y, p = DATA["real"]
    columns = [np.corrcoef(a, b)[0, 1] for a, b in zip(y.T, p.T, strict=True)]
    assert feed(metrics.PearsonCorrelation(axis=0), y, p) == pytest.approx(np.mean(columns), rel=1e-4)
    keras = pytest.importorskip("keras")
    for name in ("PearsonCorrelation", "ConcordanceCorrelation"):
        expected = getattr(keras.metrics, name)(axis=0)(y, p)
        assert feed(getattr(metrics, name)(axis=0), y, p) == pytest.approx(float(expected), rel=1e-4)
    y, p = DATA["column"]
    weight = (np.arange(N) % 3 > 0).astype("float32")
    expected = np.corrcoef(y[weight > 0, 0], p[weight > 0, 0])[0, 1]
    assert feed(metrics.PearsonCorrelation(axis=0), y, p, weight) == pytest.approx(expected, rel=1e-4)


# --- laws over the table -----------------------------------------------------------------


@pytest.mark.parametrize(("name", "kwargs", "data"), CASES, ids=IDS)
def test_rows_of_weight_zero_are_left_out(name, kwargs, data):
    y, p = DATA[data]
    metric, fewer = make(name, kwargs), make(name, kwargs)
    assert metric.row_wise
    weight = (np.arange(N) % 2 > 0).astype("float32")
    garbage, zeros = np.array(p), np.array(y)
    if p.dtype.kind == "f":
        garbage[weight == 0] = np.nan
    zeros[weight == 0] = 0
    kept = weight > 0
    expected = feed(fewer, y[kept], p[kept], weight[kept], BATCHES[:1])
    for predictions in (p, garbage):
        np.testing.assert_allclose(feed(metric, zeros, predictions, weight), expected, rtol=1e-5, atol=1e-6)
        metric.reset_state()
    np.testing.assert_allclose(feed(metric, y[kept], p[kept], None, BATCHES[:1]), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "kwargs", "data"), CASES, ids=IDS)
def test_config_round_trip_gives_an_equal_metric(name, kwargs, data):
    metric = make(name, kwargs, name="mine")
    config = json.loads(json.dumps(metrics.serialize(metric)))
    again = metrics.deserialize(config)
    assert type(again) is type(metric)
    assert again.get_config() == metric.get_config() == config["config"]
    assert config["module"] == "keras.metrics"
    assert again.name == "mine"
    for key, value in kwargs.items():
        assert config["config"][key] == value or key == "label_weights"


@pytest.mark.parametrize(("name", "kwargs", "data"), CASES, ids=IDS)
def test_keras_reads_our_config_and_we_read_that_of_keras(name, kwargs, data):
    keras = pytest.importorskip("keras")
    oracle = getattr(keras.metrics, name)
    config = make(name, kwargs).get_config()
    if name not in ("CosineSimilarity", "AUC"):  # Keras forgets the axis; it keeps label_weights as a tensor
        assert oracle.from_config(config).get_config().keys() <= config.keys()
        theirs = oracle(**kwargs).get_config()
        ours = getattr(metrics, name).from_config(theirs).get_config()
        assert {k: v for k, v in ours.items() if k in theirs and k != "name"} == {
            k: list(v) if isinstance(v, tuple) else v for k, v in theirs.items() if k != "name"
        }
    else:
        oracle.from_config({k: v for k, v in config.items() if k != "axis"})


@pytest.mark.parametrize(
    ("name", "kwargs", "data"),
    [case for i, case in enumerate(CASES) if i == 0 or case[0] not in [c[0] for c in CASES[:i]]],
)
def test_a_traced_update_equals_an_eager_one(name, kwargs, data):
    y, p = DATA[data]
    metric = make(name, kwargs)
    metric.build(y.shape, p.shape)
    weight = np.ones(N, "float32")
    step = K.compile(lambda state, y, p, w: metric.stateless_update_state(state, y, p, sample_weight=w))
    state = metric.stateless_reset_state()
    y, p = y[:6], p[:6]
    state = step(state, y, p, weight[:6])
    assert all(not np.any(K.to_numpy(v.value)) for v in metric.variables)
    traced = np.asarray(metric.stateless_result(state))
    np.testing.assert_allclose(traced, feed(metric, y, p, None, BATCHES[:1]), rtol=1e-5, atol=1e-6)


def test_direction_is_known_for_every_metric_that_has_one():
    known = {c.__name__: c.direction for c in CLASSES}
    assert {name for name, direction in known.items() if direction is None} == {"Mean", "Sum", "MeanMetricWrapper"}
    assert known["MeanSquaredError"] == "down"
    assert known["AUC"] == "up"
    assert metrics.MeanMetricWrapper(losses.huber).direction == "down"


def test_variables_have_the_names_of_keras():
    assert [v.name for v in metrics.BinaryAccuracy().variables] == ["total", "count"]
    names = ["true_positives", "false_positives", "true_negatives", "false_negatives"]
    assert [v.name for v in metrics.AUC().variables] == names
    assert metrics.AUC().true_positives.shape == (200,)
    assert all(not v.trainable for v in metrics.AUC().variables)


# --- single metrics ----------------------------------------------------------------------


def test_mean_and_sum_take_plain_values():
    keras = pytest.importorskip("keras")
    g = np.random.default_rng(1)
    for name in ("Mean", "Sum"):
        ours, oracle = getattr(metrics, name)(), getattr(keras.metrics, name)()
        for shape, weight in (
            ((4,), (4,)),
            ((4, 3), (4,)),
            ((4, 3), (4, 3)),
            ((4, 3), (4, 1)),
            ((4, 3), None),
            ((), None),
        ):
            values = g.normal(size=shape).astype("float32")
            w = None if weight is None else g.uniform(size=weight).astype("float32")
            ours.update_state(values, w), oracle.update_state(values, w)
            assert float(ours.result()) == pytest.approx(float(oracle.result()), rel=1e-5)
    assert float(metrics.Mean().result()) == 0.0


def test_integer_labels_beside_softmax_outputs_are_one_hot_encoded():
    (labels, p), (onehot, _) = DATA["labels"], DATA["onehot"]
    for make_metric in (metrics.F1Score, metrics.Precision, metrics.Recall, metrics.AUC):
        expected = feed(make_metric(), onehot, p)
        np.testing.assert_array_equal(feed(make_metric(), labels, p), expected)
        np.testing.assert_array_equal(feed(make_metric(), labels[:, None], p), expected)


def test_means_of_vectors_are_exact_over_uneven_batches():
    y, p = DATA["flat"]
    value = feed(metrics.MeanSquaredError(), y, p, WEIGHT, (slice(0, 5), slice(5, 10), slice(10, 12)))
    assert value == pytest.approx(np.average((y - p) ** 2, weights=WEIGHT), rel=1e-5)


def test_ignored_classes_do_not_count():
    y, p = DATA["label_steps"]
    values = -np.log(np.take_along_axis(p / p.sum(-1, keepdims=True), y[..., None], -1))[..., 0]
    rows = [v[keep].sum() / T for v, keep in zip(values, y != 1, strict=True)]
    shares = [keep.mean() for keep in y != 1]
    metric = metrics.SparseCategoricalCrossentropy(ignore_class=1)
    assert feed(metric, y, p) == pytest.approx(np.sum(rows) / np.sum(shares), rel=1e-5)


def test_a_mask_leaves_steps_out():
    from keraunos.core.scope import set_mask

    y, p = DATA["steps"]
    mask = np.arange(N * T).reshape(N, T) % 2 == 0
    metric = metrics.MeanSquaredError()
    with Scope(strict=False) as scope:
        tensor = K.array(p)
        set_mask(tensor, K.array(mask))
        metric.update_state(y, tensor)
        total, count = (float(scope.writes[v]) for v in metric.variables)
    assert total / count == pytest.approx(np.mean((y - p) ** 2, -1)[mask].mean(), rel=1e-5)


def test_weights_of_images_apply_to_all_pixels():
    y, p = np.array([[[0, 1], [1, 1]], [[0, 0], [1, 0]]]), np.array([[[0, 1], [0, 1]], [[1, 1], [1, 1]]])
    metric, first = metrics.MeanIoU(2), metrics.MeanIoU(2)
    assert float(metric(y, p, sample_weight=[1, 0])) == float(first(y[:1], p[:1]))


# --- a user's own ------------------------------------------------------------------------


class BinaryTruePositives(metrics.Metric):
    """As in the Keras 3 guide."""

    def __init__(self, name="binary_true_positives", **kwargs):
        super().__init__(name=name, **kwargs)
        self.true_positives = self.add_variable(shape=(), initializer="zeros", name="true_positives")

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true, y_pred = K.cast(y_true, "bool"), K.cast(y_pred, "bool")
        values = K.cast(K.logical_and(K.equal(y_true, True), K.equal(y_pred, True)), self.dtype)
        if sample_weight is not None:
            sample_weight = K.broadcast_to(K.cast(sample_weight, self.dtype), K.shape(values))
            values = K.multiply(values, sample_weight)
        self.true_positives.assign(self.true_positives + K.sum(values))

    def result(self):
        return self.true_positives


class OldStyle(metrics.Metric):
    """As in the tf.keras guide: add_weight with the name first, assign_add, reset_state."""

    def __init__(self, name="old", **kwargs):
        super().__init__(name=name, **kwargs)
        self.total = self.add_weight("total", initializer="zeros")
        self.rows = self.add_weight(name="rows", shape=(), initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.total.assign_add(K.sum(K.cast(y_true, "float32")))
        self.rows.assign_add(len(y_true))

    def result(self):
        return self.total / self.rows

    def reset_state(self):
        self.total.assign(0)
        self.rows.assign(0)


def test_a_users_metric_from_the_keras_documentation_works():
    metric = BinaryTruePositives()
    metric.update_state([1, 0, 1, 1], [1, 1, 1, 0])
    assert float(metric.result()) == 2.0
    assert float(metric([1], [1], sample_weight=[0.5])) == 2.5
    metric.reset_state()
    assert float(metric.result()) == 0.0
    assert not metric.row_wise
    assert metric.name == "binary_true_positives"
    assert metric.get_config() == {"name": "binary_true_positives", "dtype": "float32"}
    state = metric.stateless_update_state([K.zeros(())], np.array([1, 1]), np.array([1, 0]))
    assert float(metric.stateless_result(state)) == 1.0
    assert float(metric.result()) == 0.0
    again = metrics.deserialize(metrics.serialize(metric), {"BinaryTruePositives": BinaryTruePositives})
    assert isinstance(again, BinaryTruePositives)


def test_a_users_metric_in_the_older_spelling_works():
    metric = OldStyle()
    metric.update_state([1, 0, 1, 1], None)
    assert float(metric.result()) == 0.75
    metric.reset_state()
    assert [v.name for v in metric.variables] == ["total", "rows"]
    assert float(metric.total) == 0.0


def test_metrics_inside_a_metric_share_their_state():
    class Two(metrics.Metric):
        def __init__(self):
            super().__init__(name="two")
            self.own = self.add_variable((), "ones", name="own")
            self.inner = [metrics.Mean(name="a"), metrics.Sum(name="b")]

    assert [v.name for v in Two().variables] == ["own", "total", "count", "total"]


def test_a_function_is_averaged_over_rows():
    def distance(y_true, y_pred):
        return K.abs(y_true - y_pred)

    y, p = DATA["real"]
    metric = metrics.resolve(distance, (None, C), (None, C))
    assert metric.name == "distance"
    assert not metric.row_wise
    assert feed(metric, y, p) == pytest.approx(np.abs(y - p).mean(), rel=1e-5)


def test_a_wrapper_goes_through_its_config():
    metric = metrics.MeanMetricWrapper(metrics.sparse_top_k_categorical_accuracy, name="top", k=2)
    again = metrics.deserialize(metrics.serialize(metric))
    y, p = DATA["labels"]
    assert feed(again, y, p) == feed(metric, y, p)
    assert again.row_wise
    again = metrics.deserialize(metrics.serialize(metrics.MeanMetricWrapper(losses.huber, name="h", delta=0.5)))
    assert again.fn is losses.huber
    assert again.arguments == {"delta": 0.5}


def test_a_users_subclass_keeps_the_arguments_of_its_parent():
    class Strict(metrics.BinaryAccuracy):
        def __init__(self):
            super().__init__(threshold=0.9, name="strict")

    y, p = DATA["binary"]
    assert feed(Strict(), y, p) == feed(metrics.BinaryAccuracy(threshold=0.9), y, p)


# --- by name -----------------------------------------------------------------------------


def test_names_are_resolved_by_the_shapes():
    def kind(name, y, p):
        return type(metrics.resolve(name, y, p)).__name__

    assert kind("accuracy", (None, 1), (None, 1)) == kind("acc", (None,), (None, 1)) == "BinaryAccuracy"
    assert kind("accuracy", (None,), (None, 5)) == "SparseCategoricalAccuracy"
    assert kind("accuracy", (None, 5), (None, 5)) == "CategoricalAccuracy"
    assert kind("ce", (None, 1), (None, 5)) == "SparseCategoricalCrossentropy"
    assert kind("top_k", (None, 5), (None, 5)) == "TopKCategoricalAccuracy"
    assert kind("huber", (None, 5), (None, 5)) == "MeanMetricWrapper"
    assert [metrics.resolve(n, (None, 1), (None, 1)).name for n in ("acc", "mae", "f1")] == ["acc", "mae", "f1"]
    assert metrics.resolve("f1", (None, 1), (None, 1)).threshold == 0.5
    assert metrics.resolve("f1", (None, 1), (None, 3)).average == "macro"
    mine = metrics.Precision(name="p")
    assert metrics.resolve(mine, (None, 1), (None, 1)) is mine
    assert mine.name == "p"


@pytest.mark.parametrize(
    ("name", "member"),
    [("f1", "F1Score"), ("precision", "Precision"), ("recall", "Recall"), ("auc", "AUC"), ("r2", "R2Score"),
     ("top_k", "TopKCategoricalAccuracy"), ("rmse", "RootMeanSquaredError"), ("acc", "Accuracy"),
     ("mse", "MeanSquaredError"), ("kld", "KLDivergence"), ("logcosh", "LogCoshError"), ("mean_iou", "MeanIoU"),
     ("pearson", "PearsonCorrelation")],
)  # fmt: skip
def test_short_names(name, member):
    assert metrics.table.members[name] is getattr(metrics, member)


def test_names_of_objects_are_made_unique_as_in_keras():
    assert [metrics.Precision().name, metrics.Precision().name] == ["precision", "precision_1"]
    assert metrics.MeanSquaredError().name == metrics.MeanSquaredError().name == "mean_squared_error"


# --- messages ----------------------------------------------------------------------------


def test_shapes_that_do_not_fit_get_a_sentence():
    y, p = DATA["labels"]
    with pytest.raises(ShapeError, match=r"^categorical_accuracy: y has shape \(12,\), .* It needs one-hot"):
        metrics.CategoricalAccuracy()(y, p)
    with pytest.raises(ShapeError, match="It needs integer labels.* use 'top_k_categorical_accuracy'"):
        metrics.SparseTopKCategoricalAccuracy()(DATA["onehot"][0], p)
    with pytest.raises(ShapeError, match=r"prec: y has shape \(12, 2\), the outputs \(12, 3\). The two must be equal"):
        metrics.Precision(name="prec")(p[:, :2], p)
    with pytest.raises(ShapeError, match=r"sample_weight has shape \(5,\), which does not fit the labels"):
        metrics.Precision()(p, p, sample_weight=np.ones(5))
    with pytest.raises(ShapeError, match=r"mse: sample_weight has shape \(5,\), .* the values of shape \(12,\)"):
        metrics.MeanSquaredError(name="mse")(p, p, sample_weight=np.ones(5))
    with pytest.raises(ShapeError, match=r"sample_weight has shape \(5,\), .* the labels of shape \(12,\)"):
        metrics.MeanIoU(4)(y, y, sample_weight=np.ones(5))
    with pytest.raises(ShapeError, match=r"class_id is 7, but the outputs have shape \(12, 3\)"):
        metrics.Recall(class_id=7)(p, p)
    with pytest.raises(ShapeError, match="top_k is 9, but the outputs have 3 classes"):
        metrics.Recall(top_k=9)(p, p)
    with pytest.raises(ShapeError, match=r"With multi_label=True they must be \(batch, labels\)"):
        metrics.AUC(multi_label=True)(y, y)
    with pytest.raises(ShapeError, match=r"r2_score: y has shape \(12, 3, 1\).*flatten both"):
        metrics.R2Score()(p[..., None], p[..., None])
    with pytest.raises(ShapeError, match="scores of classes need sparse_y_pred=False"):
        metrics.MeanIoU(4)(y, p)


def test_bad_arguments_get_a_sentence():
    for wrong, words in (
        (lambda: metrics.AUC(curve="roq"), "curve is 'roq'; expected one of 'roc', 'pr', 'prgain'"),
        (lambda: metrics.AUC(num_thresholds=1), "num_thresholds is 1; expected a whole number, 2 or more"),
        (lambda: metrics.AUC(num_labels=3), "num_labels is 3; it needs multi_label=True"),
        (lambda: metrics.Precision(thresholds=1.5), "thresholds is 1.5; expected a number from 0 to 1"),
        (lambda: metrics.SensitivityAtSpecificity(2), "specificity is 2; expected a number from 0 to 1"),
        (lambda: metrics.FBetaScore(beta=0), "beta is 0; expected a number above 0"),
        (lambda: metrics.FBetaScore(threshold=0), "threshold is 0; expected a number above 0 and at most 1"),
        (lambda: metrics.F1Score(average="mean"), "average is 'mean'; expected one of"),
        (lambda: metrics.IoU(2, [2]), "target_class_ids has 2, but there are 2 classes"),
        (lambda: metrics.BinaryAccuracy(treshold=1), "unknown argument 'treshold'. Did you mean 'threshold'"),
        (lambda: metrics.R2Score(class_aggregation="mean"), "class_aggregation is 'mean'; expected one of"),
        (lambda: metrics.MeanMetricWrapper(3), "MeanMetricWrapper: fn is 3; expected a function of"),
        (lambda: metrics.Mean().add_weight(regularizer=1), "add_weight: unknown argument 'regularizer'"),
    ):
        with pytest.raises(ArgumentError, match=words):
            wrong()
    with pytest.raises(UnknownNameError, match="no metric called 'acuracy'. Did you mean 'accuracy'"):
        metrics.get("acuracy")


def test_wrong_moments_get_a_sentence():
    with pytest.raises(NotBuiltError, match=r"f1_score: no batch has been seen yet. Call update_state\(\)"):
        metrics.F1Score().result()
    with pytest.raises(UsageError, match=r"Empty does not define update_state"):
        type("Empty", (metrics.Metric,), {})().update_state([0], [0])
    with pytest.raises(UsageError, match=r"Empty does not define result\(self\)"):
        type("Empty", (metrics.Metric,), {})().result()
    with pytest.raises(ArgumentError, match="1 tensors were given as metric_variables, .* 2 Variables: total"):
        metrics.Mean().stateless_result([0.0])

    class Forgetful(metrics.Metric):
        def __init__(self):
            self.v = self.add_variable((), "zeros")

    with pytest.raises(UsageError, match=r"Forgetful: add_variable\(\) comes after super\(\).__init__"):
        Forgetful()


def test_fractions_of_weights_in_whole_counts_get_a_warning():
    with pytest.warns(UserWarning, match="has fractions, which the dtype 'int32' cuts off. Make the"):
        metrics.MeanIoU(2)([0, 1], [0, 1], sample_weight=[0.5, 1.0])

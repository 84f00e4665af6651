"""Between the engine and the rest: operands, refusals of the Scope, recorded operations, and the engine in use."""

import functools
import operator

import numpy as np
import pytest
from engine.conftest import make

from keraunos import layers
from keraunos.backend import Engine, K, Operand, current_engine, use_engine
from keraunos.backend.depth import depth
from keraunos.backend.spec import TensorSpec
from keraunos.core.scope import Scope, next_key
from keraunos.core.symbolic import SymbolicTensor
from keraunos.core.variable import Variable
from keraunos.models import Model
from keraunos.utils.errors import ArgumentError, ScopeError

A = np.array([[1.0, -2.0], [3.0, 4.0]], "float32")
B = np.array([[2.0, 3.0], [-1.0, 0.5]], "float32")


@pytest.fixture(params=["jax", "torch"], autouse=True)
def engine(request):
    """Every test here on each engine."""
    with use_engine(make(request.param)) as chosen:
        yield chosen


def variable(value=A, **options):
    return Variable(value, name="v", **options)


def same(result, expected):
    assert K.is_tensor(result)
    np.testing.assert_allclose(K.to_numpy(result), expected, rtol=1e-6)


# --- operands --------------------------------------------------------------------------------

BINARY = "add sub mul truediv floordiv mod matmul lt le gt ge".split()


@pytest.mark.parametrize("name", BINARY)
def test_a_variable_stands_left_and_right_of_arrays_tensors_and_numbers(name):
    function = getattr(operator, name)
    for other in (B, K.array(B), variable(B)):
        same(function(variable(), other), function(A, B))
        if not K.is_tensor(other):  # a tensor on the left asks its own library first
            same(function(other, variable()), function(B, A))
    if name != "matmul":
        same(function(variable(), 2.0), function(A, np.float32(2)))
        same(function(2.0, variable()), function(np.float32(2), A))


def test_further_operators_of_a_variable():
    same(-variable(), -A)
    same(abs(variable()), abs(A))
    same(variable() ** 2, A**2)
    same(2.0 ** variable(), 2.0**A)
    truths = np.array([True, False])
    same(variable(truths) & truths[::-1], truths & truths[::-1])
    same(truths | variable(truths[::-1]), truths | truths[::-1])
    same(~variable(truths), ~truths)
    same(variable()[0], A[0])
    same(variable()[..., None, 1], A[..., None, 1])
    assert len(variable()) == 2
    assert variable().ndim == 2


def test_a_variable_takes_part_by_keyword_and_inside_lists():
    same(K.add(x1=variable(), x2=B), A + B)
    same(K.add(B, x2=variable()), A + B)
    same(K.sum(x=variable(), axis=0), A.sum(0))
    same(K.mean(variable(), keepdims=True, axis=-1), A.mean(-1, keepdims=True))
    same(K.concatenate([variable(), B], axis=1), np.concatenate([A, B], 1))
    same(K.stack(x=[B, variable()]), np.stack([B, A]))
    same(K.where(variable() > 0, variable(), 0.0), np.where(A > 0, A, 0))
    same(K.slice_update(B, (variable(np.int32(1)), 0), updates=variable()[:1]), np.array([B[0], A[0]]))
    assert K.shape(variable()) == (2, 2)
    assert K.dtype(variable()) == "float32"
    np.testing.assert_array_equal(K.to_numpy(variable()), A)


def test_a_variable_is_itself_and_no_other():
    first, second = variable(), variable()
    assert first == first
    assert first != second
    assert len({first, second, first}) == 2


def test_a_variable_reads_as_a_tensor_inside_a_trace_too():
    kept = variable()
    seen = []

    def function(x):
        seen.append(K.is_tensor(kept.value))
        return x + kept[0]

    with Scope(strict=False):
        assert K.abstract(function, K.abstract(lambda: K.zeros((3, 2)))).shape == (3, 2)
    same(kept + 0.0, A)
    assert seen == [True]


def test_an_unknown_operation_is_refused_with_a_suggestion():
    with pytest.raises(AttributeError, match="there is no operation 'exq'.*exp"):
        _ = K.exq
    with pytest.raises(AttributeError):
        _ = K._private
    assert not hasattr(K, "sesame")


def test_an_operand_that_takes_no_part_says_so():
    with pytest.raises(TypeError, match="Operand does not say how to take part in an operation"):
        K.exp(Operand())


def test_an_operation_tells_its_name_arguments_and_formula():
    assert K.sum.__name__ == "sum"
    assert K.exp.__doc__ == Engine.exp.__doc__
    assert list(K.softmax.__signature__.parameters) == ["x", "axis"]


# --- what the Scope refuses -------------------------------------------------------------------

INNER = {
    "scan": lambda body: K.scan(lambda c, x: (body(c), None), K.array(0.0), K.zeros((2,))),
    "scan by keyword": lambda body: K.scan(init=K.array(0.0), f=lambda c, x: (body(c), None), length=2),
    "scan of a partial": lambda body: K.scan(functools.partial(lambda b, c, x: (b(c), None), body), K.array(0.0), None, 2),
    "loop": lambda body: K.loop(lambda i, c: body(c), K.array(0.0), 0, 2),
    "fori_loop": lambda body: K.fori_loop(0, 2, lambda i, c: body(c), K.array(0.0)),
    "vectorize": lambda body: K.vectorize(body)(K.zeros((2,))),
    "vectorized_map": lambda body: K.vectorized_map(body, K.zeros((2,))),
}  # fmt: skip
ONCE = {
    "value_and_gradient": lambda body: K.value_and_gradient(lambda x: (body(x), None))(K.array(1.0)),
    "cond": lambda body: K.cond(K.array(True), body, lambda x: x, K.array(1.0)),
}


def scope(**values):
    return Scope(values.get("values"), key=lambda: K.random_key(0), owner="the model 'm'")


@pytest.mark.parametrize("verb", INNER)
def test_a_random_key_inside_a_loop_is_refused(verb):
    with scope(), pytest.raises(ScopeError, match="inside an inner loop, where they would be the same at every turn"):
        INNER[verb](lambda c: c + K.random_uniform(next_key(), ()))


@pytest.mark.parametrize("verb", ONCE)
def test_a_random_key_inside_a_gradient_or_a_choice_is_given(verb):
    with scope():
        ONCE[verb](lambda c: c + K.random_uniform(next_key(), ()))


@pytest.mark.parametrize("verb", [*INNER, *ONCE])
def test_a_write_inside_a_verb_is_refused(verb):
    state = variable(0.0, trainable=False)

    def body(c):
        state.assign(c)
        return c

    with scope(values={state: K.array(0.0)}) as inner:
        with pytest.raises(ScopeError, match="'v' is assigned inside an inner loop or gradient. Return the new value"):
            {**INNER, **ONCE}[verb](body)
        assert not inner.writes
        state.assign(3.0)  # and outside it is allowed
        assert float(state.value) == 3
    assert float(state) == 0


def test_a_scope_made_inside_a_loop_may_be_written_and_drawn_from_there():
    state = variable(0.0, trainable=False)

    def body(number, carry):
        with Scope({state: carry}, key=lambda: K.fold_in(K.random_key(0), number)) as inner:
            state.assign_add(1.0 + 0.0 * K.random_uniform(next_key(), ()))
        return inner.writes[state]

    assert float(K.compile(lambda stop: K.loop(body, K.array(0.0), 0, stop))(5)) == 5


def test_a_trainable_variable_that_a_trace_assigns_passes_the_gradient_on_to_what_it_was():
    weights = variable()

    def objective(values):
        with scope(values={weights: values}):
            weights.assign(B)
            return K.sum(weights * weights), None

    gradient = K.value_and_gradient(objective)(K.array(A))[1]
    assert np.allclose(gradient, 2 * np.asarray(B))


def test_a_variable_that_nothing_holds_is_refused():
    with scope(), pytest.raises(ScopeError, match="'v' is used while the model 'm' is compiled, but no layer"):
        K.exp(variable())


def test_a_scope_binds_values_and_the_inner_one_comes_first():
    kept = variable()
    with scope(values={kept: K.array(2 * A)}):
        same(kept + 0.0, 2 * A)
        with Scope({kept: K.array(3 * A)}):
            same(kept + 0.0, 3 * A)
        with Scope():
            same(kept + 0.0, 2 * A)
    same(kept + 0.0, A)


def test_keys_of_a_trace_differ_and_repeat():
    def draws():
        with scope():
            return [K.to_numpy(K.random_uniform(next_key(seed), (2,))).tolist() for seed in (None, None, 5, 5, 6)]

    assert draws() == draws()
    assert len(set(map(tuple, draws()))) == 5


# --- recorded operations ----------------------------------------------------------------------


def test_an_operation_on_a_symbolic_tensor_is_recorded():
    x = layers.Input((3,), name="x")
    y = K.exp(x)
    assert isinstance(y, SymbolicTensor)
    assert y.shape == (None, 3)
    assert y.dtype == "float32"
    assert y.node.inputs == [x]
    assert y.node.operation.function == "exp"
    assert K.shape(x) == (None, 3)
    assert K.dtype(x) == "float32"
    assert K.ndim(x) == 2
    assert K.is_tensor(x) is False


def test_shapes_and_dtypes_of_recorded_operations():
    x, y = layers.Input((3, 4)), layers.Input((4,), dtype="int32")
    for result, shape, dtype in (
        (x + 1, (None, 3, 4), "float32"), (2 - y, (None, 4), "int32"), (x * y[:, None], (None, 3, 4), "float32"),
        (x > 0, (None, 3, 4), "bool"), (x @ np.ones((4, 2), "float32"), (None, 3, 2), "float32"),
        (np.ones((5, 3), "float32") @ x, (None, 5, 4), "float32"), (x[:, 0], (None, 4), "float32"),
        (K.argmax(x, axis=-1), (None, 3), "int32"), (K.sum(x, 0), (3, 4), "float32"), (K.mean(x), (), "float32"),
        (K.reshape(x, (-1, 12)), (None, 12), "float32"), (K.concatenate([x, x], 0), (None, 3, 4), "float32"),
        (K.cast(y, "float16"), (None, 4), "float16"), (x + variable(np.ones((3, 1), "float32")), (None, 3, 4), "float32"),
    ):  # fmt: skip
        assert (result.shape, result.dtype) == (shape, dtype)
    values, indices = K.top_k(x, k=2)
    assert (values.shape, indices.dtype) == ((None, 3, 2), "int32")
    assert [part.shape for part in K.split(x, 2, axis=-1)] == [(None, 3, 2)] * 2


def test_a_recorded_graph_computes_what_eager_code_computes():
    def formula(x, y):
        return K.softmax(-x / 2 + K.matmul(y, B), axis=-1), [K.where(x > y, x, y) ** 2, 1 - abs(x)]

    x, y = layers.Input((2,)), layers.Input((2,))
    first, (second, third) = Model([x, y], formula(x, y))([A, B])
    wanted, (wanted_second, wanted_third) = formula(K.array(A), K.array(B))
    for found, expected in ((first, wanted), (second, wanted_second), (third, wanted_third)):
        same(found, K.to_numpy(expected))


def test_a_symbolic_tensor_has_no_values_and_says_so():
    x = layers.Input((3,), name="x")
    with pytest.raises(
        ArgumentError, match=r"the symbolic tensor 'x' of shape \(None, 3\) has no values. Use keraunos.ops"
    ):
        np.asarray(x)
    with pytest.raises(ArgumentError, match="has no values"):
        K.to_numpy(x)
    with pytest.raises(ArgumentError, match="has no values"):
        float(x)
    with pytest.raises(ArgumentError, match="has no value to decide on. Use keraunos.ops.where or ops.cond"):
        bool(x > 0)
    with pytest.raises(ArgumentError, match="cannot be iterated over. Use keraunos.ops.unstack"):
        list(x)


# --- the engine in use --------------------------------------------------------------------------


class Other(type(current_engine())):
    """An engine that differs from the usual one in one operation."""

    name = "other"

    def exp(self, x):
        return x * 0 + 7


def test_use_engine_restores_the_engine_before(engine):
    x = K.array(A)
    other = Other()
    assert current_engine() is engine
    if engine.name == "jax":
        with use_engine(other) as chosen:
            assert chosen is current_engine() is other
            same(K.exp(x), np.full_like(A, 7))
            same(K.exp(variable()), np.full_like(A, 7))
            with use_engine(engine):
                same(K.exp(x), np.exp(A))
            assert current_engine() is other
    assert current_engine() is engine
    with pytest.raises(ZeroDivisionError), use_engine(other):
        1 / 0  # noqa: B018
    assert current_engine() is engine
    same(K.exp(x), np.exp(A))


def test_the_same_engine_may_be_used_inside_itself(engine):
    with use_engine(engine), use_engine(engine):
        assert current_engine() is engine
    assert current_engine() is engine


def test_an_unknown_engine_is_refused(monkeypatch):
    monkeypatch.setattr("keraunos.backend._active", [])
    monkeypatch.setenv("KERAUNOS_ENGINE", "jacks")
    with pytest.raises(ArgumentError, match="KERAUNOS_ENGINE is 'jacks'.*jax"):
        current_engine()


def test_an_engine_must_have_every_primitive():
    with pytest.raises(TypeError, match="abstract"):
        type("Half", (Engine,), {"exp": lambda self, x: x})()


def test_where_only_shapes_matter_is_known_to_what_is_called_but_not_to_a_program_made_there():
    seen = []

    def noting(x):
        seen.append(depth().shapes)
        return x

    spec = TensorSpec((2, 3), "float32")
    assert K.abstract(noting, spec) == spec
    K.abstract(lambda x: K.cond(True, lambda: noting(x), lambda: x), spec)
    K.abstract(lambda x: (K.compile(noting)(np.ones(2, "float32")), x)[1], spec)
    noting(None)
    assert seen[0]
    assert set(seen[1:-2]) == {True}
    assert seen[-2:] == [False, False]

"""Optimizers: trajectories and state against Keras, the pure step, the learning rate, saving, optax, custom ones."""

import inspect
import json

import numpy as np
import pytest

from keraunos import optimizers, schedules
from keraunos.backend import K
from keraunos.core.fields import NonNegativeReal
from keraunos.core.scope import Scope
from keraunos.core.variable import Variable
from keraunos.utils.errors import ArgumentError, ModelFileError, UnknownNameError, UsageError

NAMES = sorted(optimizers.table.public)
DECAY = {"initial_learning_rate": 0.1, "decay_steps": 4, "decay_rate": 0.5}
CASES = [
    *[(name, {"learning_rate": 0.05}) for name in NAMES],
    *[(name, {"learning_rate": 0.05, "weight_decay": 0.1, "use_ema": True, "clipvalue": 0.5}) for name in NAMES],
    *[(name, {"learning_rate": 0.05, "gradient_accumulation_steps": 3, "weight_decay": 0.1}) for name in NAMES],
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("SGD", {"clipnorm": 0.7}),
    ("SGD", {"global_clipnorm": 0.7}),
    ("SGD", {"loss_scale_factor": 8.0}),
    ("SGD", {"use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 3}),
    ("SGD", {"use_ema": True, "ema_overwrite_frequency": 2, "gradient_accumulation_steps": 2}),
    ("SGD", {"learning_rate": ("ExponentialDecay", DECAY), "gradient_accumulation_steps": 2}),
    ("RMSprop", {"momentum": 0.5}),
    ("RMSprop", {"centered": True}),
    ("RMSprop", {"centered": True, "momentum": 0.9, "rho": 0.7}),
    ("Adam", {"amsgrad": True, "beta_2": 0.5}),
    ("Adam", {"learning_rate": ("ExponentialDecay", DECAY), "weight_decay": 0.1}),
    ("Adam", {"use_ema": True, "gradient_accumulation_steps": 3, "global_clipnorm": 0.5}),
    ("AdamW", {"amsgrad": True, "weight_decay": 0.2}),
    ("Adadelta", {"learning_rate": 1.0, "rho": 0.9, "epsilon": 1e-4}),
    ("Adagrad", {"initial_accumulator_value": 0.0, "epsilon": 0.1}),
    ("Adamax", {"beta_1": 0.7, "beta_2": 0.9}),
    ("Nadam", {"beta_1": 0.8, "gradient_accumulation_steps": 2}),
]  # fmt: skip
# Arguments of ours that Keras 3 does not know: the arithmetic of earlier releases.
HIDDEN = {"decay", "epsilon_inside", "schedule_decay"}
IDS = [f"{name}-{','.join(arguments)}" for name, arguments in CASES]
STARTS = [np.random.default_rng(0).normal(size=shape).astype("float32") for shape in ((3, 2), (2,))]
TARGETS = [np.random.default_rng(1).normal(size=shape).astype("float32") for shape in ((3, 2), (2,))]


def slopes(values):
    """Gradients that depend on the weights, as training's do."""
    return [2 * (value - target) + np.sin(value) for value, target in zip(values, TARGETS, strict=True)]


def make(name, arguments, module=optimizers, schedule_module=schedules):
    rate = arguments.get("learning_rate")
    if isinstance(rate, tuple):
        arguments = {**arguments, "learning_rate": getattr(schedule_module, rate[0])(**rate[1])}
    return getattr(module, name)(**arguments)


def weights(**options):
    made = [Variable(start, name=name, **options) for start, name in zip(STARTS, ("kernel", "bias"), strict=True)]
    for variable in made:
        variable.path = f"dense/{variable.name}"
    return made


def run(optimizer, variables, steps=12):
    seen = []
    for _ in range(steps):
        optimizer.apply(slopes([v.numpy() for v in variables]), variables)
        seen.append([v.numpy() for v in variables])
    return seen


def run_step(optimizer, variables, steps=12):
    """The same through the pure step, compiled; the state stays in a tree."""
    optimizer.build(variables)
    keys = {variable: variable.path for variable in variables}
    decayed = {keys[variable] for variable in variables if optimizer.decays(variable)}
    program = K.compile(lambda grads, values, state: optimizer.step(grads, values, state, decayed))
    values, state = {keys[v]: v.value for v in variables}, optimizer.state(keys)
    for _ in range(steps):
        grads = slopes([np.asarray(values[key]) for key in keys.values()])
        values, state = program(dict(zip(keys.values(), grads, strict=True)), values, state)
    for variable in variables:
        variable.assign(values[keys[variable]])
    optimizer.set_state(state, keys)


# --- against Keras --------------------------------------------------------------------


@pytest.mark.parametrize("name, arguments", CASES, ids=IDS)
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_trajectory_state_and_config_equal_those_of_keras(name, arguments):
    keras = pytest.importorskip("keras")
    oracle = make(name, arguments, keras.optimizers, keras.optimizers.schedules)
    theirs = [keras.Variable(start, name=n) for start, n in zip(STARTS, ("kernel", "bias"), strict=True)]
    for variable in theirs:
        variable._path = f"dense/{variable.name}"
    oracle.build(theirs)
    compiled = K.compile(lambda own, grads, values: oracle.stateless_apply(own, grads, values))
    own, values = [v.value for v in oracle.variables], [v.value for v in theirs]

    optimizer, variables = make(name, arguments), weights()
    optimizer.build(variables)
    for ours, expected in zip(optimizer.variables, oracle.variables, strict=True):
        assert (ours.shape, ours.dtype) == (expected.shape, expected.dtype)
        # Keras leaves Nadam's product without a name, and counts such variables over the whole process.
        assert ours.name == expected.name or expected.name.startswith("variable_")
    keys = {variable: variable.path for variable in variables}
    step = K.compile(lambda grads, values, state: optimizer.step(grads, values, state))
    ours, state = {keys[v]: v.value for v in variables}, optimizer.state(keys)
    for _ in range(12):
        values, own = compiled(own, slopes([np.asarray(value) for value in values]), values)
        grads = slopes([np.asarray(ours[key]) for key in keys.values()])
        ours, state = step(dict(zip(keys.values(), grads, strict=True)), ours, state)
        for key, expected in zip(keys.values(), values, strict=True):
            np.testing.assert_allclose(ours[key], expected, rtol=1e-5, atol=1e-6)
    optimizer.set_state(state, keys)
    for variable, expected in zip(optimizer.variables, own, strict=True):
        np.testing.assert_allclose(variable.numpy(), expected, rtol=1e-5, atol=1e-6, err_msg=variable.name)

    config, expected = optimizer.get_config(), oracle.get_config()
    assert {**config, "name": ""} == {**expected, "name": ""}
    assert {**optimizers.serialize(optimizer), "config": 0} == {**keras.optimizers.serialize(oracle), "config": 0}


def test_golden_trajectories(shared):
    with np.load(shared("golden/k3/optimizers.npz")) as stored:
        arrays = dict(stored)
    cases = json.loads(shared("golden/k3/optimizers.json").read_text())["cases"]
    golden = [case for case in cases if case["optimizer"]["class"] in NAMES]
    assert len(golden) > 40
    for case in golden:
        described = dict(case["optimizer"]["kwargs"])
        if isinstance(described.get("learning_rate"), dict):
            described["learning_rate"] = tuple(described["learning_rate"][part] for part in ("class", "kwargs"))
        optimizer = make(case["optimizer"]["class"], described)
        inputs, targets, kernels, biases = (arrays[case[part]] for part in "XYWB")
        variables = [Variable(kernels[0], name="kernel"), Variable(biases[0], name="bias")]
        keys = {variable: variable.name for variable in variables}
        optimizer.build(variables)

        def program(values, state, optimizer=optimizer, inputs=inputs, targets=targets):
            error = 2 * (inputs @ values["kernel"] + values["bias"] - targets) / targets.size
            grads = {"kernel": inputs.T @ error, "bias": K.sum(error, 0)}
            return optimizer.step(grads, values, state)

        step = K.compile(program)
        values, state = {keys[v]: v.value for v in variables}, optimizer.state(keys)
        for kernel, bias in zip(kernels[1:], biases[1:], strict=True):
            values, state = step(values, state)
            np.testing.assert_allclose(values["kernel"], kernel, rtol=1e-5, atol=2e-6, err_msg=case["id"])
            np.testing.assert_allclose(values["bias"], bias, rtol=1e-5, atol=2e-6, err_msg=case["id"])
        optimizer.set_state(state, keys)
        for variable, stored in zip(optimizer.variables, case["opt_weights"], strict=True):
            np.testing.assert_allclose(variable.numpy(), arrays[stored], rtol=1e-5, atol=2e-6, err_msg=case["id"])


@pytest.mark.parametrize("name", NAMES)
def test_positional_arguments_and_defaults_are_those_of_keras(name):
    keras = pytest.importorskip("keras")
    ours = [
        (p.name, p.default)
        for p in inspect.signature(getattr(optimizers, name)).parameters.values()
        if p.kind is not p.KEYWORD_ONLY
    ]
    theirs = inspect.signature(getattr(keras.optimizers, name)).parameters.values()
    assert ours == [(p.name, p.default) for p in theirs][: len(ours)]
    everything = {p.name: p.default for p in theirs if p.kind is not p.VAR_KEYWORD}
    given = {p.name: p.default for p in inspect.signature(getattr(optimizers, name)).parameters.values()}
    assert {argument: given.pop(argument, "missing") for argument in everything} == everything
    assert set(given) <= HIDDEN


# --- laws -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_config_round_trip_gives_the_same_trajectory(name):
    optimizer = getattr(optimizers, name)(learning_rate=0.1, weight_decay=0.01, global_clipnorm=1.0)
    again = optimizers.deserialize(json.loads(json.dumps(optimizers.serialize(optimizer))))
    assert again.get_config() == optimizer.get_config()
    first, second = weights(), weights()
    np.testing.assert_array_equal(run(optimizer, first, 3)[-1][0], run(again, second, 3)[-1][0])


@pytest.mark.parametrize("name", NAMES)
def test_names_resolve_in_any_case(name):
    for spelling in (name, name.lower(), name.upper()):
        assert type(optimizers.get(spelling)).__name__ == name
        assert type(optimizers.get({"class_name": spelling, "config": {}})).__name__ == name
    assert isinstance(optimizers.get(getattr(optimizers, name)), optimizers.Optimizer)


@pytest.mark.parametrize("name", NAMES)
def test_apply_equals_the_compiled_step(name):
    arguments = {"learning_rate": 0.1, "use_ema": True, "gradient_accumulation_steps": 2, "global_clipnorm": 1.0}
    eager, pure = make(name, arguments), make(name, arguments)
    first, second = weights(), weights()
    run(eager, first, 5)
    run_step(pure, second, 5)
    for ours, theirs in zip([*first, *eager.variables], [*second, *pure.variables], strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6, err_msg=ours.name)


@pytest.mark.parametrize("name", NAMES)
def test_one_flat_vector_equals_separate_parameters(name):
    optimizer, variables = (
        getattr(optimizers, name)(learning_rate=0.1, global_clipnorm=1.0, weight_decay=0.1),
        weights(),
    )
    assert optimizer.packable
    optimizer.build(variables)
    separate, state = {v: v.value for v in variables}, optimizer.state()

    def pack(tree):
        return {"pack": K.concatenate([K.ravel(value) for value in tree.values()])}

    packed, packed_state = pack(separate), {**state, "slots": {k: pack(slot) for k, slot in state["slots"].items()}}
    for _ in range(3):
        grads = dict(zip(variables, map(K.array, slopes([np.asarray(separate[v]) for v in variables])), strict=True))
        separate, state = optimizer.step(grads, separate, state)
        packed, packed_state = optimizer.step(pack(grads), packed, packed_state)
    np.testing.assert_allclose(pack(separate)["pack"], packed["pack"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_state_keeps_its_types_so_that_a_loop_can_carry_it(name, dtype):
    optimizer = getattr(optimizers, name)(
        0.5, use_ema=True, gradient_accumulation_steps=2, clipvalue=1.0, weight_decay=0.1
    )
    variable = Variable(np.ones(3, "float32"), dtype=dtype, name="kernel")
    optimizer.build([variable])
    keys = {variable: "kernel"}
    carry = ({"kernel": variable.value}, optimizer.state(keys))
    grads = {"kernel": K.ones((3,), dtype)}
    program = K.compile(lambda carry: K.loop(lambda _, carry: optimizer.step(grads, *carry), carry, 0, 4))
    values, state = program(carry)
    assert K.dtype(values["kernel"]) == dtype
    assert int(state["iterations"]) == 4
    assert float(K.cast(values["kernel"], "float32")[0]) < 1


def test_what_depends_on_single_weights_is_not_packable():
    assert not optimizers.SGD(clipnorm=1.0).packable
    assert optimizers.SGD(clipvalue=1.0).packable


def test_program_key_changes_with_what_a_program_has_fixed():
    optimizer = optimizers.Adam()
    keys = [optimizer.program_key]
    optimizer.learning_rate = 0.5
    assert optimizer.program_key == keys[0]
    for change in (
        lambda: setattr(optimizer, "beta_1", 0.5),
        lambda: setattr(optimizer, "clipnorm", 1.0),
        lambda: optimizer.exclude_from_weight_decay(var_names=["bias"]),
        lambda: setattr(optimizer, "learning_rate", schedules.CosineDecay(0.1, 10)),
    ):
        change()
        assert optimizer.program_key not in keys
        keys.append(optimizer.program_key)


# --- the learning rate ----------------------------------------------------------------


def test_learning_rate_can_be_read_and_set():
    optimizer = optimizers.SGD(0.5)
    assert float(optimizer.learning_rate) == 0.5
    optimizer.learning_rate = 0.25
    assert float(optimizer.learning_rate) == 0.25
    optimizer.learning_rate.assign(0.125)
    assert optimizer.get_config()["learning_rate"] == 0.125
    optimizer.learning_rate = K.array(2)
    assert float(optimizer.learning_rate) == 2


def test_learning_rate_of_a_schedule_is_the_present_one():
    optimizer, variables = optimizers.SGD(schedules.PiecewiseConstantDecay([0], [1.0, 0.5])), weights()
    assert float(optimizer.learning_rate) == 1.0
    run(optimizer, variables, 2)
    assert float(optimizer.learning_rate) == 0.5
    assert [v.name for v in optimizer.variables] == ["iteration"]


def test_learning_rate_may_be_a_function_asked_at_each_step():
    rates = iter([0.5, 0.25])
    optimizer, variable = optimizers.SGD(lambda: next(rates)), Variable([1.0])
    optimizer.apply([np.ones(1)], [variable])
    optimizer.apply([np.ones(1)], [variable])
    assert variable.numpy().tolist() == [0.25]


def test_a_schedule_can_take_the_place_of_a_number():
    optimizer = optimizers.SGD(0.5)
    optimizer.learning_rate = schedules.ExponentialDecay(1.0, 10, 0.5)
    assert float(optimizer.learning_rate) == 1.0


def test_setting_a_number_where_a_schedule_rules_is_refused():
    optimizer = optimizers.SGD(schedules.ExponentialDecay(1.0, 10, 0.5))
    words = r"comes from the schedule ExponentialDecay, so it cannot be set to a number. Set it to another schedule"
    with pytest.raises(UsageError, match=words):
        optimizer.learning_rate = 0.1
    optimizer = optimizers.SGD(lambda: 0.1)
    with pytest.raises(UsageError, match=r"comes from the function <lambda>"):
        optimizer.learning_rate = 0.1


# --- on Variables ---------------------------------------------------------------------


def test_constraints_are_applied_after_the_update():
    variable = Variable([1.0, -1.0], constraint=lambda w: K.maximum(w, 0))
    optimizers.SGD(0.5).apply([np.ones(2)], [variable])
    assert variable.numpy().tolist() == [0.5, 0.0]


def test_apply_gradients_takes_pairs_and_counts():
    optimizer, variables = optimizers.SGD(0.5), weights()
    assert int(optimizer.apply_gradients(zip(slopes(STARTS), variables, strict=True))) == 1
    assert int(optimizer.iterations) == 1
    np.testing.assert_allclose(variables[0].numpy(), STARTS[0] - 0.5 * slopes(STARTS)[0], rtol=1e-6)


def test_iterations_count_updates_where_gradients_are_accumulated():
    optimizer, variables = optimizers.SGD(0.5, gradient_accumulation_steps=3), weights()
    run(optimizer, variables, 7)
    assert int(optimizer.iterations) == 2


def test_apply_works_inside_a_trace():
    optimizer, variables = optimizers.Adam(0.1), weights()
    optimizer.build(variables)
    held = [*variables, *optimizer.variables]

    def program(values, grads):
        with Scope(dict(zip(held, values, strict=True))) as scope:
            optimizer.apply(grads, variables)
            return [scope.read(variable) for variable in held]

    new = K.compile(program)([v.value for v in held], slopes(STARTS))
    other = weights()
    optimizers.Adam(0.1).apply(slopes(STARTS), other)
    np.testing.assert_allclose(new[0], other[0].numpy(), rtol=1e-6)
    np.testing.assert_array_equal(variables[0].numpy(), STARTS[0])


def test_stateless_apply_changes_nothing_and_returns_everything():
    optimizer, variables = optimizers.Adam(0.1), weights()
    optimizer.build(variables)
    before = [v.value for v in optimizer.variables]
    trained, own = optimizer.stateless_apply(before, slopes(STARTS), [v.value for v in variables])
    np.testing.assert_array_equal(variables[0].numpy(), STARTS[0])
    assert int(optimizer.iterations) == 0
    optimizer.apply(slopes(STARTS))
    np.testing.assert_allclose(trained[0], variables[0].numpy(), rtol=1e-6)
    for value, variable in zip(own, optimizer.variables, strict=True):
        np.testing.assert_allclose(value, variable.numpy(), rtol=1e-6)


def test_moving_average_takes_the_place_of_the_weights_at_the_end():
    optimizer, variable = optimizers.SGD(0.5, use_ema=True, ema_momentum=0.5), Variable([4.0])
    optimizer.apply([np.array([2.0])], [variable])  # weight 3, average 3
    optimizer.apply([np.array([2.0])], [variable])  # weight 2, average 2.5
    assert variable.numpy().tolist() == [2.0]
    optimizer.finalize_variable_values([variable])
    assert variable.numpy().tolist() == [2.5]


def test_excluded_variables_do_not_decay():
    for exclude in ({"var_names": ["bias"]}, {"var_list": None}):
        optimizer, variables = optimizers.AdamW(0.5, 0.1), weights()
        optimizer.exclude_from_weight_decay(**({"var_list": variables[1:]} if "var_list" in exclude else exclude))
        assert [optimizer.decays(variable) for variable in variables] == [True, False]
        optimizer.apply([np.zeros((3, 2)), np.zeros(2)], variables)
        np.testing.assert_allclose(variables[0].numpy(), STARTS[0] * 0.95, rtol=1e-6)
        np.testing.assert_array_equal(variables[1].numpy(), STARTS[1])


def test_building_again_keeps_the_state_of_variables_that_stay():
    optimizer, variables = optimizers.SGD(0.5, momentum=0.9), weights()
    optimizer.apply(slopes(STARTS), variables)
    momentum = optimizer.slots["momentum"][variables[1]]
    optimizer.build(variables[1:])
    assert optimizer.slots["momentum"] == {variables[1]: momentum}
    optimizer.build(variables)
    assert optimizer.slots["momentum"][variables[1]] is momentum
    assert not optimizer.slots["momentum"][variables[0]].numpy().any()
    assert int(optimizer.iterations) == 1


def test_a_missing_gradient_leaves_the_variable_and_warns():
    optimizer, variables = optimizers.SGD(0.5, momentum=0.9), weights()
    with pytest.warns(UserWarning, match=r"sgd: no gradient for dense/bias. Does the loss depend on them"):
        optimizer.apply([slopes(STARTS)[0], None], variables)
    np.testing.assert_array_equal(variables[1].numpy(), STARTS[1])


def test_variables_are_named_by_path():
    optimizer = optimizers.Adam()
    optimizer.build(weights())
    assert list(optimizer.named_variables())[2:4] == ["adam/dense_kernel_momentum", "adam/dense_kernel_velocity"]
    twins = [Variable([1.0], name="w"), Variable([1.0], name="w")]
    optimizer.build(twins)
    assert len(optimizer.named_variables()) == len(optimizer.variables)


# --- saving ---------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_state_goes_into_the_layout_of_keras_and_back():
    keras = pytest.importorskip("keras")
    oracle = keras.optimizers.Adam(0.05)
    theirs = [keras.Variable(start, name="w") for start in STARTS]
    for _ in range(3):
        oracle.apply([K.array(g) for g in slopes([np.asarray(v.value) for v in theirs])], theirs)
    store: dict = {}
    oracle.save_own_variables(store)

    optimizer, variables = optimizers.Adam(0.5), [Variable(np.asarray(v.value), name="w") for v in theirs]
    optimizer.build(variables)
    optimizer.load_own_variables(store)
    ours: dict = {}
    optimizer.save_own_variables(ours)
    assert ours.keys() == store.keys()
    for key in store:
        np.testing.assert_array_equal(ours[key], store[key])
    optimizer.apply(slopes([v.numpy() for v in variables]))
    oracle.apply([K.array(g) for g in slopes([np.asarray(v.value) for v in theirs])])
    np.testing.assert_allclose(variables[0].numpy(), np.asarray(theirs[0].value), rtol=1e-5)


def test_set_weights_sets_everything():
    first, second, variables = optimizers.Adam(), optimizers.Adam(), weights()
    run(first, variables, 2)
    second.build(variables)
    second.set_weights([v.numpy() for v in first.variables])
    for ours, theirs in zip(first.variables, second.variables, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    with pytest.raises(UsageError, match=r"1 array for 6 variables. Build the optimizer for the same variables"):
        second.set_weights([np.zeros(3)])


def test_a_store_of_another_length_is_skipped_with_a_warning():
    optimizer = optimizers.Adam()
    optimizer.build(weights())
    with pytest.warns(UserWarning, match=r"1 array were saved and the optimizer has 6 variables. Training starts with"):
        optimizer.load_own_variables({"0": np.int32(3)})
    assert int(optimizer.iterations) == 0


def test_a_store_of_other_shapes_is_refused_before_anything_changes():
    optimizer = optimizers.SGD(momentum=0.9)
    optimizer.build(weights())
    store = {"0": np.int32(3), "1": np.float32(1), "2": np.zeros((3, 2)), "3": np.zeros(5)}
    with pytest.raises(ModelFileError, match=r"dense_bias_momentum has shape \(2,\), but the value has shape \(5,\)"):
        optimizer.load_own_variables(store)
    assert int(optimizer.iterations) == 0


# --- the user's own -------------------------------------------------------------------


class KerasStyle(optimizers.Optimizer):
    """SGD with momentum as Keras' documentation writes an optimizer."""

    def __init__(self, momentum=0.9, **kwargs):
        super().__init__(**kwargs)
        self.momentum = momentum

    def build(self, variables):
        super().build(variables)
        self.momentums = []
        for variable in variables:
            self.momentums.append(self.add_variable_from_reference(reference_variable=variable, name="momentum"))

    def update_step(self, gradient, variable, learning_rate):
        learning_rate = K.cast(learning_rate, variable.dtype)
        m = self.momentums[self._get_variable_index(variable)]
        self.assign(m, m * self.momentum - gradient * learning_rate)
        self.assign_add(variable, m)

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum}


@pytest.mark.parametrize("options", [{}, {"gradient_accumulation_steps": 2, "weight_decay": 0.1}, {"use_ema": True}])
@pytest.mark.parametrize("through", [run, run_step])
def test_an_optimizer_written_for_keras_works(options, through):
    mine, ours = KerasStyle(learning_rate=0.05, **options), optimizers.SGD(0.05, momentum=0.9, **options)
    first, second = weights(), weights()
    through(mine, first)
    run(ours, second)
    np.testing.assert_allclose(first[0].numpy(), second[0].numpy(), rtol=1e-5, atol=1e-6)
    assert not mine.packable
    np.testing.assert_allclose(mine.variables[-1].numpy(), ours.variables[-1].numpy(), rtol=1e-5, atol=1e-6)
    again = optimizers.deserialize(optimizers.serialize(mine), {"KerasStyle": KerasStyle})
    assert again.get_config() == mine.get_config()


def test_building_a_keras_style_optimizer_twice_makes_its_state_once():
    mine, variables = KerasStyle(learning_rate=0.05), weights()
    mine.build(variables)
    count = len(mine.variables)
    mine.build(list(variables))
    assert len(mine.variables) == count == 4


def test_a_subclass_of_a_built_in_may_change_its_step():
    class Halved(optimizers.Adam):
        def update_step(self, gradient, variable, learning_rate):
            super().update_step(gradient, variable, learning_rate * 0.5)

    first, second = weights(), weights()
    run(Halved(learning_rate=0.1), first)
    run(optimizers.Adam(0.05), second)
    np.testing.assert_allclose(first[0].numpy(), second[0].numpy(), rtol=1e-5, atol=1e-6)


def test_an_optimizer_is_its_arguments_and_its_update():
    class Signs(optimizers.Optimizer):
        learning_rate: optimizers.LearningRate = 0.1
        floor: NonNegativeReal = 0.0

        def update(self, gradient, parameter, slots, rate, step):
            return parameter - rate * K.where(K.greater(K.abs(gradient), self.floor), K.sign(gradient), 0.0), slots

    variable = Variable([1.0, 1.0])
    Signs(0.5, floor=1.0, clipvalue=3.0).apply([np.array([5.0, 0.5])], [variable])
    assert variable.numpy().tolist() == [0.5, 1.0]
    assert Signs(0.5).get_config()["floor"] == 0.0


def test_add_optimizer_variables_makes_one_list_for_each_name():
    optimizer, variables = KerasStyle(learning_rate=0.1), weights()
    assert [v.shape for v in optimizer.add_optimizer_variables(variables, "a")] == [(3, 2), (2,)]
    firsts, seconds = optimizer.add_optimizer_variables(variables, ["a", "b"], ["zeros", "ones"])
    assert firsts[0].numpy().max() == 0
    assert seconds[1].numpy().min() == 1
    with pytest.raises(ArgumentError, match=r"1 initializer for 2 names"):
        optimizer.add_optimizer_variables(variables, ["a", "b"], ["zeros"])


# --- optax ----------------------------------------------------------------------------


@pytest.mark.parametrize("through", [run, run_step])
def test_an_optax_transformation_is_an_optimizer(through):
    optax = pytest.importorskip("optax")
    transformation = optax.chain(
        optax.clip(0.5), optax.amsgrad(0.05), optax.trace(0.5), optax.trace(0.2), optax.add_decayed_weights(0.01)
    )
    optimizer, variables = optimizers.get(transformation), weights()
    through(optimizer, variables)
    values = [K.array(start) for start in STARTS]
    state = transformation.init(values)
    for _ in range(12):
        updates, state = transformation.update([K.array(g) for g in slopes(values)], state, values)
        values = optax.apply_updates(values, updates)
    for variable, expected in zip(variables, values, strict=True):
        np.testing.assert_allclose(variable.numpy(), expected, rtol=1e-5, atol=1e-6)
    assert not optimizer.packable
    assert len(optimizer.scalars) > 10
    assert int(optimizer.iterations) == 12
    assert "optax/1_0_1_dense_kernel" in optimizer.named_variables()


@pytest.mark.parametrize("through", [run, run_step])
def test_an_injected_learning_rate_can_be_read_and_set(through):
    optax = pytest.importorskip("optax")
    optimizer, variables = optimizers.get(optax.inject_hyperparams(optax.sgd)(learning_rate=0.5)), weights()
    assert float(optimizer.learning_rate) == 0.5
    optimizer.learning_rate = 0.25
    through(optimizer, variables, 2)
    expected = weights()
    run(optimizers.SGD(0.25), expected, 2)
    np.testing.assert_allclose(variables[0].numpy(), expected[0].numpy(), rtol=1e-5)


def test_a_learning_rate_hidden_in_optax_is_refused_in_words():
    optax = pytest.importorskip("optax")
    scheduled = optax.inject_hyperparams(optax.sgd)(learning_rate=optax.linear_schedule(1.0, 0.0, 10))
    with pytest.raises(UsageError, match=r"the learning rate of this optax transformation is fixed"):
        optimizers.get(scheduled).learning_rate = 0.1
    optimizer = optimizers.get(optax.sgd(0.5))
    words = r"fixed inside it. To read and set it, wrap the transformation: optax.inject_hyperparams"
    with pytest.raises(UsageError, match=words):
        optimizer.learning_rate  # noqa: B018
    with pytest.raises(UsageError, match=words):
        optimizer.learning_rate = 0.1
    with pytest.raises(UsageError, match=r"an optax transformation cannot be written into a config"):
        optimizers.serialize(optimizer)


# --- refusals -------------------------------------------------------------------------


@pytest.mark.parametrize("call, error, words", [
    (lambda: optimizers.Adam("fast"), ArgumentError, r"Adam: learning_rate is 'fast'; expected a number, a schedule"),
    (lambda: optimizers.Optimizer(), ArgumentError, r"Optimizer: learning_rate is None; expected a number, a schedule"),
    (lambda: optimizers.SGD(momentum=2), ArgumentError, r"SGD: momentum is 2; expected a number from 0 to 1"),
    (lambda: optimizers.SGD(clipnorm=-1), ArgumentError, r"SGD: clipnorm is -1; expected a number, 0 or more"),
    (lambda: optimizers.SGD(clipnorm=1, clipvalue=1), ArgumentError, r"clipnorm and clipvalue are both set"),
    (lambda: optimizers.SGD(gradient_accumulation_steps=1), ArgumentError, r"is 1; expected None or a whole number, 2"),
    (lambda: optimizers.SGD(ema_overwrite_frequency=0), ArgumentError, r"is 0; expected None or a whole number, 1"),
    (lambda: optimizers.SGD(momentun=0.9), ArgumentError, r"unknown argument 'momentun'. Did you mean 'mom"),
    (lambda: optimizers.AdamW(weight_decay=None), ArgumentError, r"AdamW: weight_decay is None; expected a number"),
    (lambda: optimizers.get("adm"), UnknownNameError, r"there is no optimizer called 'adm'. Did you mean 'adam'"),
    (lambda: optimizers.get(len), ArgumentError, r"expected an optimizer: a name, a config, or an object"),
    (lambda: optimizers.SGD().apply([1.0]), UsageError, r"gradients were given without variables. Call apply"),
    (lambda: optimizers.SGD().apply([1.0], []), ArgumentError, r"1 gradient for 0 variables; give one"),
    (lambda: optimizers.SGD().apply([None], [Variable([1.0])]), ArgumentError, r"none of the variables has a grad"),
    (lambda: optimizers.Optimizer(0.1).apply([np.ones(1)], [Variable([1.0])]), ArgumentError, r"neither update"),
    (lambda: optimizers.SGD().stateless_apply([], [], []), UsageError, r"call build\(trainable_variables\) before"),
])  # fmt: skip
def test_faults_are_refused_in_words(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_variables_that_the_optimizer_was_not_built_for_are_refused():
    optimizer = optimizers.SGD()
    optimizer.build(weights())
    with pytest.raises(ArgumentError, match=r"sgd was built for other variables than stranger. Build it for all"):
        optimizer.apply([np.ones(1)], [Variable([1.0], name="stranger")])
    with pytest.raises(ArgumentError, match=r"optimizer_variables has 1 values; expected 2"):
        optimizer.stateless_apply([1], STARTS, STARTS)

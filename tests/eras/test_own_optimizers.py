"""Optimizers of eras 1 and 2 that say their updates themselves: what they return is what a step does."""

import numpy as np
import pytest

import keraunos
from keraunos import Sequential, layers, models, optimizers
from keraunos.eras import backend as K
from keraunos.layers import BatchNormalization, Dense, Dropout
from keraunos.optimizers import SGD, Adam, Optimizer
from keraunos.utils.errors import ArgumentError, UsageError
from keraunos.utils.spelling import in_era

X = np.random.RandomState(0).rand(20, 3).astype("float32")
Y = X[:, :1] * 2 + 1


@pytest.fixture(autouse=True)
def era_2():
    with in_era(2):
        yield


class Descent(Optimizer):
    """Momentum, weight decay and a rate that falls, as optimizers of the time were written."""

    def __init__(self, lr=0.1, momentum=0.5, wd=0.01, **kwargs):
        super().__init__(**kwargs)
        with K.name_scope(self.__class__.__name__):
            self.iterations = K.variable(0, dtype="int64", name="iterations")
            self.lr = K.variable(lr, name="lr")
            self.momentum = K.variable(momentum, name="momentum")
        self.wd = wd

    def get_updates(self, loss, params):
        gradients = self.get_gradients(loss, params)
        self.updates = [K.update_add(self.iterations, 1)]
        rate = self.lr / (1.0 + K.cast(self.iterations, K.dtype(self.lr)))
        moments = [K.zeros(K.int_shape(p), dtype=K.dtype(p)) for p in params]
        self.weights = [self.iterations, *moments]
        for p, g, m in zip(params, gradients, moments):  # noqa: B905
            new = self.momentum * m - rate * (g + self.wd * p)
            self.updates.append(K.update(m, new))
            new_p = p + new
            if getattr(p, "constraint", None) is not None:
                new_p = p.constraint(new_p)
            self.updates.append(K.update(p, new_p))
        return self.updates

    def get_config(self):
        own = {
            "lr": float(K.get_value(self.lr)), "momentum": float(K.get_value(self.momentum)), "wd": self.wd,
        }  # fmt: skip
        return dict(list(super().get_config().items()) + list(own.items()))


def linear(optimizer, **options):
    model = models.Sequential([Dense(1, input_shape=(3,), kernel_initializer="ones", **options)])
    model.compile(optimizer, "mse", metrics=["mae"])
    return model


def by_hand(steps, lr=0.1, momentum=0.5, wd=0.01, limit=None):
    """The same steps on batches of seven rows, by NumPy; the errors of each epoch too."""
    w, b = np.ones((3, 1)), np.zeros(1)
    v, c = np.zeros((3, 1)), np.zeros(1)
    losses, number = [], 0
    for _ in range(steps):
        total = 0.0
        for start in range(0, len(X), 7):
            x, y = X[start : start + 7].astype("float64"), Y[start : start + 7]
            error = x @ w + b - y
            total += (error**2).sum() / len(X)
            gw, gb = 2 * x.T @ error / len(x), 2 * error.mean(0)
            if limit is not None:
                norm = np.sqrt((gw**2).sum() + (gb**2).sum())
                scale = min(1.0, limit / norm)
                gw, gb = gw * scale, gb * scale
            rate = lr / (1 + number)
            v, c = momentum * v - rate * (gw + wd * w), momentum * c - rate * (gb + wd * b)
            w, b, number = w + v, b + c, number + 1
        losses.append(total)
    return [w, b], losses


def close(weights, expected):
    return all(np.allclose(a, b, atol=1e-5) for a, b in zip(weights, expected, strict=True))


def test_updates_of_the_weights_and_of_own_state_are_what_training_does():
    model = linear(Descent())
    history = model.fit(X, Y, batch_size=7, epochs=3, shuffle=False, verbose=0).history
    weights, losses = by_hand(3)
    assert close(model.get_weights(), weights)
    assert history["loss"] == pytest.approx(losses, rel=1e-5)
    assert set(history) == {"loss", "mean_absolute_error"}
    assert int(K.get_value(model.optimizer.iterations)) == 9


def test_state_goes_on_from_fit_to_fit_and_to_single_batches():
    model = linear(Descent())
    model.fit(X, Y, batch_size=7, epochs=1, shuffle=False, verbose=0)
    model.fit(X, Y, batch_size=7, epochs=1, shuffle=False, verbose=0, validation_data=(X, Y))
    for start in range(0, 20, 7):
        model.train_on_batch(X[start : start + 7], Y[start : start + 7])
    assert close(model.get_weights(), by_hand(3)[0])


def test_gradients_are_limited_before_an_own_step_sees_them():
    model = linear(Descent(clipnorm=0.5))
    model.fit(X, Y, batch_size=7, epochs=2, shuffle=False, verbose=0)
    assert close(model.get_weights(), by_hand(2, limit=0.5)[0])


def test_a_number_that_is_a_variable_may_be_set_between_two_fits():
    model = linear(Descent(wd=0.0))
    model.fit(X, Y, verbose=0)
    before, first = model.get_weights(), model.optimizer.get_weights()[1]
    K.set_value(model.optimizer.lr, 0.0)
    K.set_value(model.optimizer.momentum, 1.0)
    model.fit(X, Y, batch_size=20, verbose=0)
    assert np.allclose(model.get_weights()[0], before[0] + first, atol=1e-6)
    K.set_value(model.optimizer.momentum, 0.0)
    model.fit(X, Y, batch_size=20, verbose=0)
    assert np.allclose(model.get_weights()[0], before[0] + first, atol=1e-6)


def test_constraints_are_those_that_the_step_applies():
    model = linear(Descent(), kernel_constraint=keraunos.constraints.MaxNorm(0.5))
    model.fit(X, Y, verbose=0)
    assert np.linalg.norm(model.get_weights()[0]) == pytest.approx(0.5, abs=1e-5)


def test_the_last_layout_of_arguments_and_the_one_before_are_both_called():
    class Earlier(Optimizer):
        def __init__(self, lr=0.1, **kwargs):
            super().__init__(**kwargs)
            self.lr = K.variable(lr)

        def get_updates(self, params, constraints, loss):
            self.updates = []
            for p, g in zip(params, self.get_gradients(loss, params)):  # noqa: B905
                new_p = p - self.lr * K.sign(g)
                if p in constraints:
                    new_p = constraints[p](new_p)
                self.updates.append((p, new_p))
            return self.updates

    for era in (1, 2):
        with in_era(era):
            model = linear(Earlier(), bias_constraint=keraunos.constraints.MaxNorm(0.05))
            model.train_on_batch(X, Y)
            kernel, bias = model.get_weights()
            assert np.allclose(np.abs(kernel - 1), 0.1)
            assert np.allclose(bias, 0.05, atol=1e-4)


def test_a_known_optimizer_may_be_extended_by_updates_of_its_own():
    class Counting(Adam):
        def get_updates(self, loss, params):
            updates = super().get_updates(loss, params)
            self.seen = K.variable(0.0)
            return [*updates, K.update_add(self.seen, K.abs(loss))]

    model, plain = linear(Counting(lr=0.05)), linear(Adam(lr=0.05))
    for each in (model, plain):
        each.fit(X, Y, batch_size=20, epochs=3, shuffle=False, verbose=0)
    assert close(model.get_weights(), plain.get_weights())
    losses = plain.history.history["loss"]
    assert float(K.get_value(model.optimizer.seen)) == pytest.approx(sum(losses), rel=1e-4)


def test_gradients_that_a_subclass_changes_are_what_the_step_takes():
    class Half(SGD):
        def get_gradients(self, loss, params):
            return [0.5 * g for g in super().get_gradients(loss, params)]

    for options in ({}, {"clipnorm": 0.1}, {"clipvalue": 0.01}):
        model, plain = linear(Half(lr=0.2, **options)), linear(SGD(lr=0.1, **options))
        for each in (model, plain):
            each.fit(X, Y, batch_size=7, epochs=2, shuffle=False, verbose=0)
        assert close(model.get_weights(), plain.get_weights())


class Plain(SGD):
    def get_updates(self, loss, params):
        gradients = self.get_gradients(loss, params)
        return [K.update_sub(p, self.lr * g) for p, g in zip(params, gradients, strict=True)]


def test_the_gradient_is_that_of_the_loss_whose_numbers_were_drawn():
    model = models.Sequential([Dropout(0.5, input_shape=(1,)), Dense(1, kernel_initializer="ones", use_bias=False)])
    model.compile(Plain(lr=0.1), "mse")
    x = np.random.RandomState(2).rand(16, 1)
    for _ in range(3):
        w = model.get_weights()[0].item()
        loss = model.train_on_batch(x, 0 * x)
        # of a mean of (m x w)^2 the slope is twice the loss over w
        assert model.get_weights()[0].item() == pytest.approx(w - 0.1 * 2 * loss / w, rel=1e-5)


def test_layers_keep_statistics_while_an_own_step_trains():
    states = []
    for optimizer in (Plain(lr=0.1), SGD(lr=0.1)):
        model = models.Sequential([BatchNormalization(input_shape=(3,)), Dense(1)])
        model.compile(optimizer, "mse")
        model.fit(X, Y, batch_size=10, epochs=2, shuffle=False, verbose=0)
        states.append(model.get_weights()[2:4])
    assert close(*states)
    assert not np.allclose(states[0][0], 0)


def test_a_file_holds_an_own_optimizer_and_its_state(tmp_path):
    model = linear(Descent())
    model.fit(X, Y, batch_size=7, epochs=2, shuffle=False, verbose=0)
    model.save(tmp_path / "own.h5")
    again = models.load_model(tmp_path / "own.h5", custom_objects={"Descent": Descent})
    assert isinstance(again.optimizer, Descent)
    again.fit(X, Y, batch_size=7, epochs=1, shuffle=False, verbose=0)
    assert close(again.get_weights(), by_hand(3)[0])
    assert int(K.get_value(again.optimizer.iterations)) == 9


def test_state_of_an_own_optimizer_is_read_and_set_as_a_list():
    model = linear(Descent())
    model.fit(X, Y, batch_size=20, verbose=0)
    state = model.optimizer.get_weights()
    assert [np.shape(value) for value in state] == [(), (3, 1), (1,)]
    model.optimizer.set_weights([value * 0 for value in state])
    assert int(K.get_value(model.optimizer.iterations)) == 0
    with pytest.raises(UsageError, match="2 arrays for 3 variables"):
        model.optimizer.set_weights(state[:2])


def test_updates_that_are_no_list_are_refused():
    class Wrong(SGD):
        def get_updates(self, loss, params):
            return None

    with pytest.raises(ArgumentError, match="Wrong.get_updates returned a NoneType; expected a list of updates"):
        linear(Wrong()).fit(X, Y, verbose=0)


@pytest.mark.parametrize("era", [1, 2])
def test_the_state_of_an_optimizer_is_listed_one_slot_after_the_other(era):
    with in_era(era):
        model = Sequential([layers.Dense(2, input_shape=(3,))])
        model.compile(optimizers.Adam(), "mse")
        assert model.optimizer.get_weights() == []
        model.train_on_batch(np.ones((4, 3)), np.ones((4, 2)))
        state = model.optimizer.get_weights()
        largest = [(1,), (1,)] if era == 2 else []  # of Keras 2, which kept a number in its place
        assert [np.shape(part) for part in state] == [(), (3, 2), (2,), (3, 2), (2,), *largest]
        model.optimizer.set_weights([part + 1 for part in state])
        for part, before in zip(model.optimizer.get_weights()[:5], state, strict=False):
            np.testing.assert_allclose(part, before + 1)
        with pytest.raises(UsageError, match="3 arrays for"):
            model.optimizer.set_weights(state[:3])
        counts = {
            optimizers.RMSprop: 2,
            optimizers.Adagrad: 2,
            optimizers.Adadelta: 4,
            optimizers.SGD: 3,
            optimizers.Nadam: 5,
        }
        for kind, count in counts.items():
            model.compile(kind(), "mse")
            model.train_on_batch(np.ones((4, 3)), np.ones((4, 2)))
            assert len(model.optimizer.weights) == count

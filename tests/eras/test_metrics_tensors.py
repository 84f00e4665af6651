"""Tensors that are added to the metrics of a compiled model, as scripts of variational autoencoders do."""

import numpy as np
import pytest

import keraunos
from keraunos import ops
from keraunos.layers import Dense, Input
from keraunos.utils import spelling
from keraunos.utils.errors import NotCompiledError


@pytest.mark.parametrize("name_first", [True, False])
def test_the_mean_of_a_tensor_is_a_metric(name_first):
    x = np.random.default_rng(0).random((10, 3)).astype("float32")
    with spelling.in_era(2):
        inputs = Input((3,))
        hidden = Dense(2)(inputs)
        model = keraunos.Model(inputs, Dense(3)(hidden))
        size = ops.mean(ops.square(hidden))
        with pytest.raises(NotCompiledError):
            model.metrics_tensors.append(size)
        model.compile(keraunos.optimizers.SGD(0.0), "mse", metrics=["mae"])
        if name_first:
            model.metrics_names.append("size")
        model.metrics_tensors.append(size)
        if not name_first:
            model.metrics_names.append("size")
        expected = np.square(keraunos.Model(inputs, hidden).predict(x)).mean()
        history = model.fit(x, x, batch_size=4, epochs=2, verbose=0).history
        assert list(model.metrics_names) == ["loss", "mean_absolute_error", "size"]
        np.testing.assert_allclose(history["size"], expected, rtol=1e-4)
        np.testing.assert_allclose(model.evaluate(x, x, batch_size=4, verbose=0)[2], expected, rtol=1e-4)
        model.compile("sgd", "mse")
        assert list(model.metrics_names) == ["loss"]

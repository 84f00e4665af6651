"""What the test suites of Keras 1 and 2 check layers with: random data, and a layer put through its paces."""

import contextlib
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from keraunos import layers, models
from keraunos.eras import backend
from keraunos.eras.utilities import has_arg
from keraunos.utils.errors import ArgumentError
from keraunos.utils.spelling import spelled

__all__ = ["get_test_data", "keras_test", "layer_test"]

Data = tuple[np.ndarray, np.ndarray]


@spelled
def get_test_data(
    num_train: int = 1000,
    num_test: int = 500,
    input_shape: Sequence[int] = (10,),
    output_shape: Sequence[int] = (2,),
    classification: bool = True,
    num_classes: int = 2,
) -> tuple[Data, Data]:
    """Normal numbers around a centre, and targets that tell the centre: ``(x, y)`` to train on and ``(x, y)`` to test.

    Args:
        num_train, num_test: Rows.
        input_shape: Shape of a row.
        output_shape: Shape of a target, where it is not a class.
        classification: Whether the centre is the number of a class, which is the target; otherwise it lies between
            0 and 1, and the target is drawn around it too.
        num_classes: Classes.
    """
    rows = num_train + num_test
    centre = np.random.randint(0, num_classes, rows) if classification else np.random.random(rows)
    # The numbers of a row are drawn together, the inputs before the target.
    sizes = [math.prod(input_shape), 0 if classification else math.prod(output_shape)]
    drawn = np.random.normal(np.repeat(centre[:, None], sum(sizes), axis=1), 0.7).astype("float32")
    x = drawn[:, : sizes[0]].reshape(rows, *input_shape)
    y = centre if classification else drawn[:, sizes[0] :].reshape(rows, *output_shape)
    return (x[:num_train], y[:num_train]), (x[num_train:], y[num_train:])


def layer_test(
    layer_cls: Any,
    kwargs: Mapping[str, Any] | None = None,
    input_shape: Sequence[int | None] | None = None,
    input_dtype: Any = None,
    input_data: Any = None,
    expected_output: Any = None,
    expected_output_dtype: Any = None,
    fixed_batch_size: bool = False,
) -> np.ndarray:
    """Check that a layer gives the shape it promises, survives its config with its weights, and trains.

    Args:
        layer_cls: Class of the layer.
        kwargs: Its arguments.
        input_shape: Shape of a batch; ``None`` stands for a size from 1 to 3. That of ``input_data`` if not given.
        input_dtype: Type of the input; that of ``input_data``, or the default float type.
        input_data: The batch; random numbers from 0 to 10 if not given.
        expected_output: What the layer makes of it, to a thousandth.
        expected_output_dtype: Type of the output; as the input's if not given.
        fixed_batch_size: Whether the layer is told the size of the batch.

    Returns:
        What the layer made of the batch.

    Raises:
        AssertionError: The layer does something else.
    """
    if input_data is None and input_shape is None:
        raise ArgumentError("layer_test: input_shape and input_data are both missing. Give one of them.")
    if input_data is None:
        input_dtype = input_dtype or backend.floatx()
        sizes = [np.random.randint(1, 4) if size is None else size for size in input_shape or ()]
        input_data = (10 * np.random.random(sizes)).astype(input_dtype)
    shape = tuple(input_data.shape if input_shape is None else input_shape)
    dtype = np.dtype(input_dtype or input_data.dtype).name
    if input_data.dtype == np.float64:
        dtype = np.dtype(input_dtype or backend.floatx()).name

    layer = layer_cls(**(kwargs or {}))
    layer.set_weights(layer.get_weights())
    # An output takes the layer's own name for its shape, which eras 1 and 2 ask without having built it.
    promised = layer.compute_output_shape(shape)
    inputs = layers.Input(batch_shape=shape, dtype=dtype) if fixed_batch_size else layers.Input(shape[1:], dtype=dtype)
    outputs = layer(inputs)
    kind = np.dtype(expected_output_dtype or dtype).name
    assert backend.dtype(outputs) == kind, f"{layer.name} gives {backend.dtype(outputs)}; expected {kind}"

    model = models.Model(inputs, outputs)
    found = model.predict(input_data)
    _check_shape(layer, promised, found)
    if expected_output is not None:
        np.testing.assert_allclose(found, expected_output, rtol=1e-3)

    again = models.Model.from_config(model.get_config())
    if model.weights:
        again.set_weights(model.get_weights())
        np.testing.assert_allclose(again.predict(input_data), found, rtol=1e-3, atol=1e-6)
    if has_arg(layer.call, "training"):
        model.compile("rmsprop", "mse")
        model.train_on_batch(input_data, found)
    type(layer).from_config({**layer.get_config(), "batch_input_shape": shape})
    return found


def _check_shape(layer: Any, promised: Sequence[int | None], found: np.ndarray) -> None:
    agree = all(size in (None, real) for size, real in zip(promised, found.shape, strict=False))
    assert agree, f"{layer.name} promises the shape {tuple(promised)}, but gives {found.shape}"


def keras_test(func: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator of a test that begins the numbering of automatic names anew when it ends."""

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with contextlib.ExitStack() as stack:
            stack.callback(backend.clear_session)
            return func(*args, **kwargs)

    return wrapper

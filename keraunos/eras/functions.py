"""Methods that models had in eras 1 and 2, made of today's."""

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from keraunos import activations
from keraunos.backend import K
from keraunos.datasets.reading import read_pickle
from keraunos.eras.translate import Samples
from keraunos.layers.layer import Layer
from keraunos.training.data.streams import is_indexed, is_stream
from keraunos.utils import tree
from keraunos.utils.errors import ArgumentError, warn
from keraunos.utils.spelling import chosen, era, note, spelled

__all__ = [
    "evaluate_generator",
    "fit_generator",
    "get_activation",
    "get_output_shape_for",
    "load_batch",
    "predict_classes",
    "predict_generator",
    "predict_proba",
    "reset_states",
    "slice_X",
    "to_yaml",
]


def get_output_shape_for(self: Any, input_shape: Any) -> Any:
    """``compute_output_shape``, as Keras 1 called it."""
    return _beyond(self, "compute_output_shape", "get_output_shape_for")(self, input_shape)


def reset_states(self: Any) -> None:
    """``reset_state``, as metrics called it before Keras 3."""
    _beyond(self, "reset_state", "reset_states")(self)


def _beyond(self: Any, today: str, earlier: str) -> Any:
    """The nearest method of a name, but for that of a class whose own method of the earlier name stands for it."""
    owners = (vars(cls) for cls in type(self).__mro__)
    return next(own[today] for own in owners if today in own and own[today] is not own.get(earlier))


def get_activation(identifier: Any) -> Any:
    """``keras.activations.get`` of Keras 2, which advised against a layer in place of a function.

    >>> get_activation("linear").__name__
    'linear'
    """
    if isinstance(identifier, Layer):
        warn(
            f"Do not pass a layer ({identifier.name}) as the activation of another layer. Put it behind that layer, as "
            "a layer of its own."
        )
    return activations.get(identifier)


@spelled
def fit_generator(
    self: Any,
    generator: Any,
    steps_per_epoch: int | None = None,
    epochs: int = 1,
    verbose: Any = 1,
    callbacks: Any = None,
    validation_data: Any = None,
    validation_steps: int | None = None,
    class_weight: Any = None,
    max_queue_size: int = 10,
    workers: int = 1,
    use_multiprocessing: bool = False,
    shuffle: bool = True,
    initial_epoch: int = 0,
) -> Any:
    """Train on batches that a generator yields: ``fit`` takes it directly today.

    Args:
        generator: Yields ``(x, y)`` or ``(x, y, sample_weight)``, or is a ``Sequence``.
        steps_per_epoch: Batches of an epoch; Keras 1 counted samples (``samples_per_epoch``).
        epochs, verbose, callbacks, class_weight, shuffle, initial_epoch: As for ``fit``.
        validation_data: As for ``fit``, or a generator.
        validation_steps: Batches of a validation; Keras 1 counted samples (``nb_val_samples``).
        max_queue_size, workers, use_multiprocessing: Accepted; the next batches are read in the background.
    """
    note("fit_generator is called fit since Keras 3")
    _check_generator(generator, steps_per_epoch, "steps_per_epoch", workers, use_multiprocessing)
    _check_generator(validation_data, validation_steps, "validation_steps")
    generator, steps_per_epoch = in_steps(generator, steps_per_epoch)
    if isinstance(validation_steps, Samples):
        validation_data, validation_steps = in_steps(validation_data, validation_steps)
    return self.fit(
        generator,
        steps_per_epoch=steps_per_epoch,
        epochs=epochs,
        verbose=verbose,
        callbacks=callbacks,
        validation_data=validation_data,
        validation_steps=validation_steps,
        class_weight=class_weight,
        shuffle=shuffle,
        initial_epoch=initial_epoch,
    )


@spelled
def evaluate_generator(
    self: Any,
    generator: Any,
    steps: int | None = None,
    max_queue_size: int = 10,
    workers: int = 1,
    use_multiprocessing: bool = False,
    verbose: Any = 0,
) -> Any:
    """Loss and metrics on batches that a generator yields: ``evaluate`` takes it directly today."""
    note("evaluate_generator is called evaluate since Keras 3")
    _check_generator(generator, steps, "steps", workers, use_multiprocessing)
    generator, steps = in_steps(generator, steps)
    return self.evaluate(generator, steps=steps, verbose=verbose)


@spelled
def predict_generator(
    self: Any,
    generator: Any,
    steps: int | None = None,
    max_queue_size: int = 10,
    workers: int = 1,
    use_multiprocessing: bool = False,
    verbose: Any = 0,
) -> Any:
    """Outputs for batches that a generator yields: ``predict`` takes it directly today."""
    note("predict_generator is called predict since Keras 3")
    _check_generator(generator, steps, "steps", workers, use_multiprocessing)
    generator, steps = in_steps(generator, steps)
    return self.predict(generator, steps=steps, verbose=verbose)


def _check_generator(
    generator: Any, steps: Any, argument: str, workers: Any = 1, use_multiprocessing: Any = False
) -> None:
    """Refuse, in eras 1 and 2, a generator that may go on for ever; warn, as Keras 2 did, of one in several processes."""
    if not chosen() or not is_stream(generator) or is_indexed(generator):
        return
    if steps is None:
        raise ArgumentError(
            f"`{argument}=None` is only valid for a `keras.utils.Sequence`, which says how many batches it has. Give "
            f"{argument}, the number of batches to take from the generator."
        )
    if era() == 2 and use_multiprocessing and workers > 1:
        warn(
            "Using a generator with `use_multiprocessing=True` and multiple workers may duplicate your data, so it is read "
            "in one thread here. Please consider using the `keras.utils.Sequence` class."
        )


@spelled
def predict_classes(self: Any, x: Any, batch_size: int | None = 32, verbose: Any = 0) -> np.ndarray:
    """Number of the class with the largest output, ``(rows,)``; of one output, whether it is above 0.5, ``(rows, 1)``."""
    note("predict_classes has no name since Keras 3: take argmax(axis=-1), or > 0.5, of predict")
    outputs = np.asarray(self.predict(x, batch_size=batch_size, verbose=verbose))
    return outputs.argmax(axis=-1) if outputs.shape[-1] > 1 else (outputs > 0.5).astype("int32")


@spelled
def predict_proba(self: Any, x: Any, batch_size: int | None = 32, verbose: Any = 0) -> Any:
    """The same as ``predict``."""
    note("predict_proba is called predict since Keras 3")
    return self.predict(x, batch_size=batch_size, verbose=verbose)


def slice_X(X: Any, start: Any = None, stop: int | None = None) -> Any:
    """Rows ``start`` to ``stop`` of an array or of each array in a list; ``start`` may be a list of row numbers.

    >>> slice_X([np.arange(5), np.arange(5) * 2], 1, 3)[1].tolist()
    [2, 4]
    """
    rows = np.asarray(start).tolist() if hasattr(start, "__len__") else slice(start, stop)
    return [x[rows] for x in X] if isinstance(X, list) else X[rows]


def in_steps(generator: Any, amount: int | None) -> tuple[Any, int | None]:
    """A generator, and how many of its batches hold an amount of samples; other amounts are batches already."""
    if not isinstance(amount, Samples):
        return generator, amount
    if era() == 1 and hasattr(generator, "__next__") and hasattr(generator, "batch_size"):
        # Batches by number came with Keras 2: an iterator of images was taken one after the other.
        return (batch for batch in generator), math.ceil(amount / generator.batch_size)
    size = getattr(generator, "batch_size", None)
    if size is None and isinstance(generator, Iterator):
        first = next(generator)
        size = len(tree.leaves(first)[0])
        generator = itertools.chain([first], generator)
    return generator, math.ceil(amount / (size or 1))


def to_yaml(self: Any, **options: Any) -> str:
    """The architecture as YAML text, as Keras 2.2.4 reads it.

    Args:
        self: A model.
        **options: Accepted; those of PyYAML's ``dump`` changed nothing but the look.
    """
    from keraunos.eras.files import architecture
    from keraunos.eras.yaml_text import write_yaml

    return write_yaml(architecture(self))


def serialize(value: Any) -> Any:
    """Class and config of an object, or the name of a function, as Keras 2 wrote them.

    >>> from keraunos import metrics
    >>> serialize(metrics.categorical_accuracy)
    'categorical_accuracy'
    """
    from keraunos.core import registry
    from keraunos.eras.written import as_written

    if value is not None and not callable(value) and not hasattr(value, "get_config"):
        raise ArgumentError(f"serialize: {value!r} is neither a function nor an object with a get_config().")
    return as_written(registry.serialize(value))


def deserialize_optimizer(config: Any, custom_objects: Any = None) -> Any:
    """The optimizer of a config; in eras 1 and 2 the name in it is written small afterwards, as 2.2.4 leaves it."""
    from keraunos import optimizers

    made = optimizers.deserialize(config, custom_objects)
    if chosen() and isinstance(config, dict) and isinstance(config.get("class_name"), str):
        config["class_name"] = config["class_name"].lower()
    return made


def optimizer_from_config(config: Any, custom_objects: Any = None) -> Any:
    """The optimizer of a config ``{"class_name": …, "config": …}``, as Keras 1 called it."""
    return deserialize_optimizer(dict(config), custom_objects)


def clip_norm(g: Any, c: float, n: Any) -> Any:
    """A gradient whose norm ``n`` is above ``c``, scaled down to it; a ``c`` of 0 limits nothing."""
    return g * (c / K.maximum(n, c)) if c > 0 else g


def load_batch(fpath: Any, label_key: str = "labels") -> tuple[np.ndarray, Any]:
    """Images ``(n, 3, 32, 32)`` and labels of one file of CIFAR-10 or CIFAR-100.

    Args:
        fpath: The file: plain data in a pickle, in which nothing else is accepted.
        label_key: Under which name the labels stand in it.
    """
    content = read_pickle(Path(fpath))
    return content[b"data"].reshape(-1, 3, 32, 32), content[label_key.encode()]

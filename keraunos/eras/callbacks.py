"""Callbacks of Keras 1 and 2 that today's Keras has no more."""

import io
import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from keraunos import Model, callbacks, layers
from keraunos.callbacks import Callback
from keraunos.core.gradient import value_and_gradients
from keraunos.eras.graphs import parts_of_batch
from keraunos.preprocessing.image import array_to_img
from keraunos.utils.errors import DataError
from keraunos.utils.spelling import era, spelled
from keraunos.utils.writing import write_file

__all__ = ["BaseLogger", "TensorBoard"]


class BaseLogger(Callback):
    """Means of the values of the batches, by their sizes, entered in the values of the epoch.

    ``fit`` does this itself; a loop of one's own may use it.

    Args:
        stateful_metrics: Names of values that are not averaged, but taken as they are at the end.
    """

    seen: float = 0
    totals: dict[str, Any]

    def __init__(self, stateful_metrics: Iterable[str] | None = None) -> None:
        super().__init__()
        self.stateful_metrics = set(stateful_metrics or ())
        self.totals = {}

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.seen, self.totals = 0, {}

    def on_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        logs = logs or {}
        size = logs.get("size", 0)
        self.seen += size
        for name, value in logs.items():
            kept = name in self.stateful_metrics
            self.totals[name] = value if kept else self.totals.get(name, 0.0) + value * size

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        for name in (self.params or {}).get("metrics", ()) if logs is not None else ():
            if logs is not None and name in self.totals:
                kept = name in self.stateful_metrics
                logs[name] = self.totals[name] if kept else self.totals[name] / (self.seen or 1)


class TensorBoard(callbacks.TensorBoard):
    """Today's ``TensorBoard``, with weights as pictures and the outputs of layers for the projector, as 2.2.4 had it.

    Args:
        log_dir, histogram_freq, write_graph, update_freq: As today; histograms need validation data in arrays.
        batch_size: Rows at a time for the projector.
        write_grads: Whether the loss's gradients on a batch of the validation data are written beside the histograms.
        write_images: Whether weights are written as pictures beside the histograms.
        embeddings_freq: Epochs between two tables for the projector; 0 for none.
        embeddings_layer_names: Layers whose outputs are written; all of class ``Embedding`` if not given.
        embeddings_metadata: File of labels that the projector shows, or a dict of them by layer.
        embeddings_data: Inputs that the outputs are made of.

    Raises:
        DataError: In ``fit``, histograms without validation data, or a projector without ``embeddings_data``.
    """

    validation_data: Any = None

    @spelled
    def __init__(
        self,
        log_dir: Any = "./logs",
        histogram_freq: int = 0,
        batch_size: int = 32,
        write_graph: bool = True,
        write_grads: bool = False,
        write_images: bool = False,
        embeddings_freq: int = 0,
        embeddings_layer_names: Iterable[str] | None = None,
        embeddings_metadata: Any = None,
        embeddings_data: Any = None,
        update_freq: Any = "epoch",
    ) -> None:
        super().__init__(log_dir, histogram_freq, write_graph, update_freq=update_freq)
        self.batch_size, self.write_images, self.embeddings_freq = batch_size, write_images, embeddings_freq
        self.embeddings_layer_names, self.embeddings_metadata = embeddings_layer_names, embeddings_metadata
        self.embeddings_data, self.write_grads = embeddings_data, write_grads

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        # Keras 1 left histograms out where there were no such data.
        if era() == 2 and self.histogram_freq and self.validation_data is None:
            raise DataError(
                "If printing histograms, validation_data must be provided, and cannot be a generator. "
                "Pass validation_data=(x, y) to fit, or histogram_freq=0."
            )
        if self.embeddings_freq and self.embeddings_data is None:
            raise DataError("To visualize embeddings, embeddings_data must be provided: the inputs to make them of.")
        super().on_train_begin(logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        super().on_epoch_end(epoch, logs)
        due = self.histogram_freq and epoch % self.histogram_freq == 0
        if self.write_grads and due and self.validation_data is not None:
            self._write_gradients(epoch)
        if self.write_images and due:
            for weight in self.model.weights:
                self._add("train", f"{weight.path}/image", _picture(weight.numpy()), epoch, "image")
        if self.embeddings_freq and epoch % self.embeddings_freq == 0:
            self._write_embeddings()

    def _write_gradients(self, epoch: int) -> None:
        """A histogram of the gradient for each weight that is trained, on the last batch of the validation data."""
        model, rows = self.model, len(self.validation_data[0])
        begin = (rows - 1) // self.batch_size * self.batch_size
        x, y, weights = parts_of_batch(model, [array[begin:] for array in self.validation_data])
        variables = model.trainable_variables
        _, found = value_and_gradients(
            lambda: model.batch_loss(x, y, model(x, training=False), weights, training=False), variables
        )
        for variable, gradient in zip(variables, found, strict=True):
            self._histogram(f"{variable.path}/gradient", np.asarray(gradient), epoch)

    def _write_embeddings(self) -> None:
        """A table for each layer, and the file by which the projector finds them."""
        own = [layer.name for layer in self.model.layers if isinstance(layer, layers.Embedding)]
        entries = []
        for name in self.embeddings_layer_names or own:
            part = Model(self.model.inputs, self.model.get_layer(name).output)
            rows = part.predict(self.embeddings_data, batch_size=self.batch_size, verbose=0)
            table = io.StringIO()
            np.savetxt(table, rows.reshape(len(rows), -1), delimiter="\t")
            write_file(os.path.join(self.log_dir, f"{name}.tsv"), table.getvalue().encode())
            labels = self.embeddings_metadata
            labels = labels.get(name) if isinstance(labels, Mapping) else labels
            shown = f'  metadata_path: "{labels}"\n' if labels else ""
            entries.append(f'embeddings {{\n  tensor_name: "{name}"\n  tensor_path: "{name}.tsv"\n{shown}}}\n')
        write_file(os.path.join(self.log_dir, "projector_config.pbtxt"), "".join(entries).encode())


def _picture(weight: np.ndarray) -> np.ndarray:
    """Width, height and PNG of a weight in gray, a column for each entry of its last axis."""
    matrix = np.asarray(weight, "float32").reshape(-1, weight.shape[-1] if weight.ndim else 1)
    file = io.BytesIO()
    array_to_img(matrix[:, :, None], "channels_last").save(file, format="png")
    height, width = matrix.shape
    return np.array([str(width).encode(), str(height).encode(), file.getvalue()], dtype=object)

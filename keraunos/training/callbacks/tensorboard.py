"""Event files for TensorBoard, written without TensorFlow."""

import contextlib
import os
import sys
import time
from types import ModuleType
from typing import Any

import numpy as np

from keraunos.training.callbacks.base import Callback, on_demand
from keraunos.utils.errors import ArgumentError, UsageError, warn
from keraunos.utils.spelling import spelled
from keraunos.utils.writing import on_disk

_BUCKETS = 30


class TensorBoard(Callback):
    """Write losses, metrics, weights and the architecture for TensorBoard (``tensorboard --logdir logs``).

    ``log_dir/train`` and ``log_dir/validation`` receive a scalar ``epoch_...``
    for each value of an epoch. The package ``tensorboard`` writes the files.

    Args:
        log_dir: Folder of the files.
        histogram_freq: Epochs between two histograms of the weights; 0 for none.
        write_graph: Whether to write the architecture (of models with ``to_json``).
        write_images: Must be ``False``.
        write_steps_per_second: Whether to write the pace.
        update_freq: ``"epoch"``; or ``"batch"`` or a number of batches, for scalars ``batch_...`` within epochs, which
            costs speed.
        profile_batch: Must be 0.
        embeddings_freq: Must be 0.
        embeddings_metadata: Must be ``None``.

    Raises:
        ArgumentError: A wrong value, or one that is not available.
        UsageError: The package ``tensorboard`` is not installed.
    """

    @spelled
    def __init__(
        self,
        log_dir: Any = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: Any = "epoch",
        profile_batch: Any = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
    ) -> None:
        super().__init__()
        refused = {
            "write_images": (write_images, "Weights as pictures are not available; see histogram_freq."),
            "profile_batch": (profile_batch, "Use the engine's own profiler, such as jax.profiler.trace."),
            "embeddings_freq": (embeddings_freq, "The projector is not available; save the weights instead."),
            "embeddings_metadata": (embeddings_metadata, "The projector is not available."),
        }
        for name, (value, hint) in refused.items():
            if value:
                raise ArgumentError(f"TensorBoard: {name} is {value!r}, but this is not supported. {hint}")
        update_freq = 1 if update_freq == "batch" else update_freq
        if update_freq != "epoch" and (not isinstance(update_freq, int) or update_freq < 1):
            raise ArgumentError(
                f"TensorBoard: update_freq is {update_freq!r}; expected 'epoch', 'batch' or a number of batches."
            )
        if not isinstance(histogram_freq, int) or histogram_freq < 0:
            raise ArgumentError(
                f"TensorBoard: histogram_freq is {histogram_freq!r}; expected a number of epochs, or 0."
            )
        _package()
        self.log_dir, self.histogram_freq, self.update_freq = os.fspath(log_dir), histogram_freq, update_freq
        self.write_graph, self.write_steps_per_second = write_graph, write_steps_per_second
        self._writers: dict[str, Any] = {}
        self._batches = 0
        self._epoch_began = self._batch_began = 0.0
        self._iterations_before = 0

    def watches_batches(self, mode: str) -> bool:
        return super().watches_batches(mode) or (mode == "train" and self.update_freq != "epoch")

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._batches = 0
        if self.write_graph:
            self._write_architecture()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._release()

    def _release(self) -> None:
        writers, self._writers = self._writers, {}
        for writer in writers.values():
            with on_disk(self.log_dir):
                writer.close()

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        iterations = self._iterations()
        for name, value in (logs or {}).items():
            self._scalar("validation", f"evaluation_{name}_vs_iterations", value, iterations)
        if "validation" in self._writers:
            with on_disk(self.log_dir):
                self._writers["validation"].flush()

    @on_demand
    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._batches += 1
        self._batch_began = time.perf_counter()

    @on_demand
    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self.update_freq == "epoch" or self._batches % self.update_freq:
            return
        for name, value in (logs or {}).items():
            self._scalar("train", f"batch_{name}", value, self._batches)
        if self.write_steps_per_second:
            pace = 1 / max(time.perf_counter() - self._batch_began, 1e-9)
            self._scalar("train", "batch_steps_per_second", pace, self._batches)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch_began, self._iterations_before = time.perf_counter(), self._iterations()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        values = dict(logs or {})
        if not values:
            return
        with contextlib.suppress(UsageError):  # A rate inside an optax transformation cannot be read.
            values["learning_rate"] = float(self.model.optimizer.learning_rate)
        if self.write_steps_per_second:
            seconds = max(time.perf_counter() - self._epoch_began, 1e-9)
            values["steps_per_second"] = (self._iterations() - self._iterations_before) / seconds
        for name, value in values.items():
            run = "validation" if name.startswith("val_") else "train"
            self._scalar(run, f"epoch_{name.removeprefix('val_')}", value, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            for weight in self.model.weights:
                self._histogram(f"{weight.path}/histogram", weight.numpy(), epoch)
        for writer in self._writers.values():
            with on_disk(self.log_dir):
                writer.flush()

    def _iterations(self) -> int:
        optimizer = getattr(self.model, "optimizer", None)
        return int(getattr(optimizer, "iterations", 0))

    def _scalar(self, run: str, tag: str, value: Any, step: int) -> None:
        if np.ndim(value) == 0 and not isinstance(value, str):
            self._add(run, tag, np.asarray(value, np.float32), step, "scalar")

    def _histogram(self, tag: str, values: np.ndarray, step: int) -> None:
        finite = np.asarray(values, np.float64)
        finite = finite[np.isfinite(finite)]
        counts, edges = np.histogram(finite, _BUCKETS) if finite.size else (np.zeros(_BUCKETS), np.zeros(_BUCKETS + 1))
        self._add("train", tag, np.stack([edges[:-1], edges[1:], counts], axis=1), step, "histogram")

    def _write_architecture(self) -> None:
        try:
            text = self.model.to_json()
        except Exception as error:
            # A picture of the architecture is not worth a run.
            warn(f"TensorBoard: the model cannot be written as JSON, so no graph is shown: {error}")
            return
        self._add("train", "keras", np.array(text.encode(), dtype=object), 0, "graph_keras_model")

    def _add(self, run: str, tag: str, array: np.ndarray, step: int, plugin: str) -> None:
        board = _package()
        summary = board.Summary()
        summary.value.add(tag=tag, metadata=board.metadata(plugin), tensor=board.tensor(array))
        with on_disk(self.log_dir):
            if run not in self._writers:
                self._writers[run] = board.Writer(os.path.join(self.log_dir, run))
            self._writers[run].add_event(board.Event(wall_time=time.time(), step=step, summary=summary))


class _Package:
    """The few parts of the package ``tensorboard`` that write a file."""

    @spelled
    def __init__(self) -> None:
        # By this name the package knows that it shall not look for TensorFlow, of which `import keras` may have
        # put a stand-in there.
        sys.modules.setdefault("tensorboard.compat.notf", ModuleType("tensorboard.compat.notf"))
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
        from tensorboard.plugins.histogram import metadata as histogram
        from tensorboard.plugins.image import metadata as image
        from tensorboard.plugins.scalar import metadata as scalar
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
        from tensorboard.util.tensor_util import make_tensor_proto

        self.Event, self.Summary, self.Writer, self.tensor = Event, Summary, EventFileWriter, make_tensor_proto
        graph = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="graph_keras_model", content=b"1"))
        self._metadata = {
            "scalar": scalar.create_summary_metadata(None, None),
            "histogram": histogram.create_summary_metadata(None, None),
            "image": image.create_summary_metadata(None, None),
            "graph_keras_model": graph,
        }

    def metadata(self, plugin: str) -> Any:
        return self._metadata[plugin]


_packages: list[_Package] = []


def _package() -> Any:
    if not _packages:
        try:
            _packages.append(_Package())
        except ImportError as error:
            raise UsageError(
                f"TensorBoard: the package tensorboard, which writes the files, is not there ({error}). "
                f"Install it: pip install tensorboard."
            ) from None
    return _packages[0]

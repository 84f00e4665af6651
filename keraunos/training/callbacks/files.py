"""Callbacks that keep a run in files: checkpoints of the model, and a backup to go on from."""

import contextlib
import itertools
import operator
import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from keraunos.training.callbacks.base import Callback, on_demand
from keraunos.training.callbacks.monitor import MonitorCallback
from keraunos.training.callbacks.state_file import read_state, write_state
from keraunos.utils import spelling, tree
from keraunos.utils.errors import ArgumentError, ModelFileError, warn
from keraunos.utils.progress import write
from keraunos.utils.spelling import spelled
from keraunos.utils.text import suggestion
from keraunos.utils.untrusted import guarded
from keraunos.utils.writing import on_disk


class _EveryFewBatches(Callback):
    """Counts batches of training across epochs, for callbacks with a ``save_freq``."""

    save_freq: Any = "epoch"
    batches_seen = 0

    def watches_batches(self, mode: str) -> bool:
        return super().watches_batches(mode) or (mode == "train" and self.save_freq != "epoch")

    def _set_save_freq(self, save_freq: Any) -> None:
        whole = isinstance(save_freq, (int, np.integer)) and not isinstance(save_freq, bool)
        if save_freq != "epoch" and not (whole and save_freq > 0):
            kind = type(self).__name__
            raise ArgumentError(
                f"{kind}: save_freq is {save_freq!r}; expected 'epoch' or a positive number of batches."
            )
        self.save_freq = save_freq

    def _is_due(self) -> bool:
        self.batches_seen += 1
        return self.save_freq != "epoch" and self.batches_seen % self.save_freq == 0


class ModelCheckpoint(_EveryFewBatches, MonitorCallback):
    """Save the model, or its weights, after every epoch or every few batches.

    Args:
        filepath: Path of the file, in which ``{epoch}`` (from 1), ``{batch}`` and the names in ``logs`` stand for
            their values, as in ``"{epoch:02d}-{val_loss:.2f}.keras"``. It ends in ``.keras`` or ``.h5``, or
            with ``save_weights_only`` in ``.weights.h5``, ``.h5`` or ``.hdf5``. Folders are made.
        monitor: Name of the value that tells what is best.
        verbose: 1 prints what is done.
        save_best_only: Whether to save only when the value is better than ever.
        save_weights_only: Whether to leave out the architecture.
        mode: ``"min"``, ``"max"`` or ``"auto"``.
        save_freq: ``"epoch"``, or the number of batches between two savings.
        initial_value_threshold: Value that the first saving must beat.
        every_epochs: Number of epochs between two savings, where ``save_freq`` is ``"epoch"``.
        any_ending: Whether ``filepath`` may end otherwise; the file is an HDF5 file then.
        first_epoch: What ``{epoch}`` is for the first epoch.

    Raises:
        ArgumentError: A wrong ending or ``save_freq``; later, a name in ``filepath`` that ``logs`` does not hold.

    >>> ModelCheckpoint("best.keras", save_best_only=True).monitor
    'val_loss'
    """

    memory: ClassVar[tuple[str, ...]] = ("best", "batches_seen", "epochs_seen")

    @spelled
    def __init__(
        self,
        filepath: Any,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: Any = "epoch",
        initial_value_threshold: float | None = None,
        *,
        every_epochs: int = 1,
        any_ending: bool = False,
        first_epoch: int = 1,
    ) -> None:
        super().__init__(monitor, mode, initial_value_threshold)
        self.filepath, self.verbose = os.fspath(filepath), verbose
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        self._set_save_freq(save_freq)
        if isinstance(every_epochs, bool) or not isinstance(every_epochs, (int, np.integer)) or every_epochs < 1:
            raise ArgumentError(f"ModelCheckpoint: every_epochs is {every_epochs!r}; expected a positive whole number.")
        self.every_epochs, self.epochs_seen = int(every_epochs), 0
        endings = (".h5", ".hdf5") if save_weights_only else (".keras", ".h5")
        self.first_epoch = first_epoch
        if not any_ending and not self.filepath.endswith(endings):
            what = "weights" if save_weights_only else "a model"
            raise ArgumentError(
                f"ModelCheckpoint: filepath is {self.filepath!r}; a file of {what} must end in {' or '.join(endings)}."
            )

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch

    @on_demand
    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self._is_due():
            self._save(self._epoch, batch, logs or {})

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epochs_seen += 1
        if self.save_freq == "epoch" and self.epochs_seen % self.every_epochs == 0:
            self._save(epoch, None, logs or {})

    def _save(self, epoch: int, batch: int | None, logs: dict[str, Any]) -> None:
        path = self._path(epoch, batch, logs)
        if os.path.isdir(path):
            raise ArgumentError(f"ModelCheckpoint: filepath {path!r} is a folder; give the name of a file.")
        if not self._is_wanted(epoch, path, logs):
            return
        with on_disk(path):
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        (self.model.save_weights if self.save_weights_only else self.model.save)(path)
        if not spelling.chosen():
            self._say(epoch, f"finished saving model to {path}")

    def _path(self, epoch: int, batch: int | None, logs: dict[str, Any]) -> str:
        known = {"epoch": epoch + self.first_epoch, **({} if batch is None else {"batch": batch + 1}), **logs}
        try:
            return self.filepath.format(**known)
        except KeyError as error:
            name = str(error.args[0])
            raise ArgumentError(
                f"ModelCheckpoint: filepath {self.filepath!r} asks for {name!r}, which is not among the values "
                f"{', '.join(known)}.{suggestion(name, known)}"
            ) from None

    def _is_wanted(self, epoch: int, path: str, logs: dict[str, Any]) -> bool:
        if not self.save_best_only:
            self._say(epoch, f"saving model to {path}")
            return True
        current = self.find(logs, f"Can save best model only with {self.monitor} available.")
        if current is None:
            return True
        if np.ndim(current) > 0:
            message = f"Can save best model only when `monitor` is a scalar value. Received: {current}. Saving anyway."
            warn(message)
            return True
        better = self.improves(current, self.best)
        unknown = "None" if not spelling.chosen() else "-inf" if self.monitor_op is operator.gt else "inf"
        best = unknown if self.best is None else f"{self.best:.5f}"
        if not better:
            self._say(epoch, f"{self.monitor} did not improve from {best}")
            return False
        self._say(epoch, f"{self.monitor} improved from {best} to {current:.5f}, saving model to {path}")
        self.best = current
        return True

    def _say(self, epoch: int, what: str) -> None:
        if self.verbose > 0:
            write(f"\n{spelling.epoch_name(epoch)}: {what}\n")


class BackupAndRestore(_EveryFewBatches):
    """Keep the state of training in a folder, so that a run that was killed goes on where it stopped.

    A backup holds the weights, the optimizer's state, the number of the next
    epoch, the seed, and what the other callbacks remember (``Callback.memory``:
    the patience of ``EarlyStopping`` and the like). It is written whole or not
    at all. When ``fit`` is called again with the same model and the same
    folder, it goes on at the epoch of the backup; when ``fit`` ends, the backup
    is removed.

    Args:
        backup_dir: Folder of the backup; no other run may use it.
        save_freq: ``"epoch"``, or the number of batches between two backups. A run that goes on from a backup within
            an epoch repeats that epoch from its first batch, with the weights of the backup.
        double_checkpoint: Whether to keep the backup before, too, for the case that the last one is damaged.
        delete_checkpoint: Whether to remove the backup when ``fit`` ends.

    Raises:
        ArgumentError: No ``backup_dir``, or a wrong ``save_freq``; later, a backup of another model.
        ModelFileError: The backup is damaged, and there is no other.

    >>> BackupAndRestore("backup", save_freq=100).watches_batches("train")
    True
    """

    speaks_last = True

    @spelled
    def __init__(
        self,
        backup_dir: Any,
        save_freq: Any = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        super().__init__()
        if not backup_dir:
            raise ArgumentError("BackupAndRestore: backup_dir is empty; give the path of a folder.")
        self.backup_dir = Path(backup_dir)
        self.double_checkpoint, self.delete_checkpoint = double_checkpoint, delete_checkpoint
        self._set_save_freq(save_freq)
        self.others: list[Any] = []
        self._epoch = 0
        self._latest, self._previous = self.backup_dir / "latest.npz", self.backup_dir / "previous.npz"

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self.backup_dir.exists() and not self.backup_dir.is_dir():
            raise ArgumentError(
                f"BackupAndRestore: backup_dir is {str(self.backup_dir)!r}, which is a file; give the path of a folder."
            )
        found = [path for path in (self._latest, self._previous) if path.exists()]
        for path in found:
            try:
                self._restore(path)
                return
            except (ModelFileError, ArgumentError) as error:
                if path == found[-1]:
                    raise
                warn(f"BackupAndRestore: {error} Going on from the backup before.")

    def _restore(self, path: Path) -> None:
        backup = read_state(path)
        damaged = (f"{path} is damaged, or was not written by Keraunos", "Delete it to begin anew.")
        with guarded(*damaged):
            epoch, others = backup["epoch"], [(kind, dict(memory)) for kind, memory in backup["others"]]
            if type(epoch) is not int or epoch < 0:
                raise ValueError(f"its epoch is {epoch!r:.80}")
            names = _named_shapes(backup["model"])
        state = self._fitted(backup["model"], names)
        with guarded(*damaged):
            self.model.set_state_tree(state)
        self._epoch = self.model._initial_epoch = epoch
        for other, (kind, memory) in zip(self.others, others, strict=False):
            if type(other).__name__ == kind:
                known = getattr(other, "memory", ())
                vars(other).update({name: value for name, value in memory.items() if name in known})

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch + 1
        if self.save_freq == "epoch":
            self._save()

    @on_demand
    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self._is_due():
            self._save()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.model._initial_epoch = None
        if self.delete_checkpoint:
            for path in (self._latest, self._previous):
                path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # Files of others stay.
                self.backup_dir.rmdir()

    def _save(self) -> None:
        with on_disk(self.backup_dir):
            self.backup_dir.mkdir(parents=True, exist_ok=True)
        others = [
            (type(other).__name__, {name: getattr(other, name) for name in getattr(other, "memory", ())})
            for other in self.others
        ]
        previous = self._previous if self.double_checkpoint else None
        write_state(self._latest, {"epoch": self._epoch, "model": self._state(), "others": others}, previous)

    def _state(self) -> dict[str, Any]:
        """The model's state; metrics are left out, since they start anew with an epoch."""
        return {name: part for name, part in self.model.get_state_tree().items() if name != "metrics"}

    def _fitted(self, kept: Any, names: list[tuple[str, tuple[int, ...]]]) -> Any:
        """The backup under the names of this model: those that were given by counting differ from run to run."""
        ours = self._state()
        for theirs, mine in itertools.zip_longest(names, _named_shapes(ours)):
            if theirs is None or mine is None or theirs[1] != mine[1]:
                kinds = [f"{pair[0]} of shape {pair[1]}" for pair in (theirs, mine) if pair is not None]
                raise ArgumentError(
                    f"BackupAndRestore: the backup in {str(self.backup_dir)!r} is of another model: "
                    f"{' against '.join(kinds)}. Give this run a backup_dir of its own, or delete that folder."
                )
        return tree.unflatten(ours, tree.leaves(kept))


def _named_shapes(state: Any) -> list[tuple[str, tuple[int, ...]]]:
    return [("/".join(map(str, path)), np.shape(array)) for path, array in tree.paths(state)]

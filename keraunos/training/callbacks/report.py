"""Callbacks that report: the history, the display, a CSV file."""

import csv
import json
import os
from collections.abc import Mapping
from typing import IO, Any

import numpy as np

from keraunos.training.callbacks.base import Callback, on_demand
from keraunos.utils.errors import ArgumentError, UsageError, warn
from keraunos.utils.progress import new_display
from keraunos.utils.spelling import Logs, spelled
from keraunos.utils.tables import html_table, text_table
from keraunos.utils.text import plural
from keraunos.utils.writing import on_disk


class History(Callback):
    """The values of every epoch; ``fit`` returns one.

    Attributes:
        epoch: Numbers of the epochs, from 0.
        history: Lists of values by name; answers to the names of other eras too, ``"acc"`` for ``"accuracy"``.

    >>> history = History()
    >>> history.on_epoch_end(0, {"loss": 0.5})
    >>> history.epoch, history.history
    ([0], {'loss': [0.5]})
    """

    def __init__(self) -> None:
        super().__init__()
        self.epoch: list[int] = []
        self.history: dict[str, list[Any]] = Logs()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        if self.model is not None:
            self.model.history = self

    def __repr__(self) -> str:
        """A table of the epochs."""
        return "\n".join([f"<{self._title()}>", *([text_table(*self._table())] if self.history else [])])

    def _repr_html_(self) -> str:
        """The same as HTML, for a notebook."""
        return html_table(self._title(), *self._table())

    def _title(self) -> str:
        return f"History of {plural(len(self.epoch), 'epoch')}"

    def _table(self) -> tuple[list[str], list[list[str]]]:
        """Names of the columns, and a row for each epoch; a column with fewer values ends with the last epoch."""
        count = len(self.epoch)
        columns = [
            [""] * (count - len(values)) + [_shown(value) for value in values] for values in self.history.values()
        ]
        rows = [[str(epoch + 1), *(column[-count:][n] for column in columns)] for n, epoch in enumerate(self.epoch)]
        return ["epoch", *self.history], rows


class ProgbarLogger(Callback):
    """Shows progress on standard output; ``fit``, ``evaluate`` and ``predict`` add one unless ``verbose=0``.

    Validation inside ``fit`` is silent. Without ``set_params`` the number of
    steps is unknown.

    >>> logger = ProgbarLogger()
    >>> logger.set_params({"verbose": 2, "epochs": 2, "steps": 3})
    >>> logger.on_epoch_begin(0)
    Epoch 1/2
    """

    def __init__(self) -> None:
        super().__init__()
        self.display = new_display({})
        self._in_fit = False

    @property
    def watches_progress(self) -> bool:
        return self.display.watches_progress

    def set_params(self, params: dict[str, Any]) -> None:
        super().set_params(params)
        self.display = new_display(params)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._in_fit = True
        self.display.begin_fit()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._in_fit = False

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.display.begin()
        self.display.epoch_header(epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.display.finish(logs)

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        if not self._in_fit:
            self.display.begin()

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        if not self._in_fit:
            self.display.finish(logs)

    def on_predict_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.display.begin()

    def on_predict_end(self, logs: dict[str, Any] | None = None) -> None:
        self.display.finish()

    def on_progress(self, mode: str, step: int, logs: dict[str, Any] | None = None) -> None:
        if not (mode == "test" and self._in_fit):
            self.display.update(step, logs if mode != "predict" else None)

    @on_demand
    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.on_progress("train", batch + 1, logs)

    @on_demand
    def on_test_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.on_progress("test", batch + 1, logs)

    @on_demand
    def on_predict_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.on_progress("predict", batch + 1)


class CSVLogger(Callback):
    """Writes a row of values after every epoch to a file.

    The columns are ``epoch`` and the names of the first epoch, sorted. Where
    that epoch has no validation, a ``val_`` column is kept for each; a value
    that is missing is written as ``NA``.

    Args:
        filename: Path of the file.
        separator: Text between two columns.
        append: Whether to go on at the end of a file that exists.
    """

    def __init__(self, filename: Any, separator: str = ",", append: bool = False) -> None:
        super().__init__()
        if not isinstance(separator, str) or len(separator) != 1:
            raise ArgumentError(f"CSVLogger: separator is {separator!r}; expected one character.")
        self.filename, self.sep, self.append = os.fspath(filename), separator, append
        self.keys: list[str] | None = None
        self._file: IO[str] | None = None
        self._with_header = True

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._close()
        folder = os.path.dirname(self.filename)
        with on_disk(self.filename):
            if folder:
                os.makedirs(folder, exist_ok=True)
            self._with_header = not (self.append and os.path.exists(self.filename) and os.path.getsize(self.filename))
            self._file = open(self.filename, "a" if self.append else "w", newline="", encoding="utf-8")  # noqa: SIM115
        self.keys = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = logs or {}
        if self._file is None:
            raise UsageError("CSVLogger.on_epoch_end was called before on_train_begin, which opens the file.")
        rows: list[list[Any]] = []
        if self.keys is None:
            self.keys = sorted(logs)
            if not any(key.startswith("val_") for key in self.keys):
                self.keys += [f"val_{key}" for key in self.keys]
            if self._with_header:
                rows.append(["epoch", *self.keys])
        rows.append([epoch, *(_cell(logs.get(key, "NA")) for key in self.keys)])
        with on_disk(self.filename):
            csv.writer(self._file, delimiter=self.sep).writerows(rows)
            self._file.flush()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._close()

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with on_disk(self.filename):
                file.close()


class RemoteMonitor(Callback):
    """Send the values of every epoch to a server, as an HTTP POST; the package ``requests`` sends them.

    Args:
        root: Address of the server.
        path: Path on it.
        field: Field of the form that holds the values as JSON.
        headers: Further HTTP headers.
        send_as_json: Whether the body is the JSON itself, and no form.
    """

    @spelled
    def __init__(
        self,
        root: str = "http://localhost:9000",
        path: str = "/publish/epoch/end/",
        field: str = "data",
        headers: Mapping[str, str] | None = None,
        send_as_json: bool = False,
    ) -> None:
        super().__init__()
        self.root, self.path, self.field = root, path, field
        self.headers, self.send_as_json = headers, send_as_json

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        try:
            import requests
        except ImportError:
            raise ImportError("RemoteMonitor needs the package requests. Run: pip install requests") from None
        values = {
            name: value.item() if isinstance(value, np.generic) else value for name, value in (logs or {}).items()
        }
        sent = {"epoch": epoch, **values}
        body: dict[str, Any] = {"json": sent} if self.send_as_json else {"data": {self.field: json.dumps(sent)}}
        try:
            requests.post(self.root + self.path, headers=self.headers, **body)
        except requests.exceptions.RequestException:
            warn(f"Could not reach RemoteMonitor root server at {self.root}")


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, (float, np.floating)) else str(value)


def _cell(value: Any) -> Any:
    if isinstance(value, str) or np.ndim(value) == 0:
        return value
    return f'"[{", ".join(map(str, value))}]"'

"""A film of a training: one picture an epoch, and all of them as a GIF."""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keraunos.plots import figures
from keraunos.plots.curves import draw_curves
from keraunos.plots.regions import draw_regions
from keraunos.training.callbacks import Callback
from keraunos.utils.errors import ArgumentError
from keraunos.utils.writing import write_file


class TrainingMovie(Callback):
    """Callback that draws a frame after every epoch, and a GIF of all frames at the end.

    Frames are called ``epoch_0001.png`` and so on. Given points and classes they
    show the decision boundary, and always the curves of the loss and of metrics.
    Equal trainings give equal files, and the training is not changed by being watched.

    Args:
        folder: Folder of the frames and of ``training.gif``; made if it is not there.
        x, y: Points of shape ``(n, 2)`` and their classes, to show the decision boundary.
        metrics: Names of the curves, without ``val_``; the loss alone if not given.
        every: Draw each so many epochs, besides the last.
        frame_seconds: Time for which the GIF shows a frame; the last stays five times as long.
        resolution: Points of the decision boundary's grid along each axis.
        class_names: Names of the classes, in order.
        feature_names: Names of the two features.

    Attributes:
        frames: Files of the frames of the last training.
        gif: File of the GIF.

    Raises:
        ArgumentError: One of ``x`` and ``y`` is missing, or a number is out of its range.

    Example: ``model.fit(x, y, epochs=30, callbacks=[TrainingMovie("moons", x, y)])``
    """

    def __init__(
        self,
        folder: Any,
        x: Any = None,
        y: Any = None,
        *,
        metrics: Sequence[str] | None = None,
        every: int = 1,
        frame_seconds: float = 0.15,
        resolution: int = 120,
        class_names: Any = None,
        feature_names: Any = None,
    ) -> None:
        super().__init__()
        if (x is None) != (y is None):
            raise ArgumentError("TrainingMovie: give both x and y to show the decision boundary, or neither.")
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise ArgumentError(f"TrainingMovie: every is {every!r}; expected a whole number of at least 1.")
        if not frame_seconds > 0:
            raise ArgumentError(f"TrainingMovie: frame_seconds is {frame_seconds!r}; expected a time above 0.")
        self.folder = Path(folder)
        self.x, self.y = x, y
        self.metrics = list(metrics) if metrics is not None else ["loss"]
        self.every, self.frame_seconds, self.resolution = every, frame_seconds, resolution
        self.class_names, self.feature_names = class_names, feature_names
        self.frames: list[Path] = []
        self.gif = self.folder / "training.gif"
        self._epochs: list[int] = []
        self._values: dict[str, list[Any]] = {}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Begin a new film."""
        figures.needed("matplotlib")
        self.frames, self._epochs, self._values = [], [], {}

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Draw a frame, if it is this epoch's turn."""
        self._epochs.append(epoch + 1)
        for name, value in (logs or {}).items():
            self._values.setdefault(name, []).append(value)
        if (epoch + 1) % self.every == 0 or epoch + 1 == self._last:
            self._draw()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Draw the last epoch, where training stopped early, and write the GIF."""
        if self._epochs and (not self.frames or self.frames[-1] != self._frame_path()):
            self._draw()
        if self.frames:
            self.write_gif()

    def write_gif(self) -> Path:
        """Write the GIF of the frames so far, and return its file."""
        if not self.frames:
            raise ArgumentError("TrainingMovie: there are no frames yet. Pass it to fit in callbacks=[...].")
        image = figures.needed("PIL.Image")
        pictures = []
        for path in self.frames:
            with image.open(path) as frame:
                # No dithering: areas of one colour stay so, and the file small.
                pictures.append(frame.convert("RGB").quantize(128, dither=image.Dither.NONE))
        shown = round(1000 * self.frame_seconds)
        times = [shown] * (len(pictures) - 1) + [5 * shown]
        whole = io.BytesIO()
        pictures[0].save(
            whole, "GIF", save_all=True, append_images=pictures[1:], duration=times, loop=0, optimize=False, disposal=1
        )
        write_file(self.gif, whole.getbuffer())
        return self.gif

    @property
    def _last(self) -> int:
        return int((self.params or {}).get("epochs") or 0)

    def _frame_path(self) -> Path:
        return self.folder / f"epoch_{self._epochs[-1]:04d}.png"

    def _draw(self) -> None:
        names = [name for name in self.metrics if name in self._values or f"val_{name}" in self._values]
        regions = self.x is not None
        figure = figures.new_figure(5.2 * regions + 3.6 * math.ceil(len(names) / (2 if regions else 1)), 4.0)
        wide = len(names) if not regions else max(math.ceil(len(names) / 2), 1)
        parts = figure.subfigures(1, 2, width_ratios=(5.2, 3.6 * wide)) if regions and names else [figure, figure]
        if regions:
            draw_regions(
                parts[0], parts[0].add_subplot(), self.model, self.x, self.y, self.resolution, self.class_names,
                self.feature_names,
            )  # fmt: skip
        high = min(len(names), 2) if regions else 1
        for place, name in enumerate(names, 1):
            axes = parts[1].add_subplot(high, wide, place)
            draw_curves(axes, name, self._values, self._epochs, self.model, legend=place == 1, last=self._last)
        figure.suptitle(f"epoch {self._epochs[-1]}", fontsize=11, color=figures.INK)
        figures.save(figure, self._frame_path(), dpi=100)
        self.frames.append(self._frame_path())

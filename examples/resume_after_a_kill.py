"""Resume after a kill: a training is stopped dead half way, started again, and ends with the very same weights.

``BackupAndRestore`` is all that the training needs; the rest of this program kills it and compares.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

EPOCHS = 8


def train(folder: Path, name: str, die_after: int | None = None) -> None:
    """Train, and write the weights to ``name``; with ``die_after`` the process ends as a killed one, after that epoch."""
    import os
    import signal

    import keraunos
    from keraunos import callbacks, layers

    class Killer(callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == die_after:
                os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

    keraunos.utils.set_random_seed(11)
    (x, y), _ = keraunos.datasets.moons.load_data(samples=500)
    model = keraunos.Sequential(
        [layers.Input((2,)), layers.Dense(16, "relu"), layers.Dropout(0.2), layers.Dense(1, "sigmoid")]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    backup = callbacks.BackupAndRestore(folder / f"backup-of-{name}")
    history = model.fit(x, y, batch_size=25, epochs=EPOCHS, callbacks=[backup, Killer()], verbose=0)
    print(f"{name}: epochs {', '.join(str(epoch + 1) for epoch in history.epoch)}", flush=True)
    model.save_weights(folder / f"{name}.weights.h5")
    np.savez(folder / f"{name}.npz", *model.get_weights())


def run(folder: Path, name: str, die_after: int | None = None) -> int:
    """Train in a process of its own; returns its exit status, which is negative where a signal ended it."""
    return subprocess.run([sys.executable, __file__, str(folder), name, str(die_after)]).returncode


def main() -> None:
    """Train without and with a kill, and compare the weights."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        run(folder, "uninterrupted")
        status = run(folder, "interrupted", die_after=EPOCHS // 2)
        print(f"interrupted: killed in epoch {EPOCHS // 2 + 1}, exit status {status}", flush=True)
        run(folder, "interrupted")
        with np.load(folder / "uninterrupted.npz") as one, np.load(folder / "interrupted.npz") as other:
            same = all(np.array_equal(one[name], other[name]) for name in one)
    print("the weights are the same, bit for bit" if same else "the weights differ")


if __name__ == "__main__":
    if len(sys.argv) == 4:
        train(Path(sys.argv[1]), sys.argv[2], None if sys.argv[3] == "None" else int(sys.argv[3]))
    else:
        main()

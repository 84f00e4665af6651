"""The demo: four networks on data that is inside the package, each trained, judged, and shown in pictures."""

import importlib.util
import time
from pathlib import Path
from typing import Any

import numpy as np

from keraunos import datasets, plots, utils
from keraunos.layers import Activation, Conv2D, Dense, Dropout, Flatten, Input, MaxPooling2D
from keraunos.models import Sequential, load_model
from keraunos.utils.errors import ArgumentError


def run(folder: Path | str = "keraunos-demo") -> dict[str, float]:
    """Train all four networks, and write pictures and one saved model.

    Args:
        folder: Where to write; made if it is not there.

    Returns:
        Accuracy of each network on data it was not trained on, by name.

    Raises:
        ArgumentError: ``folder`` cannot be a folder.
    """
    began = time.perf_counter()
    studio = _Studio(Path(folder))
    utils.set_random_seed(1)
    results = {"xor": xor(studio), "iris": iris(studio), "moons": moons(studio), "digits": digits(studio)}

    _title("Results")
    for name, accuracy in results.items():
        print(f"{name:<8} test accuracy {accuracy:6.1%}")
    print(f"\nFour networks in {time.perf_counter() - began:.0f} seconds.")
    studio.close()
    return results


def xor(studio: "_Studio") -> float:
    """Points of the plane whose class is the sign of ``x1 * x2``, and a net of 2, 4, 2 and 1 units."""
    _title("1. The xor problem: a dense net of three layers")
    print("No straight line parts these two classes, so a net needs a hidden layer to tell them apart.\n")
    points = np.random.random((1500, 2)) * 20 - 10
    points = points[(np.abs(points) > 1).all(axis=1)][:1000]
    classes = points[:, 0] * points[:, 1] > 0
    x_train, x_test, y_train, y_test = points[:800], points[800:], classes[:800], classes[800:]

    model = Sequential(name="xor")
    model.add(Input((2,)))
    model.add(Dense(4, activation="tanh"))
    model.add(Dense(2, activation="tanh"))
    model.add(Dense(1, activation="tanh"))
    model.summary()
    model.compile(loss="mean_squared_error", optimizer="sgd")
    history = model.fit(x_train, y_train, epochs=250, batch_size=40, verbose=0)

    losses = history.history["loss"]
    print(f"250 epochs, shown as one line: the loss went from {losses[0]:.4f} to {losses[-1]:.4f}.")
    accuracy = float(np.mean((model.predict(x_test, verbose=0)[:, 0] > 0.5) == y_test))
    print(f"Test accuracy: {accuracy:.1%}")
    studio.picture("xor-history.png", plots.history, history)
    studio.picture("xor-boundary.png", plots.decision_boundary, model, x_test, y_test, title="xor")
    return accuracy


def iris(studio: "_Studio") -> float:
    """Three species of iris from four lengths, by softmax regression."""
    _title("2. Iris: softmax regression")
    print("One dense layer and a softmax are the whole of multinomial regression, and the end of most classifiers.\n")
    (x_train, y_train), (x_test, y_test) = datasets.iris.load_data()

    model = Sequential([Input((4,)), Dense(3), Activation("softmax")], name="iris")
    model.summary()
    model.compile(loss="sparse_categorical_crossentropy", optimizer="sgd", metrics=["accuracy"])
    history = model.fit(x_train, y_train, batch_size=5, epochs=15, verbose=2)

    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"Test loss: {loss:.4f}\nTest accuracy: {accuracy:.1%}\n")
    species = datasets.iris.get_label_names()
    for flower, scores in zip(x_test[:3], model.predict(x_test[:3], verbose=0), strict=True):
        lengths = ", ".join(f"{length:.1f}" for length in flower)
        print(f"A flower of {lengths} cm: {species[scores.argmax()]} ({scores.max():.0%})")
    studio.picture("iris-history.png", plots.history, history)
    return float(accuracy)


def moons(studio: "_Studio") -> float:
    """Two moons and a dense net of five layers, filmed while its decision boundary bends."""
    _title("3. Two moons: a deeper net, and how its decision boundary bends")
    print("The classes hold each other like hands; pictures after each few epochs show when the net finds out.\n")
    (x_train, y_train), (x_test, y_test) = datasets.moons.load_data(samples=1000, noise=0.2, test_split=0.1)

    model = Sequential([Input((2,))], name="moons")
    for units in (25, 50, 50, 25):
        model.add(Dense(units, activation="relu"))
    model.add(Dense(1, activation="sigmoid"))
    model.summary()
    model.compile(loss="binary_crossentropy", optimizer="sgd", metrics=["accuracy"])
    movie = studio.movie("moons-training", x_test, y_test, every=10)
    history = model.fit(x_train, y_train, epochs=200, validation_data=(x_test, y_test), verbose=0, callbacks=movie)

    last = {name: values[-1] for name, values in history.history.items()}
    print("200 epochs, of which the last: " + " - ".join(f"{name}: {value:.4f}" for name, value in last.items()))
    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"Test loss: {loss:.4f}\nTest accuracy: {accuracy:.1%}")
    studio.picture("moons-history.png", plots.history, history)
    studio.picture("moons-boundary.png", plots.decision_boundary, model, x_test, y_test, title="Two moons")
    return float(accuracy)


def digits(studio: "_Studio") -> float:
    """Handwritten digits of 8 x 8 pixels and a convolutional net, which is saved and loaded again."""
    _title("4. Handwritten digits: a convolutional net, saved and loaded")
    print("Convolutions look for the same strokes everywhere in the image, so few weights read a digit well.\n")
    (x_train, y_train), (x_test, y_test) = datasets.digits.load_data()
    x_train, x_test = (x[..., None].astype("float32") / 16 for x in (x_train, x_test))
    y_train, y_test = utils.to_categorical(y_train, 10), utils.to_categorical(y_test, 10)

    model = Sequential(
        [
            Input((8, 8, 1)),
            Conv2D(16, 3, activation="relu", padding="same"),
            Conv2D(32, 3, activation="relu", padding="same"),
            MaxPooling2D(2),
            Dropout(0.25),
            Flatten(),
            Dense(10, activation="softmax"),
        ],
        name="digits",
    )
    model.summary()
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    history = model.fit(x_train, y_train, batch_size=32, epochs=10, validation_data=(x_test, y_test))

    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"Test loss: {loss:.4f}\nTest accuracy: {accuracy:.1%}")
    path = studio.file("digits.keras")
    model.save(path)
    again = load_model(path)
    difference = np.abs(again.predict(x_test, verbose=0) - model.predict(x_test, verbose=0)).max()
    print(f"Saved and loaded again, it predicts the same: the largest difference is {difference:g}.")
    studio.picture("digits-history.png", plots.history, history)
    studio.picture("digits-graph.svg", plots.model_graph, model)
    return float(accuracy)


# --- helpers -------------------------------------------------------------------------------


class _Studio:
    """The folder of the demo: draws into it what the installed libraries allow."""

    def __init__(self, folder: Path) -> None:
        if folder.exists() and not folder.is_dir():
            raise ArgumentError(f"{str(folder)!r} is a file, not a folder. Give another name: --out FOLDER.")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ArgumentError(
                f"the folder {str(folder)!r} cannot be made ({error.strerror}). Give another one: --out FOLDER."
            ) from error
        self.folder = folder
        self.files: list[str] = []
        self.missing = [
            library for library, module in (("matplotlib", "matplotlib"), ("pillow", "PIL")) if not _installed(module)
        ]

    def file(self, name: str) -> Path:
        """Path of a file, which is named at the end."""
        self.files.append(name)
        return self.folder / name

    def picture(self, name: str, draw: Any, *arguments: Any, **options: Any) -> None:
        """Let a function of ``plots`` draw a file; nothing where matplotlib is missing and needed."""
        if "matplotlib" not in self.missing or name.endswith(".svg"):
            draw(*arguments, path=self.file(name), **options)

    def movie(self, name: str, x: Any, y: Any, every: int) -> list[Any]:
        """The callbacks that film a training in a folder of its own; none where a library is missing."""
        if self.missing:
            return []
        film = plots.TrainingMovie(self.folder / name, x, y, metrics=["loss", "accuracy"], every=every)
        self.files.append(f"{name}/{film.gif.name}")
        return [film]

    def close(self) -> None:
        """Say what was written, and what was not."""
        if self.missing:
            verb = "is" if len(self.missing) == 1 else "are"
            print(f"There are fewer pictures, because {' and '.join(self.missing)} {verb} not installed.", end=" ")
            print('Run: pip install "keraunos[plots]"')
        print(f"Written to {self.folder.resolve()}:")
        for name in self.files:
            print(f"  {name:<28} {(self.folder / name).stat().st_size / 1e3:6.0f} kB")


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _title(text: str) -> None:
    print(f"\n{text}\n{'=' * len(text)}")

"""What objects show of themselves, in a terminal and in a notebook."""

import logging
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from keraunos import Sequential, callbacks, layers, optimizers
from keraunos.eras.wrappers import KerasRegressor
from keraunos.utils import spelling


def history(epochs: int) -> Any:
    shown = callbacks.History()
    for epoch in range(epochs):
        shown.on_epoch_end(epoch, {"loss": 0.5 / (epoch + 1), "<mae>": epoch, **({"val": 2.0} if epoch else {})})
    return shown


def test_a_history_is_a_table_of_its_epochs() -> None:
    assert repr(history(2)).splitlines() == [
        "<History of 2 epochs>",
        "epoch  loss  <mae>  val",
        "    1   0.5      0     ",
        "    2  0.25      1    2",
    ]
    assert repr(callbacks.History()) == "<History of 0 epochs>"


def test_of_a_long_history_the_ends_are_shown() -> None:
    lines = repr(history(40)).splitlines()
    assert [line.split()[0] for line in lines[2:]] == [*"12345", "…", *map(str, range(36, 41))]


def test_a_notebook_shows_a_history_as_a_table() -> None:
    shown = history(1)._repr_html_()
    assert shown.startswith(
        "<table><caption>History of 1 epoch</caption><tr><th>epoch</th><th>loss</th><th>&lt;mae&gt;</th>"
    )
    assert shown.endswith("<tr><td>1</td><td>0.5</td><td>0</td></tr></table>")


def test_a_history_that_goes_on_shows_the_epochs_of_the_last_run() -> None:
    shown = history(3)
    shown.on_train_begin()
    shown.on_epoch_end(3, {"loss": 0.125, "<mae>": 3, "val": 2.0})
    assert repr(shown).splitlines()[2:] == ["    4  0.125      3    2"]


@pytest.mark.parametrize(
    ("optimizer", "words"),
    [
        (optimizers.Adam(name="a"), "<Adam name=a, learning_rate=0.001>"),
        (optimizers.SGD(0.1, momentum=0.9, name="s"), "<SGD name=s, learning_rate=0.1, momentum=0.9>"),
        (optimizers.RMSprop(clipnorm=1.0, name="r"), "<RMSprop name=r, learning_rate=0.001, clipnorm=1.0>"),
        (
            optimizers.Adam(optimizers.schedules.InverseTimeDecay(0.1, 5, 0.5), name="t"),
            "<Adam name=t, learning_rate=<InverseTimeDecay initial_learning_rate=0.1, decay_steps=5, decay_rate=0.5, "
            "staircase=False>>",
        ),
    ],
)
def test_an_optimizer_shows_its_rate_and_what_is_not_usual(optimizer: Any, words: str) -> None:
    assert repr(optimizer) == words


def test_a_notebook_shows_the_summary_of_a_model_and_how_it_was_compiled() -> None:
    model = Sequential([layers.Input((2,)), layers.Dense(3, name="out")], name="small")
    assert "Model: &quot;small&quot;" in model._repr_html_()
    assert "out (Dense)" in model._repr_html_()
    assert "compiled" not in model._repr_html_()
    model.compile("sgd", "mse", metrics=["mae"])
    assert "compiled with &lt;SGD name=" in model._repr_html_()
    assert "loss=&#x27;mse&#x27;, metrics=[&#x27;mae&#x27;]</pre>" in model._repr_html_()


def test_an_estimator_shows_how_it_was_made() -> None:
    def build() -> Any:
        return None

    assert repr(KerasRegressor(build, epochs=3)) == "KerasRegressor(build_fn=build, epochs=3)"


def test_a_note_is_not_red_in_a_notebook(monkeypatch: Any, capsys: Any) -> None:
    logger = logging.getLogger("keraunos.eras")
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    monkeypatch.setattr(logger, "propagate", False)
    monkeypatch.setattr(logger, "handlers", [])
    spelling.note("a note for a notebook")
    assert capsys.readouterr() == ("keraunos: a note for a notebook\n", "")
    before = logger.level
    logger.setLevel(logging.ERROR)
    spelling.note("a note that the level silences")
    logger.setLevel(before)
    assert capsys.readouterr().out == ""


def test_numbers_of_numpy_are_shown_as_numbers() -> None:
    shown = callbacks.History()
    shown.on_epoch_end(0, {"loss": np.float32(0.1)})
    assert repr(shown).endswith("    1   0.1")

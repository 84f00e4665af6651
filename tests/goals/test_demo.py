"""Goal: the demo trains four networks on real data, says how well, and leaves pictures behind."""

import contextlib
import importlib.util
import io
import re

import pytest

from keraunos import cli, demo, utils

PICTURES = {f"{name}-history.png" for name in ("xor", "iris", "moons", "digits")}
PICTURES |= {"xor-boundary.png", "moons-boundary.png", "moons-training/training.gif", "digits-graph.svg"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """What the demo printed, and the folder that it filled."""
    folder, printed = tmp_path_factory.mktemp("demo") / "new" / "folder", io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert cli.main(["demo", "--out", str(folder)]) == 0
    return printed.getvalue(), folder


def accuracies(printed: str) -> dict[str, float]:
    return {name: float(value) for name, value in re.findall(r"^(\w+) +test accuracy +([\d.]+)%$", printed, re.M)}


def test_every_network_learns_its_task(finished):
    least = {"xor": 90, "iris": 85, "moons": 92, "digits": 95}
    reached = accuracies(finished[0])
    assert set(reached) == set(least)
    assert all(reached[name] >= bound for name, bound in least.items()), reached


def test_it_prints_summaries_progress_and_results_as_keras_does(finished):
    printed = finished[0]
    for words in (
        'Model: "digits"', "conv2d (Conv2D)", "(None, 8, 8, 16)", "Total params: 9,930", "Trainable params: 9,930",
        "Epoch 15/15", "24/24 - ", "Epoch 10/10", "45/45", "val_accuracy: ", "Test accuracy: ",
        "predicts the same: the largest difference is 0.",
    ):  # fmt: skip
        assert words in printed


def test_the_folder_that_it_names_holds_what_it_lists(finished):
    printed, folder = finished
    assert f"Written to {folder.resolve()}:" in printed
    listed = set(re.findall(r"^  (\S+) +\d+ kB$", printed, re.M))
    frames = {f"moons-training/{path.name}" for path in folder.glob("moons-training/*.png")}
    assert listed | frames == {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert "digits.keras" in listed


@pytest.mark.skipif(
    any(importlib.util.find_spec(module) is None for module in ("matplotlib", "PIL")),
    reason="pictures need matplotlib and pillow",
)
def test_the_pictures_are_pictures(finished):
    _, folder = finished
    beginnings = {".png": b"\x89PNG\r\n", ".gif": b"GIF89a", ".svg": b"<"}
    assert len(list(folder.glob("moons-training/*.png"))) >= 20
    for name in PICTURES:
        content = (folder / name).read_bytes()
        assert content.startswith(beginnings[name[-4:]])
        assert len(content) > 1000


def test_its_numbers_repeat(tmp_path):
    accuracies = []
    for _ in range(2):
        utils.set_random_seed(1)
        accuracies.append(demo.iris(demo._Studio(tmp_path)))
    assert accuracies[0] == accuracies[1]

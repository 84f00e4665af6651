"""The text of progress bars: byte for byte that of Keras 3.15.1."""

import copy
import io
import re
import sys
import types

import numpy as np
import pytest

from keraunos.utils import progress
from keraunos.utils.errors import ArgumentError
from keraunos.utils.progress import Display, Format, Progbar, choose_display, new_display


class Stream(io.StringIO):
    """Standard output that is or is not a terminal."""

    encoding = "utf-8"

    def __init__(self, terminal=False):
        super().__init__()
        self.terminal = terminal

    def isatty(self):
        return self.terminal


@pytest.fixture
def clock(monkeypatch):
    """The time, which a test sets by hand."""
    now = [1000.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    return now


@pytest.fixture
def stdout(monkeypatch):
    stream = Stream()
    # pytest puts its own sys.stdout back between a fixture and its test.
    monkeypatch.setattr(progress, "sys", types.SimpleNamespace(stdout=stream, modules=sys.modules))
    return stream


# --- against Keras ---------------------------------------------------------------------


@pytest.mark.parametrize("verbose", [0, 1, 2])
@pytest.mark.parametrize("averaged", ["default", "stateful", "stateless"])
@pytest.mark.parametrize("target", [None, 1, 7, 1000])
def test_a_bar_writes_the_bytes_of_keras(clock, monkeypatch, verbose, averaged, target):
    keras = pytest.importorskip("keras")
    rng = np.random.default_rng(verbose + (target or 0))
    names = {"default": {}, "stateful": {"stateful_metrics": ["loss"]}, "stateless": {"stateless_metrics": ["loss"]}}
    steps = sorted({1, *rng.integers(1, (target or 50) + 1, 12).tolist(), target or 50})
    waits = rng.choice([1e-6, 1e-3, 0.02, 0.3, 40.0, 900.0], len(steps))
    script = [
        (s, w, [("loss", rng.normal()), ("acc", float(rng.choice([0.5, 1e-5, -0.3])))])
        for s, w in zip(steps, waits, strict=True)
    ]
    texts = []
    for kind in (keras.utils.Progbar, Progbar):
        stream = Stream()
        monkeypatch.setattr(sys, "stdout", stream)
        clock[0] = 1000.0
        bar = kind(target, verbose=verbose, **names[averaged])
        for step, wait, values in script:
            clock[0] += wait
            bar.update(step, values)
        bar.update(steps[-1], [("loss", np.float32(0.25)), ("extra", 3)], finalize=True)
        texts.append(stream.getvalue())
    assert texts[1] == texts[0]


GOLDEN = ["fit1", "fit1_val", "fit1_long", "fit2", "fit2_val", "evaluate1", "evaluate1_metrics", "predict1"]


@pytest.mark.parametrize("where", ["pipe", "tty"])
@pytest.mark.parametrize("name", GOLDEN)
def test_a_run_writes_the_bytes_of_real_keras(shared, clock, monkeypatch, name, where):
    """Times vary from run to run, so: for some clock, our bytes are the recorded ones."""
    text = shared(f"golden/k3/text/{name}.{where}.bin").read_bytes().decode().replace("\r\n", "\n")
    text = text.split("@@RESULT@@")[0].rstrip("\n") + "\n"
    monkeypatch.setattr(sys, "stdout", Stream(terminal=where == "tty"))
    monkeypatch.setattr(progress, "redraw_interval", lambda elapsed: 0.05)  # Keras draws twice as often.
    frames = re.findall(r"Epoch \d/\d\n|(?:\x08*\r|(?<=\n)(?=\d)).*?(?=\x08|\r|\n|$)\n?", text)
    assert "".join(frames) == text
    epochs = int(text.split("/")[1][0]) if text.startswith("Epoch") else 1
    target = int(re.search(r"(\d+)/(\d+)(?: -|\x1b)", text)[2])
    display = Display({"verbose": 2 if name.startswith("fit2") else 1, "epochs": epochs, "steps": target})
    display.begin()
    assert _replay(display, frames, 0, clock), "no clock leads to the recorded bytes"


def _replay(display, frames, epoch, clock, first=None):
    if not frames:
        return True
    frame, *rest = frames
    if frame.startswith("Epoch"):
        display.begin()
        return _written(lambda: display.epoch_header(epoch)) == frame and _replay(display, rest, epoch + 1, clock)
    values = {key: float(value) for key, value in re.findall(r"- (\w+): (\S+)", frame)}
    step = int(re.search(r"(\d+)/\d+", frame)[1])
    began, finish = clock[0], frame.endswith("\n")
    for now in _clocks(frame, step, began, first):
        clock[0] = now
        attempt = copy.deepcopy(display)
        text = _written(lambda d=attempt: d.finish(values) if finish else d.update(step, values))
        if text == frame and _replay(attempt, rest, epoch, clock, None if finish else first or now):
            return True
    clock[0] = began
    return False


def _clocks(frame, step, began, first):
    """The times at which a frame may have been drawn, by the duration of a step that it shows."""
    number, unit = re.search(r"(\d+)(s|ms|us)/step", frame).groups()
    unit = {"s": 1, "ms": 1e-3, "us": 1e-6}[unit]
    paces = (int(number) + np.linspace(-0.49, 0.49, 60)) * unit
    times = first + paces * (step - 1) if first and step > 1 else began + paces * step
    return times[times >= began]


def _written(action):
    stream = sys.stdout
    stream.seek(0)
    stream.truncate()
    action()
    return stream.getvalue()


# --- pieces ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59.9, "59s"), (60, "60s"), (61, "1:01"), (3600, "60:00"), (3661, "1:01:01")]
)
def test_time_to_go(seconds, text):
    assert Format().eta(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s/step"), (2.4, "2s/step"), (0.0121, "12ms/step"), (4e-4, "400us/step")]
)
def test_duration_of_a_step(seconds, text):
    assert Format().rate(seconds, "step") == text


def test_small_values_are_shown_with_an_exponent():
    assert [Format().value(v) for v in (0.5, 1e-3, -0.5)] == ["0.5000", "1.0000e-03", "-0.5000"]
    assert Format().line_value(-0.5) == "-5.0000e-01"


def test_a_text_among_the_values_is_shown_as_it_is(stdout):
    Progbar(2, verbose=2).update(2, [("phase", "warm-up")])
    assert " - phase: warm-up\n" in stdout.getvalue()


def test_add_counts_on(stdout):
    bar = Progbar(3, verbose=2)
    bar.add(1)
    bar.add(2)
    assert stdout.getvalue().startswith("3/3 - ")


def test_a_name_is_averaged_or_not():
    with pytest.raises(ArgumentError, match="stateful_metrics or stateless_metrics, not both"):
        Progbar(3, stateful_metrics=["loss"], stateless_metrics=["loss"])


def test_an_encoding_without_the_bar_gets_equal_signs(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="latin-1"))
    progress.write("━━ 1/2")
    assert raw.getvalue() == b"== 1/2"


def test_without_standard_output_nothing_happens(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    display = new_display({"verbose": 1, "steps": 3})
    display.update(1, {"loss": 1.0})
    display.finish({"loss": 1.0})


# --- pace ------------------------------------------------------------------------------


def _redraws(display, clock, stdout, seconds, every):
    display.begin()
    for step in range(1, int(seconds / every) + 1):
        clock[0] += every
        display.update(step, {"loss": 1.0})
    return stdout.getvalue().count("\r")


def test_a_terminal_is_redrawn_at_most_ten_times_a_second(clock, stdout):
    stdout.terminal = True
    assert 45 <= _redraws(Display({"steps": 10**6}), clock, stdout, 5, 0.01) <= 51


def test_a_notebook_is_redrawn_at_most_five_times_a_second(clock, stdout, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipykernel", pytest)
    assert 20 <= _redraws(Display({"steps": 10**6}), clock, stdout, 5, 0.01) <= 26


def test_a_pipe_is_not_flooded(clock, stdout):
    assert 60 < _redraws(Display({"steps": 10**6}), clock, stdout, 3600, 0.1) < 200


def test_silent_and_semi_silent_displays_do_not_ask_for_progress():
    watches = [new_display({"verbose": v, "steps": s}).watches_progress for v, s in [(0, 3), (2, 3), (1, 3), (2, None)]]
    assert watches == [False, False, True, True]


def test_auto_means_a_bar():
    assert new_display({"verbose": "auto", "steps": 3}).verbose == 1


def test_an_unknown_number_of_steps_is_counted_in_the_first_epoch(stdout, clock):
    display = new_display({"verbose": 1, "epochs": 2, "steps": None})
    display.begin()
    display.epoch_header(0)
    display.update(5, {"loss": 1.0})
    display.finish({"loss": 0.5})
    assert "      5/Unknown" in stdout.getvalue()
    assert display.target == 5
    assert "5/5" in stdout.getvalue()


# --- another generation's display ----------------------------------------------------------


def test_another_display_can_be_chosen(stdout):
    class Arrows(Format):
        def final_line(self, count, clock, rate, values):
            return f" -> {count}{self.listing(values)}"

    class ArrowBar(Progbar):
        format = Arrows()

    class ArrowDisplay(Display):
        bar = ArrowBar

    before = choose_display(ArrowDisplay)
    try:
        display = new_display({"verbose": 2, "steps": 4})
        display.begin()
        display.finish({"loss": 0.5})
    finally:
        choose_display(before)
    assert stdout.getvalue() == " -> 4/4 - loss: 0.5000\n"

"""The text of progress bars: byte for byte that of Keras 1.2.2 and Keras 2.2.4."""

import copy
import io
import math
import re
import sys
import types

import numpy as np
import pytest

import keraunos
from keraunos.callbacks import CallbackList, LambdaCallback, ProgbarLogger
from keraunos.eras.display import Era1Bar, Era1Display, Era2Bar, Era2Display
from keraunos.utils import progress, spelling
from keraunos.utils.progress import Display, new_display

DISPLAYS = {1: Era1Display, 2: Era2Display}
FOLDERS = {1: "k122tf", 2: "k224"}
# Seconds that a release leaves between two redraws.
INTERVALS = {1: 0.01, 2: 0.05}
ERAS = pytest.mark.parametrize("era", [1, 2])


class Stream(io.StringIO):
    """Standard output that is or is not a terminal."""

    encoding = "utf-8"

    def __init__(self, terminal=False):
        super().__init__()
        self.terminal = terminal

    def isatty(self):
        return self.terminal

    def take(self):
        """What was written since."""
        text = self.getvalue()
        self.seek(0)
        self.truncate()
        return text


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
    modules = {name: module for name, module in sys.modules.items() if name != "ipykernel"}
    for module in (progress, sys.modules["keraunos.eras.display"]):
        monkeypatch.setattr(module, "sys", types.SimpleNamespace(stdout=stream, modules=modules))
    return stream


# --- against what the releases wrote ---------------------------------------------------------

GOLDEN = ["fit1", "fit1_val", "fit1_long", "fit2", "fit2_val", "evaluate1", "evaluate1_metrics", "predict1"]
FRAME = re.compile(
    r"Train on .*\n|Epoch .*\n|(?:\x08*\r|\n) *(?:(\d+)/\1 [^\x08\r\n]*\n|\d+/\d+ [^\x08\r\n]*)|( - )?\d+s - .*\n"
)


@ERAS
@pytest.mark.parametrize("where", ["pipe", "tty"])
@pytest.mark.parametrize("name", GOLDEN)
def test_a_run_writes_the_bytes_of_the_release(shared, clock, stdout, monkeypatch, era, name, where):
    """Times vary from run to run, so: for some clock, our bytes are the recorded ones."""
    text = shared(f"golden/{FOLDERS[era]}/text/{name}.{where}.bin").read_bytes().decode().replace("\r\n", "\n")
    # The script printed the end of line before a result, or at the end.
    text = text.split("@@RESULT@@")[0].removesuffix("\n")
    frames = [match[0] for match in FRAME.finditer(text)]
    assert "".join(frames) == text
    stdout.terminal = where == "tty"
    monkeypatch.setattr(progress, "redraw_interval", lambda elapsed: INTERVALS[era])
    display = DISPLAYS[era](facts_of(name))
    display.begin_fit()
    display.begin()
    written = [stdout.take()] if "_val" in name else []
    assert written == frames[: len(written)]
    epoch = 0
    for frame in frames[len(written) :]:
        if frame.startswith("Epoch"):
            display.begin()
            display.epoch_header(epoch)
            epoch += 1
            written.append(stdout.take())
        else:
            display, drawn = drawn_like(frame, display, clock, stdout)
            written.append(drawn)
    assert written == frames
    if not frames[-1].endswith("\n"):
        # Keras 1 is too fast for its own bar here.
        display.finish()
        assert (era, stdout.take()) == (1, "")


def facts_of(name):
    """What the trainer says about the recorded runs."""
    mode = {"f": "train", "e": "test", "p": "predict"}[name[0]]
    samples, size = (1200, 16) if "long" in name else (100, 16)
    if mode == "train" and "long" not in name:
        samples, size = 80 if "_val" in name else 100, 32
    metrics = ["loss"] if "long" in name else ["loss", "acc"]
    return {
        "mode": mode,
        "verbose": 2 if "2" in name else 1,
        "epochs": 1 if "long" in name else 2,
        "steps": math.ceil(samples / size),
        "samples": samples,
        "batch_size": size,
        "do_validation": "_val" in name,
        "validation_samples": 20 if "_val" in name else None,
        "metrics": [*metrics, "val_loss", "val_acc"] if "_val" in name else metrics,
    }


def drawn_like(frame, display, clock, stdout):
    """The display after a redraw at a time at which it shows what is recorded, and what it writes."""
    count = re.search(r"(\d+)/(\d+)", frame)
    done, target = map(int, count.groups()) if count else (1, 1)
    # Logs come sorted by name.
    values = dict(sorted((name, float(value)) for name, value in re.findall(r"- ([a-z_]+): (\S+)", frame)))
    started, before = display._started, clock[0]
    attempt, text = display, ""
    for now in [started + time for time in times(frame, done, target) if started + time >= before]:
        clock[0] = now
        attempt = copy.deepcopy(display)
        attempt.finish(values) if done == target else attempt.update(math.ceil(done / display._size), values)
        text = stdout.take()
        if text == frame:
            break
    return attempt, text


def times(frame, done, target):
    """Seconds after which a frame may have been drawn, by what it shows of them."""
    if eta := re.search(r"ETA: (?:(\d+):)?(\d+)", frame):
        return (int(eta[1] or 0) * 60 + int(eta[2]) + np.linspace(0, 0.99, 4000)) * done / (target - done)
    if rate := re.search(r"(\d+)(ms|us)/step", frame):
        return (int(rate[1]) + np.linspace(-0.49, 0.49, 40)) * {"ms": 1e-3, "us": 1e-6}[rate[2]] * target
    return int(re.search(r"(\d+)s", frame)[1]) + np.linspace(-0.49, 0.99, 40)


# --- laws of every line ----------------------------------------------------------------------


@ERAS
@pytest.mark.parametrize("target", [7, 64, 1200])
def test_every_line_of_every_count_keeps_its_columns_and_covers_the_line_before(clock, stdout, era, target):
    stdout.terminal = True
    display = DISPLAYS[era]({"verbose": 1, "steps": target})
    rng = np.random.default_rng(target)
    before, filled_before = "", 0
    for count in range(1, target + 1):
        clock[0] += rng.choice([0.11, 0.3, 40.0])
        values = {"loss": float(rng.choice([12.5, 0.5, 1e-5]))}
        display.update(count, values) if count < target else display.finish(values)
        back, text = stdout.take().split("\r")
        assert back == "\b" * len(before.rstrip())
        assert text.endswith("\n") == (count == target)
        line = text.removesuffix("\n")
        assert len(line) >= len(before.rstrip())
        number, bar, rest = re.fullmatch(r"(.*) \[(.*)\](.*)", line).groups()
        assert number == f"{count}/{target}".rjust(2 * len(str(target)) + 1)
        assert (len(bar), bar.lstrip("=").lstrip(">").strip(".")) == (30, "")
        filled = len(bar.rstrip("."))
        assert filled_before <= filled <= 30 * count / target + 1e-9
        assert bar.count(">") == (filled > 0 and count < target)
        assert rest.startswith(" - ETA: ") == (count < target)
        before, filled_before = line, filled
    assert filled_before == 30


@ERAS
def test_in_a_pipe_a_new_line_or_backspaces_begin_a_redraw(clock, stdout, era):
    display = DISPLAYS[era]({"verbose": 1, "steps": 3})
    display.update(1, {})
    clock[0] += 1
    display.finish({})
    first, last = {
        1: ("\r1/3 [=========>....................] - ETA: 0s", "\b" * 46 + f"\r3/3 [{'=' * 30}] - 1s     \n"),
        2: ("\n1/3 [=========>....................] - ETA: 0s", f"\n3/3 [{'=' * 30}] - 1s 333ms/step\n"),
    }[era]
    assert stdout.take() == first + last


def test_a_notebook_is_redrawn_in_place(clock, stdout, monkeypatch):
    monkeypatch.setitem(progress.sys.modules, "ipykernel", pytest)
    Era2Display({"verbose": 1, "steps": 3}).update(1)
    assert stdout.take().startswith("\r")


@pytest.mark.parametrize(
    ("seconds", "first", "second"), [(59.9, "59s", "59s"), (75.4, "75s", "1:15"), (3661, "3661s", "1:01:01")]
)
def test_time_to_go(seconds, first, second):
    assert [bar.format.eta(seconds) for bar in (Era1Bar, Era2Bar)] == [f"ETA: {first}", f"ETA: {second}"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0us"), (5.9e-5, "59us"), (0.0012, "1ms"), (0.9996, "1000ms"), (1, "1s")]
)
def test_duration_of_a_step(seconds, text):
    assert Era2Bar.format.rate(seconds, "step") == f"{text}/step"


@ERAS
def test_whole_seconds_are_cut_in_keras_1_and_rounded_in_keras_2(clock, stdout, era):
    display = DISPLAYS[era]({"verbose": 2, "steps": 3})
    clock[0] += 1.7
    display.finish({"loss": 1.0})
    assert stdout.take() == {1: "1s - loss: 1.0000\n", 2: " - 2s - loss: 1.0000\n"}[era]


@ERAS
def test_small_values_have_an_exponent_and_at_the_end_of_a_line_an_epoch_negative_ones_too(clock, stdout, era):
    values = {"a": 0.5, "b": 1e-3, "c": -0.5, "d": "text"}
    DISPLAYS[era]({"verbose": 1, "steps": 3}).finish(values)
    assert stdout.take().endswith(" - a: 0.5000 - b: 1.0000e-03 - c: -0.5000 - d: text\n")
    DISPLAYS[era]({"verbose": 2, "steps": 3}).finish(values)
    assert stdout.take().endswith("0s - a: 0.5000 - b: 1.0000e-03 - c: -5.0000e-01 - d: text\n")


# --- what is shown, and when -------------------------------------------------------------------


@ERAS
def test_values_come_in_the_order_of_the_metrics_and_others_are_not_shown(stdout, clock, era):
    display = DISPLAYS[era]({"verbose": 2, "steps": 3, "metrics": ["loss", "acc", "val_loss", "val_acc"]})
    display.finish({"acc": 0.5, "learning_rate": 0.1, "loss": 1.0, "val_acc": 0.25})
    assert stdout.take().endswith("0s - loss: 1.0000 - acc: 0.5000 - val_acc: 0.2500\n")


@ERAS
@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"verbose": 1, "do_validation": True}, True),
        ({"verbose": 2, "do_validation": True}, True),
        ({"verbose": 0, "do_validation": True}, False),
        ({"verbose": 1, "do_validation": False}, False),
        ({"verbose": 1, "do_validation": True, "samples": None}, False),
        ({"verbose": 1, "do_validation": True, "mode": "test"}, False),
    ],
)
def test_samples_are_told_where_some_are_for_validation(stdout, era, facts, said):
    DISPLAYS[era]({"samples": 60, "validation_samples": 20, "batch_size": 8, "steps": 8, **facts}).begin_fit()
    assert stdout.take() == ("Train on 60 samples, validate on 20 samples\n" if said else "")


def test_keras_3_does_not_tell_the_samples(stdout):
    new_display({"verbose": 1, "do_validation": True, "samples": 60, "validation_samples": 20}).begin_fit()
    assert stdout.take() == ""


@ERAS
@pytest.mark.parametrize("mode", ["test", "predict"])
def test_beside_a_fit_there_is_a_bar_without_values_or_nothing(stdout, clock, era, mode):
    for verbose, text in {0: "", 1: f"10/10 [{'=' * 30}] - 0s", 2: ""}.items():
        display = DISPLAYS[era]({"verbose": verbose, "steps": 2, "samples": 10, "batch_size": 8, "mode": mode})
        display.finish({"loss": 0.5})
        assert stdout.take().strip().removesuffix(" 0us/step") == text
        assert display.watches_progress == (verbose == 1)


def test_keras_1_ends_the_bar_of_evaluate_unless_it_was_drawn_a_moment_ago(stdout, clock):
    for wait, end in {0.009: "", 0.011: "\b" * 48 + f"\r16/16 [{'=' * 30}] - 0s     \n"}.items():
        display = Era1Display({"verbose": 1, "steps": 2, "samples": 16, "batch_size": 8, "mode": "test"})
        display.update(1)
        assert stdout.take() == "\r 8/16 [==============>...............] - ETA: 0s"
        clock[0] += wait
        display.finish()
        assert stdout.take() == end


@ERAS
def test_the_last_step_is_drawn_once_with_the_final_values(stdout, clock, era):
    display = DISPLAYS[era]({"verbose": 1, "steps": 2, "samples": 10, "batch_size": 5})
    clock[0] += 1
    display.update(2, {"loss": 1.0})
    assert stdout.take() == ""
    display.finish({"loss": 2.0})
    assert " - loss: 2.0000\n" in stdout.take()


@ERAS
def test_values_of_single_batches_are_shown_as_means_of_the_epoch_so_far(stdout, clock, era):
    display = DISPLAYS[era]({"verbose": 1, "steps": 3, "samples": 10, "batch_size": 4})
    display.update(1, {"batch": 0, "size": 4, "loss": 1.0})
    display.update(2, {"batch": 1, "size": 2, "loss": 4.0})  # too soon to be drawn
    assert stdout.take().endswith(" - loss: 1.0000")
    clock[0] += 1
    display.update(2, {"batch": 1, "size": 2, "loss": 4.0})
    assert stdout.take().endswith("s - loss: 2.5000")
    display.begin()
    display.update(1, {"batch": 0, "size": 4, "loss": 3.0})
    assert stdout.take().endswith(" - loss: 3.0000")


@ERAS
def test_unknown_steps_are_counted_in_the_first_epoch(stdout, clock, era):
    display = DISPLAYS[era]({"verbose": 1, "epochs": 2, "steps": None})
    display.update(5, {"loss": 1.0})
    clock[0] += 0.2
    display.finish({"loss": 0.5})
    assert "      5/Unknown - 0s" in stdout.getvalue()
    assert f"5/5 [{'=' * 30}] - 0s" in stdout.getvalue()


# --- through fit, evaluate and predict -----------------------------------------------------------


def plain(text):
    """Text without its times, its blanks at the end and its redraws."""
    text = re.sub(r"\x08*[\r\n][^\x08\r\n]*ETA: [\d:]+s[^\x08\r\n]*", "", text).replace("\b", "").replace("\r", "")
    text = re.sub(r"\d+(s|ms|us)(?=/step| |\n)", r"0\1", text)
    return re.sub(r"0[mu]?s/step", "0s/step", re.sub(r" +\n", "\n", text)).replace("\n\n", "\n")


def trained_text(capsys, era, **arguments):
    x = np.random.default_rng(0).normal(size=(100, 4)).astype("float32")
    with spelling.in_era(era):
        model = keraunos.Sequential([keraunos.Input((4,)), keraunos.layers.Dense(1, activation="sigmoid")])
        model.compile(keraunos.optimizers.SGD(0.0), "mse", metrics=["accuracy"])
        weights = [np.array([[1.0], [0.0], [0.0], [0.0]]), np.zeros(1)]
        model.set_weights(weights)
        model.fit(x, x[:, :1] > 0, shuffle=False, **arguments)
        model.evaluate(x, x[:, :1] > 0, batch_size=32, verbose=arguments["verbose"])
        model.predict(x, batch_size=32, verbose=arguments["verbose"])
    return plain(capsys.readouterr().out)


@ERAS
def test_a_fit_with_a_bar(capsys, era):
    bar, rate = "=" * 30, {1: "", 2: " 0s/step"}[era]
    text = trained_text(capsys, era, batch_size=32, epochs=1, verbose=1)
    loss = re.search(r"loss: (\S+)", text)[1]
    fitted = f"Epoch 1/1\n100/100 [{bar}] - 0s{rate} - loss: {loss} - acc: 1.0000\n"
    # What Keras 1 writes beside a fit depends on how fast it is.
    assert text.startswith(fitted)
    if era == 2:
        assert text == fitted + f"100/100 [{bar}] - 0s 0s/step\n" * 2


@ERAS
def test_a_fit_with_a_line_an_epoch(capsys, era):
    start = {1: "", 2: " - "}[era]
    text = trained_text(capsys, era, batch_size=32, epochs=2, verbose=2, validation_split=0.25)
    lines = re.sub(r"loss: \S+", "loss: x", text).splitlines()
    values = f"{start}0s - loss: x - acc: 1.0000 - val_loss: x - val_acc: 1.0000"
    assert lines == ["Train on 75 samples, validate on 25 samples", "Epoch 1/2", values, "Epoch 2/2", values]


# --- the bars by themselves ------------------------------------------------------------------------


@pytest.mark.parametrize("bar", [Era1Bar, Era2Bar])
def test_a_bar_averages_what_it_is_given_by_steps(stdout, clock, bar):
    shown = bar(10, verbose=2)
    shown.update(0, [("loss", 9.0)])
    shown.update(8, [("loss", 1.0)])
    shown.add(2, [("loss", 6.0)])
    assert stdout.take().endswith("0s - loss: 2.0000\n")


def test_a_bar_of_keras_2_shows_stateful_values_as_given(stdout, clock):
    bar = Era2Bar(10, verbose=2, stateful_metrics=["auc"])
    bar.update(8, [("auc", 0.25)])
    bar.update(10, [("auc", 0.5)])
    assert stdout.take().endswith("0s - auc: 0.5000\n")


def test_a_bar_of_keras_1_is_drawn_after_an_interval_or_by_force(stdout, clock):
    bar = Era1Bar(10)
    drawn = []
    for step, wait, force in [(1, 0, False), (2, 0.001, False), (3, 0.001, True), (4, 0.02, False), (10, 0, False)]:
        clock[0] += wait
        bar.update(step, [], force)
        drawn.append(bool(stdout.take()))
    assert drawn == [True, False, True, True, False]


def test_an_end_that_is_said_is_drawn(stdout, clock):
    bar = Era1Bar(None)
    bar.update(3, finalize=False)
    bar.update(3, finalize=True)
    assert stdout.take().endswith("\r      3/Unknown - 0s\n")


# --- choosing ----------------------------------------------------------------------------------------


def test_an_era_chooses_display_and_summary():
    model = keraunos.Sequential([keraunos.Input((4,)), keraunos.layers.Dense(1)])
    found = []
    for era in (1, 2, 3):
        lines = []
        with spelling.in_era(era):
            model.summary(print_fn=lines.append)
            found.append((type(new_display({})), len(lines[0])))
    assert found[:2] == [(Era1Display, 100), (Era2Display, 65)]
    assert found[2][0] is Display


@pytest.mark.parametrize("era, order", [(1, ["user", "bar"]), (2, ["bar", "user"]), (3, ["user", "bar"])])
def test_the_bar_speaks_where_the_release_had_it(era, order):
    with spelling.in_era(era):
        listed = CallbackList([LambdaCallback()], add_progbar=True).callbacks
    assert ["bar" if isinstance(callback, ProgbarLogger) else "user" for callback in listed] == order

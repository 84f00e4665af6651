"""``python -m keraunos run``: what it prints, what it returns, what it leaves behind."""

import importlib
import json
import random
import subprocess
import sys
from pathlib import Path

import keras as real_keras
import numpy as np
import pytest

from keraunos import cli
from keraunos.eras.run import run
from keraunos.utils import spelling
from keraunos.utils.errors import ArgumentError

OLD = """
from keras.models import Sequential
from keras.layers import Dense
model = Sequential([Dense(output_dim=2, input_dim=3)])
model.compile('adadelta', 'mse')
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KERAS_BACKEND")
    spelling.forget_notes()
    before = sys.argv, list(sys.path), list(sys.meta_path), sys.modules["__main__"], spelling.era()
    yield
    assert (sys.argv, sys.path, sys.meta_path, sys.modules["__main__"], spelling.era()) == before
    assert importlib.import_module("keras") is real_keras


@pytest.fixture
def notes(caplog):
    def texts() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.name == "keraunos.eras"]

    return texts


def program(text: str, name: str = "program.py") -> str:
    Path(name).write_text(text)
    return name


# --- the program ----------------------------------------------------------------------------


def test_a_program_runs_as_main_with_its_arguments_and_folder(capsys, tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "beside.py").write_text("word = 'found'")
    name = program(
        "import sys, beside, __main__\n"
        "print(__name__, __file__, sys.argv, beside.word, __main__.__dict__ is globals())",
        "inner/program.py",
    )
    assert run(name, ["--era", "x"]) == 0
    sys.modules.pop("beside")
    assert capsys.readouterr().out == f"__main__ {name} ['{name}', '--era', 'x'] found True\n"


@pytest.mark.parametrize(
    "statement, code",
    [("pass", 0), ("raise SystemExit", 0), ("raise SystemExit(3)", 3), ("import sys; sys.exit(0)", 0)],
)
def test_the_status_is_that_of_the_program(statement, code):
    assert run(program(statement)) == code


def test_a_program_that_stops_with_words_prints_them_and_has_failed(capsys):
    assert run(program("raise SystemExit('no data')")) == 1
    assert capsys.readouterr().err.endswith("no data\n")


def test_a_traceback_begins_in_the_program(capsys):
    assert run(program("def f():\n    raise ValueError('mine')\nf()")) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1] == '  File "program.py", line 3, in <module>'
    assert lines[-1] == "ValueError: mine"


def test_a_mistake_in_the_program_is_told_by_its_traceback(capsys):
    assert run(program("from keras.layers import Dense\nDense(unitz=3)")) == 1
    assert "Dense: unknown argument 'unitz'. Did you mean 'units'?" in capsys.readouterr().err


def test_an_interrupted_program_ends_without_a_traceback(capsys):
    assert cli.main(["run", program("raise KeyboardInterrupt")]) == 130
    printed = capsys.readouterr().err
    assert printed.endswith("keraunos: interrupted\n")
    assert "Traceback" not in printed


# --- the era --------------------------------------------------------------------------------


def test_the_era_is_told_from_the_spelling(notes, capsys):
    name = program(f"import keras\n{OLD}\nprint(keras.__version__, model.optimizer.lr.numpy())")
    assert run(name) == 0
    assert capsys.readouterr().out == "1.2.2 1.0\n"
    assert notes()[0] == "keraunos: Keras 1 (output_dim line 5)"


def test_the_era_may_be_chosen(notes, capsys):
    name = program(f"import keras\n{OLD}\nprint(keras.__version__, model.optimizer.lr.numpy())")
    assert run(name, era=3) == 0
    assert capsys.readouterr().out == "3.15.1 0.001\n"
    assert notes()[:2] == ["keraunos: Keras 3 (as chosen)", "keraunos: output_dim is called units since Keras 2"]


def test_quiet_says_nothing(notes):
    assert run(program(OLD), quiet=True) == 0
    assert notes() == []
    assert run(program(OLD)) == 0
    assert notes()


def test_the_variable_that_chooses_a_library_for_keras_is_ignored_with_a_word(notes, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    assert run(program("pass")) == 0
    assert "keraunos: KERAS_BACKEND=theano is ignored: it is for real Keras" in notes()


def test_the_library_that_an_early_script_asks_for_is_told_as_asked(notes, monkeypatch, capsys):
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    assert run(program("from keras import backend as K\nprint(K.backend())"), era=1) == 0
    assert capsys.readouterr().out == "theano\n"
    assert notes() == ["keraunos: settings for Keras hold: backend='theano'", "keraunos: Keras 1 (as chosen)"][::-1]


# --- random numbers -------------------------------------------------------------------------

DRAW = "import random, numpy\nprint(random.random(), numpy.random.rand(), model.get_weights()[0].sum())"


def test_a_run_repeats_bit_for_bit(capsys):
    name = program(OLD + DRAW)
    printed = []
    for seed in (0, 0, 7):
        assert run(name, seed=seed) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] != printed[2]


def test_without_a_seed_a_run_goes_on_from_where_the_generators_are(capsys):
    random.seed(5)
    np.random.seed(5)
    assert run(program("import random, numpy\nprint(random.random(), numpy.random.rand())"), seed=None) == 0
    random.seed(5)
    np.random.seed(5)
    assert capsys.readouterr().out == f"{random.random()} {np.random.rand()}\n"


def test_a_program_that_seeds_itself_is_not_affected(capsys):
    name = program(f"import numpy\nnumpy.random.seed(3)\n{OLD}\nprint(model.get_weights()[0].sum())")
    printed = set()
    for seed in (0, 1):
        assert run(name, seed=seed) == 0
        printed.add(capsys.readouterr().out)
    assert len(printed) == 1


# --- posts and notebooks --------------------------------------------------------------------


def test_a_post_runs_block_by_block(capsys):
    post = f"# Title\n\nWords.\n\n```python\n{OLD}```\n\nMore words.\n\n```python\nmodel.count_params()\n```\n"
    assert run(program(post, "post.md")) == 0
    assert capsys.readouterr().out == "8\n"


def test_a_notebook_runs_cell_by_cell(capsys, notes):
    cells = [{"cell_type": "code", "source": source} for source in (OLD, "%matplotlib inline\nmodel.count_params()")]
    assert run(program(json.dumps({"cells": cells, "nbformat": 4}), "book.ipynb")) == 0
    assert capsys.readouterr().out == "8\n"
    assert notes()[0] == "keraunos: Keras 1 (output_dim cell 1)"


def test_what_old_scripts_need_besides_keras_is_offered_and_listed(notes, capsys):
    name = program("import numpy as np\nprint(np.array([1.7]).astype(np.int))")
    assert run(name) == 0
    assert capsys.readouterr().out == "[1]\n"
    assert notes()[-1] == "keraunos: offered besides Keras, unless --no-shims: numpy.int"
    assert run(name, shims=False) == 1
    assert "has no attribute 'int'" in capsys.readouterr().err
    assert not hasattr(np, "int")


def test_shown_figures_are_saved(notes, tmp_path):
    pytest.importorskip("matplotlib")
    text = "import matplotlib.pyplot as plt\nfor i in range(2):\n    plt.plot([1, 2])\n    plt.show()\n"
    assert run(program(text)) == 0
    assert sorted(path.name for path in (tmp_path / "program-figures").iterdir()) == ["figure-01.png", "figure-02.png"]
    assert run(program(text), figures="elsewhere", shims=False) == 0
    assert (tmp_path / "elsewhere" / "figure-02.png").is_file()
    assert [note for note in notes() if "figures were saved" in note]


# --- the command ----------------------------------------------------------------------------


def test_a_file_that_cannot_be_run_is_refused_with_status_2(capsys):
    assert cli.main(["run", "none.py"]) == 2
    assert capsys.readouterr().err == "keraunos: none.py: there is no such file.\n"
    assert cli.main(["run", program("x", "program.txd")]) == 2
    assert "files ending in '.txd' are not known; expected .py, .ipynb" in capsys.readouterr().err
    with pytest.raises(ArgumentError, match="there is no such file"):
        run("none.py")


def test_options_stand_before_the_program_and_its_arguments_behind(capsys):
    name = program("import sys, keras\nprint(sys.argv[1:], keras.__version__)")
    assert cli.main(["run", "--era", "2", "--quiet", "--seed", "random", name, "--era", "1", "-x", "--", "y"]) == 0
    assert capsys.readouterr().out == "['--era', '1', '-x', '--', 'y'] 2.2.4\n"


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--era", "4", "x.py"], "invalid choice: 4"),
        (["--seed", "-1", "x.py"], "expected"),
        (["--seed", "one", "x.py"], "'one' is no seed; expected a number from 0 to 2**32 - 1, or 'random'"),
        (["--sed", "1", "x.py"], "--sed"),
        ([], "script"),
    ],
)
def test_a_wrong_option_is_refused_with_status_2(arguments, words, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["run", *arguments])
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err


def test_the_command_says_its_notes_on_standard_error_and_ends_with_the_programs_status():
    name = program(OLD + "raise SystemExit(4)")
    result = subprocess.run([sys.executable, "-m", "keraunos", "run", name], capture_output=True, text=True)
    assert result.returncode == 4
    assert result.stdout == ""
    assert result.stderr.splitlines()[0] == "keraunos: Keras 1 (output_dim line 4)"

"""Code out of scripts, notebooks and posts: which blocks are found, what runs of them, in which order, and how it ends."""

import json
import logging
import re
import sys
import textwrap

import pytest

from keraunos.eras import magics, running_blocks
from keraunos.eras.documents import read_document
from keraunos.eras.names import Names
from keraunos.eras.running_blocks import find_keras_name, plan, run_document
from keraunos.utils import spelling
from keraunos.utils.errors import ArgumentError

# Public names of Keras that the posts use; what is looked up in the alias modules when a document really runs.
KERAS = {
    "WeightRegularizer": "keras.regularizers", "Sequential": "keras.models", "Model": "keras.models",
    "Dense": "keras.layers", "Activation": "keras.layers", "Input": "keras.layers", "Adam": "keras.optimizers",
}  # fmt: skip


def keras_name(name):
    return f"from {KERAS[name]} import {name}" if name in KERAS else None


@pytest.fixture(autouse=True)
def notes(caplog):
    """What was said to the user."""
    spelling.forget_notes()
    with caplog.at_level(logging.WARNING, logger="keraunos.eras"):
        yield lambda: [record.message.removeprefix("keraunos: ") for record in caplog.records]


@pytest.fixture
def write(tmp_path):
    """``write("post.md", text)``: the document that was read from such a file."""

    def written(name, text):
        (tmp_path / name).write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return read_document(tmp_path / name)

    return written


@pytest.fixture
def post(write):
    """``post(code, code, ...)``: a post with these fenced blocks."""

    def made(*blocks):
        return write("post.md", "\n\n".join(f"```python\n{textwrap.dedent(block).strip()}\n```" for block in blocks))

    return made


def sources(document):
    return [block.source for block in document.blocks]


def places(document):
    return [(block.line, block.last_line) for block in document.blocks]


def reasons(document):
    return {left.block.line: left.reason for left in document.left_out}


def skipped(planned):
    return {step.block.line: step.remark for step in planned.steps if not step.runs}


# --- the five posts -------------------------------------------------------------------------------

LINES = {
    "000_6d56304045e4cceb.txt": [
        (19, 19), (28, 28), (35, 36), (41, 42), (49, 49), (56, 56), (63, 64), (73, 73), (80, 80), (87, 87), (92, 92),
        (151, 151), (173, 173), (178, 178), (192, 193), (202, 206), (218, 225), (239, 251), (256, 257),
    ],
    "001_5572dccca8a21824.txt": [
        (15, 24), (47, 48), (64, 71), (75, 76), (80, 80), (84, 98), (102, 104), (120, 121), (129, 132), (145, 145),
        (151, 151),
    ],
    "002_f9412362b9aa0884.txt": [
        (32, 57), (72, 81), (121, 127), (149, 156), (181, 185), (194, 195), (226, 229), (253, 263), (270, 276),
        (285, 291), (305, 306), (334, 343),
    ],
    "003_fb56c0d375655452.txt": [(42, 50), (56, 57), (67, 69), (75, 128), (134, 140), (146, 147), (153, 159)],
    "004_2591c646e9f18d21.txt": [(29, 83), (91, 138), (160, 194), (199, 234), (247, 276), (282, 331), (339, 573)],
}  # fmt: skip


@pytest.mark.parametrize("name", LINES)
def test_the_code_of_a_real_post_is_found_as_it_stands(name, shared):
    path = shared(f"posts/{name}")
    document = read_document(path)
    assert places(document) == LINES[name]
    lines = path.read_text().splitlines()
    for block in document.blocks:
        for number, line in enumerate(block.source.splitlines(), block.line):
            assert lines[number - 1][block.indent :] == line or lines[number - 1].strip() == line == ""


def test_the_first_post_runs_as_it_stands_and_is_timed_once(shared):
    document = read_document(shared("posts/000_6d56304045e4cceb.txt"))
    planned = plan(document, keras_name)
    assert [step.block for step in planned.steps] == document.blocks
    assert skipped(planned) == planned.supplied == {}
    assert [magics.python_of(block.source).timed for block in document.blocks].count("time") == 1


def test_the_second_post_lacks_two_imports_and_the_data_of_one_snippet(shared):
    document = read_document(shared("posts/001_5572dccca8a21824.txt"))
    assert reasons(document) == {55: "commands of the shell"}
    planned = plan(document, keras_name)
    assert list(planned.supplied) == ["train_test_split", "WeightRegularizer"]
    assert skipped(planned) == {47: "lines 47-48: skipped, because no code of the post makes x_test and x_train"}


def test_the_third_post_imports_nothing_itself(shared):
    document = read_document(shared("posts/002_f9412362b9aa0884.txt"))
    assert reasons(document) == {21: "commands of the shell"}
    planned = plan(document, keras_name)
    wanted = "np MNIST keras plt sns Sequential Dense Activation Input Model Adam os"
    assert " ".join(planned.supplied) == wanted
    assert planned.supplied["MNIST"] == "from mnist import MNIST"
    assert skipped(planned) == {}


def test_the_third_post_trains_a_model_that_it_loaded_and_did_not_compile(shared):
    planned = plan(read_document(shared("posts/002_f9412362b9aa0884.txt")), keras_name)
    told = {
        step.block.line: (step.remark, [one.lineno for one in step.before]) for step in planned.steps if step.before
    }
    remark = "lines 305-306: model, loaded in line 273, was not compiled since: compiled as in line 183"
    assert told == {305: (remark, [182, 183])}


def test_the_fourth_post_is_complete(shared):
    planned = plan(read_document(shared("posts/003_fb56c0d375655452.txt")), keras_name)
    assert skipped(planned) == planned.supplied == {}


def test_the_fifth_post_shows_two_excerpts_before_the_whole_code(shared):
    planned = plan(read_document(shared("posts/004_2591c646e9f18d21.txt")), keras_name)
    assert skipped(planned) == {
        160: "lines 160-194: an excerpt of the code at line 313, and run there",
        199: "lines 199-234: an excerpt of the code at line 554, and run there",
    }
    assert planned.supplied == {"sys": "import sys"}


# --- which blocks are code ------------------------------------------------------------------------


def test_fenced_blocks_are_taken_by_their_tag_or_by_what_they_are(write):
    document = write(
        "post.md",
        """
        ```python
        a = 1
        ```
        ~~~py
        b = 2
        ~~~
        ``` {.python .numberLines}
        c = 3
        ```
        ```
        d = a + b
        ```
        ```bash
        python train.py
        ```
        ```
        $ pip install keras
        ```
        ```
        Accuracy: 0.5
        array([1, 2])
        ```
        ```
        (800, 200)
        ```
        {% highlight python %}
        e = 5
        {% endhighlight %}

            not = code
        """,
    )
    assert sources(document) == ["a = 1", "b = 2", "c = 3", "d = a + b", "e = 5"]
    assert places(document) == [(2, 2), (5, 5), (8, 8), (11, 11), (27, 27)]
    assert reasons(document) == {
        14: "tagged bash, not python",
        17: "commands of the shell",
        20: "an output, or prose",
        24: "an output, or prose",
    }


def test_a_block_that_is_tagged_python_and_is_none_is_left_out_with_the_line(write, notes, capsys):
    document = write("post.md", "```python\nx = 1\nmodel.add(...\n```\n```python\nprint(2)\n```\n")
    assert reasons(document) == {2: "no Python ('(' was never closed, line 3)"}
    assert run_document(document).exit_code == 0
    assert capsys.readouterr().out == "2\n"
    assert notes() == ["lines 2-3: no Python ('(' was never closed, line 3): skipped"]


def test_a_fence_that_is_never_closed_ends_with_the_post(write):
    assert sources(write("post.md", "```python\nx = 1\n\ny = 2\n")) == ["x = 1\n\ny = 2"]


def test_a_fence_may_be_indented_and_hold_another(write):
    document = write("post.md", "1. First\n\n   ````python\n   x = '''\n   ```\n   '''\n   ````\n")
    assert sources(document) == ["x = '''\n```\n'''"]
    assert document.blocks[0].indent == 3


def test_indented_blocks_are_code_in_a_post_without_fences(write):
    document = write(
        "post.txt",
        """
        ---
        title: x

            a = 0
        ---
        Text
            with a continued line = 1

            a = 1

            b = 2

        * an item

            - another one
            - and one = 2

        Text

        \tc = 3
        \td = 4

        It prints

            0.95

        # Heading
            e = 5
        """,
    )
    assert sources(document) == ["a = 1\n\nb = 2", "c = 3\nd = 4", "e = 5"]
    assert places(document) == [(9, 11), (20, 21), (28, 28)]
    assert reasons(document) == {25: "an output, or prose"}


def test_indented_blocks_count_where_no_fence_holds_python(write):
    document = write("post.md", "```bash\nls\n```\n\nText\n\n    x = 1\n")
    assert sources(document) == ["x = 1"]
    assert reasons(document) == {2: "tagged bash, not python"}


def test_a_text_that_is_python_from_end_to_end_is_one_block(write):
    text = "import sys\n\ndef f():\n\n    return 1\n\n# the end\nf()"
    assert sources(write("script.txt", text)) == [text]


def test_a_post_without_code_is_told_of(write, notes):
    document = write("post.md", "Only words.\n")
    assert run_document(document).exit_code == 0
    assert notes() == [f"{document.path}: no code in Python was found, and nothing is run"]


def test_a_warning_about_the_code_waits_until_it_runs_and_names_its_line(post):
    document = post("x = 1", r"y = '\d'")
    planned = plan(document, keras_name)
    assert len(planned.steps) == 2
    with pytest.warns((DeprecationWarning, SyntaxWarning), match="invalid escape sequence") as caught:
        run_document(document)
    assert [(one.filename, one.lineno) for one in caught] == [(str(document.path), 6)]


def test_a_script_is_not_told_that_it_is_a_notebook(write, capsys):
    run_document(write("script.py", "print('get_ipython' in globals(), 'display' in globals())"))
    run_document(write("post.md", "```python\nprint('get_ipython' in globals(), 'display' in globals())\n```"))
    assert capsys.readouterr().out == "False False\nTrue True\n"


def test_of_lines_with_prompts_the_inputs_are_taken(write, capsys):
    document = write(
        "post.md", "```\n>>> x = [1,\n...      2]\n>>> x\n[1, 2]\n>>> for y in x:\n...     y + 1\n...\n2\n3\n```\n"
    )
    assert sources(document) == ["x = [1,\n     2]\nx\n\nfor y in x:\n    y + 1\n\n\n"]
    assert document.blocks[0].kind == "prompt"
    assert run_document(document).exit_code == 0
    assert capsys.readouterr().out == "[1, 2]\n"


def test_prompts_of_ipython_are_taken_off(write, capsys):
    document = write("post.md", "```python\nIn [1]: x = (1 +\n   ...:      2)\n\nIn [2]: x\nOut[2]: 3\n```\n")
    assert run_document(document).exit_code == 0
    assert capsys.readouterr().out == "3\n"


# --- notebooks and scripts ------------------------------------------------------------------------


def code(source, **more):
    return {"cell_type": "code", "source": source, **more}


def test_code_cells_of_both_formats_of_notebooks_are_read(write):
    text = {"cell_type": "markdown", "source": ["x = 0"]}
    newer = {"nbformat": 4, "cells": [text, code(["x = 1\n", "y = 2"]), code("z = 3"), code([])]}
    older = {"nbformat": 3, "worksheets": [{"cells": [text, {"cell_type": "code", "input": ["a = 1\n", "b"]}]}]}
    newer, older = write("new.ipynb", json.dumps(newer)), write("old.ipynb", json.dumps(older))
    assert sources(newer) == ["x = 1\ny = 2", "z = 3"]
    assert [block.place for block in newer.blocks] == ["cell 1", "cell 2"]
    assert sources(older) == ["a = 1\nb"]


def test_the_traceback_of_a_notebook_shows_the_line_of_the_cell(write, capsys):
    notebook = write("note.ipynb", json.dumps({"cells": [code("x = 0"), code("y = 1\ny / x  # here")]}))
    result = run_document(notebook)
    assert result.exit_code == 1
    error = capsys.readouterr().err
    assert f'File "{notebook.path}, cell 2", line 2, in <module>\n    y / x  # here\n' in error


def test_cells_of_a_notebook_run_as_they_stand(write, capsys):
    notebook = write("note.ipynb", json.dumps({"cells": [code("print(x)"), code("x = 1")]}))
    assert run_document(notebook).exit_code == 1
    assert "NameError: name 'x' is not defined" in capsys.readouterr().err


def test_what_is_no_notebook_is_refused(write):
    with pytest.raises(ArgumentError, match="not a notebook that Jupyter wrote"):
        write("broken.ipynb", "{")
    with pytest.raises(ArgumentError, match=r"not a notebook that Jupyter wrote \(KeyError: 'cells'\)"):
        write("broken.ipynb", "{}")


def test_other_files_are_refused(write, tmp_path):
    with pytest.raises(ArgumentError, match=r"files ending in '\.rst' are not known; expected \.py, \.ipynb, \.md"):
        write("post.rst", "")
    with pytest.raises(ArgumentError, match="there is no such file"):
        read_document(tmp_path / "none.py")
    (tmp_path / "latin.md").write_bytes("ü".encode("latin1"))
    with pytest.raises(ArgumentError, match="not a text in UTF-8"):
        read_document(tmp_path / "latin.md")
    (tmp_path / "folder.md").mkdir()
    with pytest.raises(ArgumentError, match="cannot be read"):
        read_document(tmp_path / "folder.md")


def test_a_script_in_an_older_encoding_is_read_as_it_says(tmp_path):
    (tmp_path / "latin.py").write_bytes("# -*- coding: latin-1 -*-\nx = 'ü'\n".encode("latin1"))
    assert run_document(read_document(tmp_path / "latin.py")).namespace["x"] == "ü"


def test_a_script_runs_as_main_with_its_arguments_and_beside_its_modules(write, tmp_path, capsys, monkeypatch):
    (tmp_path / "a_helper_of_a_script.py").write_text("answer = 42\n")
    monkeypatch.delitem(sys.modules, "a_helper_of_a_script", raising=False)
    before = sys.argv, sys.path[:], sys.modules["__main__"]
    document = write(
        "script.py",
        """
        import pickle, sys
        from a_helper_of_a_script import answer
        class Thing: pass
        if __name__ == "__main__":
            assert type(pickle.loads(pickle.dumps(Thing()))) is Thing
            print(answer, sys.argv[1:], __file__.endswith("script.py"))
        answer
        """,
    )
    assert run_document(document, ["--epochs", "3"]).exit_code == 0
    assert capsys.readouterr().out == "42 ['--epochs', '3'] True\n"
    assert (sys.argv, sys.path, sys.modules["__main__"]) == before


@pytest.mark.parametrize("argument, status", [("", 0), ("3", 3), ("None", 0), ("'stopped'", 1)])
def test_the_exit_of_a_script_is_its_own(write, capsys, argument, status):
    result = run_document(write("script.py", f"import sys\nsys.exit({argument})\nprint('no')\n"))
    assert result.exit_code == status
    assert capsys.readouterr() == ("", "stopped\n" if argument == "'stopped'" else "")


def test_an_error_ends_the_post_with_its_own_traceback(post, capsys):
    document = post("x = 0", "def f():\n    return 1 / x\nf()", "print('no')")
    result = run_document(document)
    out, error = capsys.readouterr()
    assert (result.exit_code, out, len(result.ran)) == (1, "", 2)
    assert isinstance(result.error, ZeroDivisionError)
    assert error.startswith(
        f'Traceback (most recent call last):\n  File "{document.path}", line 8, in <module>\n    f()\n'
    )
    assert f'File "{document.path}", line 7, in f\n    return 1 / x\n' in error


def test_the_marks_in_a_traceback_stand_under_indented_code(write, capsys):
    run_document(write("post.txt", "Text\n\n    x = 1\n    y = x + (x / 0)\n"))
    assert "    y = x + (x / 0)\n             ~~^~~\n" in capsys.readouterr().err


# --- Python 2 -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line, remedy",
    [
        ("print 'loss', 3", r"print is a function since Python 3; write print\(...\)"),
        ("exec 'x = 1'", r"exec is a function since Python 3; write exec\(...\)"),
        ("try: pass\nexcept OSError, error: pass", "write except SomeError as error:"),
        ("x = 0777", "write 0o777 for 0777"),
        ("raise ValueError, 'no'", r"write raise SomeError\(...\)"),
        ("1 <> 2", "write !="),
    ],
)
@pytest.mark.parametrize("name, before", [("old.py", ""), ("old.md", "```python\n")])
def test_python_2_is_told_with_the_line_and_a_remedy(write, capsys, name, before, line, remedy):
    document = write(name, f"{before}x = 1\n{line}\n{'```' if before else ''}")
    result = run_document(document)
    error = capsys.readouterr().err
    assert result.exit_code == 1
    number = 2 + line.count("\n") + bool(before)
    assert re.search(rf"{re.escape(str(document.path))}, line {number}, is Python 2: .*{remedy}", error)


def test_prose_about_printing_is_no_python_2(write):
    document = write("post.md", "```\nx = 1\n```\n```\nprint the results\nand more\n```\n```\nprint 'a'\n```\n")
    assert sources(document) == ["x = 1", "print 'a'"]


# --- IPython --------------------------------------------------------------------------------------

CELLS = {
    "%matplotlib inline\nx = 1": "pass  # %matplotlib inline\nx = 1",
    "!pip install a \\\n  b\nx = 1": "pass  # !pip install a b\n#\nx = 1",
    "files = !ls *.py": "files = []  # files = !ls *.py",
    "x?\nx = 1": "pass  # x?\nx = 1",
    "?x\n??y": "pass  # ?x\npass  # ??y",
    "%time x = f(1,\n  2)": "with __timed__('time'): x = f(1,\n  2)",
    "x = %time f()": "with __timed__('time'): x = f()",
    "where = %pwd": "where = None  # where = %pwd",
    "if x:\n    %load_ext a\n    %time for y in x: f(y)": "if x:\n    pass  # %load_ext a\n    for y in x: f(y)",
    "%timeit -n 10 -r3 f()": "with __timed__('timeit'): f()",
    "%prun -l 4 f()": "f()",
    "%pylab inline": "from pylab import *; import numpy as np; import matplotlib.pyplot as plt",
    "%%time\nx = 1\n%unknown": "# %%time\nx = 1\npass  # %unknown",
    'a = """\n%no\n"""\n%load_ext a\nb = (3\n% 2)': 'a = """\n%no\n"""\npass  # %load_ext a\nb = (3\n% 2)',
    "x = 3 \\\n% 2\n%autoreload 2": "x = 3 \\\n% 2\npass  # %autoreload 2",
    "x = 'it''s'  # it's\n%pdb": "x = 'it''s'  # it's\npass  # %pdb",
    "x = 5 % 3": "x = 5 % 3",
}


@pytest.mark.parametrize("cell", CELLS)
def test_magics_become_python_of_as_many_lines(cell):
    found = magics.python_of(cell).source
    assert found == CELLS[cell]
    assert found.count("\n") == cell.count("\n")
    compile(found, "cell", "exec")


def test_shell_commands_are_never_run(post, tmp_path, notes):
    victim = tmp_path / "victim"
    document = post(
        f"!touch {victim}\nx = !touch {victim}\nget_ipython().system('touch {victim}')", f"%%bash\ntouch {victim}"
    )
    result = run_document(document)
    assert result.exit_code == 0
    assert result.namespace["x"] == []
    assert not victim.exists()
    assert len(result.ran) == 1
    said = "\n".join(notes())
    assert said.count("is a command of the shell, which is never run here") == 4


def test_an_unknown_magic_is_noted_and_the_rest_runs(post, notes):
    assert run_document(post("%%nonsense 1\nx = 1\n%more")).namespace["x"] == 1
    assert notes() == ["line 2: %%nonsense is not known, and left out", "line 4: %more is not known, and left out"]


def test_a_timed_cell_prints_two_lines_and_no_value_of_its_last_statement(post, capsys):
    run_document(post("%%time\nx = 1\nx"))
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("CPU times: user ")
    assert second.startswith("Wall time: ")


def test_a_timed_line_prints_two_lines_and_its_value(post, capsys):
    run_document(post("x = 40\n%time x + 2"))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["CPU times", "Wall time", "42"]


def test_timeit_runs_once(post, capsys, notes):
    run_document(post("x = []\n%timeit -n 10 x.append(1)\nprint(len(x))"))
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("per loop (1 run, 1 loop)")
    assert second == "1"
    assert notes() == ["line 3: %timeit runs once"]


def test_a_captured_cell_prints_nothing_until_asked(post, capsys):
    run_document(post("%%capture out --no-stderr\nprint('quiet')", "out.show()\nprint(len(out.stdout))\nout()"))
    assert capsys.readouterr().out == "quiet\n6\nquiet\n"


def test_magics_asked_for_by_call_are_left_out(write, notes):
    document = write(
        "exported.py",
        """
        get_ipython().magic('matplotlib inline')
        get_ipython().run_line_magic('load_ext', 'autoreload')
        get_ipython().run_cell_magic('bash', '', 'ls')
        """,
    )
    assert run_document(document).exit_code == 0
    assert notes() == ["%%bash is left out, with its cell"]


@pytest.mark.parametrize(
    "seconds, text",
    [(0, "0 ns"), (1.3e-6, "1.3 µs"), (0.0402, "40.2 ms"), (3.256, "3.26 s"), (61, "1min 1s"), (7384, "2h 3min 4s")],
)
def test_lengths_of_time_are_written_as_ipython_does(seconds, text):
    assert magics.duration(seconds) == text


# --- what is shown --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "block, shown",
    [
        ("1 + 1", "2\n"),
        ("1 + 1;", ""),
        ("1 + 1;  # a remark", ""),
        ("1 + 1  # ends in ;", "2\n"),
        ("None", ""),
        ("x = 1", ""),
        ("1\n'two'", ""),  # a text by itself, such as what the code printed, is a remark
        ("if True:\n    1", ""),
        ("display(1, 'two')", "1\n'two'\n"),
        ("5\n_ + 1", "6\n"),
    ],
)
def test_the_value_of_the_last_expression_is_shown(post, capsys, block, shown):
    if "_ + 1" in block:
        run_document(post(*block.splitlines()))
        shown = "5\n6\n"
    else:
        run_document(post(block))
    assert capsys.readouterr().out == shown


def test_a_frame_is_shown_as_text_and_a_plain_object_by_its_class(post, capsys):
    pytest.importorskip("pandas")
    run_document(post("pd.DataFrame({'a': [1]})", "class Thing: pass\nThing()"))
    frame, thing = capsys.readouterr().out.split("<")
    assert frame == "   a\n0  1\n"
    assert thing.startswith("Thing at 0x")


def test_an_object_of_the_library_is_shown_as_one_of_keras(capsys):
    from keraunos.callbacks import History

    running_blocks.show(History())
    assert capsys.readouterr().out.startswith("<keras.callbacks.History at 0x")


# --- what posts leave out -------------------------------------------------------------------------


def test_customary_names_are_supplied_and_told_of_once(post, notes, capsys):
    document = post("print(np.zeros(2))", "def f():\n    return os.sep + json.dumps(np.pi > 3)\nf()")
    assert run_document(document, keras_name=keras_name).exit_code == 0
    assert capsys.readouterr().out == "[0. 0.]\n'/true'\n"
    assert notes() == ["the post uses np, os, json without importing them: supplied"]


def test_a_name_that_the_post_binds_itself_is_not_supplied(post):
    planned = plan(
        post("np = 1\nfor os in []: pass", "def f(plt): return np, plt, os\nimport sys", "sys.path"), keras_name
    )
    assert planned.supplied == {}


def test_an_import_that_comes_later_is_supplied_before(post):
    planned = plan(post("x = tau * 2", "y = x", "from math import tau, pi"), keras_name)
    assert planned.supplied == {"tau": "from math import tau"}
    assert all(step.runs for step in planned.steps)


def test_an_import_below_its_use_in_the_same_block_is_supplied(post):
    assert plan(post("x = tau * 2\nfrom math import tau"), keras_name).supplied == {"tau": "from math import tau"}


def test_after_a_star_any_name_may_be_there(post):
    planned = plan(post("from math import *", "x = tau", "y = Dense(2)"), keras_name)
    assert planned.supplied == {}
    assert all(step.runs for step in planned.steps)


def test_a_customary_name_that_is_not_installed_is_told_of(post, notes, monkeypatch):
    monkeypatch.setitem(running_blocks.CUSTOMARY, "sns", "import a_library_that_is_not_here as sns")
    assert run_document(post("sns"), keras_name=keras_name).exit_code == 1
    assert "`import a_library_that_is_not_here as sns` fails: No module named" in notes()[0]


def test_a_block_that_needs_what_nobody_makes_is_skipped(post, notes):
    document = post("model = 1", "model + x_train", "y = x_train", "z = model")
    result = run_document(document, keras_name=keras_name)
    assert result.exit_code == 0
    assert [block.line for block in result.ran] == [2, 14]
    assert notes() == [f"line {line}: skipped, because no code of the post makes x_train" for line in (6, 10)]


def test_what_a_skipped_block_would_have_made_is_missed_by_the_next(post):
    assert list(skipped(plan(post("a = nothing", "b = a", "c = 1"), keras_name))) == [2, 6]


def test_a_block_is_put_off_until_what_it_needs_is_there(post, notes, capsys):
    document = post("print('first', x)", "print('second', y)", "x = 1\nprint('third')", "y = 2")
    run_document(document, keras_name=keras_name)
    assert capsys.readouterr().out == "third\nfirst 1\nsecond 2\n"
    assert notes() == [
        "line 2: put off, because later code makes x",
        "line 6: put off, because later code makes y",
    ]


def test_blocks_put_off_may_wait_for_one_another(post, capsys):
    run_document(post("print(b)", "b = a + 1", "a = 1"), keras_name=keras_name)
    assert capsys.readouterr().out == "2\n"


def test_an_excerpt_of_later_code_is_left_to_it(post, notes, capsys):
    document = post("print(x)\n'an output'\nprint(x + 1)", "x = 1\n'''text'''\nprint(x)\nprint(x + 1)")
    result = run_document(document, keras_name=keras_name)
    assert capsys.readouterr().out == "1\n2\n"
    assert [step.block.line for step in result.skipped] == [2]
    assert notes() == ["lines 2-4: an excerpt of the code at line 10, and run there"]


def test_an_excerpt_that_can_run_where_it_stands_does(post, capsys):
    run_document(post("x = 1", "print(x)", "x = 1\nprint(x)"), keras_name=keras_name)
    assert capsys.readouterr().out == "1\n1\n"


LOADED = """
class Model:
    compiled = None
    def compile(self, loss): self.compiled = loss
    def fit(self): return self.compiled
def model_from_json(text): return Model()
model = Model()
"""


@pytest.mark.parametrize(
    "blocks, fitted",
    [
        (["loss = ['mse']\nmodel.compile(loss)", "model = model_from_json('')", "model.fit()"], "['mse']\n"),
        (["model.compile('a')", "model = model_from_json('')", "model.compile('b')\nmodel.fit()"], "'b'\n"),
        (["model.compile('a')\nmodel.fit()"], "'a'\n"),
        (["model.compile('a')", "model = model_from_json('')\nmodel.fit()"], ""),
        (["model.compile('a')", "model = model_from_json('')", "model = Model()", "model.fit()"], ""),
        (["model = model_from_json('')", "model.fit()"], ""),
        (["other = model\nother.compile('a')", "model = model_from_json('')", "model.fit()"], ""),
    ],
)
def test_a_model_loaded_without_its_loss_gets_that_of_the_last_compile(post, capsys, blocks, fitted):
    assert run_document(post(LOADED, *blocks), keras_name=keras_name).exit_code == 0
    assert capsys.readouterr().out == fitted


def test_only_names_that_mean_something_of_keras_are_found(monkeypatch):
    from types import ModuleType

    keras, layers, optimizers = ModuleType("keras"), ModuleType("keras.layers"), ModuleType("keras.optimizers")

    class Thing:
        pass

    vars(keras).update(Model=Thing, layers=layers, config=ModuleType("keras.config"), data=1)
    vars(layers).update(Dense=Thing, add=lambda parts: parts, get=len, _hidden=len)
    vars(optimizers).update(adam=Thing, Adam=Thing)
    for module in (keras, layers, optimizers):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(running_blocks, "KERAS_PLACES", ("keras", "keras.absent", "keras.layers", "keras.optimizers"))
    names = "Model Dense Adam add layers config data get adam _hidden"
    assert [name for name in names.split() if find_keras_name(name)] == ["Model", "Dense", "Adam", "add", "layers"]
    assert find_keras_name("Dense") == "from keras.layers import Dense"


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source, needed, later, bound",
    [
        ("x += 1", "x", "", "x"),
        ("x: int = y", "y int", "", "x"),
        ("x: int", "int", "", ""),
        ("a, (b, *c) = d", "d", "", "a b c"),
        ("[x + y for x in z if x]", "y z", "", ""),
        ("{k: v for k, v in z}", "z", "", ""),
        ("if (n := f()): n", "f", "", "n"),
        ("[n := x for x in y]", "y", "", "n"),
        ("def f(a=b, *c: d, e=1, **g) -> h: return a + c + e + g + i", "b d h", "i", "f"),
        ("def f():\n    global n\n    n = 1", "", "", "f n"),
        ("def f():\n    x = 1\n    def g(): return x + y\n    return g", "", "y", "f"),
        ("@d\nclass C(B, metaclass=M):\n    x = y\n    def m(self): return x", "d B M y", "", "C"),
        ("f = lambda x: x + y", "", "y", "f"),
        ("import a.b, c as d\nfrom e import f as g", "", "", "a d g"),
        ("for i in x:\n    print(last)\n    last = i", "x print", "", "i last"),
        ("while go(x): x = 1", "go", "", "x"),
        ("with open(f) as (a, b): pass", "open f", "", "a b"),
        ("try:\n    unicode\nexcept NameError:\n    unicode = str", "NameError str", "unicode", "unicode"),
        ("try: f()\nexcept E as e: g(e)", "f E g", "", "e"),
        ("x = 1\ndel x\nx", "x", "", ""),
        ("del y", "y", "", ""),
        ("match p:\n    case {'a': q}: r = q", "p", "", "q r"),
        ("print(f'{x!r:>{w}}')", "print x w", "", ""),
    ],
)
def test_names_that_a_block_needs_and_binds(source, needed, later, bound):
    names = Names.of(source)
    assert set(names.needed) == set(needed.split())
    assert set(names.later) == set(later.split())
    assert names.bound == set(bound.split())


def test_names_that_are_deleted_are_missed_later(post):
    assert list(skipped(plan(post("x = 1", "del x", "x"), keras_name))) == [10]


# --- figures --------------------------------------------------------------------------------------


@pytest.fixture
def figures(tmp_path):
    pytest.importorskip("matplotlib")
    import matplotlib.pyplot as plt

    from keraunos.eras.figures import figures_to

    plt.close("all")
    taken = figures_to(tmp_path / "shown")
    yield taken
    taken.finish()
    plt.close("all")


def test_shown_figures_are_saved_and_closed(figures, post, tmp_path, notes):
    import matplotlib.pyplot as plt

    before = dict(vars(plt))
    document = post(
        "plt.plot([1, 2])\nplt.show()\nplt.figure().add_subplot()\nplt.show(block=True)",
        "fig, ax = plt.subplots()",
        "fig = plt.figure()\nplt.plot([1])\nfig.show()\nplt.figure()",
    )
    assert run_document(document, after_block=figures.save_open).exit_code == 0
    figures.finish()
    assert [file.name for file in figures.saved] == [f"figure-{number:02}.png" for number in (1, 2, 3, 4)]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in figures.saved)
    assert plt.get_fignums() == []
    assert notes()[-1] == f"4 figures were saved in {tmp_path / 'shown'}/"
    assert vars(plt)["show"] is not before["show"]


def test_a_script_cannot_choose_a_backend_with_windows(figures):
    import matplotlib
    import matplotlib.pyplot as plt

    matplotlib.use("TkAgg")
    plt.switch_backend("TkAgg")
    assert plt.get_backend().lower() == "agg"


def test_figures_give_matplotlib_its_functions_back(tmp_path):
    pytest.importorskip("matplotlib")
    import os

    import matplotlib
    import matplotlib.pyplot as plt
    from matplotlib.figure import Figure

    from keraunos.eras.figures import figures_to

    before = plt.show, plt.switch_backend, Figure.show, matplotlib.use, os.environ.get("MPLBACKEND")
    taken = figures_to(tmp_path / "none")
    assert plt.show is not before[0]
    taken.finish()
    assert (plt.show, plt.switch_backend, Figure.show, matplotlib.use, os.environ.get("MPLBACKEND")) == before
    assert not (tmp_path / "none").exists()

"""The command line: what its commands print, and what they refuse."""

import subprocess
import sys

import pytest

import keraunos
from keraunos import cli, demo
from keraunos.backend import current_engine


def test_info_prints_versions_engine_device_and_folders(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("KERAUNOS_HOME", str(tmp_path))
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "a.npz").write_bytes(bytes(1_500_000))
    assert cli.main(["info"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line.split()[0] != "data")
    assert lines["engine"] == "jax"
    assert lines["python"].startswith(f"{sys.version_info[0]}.{sys.version_info[1]}.")
    assert {"keraunos", "jax", "numpy", "device", "system"} <= set(lines)
    assert lines["home"] == f"{tmp_path} (from KERAUNOS_HOME)"
    assert dict(cli.info())["data sets"] == f"{tmp_path / 'datasets'} (1.5 MB)"


def test_a_folder_that_is_not_there_yet_is_said_to_be_so(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAUNOS_HOME", str(tmp_path / "new"))
    assert dict(cli.info())["data sets"] == f"{tmp_path / 'new' / 'datasets'} (not there yet)"


def test_a_library_that_is_not_there_is_said_to_be_not_installed():
    assert cli._version("no-such-library-here") == "not installed"


def test_the_module_is_the_command_line():
    result = subprocess.run([sys.executable, "-m", "keraunos", "--help"], capture_output=True, text=True, check=True)
    assert "demo" in result.stdout
    assert "info" in result.stdout


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == 2
    return capsys.readouterr().err


def test_an_unknown_command_is_refused_with_the_known_ones_and_the_one_that_was_meant(capsys):
    said = refused(capsys, "dmeo")
    assert "there is no command 'dmeo'. Did you mean 'demo'? The commands are 'demo', 'run', 'info'." in said
    assert "Did you mean" not in refused(capsys, "zzz")


@pytest.mark.parametrize("name", ["script.py", "folder/notebook.ipynb", "post.txt", "post.md"])
def test_a_program_in_place_of_a_command_is_told_how_it_is_run(capsys, name):
    assert f"keraunos run {name}" in refused(capsys, name)


def test_every_command_that_is_named_is_there_and_no_other():
    with_help = next(action for action in cli._parser()._actions if action.dest == "command")
    assert set(cli._COMMANDS) == set(with_help.choices)


def test_without_a_command_the_help_is_shown(capsys):
    assert cli.main([]) == 0
    assert "COMMAND" in capsys.readouterr().out


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"keraunos {keraunos.__version__}\n"


def test_info_names_the_options_that_programs_are_compiled_without(monkeypatch):
    assert "compiled" not in dict(cli.info()) or "emitters" in dict(cli.info())["compiled"]
    monkeypatch.setattr(current_engine(), "options_left_out", lambda: ["xla_cpu_one", "xla_cpu_two"])
    assert dict(cli.info())["compiled"].startswith("without xla_cpu_one, xla_cpu_two, which")


def test_the_demo_refuses_a_file_in_place_of_a_folder(capsys, tmp_path):
    (tmp_path / "taken").write_text("")
    assert cli.main(["demo", "--out", str(tmp_path / "taken")]) == 1
    assert "is a file, not a folder. Give another name: --out FOLDER." in capsys.readouterr().err


def test_the_demo_says_that_a_folder_cannot_be_made(capsys, tmp_path):
    (tmp_path / "taken").write_text("")
    assert cli.main(["demo", "--out", str(tmp_path / "taken" / "below")]) == 1
    assert "cannot be made (Not a directory). Give another one: --out FOLDER." in capsys.readouterr().err


def test_an_interrupted_command_ends_without_a_traceback(capsys, monkeypatch, tmp_path):
    def interrupted(folder):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "run", interrupted)
    assert cli.main(["demo", "--out", str(tmp_path)]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_without_matplotlib_the_demo_says_so_and_draws_what_it_can(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(demo, "_installed", lambda module: False)
    studio = demo._Studio(tmp_path)

    def draw(path):
        path.write_text("<svg/>")

    studio.picture("history.png", draw)
    studio.picture("graph.svg", draw)
    assert studio.movie("training", None, None, every=1) == []
    studio.close()
    assert [path.name for path in tmp_path.iterdir()] == ["graph.svg"]
    printed = capsys.readouterr().out
    assert (
        'fewer pictures, because matplotlib and pillow are not installed. Run: pip install "keraunos[plots]"' in printed
    )
    assert str(tmp_path) in printed

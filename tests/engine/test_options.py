"""Options of the compiler that a release does not know are left out, and no program fails for them."""

import jax
import numpy as np
import pytest

from keraunos.backend.jax import JaxEngine, options, programs

GONE = {"xla_of_another_release": True}
ODD = {"xla_cpu_enable_fast_min_max": "no truth value"}


@pytest.fixture(autouse=True)
def nothing_learned(monkeypatch):
    monkeypatch.setattr(options, "_unknown", set())


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """A folder for programs of its own, to which JAX writes nothing."""
    return tmp_path


def lowered(factor):
    return jax.jit(lambda x: x * factor).lower(jax.ShapeDtypeStruct((3,), "float32"))


@pytest.mark.parametrize("foreign", [GONE, ODD, GONE | ODD])
def test_a_program_is_compiled_without_what_this_release_refuses(foreign, folder):
    program = programs.compiled(lowered(2), {**foreign, "xla_cpu_enable_fast_math": False}, folder)
    np.testing.assert_array_equal(program(np.arange(3, dtype="float32")), [0, 2, 4])
    assert options.known({**foreign, "xla_cpu_enable_fast_math": False}) == {"xla_cpu_enable_fast_math": False}


def test_what_was_learned_is_remembered_on_disk_for_the_next_process(folder, monkeypatch):
    monkeypatch.setattr(options, "_FOR_CPU", GONE)
    programs.compiled(lowered(3), GONE, folder)
    monkeypatch.setattr(options, "_unknown", set())
    options.recall(folder)
    assert options.known(GONE) == {}


@pytest.mark.parametrize("text", [b"", b"xla_that_nobody_asks_for", bytes(range(256))])
def test_a_damaged_note_of_it_does_no_harm(folder, text):
    (folder / options._REMEMBERED).write_bytes(text)
    options.recall(folder)
    assert options._unknown == set()


def test_a_release_that_knows_all_options_is_not_asked(folder, monkeypatch):
    monkeypatch.setattr(options, "learn", None)
    programs.compiled(lowered(4), {"xla_cpu_enable_fast_math": False}, folder)


def test_an_error_that_is_not_about_options_stays_what_it_is(folder):
    class Broken:
        def compile(self, compiler_options):
            raise MemoryError("out of memory")

    with pytest.raises(MemoryError, match="out of memory"):
        programs.compiled(Broken(), {"xla_cpu_enable_fast_math": False}, folder)
    assert options._unknown == set()


def test_the_options_of_this_release_are_found_by_trying_them(monkeypatch):
    monkeypatch.setattr(options, "_FOR_CPU", GONE)
    monkeypatch.setattr(options, "_COMPILE_SOON", {})
    assert JaxEngine.options_left_out() == list(GONE)


def test_a_network_trains_where_none_of_the_options_is_known(monkeypatch):
    from keraunos import Sequential, layers

    monkeypatch.setattr(options, "_FOR_CPU", GONE)
    monkeypatch.setattr(options, "_COMPILE_SOON", {"xla_also_gone": 1})
    model = Sequential([layers.Dense(2)])
    model.compile("sgd", "mse")
    x, y = np.ones((5, 3), "float32"), np.zeros((5, 2), "float32")
    losses = model.fit(x, y, epochs=2, verbose=0).history["loss"]
    assert losses[1] < losses[0]


def test_what_is_remembered_holds_names_only(folder):
    options.learn(GONE, folder)
    assert (folder / options._REMEMBERED).read_text().split() == list(GONE)

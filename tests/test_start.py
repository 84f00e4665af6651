"""What a process pays at its start and at its end, and what it must not lose by it."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from keraunos.backend import K

LOAD = "from keraunos.backend import current_engine; current_engine()\n"


def run(script):
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    ).stdout


@pytest.mark.parametrize("switch", ["enable", "disable"])
def test_loading_the_engine_leaves_garbage_collection_switched_as_it_was(switch):
    assert run(f"import gc; gc.{switch}()\n{LOAD}print(gc.isenabled())").strip() == str(switch == "enable")


def test_the_objects_of_jax_are_taken_out_of_collection():
    assert int(run(f"import gc\n{LOAD}print(gc.get_freeze_count())")) > 10_000


def test_a_file_that_only_collection_would_close_is_written_to_its_end(tmp_path):
    path = tmp_path / "log.txt"
    script = f"""
class Log:
    def __init__(self):
        self.file, self.itself = open({str(path)!r}, "w"), self
log = Log()
log.file.write("the last line")
{LOAD}"""
    run(script)
    assert path.read_text() == "the last line"


def test_taking_numpy_arrays_over_compiles_nothing():
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(lambda name, *_, **__: compiled.append(name))
    try:
        for shape in ((7, 3), (11,), ()):
            K.array(np.ones(shape))
            K.zeros((*shape, 13))
        assert [name for name in compiled if "compile" in name] == []
        jnp.ones((7, 3, 17)) * 2
        assert [name for name in compiled if "compile" in name] != []
    finally:
        jax.monitoring.clear_event_listeners()


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint8", "int32", "uint32", "int64", "float16", "float32", "bfloat16"]
)
@pytest.mark.parametrize("wanted", [None, "int32", "float32"])
def test_an_array_becomes_the_tensor_that_jax_makes_of_it(dtype, wanted):
    x = np.asarray(jnp.asarray([[3, 0, 1], [250 % 127, 7, 2]], dtype)) if dtype == "bfloat16" else None
    x = np.array([[3, 0, 1], [123, 7, 2]], dtype) if x is None else x
    for value in (x, x.T, x[:, ::2], x[0, 0], x[:0]):
        expected, tensor = jnp.asarray(value, wanted), K.array(value, wanted)
        assert (tensor.shape, tensor.dtype, tensor.weak_type) == (expected.shape, expected.dtype, expected.weak_type)
        np.testing.assert_array_equal(np.asarray(tensor, "float64"), np.asarray(expected, "float64"))


def test_a_tensor_does_not_change_with_the_array_that_it_was_made_of():
    x = np.ones(64, "float32")
    tensor = K.array(x)
    x[:] = 5
    assert K.to_numpy(tensor).tolist() == [1.0] * 64


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "bool", "bfloat16"])
def test_rows_are_filled_up_with_zeros(dtype):
    x = np.asarray(jnp.arange(1, 13).reshape(4, 3).astype(dtype)) if dtype == "bfloat16" else np.ones((4, 3), dtype)
    for count in (4, 7):
        tensor = K.rows(x, count)
        assert tensor.shape == (count, 3)
        assert tensor.dtype == K.array(x).dtype
        np.testing.assert_array_equal(np.asarray(tensor, "float32")[:4], x.astype("float32"))
        assert not np.asarray(tensor, "float32")[4:].any()

"""Whole runs of ``fit`` against those that real Keras 3.15.1 recorded: history, weights, evaluation, prediction."""

import pytest
from recorded import arrays, document, repeat

CASES = document("k3", "training").get("cases", [])


@pytest.mark.skipif(not CASES, reason="the folder ../shared is not here")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_a_recorded_run_is_repeated(case):
    repeat(case, arrays("k3", "training"), {"rtol": 2e-4, "atol": 2e-5})

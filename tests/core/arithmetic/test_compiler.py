from __future__ import annotations

import subprocess
import sys

import pytest

LOADED = "import sys; print('scipy.linalg' in sys.modules)"
SQUARED = """
import numba, numpy as np
from numba.np import linalg, arraymath

@numba.njit
def inverse(matrix):
    return np.dot(matrix, np.linalg.inv(matrix))

assert np.allclose(inverse(np.array([[1.0, 2.0], [3.0, 4.0]])), np.eye(2))
assert linalg.ensure_blas.__name__ == "ensure_blas"
"""


@pytest.mark.parametrize(
    ("then", "told"),
    [("from core.lab.skip import uneventful_bars", "False"), (SQUARED, "True")],
    ids=["the kernels of the lab", "a function that multiplies matrices"],
)
def test_linear_algebra_is_loaded_for_who_calls_it_alone(then: str, told: str) -> None:
    ready = "from core.arithmetic.compiler import ready_compiler; ready_compiler()"
    done = subprocess.run([sys.executable, "-c", f"{ready}\n{then}\n{LOADED}"], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, told), done.stderr

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from numba.core.errors import NumbaError

from core.arithmetic.compiler import kept

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
SUMMED = """
import numba, numpy as np

@numba.njit
def total(values):
    return values.sum()

assert total(np.ones(3)) == 3.0
"""


def run(text: str, where: Path) -> str:
    root = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-c", text],
        cwd=where,
        env={**os.environ, "PYTHONPATH": root, "NUMBA_CACHE_DIR": str(where / "kept")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("then", "told"),
    [("from core.lab.skip import uneventful_bars", "False"), (SUMMED, "False"), (SQUARED, "True")],
    ids=["the kernels of the lab", "a function that is compiled", "a function that multiplies matrices"],
)
def test_linear_algebra_is_loaded_for_who_calls_it_alone(then: str, told: str, tmp_path: Path) -> None:
    ready = "from core.arithmetic.compiler import ready_compiler; ready_compiler()"
    assert run(f"{ready}\n{then}\n{LOADED}", tmp_path) == told


MODULE = """
from core.arithmetic.compiler import kept

@kept(nogil=True)
def shares(values, of, told):
    most = 0.0
    for i in range(len(values)):
        told[i] = values[i] / of
        most = max(most, told[i])
    return most
"""
CALLED = """
import sys
import numpy as np
from shares import shares
told = np.zeros(3)
most = shares(np.array([1.0, 3.0, 2.0]), 4.0, told)
assert told.tolist() == [0.25, 0.75, 0.5]
try:
    shares(told, 0.0, told)
except ZeroDivisionError:
    print(most, "numba.np.arrayobj" in sys.modules, "coverage" in sys.modules)
"""


def test_what_is_kept_gives_the_same_when_it_is_loaded_and_needs_no_definitions_of_numba(tmp_path: Path) -> None:
    (tmp_path / "shares.py").write_text(MODULE)
    assert run(CALLED, tmp_path) == "0.75 True False", "compiled"
    assert run(CALLED, tmp_path) == "0.75 False False", "loaded"


def test_what_is_kept_follows_its_source(tmp_path: Path) -> None:
    (tmp_path / "shares.py").write_text(MODULE)
    run(CALLED, tmp_path)
    (tmp_path / "shares.py").write_text(MODULE.replace("return most", "return 2.0 * most"))
    assert run(CALLED, tmp_path) == "1.5 True False"


def test_what_is_kept_is_called_by_python_alone_and_makes_no_arrays() -> None:
    @kept()
    def doubled(value: float) -> float:
        return 2.0 * value

    @kept()
    def made(count: int) -> float:
        return float(np.zeros(count).sum())

    @numba.njit
    def compiled(value: float) -> float:
        return doubled(value)

    assert doubled(2.0) == 4.0
    with pytest.raises((TypeError, NumbaError), match="called by Python alone"):
        compiled(2.0)
    with pytest.raises(NumbaError):
        made(3)

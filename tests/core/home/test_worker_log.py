"""Nothing that is written in a home goes where a link leads, and no pipe there is waited for."""

from __future__ import annotations

import ast
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.domain.errors import RefusedError
from core.home.worker_log import check_worker_log

ROOT = Path(__file__).parents[3]

ELSEWHERE = {
    "core/home/logbook.py:_open": "what open_own has opened",
    "core/home/worker_log.py:write_output_to": "the null device",
    "core/lab/report/export.py:_write": "in a folder that the operator named",
    "core/strategy/skeleton/__init__.py:write_skeleton": "in a folder that was made a moment ago",
    "core/learning/versions.py:_write": "in a folder that was made a moment ago",
    "storage/database.py:backup": "a file that is made there and then",
    "storage/column_cache.py:_write": "a file that was made there and then",
}
_FLAGS = ("O_WRONLY", "O_RDWR", "O_CREAT")


def _link(path: Path) -> None:
    path.symlink_to(path.with_name("elsewhere"))


@pytest.mark.parametrize("make", [_link, os.mkfifo, Path.mkdir])
def test_a_log_of_workers_that_is_no_plain_file_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "workers.log")
    with pytest.raises(RefusedError, match=r"workers\.log: cannot be written: ") as caught:
        check_worker_log(tmp_path / "workers.log")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "elsewhere").exists()


def test_the_log_of_workers_is_for_its_owner_alone(tmp_path: Path) -> None:
    check_worker_log(tmp_path / "workers.log")
    assert stat.S_IMODE((tmp_path / "workers.log").stat().st_mode) == 0o600


def _writes(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name in ("write_text", "write_bytes"):
        return True
    if name != "open":
        return False
    if any(isinstance(each, ast.Call) and getattr(each.func, "id", "") == "open_own" for each in call.args):
        return False
    flags = {each.attr for argument in call.args for each in ast.walk(argument) if isinstance(each, ast.Attribute)}
    modes = {each.value for argument in call.args for each in ast.walk(argument) if isinstance(each, ast.Constant)}
    return bool(flags.intersection(_FLAGS)) or any(isinstance(mode, str) and set(mode) & set("wax+") for mode in modes)


def _writers() -> Iterator[str]:
    for room in ("core", "storage"):
        for path in sorted((ROOT / room).rglob("*.py")):
            for function in ast.walk(ast.parse(path.read_text())):
                if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                    calls = (each for each in ast.walk(function) if isinstance(each, ast.Call))
                    if any(map(_writes, calls)):
                        yield f"{path.relative_to(ROOT)}:{function.name}"


def test_whatever_is_opened_for_writing_is_opened_in_the_one_way() -> None:
    assert set(_writers()) == set(ELSEWHERE)

"""The beginning of a strategy of one's own: a distribution with a rule that trades, its settings and its tests."""

from __future__ import annotations

import importlib.util
import keyword
import os
import re
import tempfile
from pathlib import Path

from core.domain.errors import BadInputError, RefusedError
from core.settings.strategies import strategy_names

_NAME = re.compile(r"[a-z][a-z0-9_]{1,29}")
_PLACEHOLDER = "own_strategy"
_TEMPLATES = {
    "pyproject.txt": "pyproject.toml",
    "readme.txt": "README.md",
    "rule.txt": "{name}/rule.py",
    "declaration.txt": "{name}/declaration.py",
    "tests.txt": "test_{name}.py",
}


def skeleton(name: str) -> dict[str, str]:
    """The files of the distribution by their paths in it. Raises BadInputError for a name that cannot be one's own."""
    _check_name(name)
    here = Path(__file__).parent
    files = {
        path.format(name=name): (here / template).read_text().replace(_PLACEHOLDER, name)
        for template, path in _TEMPLATES.items()
    }
    return {**files, f"{name}/__init__.py": ""}


def write_skeleton(name: str, into: Path) -> Path:
    """Make the folder `name`, with dashes for underscores, in `into`: whole or not at all. Its path.

    Raises BadInputError as `skeleton` does, RefusedError where the folder is there or cannot be made.
    """
    files, target = skeleton(name), into / name.replace("_", "-")
    if os.path.lexists(target):
        raise RefusedError(f"{target}: is there already, and nothing was changed; choose another name, or --into")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=into) as made:
            for path, text in files.items():
                file = Path(made, target.name, path)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
            Path(made, target.name).rename(target)
    except OSError as error:
        raise RefusedError(f"{target}: cannot be made: {error.strerror}; name another folder with --into") from error
    return target


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise BadInputError(
            f"{name!r}: is no name for a strategy, which is a Python package, too; use 2 to 30 small letters, digits "
            "and _, a letter first"
        )
    if name in strategy_names():
        raise BadInputError(f"{name}: is the name of a strategy that is there already; choose another")
    if importlib.util.find_spec(name) is not None:
        raise BadInputError(f"{name}: is the name of a package that is installed; choose another, as my_{name}")

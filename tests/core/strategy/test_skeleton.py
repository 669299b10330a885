"""The beginning of a strategy of one's own: which names it may have, and that it is made whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import tomli

from core.domain.errors import BadInputError, RefusedError
from core.strategy.skeleton import skeleton, write_skeleton


def test_every_file_is_of_the_name() -> None:
    files = skeleton("night_owl")
    assert set(files) == {
        "README.md",
        "night_owl/__init__.py",
        "night_owl/declaration.py",
        "night_owl/rule.py",
        "pyproject.toml",
        "test_night_owl.py",
    }
    assert not any("own_strategy" in text for text in files.values())
    project = tomli.loads(files["pyproject.toml"])["project"]
    assert project["entry-points"]["quarterdeck.strategies"] == {"night_owl": "night_owl.declaration:build"}
    for path, text in files.items():
        if path.endswith(".py"):
            compile(text, path, "exec")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Scalper", "is no name for a strategy"),
        ("a", "is no name for a strategy"),
        ("night-owl", "is no name for a strategy"),
        ("../up", "is no name for a strategy"),
        ("1st", "is no name for a strategy"),
        ("class", "is no name for a strategy"),
        ("x" * 31, "is no name for a strategy"),
        ("scalper", "a strategy that is there already"),
        ("numpy", "a package that is installed; choose another, as my_numpy"),
        ("core", "a package that is installed"),
    ],
)
def test_a_name_that_cannot_be_ones_own_is_refused(name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=said):
        write_skeleton(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_it_is_made_whole_and_never_over_another(tmp_path: Path) -> None:
    made = write_skeleton("night_owl", tmp_path)
    assert made == tmp_path / "night-owl"
    assert {str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()} == set(skeleton("night_owl"))
    (made / "night_owl" / "rule.py").write_text("mine")
    with pytest.raises(RefusedError, match="is there already, and nothing was changed"):
        write_skeleton("night_owl", tmp_path)
    assert (made / "night_owl" / "rule.py").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["night-owl"]


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "night-owl").symlink_to(tmp_path / "nowhere")
    with pytest.raises(RefusedError, match="is there already"):
        write_skeleton("night_owl", tmp_path)


def test_where_it_cannot_be_made_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_self: Path, _target: Path) -> Path:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(RefusedError, match="cannot be made: No space left on device; name another folder with --into"):
        write_skeleton("night_owl", tmp_path)
    assert not list(tmp_path.iterdir())

"""settings.toml is the reference of all keys: it must say the defaults, all of them, each with a comment."""

import re
from pathlib import Path

import pytest
import tomli
from pydantic import BaseModel

from core.settings import Settings, load_settings

PATH = Path(__file__).parents[1] / "settings.toml"
COMMENTED = re.compile(r"^(?P<key>\w+) = .+  # \S")


def keys(model: type[BaseModel], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found |= keys(inner, f"{prefix}{name}.")
        else:
            found.add(prefix + name)
    return found


def test_it_says_the_defaults() -> None:
    assert load_settings(PATH) == Settings()


def test_it_says_every_key() -> None:
    data = tomli.loads(PATH.read_text())
    said = {
        f"{section}.{key}" if isinstance(value, dict) and value else section
        for section, value in data.items()
        for key in (value if isinstance(value, dict) and value else [section])
    }
    assert said == keys(Settings)


@pytest.mark.parametrize("line", [line for line in PATH.read_text().splitlines() if " = " in line.partition("#")[0]])
def test_every_key_has_its_comment_on_one_line(line: str) -> None:
    assert COMMENTED.match(line)
    assert len(line) <= 120

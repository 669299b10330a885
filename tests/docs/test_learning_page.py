"""docs/learning.md against the code: its settings have their values, and its example tells what the page says."""

from __future__ import annotations

import json
import re
from typing import get_args

import msgspec
from msgspec.structs import fields

from core.domain.market import MINUTE_MS
from core.learning.lifecycle.promotion import Policy
from core.learning.lifecycle.triggers import SEED_A, Schedule, Trigger
from tests.docs.pages import ROOT, run, text_of

PAGE = text_of("learning.md")


def rows(head: str) -> list[list[str]]:
    """The cells of the table below a head, without their backquotes."""
    table = PAGE.partition(head)[2].partition("\n\n")[0]
    found = [[cell.strip().strip("`") for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    return [row for row in found if row and set(row[0]) != {"-"}]


def tag(kind: type[msgspec.Struct]) -> str:
    return str(kind.__struct_config__.tag)


def test_every_policy_stands_on_the_page_with_its_values() -> None:
    told: dict[str, dict[str, object]] = {}
    for policy, key, value in rows("| policy | setting | value |"):
        name = policy or name  # noqa: F821 -- a name stands in its first row alone
        told.setdefault(name, {}).update({key: json.loads(value)} if key else {})
    assert told == {tag(kind): {field.name: field.default for field in fields(kind)} for kind in get_args(Policy)}


def test_every_trigger_stands_on_the_page_with_its_values() -> None:
    told = {
        name: (value, cool_down)
        for name, _, value, cool_down in rows("| trigger | due when | value | cool-down, minutes |")
    }
    assert set(told) == {tag(kind) for kind in get_args(Trigger)}
    (hourly,) = (trigger for trigger in SEED_A if isinstance(trigger, Schedule))
    minutes = [every_ms // MINUTE_MS for every_ms in (Schedule().every_ms, hourly.every_ms)]
    assert told.pop("schedule") == (f"{minutes[0]}; {minutes[1]} in `SEED_A", "")
    for kind in get_args(Trigger):
        defaults = {field.name: field.default for field in fields(kind)}
        figure = [str(value) for key, value in defaults.items() if key.endswith(("_above", "_below"))]
        if tag(kind) in told:
            assert told[tag(kind)] == ("".join(figure), str(int(defaults["cool_down_ms"]) // MINUTE_MS))


def test_the_example_tells_what_the_page_says() -> None:
    ((code, told),) = re.findall(r"```python\n(.*?)```\n\n((?:    [^\n]*\n)+)", PAGE, re.DOTALL)
    found = run(ROOT, "-c", code)
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines() == [line.strip() for line in told.splitlines()]


def test_every_file_that_is_named_is_there() -> None:
    named = set(re.findall(r"`(\w+\.py)`", PAGE))
    assert len(named) > 3
    assert {name for name in named if not (ROOT / "core" / "learning" / "lifecycle" / name).exists()} == set()

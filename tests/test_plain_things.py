"""Licence, notice of risk, and that each step of the pages is a command that is found and has its options."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
import tomli

from tui.cli import cli
from tui.console.arming import RISK

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
ACTIVATED = "source .venv/bin/activate"
SHELL_WORDS = {"cd", "source", "git", "make", "python3.11", "python", "pytest"}


def steps(page: Path) -> list[str]:
    """Indented lines that begin with a command, and those of shell blocks, without their comments."""
    text = page.read_text()
    found = [
        line
        for block in re.findall(r"^```(?:sh|bash|console)\n(.*?)^```", text, re.M | re.S)
        for line in block.splitlines()
    ]
    found += re.findall(
        r"^    ((?:\S*quarterdeck|make|git|pip|python\S*) .*)$",
        re.sub(r"^```.*?^```", "", text, flags=re.M | re.S),
        re.M,
    )
    return [line.partition("  #")[0].strip() for line in found]


COMMANDS = [(page.name, step, part) for page in PAGES for step in steps(page) for part in re.split(r" && | \| ", step)]


def test_the_pages_have_steps() -> None:
    assert {"README.md", "operating.md"} <= {page for page, *_ in COMMANDS}
    assert len(COMMANDS) > 15


@pytest.mark.parametrize(("page", "step", "part"), COMMANDS)
def test_each_step_is_found(page: str, step: str, part: str) -> None:
    words = shlex.split(part)
    name = words[0].removeprefix("ExecStart=/opt/quarterdeck/")
    if name in (".venv/bin/quarterdeck", "quarterdeck"):
        # In the README, which is read before anything is on the path, the command is where `make run` puts it.
        assert name.startswith(".venv/") or page != "README.md", step
        check_verb(words[1:])
    elif name == "make":
        targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
        assert {word for word in words[1:] if re.fullmatch("[a-z]+", word)} <= targets
    else:
        assert name in SHELL_WORDS, step


def check_verb(words: list[str]) -> None:
    command: click.Command = cli
    for at, word in enumerate(words):
        if not isinstance(command, click.Group) or word.startswith("-"):
            break
        found = command.get_command(click.Context(command), word)
        assert found is not None, f"no verb {word}"
        command, words = found, [*words[:at], "", *words[at + 1 :]]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    given = {word.partition("=")[0] for word in words if word.startswith("-")}
    assert given <= known | {"--help"}, f"{given - known} of {command.name}"


def test_how_the_command_comes_to_be_on_the_path_is_said() -> None:
    assert f"`{ACTIVATED}`" in (ROOT / "README.md").read_text()


def test_the_licence_is_the_one_that_is_declared() -> None:
    project = tomli.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (project["license"], project["license-files"]) == ("MIT", ["LICENSE"])
    assert (ROOT / "LICENSE").read_text().startswith("MIT License\n")


def test_the_risk_is_told_where_one_begins() -> None:
    assert RISK in " ".join((ROOT / "README.md").read_text().split())


def test_every_recorded_source_has_its_licence_told() -> None:
    page = (ROOT / "data" / "SOURCES.md").read_text()
    table, _, licences = page.partition("## Licences")
    sources = set(re.findall(r"[\w-]+/[\w-]+(?= \()", table))
    assert len(sources) == 6
    assert {source for source in sources if source not in licences} == set()

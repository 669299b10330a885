"""The console and the command line tell of an act on the engine what the registry says, and of no act beside it."""

from __future__ import annotations

import ast
from pathlib import Path

import click
import pytest

from core.control.operations import OPERATIONS, Kind, Operation
from tui import cli as cli_package
from tui.cli import cli
from tui.console.keys import ACT_KEYS, ACTIONS, URGENT, Action, footer_actions

ROOT = Path(cli_package.__file__).parents[2]
TUI = ROOT / "tui"
KEYS = {action.operation: action for action in ACTIONS if action.operation}
NOT_ACTS = {"risk.py", "trade.py"}
"""Where the operator's own standstill is named as a limit, and the close of a candle."""

every_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)


def modules() -> list[tuple[str, ast.Module]]:
    """Wherever in the house they stand, by their file's name."""
    return [(path.name, ast.parse(path.read_text(encoding="utf-8"))) for path in TUI.rglob("*.py")]


@every_operation
def test_an_act_has_a_verb_with_its_words_and_arguments(operation: Operation) -> None:
    verb = cli.commands[operation.id]
    assert verb.help is not None
    assert verb.help.startswith(operation.words.order)
    assert verb.help.endswith("Asks first.") is operation.danger.asks
    given = {parameter.name: parameter for parameter in verb.params}
    asks = {"yes"} if operation.danger.asks else set()
    takes = set() if operation.reduces else {"take_over"}
    assert set(given) == {argument.name for argument in operation.arguments} | asks | takes | {"home", "as_json"}
    for argument in operation.arguments:
        parameter = given[argument.name]
        told = verb.help if isinstance(parameter, click.Argument) else getattr(parameter, "help", "")
        assert argument.words in told
        assert isinstance(parameter, click.Argument) is argument.kind.is_named


@pytest.mark.parametrize("action", KEYS.values(), ids=KEYS)
def test_the_key_of_an_act_tells_its_words_in_help_and_footer(action: Action) -> None:
    words = OPERATIONS[action.operation].words
    assert action.label == words.label
    assert words.does in action.help
    assert words.goes_on in action.help
    assert (action in footer_actions(120)) is bool(action.footer)


def test_keys_reach_what_is_registered_and_nothing_beside_it() -> None:
    priced = {act for act, operation in OPERATIONS.items() if Kind.PRICE in [a.kind for a in operation.arguments]}
    assert set(KEYS) == set(ACT_KEYS) == set(OPERATIONS) - priced
    assert [a.id for a in ACTIONS if a.name == "operate"] == [f"operate('{name}')" for name in ACT_KEYS]
    assert set(URGENT.values()) <= set(KEYS)


def test_no_other_module_of_the_terminal_names_an_act() -> None:
    """What depends on which act it is would be a meaning of the face's own."""
    named = {
        (name, node.value)
        for name, module in modules()
        for node in ast.walk(module)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in OPERATIONS
    }
    assert {name for name, _ in named} - NOT_ACTS == {"keys.py"}


def test_the_readme_has_the_key_and_the_verb_of_every_act() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in readme.splitlines() if line.startswith("| `")]
    for name, action in KEYS.items():
        shown = " ".join(f"`{key}`" for key in action.shown.split())
        (row,) = [row for row in rows if row[0] == shown]
        assert row[1].startswith(name)
    verbs = " ".join(row[0] for row in rows)
    for operation in OPERATIONS.values():
        symbols = [a for a in operation.arguments if a.kind.is_named]
        given = "".join(f" {a.name.upper()}" if a.needed else f" [{a.name.upper()}]" for a in symbols)
        assert f"`{operation.id}{given}`" in verbs


def test_what_the_terminal_asks_of_an_engine_goes_through_two_doors_by_the_id_of_an_operation() -> None:
    """The console's and the command line's. An act beside the registry would need another, or another id."""
    asked, wire, imported = [], [], set()
    for name, module in modules():
        for node in ast.walk(module):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Request":
                asked.append((name, ast.unparse(node.args[0])))
            elif isinstance(node, ast.Constant) and node.value == "command":
                wire.append(name)
            elif isinstance(node, ast.Attribute) and ast.unparse(node) in ("self.control.send", "seat.send"):
                asked.append((name, "send"))
            elif isinstance(node, ast.alias):
                imported.add(node.name)
    assert sorted(asked) == [("writing.py", "operation.id"), ("writing.py", "send")]
    assert wire == ["steering.py"]
    assert not imported & {"Verb", "OperatorCommand"}

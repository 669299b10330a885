"""The registry of acts: each is whole, and says why it cannot be done."""

from __future__ import annotations

from dataclasses import astuple

import pytest
from msgspec.structs import replace

from core.control.operations import OPERATIONS, Danger, Kind, Operation
from core.domain.operator import Verb
from tests.tui.fake_control import live_snapshot, snapshot

every_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)


def test_whatever_an_engine_can_be_asked_for_is_registered() -> None:
    assert set(Verb) <= set(OPERATIONS)


@every_operation
def test_an_act_has_words_a_danger_and_arguments_with_words(operation: Operation) -> None:
    words = operation.words
    assert words.label
    assert words.does
    assert words.order
    assert not words.order.endswith(".")
    assert operation.danger in Danger
    assert len({argument.name for argument in operation.arguments}) == len(operation.arguments)
    assert all(argument.words and argument.kind in Kind for argument in operation.arguments)


def test_an_argument_means_the_same_with_every_act_and_is_no_word_of_the_wire() -> None:
    arguments = [argument for operation in OPERATIONS.values() for argument in operation.arguments]
    kinds = {argument.name: argument.kind for argument in arguments}
    assert all(kinds[argument.name] is argument.kind for argument in arguments)
    assert not kinds.keys() & {"verb", "operator"}


@every_operation
def test_what_asks_first_has_facts_and_a_question_and_what_does_not_has_none(operation: Operation) -> None:
    assert (operation.facts is not None) is operation.danger.asks
    assert (operation.question is not None) is operation.danger.asks
    assert bool(operation.words.slip) is (operation.danger is Danger.LOW)
    if operation.facts is not None and operation.question is not None:
        facts = operation.facts(snapshot())
        assert "DEMO" in facts.title
        assert facts.holdings or facts.lines
        assert operation.question({})
        assert not operation.question({}).endswith("?")


@every_operation
def test_a_choice_in_the_facts_is_a_flag_of_the_act(operation: Operation) -> None:
    if operation.facts is not None and (choice := operation.facts(live_snapshot()).choice) is not None:
        assert Kind.FLAG in [a.kind for a in operation.arguments if a.name == choice.argument]


@every_operation
def test_nothing_can_be_done_without_an_engine_or_after_its_end(operation: Operation) -> None:
    way_out = f"; {operation.words.without}" if operation.words.without else ""
    assert operation.reason_against(None) == f"{operation.id}: no engine is attached yet{way_out}"
    assert operation.reason_against(snapshot(state="ended")) == f"{operation.id}: the engine has ended{way_out}"
    assert operation.reason_against(snapshot(state="failed")) == f"{operation.id}: the engine has failed{way_out}"
    assert not operation.possible(None)


def test_what_may_make_risk_larger_is_never_taken_for_something_that_reduces() -> None:
    assert [operation.id for operation in OPERATIONS.values() if not operation.reduces] == [
        "resume",
        "unlock",
        "move-stop",
    ]


@every_operation
def test_no_act_claims_more_of_orders_than_it_does(operation: Operation) -> None:
    """None but entries are ever cancelled by a standstill, and exits are orders, too."""
    said = astuple(operation.words)
    assert not [text for text in said if "open orders" in text or "new orders" in text]


@pytest.mark.parametrize(
    ("act", "state", "positions", "reason"),
    [
        ("pause", "running", 1, ""),
        ("pause", "paused", 1, "pause: already paused; no new entries"),
        ("halt", "halted", 1, ""),
        ("resume", "running", 1, "resume: the engine is running, nothing to resume"),
        ("resume", "halted", 1, ""),
        ("flatten", "halted", 1, ""),
        ("flatten", "running", 0, "flatten: no open position"),
        ("flatten", "recovering", 0, ""),
        ("flatten", "starting", 0, ""),
        ("pause", "recovering", 0, ""),
        ("halt", "recovering", 0, ""),
        ("close", "halted", 1, ""),
        ("close", "running", 0, "close: no open position"),
        ("close", "recovering", 1, "close: the engine is recovering; ask again once books are compared"),
        ("move-stop", "paused", 1, ""),
        ("move-stop", "running", 0, "move-stop: no open position"),
    ],
)
def test_reasons(act: str, state: str, positions: int, reason: str) -> None:
    held = snapshot(state=state, positions=positions)
    assert OPERATIONS[act].reason_against(held) == reason
    assert OPERATIONS[act].possible(held) is not bool(reason)


def test_the_facts_of_a_flatten_are_what_is_held() -> None:
    flatten = OPERATIONS["flatten"]
    assert flatten.facts is not None
    held = snapshot(positions=3)
    facts = flatten.facts(held)
    assert [h.trade_id for h in facts.holdings] == [p.trade_id for p in held.positions]
    bps = held.status.exit_cost_bps
    assert bps is not None
    assert [h.cost_usdt for h in facts.holdings] == [p.notional_usdt * bps / 10_000 for p in held.positions]
    unknown = flatten.facts(replace(held, status=replace(held.status, exit_cost_bps=None)))
    assert {h.cost_usdt for h in unknown.holdings} == {None}


def test_while_books_are_compared_a_flatten_claims_to_know_nothing_of_what_is_held() -> None:
    flatten = OPERATIONS["flatten"]
    assert flatten.facts is not None
    facts = flatten.facts(snapshot(state="recovering", positions=2))
    assert facts.title == "FLATTEN: close every position at market, once books are compared? DEMO"
    assert (facts.holdings, facts.together) == ((), "")
    assert [line.text for line in facts.lines] == [
        "What is held is not known yet. The wish is kept, and carried out when it is."
    ]


@pytest.mark.parametrize(
    ("values", "question"),
    [
        ({}, "Close ALL positions at market and pause"),
        ({"symbol": "BTCUSDT"}, "Close the position in BTCUSDT at market"),
        (
            {"symbol": "", "include_external": True},
            "Close ALL positions at market and pause, with orders and positions that OTHERS placed in this account",
        ),
    ],
)
def test_a_flatten_is_asked_about_in_the_words_of_what_was_given(values: dict[str, str | bool], question: str) -> None:
    asked = OPERATIONS["flatten"].question
    assert asked is not None
    assert asked(values) == question

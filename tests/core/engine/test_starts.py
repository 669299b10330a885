"""The rules of each start, kept and read back."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from core.domain.errors import SettingsError
from core.engine.starts import Rules, Start, changes, read_starts, start_meta
from core.market.contracts.instruments import load_instruments
from core.settings.schema import Settings, parse_settings

DATA = Path(__file__).parents[3] / "data"


def rules(**sections: dict[str, object]) -> Rules:
    settings = parse_settings(sections, "here")
    known = load_instruments(DATA / "instruments.toml", settings.costs)
    return Rules(settings, {symbol: known[symbol] for symbol in settings.market.symbols})


PLAIN = rules()
NARROW = rules(scalper={"stop_pct": 0.5}, limits={"day_loss_effect": "flatten"}, costs={"taker_fee_bps": "4.5"})


def test_starts_are_read_as_they_were_kept() -> None:
    meta = {"opening": "{}", **start_meta(0, 7, PLAIN), **start_meta(900, 8, NARROW), **start_meta(12, 9, PLAIN)}
    assert read_starts(meta) == [Start(0, PLAIN), Start(12, PLAIN), Start(900, NARROW)]
    assert len([key for key in meta if key.startswith("rules-")]) == 2


def test_a_start_that_wrote_nothing_is_replaced_by_the_next() -> None:
    assert read_starts({**start_meta(5, 7, PLAIN), **start_meta(5, 8, NARROW)}) == [Start(5, NARROW)]


def test_what_no_decision_depends_on_is_not_kept() -> None:
    other = rules(
        demo={"speed": 3.0, "seed": 11},
        engine={"worker_nice": 3, "training_workers": 1, "paper_latency_ms": 20},
        live={"paper_hours_first": 0},
        exchange={"id": "mexc", "base_url": "http://127.0.0.1:8080", "leverage_cap": 2, "reconcile_seconds": 5},
    )
    assert other.digest() == PLAIN.digest()
    assert rules(exchange={"protection_limit_ms": 9_000}).digest() != PLAIN.digest()
    assert rules(engine={"inference_delay_ms": 7}).digest() != PLAIN.digest()
    assert read_starts(start_meta(0, 0, other)) == [Start(0, PLAIN)]


def test_changes_are_told_one_by_one() -> None:
    assert changes(PLAIN, PLAIN) == []
    assert changes(PLAIN, NARROW) == [
        'costs.taker_fee_bps was "5", is "4.5"',
        'limits.day_loss_effect was "no_new_entries", is "flatten"',
        "scalper.stop_pct was 1.0, is 0.5",
    ]
    coarse = replace(PLAIN.instruments["BTCUSDT"], tick_size=Decimal("1"))
    assert changes(PLAIN, Rules(Settings(), {**PLAIN.instruments, "BTCUSDT": coarse})) == [
        "the contract rules of BTCUSDT are others"
    ]


def test_settings_that_this_program_does_not_know_are_refused() -> None:
    meta = start_meta(0, 0, PLAIN)
    key = next(key for key in meta if key.startswith("rules-"))
    kept = json.loads(meta[key])
    kept["settings"]["limits"]["max_moons"] = 3
    with pytest.raises(SettingsError, match=r"the journal's rules-.*limits.max_moons: unknown key"):
        read_starts({**meta, key: json.dumps(kept)})


def test_a_start_keeps_by_what_code_it_decides() -> None:
    rules = Rules(Settings(), {})
    meta = start_meta(0, 1, rules) | start_meta(5, 2, rules, "1.0+abc.def")
    assert read_starts(meta) == [Start(0, rules), Start(5, rules, "1.0+abc.def")]
    older = {key: text.replace(', "code": ""', "") for key, text in meta.items()}
    assert read_starts(older)[0].code == ""

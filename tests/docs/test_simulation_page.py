"""What docs/simulation.md says of defaults and formulas, against the code; its rules are in
tests/core/lab/run/test_engine_cases.py and tests/core/venues."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.arithmetic.costs import slippage_bps, slipped_price
from core.arithmetic.fills import liquidation_price
from core.arithmetic.sizing import MAX_EXIT_PARTS
from core.settings.schema import CostSettings, LabSettings, LimitSettings, MarketSettings, Settings, SizingSettings
from core.settings.values import INTERVALS_MINUTES

PAGE = (Path(__file__).parents[2] / "docs" / "simulation.md").read_text()
FORMULAS = dict(
    re.findall(r"^    (slipped|share|long  liquidates at|short liquidates at)\s+=?\s*(.*?)(?:    .*)?$", PAGE, re.M)
)


@pytest.mark.parametrize("key", ["first_price_delay_ms", "inference_delay_ms"])
def test_delays_are_those_of_the_settings(key: str) -> None:
    (seconds,) = re.findall(rf"`?{key}`? \(([\d.]+) s\)", PAGE)
    assert float(seconds) * 1_000 == getattr(Settings().engine, key)


def test_every_setting_it_names_is_there() -> None:
    sections = (CostSettings, LimitSettings, SizingSettings, MarketSettings, LabSettings)
    known = {key for section in sections for key in section.model_fields}
    known |= {*type(Settings().engine).model_fields, "stop_pct", "target_pct", "held_ms"}
    assert set(re.findall(r"`(\w+_\w+)`", PAGE)) <= known


@pytest.mark.parametrize("side", [1, -1])
def test_the_slipped_price_is_by_its_formula(side: int) -> None:
    figures = {"price": 100.0, "side": side, "slippage_bps": 1.5, "impact_bps": 20.0, "share": 0.09}
    told = eval(FORMULAS["slipped"].replace(",", ""), {"sqrt": lambda x: x**0.5}, figures)
    assert told == pytest.approx(slipped_price(100.0, side, slippage_bps(1.5, 20.0, 0.09)), abs=1e-12)


@pytest.mark.parametrize(("side", "name"), [(1, "long  liquidates at"), (-1, "short liquidates at")])
def test_a_position_is_liquidated_by_its_formula(side: int, name: str) -> None:
    told = eval(FORMULAS[name], {}, {"entry": 100.0, "L": 20.0, "m": 0.005})
    assert told == pytest.approx(liquidation_price(side, 100.0, 20.0, 0.005), abs=1e-12)


def test_a_run_may_be_on_bars_of_these_intervals() -> None:
    (told,) = re.findall(r"`interval_minutes`: ([\d, or]+),", PAGE)
    assert tuple(map(int, re.findall(r"\d+", told))) == INTERVALS_MINUTES


def test_an_exit_has_so_many_parts() -> None:
    assert MAX_EXIT_PARTS == 8
    assert "up to eight" in PAGE

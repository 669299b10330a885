import pytest

from core.domain.errors import BadInputError
from core.lab.run.overrides import with_overrides
from core.lab.run.presets import DAY_MS, HOUR_MS, PRESETS, find_preset
from core.settings.schema import Settings, parse_options
from strategies.scalper.settings import ScalperSettings

LAST = 500 * DAY_MS


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_the_settings_take_every_preset(preset) -> None:
    settings = with_overrides(Settings(), "scalper", preset.overrides(ScalperSettings.model_fields))
    scalper = parse_options(ScalperSettings, settings, "scalper")
    assert scalper.window_hours * HOUR_MS == preset.train_ms
    assert scalper.retrain_minutes * 60_000 == preset.retrain_ms


def test_a_strategy_without_a_model_has_nothing_to_override() -> None:
    assert find_preset("48h-24h-60m").overrides(("fast_bars", "slow_bars")) == ()


@pytest.mark.parametrize(
    ("named", "period"),
    [
        ((None, None), (LAST - DAY_MS, LAST)),
        ((DAY_MS, None), (DAY_MS, 2 * DAY_MS)),
        ((None, 9 * DAY_MS), (8 * DAY_MS, 9 * DAY_MS)),
        ((DAY_MS, 9 * DAY_MS), (DAY_MS, 9 * DAY_MS)),
    ],
)
def test_the_period_is_the_ends_named_else_one_test(named: tuple, period: tuple[int, int]) -> None:
    assert find_preset("48h-24h-60m").period(*named, LAST) == period


def test_an_unknown_name_tells_the_names() -> None:
    with pytest.raises(BadInputError, match="48h-24h-60m or 6m-1m-1m"):
        find_preset("seed")

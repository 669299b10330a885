import pytest

from core.domain.errors import SettingsError
from core.lab.run.overrides import with_overrides
from core.settings.schema import Settings


def test_keys_with_and_without_a_section() -> None:
    given = (("fast_bars", 5), ("costs.taker_fee_bps", 4), ("ema_cross.slow_bars", 9), ("fast_bars", 6))
    settings = with_overrides(Settings(), "ema_cross", given)
    own = settings.tables["ema_cross"]
    assert (settings.strategy, own["fast_bars"], own["slow_bars"], own["exit"]) == ("ema_cross", 6, 9, "bracket")
    assert settings.costs.taker_fee_bps == 4
    assert settings.tables["scalper"] == Settings().tables["scalper"]


def test_a_strategy_from_elsewhere_has_free_keys() -> None:
    settings = with_overrides(Settings(), "mine", (("speed", 5), ("mine.depth", 2)))
    assert settings.tables["mine"] == {"speed": 5, "depth": 2}


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("fast_bar", 5, "--set: ema_cross.fast_bar: unknown key; did you mean fast_bars"),
        ("cost.fee", 5, "--set: cost: unknown key; did you mean costs"),
        ("fast_bars", "many", "--set: ema_cross.fast_bars: Input should be a valid integer"),
        ("mode.demo", 1, "--set: mode.demo: mode is a value and has no keys"),
    ],
)
def test_a_wrong_key_or_value_is_told(key: str, value: object, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        with_overrides(Settings(), "ema_cross", ((key, value),))  # type: ignore[arg-type]

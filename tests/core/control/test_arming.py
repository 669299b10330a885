from __future__ import annotations

import pytest

from core.control.arming import account_of, check_arming, check_mode, labelled
from core.domain.errors import BadInputError, ConfirmationError, QuarterdeckError, RefusedError
from core.settings.schema import ExchangeSettings, LiveSettings, Mode, Settings

LIVE = Settings(mode="live")
TEST = Settings(mode="live", exchange=ExchangeSettings(testnet=True))


def arm(
    settings: Settings = LIVE,
    mode: Mode = "live",
    keys_tag: str = "k3Y9",
    typed: str = "k3Y9",
    hours: float = 24.0,
    first: bool = True,
) -> None:
    check_arming(settings, mode, keys_tag, typed, hours, first)


def test_settings_tag_and_a_day_on_paper_arm_live() -> None:
    arm()


@pytest.mark.parametrize("mode", ["demo", "paper"])
def test_what_risks_no_money_needs_nothing(mode: Mode) -> None:
    arm(Settings(), mode, keys_tag="", typed="", hours=0.0)
    arm(LIVE, mode, keys_tag="", typed="", hours=0.0)


@pytest.mark.parametrize("mode", ["demo", "paper"])
def test_a_confirmation_of_another_mode_is_a_mistake(mode: Mode) -> None:
    with pytest.raises(BadInputError, match=f"a live start was confirmed and mode is {mode}"):
        arm(mode=mode)


@pytest.mark.parametrize(
    ("settings", "keys_tag", "typed", "hours", "kind", "said"),
    [
        (Settings(), "k3Y9", "k3Y9", 24.0, RefusedError, 'the settings say mode = "demo"; write mode = "live" there'),
        (Settings(mode="paper"), "k3Y9", "k3Y9", 24.0, RefusedError, 'the settings say mode = "paper"'),
        (LIVE, "", "", 24.0, RefusedError, "live needs the API key"),
        (LIVE, "k3Y9", "", 24.0, RefusedError, "not confirmed: give the last four characters of the API key"),
        (LIVE, "k3Y9", "k3y9", 24.0, ConfirmationError, "this is not the account"),
        (LIVE, "k3Y9", "k3Y9", 23.99, RefusedError, "needs 24 hours on paper and this one has 23.9;"),
        (LIVE, "k3Y9", "no", 0.0, RefusedError, "needs 24 hours on paper and this one has 0;"),
    ],
)
def test_each_missing_part_is_one_line_with_its_mend(
    settings: Settings, keys_tag: str, typed: str, hours: float, kind: type[QuarterdeckError], said: str
) -> None:
    with pytest.raises(kind) as caught:
        arm(settings, "live", keys_tag, typed, hours)
    assert type(caught.value) is kind
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_refusal_does_not_tell_the_tag() -> None:
    with pytest.raises(ConfirmationError) as caught:
        arm(typed="nope")
    assert "k3Y9" not in str(caught.value)
    assert "nope" not in str(caught.value)


def test_only_the_first_live_start_asks_for_hours_on_paper() -> None:
    arm(hours=0.0, first=False)
    with pytest.raises(RefusedError, match="24 hours on paper"):
        arm(hours=0.0)


def test_no_hours_are_needed_where_the_settings_want_none() -> None:
    arm(Settings(mode="live", live=LiveSettings(paper_hours_first=0.0)), hours=0.0)


def test_live_in_the_settings_does_not_keep_other_modes_from_starting() -> None:
    check_mode(LIVE, "paper")
    with pytest.raises(RefusedError, match='mode = "live" there'):
        check_mode(Settings(), "live")


def test_test_money_needs_neither_paper_hours_nor_a_typed_tag() -> None:
    arm(TEST, typed="", hours=0.0)
    arm(TEST, hours=0.0)


@pytest.mark.parametrize(
    ("settings", "mode", "keys_tag", "typed", "kind", "said"),
    [
        (TEST, "live", "", "", RefusedError, "QUARTERDECK_TESTNET_API_KEY and _SECRET, or [testnet] in keys.toml"),
        (TEST, "live", "k3Y9", "none", ConfirmationError, "this is not the account"),
        (TEST, "paper", "", "", RefusedError, "paper goes by the exchange's real prices: set exchange.testnet = false"),
        (
            Settings(exchange=ExchangeSettings(testnet=True)),
            "live",
            "k3Y9",
            "",
            RefusedError,
            'live is not armed: the settings say mode = "demo"',
        ),
    ],
)
def test_what_a_testnet_start_lacks_is_one_line_with_its_mend(
    settings: Settings, mode: Mode, keys_tag: str, typed: str, kind: type[QuarterdeckError], said: str
) -> None:
    with pytest.raises(kind) as caught:
        arm(settings, mode, keys_tag, typed, 0.0)
    assert type(caught.value) is kind
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_test_hosts_have_an_account_of_their_own_that_is_told_by_name() -> None:
    assert [account_of(LIVE, mode) for mode in ("demo", "paper", "live")] == ["demo", "paper", "live"]
    assert [account_of(TEST, mode) for mode in ("demo", "live")] == ["demo", "testnet"]
    assert labelled("live", "entries paused") == "entries paused"
    assert labelled("testnet", "entries paused") == "TESTNET: entries paused"

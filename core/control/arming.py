"""Whether an engine may trade real money: live is armed on purpose, in the settings and by hand, after a time on paper.

Only the last four characters of the API key are known here: the account's tag, by which the operator says which account
is meant.
"""

from __future__ import annotations

from core.domain.errors import BadInputError, ConfirmationError, RefusedError
from core.settings.schema import Mode, Settings

ACCOUNT = "paper"
"""The account whose hours count."""

TESTNET = "testnet"
"""The account of mode live on an exchange's test hosts, and what every page calls it."""


def account_of(settings: Settings, mode: Mode) -> str:
    """Under which name a home keeps what is traded in `mode`: that of the mode, but on test hosts."""
    return TESTNET if mode == "live" and settings.exchange.testnet else mode


def labelled(account: str, text: str) -> str:
    """What is said of an account of test money says so."""
    return f"{TESTNET.upper()}: {text}" if account == TESTNET else text


def check_mode(settings: Settings, mode: Mode) -> None:
    """Raises RefusedError where `mode` is live and the settings do not say so themselves, or where it is paper on test
    hosts, whose prices are nobody's."""
    if mode == "paper" and settings.exchange.testnet:
        raise RefusedError(
            'paper goes by the exchange\'s real prices: set exchange.testnet = false, or mode = "live" to trade on the '
            "test hosts"
        )
    if mode == "live" and settings.mode != "live":
        raise RefusedError(f'live is not armed: the settings say mode = "{settings.mode}"; write mode = "live" there')


def check_arming(
    settings: Settings, mode: Mode, keys_tag: str, confirmed_tag: str, paper_hours: float, first_live_start: bool
) -> None:
    """Return where the engine may start in `mode`; any mode but live may, unless live was confirmed by mistake.

    `keys_tag` is the tag of the API key in use, empty where there is none; `confirmed_tag` what the operator typed.
    `paper_hours` and `first_live_start` are of this home. On an exchange's test hosts no money is real: neither hours
    nor a typed tag are asked for. Raises BadInputError, ConfirmationError where the tag that was typed is another, and
    RefusedError for everything else that is missing; the text says what to do.
    """
    if mode == "paper":
        check_mode(settings, mode)
    if mode != "live":
        if confirmed_tag:
            raise BadInputError(f"a live start was confirmed and mode is {mode}; leave the confirmation away")
        return
    check_mode(settings, mode)
    if settings.exchange.testnet:
        _check_testnet(keys_tag, confirmed_tag)
        return
    if not keys_tag:
        raise RefusedError("live needs the API key of an account; see `quarterdeck doctor --exchange`")
    check_paper_hours(settings, paper_hours, first_live_start)
    if not confirmed_tag:
        raise RefusedError("live is not confirmed: give the last four characters of the API key with --confirm-live")
    if confirmed_tag != keys_tag:
        raise ConfirmationError("this is not the account: its tag is the last four characters of the API key in use")


def _check_testnet(keys_tag: str, confirmed_tag: str) -> None:
    if not keys_tag:
        raise RefusedError(
            "exchange.testnet needs an API key of the test hosts, and takes no other: QUARTERDECK_TESTNET_API_KEY and "
            "_SECRET, or [testnet] in keys.toml"
        )
    if confirmed_tag and confirmed_tag != keys_tag:
        raise ConfirmationError("this is not the account: its tag is the last four characters of the testnet API key")


def check_paper_hours(settings: Settings, paper_hours: float, first_live_start: bool) -> None:
    """Raises RefusedError at a home's first live start with less than live.paper_hours_first on paper."""
    needed = settings.live.paper_hours_first
    if first_live_start and paper_hours < needed:
        raise RefusedError(
            f"the first live start of a home needs {needed:g} hours on paper and this one has {_hours(paper_hours)}; "
            "go on with `quarterdeck run --mode paper`, or set live.paper_hours_first"
        )


def _hours(hours: float) -> str:
    """Rounded down, so that 23.99 hours do not read as the 24 that are missing."""
    return f"{int(hours * 10) / 10:g}"

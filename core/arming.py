"""Whether an engine may trade real money: live is armed on purpose, in the settings and by hand, after a time on paper.

Only the last four characters of the API key are known here: the account's tag, by which the operator says which account
is meant.
"""

from __future__ import annotations

from core.domain.errors import BadInputError, ConfirmationError, RefusedError
from core.settings import Mode, Settings

ACCOUNT = "paper"
"""The account whose hours count."""


def check_mode(settings: Settings, mode: Mode) -> None:
    """Raises RefusedError where `mode` is live and the settings do not say so themselves."""
    if mode == "live" and settings.mode != "live":
        raise RefusedError(f'live is not armed: the settings say mode = "{settings.mode}"; write mode = "live" there')


def check_arming(
    settings: Settings, mode: Mode, keys_tag: str, confirmed_tag: str, paper_hours: float, first_live_start: bool
) -> None:
    """Return where the engine may start in `mode`; any mode but live may, unless live was confirmed by mistake.

    `keys_tag` is the tag of the API key in use, empty where there is none; `confirmed_tag` what the operator typed.
    `paper_hours` and `first_live_start` are of this home. Raises BadInputError, ConfirmationError where the tag that
    was typed is another, and RefusedError for everything else that is missing; the text says what to do.
    """
    if mode != "live":
        if confirmed_tag:
            raise BadInputError(f"a live start was confirmed and mode is {mode}; leave the confirmation away")
        return
    check_mode(settings, mode)
    if not keys_tag:
        raise RefusedError("live needs the API key of an account; see `quarterdeck doctor --exchange`")
    check_paper_hours(settings, paper_hours, first_live_start)
    if not confirmed_tag:
        raise RefusedError("live is not confirmed: give the last four characters of the API key with --confirm-live")
    if confirmed_tag != keys_tag:
        raise ConfirmationError("this is not the account: its tag is the last four characters of the API key in use")


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

"""What fails every few seconds is told once for each cause, and its end with the count."""

from __future__ import annotations

import logging

import pytest

from core.domain.errors import UnavailableError, VenueBusyError
from core.home.log_episodes import MOST_CAUSES, MOST_KEPT, Episodes

LOG = logging.getLogger("quarterdeck.test")


def test_what_the_exchange_wants_later_is_told_once_although_its_text_counts_down(
    caplog: pytest.LogCaptureFixture,
) -> None:
    episodes = Episodes(LOG)
    for left_s in range(60, 0, -3):
        error = VenueBusyError(f"banned; free in {left_s} s", 1000 * left_s)
        episodes.failed("stop", error, f"the stop: {error}")
    episodes.passed("stop", "the stop is read again")
    assert caplog.messages == [
        "the stop: banned; free in 60 s",
        "the stop is read again, after 20 tries in vain",
    ]


def test_another_cause_is_news_and_one_that_comes_back_is_not(caplog: pytest.LogCaptureFixture) -> None:
    episodes = Episodes(LOG)
    for cause in ("refused", "no answer", "refused", "no answer"):
        episodes.failed("account", UnavailableError(cause), cause, logging.ERROR)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", "refused"),
        ("ERROR", "no answer"),
    ]
    episodes.passed("account", "read again")
    episodes.failed("account", UnavailableError("refused"), "refused")
    assert caplog.messages[2:] == ["read again, after 4 tries in vain", "refused"]


def test_what_failed_once_or_never_has_no_end_to_tell(caplog: pytest.LogCaptureFixture) -> None:
    episodes = Episodes(LOG)
    episodes.passed("account", "read again")
    episodes.failed("account", UnavailableError("refused"), "refused")
    episodes.passed("account", "read again")
    assert caplog.messages == ["refused"]


def test_each_thing_is_counted_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    episodes = Episodes(LOG)
    for key in ("a", "b", "a"):
        episodes.failed(key, UnavailableError("refused"), f"{key}: refused")
    episodes.passed("b", "b again")
    episodes.passed("a", "a again")
    assert caplog.messages == ["a: refused", "b: refused", "a again, after 2 tries in vain"]


def test_what_is_kept_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    episodes = Episodes(LOG)
    for number in range(2 * MOST_CAUSES):
        episodes.failed("one", UnavailableError(f"cause {number}"), f"cause {number}")
    assert len(caplog.records) == MOST_CAUSES
    for number in range(MOST_KEPT):
        episodes.failed(f"key {number}", UnavailableError("refused"), "refused")
    episodes.passed("one", "forgotten")
    assert caplog.messages[-1] == "refused"

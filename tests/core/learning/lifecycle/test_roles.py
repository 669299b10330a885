from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.errors import RefusedError
from core.domain.origin import VersionRole
from core.learning.lifecycle.roles import (
    CandidateMade,
    Demoted,
    Line,
    Place,
    Promoted,
    Retired,
    RoleEvent,
    Roles,
    RolledBack,
    ShadowBegan,
    deletable,
    fold,
    roll_back_to,
    told,
)

BTC, ETH = Place("scalper", "main", "BTCUSDT"), Place("scalper", "main", "ETHUSDT")
KINDS: tuple[type[RoleEvent], ...] = (CandidateMade, ShadowBegan, Promoted, Demoted, RolledBack, Retired)
EVENTS = st.lists(
    st.builds(
        lambda kind, place, version, time_ms: kind(place, version, time_ms),
        st.sampled_from(KINDS),
        st.sampled_from([BTC, ETH]),
        st.sampled_from(["a", "b", "c", "d"]),
        st.integers(0, 1_000),
    ),
    max_size=60,
)


def line(*events: RoleEvent) -> Line:
    return told(events)[BTC]


def made(*versions: str) -> list[RoleEvent]:
    return [CandidateMade(BTC, version, 0) for version in versions]


def promoted(*versions: str) -> list[RoleEvent]:
    return [Promoted(BTC, version, time_ms) for time_ms, version in enumerate(versions, 1)]


def possible(events: Sequence[RoleEvent]) -> tuple[Roles, list[RoleEvent]]:
    """The roles after those of the events that can have happened, in turn."""
    roles, kept = told([]), []
    for event in events:
        try:
            roles = fold(roles, event)
        except RefusedError:
            continue
        kept.append(event)
    return roles, kept


def test_a_version_goes_from_candidate_to_champion_to_archive() -> None:
    events = [*made("a", "b"), ShadowBegan(BTC, "a", 1)]
    assert [line(*events).role(version) for version in "abc"] == [
        VersionRole.CANDIDATE,
        VersionRole.CANDIDATE,
        VersionRole.NONE,
    ]
    assert line(*events).shadows == ("a",)
    after = line(*events, *promoted("a", "b"))
    assert (after.champion, after.champion_since_ms, after.shadows) == ("b", 2, ())
    assert after.role("a") is VersionRole.ARCHIVED


def test_places_do_not_touch_each_other() -> None:
    roles = told([*made("a"), *promoted("a"), CandidateMade(ETH, "a", 0)])
    assert (roles[BTC].champion, roles[ETH].champion) == ("a", "")


@given(EVENTS)
def test_whatever_happens_one_champion_at_most_and_every_version_in_one_place(events: list[RoleEvent]) -> None:
    roles, kept = possible(events)
    assert told(kept) == roles, "a journal refolds equal"
    for one in roles.values():
        assert [one.role(version) for version in one.made].count(VersionRole.CHAMPION) == (one.champion != "")
        assert {one.champion, *one.shadows, *one.before} - {""} <= set(one.made)
        assert one.champion not in {*one.shadows, *one.before} - {""}
        assert all(len(set(versions)) == len(versions) for versions in (one.made, one.shadows, one.before))
        assert (one.champion == "") == (one.champion_since_ms is None)


@given(EVENTS, st.integers(0, 3))
def test_what_is_needed_is_never_deleted(events: list[RoleEvent], keep: int) -> None:
    roles, _ = possible(events)
    for one in roles.values():
        gone = deletable(one, one.made, keep)
        assert not {one.champion, roll_back_to(one, one.made), *one.shadows} & set(gone)
        left = [version for version in one.made if version not in gone]
        assert roll_back_to(one, left) == roll_back_to(one, one.made)
        assert deletable(one, left, keep) == (), "asked again, nothing more goes"


@given(EVENTS)
def test_a_roll_back_that_is_offered_is_one_step_and_possible(events: list[RoleEvent]) -> None:
    roles, _ = possible(events)
    for place, one in roles.items():
        target = roll_back_to(one, one.made)
        if target:
            after = fold(roles, RolledBack(place, target, 5))[place]
            assert (after.champion, after.role(one.champion or target)) == (
                target,
                VersionRole.ARCHIVED if one.champion else VersionRole.CHAMPION,
            )


def test_roll_backs_go_further_back_each_time_and_come_round_at_the_end() -> None:
    now = told([*made("a", "b", "c"), *promoted("a", "b", "c")])
    way = []
    for _ in range(4):
        target = roll_back_to(now[BTC], "abc")
        now = fold(now, RolledBack(BTC, target, 9))
        way.append(now[BTC].champion)
    assert way == ["b", "a", "c", "b"]


def test_a_roll_back_takes_what_is_stored() -> None:
    now = line(*made("a", "b", "c"), *promoted("a", "b", "c"))
    assert [roll_back_to(now, stored) for stored in ("abc", "ac", "c", "")] == ["b", "a", "", ""]


def test_who_was_demoted_is_not_what_a_roll_back_takes_first() -> None:
    now = line(*made("a", "b"), *promoted("a", "b"), Demoted(BTC, "b", 3, "worse than a constant"))
    assert (now.champion, now.champion_since_ms, roll_back_to(now, "ab")) == ("", None, "a")
    only = line(*made("a"), *promoted("a"), Demoted(BTC, "a", 3))
    assert roll_back_to(only, "a") == "a"


def test_retention_keeps_the_newest_and_whatever_has_work() -> None:
    events = [*made(*"abcdefg"), *promoted("a", "b", "c", "d"), ShadowBegan(BTC, "a", 9)]
    now = line(*events)
    assert deletable(now, "abcdefg", keep=0) == ("b",), "c is the way back, e to g are candidates"
    assert deletable(now, "abcdefg", keep=1) == ()
    more = line(*made(*"abcde"), *promoted(*"abcde"))
    assert [deletable(more, "abcde", keep) for keep in range(5)] == [("a", "b", "c"), ("a", "b"), ("a",), (), ()]
    rejected = told([*events, Retired(BTC, "e", 10), Retired(BTC, "f", 10)])[BTC]
    assert deletable(rejected, "abcdefg", keep=5) == ("e", "f"), "who is retired is nobody's"
    assert deletable(rejected, "acdg", keep=0) == ()


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        (CandidateMade(BTC, "a", 9), "version 'a' cannot be made: it is there already"),
        (CandidateMade(BTC, "", 9), "version '' cannot be made"),
        (ShadowBegan(BTC, "x", 9), "version 'x' cannot be watched: no such version was made"),
        (ShadowBegan(BTC, "b", 9), "version 'b' cannot be watched: it is the champion"),
        (Promoted(BTC, "x", 9), "version 'x' cannot be promoted: no such version was made"),
        (Promoted(BTC, "b", 9), "version 'b' cannot be promoted: it is the champion"),
        (Promoted(ETH, "a", 9), "scalper main ETHUSDT: version 'a' cannot be promoted: no such version was made"),
        (Demoted(BTC, "a", 9), "version 'a' cannot be demoted: it is not the champion"),
        (Demoted(ETH, "", 9), "version '' cannot be demoted: it is not the champion"),
        (RolledBack(BTC, "c", 9), "version 'c' cannot be rolled back to: it never traded, or does so now"),
        (RolledBack(BTC, "b", 9), "version 'b' cannot be rolled back to: it never traded, or does so now"),
        (Retired(BTC, "b", 9), "version 'b' cannot be retired: it is the champion; demote it first"),
        (Retired(BTC, "x", 9), "version 'x' cannot be retired: no such version was made"),
    ],
)
def test_what_cannot_have_happened_is_refused_in_words(event: RoleEvent, problem: str) -> None:
    roles = told([*made("a", "b", "c"), *promoted("a", "b")])
    before = dict(roles)
    with pytest.raises(RefusedError) as refused:
        fold(roles, event)
    assert problem in str(refused.value)
    assert dict(roles) == before


def test_events_are_known_by_their_kind() -> None:
    events = [kind(BTC, "a", 1) for kind in KINDS]
    assert msgspec.json.decode(msgspec.json.encode(events), type=list[RoleEvent]) == events

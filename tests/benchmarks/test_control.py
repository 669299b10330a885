"""The section of messages: its figures come from snapshots that were read as they were written."""

from __future__ import annotations

from benchmarks.control import run


def test_the_sizes_of_messages_meet_their_targets() -> None:
    sizes = {figure.what: figure for figure in run(rounds=1).figures if figure.unit == "bytes"}
    assert [figure.verdict for figure in sizes.values() if figure.at_most is not None] == ["met", "met", "met"]
    assert all(figure.value > 0 for figure in sizes.values())

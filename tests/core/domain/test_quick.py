"""A quick class is the frozen dataclass it was, made by another road."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, asdict, dataclass, replace

import pytest

from core.domain.quick import quick


@dataclass(frozen=True, slots=True)
class Plain:
    name: str
    size: int
    note: str = "none"


@quick
@dataclass(frozen=True, slots=True)
class Quick:
    name: str
    size: int
    note: str = "none"

    @property
    def double(self) -> int:
        return 2 * self.size


def test_it_is_made_compared_and_shown_as_before() -> None:
    made = Quick("a", size=2)
    assert type(made) is Quick
    assert asdict(made) == asdict(Plain("a", 2))
    assert made.double == 4
    assert made == Quick("a", 2, "none") != Quick("a", 3)
    assert hash(made) == hash(Quick("a", 2))
    assert repr(made) == "Quick(name='a', size=2, note='none')"


def test_it_stays_frozen_and_has_no_room_for_more() -> None:
    made = Quick("a", 2)
    with pytest.raises(FrozenInstanceError):
        made.size = 3  # type: ignore[misc]
    with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
        made.other = 3  # type: ignore[attr-defined]
    assert not hasattr(made, "__dict__")


def test_it_is_replaced_copied_and_pickled() -> None:
    made = Quick("a", 2)
    assert replace(made, note="b") == Quick("a", 2, "b")
    assert copy.deepcopy(made) == pickle.loads(pickle.dumps(made)) == made


def test_it_takes_the_same_arguments() -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'size'"):
        Quick("a")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        Quick("a", 2, colour="red")  # type: ignore[call-arg]

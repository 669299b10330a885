"""What is asked to be typed, for whoever shows the line. No Textual."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Asked:
    """What is typed: `title` before it, `text` to begin with.

    `done` gets the text at enter, and None at escape, unless `keeps`: then the text either way. `changed` gets every
    new text. `turn`, where there is one, is asked at tab: from the text to another title and text. Without `urgent`
    there is no engine that the safety keys could reach.
    """

    title: str
    text: str
    done: Callable[[str | None], None]
    hint: str = "enter"
    keeps: bool = False
    changed: Callable[[str], None] | None = None
    turn: Callable[[str], tuple[str, str]] | None = None
    urgent: bool = True

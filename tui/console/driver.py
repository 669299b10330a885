"""What the terminal sends, as keys: none of them is lost on a line that is slow or bad."""

from __future__ import annotations

import os
import select
from codecs import getincrementaldecoder
from collections.abc import Iterable

from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.events import Key
from textual.keys import key_to_character

_ESCAPE = "\x1b"
_OPENINGS = frozenset("[O")
"""What follows escape where a terminal tells of one key in several characters, as of an arrow."""
_LOOK_EVERY_S = 0.1
_READ_BYTES = 4096


class KeyParser(XTermParser):
    """Escape and the key behind it are two keys, however close together they come.

    A terminal tells of alt and a key by the same bytes, and a multiplexer makes alt of the two. No key of the console
    has alt and a character.
    """

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> Iterable[Key]:
        is_pair = len(sequence) == 2 and sequence[0] == _ESCAPE and sequence[1] not in _OPENINGS
        if alt or is_pair:
            yield Key("escape", _ESCAPE)
        for key in super()._sequence_to_key_events(sequence[1:] if is_pair else sequence):
            yield from _parted(key)


def _parted(key: Key) -> Iterable[Key]:
    *modifiers, name = key.key.split("+")
    character = key_to_character(name)
    if character is None or "alt" not in modifiers or not {"alt", "shift"}.issuperset(modifiers):
        return (key,)
    if "shift" in modifiers:
        character = character.upper()
    return Key("escape", _ESCAPE), Key(name if len(name) > 1 else character, character)


class TerminalDriver(LinuxDriver):
    """Textual's, but for how it reads: a byte that is no text stands for itself alone and ends nothing, and nothing is
    read any more from a terminal that is gone, which the console finds out by itself."""

    def run_input_thread(self) -> None:
        parser = KeyParser()
        decode = getincrementaldecoder("utf-8")("replace").decode
        while not self.exit_event.is_set():
            if select.select([self.fileno], [], [], _LOOK_EVERY_S)[0]:
                try:
                    read = os.read(self.fileno, _READ_BYTES)
                except OSError:
                    return
                if not read:
                    return
                # Without a text the parser would take it for the end.
                for message in parser.feed(text) if (text := decode(read)) else ():
                    self.process_message(message)
            for message in parser.tick():
                self.process_message(message)

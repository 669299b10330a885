"""Text from outside, with nothing in it that a terminal or a reader of lines obeys.

It is made plain once, where it enters: the log (`core.home.logbook`), what an exchange says
(`core.exchange.connection.outcome`, `health`, `reconciliation`), an operator's words, and last the screen and the
command line themselves.
"""

from __future__ import annotations

import json
import unicodedata


def plain(text: str) -> str:
    """`text` in one line: control characters, line ends, marks that turn the direction of writing, and what no encoding
    can write, stand there as their escapes."""
    return text if text.isprintable() else "".join(map(_plain, text))


def plain_lines(text: str) -> str:
    """The same of each of the lines of `text`, which stay lines."""
    return "\n".join(plain(line) for line in text.split("\n"))


def plain_json(text: str) -> str:
    """The same of a JSON text, as its own escapes, so that it stays what it is."""
    return text if text.isprintable() else "".join(map(_plain_in_json, text))


def _plain_in_json(character: str) -> str:
    return character if character == "\n" or character.isprintable() else json.dumps(character)[1:-1]


def _plain(character: str) -> str:
    if character.isprintable():
        return character
    if unicodedata.category(character) == "Zs":
        return " "
    return character.encode("unicode_escape").decode("ascii")

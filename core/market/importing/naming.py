"""What the name of a file tells of what it holds: symbol, interval and kind."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.market.intervals import INTERVALS_MS
from core.market.kinds import FUNDING

_QUOTES = ("USDT", "USDC", "FDUSD", "BUSD", "TUSD", "USD")
_MAX_LENGTH = 32
_FOLDERS = 6
"""So many of the folders above a file are looked at; the archive's own kind of folder stands five above."""
_KIND_OF_FOLDER = {
    "markpriceklines": "mark",
    "indexpriceklines": "index",
    "premiumindexklines": "premium",
    "spot": "spot",
}
_KIND_OF_WORD = {
    **_KIND_OF_FOLDER,
    "mark": "mark",
    "markprice": "mark",
    "index": "index",
    "indexprice": "index",
    "premium": "premium",
    "premiumindex": "premium",
    "funding": FUNDING,
    "fundingrate": FUNDING,
}
_PERPETUAL_WORDS = frozenset(("swap", "perp", "perpetual", "futures", "um", "cm", "linear", "inverse"))
_EXPIRY = re.compile(r"[0-9]{6}")
_DAY = re.compile(r"20[0-9]{6}")
_EXPIRY_IN_WORDS = re.compile(r"([0-9]{1,2})([A-Z]{3})([0-9]{2})")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


@dataclass(frozen=True, slots=True)
class Named:
    """`symbol` is empty where the name tells none, or several; `kind` is one of KINDS, or empty.

    `looks_spot`: a pair of coins, without the coin in which a contract settles, or a word that names a contract.
    `day` is one YYYYMMDD right behind the symbol, which a name may have of a delivery as well as of a download.
    """

    symbol: str
    interval: str | None
    kind: str
    looks_spot: bool
    day: str = ""


@dataclass(frozen=True, slots=True)
class _Found:
    symbol: str
    start: int
    stop: int
    looks_spot: bool


def named(path: Path, member: str = "") -> Named:
    """By the file's name, or that of what is packed in it, and the folders it lies in."""
    told = _named(path.name)
    inner = _named(member) if member else told
    folders = [part.lower() for part in path.absolute().parts[-_FOLDERS - 1 : -1]]
    kind = next((_KIND_OF_FOLDER[part] for part in reversed(folders) if part in _KIND_OF_FOLDER), "")
    is_contract = not _PERPETUAL_WORDS.isdisjoint(folders)
    return Named(
        told.symbol or inner.symbol,
        told.interval or inner.interval,
        told.kind or inner.kind or kind,
        (told.looks_spot or inner.looks_spot) and not is_contract,
        told.day if told.symbol else inner.day,
    )


def symbol_in(text: str) -> str:
    """The symbol that a text such as `BTC/USDT:USDT` or `BTC-USDT-SWAP` names, or an empty one."""
    tokens = _tokens(text)
    found = _symbols(tokens)
    if len(found) != 1:
        return ""
    # What names an instrument names no day but that of its delivery.
    day = _day_behind(tokens, found[0])
    return delivered(found[0].symbol, day) if day else found[0].symbol


def delivered(symbol: str, day: str) -> str:
    """The symbol of the contract that is delivered on a day of YYYYMMDD."""
    return f"{symbol}_{day[2:]}"


def is_symbol(text: str) -> bool:
    """Capital letters of any script, digits and, within, underlines."""
    plain = text.replace("_", "")
    is_plain = plain.isalnum() and plain == plain.upper() and unicodedata.is_normalized("NFC", plain)
    return is_plain and not text.startswith("_") and len(text) <= _MAX_LENGTH


def _named(name: str) -> Named:
    tokens = _tokens(name)
    found = _symbols(tokens)
    intervals = {interval for token in tokens if (interval := _interval(token))}
    taken = range(found[0].start, found[0].stop) if len(found) == 1 else range(0)
    words = [token.lower() for place, token in enumerate(tokens) if place not in taken]
    kinds = {_KIND_OF_WORD[word] for word in words if word in _KIND_OF_WORD}
    kind = kinds.pop() if len(kinds) == 1 else ""
    one = found[0] if len(found) == 1 else None
    return Named(
        one.symbol if one else "",
        intervals.pop() if len(intervals) == 1 else None,
        kind,
        one is not None and one.looks_spot and not kind and _PERPETUAL_WORDS.isdisjoint(words),
        _day_behind(tokens, one) if one else "",
    )


def _tokens(name: str) -> list[str]:
    return [token for token in re.split(r"[-_.\s/:]+", unicodedata.normalize("NFC", name)) if token]


def _interval(token: str) -> str | None:
    """`1M` is a month."""
    lower = token.lower()
    return next((text for text in (token, lower if token[-1] in "HD" else "") if text in INTERVALS_MS), None)


def _symbols(tokens: Sequence[str]) -> list[_Found]:
    found, place = list[_Found](), 0
    while place < len(tokens):
        one = _symbol_at(tokens, place)
        if one is not None:
            found.append(one)
        place = one.stop if one is not None else place + 1
    return found


def _symbol_at(tokens: Sequence[str], start: int) -> _Found | None:
    token = tokens[start].upper()
    quote = next((quote for quote in _QUOTES if token.endswith(quote) and token != quote), "")
    is_pair = False
    stop = start + 1
    pair = _word(tokens, stop)
    if not quote and pair in _QUOTES and _interval(tokens[start]) is None:
        quote, token, stop, is_pair = pair, token + pair, stop + 1, True
    if not quote or not token.isalnum():
        return None
    settles = _word(tokens, stop)
    is_inverse = quote == "USD" and settles == token.removesuffix(quote)
    has_coin = is_pair and (settles == quote or is_inverse)
    stop += has_coin
    expiry, is_perpetual = _expiry(_word(tokens, stop)), _word(tokens, stop) in ("PERP", "SWAP")
    stop += bool(expiry) or is_perpetual
    # A contract that is paid in its own coin is another market than the one that is paid in dollars.
    is_inverse |= quote == "USD" and is_perpetual
    end = f"_{expiry}" if expiry else "_PERP" if is_inverse else ""
    if not is_symbol(symbol := token + end):
        return None
    return _Found(symbol, start, stop, is_pair and not has_coin and not expiry and not is_perpetual)


def _day_behind(tokens: Sequence[str], found: _Found) -> str:
    """Empty where two stand there, which are a period."""
    day, next_word = _word(tokens, found.stop), _word(tokens, found.stop + 1)
    is_one = _is_day(day) and not _is_day(next_word) and "_" not in found.symbol
    return day if is_one else ""


def _is_day(word: str) -> bool:
    return _DAY.fullmatch(word) is not None and bool(_expiry(word[2:]))


def _word(tokens: Sequence[str], place: int) -> str:
    return tokens[place].upper() if place < len(tokens) else ""


def _expiry(word: str) -> str:
    """Of a delivery contract, as YYMMDD; empty where the word is none."""
    if _EXPIRY.fullmatch(word) and 1 <= int(word[2:4]) <= 12 and 1 <= int(word[4:]) <= 31:
        return word
    told = _EXPIRY_IN_WORDS.fullmatch(word)
    if told is None or told[2] not in _MONTHS:
        return ""
    return f"{told[3]}{_MONTHS.index(told[2]) + 1:02}{int(told[1]):02}"

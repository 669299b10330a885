"""How a client of ccxt is put right where it gets an exchange wrong: tools of the exchanges' own `corrections.py`."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from core.exchange.connection.wire import Row

_FUNDING_PAGE = 100


def put_right(client: Any, name: str, correct: Callable[[Row], Row]) -> None:
    """Let `correct` see to each row that the client's method of this name returns."""
    parse = getattr(client, name)
    setattr(client, name, lambda *args, **named: correct(parse(*args, **named)))


def ask_for_candles_to_an_end(client: Any, most: int) -> None:
    """Where more candles follow than fit an answer, it is not said which of them come: an end leaves no choice."""
    fetch = client.fetch_ohlcv

    async def fetch_ohlcv(
        symbol: str,
        timeframe: str = "1m",
        since: int | None = None,
        limit: int | None = None,
        params: Row | None = None,
    ) -> Any:
        limit = min(limit or most, most)
        last = {} if since is None else {"end": since // 1000 + client.parse_timeframe(timeframe) * (limit - 1)}
        return await fetch(symbol, timeframe, since, limit, {**last, **(params or {})})

    client.fetch_ohlcv = fetch_ohlcv


def page_through_funding(client: Any, page_key: str, first: int) -> None:
    """The exchanges tell past funding rates newest first, a hundred at a time. All since a time come at once, whatever
    the limit: for the next of them every page would be asked for again."""
    fetch = client.fetch_funding_rate_history

    async def fetch_funding_rate_history(
        symbol: str, since: int | None = None, limit: int | None = None, params: Row | None = None
    ) -> Any:
        rows: list[Row] = []
        for page in count(first):
            told = await fetch(symbol, None, _FUNDING_PAGE, {**(params or {}), page_key: page})
            # Behind what was told before, a page that a settlement meanwhile moved begins with rows told already.
            older = [row for row in told if not rows or row["timestamp"] < rows[0]["timestamp"]]
            rows = [*older, *rows]
            if len(told) < _FUNDING_PAGE or not older or since is None or older[0]["timestamp"] < since:
                break
        return client.filter_by_since_limit(rows, since, limit if since is None else None, "timestamp")

    client.fetch_funding_rate_history = fetch_funding_rate_history


def info_of(row: Row) -> Row:
    """The exchange's own row in one of ccxt's; empty where it has none."""
    info = row.get("info")
    return info if isinstance(info, dict) else {}

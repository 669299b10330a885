"""What Binance USD-M futures tell of their market beside bars, and how."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from core.domain.market import MINUTE_MS
from core.exchange.connection.wire import Reads
from core.exchange.markets.observed import (
    History,
    Numbered,
    Observed,
    Pushed,
    Row,
    Told,
    book_told,
    liquidation_told,
    trade_told,
)

_PERIODS = ("5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d")
_ROWS, _TRADES = 500, 1_000
_REACH_MS = 29 * 1440 * MINUTE_MS
"""It keeps these for 30 days, and refuses a question that begins before."""

_AGGREGATE = "aggTrade"
"""Its single trades are told again only to who has a key; these, to everybody, by their numbers."""


def _unified(client: Any, market_id: Any) -> str:
    return str(client.safe_symbol(market_id, None, None, "swap"))


def _trade(client: Any, frame: Row) -> Sequence[Told]:
    if frame["e"] != _AGGREGATE:
        return ()
    unified = _unified(client, frame["s"])
    return (trade_told(unified, client.trades[unified][-1]),)


def _book(client: Any, frame: Row) -> Sequence[Told]:
    unified = _unified(client, frame["s"])
    book = client.orderbooks.get(unified)
    # Before the snapshot a frame only waits, and one that does not follow the last ends the book.
    is_in_step = book is not None and book["nonce"] == frame["u"] and book["timestamp"] == frame["E"]
    return (book_told(unified, book),) if is_in_step else ()


def _mark(client: Any, frame: Row) -> Sequence[Told]:
    ticker = client.tickers[_unified(client, frame["s"])]
    return (Told(ticker["symbol"], ticker["timestamp"], (float(ticker["markPrice"]), float(ticker["indexPrice"]))),)


def _liquidation(client: Any, _frame: Row) -> Sequence[Told]:
    row = client.liquidations[-1]
    return (liquidation_told(row["symbol"], row, float(row["info"]["z"])),)


def _asking(method: str) -> Callable[[Reads, str, str, int, int], Awaitable[Sequence[Row]]]:
    async def ask(wire: Reads, unified: str, period: str, since_ms: int, to_ms: int) -> Sequence[Row]:
        found: Sequence[Row] = await wire.read(method, unified, period, since_ms, _ROWS, {"until": to_ms - 1})
        return found

    return ask


async def _taker_flow(wire: Reads, unified: str, period: str, since_ms: int, to_ms: int) -> Sequence[Row]:
    """ccxt has no method of its own for it."""
    asked = {"symbol": wire.client.market(unified)["id"], "period": period, "limit": _ROWS}
    method = "fapiDataGetTakerlongshortRatio"
    found: Sequence[Row] = await wire.read(method, {**asked, "startTime": since_ms, "endTime": to_ms - 1})
    return found


async def _trades(wire: Reads, unified: str, number: int) -> Sequence[Row]:
    found: Sequence[Row] = await wire.read("fetch_trades", unified, None, _TRADES, {"fromId": number})
    return found


def _open_interest(unified: str, row: Row) -> Told:
    values = float(row["openInterestAmount"]), float(row["openInterestValue"])
    return Told(unified, int(row["timestamp"]), values)


def _long_short(unified: str, row: Row) -> Told:
    info = row["info"]
    values = float(info["longAccount"]), float(info["shortAccount"]), float(info["longShortRatio"])
    return Told(unified, int(row["timestamp"]), values)


def _flow(unified: str, row: Row) -> Told:
    return Told(unified, int(row["timestamp"]), (float(row["buyVol"]), float(row["sellVol"])))


OBSERVED = Observed(
    pushed={
        "trades": Pushed(
            "watch_trades_for_symbols",
            "handle_trade",
            _trade,
            ("trade",),
            params={"name": _AGGREGATE},
            silent_ms=MINUTE_MS,
        ),
        "book10": Pushed("watch_order_book_for_symbols", "handle_order_book", _book, ("orderbook",), is_sampled=True),
        "mark": Pushed("watch_mark_prices", "handle_mark_prices", _mark, ("markPrice",), is_sampled=True),
        "liquidations": Pushed(
            "watch_liquidations_for_symbols",
            "handle_liquidation",
            _liquidation,
            ("liquidations",),
            may_be_silent=True,
        ),
    },
    histories={
        "open_interest": History(_asking("fetch_open_interest_history"), _open_interest, _PERIODS, _ROWS, _REACH_MS),
        "long_short": History(_asking("fetch_long_short_ratio_history"), _long_short, _PERIODS, _ROWS, _REACH_MS),
        "taker_flow": History(_taker_flow, _flow, _PERIODS, _ROWS, _REACH_MS),
    },
    numbered={"trades": Numbered(_trades, trade_told, _TRADES)},
    lacks={
        "open_interest": "of an instant it is told without its value in USDT; take open_interest.5m",
        "long_short_top": "top traders are told by accounts and by positions, which are two figures",
        "quotes": "the best prices are the first level of book10",
    },
)

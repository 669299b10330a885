"""Whether a contract may be entered, by what the exchange says of it: trading, not yet, paused, or near its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from core.domain.errors import QuarterdeckError
from core.exchange.connection.wire import ContractStatus, Dialect, Wire
from core.exchange.orders.rows import part
from core.trader.stepping import Stepping
from core.trader.trader import Trader

log = logging.getLogger("quarterdeck.exchange")

PART = "contract"
LAST_ENTRY_MS = 24 * 3_600_000
"""Before its settlement a contract is entered no more for so long: what is open then has time to be closed."""

_READ_EVERY_MS = 3_600_000
_STALE_MS = 24 * 3_600_000
_JUDGE_EVERY_S = 60.0
_READ_TIMEOUT_MS = 20_000
_NO_END_MS = 4_102_444_800_000
"""2100: Binance gives a perpetual without an end a delivery date in December of that year."""

_CLEARS = "clears when the exchange trades it"


def status_problem(market: Mapping[str, Any] | None, now_ms: int, dialect: Dialect) -> str:
    """Why a contract may not be entered now, in words, by its ccxt market row; empty where it may. None: not listed."""
    if market is None:
        return f"the exchange does not list it any more; {_CLEARS}"
    told = dialect.status_told(_info(market))
    said = _status(market, told)
    if said:
        return f"it {said}; {_CLEARS}"
    opens_ms, ends_ms = _number(told.opens_ms), end_ms(market, dialect)
    if opens_ms is not None and now_ms < opens_ms:
        return f"it is not traded before {_utc(opens_ms)}; clears then"
    if ends_ms is not None and now_ms >= ends_ms - LAST_ENTRY_MS:
        return f"it is settled at {_utc(ends_ms)}, and not entered in the last 24 hours; clears when that is taken back"
    return ""


def end_ms(market: Mapping[str, Any], dialect: Dialect) -> int | None:
    """When the exchange will settle the contract and take it off; None where no end is known."""
    told_ms = dialect.status_told(_info(market)).ends_ms
    ends = [ms for ms in (_number(told_ms), _number(market.get("expiry"))) if ms and ms < _NO_END_MS]
    return min(ends) if ends else None


class StatusWatch:
    """`run` keeps `Health` told of what each contract's status forbids, and the operator of what it means for him."""

    def __init__(self, wire: Wire, symbols: Sequence[str]) -> None:
        self._wire = wire
        self._unified = {symbol: wire.unified(symbol) for symbol in symbols}
        self._rows: dict[str, Mapping[str, Any] | None] = {
            symbol: wire.client.markets.get(unified) if wire.is_listed(symbol) else None
            for symbol, unified in self._unified.items()
        }
        self._read_ms = self._tried_ms = wire.clock.now_ms()
        self._said: dict[str, str] = {}

    async def run(self, trader: Trader, stepper: Stepping) -> None:
        """Judge every minute, read every hour, until canceled."""
        while True:
            if self._wire.clock.now_ms() - self._tried_ms >= _READ_EVERY_MS:
                await self.read()
            self.judge({symbol: s.lots for symbol, s in trader.state.symbols.items()})
            await asyncio.sleep(_JUDGE_EVERY_S)

    async def read(self) -> None:
        """Ask for the contracts anew. The client's own are left alone: what was delisted must still be closed."""
        self._tried_ms = self._wire.clock.now_ms()
        try:
            rows = await self._wire.read("fetch_markets", weight=5, timeout_ms=_READ_TIMEOUT_MS)
        except QuarterdeckError as error:
            log.warning("the contracts' status could not be read: %s", error)
            return
        self.take(rows)

    def take(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take in the whole list of contracts (ccxt's market rows), read just now. An empty one says nothing."""
        by_name = {str(part(row).get("symbol")): row for row in rows if part(row)}
        if by_name:
            self._rows = {symbol: by_name.get(unified) for symbol, unified in self._unified.items()}
            self._read_ms = self._tried_ms = self._wire.clock.now_ms()

    def judge(self, lots: Mapping[str, int]) -> None:
        """Tell what stands now. `lots` are those held by symbol, for which the news is louder."""
        now_ms = self._wire.clock.now_ms()
        for symbol, market in self._rows.items():
            problem = status_problem(market, now_ms, self._wire.dialect)
            if not problem and now_ms - self._read_ms > _STALE_MS:
                problem = "its status could not be read for a day; clears when it can"
            self._wire.health.report(PART, problem, symbol)
            self._say(symbol, problem or _news(market, self._wire.dialect), lots.get(symbol, 0))

    def _say(self, symbol: str, text: str, lots: int) -> None:
        """Once for each news, and again when a position is opened under it."""
        way_out = closing(symbol, self._rows[symbol], self._wire.dialect) if text and lots else ""
        told = f"{text}; {way_out}" if way_out else text
        if told == self._said.get(symbol, ""):
            return
        self._said[symbol] = told
        if told:
            log.log(logging.ERROR if lots else logging.WARNING, "%s: %s", symbol, told)
        else:
            log.info("%s: the exchange trades it again", symbol)


def closing(symbol: str, market: Mapping[str, Any] | None, dialect: Dialect) -> str:
    """What to do about an open position in a contract that ends or is not traded now; empty where nothing can be."""
    if market is None:
        return ""
    how = f"`quarterdeck flatten {symbol}`, or F in the console for all"
    if _status(market, dialect.status_told(_info(market))):
        return f"the position that is open is closed by {how}, as soon as the exchange takes orders there"
    ends = end_ms(market, dialect) is not None
    return f"close the open position before, by {how}: the exchange settles what is left" if ends else ""


def _news(market: Mapping[str, Any] | None, dialect: Dialect) -> str:
    ends_ms = None if market is None else end_ms(market, dialect)
    return "" if ends_ms is None else f"it is settled at {_utc(ends_ms)}, and not entered in the 24 hours before"


def _status(market: Mapping[str, Any], told: ContractStatus) -> str:
    """What the exchange's own row says against trading; ccxt's flag where it has nothing of its own."""
    return told.against or ("is not traded" if market.get("active") is False else "")


def _info(market: Mapping[str, Any]) -> Mapping[str, Any]:
    info = market.get("info")
    return info if isinstance(info, Mapping) else {}


def _number(value: Any) -> int | None:
    text = str(value if value is not None else "").partition(".")[0]
    return int(text) if text.isdigit() and int(text) > 0 else None


def _utc(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms // 1000, UTC):%Y-%m-%d %H:%M} UTC"

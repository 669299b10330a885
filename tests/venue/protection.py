"""For how long a position stood without a stop that covers it: measured at the exchange itself."""

from __future__ import annotations

from dataclasses import dataclass

from tests.venue.exchange import Exchange


@dataclass(frozen=True, slots=True)
class Unprotected:
    """A span in which the live reduce-only stops did not cover the position; not over yet while `until_ms` is None."""

    symbol: str
    since_ms: int
    until_ms: int | None

    def duration_ms(self, now_ms: int) -> int:
        return (now_ms if self.until_ms is None else self.until_ms) - self.since_ms


class Protection:
    """Watches every change of position and of conditional orders, in one-way mode."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._since: dict[str, int] = {}
        self.ended: list[Unprotected] = []
        exchange.watchers.append(self._changed)

    def is_covered(self, symbol: str) -> bool:
        """Whether live reduce-only stops on the other side cover the whole position."""
        lots = self._exchange.ledger.position(symbol).lots
        if not lots:
            return True
        stops = [
            algo
            for algo in self._exchange.open_algos[symbol].values()
            if algo.is_stop and algo.reduce_only and algo.sign * lots < 0
        ]
        return any(algo.close_position for algo in stops) or sum(algo.lots for algo in stops) >= abs(lots)

    def current(self) -> list[Unprotected]:
        return [Unprotected(symbol, since, None) for symbol, since in self._since.items()]

    def _changed(self, symbol: str, now_ms: int) -> None:
        if not self.is_covered(symbol):
            self._since.setdefault(symbol, now_ms)
            return
        since = self._since.pop(symbol, None)
        if since is not None and since != now_ms:
            self.ended.append(Unprotected(symbol, since, now_ms))

"""A home as a notebook has it: bars, backtests, stored runs, and what an account has traded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from core.domain.errors import BadInputError
from core.domain.rows import Row
from core.lab.notebook.frames import frame, moment_ms
from core.lab.notebook.run import StoredRun
from core.lab.requests import BacktestRequest, Engine
from core.market.intervals import INTERVALS_MS
from core.settings.values import MARKETS, Market, Value

if TYPE_CHECKING:
    import pandas as pd

    from core.control.requests import Reader
    from core.lab.service.lab import HomeLab

T = TypeVar("T")
_EVER_MS = (0, 1 << 52)
_HOW = {"event": "event-driven", "sweep": "sweep"}


class OpenHome:
    """Nothing is made or read before something is asked for. `reader` opens what an account has left, or None for the
    one written last.

    Raises QuarterdeckError, in one line that names the mend, wherever the commands would print one.
    """

    def __init__(self, path: Path, lab: HomeLab, reader: Callable[[str | None], Reader]) -> None:
        self.path = path
        self._lab = lab
        self._reader = reader

    def __repr__(self) -> str:
        return f"OpenHome({str(self.path)!r})"

    def symbols(self, market: Market = "imported") -> list[str]:
        """Of which one-minute or longer bars are stored."""
        found: set[str] = set()
        for interval_ms in INTERVALS_MS.values():
            found.update(self._market(market).series(interval_ms))
        return sorted(found)

    def bars(
        self, symbol: str, interval: str = "1m", *, market: Market = "imported", since: Any = None, until: Any = None
    ) -> pd.DataFrame:
        """The closed bars that open in [since, until), by their open (UTC): open, high, low, close (USDT) and volume
        (base units). A bar that is missing is no row. Longer bars are made of whole shorter ones.

        Raises BadInputError for an interval or time that is none, DataError where nothing is stored.
        """
        if interval not in INTERVALS_MS:
            raise BadInputError(f"interval={interval!r}: is none; known are {', '.join(INTERVALS_MS)}")
        interval_ms = INTERVALS_MS[interval]
        first_ms, last_ms = moment_ms(since, "since"), moment_ms(until, "until")
        store = self._market(market)
        series = store.series(interval_ms).get(symbol)
        from_ms = _EVER_MS[0] if first_ms is None else first_ms
        to_ms = _EVER_MS[1] if last_ms is None else last_ms
        if series is not None:
            from_ms, to_ms = max(from_ms, series.first_ms), min(to_ms, series.last_ms)
        # Holes are no reason to end: the rows say where there is none.
        history = store.history([symbol], interval_ms, from_ms, to_ms, 0, max(to_ms - from_ms, interval_ms))
        columns = history.columns(symbol)
        names = ("open", "high", "low", "close", "volume")
        told = {"open_time_ms": columns.open_time_ms} | {name: getattr(columns, name) for name in names}
        about = {name: getattr(history, name) for name in ("source", "is_synthetic", "data_hash")}
        return frame(told, about, "open_time_ms")

    def backtest(
        self,
        strategy: str,
        *,
        symbols: Sequence[str] = (),
        market: Market | None = None,
        since: Any = None,
        until: Any = None,
        settings: Mapping[str, Value] | None = None,
        settings_file: str | Path | None = None,
        engine: str = "event",
        seed: int | None = None,
        note: str = "",
        allow_holes: bool = False,
    ) -> StoredRun:
        """Run a strategy over stored bars with all costs, as `quarterdeck backtest` does, and keep the run.

        `settings` are its own keys by name, others as "costs.taker_fee_bps". `engine` is "event", the live code on a
        virtual clock, or "sweep". What is left out is as it is there.
        """
        if engine not in _HOW:
            raise BadInputError(f"engine={engine!r}: is none; known are {', '.join(_HOW)}")
        how: Engine = "sweep" if engine == "sweep" else "event-driven"
        if isinstance(symbols, str):
            raise BadInputError(f"symbols={symbols!r}: is text; give a list, as [{symbols!r}]")
        request = BacktestRequest(
            strategy,
            None if settings_file is None else Path(settings_file),
            tuple(symbols),
            moment_ms(since, "since"),
            moment_ms(until, "until"),
            tuple((settings or {}).items()),
            engine=how,
            seed=seed,
            note=note,
            market=None if market is None else _known(market),
            allow_holes=allow_holes,
        )
        return StoredRun(self._lab, _apart(lambda: self._lab.backtest(request, _nobody, _never)))

    def runs(self) -> pd.DataFrame:
        """A row a stored run, by its id, the newest last."""
        return frame(self._lab.runs(), {}, "run_id")

    def run(self, run_id: str) -> StoredRun:
        """A stored backtest or walk-forward. Raises BadInputError where there is none, and for a sweep."""
        detail = self._lab.run(run_id)
        if detail["kind"] == "sweep":
            raise BadInputError(f"{run_id}: is a sweep, which has trials and no trades; `quarterdeck runs show` has it")
        return StoredRun(self._lab, detail)

    def trades(self, account: str | None = None) -> pd.DataFrame:
        """The closed trades of an account ("demo", "paper", "live", "testnet"), of the one written last without a name;
        the newest last. Raises UnavailableError where there is none."""
        return self._written(account, lambda reader: reader.trades(None))

    def signals(self, account: str | None = None) -> pd.DataFrame:
        """What was wanted and what became of it, the newest last."""
        return self._written(account, lambda reader: reader.signals(None))

    def orders(self, account: str | None = None) -> pd.DataFrame:
        """Every order, the newest last."""
        return self._written(account, lambda reader: reader.orders(open_only=False))

    def _written(self, account: str | None, ask: Callable[[Reader], list[Row]]) -> pd.DataFrame:
        reader = self._reader(account)
        return frame(ask(reader), {"account": reader.account})

    def _market(self, market: Market) -> Any:
        return self._lab.market(_known(market))


def _known(market: str) -> Market:
    if market == "imported":
        return "imported"
    if market == "recorded":
        return "recorded"
    raise BadInputError(f"market={market!r}: is none; known are {', '.join(MARKETS)}")


def _apart(work: Callable[[], T]) -> T:
    """In a thread of its own: a notebook has an event loop in this one, and a run needs one to itself."""
    with ThreadPoolExecutor(1, thread_name_prefix="notebook") as thread:
        return thread.submit(work).result()


def _nobody(_: object) -> None:
    """Progress that is shown to nobody."""


def _never() -> bool:
    return False

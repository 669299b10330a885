"""One database of market data, as core asks for it.

Imports stand inside the methods: who reads candles waits for nothing that only an import needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from storage.database import Database

if TYPE_CHECKING:
    from core.control.requests import DeleteWish, ImportWish
    from core.domain.progress import Manner
    from core.lab.data.history import History
    from core.market.checking import DataProblem
    from core.market.contracts.rules import ContractRules
    from core.market.stored import DataRow, Deleted, ImportReport, Series
    from storage.candles import SqliteCandles
    from storage.collected import SqliteCollected
    from storage.fetched import FetchedData
    from storage.observations import SqliteObservations


@dataclass(frozen=True, slots=True)
class SqliteMarket:
    """Implements core.lab.service.stores.MarketStore."""

    database: Database

    async def candles(self, interval_ms: int, *, read_only: bool = False) -> SqliteCandles:
        from storage.candles import SqliteCandles

        return await SqliteCandles.open(self.database, interval_ms, read_only=read_only)

    async def observations(self, *, read_only: bool = False) -> SqliteObservations:
        from storage.observations import SqliteObservations

        return await SqliteObservations.open(self.database, read_only=read_only)

    async def collected(self, exchange: str) -> SqliteCollected:
        from storage.collected import SqliteCollected

        return await SqliteCollected.open(self.database, exchange)

    async def check(self) -> None:
        await self.database.check()

    def all_series(self) -> list[Series]:
        from storage.history import all_series

        return all_series(self.database)

    def series(self, interval_ms: int) -> dict[str, Series]:
        from storage.history import stored_series

        return stored_series(self.database, interval_ms)

    def history(
        self,
        symbols: Sequence[str],
        interval_ms: int,
        from_ms: int,
        to_ms: int,
        warm_up_bars: int,
        max_hole_ms: int,
        streams: Sequence[str] = (),
    ) -> History:
        from storage.history import load_history

        period = (from_ms, to_ms, warm_up_bars, max_hole_ms)
        return load_history(self.database, symbols, interval_ms, *period, streams)

    def prepare(self, symbol: str, interval_ms: int) -> None:
        from storage.history import prepare_history

        prepare_history(self.database, symbol, interval_ms)

    def rules(self) -> list[ContractRules]:
        from storage.contract_rules import stored_rules

        return stored_rules(self.database)

    def put_rules(self, rules: Sequence[ContractRules]) -> None:
        from storage.contract_rules import put_rules

        put_rules(self.database, rules)

    def drop_rules(self, symbol: str, as_of_ms: int | None) -> int:
        from storage.contract_rules import drop_rules

        return drop_rules(self.database, symbol, as_of_ms)

    def take(self, path: Path, wish: ImportWish, now_ms: int, manner: Manner) -> ImportReport:
        from storage.data_admin import import_file

        return import_file(self.database, path, now_ms=now_ms, manner=manner, **asdict(wish))

    def fetched(self, now_ms: int, manner: Manner) -> FetchedData:
        from storage.fetched import FetchedData

        return FetchedData(self.database, now_ms, manner)

    def delete(self, wish: DeleteWish, manner: Manner) -> list[Deleted]:
        from core.market.intervals import INTERVALS_MS
        from storage.deleting import delete_data

        return delete_data(
            self.database,
            wish.symbol,
            from_ms=wish.from_ms,
            to_ms=wish.to_ms,
            interval_ms=None if wish.interval is None else INTERVALS_MS[wish.interval],
            kind=wish.kind,
            manner=manner,
        )

    def data(self) -> list[DataRow]:
        from storage.data_admin import list_data

        return list_data(self.database)

    def problems(self, jump_volatilities: float) -> list[DataProblem]:
        from storage.data_admin import check_data

        return check_data(self.database, jump_volatilities)

"""What an engine opens of a home's stores, as protocols that the composition root hands in.

A store is opened when it is asked for, and each method that opens one may raise StorageError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from core.engine.retention import AgingJournal, CheckpointedJournal, ForgettingStore
from core.ports import CandleStore, Journal, ObservationStore

if TYPE_CHECKING:
    from core.domain.forecast import Forecast, Output
    from core.domain.instrument import Instrument
    from core.domain.records import Record
    from core.domain.regrid import Eras, Factor
    from core.engine.recovery import Remembered
    from core.exchange.orders.panic_plan import Owned
    from core.market.contracts.rules import ContractRules
    from core.market.stored import Series


class AccountJournal(Journal, AgingJournal, CheckpointedJournal, Protocol):
    """The journal of one account, with what is kept beside its records. Who opens it closes it."""

    async def load(self, instruments: Mapping[str, Instrument] | None = None) -> list[Record]:
        """Told in ticks and lots of `instruments`, in which the orders of before may then be written on; without, each
        record stands as it was written. Raises StorageError where they are no whole numbers of those."""
        ...

    async def recall(self, instruments: Mapping[str, Instrument]) -> tuple[Remembered | None, list[Record]]:
        """What stands for the beginning of the journal, and the records behind that, as `load` gives them. None, and
        all records, where there is no checkpoint that can be gone by."""
        ...

    async def order_ids(self) -> list[str]:
        """The client ids of all that was ever ordered."""
        ...

    async def count_finer(self, symbol: str, by: Factor) -> None:
        """From now on a contract is told in a grid that is `by` times finer; its orders of before are written on."""
        ...

    async def eras(self) -> Eras:
        """In which ticks and lots its stretches count."""
        ...

    async def has_starts(self) -> bool:
        """Whether it knows by what rules its records were made."""
        ...

    async def left_out(self) -> set[str]:
        """The symbols that a start did not trade since their market was taken in last."""
        ...

    async def instruments(self) -> dict[str, Instrument]:
        """The contract rules kept beside the ticks and lots, by symbol."""
        ...

    async def put_instruments(self, instruments: Sequence[Instrument]) -> None: ...

    async def put_outputs(self, strategy: str, part: str, outputs: Sequence[Output]) -> None:
        """Keep what the values of a part are, from the next record on."""
        ...

    async def forecasts(self, strategy: str, from_ms: int) -> list[Forecast]:
        """As `core.ports.ForecastStore` has them."""
        ...

    async def get_meta(self, key: str) -> str | None:
        """A fact of the account (its seed, mode, settings), or None."""
        ...

    async def set_meta(self, values: Mapping[str, str]) -> None:
        """Write facts of the account, all or none, over older ones of the same key."""
        ...

    async def close(self) -> None: ...


class OpenedCandles(CandleStore, Protocol):
    """Who opens it closes it."""

    async def close(self) -> None: ...


class CheckedStore(Protocol):
    async def check(self) -> None:
        """Read the whole of it for damage, beside whoever writes. Raises StorageError."""
        ...


class AccountStore(CheckedStore, Protocol):
    """The accounts of a home."""

    async def journal(self, account: str, *, keeps_market: bool = False) -> AccountJournal:
        """`keeps_market` keeps every cursor and not the newest alone: for a market in real time."""
        ...

    def has_traded(self, account: str) -> bool:
        """Whether it has any record."""
        ...

    def told_in_real_time(self, strategy: str) -> list[Forecast]:
        """What champions of a strategy said in paper and live, in the order of their commit; none before any."""
        ...

    def paper_hours(self) -> float:
        """Hours of market time that the paper account has traded, over all its starts."""
        ...


class OpenedStreams(ForgettingStore, Protocol):
    """Who opens it closes it."""

    async def close(self) -> None: ...


class CandleDatabase(CheckedStore, Protocol):
    """The candles and funding of one market."""

    async def candles(self, interval_ms: int, *, read_only: bool = False) -> OpenedCandles:
        """Bars of one interval. With `read_only` nothing can be added, nor need the disk take it."""
        ...

    async def observations(self, *, read_only: bool = False) -> ObservationStore:
        """What else was observed there. The caller closes; `read_only` as above."""
        ...

    async def collected(self, exchange: str) -> OpenedStreams:
        """What came live of it from an exchange, to be kept no longer."""
        ...


class StoredMarket(CandleDatabase, Protocol):
    """A market that does not go on by itself."""

    def all_series(self) -> Sequence[Series]:
        """In order of symbols and intervals."""
        ...

    def rules(self) -> Sequence[ContractRules]:
        """The contract rules that its operator gave, by symbol, day and kind."""
        ...


class EngineStores(Protocol):
    """The stores of one home. `thorough` reads the whole of one for damage before it is opened."""

    def accounts(self, *, thorough: bool = True) -> AccountStore: ...

    def exchange_market(self, place: str, *, thorough: bool = True) -> CandleDatabase:
        """What came from an exchange as it happened; `place` names it, and its test hosts otherwise."""
        ...

    def imported(self) -> StoredMarket:
        """The candles that the operator imported into the home."""
        ...

    def recorded(self) -> StoredMarket:
        """The market that comes with the program, made or completed from its files. Raises RefusedError where it cannot
        be written, DataError where a file is missing."""
        ...

    def owned(self, account: str, exchange_key: str) -> Owned:
        """What an account's journal says is ours at the exchange, read however damaged, locked or read-only the home
        may be; never raises. `exchange_key` is the journal's fact of where its account is."""
        ...

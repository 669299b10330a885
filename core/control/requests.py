"""What the command line asks of an engine and of what it left behind, as plain requests and protocols."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from core.domain.rows import Row

if TYPE_CHECKING:
    from core.control.protocol import Seat
    from core.settings.schema import Mode


@dataclass(frozen=True, slots=True)
class RunRequest:
    """One wish to run an engine.

    `settings_path` is None for the defaults. `speed` is market seconds per second, None as fast as possible.
    `from_ms` (inclusive) and `to_ms` (exclusive) cut the recorded market, None for its own ends; `seed` None takes
    that of the settings. `log_level` is the lowest level shown on stderr; the log file takes everything from INFO on.
    `confirm_live` is what the operator typed to confirm a live start (see `core.control.arming`), empty for none.
    """

    mode: Mode
    home: Path
    settings_path: Path | None = None
    speed: float | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    seed: int | None = None
    log_level: str = "INFO"
    confirm_live: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """One wish for market data over the network: candles of `interval` and the funding of their period, and candles of
    the mark price where `mark`.

    The period is [from_ms, to_ms), None for now; `exchange` None takes that of the settings. Settings as in RunRequest.
    """

    symbols: tuple[str, ...]
    interval: str
    from_ms: int
    to_ms: int | None = None
    exchange: str | None = None
    settings_path: Path | None = None
    mark: bool = True


@dataclass(frozen=True, slots=True)
class CollectRequest:
    """One wish to gather streams of an exchange's market: of the settings' where `exchange` is None, for `for_ms` or
    until it is stopped, while `min_free_disk_mb` are free on the home's disk (None: of the settings). Settings as in
    RunRequest."""

    symbols: tuple[str, ...]
    streams: tuple[str, ...]
    exchange: str | None = None
    for_ms: int | None = None
    min_free_disk_mb: int | None = None
    settings_path: Path | None = None


class EngineHandle(Protocol):
    """An engine in a thread of its own. All of it is safe from any thread."""

    def wait(self) -> Seat:
        """Wait until the engine can be asked for snapshots. Raises why there is none, as run_headless;
        UnavailableError where it was stopped before.

        Raises ConfirmationError where `confirm_live` is not the tag of the account; another start may be asked for.
        """
        ...

    def ask_to_stop(self) -> None:
        """Ask the engine to end after the step in hand; a start under way is given up."""
        ...

    def stop(self, timeout_s: float) -> None:
        """The same, and wait for it. Raises UnavailableError when it has not ended after `timeout_s`."""
        ...

    def failure(self) -> BaseException | None:
        """What ended the engine, None while it runs and after a normal end."""
        ...

    def ended(self) -> bool: ...


class Reader(Protocol):
    """The durable record, read without an engine. The database exists when a reader is asked for.

    Keys are the field names of the views in `core.control.protocol` (StatusView, PositionView, OrderView, TradeView,
    SignalView) plus what else the record knows. Lists end with the newest. Every method raises StorageError.
    `account` is whose record it is.
    """

    account: str

    def status(self) -> Row:
        """The last journalled account: a StatusView as a row with `state` "stopped"; unknown values are None."""
        ...

    def positions(self) -> list[Row]: ...

    def orders(self, open_only: bool) -> list[Row]: ...

    def trades(self, limit: int | None) -> list[Row]: ...

    def signals(self, limit: int | None) -> list[Row]: ...

    def stats(self) -> Row:
        """Figures over all closed trades of the account, with the source of the market they were made on."""
        ...

    def models(self) -> list[Row]: ...

    def limit_events(self) -> list[Row]: ...


@dataclass(frozen=True, slots=True)
class ImportWish:
    """What the operator says of files to import: what they do not tell (symbol, interval as text, kind, stream, the
    snapshot that changes of an order book begin with), that rows are to be put in order, that the data are made up, and
    that they stand in place of what is stored."""

    symbol: str | None = None
    interval: str | None = None
    kind: str | None = None
    stream: str | None = None
    snapshot: Path | None = None
    sort: bool = False
    synthetic: bool = False
    replace: bool = False


@dataclass(frozen=True, slots=True)
class DeleteWish:
    """Whose data go: from_ms <= time < to_ms, of one interval (as text) or kind; None stands for all."""

    symbol: str
    from_ms: int | None = None
    to_ms: int | None = None
    interval: str | None = None
    kind: str | None = None

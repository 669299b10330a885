"""settings.toml -> one typed, validated, frozen Settings. Unknown keys are errors."""

from __future__ import annotations

import os
import re
import stat
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import tomli
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from core.domain.errors import SettingsError
from core.domain.market import MINUTE_MS
from core.domain.operator import LimitEffect
from core.domain.trading import KEPT_TRADES
from core.settings.addresses import is_address, is_this_machine
from core.settings.hours import all_hours, utc_text
from core.settings.problems import first_problem
from core.settings.strategies import Table, parse_table, strategy_names, whole_table
from core.settings.values import IntervalMinutes, Market

Mode = Literal["demo", "paper", "live"]

MAX_SETTINGS_BYTES = 1 << 20

JUMP_VOLATILITIES = 30.0
"""Times the volatility of before, beyond which a price's move is a jump, where nothing else is said."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AccountSettings(_Section):
    initial_balance_usdt: Decimal = Field(Decimal("10000"), gt=0)
    leverage: int = Field(3, ge=1, le=125)


class MarketSettings(_Section):
    symbols: tuple[str, ...] = Field(("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT"), min_length=1)
    interval_minutes: IntervalMinutes = 1

    @property
    def interval_ms(self) -> int:
        """How long the bars of a run are."""
        return self.interval_minutes * MINUTE_MS


class CostSettings(_Section):
    maker_fee_bps: Decimal = Field(Decimal("2"), ge=-100, le=100)
    taker_fee_bps: Decimal = Field(Decimal("5"), ge=0, le=100)
    slippage_bps: float = Field(0.5, ge=0, le=500)
    impact_bps: float = Field(5.0, ge=0, le=1000)
    max_participation_pct: float = Field(10.0, ge=0, le=100)
    liquidation_fee_bps: Decimal = Field(Decimal("125"), ge=0, le=1000)
    assumed_funding_bps: Decimal = Field(Decimal("1"), ge=0, le=100)


class SizingSettings(_Section):
    notional_usdt: float = Field(0.0, ge=0)
    risk_per_trade_pct: float = Field(0.5, gt=0, le=100)
    position_pct: float = Field(25.0, gt=0, le=1000)


class EventSettings(_Section):
    """Something that is known to come: nothing is entered from `from_utc` on, before `to_utc`, as ISO times."""

    name: str = Field(min_length=1, max_length=64)
    from_utc: str
    to_utc: str

    @field_validator("name")
    @classmethod
    def _can_be_shown(cls, name: str) -> str:
        if not name.isprintable():
            raise ValueError("a name is text that can be printed")
        return name

    @field_validator("from_utc", "to_utc", mode="before")
    @classmethod
    def _is_a_time(cls, value: object) -> str:
        return utc_text(value)

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> EventSettings:
        if self.from_utc >= self.to_utc:
            raise ValueError(f"limits.events: {self.name} ends before it begins; to_utc must be after from_utc")
        return self


class LimitSettings(_Section):
    max_order_notional_usdt: float = Field(20_000.0, gt=0)
    max_leverage: float = Field(3.0, gt=0, le=125)
    min_stop_distance_pct: float = Field(0.1, gt=0, lt=100)
    max_stop_distance_pct: float = Field(5.0, gt=0, lt=100)
    day_loss_usdt: float = Field(300.0, gt=0)
    day_loss_pct: float = Field(3.0, gt=0, le=100)
    day_loss_effect: Literal[LimitEffect.NO_NEW_ENTRIES, LimitEffect.FLATTEN] = LimitEffect.NO_NEW_ENTRIES
    max_trades_per_day: int = Field(100, ge=1)
    max_losses_in_row: int = Field(8, ge=1)
    max_symbol_losses_in_row: int = Field(0, ge=0, le=KEPT_TRADES)
    symbol_losses_hours: float = Field(24.0, gt=0, le=24 * 28)
    symbol_lock_minutes: float = Field(60.0, gt=0, le=60 * 24 * 28)
    max_drawdown_pct: float = Field(15.0, gt=0, le=100)
    max_exposure_pct: float = Field(150.0, gt=0)
    max_open_positions: int = Field(5, ge=1)
    max_feed_age_seconds: float = Field(120.0, gt=0)
    warn_at_pct: float = Field(80.0, gt=0, le=100)
    no_trade_hours: tuple[str, ...] = Field((), max_length=64)
    funding_quiet_minutes: int = Field(0, ge=0, le=240)
    events: tuple[EventSettings, ...] = Field((), max_length=1_000)

    @field_validator("no_trade_hours")
    @classmethod
    def _are_hours(cls, windows: tuple[str, ...]) -> tuple[str, ...]:
        all_hours(windows)
        return windows

    @model_validator(mode="after")
    def _stop_distances_in_order(self) -> LimitSettings:
        if self.min_stop_distance_pct >= self.max_stop_distance_pct:
            raise ValueError("min_stop_distance_pct must be below max_stop_distance_pct")
        return self


class EngineSettings(_Section):
    inference_delay_ms: int = Field(100, ge=0, le=900)
    training_delay_seconds: int = Field(60, ge=1)
    first_price_delay_ms: int = Field(1000, ge=1, le=10_000)
    paper_latency_ms: int = Field(150, ge=0, le=10_000)
    training_workers: int = Field(2, ge=1, le=16)
    worker_nice: int = Field(10, ge=0, le=19)


def _is_guarded(scheduler: str) -> bool:
    """Whether a scheduler is on this machine, or reached over TLS."""
    scheme, _, place = scheduler.rpartition("://")
    if scheme in ("tls", "wss"):
        return True
    host = urlsplit(f"//{place}").hostname or ""
    return is_this_machine(host)


class ComputeSettings(_Section):
    backend: Literal["local", "dask"] = "local"
    scheduler: str = ""
    jobs: int = Field(0, ge=0, le=1024)

    @model_validator(mode="after")
    def _scheduler_is_named(self) -> ComputeSettings:
        if self.backend == "dask" and not self.scheduler:
            raise ValueError(
                'compute.scheduler: backend "dask" needs the address of its scheduler, as in "tcp://127.0.0.1:8786"'
            )
        if self.scheduler and not _is_guarded(self.scheduler):
            raise ValueError(
                f"compute.scheduler: {self.scheduler} is on another machine, and whoever reaches it runs code as you: "
                "write tls://HOST:PORT, with certificates in Dask's own settings, or reach it by a tunnel on 127.0.0.1"
            )
        return self


TESTNETS = ("binanceusdm", "apex")
"""The exchanges with test hosts that ccxt knows."""


class ExchangeSettings(_Section):
    """`symbols` empty: those of `market`. `testnet`: the exchange's own test hosts, with money that is not real.
    `base_url` is for test servers: every address of the client moves there."""

    id: Literal["binanceusdm", "mexc", "apex"] = "binanceusdm"
    testnet: bool = False
    symbols: tuple[str, ...] = ()
    margin_mode: Literal["cross", "isolated"] = "cross"
    position_mode: Literal["one_way"] = "one_way"
    leverage_cap: int = Field(10, ge=1, le=125)
    base_url: str = ""
    bar_grace_ms: int = Field(2000, ge=100, le=30_000)
    stale_after_seconds: float = Field(10.0, ge=1, le=300)
    request_timeout_ms: int = Field(5000, ge=500, le=60_000)
    protective_timeout_ms: int = Field(700, ge=200, le=10_000)
    protection_limit_ms: int = Field(6000, ge=1000, le=60_000)
    reconcile_seconds: float = Field(30.0, ge=1, le=600)
    max_clock_offset_ms: int = Field(500, ge=50, le=5000)

    @field_validator("base_url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        if url and not is_address(url.removesuffix("/")):
            raise ValueError(
                'base_url is the scheme, host and port of a test server and nothing else, as in "http://127.0.0.1:8080"'
            )
        return url.rstrip("/")

    @model_validator(mode="after")
    def _has_test_hosts(self) -> ExchangeSettings:
        if self.testnet and self.id not in TESTNETS:
            known = ", ".join(TESTNETS)
            raise ValueError(
                f"exchange.testnet: {self.id} has no test hosts; set it to false, or exchange.id to one of {known}"
            )
        return self


_WHICH_ACCOUNT = frozenset({"id", "testnet", "base_url"})


class LiveSettings(_Section):
    paper_hours_first: float = Field(24.0, ge=0, le=8760)


class LabSettings(_Section):
    """`market`: the candles that are imported, or the recorded ones that come with the program."""

    market: Market = "imported"
    max_hole_minutes: float = Field(10.0, ge=0, le=1440)
    jump_volatilities: float = Field(JUMP_VOLATILITIES, gt=1)


class DataSettings(_Section):
    """`archive_url` is where the published archive of USD-M futures lies, above its folders `monthly` and `daily`;
    empty for none."""

    archive_url: str = "https://data.binance.vision/data/futures/um"

    @field_validator("archive_url")
    @classmethod
    def _is_guarded(cls, url: str) -> str:
        if not url:
            return url
        server = re.match(r"https?://[^/]*", url)
        if server is None or not is_address(server[0]) or not re.fullmatch(r"[!-~]+", url) or set("?#\\") & set(url):
            raise ValueError('archive_url is an address without a query, as in "https://archive.example/futures"')
        # The checksums come from there, too.
        if url.startswith("http:") and not is_this_machine(urlsplit(url).hostname or ""):
            raise ValueError("archive_url must begin with https://, unless it is on this machine (127.0.0.1)")
        return url.rstrip("/")


class CollectSettings(_Section):
    """What `collect` gathers of an exchange's streams, and how long it keeps it: days, 0 for ever."""

    sample_seconds: float = Field(1.0, ge=0.1, le=60)
    batch_seconds: float = Field(2.0, ge=0.1, le=60)
    fill_hours: float = Field(24.0, ge=0, le=24 * 28)
    weight_an_hour: int = Field(12_000, ge=1200, le=100_000)
    min_free_disk_mb: int = Field(2000, ge=0)
    keep_trades_days: int = Field(0, ge=0)
    keep_book10_days: int = Field(0, ge=0)
    keep_mark_days: int = Field(0, ge=0)
    keep_liquidations_days: int = Field(0, ge=0)
    keep_open_interest_days: int = Field(0, ge=0)
    keep_long_short_days: int = Field(0, ge=0)
    keep_taker_flow_days: int = Field(0, ge=0)

    def keep_days(self, family: str) -> int:
        """How long a family of streams is kept; 0 for ever, as what has no setting is."""
        days: int = getattr(self, f"keep_{family}_days", 0)
        return days


class LogSettings(_Section):
    file_mb: int = Field(10, ge=1, le=1000)
    old_files: int = Field(5, ge=1, le=100)


class DemoSettings(_Section):
    """`market`: the recorded candles that come with the program, or those that are imported."""

    market: Market = "recorded"
    speed: float = Field(120.0, gt=0)
    seed: int = Field(7, ge=0)


_OLDER = "strategy_options"


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


class Settings(_Section):
    """`strategy` names what a run trades. `tables` are the strategies' own, by name, as JSON has them: of the one that
    is traded with all its keys. In a file, and where these settings are dumped, each stands as a section of its own."""

    mode: Mode = "demo"
    strategy: str = "scalper"
    account: AccountSettings = AccountSettings()
    market: MarketSettings = MarketSettings()
    costs: CostSettings = CostSettings()
    sizing: SizingSettings = SizingSettings()
    limits: LimitSettings = LimitSettings()
    tables: dict[str, dict[str, Any]] = {}
    engine: EngineSettings = EngineSettings()
    compute: ComputeSettings = ComputeSettings()
    lab: LabSettings = LabSettings()
    data: DataSettings = DataSettings()
    collect: CollectSettings = CollectSettings()
    demo: DemoSettings = DemoSettings()
    exchange: ExchangeSettings = ExchangeSettings()
    live: LiveSettings = LiveSettings()
    log: LogSettings = LogSettings()

    def with_initial_balance(self, balance_usdt: Decimal) -> Settings:
        """These settings with the balance that an account was really opened with."""
        return self.model_copy(
            update={"account": self.account.model_copy(update={"initial_balance_usdt": balance_usdt})}
        )

    @model_validator(mode="before")
    @classmethod
    def _tables_are_whole(cls, data: Any) -> Any:
        """Raises SettingsError naming the key and the mend."""
        if not isinstance(data, dict):
            return data
        if "tables" in data:
            raise ValueError("tables: unknown key; write a strategy's table as [NAME]")
        named = data.get("strategy", cls.model_fields["strategy"].default)
        in_use = named if isinstance(named, str) else ""
        beside = {name: table for name, table in data.items() if name not in cls.model_fields and _is_table(table)}
        # Of files, and journals, of before: strategies from elsewhere had their tables in one section.
        older = beside.pop(_OLDER, {})
        if odd := [name for name, table in older.items() if not _is_table(table)]:
            raise ValueError(f"{_OLDER}.{odd[0]}: is no table; write a strategy's keys in a table [NAME]")
        tables = dict(older)
        names = {in_use, *(strategy_names() if beside.keys() - {in_use} else ())}
        tables |= {name: table for name, table in beside.items() if name in names}
        whole = {name: whole_table(name, table) for name, table in tables.items()}
        if in_use not in whole and (default := whole_table(in_use, {})):
            whole[in_use] = default
        rest = {name: value for name, value in data.items() if name not in tables and name != _OLDER}
        return {**rest, "tables": whole}

    @model_serializer(mode="wrap")
    def _as_in_a_file(self, told: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = told(self)
        return {**{name: value for name, value in data.items() if name != "tables"}, **data.get("tables", {})}

    @model_validator(mode="after")
    def _parts_agree(self) -> Settings:
        stop_pct, caps = self.tables.get(self.strategy, {}).get("stop_pct"), self.limits
        if isinstance(stop_pct, int | float) and not (
            caps.min_stop_distance_pct <= stop_pct <= caps.max_stop_distance_pct
        ):
            raise ValueError(
                f"{self.strategy}.stop_pct must lie between limits.min_stop_distance_pct and max_stop_distance_pct"
            )
        if self.engine.inference_delay_ms >= self.engine.first_price_delay_ms:
            raise ValueError("engine.inference_delay_ms must be below engine.first_price_delay_ms")
        return self


def load_settings(path: Path) -> Settings:
    """Read and validate a settings file.

    Raises SettingsError with the file, the key and the mend.
    """
    return parse_settings(_read_toml(path), str(path))


def load_exchange(path: Path) -> Settings:
    """The settings of the account alone, all others at their defaults: for what must work with a file that is wrong
    elsewhere. Of an `[exchange]` that is wrong itself, what says which account is meant.

    Raises SettingsError where not even that can be read: a default could be another account.
    """
    section = _read_toml(path).get("exchange", {})
    try:
        return parse_settings({"exchange": section}, str(path))
    except SettingsError:
        if not isinstance(section, dict):
            raise
        kept = {key: value for key, value in section.items() if key in _WHICH_ACCOUNT}
        return parse_settings({"exchange": kept}, str(path))


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        # A pipe would be waited for.
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise SettingsError(f"{path}: is no plain file; name a file of settings")
            content = file.read(MAX_SETTINGS_BYTES + 1)
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: is not UTF-8 text at byte {error.start}") from error
    if len(content) > MAX_SETTINGS_BYTES:
        raise SettingsError(f"{path}: is larger than {MAX_SETTINGS_BYTES >> 20} MiB; name a file of settings")
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise SettingsError(f"{path}: is not valid TOML: {error}") from error
    except RecursionError as error:
        raise SettingsError(f"{path}: nests too deep; name a file of settings") from error


def parse_settings(data: dict[str, Any], place: str) -> Settings:
    """Raises SettingsError naming `place`, the key and the mend."""
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        raise SettingsError(f"{place}: {first_problem(error, Settings, also=strategy_names())}") from error
    except SettingsError as error:
        raise SettingsError(f"{place}: {error}") from error


def parse_options(model: type[Table], settings: Settings, name: str) -> Table:
    """The table `[name]` as the strategy's own class. Raises SettingsError naming the key and the mend."""
    return parse_table(model, settings.tables.get(name, {}), name)

"""What an exchange asks of orders in a contract, each with the day that it is of and where it comes from."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Literal

import tomli

from core.domain.errors import BadInputError, DataError
from core.domain.instrument import Instrument
from core.domain.plain import plain
from core.settings.schema import CostSettings

ACCOUNT_COIN = "USDT"
"""All amounts are counted in it."""

QUOTES = ("USDT", "USDC", "FDUSD", "BUSD", "TUSD", "USD", "EUR", "GBP", "TRY", "BRL", "JPY", "BTC", "ETH", "BNB")
"""The coins that a contract's name may end with, the longer of two that end alike first."""

Kind = Literal["shipped", "exchange", "file", "inferred"]
"""With the program, read from an exchange, given in a file, or read off the candles where none of these is known."""

_RANK: Mapping[Kind, int] = {"file": 0, "exchange": 1, "inferred": 2, "shipped": 3}
"""Which goes before which of the same day."""

DAY_MS = 86_400_000
MAX_RULES_BYTES = 1 << 20
_MOST_LEVERAGE = 1000
_LARGEST, _SMALLEST, _MOST_LOTS = Decimal("1e15"), Decimal("1e-18"), Decimal("1e18")
"""Beyond these nothing is a contract, and its arithmetic would not be exact any more."""

_SIZES = ("tick_size", "lot_size", "contract_size", "min_qty", "max_qty")
_TERMS = ("min_notional_usdt", "max_leverage", "maintenance_margin_pct", "liquidation_fee_bps")
_FROM = ("as_of", "source")
_KEYS = ("base", "quote", *_SIZES, *_TERMS, *_FROM)
_ABOUT_A_DAY = "the UTC day that the rules are of"


@dataclass(frozen=True, slots=True)
class ContractRules:
    """The rules of a contract on the UTC day that begins at `as_of_ms`; `source` says in words where they come from.

    `tick_size` is in the coin `quote`, `lot_size`, `min_qty` and `max_qty` are contracts of `contract_size` base units.
    Fees of trades are no part of them: those are the operator's settings.
    """

    symbol: str
    base: str
    quote: str
    tick_size: Decimal
    lot_size: Decimal
    contract_size: Decimal
    min_qty: Decimal
    max_qty: Decimal
    min_notional_usdt: Decimal
    max_leverage: int
    maintenance_margin_pct: Decimal
    liquidation_fee_bps: Decimal
    as_of_ms: int
    kind: Kind
    source: str

    def instrument(self, costs: CostSettings) -> Instrument:
        """With the operator's fees. Raises BadInputError where the contract is quoted in another coin."""
        if self.quote != ACCOUNT_COIN:
            raise BadInputError(
                f"{self.symbol}: is quoted in {self.quote}, and accounts are kept in {ACCOUNT_COIN}: its amounts would "
                f"be counted in the wrong coin; take the contract of {self.base} that is quoted in {ACCOUNT_COIN}"
            )
        return Instrument(
            symbol=self.symbol,
            base=self.base,
            tick_size=self.tick_size,
            lot_size=self.lot_size,
            contract_size=self.contract_size,
            min_lots=max(1, int((self.min_qty / self.lot_size).to_integral_value(ROUND_CEILING))),
            max_lots=int((self.max_qty / self.lot_size).to_integral_value(ROUND_FLOOR)),
            min_notional_usdt=self.min_notional_usdt,
            maker_fee_bps=costs.maker_fee_bps,
            taker_fee_bps=costs.taker_fee_bps,
            max_leverage=self.max_leverage,
            maintenance_margin_pct=self.maintenance_margin_pct,
            liquidation_fee_bps=self.liquidation_fee_bps,
        )

    @property
    def day(self) -> str:
        return f"{datetime.fromtimestamp(self.as_of_ms / 1000, UTC):%Y-%m-%d}"

    def told(self) -> dict[str, Any]:
        """As a JSON-ready row: sizes as their exact decimals."""
        sizes = {name: f"{getattr(self, name):f}" for name in (*_SIZES, "min_notional_usdt")}
        terms = {name: float(getattr(self, name)) for name in ("maintenance_margin_pct", "liquidation_fee_bps")}
        about = {"symbol": self.symbol, "as_of": self.day, "kind": self.kind, "base": self.base, "quote": self.quote}
        return about | sizes | {"max_leverage": self.max_leverage} | terms | {"source": self.source}


def rules_of(instrument: Instrument, quote: str, as_of_ms: int, kind: Kind, source: str) -> ContractRules:
    """An instrument, as an exchange's contract list gives it, of the UTC day that `as_of_ms` is in, and its source."""
    return ContractRules(
        symbol=instrument.symbol,
        base=instrument.base,
        quote=quote,
        tick_size=instrument.tick_size,
        lot_size=instrument.lot_size,
        contract_size=instrument.contract_size,
        min_qty=instrument.lot_size * instrument.min_lots,
        max_qty=instrument.lot_size * instrument.max_lots,
        min_notional_usdt=instrument.min_notional_usdt,
        max_leverage=instrument.max_leverage,
        maintenance_margin_pct=instrument.maintenance_margin_pct,
        liquidation_fee_bps=instrument.liquidation_fee_bps,
        as_of_ms=as_of_ms // DAY_MS * DAY_MS,
        kind=kind,
        source=source,
    )


def rules_at(known: Iterable[ContractRules], from_ms: int) -> ContractRules | None:
    """Of the rules of one contract those that were the newest at `from_ms`, or else the earliest after it."""
    ordered = sorted(known, key=lambda rules: (rules.as_of_ms, -_RANK[rules.kind]))
    before = [rules for rules in ordered if rules.as_of_ms <= from_ms]
    if before:
        return before[-1]
    after = [rules for rules in ordered if rules.as_of_ms == ordered[0].as_of_ms]
    return after[-1] if after else None


def coins_of(symbol: str) -> tuple[str, str]:
    """Base and quote of a contract by its name; the quote is that of the accounts where the name does not tell it."""
    name = re.sub(r"[-_](PERP|SWAP|[0-9]+)$", "", symbol.upper().partition(":")[0])
    for quote in QUOTES:
        base = name.removesuffix(quote).rstrip("-/_")
        if name.endswith(quote) and base:
            return base, quote
    return name, ACCOUNT_COIN


def read_rules(
    path: Path, kind: Kind = "file", *, as_of_ms: int | None = None, source: str | None = None
) -> list[ContractRules]:
    """The rules in a TOML file: a table a contract. `as_of` and `source` stand in a table, or above all of them; where
    they are missing, `as_of_ms` and `source` or the file's name stand in.

    Raises DataError with the file, the contract, the key and the mend.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_RULES_BYTES + 1)
        if len(content) > MAX_RULES_BYTES:
            raise DataError(f"{path}: is larger than {MAX_RULES_BYTES >> 20} MiB; name a file of contract rules")
        tables: dict[str, Any] = tomli.loads(content.decode("utf-8-sig"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, tomli.TOMLDecodeError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read as TOML: {error}; docs/operating.md shows such a file") from error
    common = {"source": source or path.name} | {key: tables.pop(key) for key in _FROM if key in tables}
    if as_of_ms is not None:
        common = {"as_of": datetime.fromtimestamp(as_of_ms / 1000, UTC).date()} | common
    if not tables:
        raise DataError(f"{path}: holds no contract; write a table for each, as in [BTCUSDT]")
    for symbol, table in tables.items():
        if not isinstance(table, dict):
            raise DataError(f"{path}: {symbol} is no table of a contract and neither of {', '.join(_FROM)}")
    return [_rules(f"{path}: [{symbol}]", symbol, common | table, kind) for symbol, table in tables.items()]


def _rules(place: str, symbol: str, table: Mapping[str, Any], kind: Kind) -> ContractRules:
    for key in table:
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, n=1)
            raise DataError(
                f"{place} {key}: unknown key; " + (f"did you mean {near[0]}?" if near else f"known: {', '.join(_KEYS)}")
            )
    base, quote = coins_of(symbol)
    table = {"base": base, "quote": quote, "contract_size": "1"} | dict(table)
    lacks = [key for key in _KEYS if key not in table]
    if "as_of" in lacks:
        raise DataError(f"{place} lacks as_of, {_ABOUT_A_DAY}; write as_of = 2023-05-01, or name it with --as-of")
    if lacks:
        raise DataError(f"{place} lacks {lacks[0]}")
    numbers: dict[str, Any] = {key: _number(place, key, table[key]) for key in (*_SIZES, *_TERMS)}
    _check(place, numbers)
    words: dict[str, Any] = {key: _word(place, key, table[key]) for key in ("base", "quote", "source")}
    return ContractRules(
        symbol=plain(symbol),
        kind=kind,
        as_of_ms=_day_ms(place, table["as_of"]),
        max_leverage=int(numbers.pop("max_leverage")),
        **words,
        **numbers,
    )


def _number(place: str, key: str, value: Any) -> Decimal:
    try:
        # repr of a float is the shortest decimal that is this float: what was written.
        number = Decimal(repr(value) if isinstance(value, float) else value)
    except (InvalidOperation, TypeError, ValueError) as error:
        raise DataError(f'{place} {key}: {value!r} is no number; write it as in {key} = "0.1"') from error
    if isinstance(value, bool) or not number.is_finite():
        raise DataError(f'{place} {key}: {value!r} is no number; write it as in {key} = "0.1"')
    return number


def _word(place: str, key: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{place} {key}: {value!r} is no text")
    return plain(value.strip().upper() if key == "quote" else value.strip())


def _check(place: str, numbers: Mapping[str, Decimal]) -> None:
    may_be_zero = ("min_qty", "min_notional_usdt", "liquidation_fee_bps")
    for key, number in numbers.items():
        if not (0 if key in may_be_zero else _SMALLEST) <= number <= _LARGEST:
            raise DataError(f"{place} {key}: {number} cannot be; look for a slip in it")
    if not max(numbers["min_qty"], numbers["lot_size"]) <= numbers["max_qty"] <= _MOST_LOTS * numbers["lot_size"]:
        raise DataError(f"{place} max_qty: {numbers['max_qty']} does not go with min_qty and lot_size")
    leverage = numbers["max_leverage"]
    if not 1 <= leverage <= _MOST_LEVERAGE or leverage != int(leverage):
        raise DataError(f"{place} max_leverage: {leverage} is no whole number from 1 to {_MOST_LEVERAGE}")
    if not 0 < numbers["maintenance_margin_pct"] < 100:
        raise DataError(
            f"{place} maintenance_margin_pct: {numbers['maintenance_margin_pct']} is no share of 0 to 100 %"
        )


def _day_ms(place: str, value: Any) -> int:
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else value
        # A date and time of TOML is a date, too.
        return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
    except (AttributeError, ValueError) as error:
        raise DataError(f"{place} as_of: {value!r} is no day; write {_ABOUT_A_DAY} as 2023-05-01") from error

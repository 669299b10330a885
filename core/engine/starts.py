"""What each start of an engine traded by: kept in the journal, so that a session can be judged by the rules of then."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any

from core.domain.instrument import Instrument
from core.domain.regrid import Era, Eras, grid_of
from core.engine.grid_history import RULES, START
from core.settings.schema import ExchangeSettings, Settings, parse_settings
from core.trader.ids import NEWEST, WITHOUT_STRATEGY

# What no decision depends on.
_NO_MATTER: dict[str, Any] = {
    "mode": True,
    "demo": True,
    "compute": True,
    "live": True,
    "log": True,
    "collect": True,
    "engine": {"training_workers", "worker_nice", "paper_latency_ms"},
    "exchange": set(ExchangeSettings.model_fields) - {"protection_limit_ms"},
}


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings that matter to decisions, the others at their defaults, and the contract rules by symbol, of those
    that are traded and of those that once were. `id_form` is how ids were made (`core.trader.ids`)."""

    settings: Settings
    instruments: Mapping[str, Instrument]
    id_form: int = NEWEST

    def to_json(self) -> str:
        settings = _of_the_traded(self.settings).model_dump(mode="json", exclude=_NO_MATTER)
        instruments = [
            {key: value if isinstance(value, str | int) else str(value) for key, value in asdict(item).items()}
            for item in self.instruments.values()
        ]
        kept = {"settings": settings, "instruments": instruments, "id_form": self.id_form}
        return json.dumps(kept, sort_keys=True)

    @property
    def retired(self) -> frozenset[str]:
        """Whose contract rules are here for the past alone."""
        return frozenset(self.instruments).difference(self.settings.market.symbols)

    def digest(self) -> str:
        return hashlib.blake2b(self.to_json().encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Start:
    """The `seq` records before it were written by earlier starts. `code` names the code that it decides by, "" where
    that was not kept."""

    seq: int
    rules: Rules
    code: str = ""


def is_same_account(one: Rules, other: Rules) -> bool:
    """Whether they differ in nothing but what the exchange takes of new orders."""
    return (
        one.settings == other.settings
        and one.id_form == other.id_form
        and one.instruments.keys() == other.instruments.keys()
        and all(grid_of(one.instruments[symbol]) == grid_of(item) for symbol, item in other.instruments.items())
    )


def eras_of(starts: Sequence[Start]) -> Eras:
    """In which ticks and lots the records of each start count."""
    return Eras(
        [
            Era(start.seq, {symbol: grid_of(instrument) for symbol, instrument in start.rules.instruments.items()})
            for start in starts
        ]
    )


def start_meta(seq: int, time_ms: int, rules: Rules, code: str = "") -> dict[str, str]:
    """The facts to keep of a start at the wall time `time_ms`. One that wrote nothing is replaced by the next."""
    digest = rules.digest()
    start = {"seq": seq, "time_ms": time_ms, "rules": digest, "code": code}
    return {f"{START}{seq:012d}": json.dumps(start), f"{RULES}{digest}": rules.to_json()}


def read_starts(meta: Mapping[str, str]) -> list[Start]:
    """Oldest first. Raises SettingsError where this program cannot read the settings of one any more."""
    known = {key.removeprefix(RULES): _read_rules(key, text) for key, text in meta.items() if key.startswith(RULES)}
    kept = [json.loads(meta[key]) for key in sorted(meta) if key.startswith(START)]
    return [Start(start["seq"], known[start["rules"]], start.get("code", "")) for start in kept]


def lot_sizes(meta: Mapping[str, str]) -> list[tuple[int, dict[str, Decimal]]]:
    """The lot size of each symbol by the `seq` of each start, oldest first. The settings of the starts are not looked
    at, so that those of another program are in nobody's way."""
    known = {
        key.removeprefix(RULES): {item["symbol"]: Decimal(item["lot_size"]) for item in json.loads(text)["instruments"]}
        for key, text in meta.items()
        if key.startswith(RULES)
    }
    kept = [json.loads(meta[key]) for key in sorted(meta) if key.startswith(START)]
    return [(start["seq"], known[start["rules"]]) for start in kept]


def changed_steps(then: Mapping[str, Instrument], now: Mapping[str, Instrument]) -> list[str]:
    """Of which contracts orders are taken in other steps than before, one line each."""
    return [
        f"{symbol}: orders were taken in steps of {_steps(then[symbol])}, now of {_steps(instrument)}; "
        "what is held and rests keeps its prices and quantities"
        for symbol, instrument in now.items()
        if symbol in then and _steps(then[symbol]) != _steps(instrument)
    ]


def _steps(instrument: Instrument) -> str:
    return f"{instrument.price_step.normalize():f} USDT and {instrument.qty_step.normalize():f} {instrument.base}"


def changes(then: Rules, now: Rules) -> list[str]:
    """What is different now, one line each."""
    before, after = (dict(_leaves(json.loads(rules.to_json())["settings"])) for rules in (then, now))
    told = [
        f"{key} was {before.get(key, 'absent')}, is {after.get(key, 'absent')}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]
    told += [
        f"the contract rules of {symbol} are others"
        for symbol, instrument in then.instruments.items()
        if not _same_contract(instrument, now.instruments.get(symbol, instrument))
    ]
    return told


def _same_contract(one: Instrument, other: Instrument) -> bool:
    """Fees aside, which are settings."""
    return one == replace(other, maker_fee_bps=one.maker_fee_bps, taker_fee_bps=one.taker_fee_bps)


def _read_rules(key: str, text: str) -> Rules:
    data = json.loads(text)
    settings = _of_the_traded(parse_settings(data["settings"], f"the journal's {key}"))
    instruments = [_read_instrument(item) for item in data["instruments"]]
    by_symbol = {instrument.symbol: instrument for instrument in instruments}
    return Rules(settings, by_symbol, data.get("id_form", WITHOUT_STRATEGY))


def _of_the_traded(settings: Settings) -> Settings:
    """Without the tables of strategies that are not traded: nothing depends on them."""
    tables = {name: table for name, table in settings.tables.items() if name == settings.strategy}
    return settings if tables == settings.tables else settings.model_copy(update={"tables": tables})


def _read_instrument(item: dict[str, Any]) -> Instrument:
    from pydantic import TypeAdapter

    return TypeAdapter(Instrument).validate_python(item)


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else key)
    else:
        yield path, json.dumps(value)

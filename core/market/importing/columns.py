"""What columns are called outside, and here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from core.domain.errors import DataError
from core.market.importing.table import MEND

DUMP_COLUMNS = (
    "open_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time",
    "quote_volume",
    "count",
    "taker_buy_volume",
    "taker_buy_quote_volume",
    "ignore",
)
"""Of the venue's public kline files, which have no header before 2022; other rows without names begin alike."""

_ALIASES: Mapping[str, tuple[str, ...]] = {
    "open_time": (
        "open_time",
        "time_open",
        "start_time",
        "start_at",
        "candle_begin_time",
        "start",
        "timestamp",
        "unix_timestamp",
        "unix_time",
        "unix",
        "ts",
        "time",
        "datetime",
        "date_time",
        "date",
        "t",
        "index",
        "index_level_0",
        "",
    ),
    "open": ("open", "open_price", "o"),
    "high": ("high", "high_price", "h"),
    "low": ("low", "low_price", "l"),
    "close": ("close", "close_price", "c"),
    # Where a file has volumes of several kinds, `vol` counts contracts and `vol_ccy` the base coin.
    "volume": ("volume", "base_volume", "volume_base", "vol_ccy", "vol", "v"),
    "count": ("count", "trade_count", "tradecount", "number_of_trades", "trades"),
    "funding_time": ("funding_time", "calc_time", "funding_timestamp", "funding_rate_timestamp"),
    "funding_rate": ("funding_rate", "last_funding_rate"),
    "mark_price": ("mark_price", "mark"),
    "trade_time": ("trade_time", "transact_time", "time", "timestamp", "datetime", "date", "t"),
    "event_time": ("event_time", "known_time", "published_time"),
    "trade_id": ("trade_id", "id"),
    "qty": ("qty", "quantity", "size", "amount"),
    "open_interest": ("sum_open_interest", "open_interest"),
    "open_interest_value": ("sum_open_interest_value", "open_interest_value"),
    "long_share": ("long_account", "long_share"),
    "short_share": ("short_account", "short_share"),
    "long_pct": ("long_percent", "long_pct"),
    "short_pct": ("short_percent", "short_pct"),
    "ratio": ("long_short_ratio", "ratio"),
    "buy_volume": ("buy_vol", "buy_volume"),
    "sell_volume": ("sell_vol", "sell_volume"),
    "symbol": ("symbol", "pair", "instrument_name", "instrument", "inst_id"),
}
"""By the name here, the names outside in the order in which one is taken where a file has several."""


def known_columns(file: str, told: Sequence[str], wanted: frozenset[str]) -> dict[str, int]:
    """Places of the columns by their names here: of those in `wanted`, whatever case and separators they are told in.

    Raises DataError where a file has one of them twice.
    """
    plain = [_plain(name) for name in told]
    found = {}
    for name in wanted:
        taken = next((alias for alias in _aliases(name, plain) if alias in plain), None)
        if taken is None:
            continue
        if plain.count(taken) > 1:
            raise DataError(f"{file}: has the column {taken or '(without a name)'} twice; {MEND}")
        found[name] = plain.index(taken)
    return dict(sorted(found.items(), key=lambda item: item[1]))


def known_names(told: Sequence[str]) -> frozenset[str]:
    """Names here for all columns that have one, and the plain form of the others."""
    plain = frozenset(map(_plain, told))
    return plain | {name for name, aliases in _ALIASES.items() if plain & set(map(_plain, aliases))}


def _aliases(name: str, plain: Sequence[str]) -> Sequence[str]:
    aliases: Sequence[str] = [_plain(alias) for alias in _ALIASES.get(name, (name,))]
    if name == "volume":
        # "Volume BTC" and the like, where it can be no other: that of the quote coin names a dollar.
        coins = [one for one in plain if one.startswith("volume") and not one.endswith(_NOT_BASE)]
        aliases = [*aliases, *coins] if len(set(coins)) == 1 else aliases
    return aliases


_NOT_BASE = ("volume", "usdt", "usdc", "usd", "busd", "fdusd", "eur", "currency", "quote", "ma", "notional")


def _plain(name: str) -> str:
    """`openTime`, `Open time` and `OPEN_TIME` are one."""
    return re.sub(r"[\W_]+", "", name).lower()

"""A recording of an exchange's ticks, taken in as it is and joined."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from core.market.as_of import as_of
from core.market.importing import ObservedFile, read_market_file
from core.market.streams import stream
from core.ports import ObservationColumns

RECORDED = Path(__file__).parent / "recorded"


def ticks(name: str) -> tuple[ObservationColumns, pd.DataFrame]:
    found = read_market_file(RECORDED / name)
    assert isinstance(found, ObservedFile)
    return found.observations, pd.read_parquet(RECORDED / name)


def test_trades_are_those_of_the_recording() -> None:
    found, frame = ticks("BTCUSDT-trades.parquet")
    assert (found.symbol, found.stream) == ("BTCUSDT", "trades")
    assert found.time_ms.tolist() == frame.trade_time.tolist()
    assert found.known_ms.tolist() == frame.event_time.tolist()
    assert found.number.tolist() == frame.trade_id.tolist()
    assert found.values.tolist() == [
        [-1.0 if maker else 1.0, price, qty]
        for maker, price, qty in zip(frame.is_buyer_maker, frame.price, frame.qty, strict=True)
    ]
    # Its own clock is behind the venue's: what it says is never taken for when one could know.
    assert (frame.recv_time_ns // 1_000_000 < frame.event_time).all()


def test_quotes_join_as_they_were_known() -> None:
    found, frame = ticks("BTCUSDT-book_ticker.parquet")
    assert found.stream == "quotes"
    assert found.number.tolist() == frame.update_id.tolist()
    closes = np.arange(int(found.known_ms[0]) - 2, int(found.known_ms[-1]) + 2)
    values, ages = as_of(closes, found, stream("quotes").max_age_ms)
    for close, row, age in zip(closes.tolist(), values.tolist(), ages.tolist(), strict=True):
        known = frame[frame.event_time <= close]
        if known.empty:
            assert np.isnan(row).all()
            continue
        newest = known.sort_values(["trade_time", "update_id"]).iloc[-1]
        assert row == [newest.bid_price, newest.bid_qty, newest.ask_price, newest.ask_qty]
        assert age == close - newest.trade_time

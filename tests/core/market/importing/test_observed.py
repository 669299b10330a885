"""Files of streams: told by their columns, refused in one line, and known only when one could know."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.domain.errors import DataError
from core.market.importing import CandleFile, FundingFile, ObservedFile, read_market_file
from core.market.importing.observed import BY_NAME_ALONE
from core.market.kinds import MARK
from core.market.streams import INSTANTS, MARK_NOW, OBSERVED_KINDS, PERIODS, TRADES, stream

H4 = 4 * 3_600_000
T0 = 1_772_553_600_000

FILES = {
    "open_interest.4h": ("BTCUSDT-oi.csv", "timestamp,sumOpenInterest,sumOpenInterestValue", "78942.3,5346644000"),
    "long_short.4h": ("BTCUSDT_global.csv", "timestamp,longAccount,shortAccount,longShortRatio", "0.6,0.4,1.5"),
    "long_short_top.4h": ("BTCUSDT_top.csv", "timestamp,long_account,short_account,long_short_ratio", "0.6,0.4,1.5"),
    "taker_flow.4h": ("BTCUSDT-x.csv", "timestamp,buySellRatio,buyVol,sellVol", "1.5,30,20"),
    "vendor_liquidations.4h": ("BTCUSDT-x.csv", "open_time,long_usd,short_usd", "0,4579667.1"),
    "vendor_taker_flow.4h": ("BTCUSDT-x.csv", "open_time,buy_usd,sell_usd", "31,32"),
    "vendor_long_short.4h": ("BTCUSDT-x.csv", "open_time,long_percent,short_percent,ratio", "60,40,1.5"),
}


def written(path: Path, header: str, *rows: str, step: int = H4) -> Path:
    told = [f"{T0 + n * step},{row}" for n, row in enumerate(rows)]
    path.write_text("\n".join([header, *told]))
    return path


def observed(path: Path, **options: object) -> ObservedFile:
    found = read_market_file(path, **options)  # type: ignore[arg-type]
    assert isinstance(found, ObservedFile)
    return found


@pytest.mark.parametrize("name", FILES)
def test_a_stream_is_told_by_its_columns_and_known_at_the_end_of_its_period(tmp_path: Path, name: str) -> None:
    file, header, row = FILES[name]
    found = observed(written(tmp_path / file, header, row, row, row)).observations
    assert (found.symbol, found.stream) == ("BTCUSDT", name)
    assert found.time_ms.tolist() == [T0, T0 + H4, T0 + 2 * H4]
    assert (found.known_ms - found.time_ms).tolist() == [H4] * 3
    fields = [field.name for field in stream(name).fields]
    assert found.values.shape == (3, len(fields))
    assert found.values[1].tolist() == [float(part) for part in row.split(",")][-len(fields) :]


@pytest.mark.parametrize("family", [MARK if kind == MARK_NOW else kind for kind in OBSERVED_KINDS])
def test_every_stream_is_read_by_its_name_and_told_by_its_fields_where_no_other_has_them(
    tmp_path: Path, family: str
) -> None:
    is_of_periods = family in PERIODS and family != MARK
    fields = PERIODS[family].fields if is_of_periods else INSTANTS[family].fields
    names = [field.name for field in fields] + ["trade_id", "is_buyer_maker"] * (family == TRADES)
    row = ",".join("0" if name == "is_buyer_maker" else "1" for name in names)
    step = H4 if is_of_periods else 1000
    path = written(tmp_path / "BTCUSDT-x.csv", ",".join(["time", *names]), row, row, row, step=step)
    assert observed(path, stream=family).family == family
    if family not in BY_NAME_ALONE and not family.startswith("long_short"):
        assert observed(path).family == family


def test_of_an_answer_of_an_exchange(tmp_path: Path) -> None:
    rows = [
        {"symbol": "BTCUSDT", "sumOpenInterest": "78942.344", "sumOpenInterestValue": "5.3e9", "timestamp": T0 + n * H4}
        for n in range(2)
    ]
    path = tmp_path / "answer.json"
    path.write_text(json.dumps(rows))
    found = observed(path).observations
    assert (found.symbol, found.stream, found.values[0].tolist()) == ("BTCUSDT", "open_interest.4h", [78942.344, 5.3e9])


@pytest.mark.parametrize("form", ["csv", "parquet", "json"])
def test_trades_have_their_number_their_side_and_the_time_of_publication(tmp_path: Path, form: str) -> None:
    frame = pd.DataFrame(
        {
            "event_time": [T0 + 3, T0 + 3, T0 + 9],
            "trade_time": [T0, T0, T0 + 9],
            "trade_id": [5266583935, 5266583936, 5266583937],
            "price": [61800.3, 61800.2, 61800.1],
            "qty": [0.006, 0.2, 1],
            "is_buyer_maker": [False, True, True],
        }
    )
    path = tmp_path / f"BTCUSDT-trades.{form}"
    if form == "csv":
        frame.to_csv(path, index=False)
    elif form == "json":
        frame.to_json(path, orient="records")
    else:
        frame.to_parquet(path)
    found = observed(path).observations
    assert (found.stream, found.number.tolist()) == ("trades", [5266583935, 5266583936, 5266583937])
    assert (found.time_ms - T0).tolist() == [0, 0, 9]
    assert (found.known_ms - T0).tolist() == [3, 3, 9]
    assert found.values.tolist() == [[1, 61800.3, 0.006], [-1, 61800.2, 0.2], [-1, 61800.1, 1]]


def test_a_book_of_ten_levels(tmp_path: Path) -> None:
    names = [field.name for field in stream("book10").fields]
    assert len(names) == 40
    row = ",".join(str(n + 1) for n in range(40))
    found = observed(written(tmp_path / "BTCUSDT-book.csv", ",".join(["time", *names]), row, row, step=100))
    assert found.observations.values[0].tolist() == [float(n + 1) for n in range(40)]
    assert found.observations.known_ms.tolist() == [T0, T0 + 100]


def test_the_mark_price_of_an_instant_is_no_funding(tmp_path: Path) -> None:
    header = "time,markPrice,indexPrice,lastFundingRate"
    found = observed(written(tmp_path / "BTCUSDT-x.csv", header, "100,101,0.0001", "102,103,0.0001", step=1000))
    assert (found.observations.stream, found.observations.values[0].tolist()) == ("mark", [100, 101])

    settled = "fundingTime,markPrice,indexPrice,fundingRate"
    path = written(tmp_path / "BTCUSDT-y.csv", settled, "100,101,0.0001", "102,103,0.0001", step=2 * H4)
    assert isinstance(read_market_file(path), FundingFile)


def test_what_columns_do_not_tell_is_asked(tmp_path: Path) -> None:
    header, row = "timestamp,longAccount,shortAccount,longShortRatio", "0.6,0.4,1.5"
    path = written(tmp_path / "BTCUSDT-x.csv", header, row, row)
    with pytest.raises(DataError, match="write --stream long_short or --stream long_short_top; nothing was imported"):
        read_market_file(path)
    assert observed(path, stream="long_short_top").observations.stream == "long_short_top.4h"
    assert observed(path, stream="long_short.4h").observations.stream == "long_short.4h"
    ohlc = written(tmp_path / "BTCUSDT-y.csv", "open_time,open,high,low,close", "1,2,0.5,1.5", "1,2,0.5,1.5")
    assert observed(ohlc, stream="vendor_open_interest").observations.values[1].tolist() == [1, 2, 0.5, 1.5]
    assert observed(ohlc, stream="vendor_funding").observations.stream == "vendor_funding.4h"


def test_a_vendors_candles_of_funding_are_no_settlements(tmp_path: Path) -> None:
    header = "open_time,open,high,low,close"
    path = written(tmp_path / "BTC_funding_4h.csv", header, "0.0089,0.0097,0.0046,0.0047", "0.0047,0.01,0.001,0.002")
    with pytest.raises(DataError, match=r"line 2: its candles of funding have a high.*--stream vendor_funding"):
        read_market_file(path, symbol="BTCUSDT")
    assert observed(path, symbol="BTCUSDT", stream="vendor_funding").observations.values[0, 0] == 0.0089


def test_streams_that_are_kept_as_candles_and_funding_are_read_so(tmp_path: Path) -> None:
    path = written(tmp_path / "BTCUSDT-x.csv", "open_time,open,high,low,close,volume", *["2,3,1,2,5"] * 2, step=900_000)
    bars = read_market_file(path, stream="bars.15m")
    assert isinstance(bars, CandleFile)
    assert (bars.kind, bars.bars.interval_ms) == ("candles", 900_000)
    mark = read_market_file(path, stream="mark.15m")
    assert isinstance(mark, CandleFile)
    assert mark.kind == "mark"
    rates = written(tmp_path / "BTCUSDT-r.csv", "funding_time,funding_rate", "0.0001", "0.0002", step=2 * H4)
    assert isinstance(read_market_file(rates, stream="funding"), FundingFile)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (["1,2", "-1,2"], r"line 3: open_interest -1.0 cannot be: a base is at least 0;"),
        (["1,2", "1,nan"], r"line 3: open_interest_value is missing or not a number"),
        (["1,2", "1,inf"], r"line 3: open_interest_value inf cannot be"),
        (["1,2", "1,x"], r"line 3: open_interest_value 'x' is not a number"),
        (["1,2", ",2"], r"line 3: open_interest is missing or not a number"),
    ],
)
def test_a_value_that_cannot_be_is_named(tmp_path: Path, rows: list[str], reason: str) -> None:
    path = written(tmp_path / "BTCUSDT-4h.csv", "timestamp,sumOpenInterest,sumOpenInterestValue", *rows)
    with pytest.raises(DataError, match=rf"BTCUSDT-4h\.csv: {reason}") as found:
        read_market_file(path)
    assert "nothing was imported" in str(found.value)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        ([0, 2, 1], r"line 4: time \d+ comes after \d+: not in order"),
        ([0, 1, 1], r"line 4: time \d+ is there twice"),
        ([0.25, 1.25], r"line 2: time \d+ is not on the 4h grid"),
    ],
)
def test_a_time_that_cannot_be_is_named(tmp_path: Path, times: list[float], reason: str) -> None:
    path = tmp_path / "BTCUSDT-4h.csv"
    rows = [f"{T0 + int(n * H4)},1,2" for n in times]
    path.write_text("\n".join(["timestamp,sumOpenInterest,sumOpenInterestValue", *rows]))
    with pytest.raises(DataError, match=reason):
        read_market_file(path)


def test_what_is_known_before_it_was_over_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-4h.csv"
    header = "timestamp,sumOpenInterest,sumOpenInterestValue,published_time"
    path.write_text(f"{header}\n{T0},1,2,{T0 + H4 + 60_000}\n{T0 + H4},1,2,{T0 + H4 + 1}")
    with pytest.raises(DataError, match=r"line 3: is known at \d+, before it was over at \d+"):
        read_market_file(path)
    path.write_text(f"{header}\n{T0},1,2,{T0 + H4 + 60_000}")
    assert observed(path).observations.known_ms.tolist() == [T0 + H4 + 60_000]


def test_sort_puts_numbered_rows_in_order_and_takes_equal_ones_once(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-trades.csv"
    rows = [(T0 + 1, 8), (T0, 7), (T0, 6), (T0 + 1, 8)]
    lines = [f"{time},{number},100,{number},true" for time, number in rows]
    path.write_text("\n".join(["time,id,price,qty,isBuyerMaker", *lines]))
    with pytest.raises(DataError, match=r"line 3: .*--sort puts rows in order"):
        read_market_file(path)
    found = observed(path, sort=True).observations
    assert list(zip(found.time_ms.tolist(), found.number.tolist(), strict=True)) == [(T0, 6), (T0, 7), (T0 + 1, 8)]
    path.write_text("\n".join(["time,id,price,qty,isBuyerMaker", *lines, f"{T0 + 1},8,100,9,true"]))
    with pytest.raises(DataError, match=r"line 6: time .* is there twice"):
        read_market_file(path, sort=True)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"stream": "open_intrest"}, "stream 'open_intrest' is unknown; the streams are "),
        ({"stream": "open_interest.7m"}, "stream 'open_interest.7m' is unknown; write open_interest or"),
        ({"stream": "open_interest.1h", "interval": "4h"}, "--stream open_interest.1h says what"),
        ({"stream": "open_interest", "kind": "mark"}, "--stream open_interest says what"),
        ({"stream": "taker_flow"}, "line 1: taker_flow lacks the columns buy_volume, sell_volume"),
        ({"stream": "open_interest", "interval": "1h"}, "no two rows are 1h apart"),
        ({"stream": "open_interest", "symbol": "btc!"}, "'btc!' is no symbol"),
    ],
)
def test_a_wish_that_cannot_be_is_told_in_one_line(tmp_path: Path, options: dict[str, str], reason: str) -> None:
    header = "timestamp,sumOpenInterest,sumOpenInterestValue"
    path = written(tmp_path / "BTCUSDT-x.csv", header, "1,2", "1,2", "3,4")
    with pytest.raises(DataError, match=reason) as found:
        read_market_file(path, **options)  # type: ignore[arg-type]
    assert str(found.value).startswith("BTCUSDT-x.csv: ")
    assert "\n" not in str(found.value)


def test_words_that_are_none_are_named(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-trades.csv"
    path.write_text(f"time,id,price,qty,isBuyerMaker\n{T0},1,100,1,true\n{T0},2,100,1,perhaps")
    with pytest.raises(DataError, match="line 3: is_buyer_maker 'perhaps' is neither true nor false"):
        read_market_file(path)
    path.write_text(f"time,side,price,quantity\n{T0},SELL,100,1\n{T0 + 1},0,100,2")
    with pytest.raises(DataError, match=r"line 3: side 0.0 cannot be: a side is 1 or -1"):
        read_market_file(path, stream="liquidations")
    path.write_text(f"time,side,price,quantity\n{T0},SELL,100,1\n{T0 + 1},BUY,100,2")
    found = observed(path, stream="liquidations").observations
    assert np.array_equal(found.values, [[-1, 100, 1], [1, 100, 2]])

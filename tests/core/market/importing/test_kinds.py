"""Candles that are not of the contract's own trades, and rows that are out of order."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.domain.errors import DataError
from core.market.importing import CandleFile, read_market_file
from core.market.importing.files import LOOKS_SPOT, NO_VOLUME, SPOT_APART

T0 = 1_735_689_600_000
MINUTE = 60_000
HEADER = "open_time,open,high,low,close,volume,count"


def written(path: Path, *rows: str, header: str = HEADER) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows]))
    return path


def candles(path: Path, **options: object) -> CandleFile:
    found = read_market_file(path, **options)  # type: ignore[arg-type]
    assert isinstance(found, CandleFile)
    return found


def rows(*numbers: str, volume: int = 0, count: int = 60) -> list[str]:
    return [f"{T0 + n * MINUTE},{prices},{volume},{count}" for n, prices in enumerate(numbers)]


MARK = rows("2,4,1,3", "3,4,1,2")
PREMIUM = rows("-0.0001,0.0002,-0.0003,0", "0,0,-0.5,-0.4")


def test_mark_candles_are_told_by_the_folders_of_the_archive(tmp_path: Path) -> None:
    path = written(tmp_path / "markPriceKlines" / "BTCUSDT" / "1m" / "BTCUSDT-1m-2025-01.csv", *MARK)
    found = candles(path)
    assert (found.kind, found.notes, found.bars.close.tolist()) == ("mark", (), [3, 2])


def test_candles_that_nobody_traded_are_never_taken_for_trades(tmp_path: Path) -> None:
    path = written(tmp_path / "BTCUSDT-1m-2025-01.csv", *MARK)
    with pytest.raises(DataError, match=r"line 2: trades are counted and every volume is zero.* with --kind; nothing"):
        read_market_file(path)
    assert candles(path, kind="index").kind == "index"
    found = candles(path, kind="candles")
    assert (found.kind, found.notes) == ("candles", (NO_VOLUME,))


def test_premiums_may_be_below_zero_and_no_other_price(tmp_path: Path) -> None:
    found = candles(written(tmp_path / "BTCUSDT-1m-premiumIndex.csv", *PREMIUM))
    assert (found.kind, found.bars.low.tolist()) == ("premium", [-0.0003, -0.5])
    for kind in ("mark", "index", "spot", "candles"):
        with pytest.raises(DataError, match=r"line 2: price -0.0003 is not above zero"):
            read_market_file(written(tmp_path / "BTCUSDT-1m.csv", *PREMIUM), kind=kind)


def test_mark_candles_need_no_volume_and_others_do(tmp_path: Path) -> None:
    header, row = "open_time,open,high,low,close", f"{T0},2,4,1,3"
    assert candles(written(tmp_path / "BTCUSDT-1m-mark.csv", row, header=header)).kind == "mark"
    for name in ("BTCUSDT-1m.csv", "BTCUSDT-spot-1m.csv"):
        with pytest.raises(DataError, match="lacks the columns volume"):
            read_market_file(written(tmp_path / name, row, header=header))


def test_spot_is_told_from_the_contract(tmp_path: Path) -> None:
    traded = rows("2,4,1,3", volume=5)
    found = candles(written(tmp_path / "spot" / "BTCUSDT-1m.csv", *traded))
    assert (found.kind, found.notes) == ("spot", (SPOT_APART,))
    found = candles(written(tmp_path / "BTC_USDT-1m.csv", *traded))
    assert (found.kind, found.notes) == ("candles", (LOOKS_SPOT,))
    found = candles(tmp_path / "spot" / "BTCUSDT-1m.csv", kind="candles")
    assert (found.kind, found.notes) == ("candles", ("named as spot and taken as the contract's candles by --kind",))


def test_every_volume_zero_is_told(tmp_path: Path) -> None:
    assert candles(written(tmp_path / "BTCUSDT-1m.csv", *rows("2,4,1,3", count=0))).notes == (NO_VOLUME,)
    mixed = [*rows("2,4,1,3", count=0), f"{T0 + MINUTE},3,3,3,3,1,1"]
    assert candles(written(tmp_path / "BTCUSDT-1m.csv", *mixed)).notes == ()


def test_a_kind_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="kind 'trades' is unknown; use one of candles, funding, mark"):
        read_market_file(written(tmp_path / "BTCUSDT-1m.csv", *MARK), kind="trades")


UNORDERED = [f"{T0 + n * MINUTE},{n + 2},9,1,3,7,1" for n in (3, 1, 1, 0, 2)]


def test_rows_are_put_in_order_where_that_is_asked(tmp_path: Path) -> None:
    path = written(tmp_path / "BTCUSDT-1m.csv", *UNORDERED)
    with pytest.raises(DataError, match=r"line 3: time .* not in order; .* --sort puts rows in order"):
        read_market_file(path)
    found = candles(path, sort=True)
    assert found.bars.open_time_ms.tolist() == [T0 + n * MINUTE for n in range(4)]
    assert found.bars.open.tolist() == [2, 3, 4, 5]


def test_rows_of_one_time_that_differ_stay_an_error(tmp_path: Path) -> None:
    path = written(tmp_path / "BTCUSDT-1m.csv", *UNORDERED, f"{T0},2,9,1,3,8,1")
    with pytest.raises(DataError, match=r"line 7: time 1735689600000 is there twice, with another volume"):
        read_market_file(path, sort=True)


def test_a_wrong_row_is_named_by_its_line_in_the_file_though_rows_were_sorted(tmp_path: Path) -> None:
    rows = [*UNORDERED[:-1], f"{T0 + 2 * MINUTE},4,3,1,3,7,1"]
    with pytest.raises(DataError, match=r"line 6: high 3.0 is below open 4.0"):
        read_market_file(written(tmp_path / "BTCUSDT-1m.csv", *rows), sort=True)


def test_funding_is_sorted_too(tmp_path: Path) -> None:
    lines = [f"{T0 + n * 480 * MINUTE},0.000{n}" for n in (2, 1, 1)]
    path = written(tmp_path / "BTCUSDT-fundingRate.csv", *lines, header="calc_time,last_funding_rate")
    found = read_market_file(path, sort=True)
    assert not isinstance(found, CandleFile)
    assert found.rates.tolist() == [0.0001, 0.0002]

import pytest

from core.exchange.markets.symbols import normalise, our_symbols


@pytest.mark.parametrize("written", ["BTCUSDT", "BTC/USDT:USDT", "BTC_USDT", "BTC-USDT", " btcusdt "])
def test_a_symbol_may_be_written_in_any_of_the_usual_ways(written: str) -> None:
    assert normalise(written) == "BTCUSDT"


def market(base: str, quote: str = "USDT", settle: str = "USDT", **changes: object) -> dict[str, object]:
    return {"base": base, "quote": quote, "settle": settle, "swap": True, "linear": True, "active": True, **changes}


def test_only_linear_perpetuals_settled_in_usdt_are_ours() -> None:
    markets = {
        "BTC/USDT:USDT": market("BTC"),
        "BTC/USDC:USDC": market("BTC", "USDC", "USDC"),
        "BTC/USD:BTC": market("BTC", "USD", "BTC", linear=False),
        "BTC/USDT:USDT-270326": market("BTC", swap=False),
        "BTC/USDT": market("BTC", swap=False, linear=None, settle=None),
    }
    assert our_symbols(markets) == {"BTCUSDT": "BTC/USDT:USDT"}


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_contracts_of_one_name_the_active_one_is_taken(order: int) -> None:
    markets = [("OLD/USDT:USDT", market("PEPE", active=False)), ("NEW/USDT:USDT", market("PEPE"))]
    assert our_symbols(dict(markets[::order])) == {"PEPEUSDT": "NEW/USDT:USDT"}

"""Some hours in which people act on the account that the engine trades: what the market does, and what they do, minute
by minute; and of what the exchange changes by itself.

BTCUSDT moves as the script says and ETHUSDT the other way around: at a jump up we go long in the one and short in the
other. 3,000 USDT are 50 lots of the first and 1,000 of the second.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from core.domain.errors import QuarterdeckError
from core.domain.operator import Verb
from tests.engine.day_runner import Market, Quarterdeck
from tests.engine.exchange_day import Drift, Jump
from tests.venue import by_hand
from tests.venue.person import Person
from tests.venue.server import VenueServer

BTC, ETH = "BTCUSDT", "ETHUSDT"
MINUTES = 306
MOVES: tuple[Jump | Drift, ...] = (
    Jump(10, 1), Drift(18, 2.0, 15),  # closed by hand, whole and in part; the rest to its target
    Jump(40, 1), Jump(50, -1),  # a foreign trade through zero, and one along ours
    Jump(65, 1), Drift(78, 2.0, 15),  # closed while the engine is off; the rest to its target
    Jump(100, -1), Drift(112, -2.2, 20),  # leverage changed by hand in a position; both to their targets
    Jump(145, 1), Drift(158, 2.0, 20),  # through zero while the engine is off, and to and fro
    Jump(205, 1), Drift(213, -1.6, 15),  # stops by hand, closer than ours
    Jump(240, 1), Drift(252, 2.0, 15),  # other steps over a restart, in a position; to their targets
    Jump(280, 1),  # other steps while the engine runs; flattened at the end
)  # fmt: skip

STEPS = ((BTC, "0.01", "0.0001"), (ETH, "0.01", "0.01"))
STEPS_CHANGE_MINUTE = 244
SYMBOL_CONFIG = "/fapi/v1/symbolConfig"
NO_PERMISSION = -2015


@dataclass
class Notes:
    """What was seen on the way: what a start was refused with, and what flatten told the operator."""

    refusals: list[BaseException | None] = field(default_factory=list)
    flattened: str = ""
    leverages: list[dict[str, int]] = field(default_factory=list)


class PeopleDay:
    """The acts, by the minute after which they happen."""

    def __init__(self, market: Market, quarterdeck: Quarterdeck, server: VenueServer, notes: Notes) -> None:
        self._market = market
        self._quarterdeck = quarterdeck
        self._server = server
        self._notes = notes
        self._person = Person(server.venue)

    def acts(self) -> dict[int, Callable[[], Awaitable[None]]]:
        return {
            15: self._close_by_hand,
            45: self._trade_beside,
            55: self._flatten_with_others,
            60: self._resume,
            68: self._quarterdeck.stop,
            70: self._close_while_off,
            73: self._start,
            105: self._set_leverage,
            108: self._look_at_leverage,
            140: self._look_at_leverage,
            148: self._trade_through_a_kill,
            153: self._others_go,
            182: self._transfer,
            188: self._start_unread,
            209: self._place_stops,
            232: self._withdraw_all,
            243: self._quarterdeck.stop,
            244: self._change_steps,
            246: self._start,
            286: self._change_steps_again,
            294: self._flatten,
        }

    @property
    def _now_ms(self) -> int:
        return self._server.now_ms()

    def _ours(self, symbol: str) -> int:
        return self._server.venue.position_lots(symbol)

    async def _start(self) -> None:
        self._quarterdeck.start()

    async def _resume(self) -> None:
        await self._quarterdeck.command(Verb.RESUME)

    async def _flatten(self) -> None:
        await self._quarterdeck.command(Verb.FLATTEN)

    async def _close_by_hand(self) -> None:
        self._person.close(BTC, self._now_ms)
        self._person.close(ETH, self._now_ms, 400)

    async def _trade_beside(self) -> None:
        """Through our position in the one, beside it in the other."""
        self._person.trade(BTC, -80, self._now_ms)
        self._person.trade(ETH, -300, self._now_ms)

    async def _flatten_with_others(self) -> None:
        self._notes.flattened = await self._quarterdeck.command(Verb.FLATTEN, include_external=True)

    async def _close_while_off(self) -> None:
        self._person.close(BTC, self._now_ms)
        self._person.close(ETH, self._now_ms, 250)

    async def _set_leverage(self) -> None:
        self._person.set_leverage(BTC, 10, self._now_ms)
        self._person.set_leverage(ETH, 2, self._now_ms)

    async def _look_at_leverage(self) -> None:
        settings = self._server.venue.settings
        self._notes.leverages.append({symbol: settings.leverage(symbol) for symbol in (BTC, ETH)})

    async def _trade_through_a_kill(self) -> None:
        await self._quarterdeck.kill()
        self._person.trade(BTC, -90, self._now_ms)
        held = self._ours(ETH)
        self._person.close(ETH, self._now_ms)
        self._person.trade(ETH, held, self._now_ms)
        self._quarterdeck.start()

    async def _others_go(self) -> None:
        self._person.close(BTC, self._now_ms)

    async def _transfer(self) -> None:
        self._person.transfer(500.0, self._now_ms)
        self._person.transfer(-120.5, self._now_ms)

    async def _start_unread(self) -> None:
        """A restart while nobody tells how the account is set, then one that reads it."""
        await self._quarterdeck.stop()
        by_hand.refuse_for_good(self._server.venue, "GET", SYMBOL_CONFIG, NO_PERMISSION)
        self._quarterdeck.start()
        self._notes.refusals.append(await self._quarterdeck.refusal())
        by_hand.refuse_for_good(self._server.venue, "GET", SYMBOL_CONFIG, None)
        self._quarterdeck.start()

    async def _place_stops(self) -> None:
        """Closer to the market than ours."""
        for symbol in (BTC, ETH):
            price = float(self._server.venue.exchange.contracts[symbol].price(self._last_ticks(symbol)))
            away = -0.006 if self._ours(symbol) > 0 else 0.006
            self._person.stop(symbol, price * (1.0 + away), self._now_ms)

    def _last_ticks(self, symbol: str) -> int:
        return self._server.venue.exchange.markets[symbol].last_ticks

    async def _change_steps(self) -> None:
        """Finer prices and amounts in the one, coarser amounts in the other, which what is held is no multiple of."""
        for symbol, tick, lot in STEPS:
            self._server.venue.change_steps(symbol, tick=tick, lot=lot)

    async def _change_steps_again(self) -> None:
        self._server.venue.change_steps(BTC, lot="0.001")

    async def _withdraw_all(self) -> None:
        for symbol in (BTC, ETH):
            self._person.cancel_all(symbol, self._now_ms)


def is_told(error: BaseException | None) -> bool:
    """Whether it is one line for the operator, with the exit code of what is unavailable."""
    return isinstance(error, QuarterdeckError) and error.exit_code == 3 and "\n" not in str(error)

"""How the rest of the house speaks to an exchange: requests through one door, and what an exchange's own ways are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from core.clock import ExchangeClock
from core.domain.instrument import Instrument
from core.domain.orders import Order
from core.exchange.connection.health import Health

Row = dict[str, Any]
"""A ccxt unified structure: order, trade, position, market, ..."""


@dataclass(frozen=True, slots=True)
class OrderCall:
    """The arguments of ccxt's `create_order`. Amount and price are exact decimal texts in ccxt's units (contracts)."""

    symbol: str
    type: str
    side: str
    amount: str
    price: str | None
    params: Mapping[str, Any] = field(default_factory=dict)


class Dialect(Protocol):
    """An exchange's own ways within ccxt's unified calls. Symbols are ours ("BTCUSDT") unless said otherwise."""

    @property
    def id(self) -> str:
        """ccxt's id: binanceusdm, mexc or apex."""
        ...

    @property
    def lacks(self) -> Sequence[str]:
        """What ccxt cannot do here, each in one plain sentence for doctor and docs."""
        ...

    @property
    def live_blockers(self) -> Sequence[str]:
        """Why live orders would not be safe here, each in one plain clause; empty where they are."""
        ...

    @property
    def streams(self) -> frozenset[str]:
        """Which private streams exist, of: orders, fills, balance, positions."""
        ...

    @property
    def switches(self) -> Mapping[str, tuple[str, str]]:
        """Switches of the account that the USDT books do not see (`account_read`): the client's method that tells each,
        and the key in its answer."""
        ...

    @property
    def window_param(self) -> str:
        """The parameter that sets the receive window of one request; empty where there is none."""
        ...

    @property
    def order_test(self) -> str:
        """ccxt's raw method that examines an order and does not place it; empty where there is none."""
        ...

    @property
    def cuts_down(self) -> bool:
        """Whether a reduce-only order that is larger than the position is taken, and executed for the position."""
        ...

    def create(self, order: Order, instrument: Instrument, unified_symbol: str) -> OrderCall: ...

    def is_conditional(self, order: Order) -> bool:
        """Whether the order rests on an endpoint apart from that of plain orders."""
        ...

    def by_client_id(self, order: Order) -> tuple[str, Row]:
        """The id argument and the params with which fetch_order and cancel_order find an order by its client id."""
        ...

    def open_order_queries(self) -> Sequence[Row]:
        """The params of each fetch_open_orders call that it takes to see every open order of a symbol."""
        ...

    def client_id(self, row: Row) -> str:
        """The client id in a ccxt order or trade row; empty where the exchange did not tell."""
        ...

    def is_id(self, told: str) -> bool:
        """Whether an order or a trade of this exchange can have this id."""
        ...

    def venue_ids(self, row: Row) -> Sequence[str]:
        """Every id under which fills of this order row may come: its own, and of a triggered order its child's."""
        ...


class Wire(Protocol):
    """Requests to one exchange: limited, timed, and with every failure told as one of ours.

    `client` is the ccxt.pro client; its watch_... methods are called directly, requests never are.
    """

    client: Any
    dialect: Dialect
    clock: ExchangeClock
    health: Health
    on_unreadable_frame: Callable[[Any], None]
    """Told of the websocket connection on which a frame came that ccxt cannot read."""

    @property
    def started_ms(self) -> int:
        """When this process began, by the exchange's time as far as it is known now: no earlier one sends since."""
        ...

    def unified(self, symbol: str) -> str:
        """ccxt's symbol of ours: BTCUSDT -> BTC/USDT:USDT."""
        ...

    def is_listed(self, symbol: str) -> bool:
        """Whether the exchange had the contract in its list when it was last asked for all of them."""
        ...

    def symbol(self, unified: str) -> str:
        """Ours of ccxt's; a unified symbol that we do not trade comes back as it is."""
        ...

    def held_until_ms(self) -> int:
        """The exchange's time until which it wants nothing but what protects or closes (429), or nothing at all (418);
        in the past where it wants requests."""
        ...

    def holds(self) -> str:
        """What keeps orders that close from going out at once, and until when; empty where nothing does."""
        ...

    async def read(
        self,
        method: str,
        *args: Any,
        weight: int = 1,
        protective: bool = False,
        urgent: bool = False,
        timeout_ms: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Call a method of the client that changes nothing. `timeout_ms` is for each of a few tries. Of what is
        `protective`, what is `urgent` waits for the rate limit no longer than a stop does.

        Raises VenueRejectedError where the exchange understood and refused, UnavailableError for everything else
        (VenueBusyError where it said when to come back).
        """
        ...

    async def send(
        self,
        method: str,
        *args: Any,
        weight: int = 1,
        protective: bool = False,
        can_wait: bool = False,
        urgent: bool = False,
        since_ms: int | None = None,
        timeout_ms: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Call a method that changes something. `protective` may use the reserve of the rate limit, and goes out in a
        429; what `can_wait` waits for the end of that all the same, what is `urgent` no longer than new orders. Turned
        away and called again, it keeps its place in line by `since_ms`, of the steady clock.

        Raises VenueRejectedError on a definite refusal, VenueBusyError where the request had no effect, and
        VenueUnknownError where its outcome is not known.
        """
        ...

    async def close(self) -> None: ...

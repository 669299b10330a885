"""How the rest of the house speaks to an exchange: requests through one door, and what an exchange's own ways are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from core.clock import ExchangeClock
from core.domain.instrument import Instrument
from core.domain.orders import Order
from core.exchange.connection.codes import Codes
from core.exchange.connection.flags import Flags
from core.exchange.connection.health import Health
from core.exchange.connection.limiter import Budget, Place
from core.exchange.connection.news import Topic
from core.exchange.connection.own_words import OwnWords

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


class QuoteSource(Enum):
    """Where ccxt's streams of an exchange carry bid and offer: in one stream of best prices of all contracts, in the
    ticker of each contract (that of all at once does not), or in order books alone."""

    BEST_PRICES = "best prices"
    TICKERS = "tickers"
    ORDER_BOOKS = "order books"


NO_EVENTS: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ContractStatus:
    """What an exchange's own row of a contract says: `against` trading it, in words that go on an "it", empty where
    nothing; when it opens and when it ends, as the exchange wrote them, None where it did not."""

    against: str = ""
    opens_ms: Any = None
    ends_ms: Any = None


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
    def key_rights(self) -> Flags | None:
        """Where the exchange tells the rights of a key; None where it does not."""
        ...

    @property
    def account_flags(self) -> Sequence[Flags]:
        """What else the doctor asks of an account of this exchange."""
        ...

    @property
    def codes(self) -> Codes:
        """What the exchange's error codes mean."""
        ...

    @property
    def words(self) -> OwnWords:
        """What it tells in rows of its own."""
        ...

    @property
    def budget(self) -> Budget:
        """The exchange's rate limits, as documented."""
        ...

    @property
    def client_options(self) -> Mapping[str, Any]:
        """Options of ccxt's client that this exchange needs."""
        ...

    @property
    def streams(self) -> frozenset[str]:
        """Which private streams exist, of: orders, fills, balance, positions."""
        ...

    @property
    def quotes(self) -> QuoteSource: ...

    @property
    def stream_ends(self) -> frozenset[str]:
        """Events by which the exchange ends a private stream, which ccxt passes over."""
        ...

    @property
    def settings_changes(self) -> frozenset[str]:
        """Events of the private stream that tell of the account's settings, which ccxt passes over."""
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

    def correct(self, client: Any) -> None:
        """Put right in ccxt's client what it gets wrong of this exchange."""
        ...

    def weight_of(self, method: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
        """What a call of ccxt weighs in `budget`."""
        ...

    def status_told(self, info: Mapping[str, Any]) -> ContractStatus:
        """What the exchange's own row of a contract says of it."""
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


def one_each(method: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """What a call weighs where an exchange counts requests alone."""
    return 1


class Reads(Protocol):
    """What it takes to read an exchange's market: a part of `Wire`, and of what stands before one."""

    client: Any
    dialect: Dialect
    clock: ExchangeClock

    def unified(self, symbol: str) -> str: ...

    async def read(self, method: str, *args: Any, timeout_ms: int | None = None, **kwargs: Any) -> Any: ...


class Wire(Protocol):
    """Requests to one exchange: limited, timed, and with every failure told as one of ours.

    `client` is the ccxt.pro client; its watch_... methods are called directly, requests never are.
    """

    client: Any
    dialect: Dialect
    clock: ExchangeClock
    health: Health
    unreadable_frames: Topic[Any]
    """The websocket connection on which a frame came that ccxt cannot read."""

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
        place: Callable[[], Place] | None = None,
        timeout_ms: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Call a method of the client that changes nothing. `timeout_ms` is for each of a few tries. Of what is
        `protective`, what has a `place` stands there among stops and exits while it waits for the rate limit.

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
        place: Callable[[], Place] | None = None,
        timeout_ms: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Call a method that changes something. `protective` may use the reserve of the rate limit, and goes out in a
        429; what `can_wait` waits for the end of that all the same. `place` is asked at every turn where it stands
        among new orders.

        Raises VenueRejectedError on a definite refusal, VenueBusyError where the request had no effect, and
        VenueUnknownError where its outcome is not known.
        """
        ...

    async def close(self) -> None: ...

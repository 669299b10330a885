"""The way to the exchange for an emergency exit: what it can do without, it does not wait for."""

from __future__ import annotations

import random
from collections.abc import Callable

from core.clock import ExchangeClock
from core.domain.errors import UnavailableError, VenueBusyError
from core.exchange.connection.client import build_client
from core.exchange.connection.health import Health
from core.exchange.connection.keys import Keys
from core.exchange.connection.requests import Requests
from core.exchange.connection.wire import Dialect
from core.settings.schema import Settings


async def open_panic_wire(
    settings: Settings, keys: Keys, clock: ExchangeClock, dialect: Dialect, tell: Callable[[str], None]
) -> Requests:
    """Requests to the exchange of `settings` with its contracts loaded, and no symbol of the settings looked up: one
    that is gone must be in nobody's way. Where its time cannot be measured, as when every answer is slow, requests are
    signed by this machine's clock.

    Raises VenueRejectedError and UnavailableError.
    """
    client = build_client(settings.exchange, keys, clock.now_ms, dialect)
    wire = Requests(client, dialect, clock, Health(), settings.exchange, keys.secrets(), random.Random(0).random)  # noqa: S311
    try:
        untold = ""
        try:
            await wire.time.measure()
        except VenueBusyError:
            raise
        except UnavailableError as error:
            untold = f"requests are signed by this machine's clock, the exchange's time was not told: {error}"
        await wire.load_symbols(())
        if untold:
            tell(untold)
    except BaseException:
        await wire.close()
        raise
    return wire

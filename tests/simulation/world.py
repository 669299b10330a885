"""The exchange of a simulated hour: prices that walk and jump, a human on the same account, and faults as planned."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from core.domain.market import MINUTE_MS, Bar
from tests.simulation.checker import ProtectionMeter
from tests.simulation.faults import EVERYDAY, EVERYDAY_FRAMES, Asked, FrameOdds, Odds, Storm
from tests.simulation.loop import LoopClock, SkewedClock, VirtualLoop
from tests.simulation.marks import Marks
from tests.simulation.memory_server import VenueServer
from tests.simulation.people import People
from tests.simulation.plan import PEOPLE, Episode
from tests.simulation.shares import Claims, Shares
from tests.simulation.transport import Answer, Fate, Network, Outcome
from tests.venue.refusals import RefusalError
from tests.venue.venue import BinanceVenue

OTHER_SYMBOL = "XRPUSDT"
"""A contract that only the human trades."""

START_PRICES = {"BTCUSDT": 60_000.0, "ETHUSDT": 3_000.0, OTHER_SYMBOL: 2.5}

HISTORY_BARS = 30
STEP_MS = 4_000
STEP_SIGMA = 0.00045


class World:
    """Everything outside the engine's process. `engine` is what faults of the process itself are asked of."""

    def __init__(
        self,
        loop: VirtualLoop,
        seed: int,
        symbols: Sequence[str],
        start_ms: int,
        prices: Mapping[str, float],
        step_ms: int = STEP_MS,
    ) -> None:
        self.loop = loop
        self.step_ms = step_ms
        self.rng = random.Random(f"world {seed}")
        self.clock = LoopClock(loop, start_ms)
        self.system_clock = SkewedClock(loop, start_ms)
        self.symbols = tuple(symbols)
        self.venue = BinanceVenue([*symbols, OTHER_SYMBOL], start_ms=start_ms)
        self.venue.pace.kline_push_ms = 6_000
        self.venue.pace.mark_push_ms = 5_000
        self.exchange = self.venue.exchange
        self.server = VenueServer(self.venue, self.clock, self._note_opened)
        self.storm = Storm(random.Random(f"storm {seed}"), self.clock)
        self.marks = Marks()
        self.shares = Shares(self.exchange)
        self.claims = Claims()
        self.meter = ProtectionMeter(self.exchange, self.symbols, self.shares, self.claims)
        self.exchange.watchers.append(self.meter.changed)
        self.storm.observers.append(self.marks)
        self.network: Network | None = None
        self.prices = dict(prices)
        self.people = People(self, seed)
        self.is_calm = False
        self.piles_up = True
        """Whether faults that wait for an order wait together. Where few are sent, all would meet at one."""
        self.is_recovering: Callable[[], bool] = lambda: False
        self._storms = 0
        for symbol, price in self.prices.items():
            self._load_history(symbol, price, start_ms)
            self._quote(symbol)

    def _note_opened(self, path: str) -> None:
        if "private" in path and self.meter.is_open:
            self.marks.reach("private stream opened inside a bracket")

    def new_network(self) -> Network:
        """The network of the next process; the last one's is cut."""
        if self.network is not None:
            self.network.cut()
        self.network = Network(self.loop, self.server, self.storm)
        return self.network

    def start(self) -> None:
        """Let the market move and everyday faults happen from now on."""
        self.storm.odds, self.storm.frame_odds = EVERYDAY, EVERYDAY_FRAMES
        self._later(self.step_ms, self._move)
        self._schedule_funding()

    def calm(self) -> None:
        """No faults from now on: what was broken works again."""
        self.is_calm = True
        self.storm.calm()
        self.system_clock.set_wrong(0.0, 0.0)
        self.meter.set_shut(False, self.clock.now_ms())
        self.exchange.scripts.clear()
        if self.network is not None:
            for socket in list(self.network.sockets):
                if socket.clogged:
                    socket.close_by_server(1006)

    def _later(self, delay_ms: float, action: Callable[..., None], *args: object) -> None:
        self.loop.call_later(delay_ms / 1000.0, action, *args)

    # Prices

    def _load_history(self, symbol: str, price: float, start_ms: int) -> None:
        bars, close = [], price
        for i in range(1, HISTORY_BARS + 1):
            open_ = close * (1.0 + self.rng.gauss(0.0, 0.0008))
            high, low = max(open_, close) * 1.0002, min(open_, close) * 0.9998
            bars.append(Bar(symbol, start_ms - i * MINUTE_MS, MINUTE_MS, open_, high, low, close, 5.0))
            close = open_
        self.venue.load_history(symbol, reversed(bars))

    def _move(self) -> None:
        """Every contract's price takes a step, one after another within the step's time."""
        self._later(self.step_ms, self._move)
        apart_ms = self.step_ms * 0.4 / len(self.prices)
        for i, symbol in enumerate(self.prices):
            self._later(self.rng.random() * 200.0 + i * apart_ms, self._step, symbol)

    def _step(self, symbol: str) -> None:
        if self.storm.is_down:
            return
        self.prices[symbol] *= 1.0 + self.rng.gauss(0.0, STEP_SIGMA)
        self._quote(symbol)

    def jump(self, symbol: str, fraction: float) -> None:
        if not self.storm.is_down:
            self.prices[symbol] *= 1.0 + fraction
            self._quote(symbol)

    def _quote(self, symbol: str) -> None:
        price = self.prices[symbol]
        half = price * 0.00004
        self.venue.set_book(symbol, price - half, price + half, self.clock.now_ms())

    def _schedule_funding(self) -> None:
        now_ms = self.clock.now_ms()
        due_ms = now_ms - now_ms % (8 * 60 * MINUTE_MS) + 8 * 60 * MINUTE_MS
        self._later(due_ms - now_ms, self._fund)

    def _fund(self) -> None:
        if self.storm.is_down:
            self._later(1_000, self._fund)
            return
        for symbol in self.symbols:
            rate = Decimal(self.rng.randint(-30, 30)) / 100_000
            self.venue.fund(symbol, rate, f"{self.prices[symbol]:.2f}", self.clock.now_ms())
        self._schedule_funding()

    # Faults

    def begin(self, episode: Episode) -> None:
        """Let one episode happen. Those of the process itself are not of this world."""
        if episode.kind in PEOPLE:
            self.people.begin(episode)
            return
        act = getattr(self, "_do_" + episode.kind.replace(" ", "_"))
        act(episode)

    def _while(self, episode: Episode, odds: Odds, frames: FrameOdds | None = None) -> None:
        """Worse odds for as long as the episode lasts. The newest storm replaces the one before."""
        self._storms += 1
        self.storm.odds = EVERYDAY.plus(odds)
        self.storm.frame_odds = frames or EVERYDAY_FRAMES
        self._later(episode.length_ms, self._clear, self._storms)

    def _clear(self, storm: int) -> None:
        if storm == self._storms and not self.is_calm:
            self.storm.odds, self.storm.frame_odds, self.storm.slow_factor = EVERYDAY, EVERYDAY_FRAMES, 1.0

    def _do_lossy(self, episode: Episode) -> None:
        p = 0.01 + 0.03 * episode.amount
        self._while(episode, Odds(lost_out=p, lost_back=p, reset_out=p, reset_after=p))

    def _do_server_errors(self, episode: Episode) -> None:
        p = 0.01 + 0.025 * episode.amount
        self._while(
            episode,
            Odds(
                unknown_before=p,
                unknown_after=p,
                timeout_before=p,
                timeout_after=p,
                unavailable=p,
                bad_gateway=p,
                garbage=p / 2,
            ),
        )

    def _do_slow(self, episode: Episode) -> None:
        self._while(episode, Odds(slow=0.05))
        self.storm.slow_factor = 2.0 + 6.0 * episode.amount

    def _do_overload(self, episode: Episode) -> None:
        self._while(episode, Odds(overload=0.3 + 0.5 * episode.amount))

    def _do_frames_astray(self, episode: Episode) -> None:
        p = 0.02 + 0.1 * episode.amount
        self._while(episode, Odds(), FrameOdds(p, p, p, p / 2, p / 4))

    def _do_rate_limit(self, episode: Episode) -> None:
        if self.is_recovering():
            return
        self.storm.limited_until_ms = self.clock.now_ms() + episode.length_ms

    def _do_ban(self, episode: Episode) -> None:
        """Ten seconds of 429, then a ban: what another program at this address brings about."""
        if self.is_recovering():
            return
        self.storm.limited_until_ms = self.clock.now_ms() + 10_000
        self._later(10_000, self._ban, episode.length_ms)

    def _ban(self, length_ms: int) -> None:
        if not self.is_calm:
            self.storm.banned_until_ms = self.clock.now_ms() + length_ms
            self.meter.set_shut(True, self.clock.now_ms())
            self._later(length_ms, self._lift_ban)

    def _lift_ban(self) -> None:
        self.meter.set_shut(False, self.clock.now_ms())

    def _do_maintenance(self, episode: Episode) -> None:
        self.marks.reach("maintenance")
        self.storm.is_down = True
        self.meter.set_shut(True, self.clock.now_ms())
        self._close_all(1001)
        self._later(episode.length_ms, self._open_again)

    def _open_again(self) -> None:
        self.storm.is_down = False
        self.meter.set_shut(False, self.clock.now_ms())

    def _do_disconnect_one(self, episode: Episode) -> None:
        sockets = self.network.sockets if self.network is not None else []
        if sockets:
            socket = sockets[int(episode.amount * len(sockets))]
            socket.close_by_server(1006 if episode.at_ms % 2 else 1001)

    def _do_disconnect_all(self, episode: Episode) -> None:
        self.storm.no_connect_until_ms = self.clock.now_ms() + episode.length_ms
        self._close_all(1006)

    def _close_all(self, code: int) -> None:
        for socket in list(self.network.sockets) if self.network is not None else []:
            socket.close_by_server(code)

    def _do_stall_one(self, episode: Episode) -> None:
        sockets = self.network.sockets if self.network is not None else []
        if sockets:
            self._stall([sockets[int(episode.amount * len(sockets))]], episode)

    def _do_stall_all(self, episode: Episode) -> None:
        self._stall(list(self.network.sockets) if self.network is not None else [], episode)

    def _stall(self, sockets: Sequence[object], episode: Episode) -> None:
        self.marks.reach("stream stalled")
        for socket in sockets:
            socket.clog()  # type: ignore[attr-defined]
            self._later(episode.length_ms, self._unclog, socket, episode.at_ms % 3 == 0)

    def _unclog(self, socket: object, keep: bool) -> None:
        if not socket.closed:  # type: ignore[attr-defined]
            if keep:
                socket.unclog(keep=True)  # type: ignore[attr-defined]
            else:
                socket.close_by_server(1006)  # type: ignore[attr-defined]

    def _do_no_klines(self, episode: Episode) -> None:
        self.storm.no_klines_until_ms = self.clock.now_ms() + episode.length_ms

    def _do_listen_key(self, episode: Episode) -> None:
        keys = self.exchange.hub.listen_keys
        if keys:
            self.marks.reach("listen key expired")
        for key in keys:
            keys[key] = self.clock.now_ms()
        self.exchange.hub.expire_listen_keys(self.clock.now_ms())

    def _do_clock_jump(self, episode: Episode) -> None:
        self.system_clock.set_wrong((episode.amount - 0.5) * 16_000.0, 0.0)

    def _do_clock_drift(self, episode: Episode) -> None:
        self.system_clock.set_wrong(0.0, (episode.amount - 0.5) * 1_000.0)

    def _do_jump(self, episode: Episode) -> None:
        symbol = self.rng.choice(self.symbols)
        self.jump(symbol, (0.002 + 0.015 * episode.amount) * (1 if episode.at_ms % 2 else -1))

    def _do_partial(self, episode: Episode) -> None:
        symbol = self.rng.choice(self.symbols)
        lots = 1 + int(episode.amount * 6)
        self.venue.expire_after(symbol, self.exchange.contracts[symbol].qty(lots))

    def _do_human_order(self, episode: Episode) -> None:
        """A limit order far from the market in a contract of ours, withdrawn later; and a trade in another contract."""
        if self.storm.is_down:
            return
        symbol = self.rng.choice(self.symbols)
        contract = self.exchange.contracts[symbol]
        price = contract.price_text(contract.nearest_ticks(self.prices[symbol] * 0.9))
        now_ms = self.clock.now_ms()
        resting = {"symbol": symbol, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": price}
        try:
            order = self.venue.place_external(now_ms, **resting, quantity=contract.qty_text(contract.nearest_lots(0.1)))
            self._later(episode.length_ms, self._withdraw, order)
            side = "BUY" if episode.amount < 0.5 else "SELL"
            self.venue.place_external(now_ms, symbol=OTHER_SYMBOL, side=side, quantity="50")
        except RefusalError:
            return
        self.marks.reach("external order seen")

    def _withdraw(self, order: object) -> None:
        if order.is_open:  # type: ignore[attr-defined]
            self.exchange.cancel(order, self.clock.now_ms())  # type: ignore[arg-type]

    def _do_human_cancels_stop(self, episode: Episode) -> None:
        if self.storm.is_down or self.clock.now_ms() < self.storm.banned_until_ms:
            return  # Nobody could put it back.
        for symbol in self.symbols:
            for algo in list(self.exchange.open_algos[symbol].values()):
                if algo.type == "STOP_MARKET":
                    self.exchange.cancel_algo(algo, self.clock.now_ms())
                    self.marks.reach("human cancelled our stop")
                    return

    def _do_transfer(self, episode: Episode) -> None:
        amount = Decimal(int((episode.amount - 0.4) * 100_000)) / 100
        self.venue.transfer(amount, self.clock.now_ms())

    def spoil_next(self, kind: str, outcome: Outcome) -> None:
        """What the next order meets on its way, one that only reduces ("stop") or another ("entry")."""
        if self.piles_up or all(waiting != kind for waiting, _, _ in self.storm.spoil_next):
            self.storm.spoil_next.append((kind, outcome, None))

    def _do_lost_entry_answer(self, episode: Episode) -> None:
        self.spoil_next("entry", Outcome.ANSWER_LOST)

    def _do_lost_entry(self, episode: Episode) -> None:
        self.spoil_next("entry", Outcome.LOST_ON_THE_WAY)

    def _do_lost_stop_answer(self, episode: Episode) -> None:
        self.spoil_next("stop", Outcome.ANSWER_LOST)

    def _do_lost_stop(self, episode: Episode) -> None:
        self.spoil_next("stop", Outcome.LOST_ON_THE_WAY)

    def _do_jump_after_entry(self, episode: Episode) -> None:
        """The price runs through the stop's place before the stop is there."""
        self._at_entry(self._jump_against, 0.004 + 0.004 * episode.amount)

    def _jump_against(self, asked: Asked, fraction: float) -> None:
        self._later(10, self.jump, asked.params["symbol"], -fraction if asked.params["side"] == "BUY" else fraction)

    def _do_rate_limit_at_entry(self, episode: Episode) -> None:
        self._at_entry(self._limit, episode.length_ms)

    def _limit(self, asked: Asked, length_ms: int) -> None:
        if self.is_recovering():
            return
        self.storm.limited_until_ms = self.clock.now_ms() + length_ms

    def _do_stops_refused_at_entry(self, episode: Episode) -> None:
        self._at_entry(self._refuse_stops, episode.length_ms)

    def _refuse_stops(self, asked: Asked, length_ms: int) -> None:
        self.storm.no_stops_until_ms = self.clock.now_ms() + length_ms

    def _do_disconnect_at_entry(self, episode: Episode) -> None:
        self._at_entry(self._disconnect_private)

    def _disconnect_private(self, asked: Asked) -> None:
        for socket in list(self.network.sockets) if self.network is not None else []:
            if "private" in socket.path:
                socket.close_by_server(1006)

    def _at_entry(self, act: Callable[..., None], *args: object) -> None:
        """Do something at the moment the exchange takes the next entry."""
        if self.piles_up or not any(isinstance(observer, _AtEntry) for observer in self.storm.observers):
            self.storm.observers.append(_AtEntry(self, act, args))


class _AtEntry:
    def __init__(self, world: World, act: Callable[..., None], args: tuple[object, ...]) -> None:
        self._world = world
        self._act = act
        self._args = args

    def asked(self, asked: Asked, outcome: Outcome) -> None: ...

    def answered(self, asked: Asked, fate: Fate, answer: Answer | None) -> None:
        if asked.is_new_order and not asked.only_reduces and answer is not None and answer.status == 200:
            self._world.storm.observers.remove(self)
            if not self._world.is_calm:
                self._act(asked, *self._args)

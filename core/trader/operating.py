"""What an operator's commands do to a trader, and what the operator is told of them."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from core.domain.operator import OperatorCommand, Verb
from core.domain.records import OperatorRecord
from core.domain.trading import ExitReason
from core.trader.flattening import FLAT, flattening
from core.trader.guard import Guard
from core.trader.locking import lock, unlock
from core.trader.messages import Command, Journal
from core.trader.protection import Protection
from core.trader.sampling import Sampling
from core.trader.sending import Leaving, cancel_entries, journalled
from core.trader.state import FLAT_ID, TraderState
from core.trader.trade_acts import TradeActs

_OF_A_SYMBOL = (Verb.FLATTEN, Verb.LOCK, Verb.UNLOCK)


class Operating:
    def __init__(
        self, state: TraderState, guard: Guard, leaving: Leaving, protection: Protection, sampling: Sampling
    ) -> None:
        self._state = state
        self._guard = guard
        self._leaving = leaving
        self._sampling = sampling
        self._trades = TradeActs(state, leaving, protection)

    def on_command(self, command: OperatorCommand) -> list[Command]:
        """The record of it first, with what came of it: refused, where it is for a symbol that is not traded, or not
        for what it names."""
        if refused := self._refusal(command):
            return [Journal(OperatorRecord(command, f"refused: {refused}"))]
        self._state.apply_operator(command)
        everything = list(self._state.books())
        commands: list[Command] = []
        match command.verb:
            case Verb.PAUSE:
                result = "entries paused; stops, targets and exits go on"
            case Verb.RESUME:
                events = self._guard.clear_resume(command.time_ms)
                new_peak = any(event.limit == "drawdown" for event in events)
                commands += journalled(events)
                # Not by the clock: set right later, it would leave every bar until then unmeasured.
                commands += self._sampling.sample(self._state.sampled_ms or command.time_ms, new_peak=new_peak)
                result = "entries resumed"
            case Verb.HALT:
                for s in everything:
                    commands += cancel_entries(self._state, s, command.time_ms, "halted by the operator")
                result = "halted: no new entries, pending entries canceled; stops and targets stay at the venue"
            case Verb.FLATTEN:
                chosen = [s for s in everything if command.symbol in ("", s.instrument.symbol)]
                result = flattening(chosen)
                commands += self._leaving.leave_all(chosen, ExitReason.FLATTEN, command.time_ms)
                if not command.symbol:
                    result += "; entries paused until resumed"
            case Verb.LOCK:
                result, events = lock(self._guard, command)
                commands += journalled(events)
            case Verb.UNLOCK:
                result, events = unlock(self._guard, command)
                commands += journalled(events)
            case Verb.CLOSE:
                result, commands = self._trades.close(command)
            case Verb.MOVE_STOP:
                result, commands = self._trades.move_stop(command)
            case _:
                assert_never(command.verb)
        return [Journal(OperatorRecord(command, result)), *commands]

    def _refusal(self, command: OperatorCommand) -> str:
        if command.symbol and command.symbol not in self._state.symbols:
            return f"{command.symbol} is not traded here"
        if command.symbol and command.verb not in _OF_A_SYMBOL:
            return f"{command.verb} is for the whole account; {', '.join(_OF_A_SYMBOL)} take a symbol"
        if not command.symbol and command.verb in (Verb.LOCK, Verb.UNLOCK):
            return f"{command.verb} is for one symbol; name it"
        return ""

    def tell_flat(self, now_ms: int) -> list[Command]:
        """Tell the operator, once, that nothing is left of what he wished to be closed."""
        asked = self._state.flatten
        if asked is None or self._state.is_flattening():
            return []
        self._state.flatten = None
        done = replace(asked, command_id=f"{asked.command_id}{FLAT_ID}", time_ms=now_ms)
        return [Journal(OperatorRecord(done, FLAT))]

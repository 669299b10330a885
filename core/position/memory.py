"""What the policies of one trade remember: bars in, in order, each once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import BadInputError
from core.position.policy import HOLD, MOVE_STOP, NAMES, Candle, ExitPolicy, Held, Said

if TYPE_CHECKING:
    Vector = NDArray[np.float64]


class PolicyMemory:
    """Of one trade of side `sign` (+1 long, -1 short)."""

    def __init__(self, policies: Sequence[ExitPolicy], sign: int) -> None:
        self.sign = sign
        self._policies = policies
        self._parameters = [np.array(policy.parameters, np.float64) for policy in policies]
        self._states = [np.zeros(policy.state_size) for policy in policies]
        # What a policy is asked with: it may look and not touch.
        self._shown = [state.view() for state in self._states]
        for vector in (*self._shown, *self._parameters):
            vector.flags.writeable = False

    def see(self, bar: Candle) -> None:
        for policy, state, parameters in zip(self._policies, self._states, self._parameters, strict=True):
            if policy.see is not None:
                policy.see(state, self.sign, bar, parameters)

    def ask(self, held: Held, bar: Candle, values: Vector) -> list[Said]:
        """What each says of the newest bar, holding left out. Raises BadInputError for what a policy does not
        declare."""
        said = []
        for policy, state, parameters in zip(self._policies, self._shown, self._parameters, strict=True):
            what, amount = policy.step(state, held, bar, values, parameters)
            if what == HOLD:
                continue
            if what not in policy.says:
                name = NAMES[what] if 0 <= what <= MOVE_STOP else str(what)
                raise BadInputError(f"the exit {policy.reason!r} says to {name}, which it does not declare")
            said.append(Said(policy, what, float(amount)))
        return said

    def states(self) -> list[Vector]:
        """By policy, what it remembers."""
        return [state.copy() for state in self._states]

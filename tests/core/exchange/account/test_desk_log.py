"""What is tried every few seconds while the exchange tells nothing is a line at its beginning and one at its end."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.core.exchange.desk_kit import BTC, ETH, House, in_house
from tests.simulation.faults import JSON
from tests.simulation.transport import Answer, Fate, Outcome


def answered(status: int, body: str, **headers: str) -> Fate:
    return Fate(Outcome.REPLACED, 10.0, 10.0, Answer(status, body, {**JSON, **headers}))


BANNED = answered(418, '{"code":-1003,"msg":"Way too many requests"}', **{"Retry-After": "60"})
LIMITED = answered(429, '{"code":-1003,"msg":"Too many requests"}', **{"Retry-After": "7"})
SILENT = Fate(Outcome.LOST_ON_THE_WAY, 10.0, 10.0)
BROKEN = answered(502, "<html>bad gateway</html>")
REFUSED = answered(400, '{"code":-7777,"msg":"no such thing"}')


@pytest.mark.parametrize("fate", [BANNED, LIMITED, SILENT, BROKEN, REFUSED], ids=["418", "429", "lost", "502", "400"])
def test_a_minute_without_an_answer_is_told_in_few_lines_and_so_is_its_end(
    fate: Fate, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(house: House) -> None:
        await house.enter(BTC)
        await house.enter(ETH)
        await house.pass_s(30)
        caplog.clear()
        stands = [True]
        house.weather.rules.append(lambda method, path, params: fate if stands[0] else None)
        await house.pass_s(60)
        warned = [record.getMessage() for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
        assert warned
        # Time limits grow, so that the same silence may have two of them.
        assert len(warned) <= 9, "\n".join(warned)
        assert max(Counter(line.partition(": ")[0] for line in warned).values()) <= 2
        caplog.clear()
        stands[0] = False
        await house.pass_s(60)
        assert [line for line in caplog.messages if line.endswith(" tries in vain")]
        assert not [line for line in caplog.messages if "could not be read" in line]
        house.check_books()

    in_house(scene)

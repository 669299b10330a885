"""The schema of the messages names every method, every act and every event, and refers to nothing that is not there."""

from __future__ import annotations

import json
import re

import pytest

from core.control.client import PROTOCOL_VERSION
from core.control.operations import OPERATIONS
from core.control.schema import RESULTS, schema
from core.control.wire import PARAMS
from core.home.folder import Home
from tests.core.control.asking import ask


def test_every_method_has_params_and_a_result() -> None:
    told = schema()
    assert told["version"] == PROTOCOL_VERSION
    assert list(told["params"]) == list(PARAMS)
    assert set(RESULTS) == set(PARAMS)
    assert set(told["results"]) == set(PARAMS)


def test_acts_and_events_are_told_apart_by_their_tags() -> None:
    told = schema()
    assert set(told["params"]["command"]["discriminator"]["mapping"]) == set(OPERATIONS)
    what = told["$defs"]["Event"]["properties"]["what"]
    assert set(what["discriminator"]["mapping"]) == {"fill", "trade", "signal", "limit", "operator", "notice"}


def test_it_refers_to_nothing_that_is_not_there() -> None:
    told = schema()
    referred = set(re.findall(r"#/\$defs/(\w+)", json.dumps(told)))
    assert referred
    assert referred <= set(told["$defs"])


@pytest.mark.usefixtures("server")
async def test_an_engine_tells_it(home: Home) -> None:
    assert await ask(home, "schema") == json.loads(json.dumps(schema()))

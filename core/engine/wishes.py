"""What an engine takes from its operator while it begins or ends, and the flattens that wait until books are compared.

A flatten before that would close what may be gone, and send beside what is being asked for. So it is kept, in the
journal too, and carried out before anything else is decided.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from core.control.operations import OPERATIONS
from core.control.protocol import RunState
from core.control.readiness import BEGINNING
from core.domain.operator import OF_A_TRADE, OperatorCommand, Verb
from core.domain.records import OperatorRecord, Record
from core.trader.state import KEPT_ID

KEPT = (
    "kept; carried out once books are compared, by the next start if this engine ends before; nothing is entered "
    "until then"
)


def refusal(verb: Verb, state: RunState) -> str:
    """Why an engine in this state does not take it, with the way out; empty where it does."""
    operation = OPERATIONS[verb]
    if state in BEGINNING:
        is_taken = operation.reduces and verb not in OF_A_TRADE
        return "" if is_taken else f"refused: the engine is {state}; ask again once books are compared"
    if state == "running" or (state == "ended" and verb not in (Verb.FLATTEN, *OF_A_TRADE)):
        return ""
    return "; ".join(filter(None, (f"refused: the engine is {state}", operation.words.without)))


def kept(command: OperatorCommand) -> OperatorRecord:
    """The record of a wish that waits."""
    return OperatorRecord(replace(command, command_id=f"{command.command_id}{KEPT_ID}"), KEPT)


def is_new(command: OperatorCommand, wishes: Iterable[OperatorCommand]) -> bool:
    """Whether none of `wishes` asks for the same."""
    return (command.symbol, command.include_external) not in {(w.symbol, w.include_external) for w in wishes}


def standing_wishes(records: Iterable[Record]) -> list[OperatorCommand]:
    """Those of a journal that were kept and never carried out, oldest first."""
    waiting: dict[str, OperatorCommand] = {}
    for record in records:
        if not isinstance(record, OperatorRecord):
            continue
        command = record.command
        if command.command_id.endswith(KEPT_ID):
            command_id = command.command_id.removesuffix(KEPT_ID)
            waiting[command_id] = replace(command, command_id=command_id)
        else:
            waiting.pop(command.command_id, None)
    return list(waiting.values())

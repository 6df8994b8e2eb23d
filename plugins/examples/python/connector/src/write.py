"""Writes: few requests, one outcome per operation, in order.

A create is an upsert by its intent where the account has the stamp property, so that doing it twice
makes one record. Each input carries its place as `objectWriteTraceId`: then the API writes the good
ones and tells the bad ones apart. What it refuses as a whole is halved until the bad one is alone.
"""

import json
import re
from dataclasses import dataclass

from api import CONTACTS, Refused, Unknown, call, problem
from componentize_py_types import Err
from schema import cells, moment, stamp, written
from wit_world.exports.connector import (
    Action,
    Applied,
    Outcome_Applied,
    Outcome_Exists,
    Outcome_Gone,
    Outcome_Rejected,
    Outcome_RetryAfter,
    Outcome_Uncertain,
)
from wit_world.imports.types import Error_RetryAfter, Value_Null

BATCH_MAX = 100
WAIT_MS = 1_000
REMEDIES = {
    "PROPERTY_DOESNT_EXIST": "admin",
    "READ_ONLY_VALUE": "admin",
    "CONFLICT": "target-data",
    "OBJECT_NOT_FOUND": "target-data",
}


@dataclass
class Item:
    """One operation that is sent: its place, the verb, a key that no two of a batch share."""

    index: int
    verb: str
    key: str
    input: dict
    id_property: str | None = None


def listed(value):
    return [str(one) for one in (value if isinstance(value, list) else [value]) if one is not None]


def problems(refusal):
    category, message = refusal.get("category"), refusal.get("message", "")
    told = []
    for one in refusal.get("errors", []):
        named = listed(one.get("context", {}).get("propertyName")) + listed(one.get("in"))
        told.append((one.get("code") or category, one.get("message", ""), (named or [None])[0]))
    if not any(field for _, _, field in told) and ": [" in message:
        # Reasons that a message quotes as JSON.
        try:
            quoted = json.loads(message[message.index(": [") + 2 :])
            told = [(one["error"], one.get("message", ""), one.get("name")) for one in quoted]
        except (ValueError, KeyError, TypeError):
            pass
    told = told or [(category or "refused", message, None)]
    return [problem(code, text, REMEDIES.get(code, "source-data"), at) for code, text, at in told]


def existing(refusal):
    named = listed(refusal.get("context", {}).get("existingId"))
    said = re.search(r"Existing ID: ([1-9]\d*)", refusal.get("message", ""))
    return (named + ([said[1]] if said else []) + [None])[0]


def outcome(verb, refusal):
    """The outcome of one operation that is refused."""
    id = existing(refusal)
    if verb in ("create", "upsert") and id:
        return Outcome_Exists([id])
    if verb == "update" and refusal.get("category") == "OBJECT_NOT_FOUND":
        return Outcome_Gone()
    return Outcome_Rejected(problems(refusal))


def plan(request, operation, index):
    """The request of an operation, or its outcome at once."""
    action, id = operation.action, operation.id
    creates = action == Action.CREATE
    given = zip(request.columns, operation.cells)
    properties = {
        column: written(value)
        for column, value in given
        if value is not None and not (creates and isinstance(value, Value_Null))
    }
    trace = {"properties": properties, "objectWriteTraceId": str(index)}

    def upsert(by, key):
        properties[by] = key
        return Item(index, "upsert", key, {**trace, "id": key, "idProperty": by}, by)

    if creates:
        by = stamp()
        return upsert(by, operation.intent) if by else Item(index, "create", f"new {index}", trace)
    if action == Action.UPSERT:
        by = operation.key[0] if len(operation.key) == 1 else ""
        if properties.get(by):
            return upsert(by, properties[by])
        told = problem("key-missing", "an upsert needs one key and its value", "plugin")
        return Outcome_Rejected([told])
    if action == Action.RESTORE or not id:
        told = problem("unsupported", "a change of nothing, or one by hand only", "plugin")
        return Outcome_Rejected([told])
    if action == Action.ARCHIVE:
        return Item(index, "archive", id, {"id": id})
    return Item(index, "update", id, {**trace, "id": id})


def batches(items):
    """Operations that go out together: of one verb, with different keys."""
    made = []
    for item in items:
        for batch in made:
            alike = (batch[0].verb, batch[0].id_property) == (item.verb, item.id_property)
            if alike and len(batch) < BATCH_MAX and all(one.key != item.key for one in batch):
                batch.append(item)
                break
        else:
            made.append([item])
    return made


def names(refusal, item):
    context = refusal.get("context", {})
    return str(item.index) in listed(context.get("objectWriteTraceId")) or item.key in (
        listed(context.get("ids")) + listed(context.get("id"))
    )


def answers(record, item):
    """True if a record is the answer to an item."""
    if record.get("objectWriteTraceId"):
        return record["objectWriteTraceId"] == str(item.index)
    if item.id_property:
        return record.get("properties", {}).get(item.id_property) == item.key
    return record["id"] == item.key


def send(request, items, outcomes):
    """Sends one batch, fills in outcomes, and gives what is to be sent again."""
    verb = items[0].verb
    try:
        body, _ = call(
            "POST",
            f"{CONTACTS}/batch/{verb}",
            {"inputs": [item.input for item in items]},
            repeatable=verb != "create",
        )
    except Unknown as unknown:
        for item in items:
            outcomes[item.index] = Outcome_Uncertain(str(unknown))
        return []
    except Refused as refused:
        if len(items) > 1:
            half = len(items) // 2
            return [items[:half], items[half:]]
        outcomes[items[0].index] = outcome(verb, refused.refusal)
        return []
    if verb == "archive":
        for item in items:
            outcomes[item.index] = Outcome_Applied(Applied(item.key, False, None, None, [], []))
        return []
    again = []
    for refusal in body.get("errors", []):
        # Two of one batch want the same unique value: alone, the second learns whose it is.
        twins = refusal.get("category") == "CONFLICT" and not existing(refusal)
        for item in (item for item in items if names(refusal, item)):
            if twins and len(items) > 1:
                again.append([item])
            else:
                outcomes[item.index] = outcome(verb, refusal)
    waiting = {item.index for batch in again for item in batch}
    left = [one for one in items if outcomes[one.index] is None and one.index not in waiting]
    nameless = []

    def applied(item, record):
        created = record.get("new", verb == "create")
        after = cells(record, request.columns)
        stamped = record.get("updatedAt")
        told = Applied(record["id"], created, stamped, moment(stamped), after, [])
        outcomes[item.index] = Outcome_Applied(told)

    for record in body.get("results", []):
        item = next((item for item in left if answers(record, item)), None)
        if item is None:
            nameless.append(record)
        else:
            left.remove(item)
            applied(item, record)
    # The rest is told apart by its order, if each has its answer.
    if len(nameless) == len(left):
        for item, record in zip(left, nameless):
            applied(item, record)
    else:
        for item in left:
            outcomes[item.index] = Outcome_Uncertain("the answer does not mention this record")
    return again


def write(request):
    outcomes = [None] * len(request.operations)
    items = []
    for index, operation in enumerate(request.operations):
        planned = plan(request, operation, index)
        if isinstance(planned, Item):
            items.append(planned)
        else:
            outcomes[index] = planned
    queue = batches(items)
    wait = WAIT_MS
    try:
        while queue:
            queue = send(request, queue[0], outcomes) + queue[1:]
    except Err as stopped:
        # Outcomes of what was done; the rest waits, and all of it if nothing was done.
        if not any(isinstance(one, (Outcome_Applied, Outcome_Uncertain)) for one in outcomes):
            raise
        if isinstance(stopped.value, Error_RetryAfter):
            wait = stopped.value.value
    return [Outcome_RetryAfter(wait) if one is None else one for one in outcomes]

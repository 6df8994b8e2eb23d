"""Properties as fields, records as rows.

Texts, choices and booleans are written; the other kinds of properties are shown as text and never
written, which keeps this example small.
"""

from datetime import datetime
from functools import cache

from api import call
from wit_world.exports.connector import Field, Schema
from wit_world.imports.types import (
    Row,
    Value_Boolean,
    Value_Choices,
    Value_Null,
    Value_Other,
    Value_References,
    Value_Text,
)

STAMP = "renkei_id"


@cache
def properties():
    """The properties by name, read once per job."""
    found, _ = call("GET", "/crm/v3/properties/contacts")
    return {one["name"]: one for one in found["results"]}


def stamp():
    """The property that holds the intent of a create, if the account has it."""
    return STAMP if properties().get(STAMP, {}).get("hasUniqueValue") else None


def is_unique(name):
    declared = properties().get(name, {}).get("hasUniqueValue", False)
    return declared or name in ("email", "hs_object_id")


def kind(one):
    if one.get("type") == "bool":
        return "boolean"
    if one.get("type") == "enumeration" and one.get("fieldType") != "checkbox":
        return "choice"
    return "text"


def field(one):
    plain = kind(one) != "text" or one["type"] in ("string", "phone_number")
    fixed = one.get("calculated") or one.get("modificationMetadata", {}).get("readOnlyValue")
    writable = plain and not fixed
    return Field(
        name=one["name"],
        label=one["label"],
        kind=kind(one),
        readable=True,
        creatable=writable,
        updatable=writable,
        required=False,
        unique=is_unique(one["name"]),
        nullable=True,
        max_length=65_536 if kind(one) == "text" else None,
        choices=[(option["value"], option["label"]) for option in one.get("options", [])],
        targets=[],
        facts=[],
    )


def schema():
    facts = [("creatable", Value_Boolean(True)), ("archivable", Value_Boolean(True))]
    if stamp():
        facts.append(("stamp", Value_Text(stamp())))
    fields = [field(one) for one in properties().values()]
    return Schema("contacts", "Contacts", fields, None, facts)


def cell(record, name):
    if name not in record["properties"]:
        return None
    text = record["properties"][name]
    if not text:
        return Value_Null()
    if kind(properties().get(name, {})) == "boolean":
        return Value_Boolean(text == "true")
    return Value_Text(text)


def cells(record, columns):
    return [cell(record, name) for name in columns]


def written(value):
    """A value as the API takes it; the empty text clears."""
    match value:
        case Value_Null():
            return ""
        case Value_Boolean(truth):
            return "true" if truth else "false"
        case Value_Choices(items) | Value_References(items):
            return ";".join(items)
        case Value_Other(parts):
            return " ".join(parts[1:])
    return str(value.value)


def moment(text):
    """ms since 1970 of a time in ISO 8601."""
    return int(datetime.fromisoformat(text).timestamp() * 1000) if text else None


def row(record, columns):
    stamped = record.get("updatedAt")
    return Row(record["id"], stamped, moment(stamped), cells(record, columns), [])

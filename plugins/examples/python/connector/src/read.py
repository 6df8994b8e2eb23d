"""Scans, records by id, records by value.

A cursor is JSON: which scan, since when the scan of changes after it looks, and where this one
stands. Lists are complete; searches lag up to 30 s behind and never show what is archived, so
`changes` looks back further than that and then lists what is archived. What changes while a scan
runs is seen by the next one, which begins when this one began.
"""

import json
from urllib.parse import quote

from api import CONTACTS, Refused, call, problem, search
from componentize_py_types import Err
from schema import is_unique, moment, properties, row, written
from wit_world.exports import connector
from wit_world.imports import types

LOOK_BACK_MS = 90_000
BATCH_MAX = 100
MERGED = "hs_merged_object_ids"
SCANS = {
    connector.Scan_Backfill: "backfill",
    connector.Scan_Changes: "changes",
    connector.Scan_Sweep: "sweep",
}


def position(cursor, scan):
    if cursor is None:
        return {"scan": scan, "archived": False, "after": None}
    try:
        found = json.loads(cursor.decode())
        if found["scan"] == scan:
            return found
    except (ValueError, KeyError, TypeError):
        pass
    told = problem("cursor", "this cursor is of another scan", "nobody")
    raise Err(types.Error_CursorLost(told))


def wanted(columns):
    return [name for name in columns if name in properties()] + [MERGED]


def losers(record):
    """The records that were merged into this one."""
    ids = (record["properties"].get(MERGED) or "").split(";")
    gone = (id.strip() for id in ids)
    removal = types.Removal_MergedInto(record["id"])
    return [types.Tombstone(id, removal, None, []) for id in gone if id and id != record["id"]]


def put(records):
    """Archived records."""
    removal = types.Removal_Archived()
    times = [(one["id"], moment(one.get("archivedAt"))) for one in records]
    return [types.Tombstone(id, removal, time, []) for id, time in times]


def page(columns, live, removed=(), cursor=b"", more=False, time=None):
    batch = types.Batch(columns, [row(record, columns) for record in live])
    merged = [tombstone for record in live for tombstone in losers(record)]
    return connector.Page(batch, [*removed, *merged], cursor, more, time, [])


def listed(archived, after, columns, limit):
    names = ",".join(wanted([] if archived else columns))
    after = "" if after is None else f"&after={quote(after, safe='')}"
    flag = "true" if archived else "false"
    limit = min(limit, 100)
    return call("GET", f"{CONTACTS}?limit={limit}&archived={flag}{after}&properties={names}")


def changed(since, after, columns, limit):
    since = str(max(since - LOOK_BACK_MS, 0))
    filter = {"propertyName": "lastmodifieddate", "operator": "GTE", "value": since}
    return search(filter, after, wanted(columns), min(limit, 200))


def allowed(time, options):
    """No cursor goes past the host's clock, whatever the server's says."""
    now = next((value.value for code, value in options if code == "now-ms"), None)
    return time if time is None or now is None else min(time, now)


def read_page(request):
    if type(request.scan) not in SCANS:
        raise Err(types.Error_Unsupported(f"scan {request.scan.value.code}"))
    columns, scan = request.columns, SCANS[type(request.scan)]
    at = position(request.cursor, scan)
    archived, since = at["archived"], at.get("since")
    searching = scan == "changes" and not archived
    if searching:
        body, time = changed(since or 0, at["after"], columns, request.limit)
    else:
        body, time = listed(archived, at["after"], columns, request.limit)
    records = body["results"]
    known = (at.get("begun"), allowed(time, request.options), since)
    begun = next((one for one in known if one is not None), 0)
    after = body.get("paging", {}).get("next", {}).get("after")
    more = True
    if after is not None:
        following = {**at, "begun": begun, "after": records[-1]["id"] if searching else after}
    elif not archived and scan != "backfill":
        following = {**at, "begun": begun, "archived": True, "after": None}
    else:
        following = {"scan": "changes", "since": begun, "archived": False, "after": None}
        more = False
    live, removed = ([], put(records)) if archived else (records, [])
    return page(columns, live, removed, json.dumps(following).encode(), more, time)


def batch_read(columns, ids, id_property=None, archived=False):
    """Records by id, or by a unique property; what does not exist is missing."""
    found = []
    for at in range(0, len(ids), BATCH_MAX):
        inputs = [{"id": id} for id in ids[at : at + BATCH_MAX]]
        body = {"properties": wanted(columns), "inputs": inputs}
        if id_property:
            body["idProperty"] = id_property
        path = f"{CONTACTS}/batch/read?archived={'true' if archived else 'false'}"
        try:
            answer, _ = call("POST", path, body, repeatable=True)
            found += answer["results"]
        except Refused as refused:
            if refused.refusal.get("category") != "OBJECT_NOT_FOUND":
                raise
    return found


def read_records(columns, ids):
    ids = list(dict.fromkeys(ids))
    live = batch_read(columns, ids)
    # The id of a record that was merged away answers as its survivor.
    merged = [one for record in live for one in losers(record) if one.id in ids]
    seen = {record["id"] for record in live} | {one.id for one in merged}
    gone = batch_read([], [id for id in ids if id not in seen], archived=True)
    found = page(columns, live)
    found.removed = merged + put(gone)
    return found


def find(columns, key, values):
    if key not in properties():
        raise Err(types.Error_Invalid(problem("unknown-key", f"no property {key}", "plugin")))
    unique = is_unique(key)
    texts = dict.fromkeys(written(value) for value in values)
    if key == "email" or not unique:
        texts = dict.fromkeys(text.lower() for text in texts)
    given = [text for text in texts if text]
    if unique:
        id_property = None if key == "hs_object_id" else key
        return page(columns, batch_read(columns, given, id_property)).batch
    found = []
    for at in range(0, len(given), BATCH_MAX):
        part = given[at : at + BATCH_MAX]
        filter = {"propertyName": key, "operator": "IN", "values": part}
        last, more = None, True
        while more:
            body, _ = search(filter, last, wanted(columns), 200)
            found += body["results"]
            more = bool(body["results"]) and "next" in body.get("paging", {})
            last = body["results"][-1]["id"] if more else None
    return page(columns, found).batch

// Scans, records by id, records by value.
//
// A cursor is JSON: which scan, since when the scan of changes after it looks, and where this one
// stands. Lists are complete; searches lag up to 30 s behind and never show what is archived, so
// `changes` looks back further than that and then lists what is archived. What changes while a scan
// runs is seen by the next one, which begins when this one began.

import { call, CONTACTS, decode, encode, problem, Refused, search } from "./api.js";
import { isUnique, properties, row, written } from "./schema.js";

const LOOK_BACK_MS = 90_000;
const BATCH_MAX = 100;
const MERGED = "hs_merged_object_ids";

function position(cursor, scan) {
  if (cursor === null) return { scan, since: null, archived: false, after: null };
  let found = null;
  try {
    found = decode(cursor);
  } catch {
    // Answered below.
  }
  if (found?.scan === scan) return found;
  throw { tag: "cursor-lost", val: problem("cursor", "this cursor is of another scan", "nobody") };
}

const wanted = (columns) => [...columns.filter((name) => properties().has(name)), MERGED];
const tombstone = (id, removal, at = null) => ({ id, removal, at, facts: [] });

/** The records that were merged into this one. */
function losers(record) {
  const ids = (record.properties[MERGED] ?? "").split(";").map((id) => id.trim());
  const gone = ids.filter((id) => id !== "" && id !== record.id);
  return gone.map((id) => tombstone(id, { tag: "merged-into", val: record.id }));
}

function put(records) {
  return records.map((record) => {
    const at = Date.parse(record.archivedAt ?? "");
    return tombstone(record.id, { tag: "archived" }, Number.isNaN(at) ? null : at);
  });
}

export function page(columns, live, removed = [], rest = {}) {
  const batch = { columns, rows: live.map((record) => row(record, columns)) };
  const all = [...removed, ...live.flatMap(losers)];
  return { batch, removed: all, cursor: new Uint8Array(), more: false, serverTime: null, facts: [], ...rest };
}

function list(archived, after, columns, limit) {
  const query = [`limit=${Math.min(limit, 100)}`, `archived=${archived}`];
  if (after !== null) query.push(`after=${encodeURIComponent(after)}`);
  query.push(`properties=${wanted(archived ? [] : columns).join(",")}`);
  return call("get", `${CONTACTS}?${query.join("&")}`);
}

/** No cursor goes past the host's clock, whatever the server's says. */
function allowed(time, options) {
  const now = options.find(([code]) => code === "now-ms")?.[1].val;
  return now === undefined || time === null ? time : Math.min(time, Number(now));
}

export function readPage({ columns, scan: { tag: scan, val }, cursor, limit, options }) {
  if (scan === "other") throw { tag: "unsupported", val: `scan ${val.code}` };
  const at = position(cursor, scan);
  const { body, time } = scan === "changes" && !at.archived
    ? changed(at, columns, limit)
    : list(at.archived, at.after, columns, limit);
  const begun = at.begun ?? allowed(time, options) ?? at.since ?? 0;
  const records = body.results;
  const after = body.paging?.next?.after ?? null;
  let next = { ...at, begun, after: scan === "changes" && !at.archived ? records.at(-1)?.id : after };
  let more = true;
  if (after === null && !at.archived && scan !== "backfill") {
    next = { ...at, begun, archived: true, after: null };
  } else if (after === null) {
    next = { scan: "changes", since: begun, archived: false, after: null };
    more = false;
  }
  const [live, removed] = at.archived ? [[], put(records)] : [records, []];
  return page(columns, live, removed, { cursor: encode(next), more, serverTime: time });
}

function changed({ since, after }, columns, limit) {
  const from = Math.max((since ?? 0) - LOOK_BACK_MS, 0);
  const filter = { propertyName: "lastmodifieddate", operator: "GTE", value: String(from) };
  return search(filter, after, wanted(columns), Math.min(limit, 200));
}

/** Records by id, or by a unique property; what does not exist is missing. */
function batchRead(columns, ids, { idProperty, archived = false } = {}) {
  const found = [];
  for (let at = 0; at < ids.length; at += BATCH_MAX) {
    const inputs = ids.slice(at, at + BATCH_MAX).map((id) => ({ id }));
    const body = { properties: wanted(columns), inputs, idProperty };
    try {
      const path = `${CONTACTS}/batch/read?archived=${archived}`;
      found.push(...call("post", path, body, { repeatable: true }).body.results);
    } catch (thrown) {
      const missing = thrown instanceof Refused && thrown.refusal.category === "OBJECT_NOT_FOUND";
      if (!missing) throw thrown;
    }
  }
  return found;
}

export function readRecords(columns, ids) {
  const unique = [...new Set(ids)];
  const live = batchRead(columns, unique);
  // The id of a record that was merged away answers as its survivor.
  const merged = live.flatMap(losers).filter(({ id }) => unique.includes(id));
  const seen = new Set([...live, ...merged].map(({ id }) => id));
  const gone = batchRead([], unique.filter((id) => !seen.has(id)), { archived: true });
  return { ...page(columns, live), removed: [...merged, ...put(gone)] };
}

export function find(columns, key, values) {
  if (!properties().has(key)) {
    throw { tag: "invalid", val: problem("unknown-key", `no property ${key}`, "plugin") };
  }
  const lower = key === "email" || !isUnique(key);
  const texts = values.map(written).map((text) => (lower ? text.toLowerCase() : text));
  const given = [...new Set(texts)].filter((text) => text !== "");
  const idProperty = key === "hs_object_id" ? undefined : key;
  if (isUnique(key)) return page(columns, batchRead(columns, given, { idProperty })).batch;
  const found = [];
  for (let at = 0; at < given.length; at += BATCH_MAX) {
    const part = given.slice(at, at + BATCH_MAX);
    const filter = { propertyName: key, operator: "IN", values: part };
    for (let last = null, more = true; more; ) {
      const { results, paging } = search(filter, last, wanted(columns), 200).body;
      found.push(...results);
      more = paging?.next !== undefined && results.length > 0;
      last = results.at(-1)?.id ?? null;
    }
  }
  return page(columns, found).batch;
}

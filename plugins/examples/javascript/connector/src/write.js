// Writes: few requests, one outcome per operation, in order.
//
// A create is an upsert by its intent where the account has the stamp property, so that doing it
// twice makes one record. Each input carries its place as `objectWriteTraceId`: then the API writes
// the good ones and tells the bad ones apart. What it refuses as a whole is halved until the bad
// one is alone.

import { call, CONTACTS, problem, Refused, Unknown } from "./api.js";
import { cells, moment, stamp, written } from "./schema.js";

const BATCH_MAX = 100;
const WAIT_MS = 1_000;
const ADMINS = ["PROPERTY_DOESNT_EXIST", "READ_ONLY_VALUE"];
const TARGETS = ["CONFLICT", "OBJECT_NOT_FOUND"];

const rejected = (...problems) => ({ tag: "rejected", val: problems });

function remedy(code) {
  if (ADMINS.includes(code)) return "admin";
  return TARGETS.includes(code) ? "target-data" : "source-data";
}

function problems({ category, message = "", errors = [] }) {
  let told = errors.map(({ code, message, context, in: place }) =>
    [code ?? category, message, context?.propertyName?.[0] ?? place ?? null]);
  if (!told.some(([, , field]) => field !== null) && message.includes(": [")) {
    // Reasons that a message quotes as JSON.
    try {
      const quoted = JSON.parse(message.slice(message.indexOf(": [") + 2));
      told = quoted.map(({ error, message, name }) => [error, message, name ?? null]);
    } catch {
      // Then it is only words.
    }
  }
  if (told.length === 0) told = [[category ?? "refused", message, null]];
  return told.map(([code, text, field]) => problem(code, text ?? "", remedy(code), field));
}

function existing({ context, message = "" }) {
  return [context?.existingId].flat()[0] ?? message.match(/Existing ID: ([1-9]\d*)/)?.[1] ?? null;
}

/** What a refusal means for one operation. */
function outcome(verb, refusal) {
  const id = existing(refusal);
  if ((verb === "create" || verb === "upsert") && id !== null) return { tag: "exists", val: [String(id)] };
  if (verb === "update" && refusal.category === "OBJECT_NOT_FOUND") return { tag: "gone" };
  return rejected(...problems(refusal));
}

/** The verb, the key that no two of a batch share, and the input; or the outcome at once. */
function plan(request, operation, index) {
  const { action, id, intent } = operation;
  const properties = {};
  operation.cells.forEach((value, at) => {
    const clears = value?.tag === "null" && action === "create";
    if (value !== null && !clears) properties[request.columns[at]] = written(value);
  });
  const input = { properties, objectWriteTraceId: String(index) };
  const upsert = (idProperty, key) => {
    properties[idProperty] = key;
    return { verb: "upsert", idProperty, key, input: { ...input, id: key, idProperty } };
  };
  if (action === "create") {
    return stamp() === null ? { verb: "create", key: `new ${index}`, input } : upsert(stamp(), intent);
  }
  if (action === "upsert") {
    const [by, ...others] = operation.key;
    const key = properties[by ?? ""];
    if (key && others.length === 0) return upsert(by, key);
    return { refused: rejected(problem("key-missing", "an upsert needs one key and its value", "plugin")) };
  }
  if (action === "restore" || !id) {
    return { refused: rejected(problem("unsupported", `${action} of nothing, or by hand only`, "plugin")) };
  }
  if (action === "archive") return { verb: "archive", key: id, input: { id } };
  return { verb: "update", key: id, input: { ...input, id } };
}

/** Operations that go out together: of one verb, with different keys. */
function batches(items) {
  const all = [];
  for (const item of items) {
    const fits = (batch) =>
      batch[0].verb === item.verb && batch[0].idProperty === item.idProperty &&
      batch.length < BATCH_MAX && !batch.some(({ key }) => key === item.key);
    const batch = all.find(fits);
    if (batch) batch.push(item);
    else all.push([item]);
  }
  return all;
}

const names = ({ context = {} }, { index, key }) =>
  [context.objectWriteTraceId].flat().map(String).includes(String(index)) ||
  [context.ids, context.id].flat().map(String).includes(key);

/** Whether a record is what became of an item. */
function answers(record, { index, key, idProperty }) {
  if (record.objectWriteTraceId) return record.objectWriteTraceId === String(index);
  return (idProperty ? record.properties?.[idProperty] : record.id) === key;
}

/** Sends one batch, fills in outcomes, and gives what is to be sent again. */
function send(request, items, outcomes) {
  const { verb } = items[0];
  const refuse = (item, refusal) => { outcomes[item.index] = outcome(verb, refusal); };
  const inputs = items.map(({ input }) => input);
  let body;
  try {
    const path = `${CONTACTS}/batch/${verb}`;
    body = call("post", path, { inputs }, { repeatable: verb !== "create" }).body;
  } catch (thrown) {
    if (thrown instanceof Unknown) {
      for (const { index } of items) outcomes[index] = { tag: "uncertain", val: thrown.error.val };
      return [];
    }
    if (!(thrown instanceof Refused)) throw thrown;
    if (items.length > 1) {
      const half = items.length >> 1;
      return [items.slice(0, half), items.slice(half)];
    }
    refuse(items[0], thrown.refusal);
    return [];
  }
  const applied = (item, id, record) => {
    const created = record ? (record.new ?? verb === "create") : false;
    const after = record ? cells(record, request.columns) : [];
    const version = record?.updatedAt ?? null;
    const val = { id, created, version, modified: moment(version), after, facts: [] };
    outcomes[item.index] = { tag: "applied", val };
  };
  if (verb === "archive") {
    for (const item of items) applied(item, item.key, null);
    return [];
  }
  const again = [];
  for (const refusal of body.errors ?? []) {
    for (const item of items.filter((item) => names(refusal, item))) {
      // Two of one batch want the same unique value: alone, the second learns whose it is.
      const twins = refusal.category === "CONFLICT" && existing(refusal) === null;
      if (twins && items.length > 1) again.push([item]);
      else refuse(item, refusal);
    }
  }
  const waits = new Set(again.flat());
  const open = items.filter((item) => outcomes[item.index] === null && !waits.has(item));
  const nameless = [];
  for (const record of body.results ?? []) {
    const at = open.findIndex((item) => answers(record, item));
    if (at < 0) nameless.push(record);
    else applied(open.splice(at, 1)[0], record.id, record);
  }
  // The rest is told apart by its order, if each has its answer.
  open.forEach((item, at) => {
    if (nameless.length === open.length) applied(item, nameless[at].id, nameless[at]);
    else outcomes[item.index] = { tag: "uncertain", val: "the answer does not mention this record" };
  });
  return again;
}

export function write(request) {
  const outcomes = new Array(request.operations.length).fill(null);
  const items = [];
  request.operations.forEach((operation, index) => {
    const { refused, ...item } = plan(request, operation, index);
    if (refused) outcomes[index] = refused;
    else items.push({ ...item, index });
  });
  const queue = batches(items);
  let wait = WAIT_MS;
  try {
    while (queue.length > 0) queue.unshift(...send(request, queue.shift(), outcomes));
  } catch (thrown) {
    // Outcomes of what was done; the rest waits, and all of it if nothing was done.
    if (!outcomes.some((one) => one?.tag === "applied" || one?.tag === "uncertain")) throw thrown;
    wait = thrown.tag === "retry-after" ? thrown.val : WAIT_MS;
  }
  return outcomes.map((one) => one ?? { tag: "retry-after", val: wait });
}

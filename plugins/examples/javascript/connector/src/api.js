// The API as this connector needs it: JSON over the host's `http`, and what refusals mean.

import http from "renkei:plugin/http@0.2.0";

export const CONTACTS = "/crm/v3/objects/contacts";
const HOUR_MS = 3_600_000;

// QuickJS has no TextEncoder.
const utf8 = (text) => Uint8Array.from(unescape(encodeURIComponent(text)), (c) => c.charCodeAt(0));
const fromUtf8 = (bytes) => {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) {
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return decodeURIComponent(escape(text));
};

export const encode = (value) => utf8(JSON.stringify(value));
export const decode = (bytes) => JSON.parse(fromUtf8(new Uint8Array(bytes)));

export const problem = (code, message, remedy, field = null) =>
  ({ code, message, field, remedy });

/** A request that the API refused: `refusal` is its body. Nothing was done. */
export class Refused {
  constructor(status, refusal) {
    this.status = status;
    this.refusal = refusal;
  }
}

/** Nobody knows what became of a request; `error` is the contract's. */
export class Unknown {
  constructor(error) {
    this.error = error;
  }
}

/** What stops a call, as the contract's `error`. */
export function asError(thrown) {
  if (thrown instanceof Unknown) return thrown.error;
  if (!(thrown instanceof Refused)) return thrown;
  const { status, refusal } = thrown;
  const tag = status === 404 ? "not-found" : "invalid";
  const [code, message] = [refusal.category ?? String(status), refusal.message ?? ""];
  return { tag, val: problem(code, message, status === 404 ? "admin" : "plugin") };
}

const header = (response, name) => response.headers.find(([key]) => key === name)?.[1];

function failure({ tag, val }) {
  if (tag === "quota") return { tag: "retry-after", val };
  if (tag === "unauthorized") return { tag, val: problem("credentials", val, "admin") };
  if (tag === "denied") return { tag: "host", val };
  const told = tag === "other" ? `${val.code} ${val.text}` : (val ?? "");
  return new Unknown({ tag: "host", val: `${tag}: ${told}` });
}

function refusal(response) {
  let body = {};
  try {
    body = decode(response.body);
  } catch {
    // Not from the API itself, but from something before it: the status has to do.
  }
  const { status } = response;
  const told = problem(body.category ?? String(status), body.message ?? "", "admin");
  const seconds = Number(header(response, "retry-after"));
  const wait = body.policyName === "DAILY" ? HOUR_MS : 10_000;
  if (status === 401) return { tag: "unauthorized", val: told };
  if (status === 403) return { tag: "forbidden", val: told };
  if ([423, 429, 477].includes(status)) {
    return { tag: "retry-after", val: seconds > 0 ? seconds * 1000 : wait };
  }
  if (status >= 500) return new Unknown({ tag: "host", val: `HTTP status ${status}` });
  return new Refused(status, body);
}

/** Sends and reads JSON; `time` is the server's clock. Throws Refused, Unknown or an `error`. */
export function call(method, path, body = null, { repeatable = false, quotas = [] } = {}) {
  const headers = body === null ? [] : [["content-type", "application/json"]];
  const sent = body === null ? new Uint8Array() : encode(body);
  let response;
  try {
    response = http.send({
      slot: "primary", method, path, headers, body: sent, repeatable, quotas, timeoutMs: null,
      facts: [],
    });
  } catch (thrown) {
    throw failure(thrown.payload ?? thrown);
  }
  if (response.status >= 300) throw refusal(response);
  const time = Date.parse(header(response, "date") ?? "");
  return {
    body: response.body.length > 0 ? decode(response.body) : {},
    time: Number.isNaN(time) ? null : time,
  };
}

/** Up to 200 records that one filter lets through, by id, after the id `last`. */
export function search(filter, last, properties, limit) {
  const filters = [filter];
  if (last !== null) filters.push({ propertyName: "hs_object_id", operator: "GT", value: last });
  const sorts = [{ propertyName: "hs_object_id", direction: "ASCENDING" }];
  const body = { filterGroups: [{ filters }], sorts, properties, limit };
  return call("post", `${CONTACTS}/search`, body, { repeatable: true, quotas: ["search"] });
}

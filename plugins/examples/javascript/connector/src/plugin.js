// A connector in JavaScript: the contacts of HubSpot, read, found and written.
//
// One instance serves one job and its calls come one after another. `api.js` sends, `schema.js`
// knows the fields, `read.js` and `write.js` do what they are called. Credentials, quotas, repeats
// and waiting are the host's.

import { asError, call, problem } from "./api.js";
import * as reading from "./read.js";
import { schema } from "./schema.js";
import * as writing from "./write.js";

/** Runs a call; whatever it throws becomes the contract's `error`. */
function answer(work) {
  try {
    return work();
  } catch (thrown) {
    const error = asError(thrown);
    throw typeof error?.tag === "string" ? error : { tag: "bug", val: String(error) };
  }
}

function known(object) {
  if (object === "contacts") return;
  throw { tag: "not-found", val: problem("object", `there is no ${object} here`, "admin") };
}

const unsupported = (what) => {
  throw { tag: "unsupported", val: `${what} is not part of this example` };
};

export const connector = {
  configure() {},

  check() {
    return answer(() => {
      const { portalId, timeZone } = call("get", "/account-info/v3/details").body;
      const facts = timeZone ? [["time-zone", { tag: "text", val: timeZone }]] : [];
      return { id: String(portalId), name: `HubSpot ${portalId}`, facts };
    });
  },

  discover(objects) {
    return answer(() => objects.map((object) => (known(object), schema())));
  },

  readPage(request) {
    return answer(() => (known(request.object), reading.readPage(request)));
  },

  readRecords({ object, columns, ids }) {
    return answer(() => (known(object), reading.readRecords(columns, ids)));
  },

  find({ object, columns, keys, values }) {
    if (keys.length !== 1) unsupported("finding by several columns together");
    const wanted = values.map(([value]) => value);
    const found = () => reading.find(columns, keys[0], wanted);
    return answer(() => (known(object), { batch: found(), cursor: null, facts: [] }));
  },

  write(request) {
    return answer(() => (known(request.object), writing.write(request)));
  },

  objects: () => unsupported("listing objects"),
  merge: () => unsupported("merging"),
  finish: () => unsupported("finishing"),
  addActivities: () => unsupported("adding activities"),
  webhook: () => unsupported("a webhook"),
  subscribe: () => unsupported("subscribing"),
  renew: () => unsupported("renewing"),
  unsubscribe: () => unsupported("unsubscribing"),
};

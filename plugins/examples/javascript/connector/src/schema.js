// Properties as fields, records as rows. Texts, choices and booleans are written; the other kinds
// of properties are shown as text and never written, which keeps this example small.

import { call } from "./api.js";

const STAMP = "renkei_id";

let known = null;

/** The properties by name, read once per job. */
export function properties() {
  const read = () => call("get", "/crm/v3/properties/contacts").body.results;
  known ??= new Map(read().map((property) => [property.name, property]));
  return known;
}

/** The property that holds the intent of a create, if the account has it. */
export const stamp = () => (properties().get(STAMP)?.hasUniqueValue === true ? STAMP : null);

export const isUnique = (name) =>
  name === "email" || name === "hs_object_id" || properties().get(name)?.hasUniqueValue === true;

function kind({ type, fieldType }) {
  if (type === "bool") return "boolean";
  if (type === "enumeration" && fieldType !== "checkbox") return "choice";
  return "text";
}

function field(property) {
  const plain = ["string", "bool", "phone_number"].includes(property.type) || kind(property) === "choice";
  const fixed = property.calculated || property.modificationMetadata?.readOnlyValue;
  const writable = plain && !fixed;
  return {
    name: property.name, label: property.label, kind: kind(property), readable: true,
    creatable: writable, updatable: writable, required: false, unique: isUnique(property.name),
    nullable: true, maxLength: kind(property) === "text" ? 65_536 : null,
    choices: (property.options ?? []).map(({ value, label }) => [value, label]),
    targets: [], facts: [],
  };
}

export function schema() {
  const facts = [["creatable", { tag: "boolean", val: true }], ["archivable", { tag: "boolean", val: true }]];
  if (stamp() !== null) facts.push(["stamp", { tag: "text", val: stamp() }]);
  const fields = [...properties().values()].map(field);
  return { object: "contacts", label: "Contacts", fields, memo: null, facts };
}

function cell(record, name) {
  const text = record.properties[name];
  if (text === undefined) return null;
  if (text === null || text === "") return { tag: "null" };
  if (kind(properties().get(name) ?? {}) !== "boolean") return { tag: "text", val: text };
  return { tag: "boolean", val: text === "true" };
}

/** A value as the API takes it; the empty text clears. */
export function written(value) {
  if (value.tag === "null") return "";
  if (value.tag === "other") return value.val.slice(1).join(" ");
  return Array.isArray(value.val) ? value.val.join(";") : String(value.val);
}

export const cells = (record, columns) => columns.map((name) => cell(record, name));

// ms since 1970 of a time in ISO 8601, null where there is none.
export function moment(text) {
  const ms = Date.parse(text ?? "");
  return Number.isNaN(ms) ? null : ms;
}

export function row(record, columns) {
  const version = record.updatedAt ?? null;
  const modified = moment(version);
  return { id: record.id, version, modified, cells: cells(record, columns), facts: [] };
}

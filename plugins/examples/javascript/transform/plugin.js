// A transform in JavaScript: readings between katakana and hiragana, and texts in their usual width.
//
// `hiragana` is two-way and keeps both laws: where the other side still reads the same, it is given
// back as it was, half-width letters and all. A value that is no text becomes null, never an error.

const KATAKANA = /[\u30a1-\u30f6\u30fd\u30fe]/gu;
const HIRAGANA = /[\u3041-\u3096\u309d\u309e]/gu;
const APART = 0x60; // Between a letter's code in one script and in the other.

const shift = (by) => (letter) => String.fromCodePoint(letter.codePointAt(0) + by);
const usualWidth = (text) => text.normalize("NFKC");
const toHiragana = (text) => usualWidth(text).replace(KATAKANA, shift(-APART));
const toKatakana = (text) => text.replace(HIRAGANA, shift(APART));
const tidy = (text) => usualWidth(text).replace(/\s+/gu, " ").trim();

const unknown = (name) => ({ tag: "unsupported", val: `no function ${name}` });

// Cells: null is "absent", {tag: "null"} is "empty", {tag: "text", val} is a text.
const onText = (convert) => (cell) => {
  if (cell === null) return null;
  const converted = cell.tag === "text" ? convert(cell.val) : "";
  return converted === "" ? { tag: "null" } : { tag: "text", val: converted };
};
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

const FORWARD = { hiragana: ["hiragana", onText(toHiragana)], tidy: ["tidy", onText(tidy)] };

// One row out per row in, in order, with this one column.
function rows(input, column, convert) {
  const row = (one, index) => ({ ...one, cells: [convert(one.cells[0], index)] });
  return { columns: [column], rows: input.rows.map(row) };
}

export const transform = {
  forward(name, _parameters, input, _old) {
    const known = FORWARD[name];
    if (known === undefined) throw unknown(name);
    const [column, convert] = known;
    return rows(input, column, convert);
  },

  backward(name, _parameters, input, old) {
    if (name !== "hiragana") throw unknown(name);
    const forward = onText(toHiragana);
    return rows(input, "katakana", (cell, index) => {
      const before = old.rows[index]?.cells[0] ?? null;
      return same(forward(before), cell) ? before : onText(toKatakana)(cell);
    });
  },

  merge(name) {
    throw unknown(name);
  },
};

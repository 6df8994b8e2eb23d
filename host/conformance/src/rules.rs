//! Every rule that the kit checks, with its promise and the advice for a plugin that breaks it.
//!
//! Scripts read the names in `renkei plugin test --json`, so the names do not change. The table in
//! `plugins/README.md` repeats them.

/// One rule of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContractRule {
    /// The name in reports.
    pub name: &'static str,
    /// The behaviour of a plugin that passes.
    pub promise: &'static str,
    /// The next step of its author where it fails.
    pub advice: &'static str,
}

macro_rules! rules {
    ($($ident:ident $name:literal, $promise:literal, $advice:literal;)*) => {
        $(
            #[doc = $promise]
            pub(crate) const $ident: ContractRule =
                ContractRule { name: $name, promise: $promise, advice: $advice };
        )*
        /// All rules, in the order of a report.
        pub const RULES: &[ContractRule] = &[$($ident),*];
    };
}

rules! {
    FILE "file",
        "The file is one component within the size limits.",
        "build it with `renkei plugin build`, or as plugins/README.md says for its language";
    MANIFEST "manifest",
        "The manifest is valid, and an admin can understand and trust what it asks for.",
        "correct the keys named in plugin.toml; plugins/README.md lists them";
    WORLD "world",
        "The component imports and exports what the contract has for its kind, of the right types.",
        "build against the wit/v0.2 of this host and stub out what a language runtime adds";
    START "start",
        "The component compiles and can be instantiated.",
        "do nothing but initialise in start functions and globals, stay below the memory limit; \
         the compiler takes long over very large functions";
    SETTINGS "settings",
        "The defaults are accepted; malformed settings are errors that name the setting.",
        "answer `invalid` with the setting's name in the message; never trap on a value";
    LIMITS "small-limits",
        "With a fraction of memory and time the answer is equal, or a typed error ends the call.",
        "let a failed allocation or a late answer end the call; never answer something else";
    COLUMNS "columns",
        "An answer has the declared columns, one row per row of input.",
        "give one row for each row of input, with the columns of the manifest in their order";
    TOTAL "total",
        "Any value of any column is answered: null, absent, long, Japanese, of another kind.",
        "make a value that does not convert null or absent; never refuse the batch for it";
    SAME "deterministic",
        "The same input gives the same cells.",
        "use no state, no random numbers, no order of hash maps";
    ROWS "row-independent",
        "A row's cells do not depend on the other rows, their order or their number.",
        "compute each row from its own cells; keep no state between rows";
    GET_PUT "lens-get-put",
        "backward(forward(a), a) = a: what was not changed is written back as it was.",
        "in `backward`, return `old` where it still means what the input says";
    PUT_GET "lens-put-get",
        "forward(backward(b, a), b) = b: what was written is what is read again.",
        "make `backward` say all that the input says, and let `old` decide in `forward`";
    STABLE "lens-stable",
        "forward(a, forward(a)) = forward(a): without a change nothing is written.",
        "in `forward`, return `old` where it still means what the input says";
    EITHER "merge-either-side",
        "merge(base, left, right) = merge(base, right, left): no system is the first.",
        "choose by the values, never by the side that they come from";
    ACCOUNT "account",
        "`check` answers with the account's id.",
        "ask the API who the credentials belong to";
    SCHEMA "schema",
        "`discover` gives the objects of the manifest, with usable fields; others are `not-found`.",
        "see `connector.wit` for kinds and facts; an unknown object is `not-found`";
    PAGES "pages",
        "A backfill gives every record once, in pages of at most the rows wanted, and ends.",
        "page by a unique, stable order; mind equal stamps and the last page";
    RESUME "resume",
        "Every cursor, given to a fresh instance, gives the rest.",
        "put all that a scan needs into the cursor; keep nothing in the instance";
    SWEEP "sweep",
        "A sweep gives the ids that a backfill gives.",
        "read ids and versions of all records; `columns` is empty";
    CURSOR "garbage-cursor",
        "A cursor that the connector never wrote is `cursor-lost`.",
        "answer `cursor-lost` for bytes that do not decode: the host then starts a backfill";
    BY_ID "by-id",
        "`read-records` gives each record asked for once, with the same cells as a scan.",
        "read by id in batches, without a search index that is late";
    FIND "find",
        "`find` gives the record that has a unique value, and none for a value that nobody has.",
        "compare as the system does, and give all matches";
    CREATE "create-once",
        "A create repeated with the same intent makes no second record and gives the same id.",
        "stamp the intent on the record in a unique column and send the create as an upsert by it";
    UPSERT "upsert",
        "An upsert by the same unique value makes one record, then changes it.",
        "send it by `operation.key`, and tell with `created` whether the record is new";
    UPDATE "update",
        "An update changes the present cells, leaves absent ones alone, and null clears.",
        "send only the cells that are present, and an explicit null for null";
    CHANGES "changes",
        "What was written after a backfill is seen by `changes` from its last cursor.",
        "look back further than the API is late; repeats are fine, gaps are not";
    PARTIAL "partial-failure",
        "A bad row among good ones has its own outcome, and the good ones are written.",
        "isolate what fails: read the answer row by row, or send the batch in halves";
    ORDER "outcomes",
        "A write of many rows gives each its outcome, in order.",
        "map answers back to operations; split what is more than a request takes";
    ARCHIVE "archive",
        "An archived record is reported as removed by `read-records` and by `changes` or a sweep.",
        "report what the system says is gone in `removed`";
    REFUSED "refused-credentials",
        "Refused credentials are `unauthorized`.",
        "name the statuses in `refused_status`, and answer `unauthorized` for what remains";
    QUOTA "quota",
        "A used-up quota is `retry-after`, in reads and in writes, and passes.",
        "turn the API's quota answer into `retry-after` with the time that it names";
}

/// The rules that need a simulator.
pub(crate) const CONNECTOR: &[ContractRule] = &[
    ACCOUNT, SCHEMA, PAGES, RESUME, SWEEP, CURSOR, BY_ID, FIND, CREATE, UPSERT, UPDATE, CHANGES,
    PARTIAL, ORDER, ARCHIVE, REFUSED, LIMITS, QUOTA,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_rule_has_its_own_name_a_promise_and_advice() {
        let names: BTreeSet<&str> = RULES.iter().map(|rule| rule.name).collect();
        assert_eq!(names.len(), RULES.len());
        assert!(RULES.iter().all(|rule| rule.promise.ends_with('.') && !rule.advice.is_empty()));
    }

    #[test]
    fn authors_guide_lists_every_rule() {
        let guide = include_str!("../../../plugins/README.md");
        for rule in RULES {
            assert!(guide.contains(&format!("`{}`", rule.name)), "{} is missing", rule.name);
        }
    }

    #[test]
    fn readme_names_a_double_for_every_rule() {
        let readme = include_str!("../README.md");
        for rule in RULES {
            assert!(
                readme.contains(&format!("\n| `{}` | ", rule.name)),
                "{} is missing",
                rule.name
            );
        }
    }
}

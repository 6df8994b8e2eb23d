//! A member without the columns that its system no longer has (RULES.md V13).

use super::{FieldIndex, MappingGroup, MemberSpec, Spec};

/// Stands in a member's digest before the columns that are left out.
const STOPPED: &str = " without ";

/// Stands there where the stream is read under another mapping from now on.
const LEFT: &str = " without anything";

/// The digest of a cursor that is followed to its end although the mapping is another one: neither
/// that of the mapping that was left nor that of the new one.
pub(crate) fn left(digest: &str) -> String {
    if digest.ends_with(LEFT) { digest.to_owned() } else { format!("{digest}{LEFT}") }
}

impl Spec {
    /// The members of all entities with their entity, to be fitted to what the live systems say.
    pub fn members_mut(&mut self) -> impl Iterator<Item = (&str, &mut MemberSpec)> {
        self.entities.iter_mut().flat_map(|entity| {
            let name = entity.name.as_str();
            entity.members.iter_mut().map(move |member| (name, member))
        })
    }
}

impl MemberSpec {
    /// Leaves out what has to do with these columns, and reads everything anew under a digest that
    /// says so; on return the mapping's own digest does the same. Without a field that a new
    /// record or a match key needs, no record is made (RULES.md V13).
    pub fn stop_columns(&mut self, columns: &[String], match_fields: &[FieldIndex]) {
        let is_stopped =
            |group: &MappingGroup| group.columns.iter().any(|column| columns.contains(column));
        let stopped = self.groups.iter().filter(|group| is_stopped(group));
        let is_needed = |group: &MappingGroup| {
            group.required || group.fields.iter().any(|field| match_fields.contains(field))
        };
        let needed = stopped.filter(|group| self.create && is_needed(group));
        let needed = needed.flat_map(|group| &group.columns);
        self.stops_create = needed.filter(|column| columns.contains(column)).cloned().collect();
        self.create &= self.stops_create.is_empty();
        self.groups.retain(|group| !is_stopped(group));
        self.digest = format!("{}{STOPPED}{}", self.digest, columns.join(","));
    }

    /// Whether a cursor made under this digest is of the same mapping, whole or with fields that
    /// stood still.
    pub fn has_served(&self, digest: &str) -> bool {
        digest
            .strip_prefix(&self.digest)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(STOPPED))
    }
}

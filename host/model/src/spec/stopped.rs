//! A member without the columns that its system no longer has (RULES.md V13).

use super::{FieldIndex, MappingGroup, MemberSpec, Spec};

/// Separates a member's digest from the columns that are left out.
const STOPPED: &str = " without ";

/// Marks a digest whose stream is read under another mapping afterwards.
const ABANDONED: &str = " without anything";

/// The digest of a cursor that is followed to its end under a mapping that was replaced. It equals
/// neither the old mapping's digest nor the new one's.
pub fn mark_abandoned(digest: &str) -> String {
    if digest.ends_with(ABANDONED) { digest.to_owned() } else { format!("{digest}{ABANDONED}") }
}

impl Spec {
    /// The members of all entities with their entity's name, to be fitted to the live schemas.
    pub fn members_mut(&mut self) -> impl Iterator<Item = (&str, &mut MemberSpec)> {
        self.entities.iter_mut().flat_map(|entity| {
            let name = entity.name.as_str();
            entity.members.iter_mut().map(move |member| (name, member))
        })
    }
}

impl MemberSpec {
    /// Leaves out the groups that use these columns, and reads everything anew under another
    /// digest; the return of the mapping's own digest does the same. Without a field that a new
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

    /// True if the cursor's digest is that of this mapping, whole or with stopped fields.
    pub fn has_served(&self, digest: &str) -> bool {
        digest
            .strip_prefix(&self.digest)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(STOPPED))
    }
}

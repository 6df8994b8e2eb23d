//! Associations between records, with the types of each.
//!
//! Each association is kept from both ends. The plain type is always there; the first company of a
//! contact or deal becomes its primary one, and a new primary takes the place of the old.

use std::collections::{BTreeMap, BTreeSet};

use super::kinds::{KindPair, ObjectKind};

type AssociationEnd = (ObjectKind, u64);

/// All associations of an account.
#[derive(Debug, Default)]
pub(super) struct Associations {
    links: BTreeMap<(AssociationEnd, ObjectKind), BTreeMap<u64, BTreeSet<u32>>>,
    /// True if another company becomes primary where the primary one goes.
    pub inherit_primary: bool,
}

/// An association of an archived record: the pair seen from it, with the types of both directions.
#[derive(Clone, Debug)]
pub(super) struct KeptAssociation {
    pub pair: KindPair,
    pub partner: u64,
    there: BTreeSet<u32>,
    back: BTreeSet<u32>,
}

impl Associations {
    /// Ids of type `to` associated with a record, in order, with their association types.
    pub(super) fn list_partners(
        &self,
        from: AssociationEnd,
        to: ObjectKind,
    ) -> impl Iterator<Item = (u64, &BTreeSet<u32>)> {
        self.links.get(&(from, to)).into_iter().flatten().map(|(id, types)| (*id, types))
    }

    /// Associates two records; `primary` asks for the primary type as well.
    ///
    /// Returns whether anything changed.
    pub(super) fn link(&mut self, pair: KindPair, from: u64, to: u64, primary: bool) -> bool {
        let Some(back) = pair.reversed() else { return false };
        // The end that has one primary partner is the one from which the pair is listed first.
        let (owner, owned, owner_id, owned_id) =
            if Self::owns(pair) { (pair, back, from, to) } else { (back, pair, to, from) };
        let first = self.list_partners((owner.from, owner_id), owner.to).next().is_none();
        let primary = owner.primary.is_some_and(|type_id| {
            (primary || first) && !self.has((owner.from, owner_id), (owner.to, owned_id), type_id)
        });
        if primary {
            self.demote(owner, owned, owner_id);
        }
        let mut changed = self.add(owner, owner_id, owned_id, owner.plain);
        changed |= self.add(owned, owned_id, owner_id, owned.plain);
        if let (true, Some(there), Some(back)) = (primary, owner.primary, owned.primary) {
            changed |= self.add(owner, owner_id, owned_id, there);
            changed |= self.add(owned, owned_id, owner_id, back);
        }
        changed
    }

    /// Removes every type of association between two records; returns whether there was one.
    pub(super) fn unlink(&mut self, pair: KindPair, from: u64, to: u64) -> bool {
        let primary = pair.primary;
        let was_primary =
            primary.is_some_and(|primary| self.has((pair.from, from), (pair.to, to), primary));
        self.remove((pair.to, to), (pair.from, from));
        let removed = self.remove((pair.from, from), (pair.to, to));
        if self.inherit_primary && was_primary {
            let (owner, owner_id) = if Self::owns(pair) { (pair, from) } else { (pair.flip(), to) };
            let heir =
                self.list_partners((owner.from, owner_id), owner.to).next().map(|(id, _)| id);
            if let Some(heir) = heir {
                self.link(owner, owner_id, heir, true);
            }
        }
        removed
    }

    /// Takes the primary mark off an association and leaves the association.
    pub(super) fn demote_one(&mut self, pair: KindPair, from: u64, to: u64) -> bool {
        let back = pair.flip();
        let Some(type_id) = pair.primary else { return false };
        let had = self.has((pair.from, from), (pair.to, to), type_id);
        self.drop_type((pair.from, from), (pair.to, to), pair.primary);
        self.drop_type((back.from, to), (back.to, from), back.primary);
        had
    }

    /// Adds or takes away one label: its types there and back. The association itself must exist.
    pub(super) fn label(&mut self, pair: KindPair, ends: (u64, u64), types: (u32, u32), on: bool) {
        let (from, to) = ends;
        let back = pair.flip();
        if on {
            self.add(pair, from, to, types.0);
            self.add(back, to, from, types.1);
        } else {
            self.drop_type((pair.from, from), (pair.to, to), Some(types.0));
            self.drop_type((back.from, to), (back.to, from), Some(types.1));
        }
    }

    /// Puts back an association of a record that is restored.
    pub(super) fn bring_back(&mut self, id: u64, kept: &KeptAssociation) {
        let KeptAssociation { pair, partner, there, back } = kept;
        let has_primary = |of: &Self, pair: KindPair, id: u64| {
            pair.primary.is_some_and(|primary| {
                of.list_partners((pair.from, id), pair.to)
                    .any(|(_, types)| types.contains(&primary))
            })
        };
        let flipped = pair.flip();
        // Somebody may have named another primary company meanwhile.
        let taken = if Self::owns(*pair) {
            has_primary(self, *pair, id)
        } else {
            has_primary(self, flipped, *partner)
        };
        for type_id in there.iter().filter(|id| !taken || pair.primary != Some(**id)) {
            self.add(*pair, id, *partner, *type_id);
        }
        for type_id in back.iter().filter(|id| !taken || flipped.primary != Some(**id)) {
            self.add(flipped, *partner, id, *type_id);
        }
    }

    /// Moves all associations of `old` to `new`, and forgets those of `old`.
    pub(super) fn hand_over(&mut self, kind: ObjectKind, old: u64, new: u64) {
        for (pair, partner, primary) in self.all_of(kind, old) {
            self.unlink(pair, old, partner);
            let has_primary = self
                .list_partners((kind, new), pair.to)
                .any(|(_, types)| pair.primary.is_some_and(|primary| types.contains(&primary)));
            self.link(pair, new, partner, primary && !has_primary);
        }
    }

    /// Forgets all associations of a record; returns what they were.
    pub(super) fn forget(&mut self, kind: ObjectKind, id: u64) -> Vec<KeptAssociation> {
        let all = self.all_of(kind, id);
        let kept = all.iter().map(|(pair, partner, _)| {
            let back = pair.flip();
            KeptAssociation {
                pair: *pair,
                partner: *partner,
                there: self.types((kind, id), (pair.to, *partner)),
                back: self.types((back.from, *partner), (kind, id)),
            }
        });
        let kept = kept.collect();
        for (pair, partner, _) in all {
            self.unlink(pair, id, partner);
        }
        kept
    }

    /// The types of the association from one record to another.
    pub(super) fn types(&self, from: AssociationEnd, to: AssociationEnd) -> BTreeSet<u32> {
        let mut partners = self.list_partners(from, to.0);
        partners.find(|(id, _)| *id == to.1).map(|(_, types)| types.clone()).unwrap_or_default()
    }

    fn all_of(&self, kind: ObjectKind, id: u64) -> Vec<(KindPair, u64, bool)> {
        let partners = ObjectKind::ALL.iter().filter_map(|(to, ..)| KindPair::between(kind, *to));
        partners
            .flat_map(|pair| {
                self.list_partners((kind, id), pair.to).map(move |(partner, types)| {
                    let primary = pair.primary.is_some_and(|primary| types.contains(&primary));
                    (pair, partner, primary)
                })
            })
            .collect()
    }

    fn has(&self, from: AssociationEnd, to: AssociationEnd, type_id: u32) -> bool {
        self.list_partners(from, to.0).any(|(id, types)| id == to.1 && types.contains(&type_id))
    }

    fn owns(pair: KindPair) -> bool {
        KindPair::referred_from(pair.from).any(|to| to == pair.to)
    }

    fn demote(&mut self, owner: KindPair, owned: KindPair, owner_id: u64) {
        let partners: Vec<u64> =
            self.list_partners((owner.from, owner_id), owner.to).map(|(id, _)| id).collect();
        for partner in partners {
            self.drop_type((owner.from, owner_id), (owner.to, partner), owner.primary);
            self.drop_type((owned.from, partner), (owned.to, owner_id), owned.primary);
        }
    }

    fn drop_type(&mut self, from: AssociationEnd, to: AssociationEnd, type_id: Option<u32>) {
        let types = self.links.get_mut(&(from, to.0)).and_then(|partners| partners.get_mut(&to.1));
        if let (Some(types), Some(type_id)) = (types, type_id) {
            types.remove(&type_id);
        }
    }

    fn add(&mut self, pair: KindPair, from: u64, to: u64, type_id: u32) -> bool {
        let partners = self.links.entry(((pair.from, from), pair.to)).or_default();
        partners.entry(to).or_default().insert(type_id)
    }

    fn remove(&mut self, from: AssociationEnd, to: AssociationEnd) -> bool {
        let Some(partners) = self.links.get_mut(&(from, to.0)) else { return false };
        let removed = partners.remove(&to.1).is_some();
        if partners.is_empty() {
            self.links.remove(&(from, to.0));
        }
        removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(associations: &Associations, contact: u64, company: u64) -> Vec<u32> {
        let mut all =
            associations.list_partners((ObjectKind::Contact, contact), ObjectKind::Company);
        all.find(|(id, _)| *id == company)
            .map(|(_, types)| types.iter().copied().collect())
            .unwrap_or_default()
    }

    #[test]
    fn the_first_company_is_primary_until_another_is_made_so() {
        let pair = KindPair::between(ObjectKind::Contact, ObjectKind::Company).unwrap();
        let mut associations = Associations::default();
        associations.link(pair, 1, 10, false);
        associations.link(pair, 1, 11, false);
        assert_eq!(types(&associations, 1, 10), [1, 279]);
        assert_eq!(types(&associations, 1, 11), [279]);
        associations.link(pair, 1, 11, true);
        assert_eq!(types(&associations, 1, 10), [279]);
        assert_eq!(types(&associations, 1, 11), [1, 279]);
        let back: Vec<_> =
            associations.list_partners((ObjectKind::Company, 11), ObjectKind::Contact).collect();
        assert_eq!(back, [(1, &BTreeSet::from([2, 280]))]);
    }

    #[test]
    fn a_survivor_takes_over_what_the_merged_had() {
        let pair = KindPair::between(ObjectKind::Company, ObjectKind::Contact).unwrap();
        let mut associations = Associations::default();
        associations.link(pair, 10, 1, false);
        associations.hand_over(ObjectKind::Company, 10, 12);
        assert_eq!(types(&associations, 1, 10), [0; 0]);
        assert_eq!(types(&associations, 1, 12), [1, 279]);
        assert!(associations.unlink(pair, 12, 1));
        assert!(!associations.unlink(pair, 12, 1));
    }
}

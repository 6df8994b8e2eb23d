//! Object types and the association types between them (H-call-4, H-link-1).
//!
//! A type is written as plural name, singular name or type id; all three reach the same table.

use strum::EnumCount;

/// An object type of HubSpot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumCount)]
pub(super) enum ObjectKind {
    Contact,
    Company,
    Deal,
    Ticket,
    Product,
    LineItem,
    Quote,
    Note,
    Task,
    Call,
    Email,
    Meeting,
    Communication,
    PostalMail,
    GoalTarget,
    Lead,
    /// The custom object, where the account has it.
    Project,
}

impl ObjectKind {
    /// Every type with its singular name, plural name and type id.
    pub(super) const ALL: [(Self, &'static str, &'static str, &'static str); Self::COUNT] = [
        (Self::Contact, "contact", "contacts", "0-1"),
        (Self::Company, "company", "companies", "0-2"),
        (Self::Deal, "deal", "deals", "0-3"),
        (Self::Ticket, "ticket", "tickets", "0-5"),
        (Self::Product, "product", "products", "0-7"),
        (Self::LineItem, "line_item", "line_items", "0-8"),
        (Self::Quote, "quote", "quotes", "0-14"),
        (Self::Note, "note", "notes", "0-46"),
        (Self::Task, "task", "tasks", "0-27"),
        (Self::Call, "call", "calls", "0-48"),
        (Self::Email, "email", "emails", "0-49"),
        (Self::Meeting, "meeting", "meetings", "0-47"),
        (Self::Communication, "communication", "communications", "0-18"),
        (Self::PostalMail, "postal_mail", "postal_mail", "0-116"),
        (Self::GoalTarget, "goal_target", "goal_targets", "0-74"),
        (Self::Lead, "lead", "leads", "0-136"),
        (Self::Project, "p_project", "p62515_project", "2-1001"),
    ];

    /// The type that a path or a body names.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let named = |(_, singular, plural, id): &&(Self, &str, &str, &str)| {
            *singular == text || *plural == text || *id == text
        };
        Self::ALL.iter().find(named).map(|(kind, ..)| *kind)
    }

    fn names(self) -> (&'static str, &'static str, &'static str) {
        let found = Self::ALL.iter().find(|(kind, ..)| *kind == self);
        found.map_or(("", "", ""), |&(_, singular, plural, id)| (singular, plural, id))
    }

    pub(super) fn singular(self) -> &'static str {
        self.names().0
    }

    pub(super) fn plural(self) -> &'static str {
        self.names().1
    }

    pub(super) fn type_id(self) -> &'static str {
        self.names().2
    }

    pub(super) fn is_activity(self) -> bool {
        matches!(
            self,
            Self::Note
                | Self::Task
                | Self::Call
                | Self::Email
                | Self::Meeting
                | Self::Communication
                | Self::PostalMail
        )
    }

    /// The property that a change restamps: contacts differ from every other type.
    pub(super) fn modified_property(self) -> &'static str {
        if self == Self::Contact { "lastmodifieddate" } else { "hs_lastmodifieddate" }
    }

    /// The property that holds the creation time.
    pub(super) fn created_property(self) -> &'static str {
        match self {
            Self::Contact | Self::Company | Self::Deal | Self::Ticket => "createdate",
            _ => "hs_createdate",
        }
    }
}

/// Two types that may be associated, seen from `from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KindPair {
    pub from: ObjectKind,
    pub to: ObjectKind,
    /// The unlabelled type.
    pub plain: u32,
    /// The type of the primary one, where there is such a thing.
    pub primary: Option<u32>,
}

type PairRow = (ObjectKind, ObjectKind, u32, u32, Option<(u32, u32)>);

/// Types there, back, primary there, primary back. Those from a person or company back to an
/// activity or quote, and those of leads, are from memory; those of the custom object are its own.
const PAIRS: [PairRow; 43] = [
    (ObjectKind::Contact, ObjectKind::Company, 279, 280, Some((1, 2))),
    (ObjectKind::Deal, ObjectKind::Contact, 3, 4, None),
    (ObjectKind::Deal, ObjectKind::Company, 341, 342, Some((5, 6))),
    (ObjectKind::Deal, ObjectKind::LineItem, 19, 20, None),
    (ObjectKind::Quote, ObjectKind::Deal, 64, 63, None),
    (ObjectKind::Note, ObjectKind::Contact, 202, 201, None),
    (ObjectKind::Note, ObjectKind::Company, 190, 189, None),
    (ObjectKind::Note, ObjectKind::Deal, 214, 213, None),
    (ObjectKind::Task, ObjectKind::Contact, 204, 203, None),
    (ObjectKind::Task, ObjectKind::Company, 192, 191, None),
    (ObjectKind::Task, ObjectKind::Deal, 216, 215, None),
    (ObjectKind::Call, ObjectKind::Contact, 194, 193, None),
    (ObjectKind::Email, ObjectKind::Contact, 198, 197, None),
    (ObjectKind::Meeting, ObjectKind::Contact, 200, 199, None),
    (ObjectKind::Ticket, ObjectKind::Contact, 16, 15, None),
    (ObjectKind::Ticket, ObjectKind::Company, 339, 340, Some((26, 25))),
    (ObjectKind::Ticket, ObjectKind::Deal, 28, 27, None),
    (ObjectKind::Lead, ObjectKind::Contact, 578, 579, None),
    (ObjectKind::Contact, ObjectKind::Contact, 449, 449, None),
    (ObjectKind::Company, ObjectKind::Company, 450, 450, None),
    (ObjectKind::Deal, ObjectKind::Deal, 451, 451, None),
    (ObjectKind::Note, ObjectKind::Ticket, 228, 227, None),
    (ObjectKind::Task, ObjectKind::Ticket, 230, 229, None),
    (ObjectKind::Call, ObjectKind::Company, 182, 181, None),
    (ObjectKind::Call, ObjectKind::Deal, 206, 205, None),
    (ObjectKind::Call, ObjectKind::Ticket, 220, 219, None),
    (ObjectKind::Email, ObjectKind::Company, 186, 185, None),
    (ObjectKind::Email, ObjectKind::Deal, 210, 209, None),
    (ObjectKind::Email, ObjectKind::Ticket, 224, 223, None),
    (ObjectKind::Meeting, ObjectKind::Company, 188, 187, None),
    (ObjectKind::Meeting, ObjectKind::Deal, 212, 211, None),
    (ObjectKind::Meeting, ObjectKind::Ticket, 226, 225, None),
    (ObjectKind::Communication, ObjectKind::Contact, 81, 82, None),
    (ObjectKind::Communication, ObjectKind::Company, 87, 88, None),
    (ObjectKind::Communication, ObjectKind::Deal, 85, 86, None),
    (ObjectKind::PostalMail, ObjectKind::Contact, 453, 454, None),
    (ObjectKind::PostalMail, ObjectKind::Company, 459, 460, None),
    (ObjectKind::PostalMail, ObjectKind::Deal, 457, 458, None),
    (ObjectKind::Quote, ObjectKind::Contact, 69, 70, None),
    (ObjectKind::Quote, ObjectKind::Company, 71, 72, None),
    (ObjectKind::Quote, ObjectKind::LineItem, 67, 68, None),
    (ObjectKind::Project, ObjectKind::Company, 1_001, 1_002, None),
    (ObjectKind::Project, ObjectKind::Contact, 1_003, 1_004, None),
];

impl KindPair {
    /// The pair in either direction, or `None` when the types cannot be associated.
    pub(super) fn between(from: ObjectKind, to: ObjectKind) -> Option<Self> {
        PAIRS.iter().find_map(|&(one, other, there, back, primary)| {
            if (one, other) == (from, to) {
                Some(Self { from, to, plain: there, primary: primary.map(|(there, _)| there) })
            } else if (other, one) == (from, to) {
                Some(Self { from, to, plain: back, primary: primary.map(|(_, back)| back) })
            } else {
                None
            }
        })
    }

    /// Types to which `from` refers, as opposed to being referred to.
    pub(super) fn referred_from(from: ObjectKind) -> impl Iterator<Item = ObjectKind> {
        PAIRS.iter().filter(move |(one, ..)| *one == from).map(|(_, other, ..)| *other)
    }

    /// The same pair seen from the other end.
    pub(super) fn reversed(self) -> Option<Self> {
        Self::between(self.to, self.from)
    }

    /// The same pair seen from the other end; every pair has one.
    pub(super) fn flip(self) -> Self {
        self.reversed().unwrap_or(self)
    }

    pub(super) fn has_type(self, type_id: u32) -> bool {
        self.plain == type_id || self.primary == Some(type_id)
    }

    /// The name of a type in `associations` of an object answer.
    pub(super) fn type_name(self, type_id: u32) -> String {
        let base = format!("{}_to_{}", self.from.singular(), self.to.singular());
        if self.primary.is_some() && type_id == self.plain { base + "_unlabeled" } else { base }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_found_by_each_of_its_names() {
        for name in ["contacts", "contact", "0-1", "CONTACT"] {
            assert_eq!(ObjectKind::parse(name), Some(ObjectKind::Contact), "{name}");
        }
        assert_eq!(ObjectKind::parse("butterflies"), None);
    }

    #[test]
    fn a_pair_is_the_same_from_both_ends() {
        let pair = KindPair::between(ObjectKind::Company, ObjectKind::Contact).unwrap();
        assert_eq!((pair.plain, pair.primary), (280, Some(2)));
        assert_eq!(pair.reversed().unwrap().plain, 279);
        let same = KindPair::between(ObjectKind::Contact, ObjectKind::Contact).unwrap();
        assert_eq!((same.plain, same.reversed()), (449, Some(same)));
        assert_eq!(KindPair::between(ObjectKind::Contact, ObjectKind::Product), None);
    }
}

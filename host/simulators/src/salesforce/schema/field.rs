//! One field of an object, and the fields that several objects share.

/// The wire types in use (S-describe-2), with the facts that belong to one type only.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum OrgFieldKind {
    Id,
    /// Text of at most so many characters.
    Text(usize),
    /// Long text: stored, but neither filtered nor sorted.
    LongText(usize),
    Street,
    Email,
    Phone(usize),
    Url,
    Picklist(&'static [&'static str]),
    /// Only values of the list (or null) are taken.
    Restricted(&'static [&'static str]),
    /// Several values of the list in one text, `A;B`.
    Multi(&'static [&'static str]),
    /// Objects it may point to and the relationship's name.
    Reference(&'static [&'static str], &'static str),
    Bool,
    Int,
    Currency,
    Percent,
    Date,
    Time,
    /// Composed of the five slots before it: street, city, state, postal code, country.
    Address,
}

impl OrgFieldKind {
    /// The longest text the field takes, in characters; 0 where it is no text.
    pub(crate) fn length(self) -> usize {
        match self {
            Self::Id | Self::Reference(..) => 18,
            Self::Text(len) | Self::LongText(len) | Self::Phone(len) => len,
            Self::Street | Self::Url | Self::Picklist(_) | Self::Restricted(_) => 255,
            Self::Multi(_) => 4_099,
            Self::Email => 80,
            _ => 0,
        }
    }

    /// True if SOQL may use it in WHERE and ORDER BY.
    pub(crate) fn filterable(self) -> bool {
        !matches!(self, Self::LongText(_) | Self::Address)
    }
}

/// One field of one object. Built by the functions below, as a table reads.
#[derive(Debug, Clone)]
pub(crate) struct OrgField {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) kind: OrgFieldKind,
    /// Must be given on create and may never be null.
    pub(crate) required: bool,
    pub(crate) nillable: bool,
    pub(crate) createable: bool,
    pub(crate) updateable: bool,
    /// Key of `PATCH /sobjects/X/{field}/{value}` (`idLookup`).
    pub(crate) lookup: bool,
    pub(crate) external_id: bool,
    pub(crate) unique: bool,
    pub(crate) name_field: bool,
    /// Parts of the name and of addresses point at their whole.
    pub(crate) compound: Option<&'static str>,
    /// Value taken on create where none is given.
    pub(crate) default: Option<&'static str>,
    /// Kept in rows but shown by no describe and reachable by no query.
    pub(crate) hidden: bool,
}

/// A nillable field that clients may write.
pub(crate) const fn field(name: &'static str, label: &'static str, kind: OrgFieldKind) -> OrgField {
    OrgField {
        name,
        label,
        kind,
        required: false,
        nillable: true,
        createable: true,
        updateable: true,
        lookup: false,
        external_id: false,
        unique: false,
        name_field: false,
        compound: None,
        default: None,
        hidden: false,
    }
}

/// A field that only the platform writes.
pub(crate) const fn system(
    name: &'static str,
    label: &'static str,
    kind: OrgFieldKind,
) -> OrgField {
    OrgField { createable: false, updateable: false, ..field(name, label, kind) }
}

impl OrgField {
    pub(crate) const fn required(self) -> Self {
        Self { required: true, nillable: false, ..self }
    }

    /// Never null, but filled in by the platform where the client gives nothing.
    pub(crate) const fn defaulted(self, value: &'static str) -> Self {
        Self { nillable: false, default: Some(value), ..self }
    }

    pub(crate) const fn lookup(self) -> Self {
        Self { lookup: true, ..self }
    }

    pub(crate) const fn create_only(self) -> Self {
        Self { updateable: false, ..self }
    }

    pub(crate) const fn part_of(self, whole: &'static str) -> Self {
        Self { compound: Some(whole), ..self }
    }

    pub(super) const fn names(self) -> Self {
        Self { name_field: true, ..self }
    }

    pub(super) const fn hide(self) -> Self {
        Self { hidden: true, ..self }
    }

    pub(crate) fn custom(&self) -> bool {
        self.name.ends_with("__c")
    }

    /// True if rows are indexed by this field's text.
    pub(crate) fn indexed(&self) -> bool {
        self.lookup
            || self.unique
            || matches!(self.kind, OrgFieldKind::Reference(to, _) if to != ["User"])
    }

    /// Objects pointed to and relationship name, where this is a reference.
    pub(crate) fn reference(&self) -> Option<(&'static [&'static str], &'static str)> {
        match self.kind {
            OrgFieldKind::Reference(to, relationship) => Some((to, relationship)),
            _ => None,
        }
    }
}

/// The external id that the mapping stamps on records it creates: unique, 80 characters.
pub(super) const RENKEI_ID: OrgField = OrgField {
    external_id: true,
    unique: true,
    ..field("Renkei_Id__c", "Renkei Id", OrgFieldKind::Text(80)).lookup()
};

pub(super) const OWNER: OrgField =
    field("OwnerId", "Owner ID", OrgFieldKind::Reference(&["User"], "Owner")).defaulted("");
pub(super) const DESCRIPTION: OrgField =
    field("Description", "Description", OrgFieldKind::LongText(32_000));

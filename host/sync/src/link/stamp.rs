//! The intent of a create, which its record carries as a stamp, and the facts in it.
//!
//! A database that was put back from a backup has forgotten records that it made, and counts again.
//! So the intent holds an epoch that no two openings share (RULES.md P1), and names the record that
//! the new one was made from (RULES.md P2). It is lower case and at most 80 characters long:
//!
//! ```text
//! installation epoch - link - version - member [- origin's place - origin's id]
//! ```
//! A place is named by the account of its system, so that a stamp means nothing in another account.

use std::collections::BTreeMap;

use renkei_model::review::digest;
use renkei_model::spec::{EntitySpec, MemberSpec};
use renkei_model::state::{LinkId, OutboxEntry, RecordKey, RecordStatus};
use renkei_model::store::port::{Store, StoreError};

/// Characters that every system has room for.
const LENGTH_MAX: usize = 80;
/// Hexadecimal digits that tell an installation.
const INSTALLATION: usize = 6;
/// Hexadecimal digits of an epoch.
const EPOCH: usize = 12;
/// Hexadecimal digits that tell a member.
const PLACE: usize = 4;

/// The facts in an intent of a create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CreateStamp {
    installation: String,
    epoch: String,
    link: LinkId,
    version: u64,
    /// Place and id of the record that it was made from.
    origin: Option<(String, String)>,
}

impl CreateStamp {
    /// Reads a stamp of this or another installation.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let head = parts.next().filter(|head| head.len() == INSTALLATION + EPOCH)?;
        let (installation, epoch) = head.split_at_checked(INSTALLATION)?;
        let link = LinkId(u64::from_str_radix(parts.next()?, 16).ok()?);
        let version = u64::from_str_radix(parts.next()?, 16).ok()?;
        parts.next().filter(|member| member.len() == PLACE)?;
        let origin = parts.next().zip(parts.next());
        Some(Self {
            installation: installation.to_owned(),
            epoch: epoch.to_owned(),
            link,
            version,
            origin: origin.and_then(|(place, id)| Some((place.to_owned(), decode(id)?))),
        })
    }
}

/// The store's memory of the creates of these stamps, in order.
///
/// # Errors
/// The store failed.
pub(crate) async fn recall(
    store: &dyn Store,
    stamps: &[CreateStamp],
) -> Result<Vec<StampMemory>, StoreError> {
    let own = installation(store.identity());
    let links: Vec<LinkId> = stamps.iter().map(|stamp| stamp.link).collect();
    let epochs = store.epochs().await?;
    let versions: BTreeMap<LinkId, u64> = store
        .links(&links)
        .await?
        .into_iter()
        .map(|view| (view.link.id, view.link.version))
        .collect();
    let memory = |stamp: &CreateStamp| {
        if stamp.installation != own {
            return StampMemory::Foreign;
        }
        let counted = versions.get(&stamp.link).is_some_and(|version| *version >= stamp.version);
        if counted && epochs.contains(&stamp.epoch) {
            StampMemory::Known
        } else {
            StampMemory::Forgotten
        }
    };
    Ok(stamps.iter().map(memory).collect())
}

/// The memory that a store has of the create of a stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StampMemory {
    /// This store planned the create and remembers it.
    Known,
    /// This installation made the create and has forgotten it since.
    Forgotten,
    /// Another installation made the create.
    Foreign,
}

/// The places of an entity's members, by the accounts that their systems are.
pub(crate) struct MemberPlaces<'a> {
    members: Vec<(String, &'a MemberSpec)>,
}

impl<'a> MemberPlaces<'a> {
    /// Looks up the account of each member's system.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn fetch(
        store: &dyn Store,
        entity: &'a EntitySpec,
    ) -> Result<Self, StoreError> {
        let mut members = Vec::with_capacity(entity.members.len());
        for member in &entity.members {
            let account = store.account(&member.system).await?;
            let account = account.unwrap_or_else(|| member.system.clone());
            let place = short(&["place", &account, &member.object], PLACE);
            members.push((place, member));
        }
        Ok(Self { members })
    }

    fn place(&self, system: &str, object: &str) -> &str {
        let mut members = self.members.iter();
        let found = members.find(|(_, one)| one.system == system && one.object == object);
        found.map(|(place, _)| place.as_str()).unwrap_or_default()
    }

    /// The record that a stamp names; `None` if its place is none of these.
    pub(crate) fn origin(&self, stamp: &CreateStamp) -> Option<RecordKey> {
        let (place, id) = stamp.origin.as_ref()?;
        let mut found = self.members.iter().filter(|(known, _)| known == place);
        match (found.next(), found.next()) {
            (Some((_, member)), None) => Some(RecordKey {
                system: member.system.clone(),
                object: member.object.clone(),
                id: id.clone(),
            }),
            _ => None,
        }
    }

    /// The intent of a create. It names the origin if all fits into 80 characters.
    pub(crate) fn intent(
        &self,
        store: &dyn Store,
        entry: &OutboxEntry,
        version: u64,
        origin: Option<&RecordKey>,
    ) -> String {
        let (installation, epoch) = (installation(store.identity()), store.epoch());
        let member = self.place(&entry.system, &entry.object);
        let plain = format!("{installation}{epoch}-{:x}-{version:x}-{member}", entry.link.0);
        let origin = origin.and_then(|key| {
            Some(format!("{plain}-{}-{}", self.place(&key.system, &key.object), encode(&key.id)?))
        });
        origin.filter(|full| full.len() <= LENGTH_MAX).unwrap_or(plain)
    }
}

/// The record that a new one is made from: the first of the link that is there.
pub(crate) fn origin_of<'a>(
    records: impl IntoIterator<Item = &'a renkei_model::state::RecordState>,
) -> Option<&'a RecordKey> {
    let live = records.into_iter().filter(|record| record.status == RecordStatus::Live);
    live.map(|record| &record.key).min()
}

fn installation(identity: &str) -> String {
    short(&["installation", identity], INSTALLATION)
}

fn short(parts: &[&str], digits: usize) -> String {
    let mut text = digest(parts);
    text.truncate(digits);
    text
}

/// An id in lower case, as systems that compare without case keep it. `None` where it holds more
/// than letters and digits.
fn encode(id: &str) -> Option<String> {
    let mut text = String::with_capacity(id.len());
    for character in id.chars() {
        if character.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(Some(character).filter(char::is_ascii_alphanumeric)?.to_ascii_lowercase());
    }
    (!text.is_empty()).then_some(text)
}

fn decode(text: &str) -> Option<String> {
    let mut id = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '_' => id.push(characters.next()?.to_ascii_uppercase()),
            other => id.push(other),
        }
    }
    (!id.is_empty()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_comes_back_from_a_stamp_when_it_is_letters_and_digits() {
        let check = |id: &str, expected: Option<&str>| {
            let text = encode(id);
            assert_eq!(text.as_deref(), expected, "{id}");
            if let Some(text) = text {
                assert_eq!(decode(&text).as_deref(), Some(id));
            }
        };
        check("12345", Some("12345"));
        check("003Ab0000012xYzAAO", Some("003_ab0000012x_yz_a_a_o"));
        check("a-b", None);
        check("", None);
    }

    /// RULES.md P2.
    #[test]
    fn a_stamp_says_which_create_made_it_and_from_what() {
        let text = "0a1b2cffffffffffff-1f-3-9abc-12de-003_ab";
        let stamp = CreateStamp::parse(text).unwrap();
        assert_eq!((stamp.link, stamp.version), (LinkId(31), 3));
        assert_eq!((stamp.installation.as_str(), stamp.epoch.as_str()), ("0a1b2c", "ffffffffffff"));
        assert_eq!(stamp.origin, Some(("12de".to_owned(), "003Ab".to_owned())));
        let plain = CreateStamp::parse("0a1b2cffffffffffff-1f-3-9abc").unwrap();
        assert_eq!(plain.origin, None);
        for other in ["", "a person's own text", "0a1b2c-1-2-3", &"0".repeat(32)] {
            assert_eq!(CreateStamp::parse(other), None, "{other}");
        }
    }
}

//! Companies, people and deals of the sample data, each with its copy per system.

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// In which systems something exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemPresence {
    Both,
    HubSpot,
    Salesforce,
}

impl SystemPresence {
    /// True if it exists in HubSpot.
    pub fn on_hubspot(self) -> bool {
        self != Self::Salesforce
    }

    /// True if it exists in Salesforce.
    pub fn on_salesforce(self) -> bool {
        self != Self::HubSpot
    }

    /// True if this exists wherever `other` does.
    pub fn covers(self, other: Self) -> bool {
        self == Self::Both || self == other
    }
}

/// A company; a side on which it does not exist is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Company {
    pub presence: SystemPresence,
    pub hubspot: Option<CompanyFields>,
    pub salesforce: Option<CompanyFields>,
}

/// A company as one system knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompanyFields {
    /// With its company form, such as `株式会社さくら製作所` or `さくら製作所㈱`.
    pub name: String,
    /// Bare, such as `sakura-17.example.jp`.
    pub domain: String,
    /// With scheme and `www`, as Salesforce users write it.
    pub website: String,
    pub phone: String,
    pub prefecture: String,
    pub city: String,
    pub postal_code: String,
    pub employees: u32,
    /// Time between the last change and the start of the simulator.
    pub age_ms: i64,
}

/// A person; Salesforce may hold it twice (see [`MatchTwist::Ambiguous`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub presence: SystemPresence,
    /// Its kind in Salesforce, drawn even where it does not exist there.
    pub kind: PersonKind,
    pub twist: MatchTwist,
    pub hubspot: Option<PersonFields>,
    /// Empty, one, or two records of the same person.
    pub salesforce: Vec<PersonFields>,
}

/// Kind of a person in Salesforce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PersonKind {
    Lead,
    Contact,
}

/// Difficulty in matching a person that exists on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchTwist {
    Plain,
    /// Two Salesforce records have the same mail address.
    Ambiguous,
    /// One side has no mail; the phone is the same but written differently.
    PhoneOnly,
    /// One or two fields differ in value.
    Differs,
}

/// A person as one system knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonFields {
    pub family: String,
    pub given: String,
    /// As a web form captured it: `山田　太郎`, `山田 太郎` or `Taro Yamada`.
    pub full_name: String,
    /// Captured by a form: HubSpot then has no first and last name, only the full one.
    pub from_form: bool,
    pub mail: Option<String>,
    /// A landline, such as `03-3123-4567`; [`MatchTwist::PhoneOnly`] has other ways to write it.
    pub phone: String,
    pub mobile: String,
    pub title: String,
    /// Index into [`World::companies`].
    pub company: Option<usize>,
    pub prefecture: String,
    pub city: String,
    pub postal_code: String,
    /// Does not want marketing mail.
    pub opted_out: bool,
    /// Time between the last change and the start of the simulator.
    pub age_ms: i64,
}

/// A deal; the same on each side where it exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deal {
    pub presence: SystemPresence,
    pub name: String,
    /// In yen.
    pub amount: u64,
    pub stage: DealStage,
    /// As `YYYY-MM-DD`.
    pub close_date: String,
    /// Index into [`World::companies`].
    pub company: Option<usize>,
    /// Index into [`World::people`]; a Salesforce contact where the deal exists there.
    pub person: Option<usize>,
    pub age_ms: i64,
}

/// Progress of a deal; each vendor has its own names for these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DealStage {
    #[default]
    Appointment,
    Qualified,
    Presentation,
    DecisionMaker,
    Contract,
    Won,
    Lost,
}

/// Presences in random order: half on both sides, the rest split evenly.
pub(super) fn presences(rng: &mut ChaCha8Rng, count: usize) -> Vec<SystemPresence> {
    let both = count.div_ceil(2);
    let hubspot = (count - both).div_ceil(2);
    let mut all = vec![SystemPresence::Salesforce; count];
    for (place, presence) in all.iter_mut().enumerate() {
        if place < both {
            *presence = SystemPresence::Both;
        } else if place < both + hubspot {
            *presence = SystemPresence::HubSpot;
        }
    }
    all.shuffle(rng);
    all
}

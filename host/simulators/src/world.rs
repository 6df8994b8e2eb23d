//! The seeded Japanese sample data from which every simulator starts.
//!
//! The same seed and size give the same world, so two simulators started apart agree on it. Half
//! of the people exist in both systems, a quarter in each one only; companies and deals likewise.
//! A record refers only to records that exist on every side where it exists itself, so each side
//! is consistent. All mail and web addresses lie under the reserved example domains. What makes
//! matching hard is named per person in [`Twist`].

mod companies;
mod names;
mod people;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Companies, people and deals, each with its copy per system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct World {
    pub companies: Vec<Company>,
    pub people: Vec<Person>,
    pub deals: Vec<Deal>,
}

/// In which systems something exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    Both,
    HubSpot,
    Salesforce,
}

impl Presence {
    /// Whether it exists in HubSpot.
    pub fn on_hubspot(self) -> bool {
        self != Self::Salesforce
    }

    /// Whether it exists in Salesforce.
    pub fn on_salesforce(self) -> bool {
        self != Self::HubSpot
    }

    /// Whether this exists wherever `other` does.
    pub fn covers(self, other: Self) -> bool {
        self == Self::Both || self == other
    }
}

/// A company; a side on which it does not exist is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Company {
    pub presence: Presence,
    pub hubspot: Option<CompanyFields>,
    pub salesforce: Option<CompanyFields>,
}

/// What one system knows of a company.
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
    /// How long before the start of the simulator it was last touched.
    pub age_ms: i64,
}

/// A person; Salesforce may hold it twice (see [`Twist::Ambiguous`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub presence: Presence,
    /// What it is in Salesforce, drawn even where it does not exist there.
    pub kind: PersonKind,
    pub twist: Twist,
    pub hubspot: Option<PersonFields>,
    /// Empty, one, or two records of the same person.
    pub salesforce: Vec<PersonFields>,
}

/// What a person is in Salesforce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PersonKind {
    Lead,
    Contact,
}

/// What is hard about matching a person that exists on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twist {
    Plain,
    /// Two Salesforce records have the same mail address.
    Ambiguous,
    /// One side has no mail; the phone is the same but written differently.
    PhoneOnly,
    /// One or two fields differ in value.
    Differs,
}

/// What one system knows of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonFields {
    pub family: String,
    pub given: String,
    /// As a web form captured it: `山田　太郎`, `山田 太郎` or `Taro Yamada`.
    pub full_name: String,
    /// Captured by a form: HubSpot then has no first and last name, only the full one.
    pub from_form: bool,
    pub mail: Option<String>,
    /// A landline, such as `03-3123-4567`; see [`Twist::PhoneOnly`] for other ways to write it.
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
    /// How long before the start of the simulator it was last touched.
    pub age_ms: i64,
}

/// A deal; the same on each side where it exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deal {
    pub presence: Presence,
    pub name: String,
    /// In yen.
    pub amount: u64,
    pub stage: Stage,
    /// As `YYYY-MM-DD`.
    pub close_date: String,
    /// Index into [`World::companies`].
    pub company: Option<usize>,
    /// Index into [`World::people`]; a Salesforce contact where the deal exists there.
    pub person: Option<usize>,
    pub age_ms: i64,
}

/// How far a deal has come; each vendor has its own names for these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    #[default]
    Appointment,
    Qualified,
    Presentation,
    DecisionMaker,
    Contract,
    Won,
    Lost,
}

impl World {
    /// Makes the world of `people` people, `people / 5` companies and `people / 10` deals.
    pub fn generate(seed: u64, people: u32) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let count = people as usize;
        let companies = companies::generate(&mut rng, count / 5);
        let people = people::generate(&mut rng, count, &companies);
        let deals = companies::deals(&mut rng, count / 10, &companies, &people);
        Self { companies, people, deals }
    }
}

/// Presences in random order: half on both sides, the rest split evenly.
fn presences(rng: &mut ChaCha8Rng, count: usize) -> Vec<Presence> {
    let both = count.div_ceil(2);
    let hubspot = (count - both).div_ceil(2);
    let mut all = vec![Presence::Salesforce; count];
    for (place, presence) in all.iter_mut().enumerate() {
        if place < both {
            *presence = Presence::Both;
        } else if place < both + hubspot {
            *presence = Presence::HubSpot;
        }
    }
    all.shuffle(rng);
    all
}

#[cfg(test)]
mod tests;

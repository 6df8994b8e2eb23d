//! The seeded Japanese sample data from which every simulator starts.
//!
//! The same seed and size give the same world, so two simulators started apart agree on it. Half
//! of the people exist in both systems, a quarter in each one only; companies and deals likewise.
//! A record refers only to records that exist on every side where it exists itself, so each side
//! is consistent. All mail and web addresses lie under the reserved example domains. What makes
//! matching hard is named per person in [`MatchTwist`].

mod companies;
mod names;
mod people;
mod records;

pub use records::{
    Company, CompanyFields, Deal, DealStage, MatchTwist, Person, PersonFields, PersonKind,
    SystemPresence,
};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Companies, people and deals, each with its copy per system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleWorld {
    pub companies: Vec<Company>,
    pub people: Vec<Person>,
    pub deals: Vec<Deal>,
}

impl SampleWorld {
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

#[cfg(test)]
mod tests;

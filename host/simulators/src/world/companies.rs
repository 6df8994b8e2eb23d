//! Companies and deals of the sample data.
//!
//! Names and domains do not repeat, however many companies are asked for. One company in ten
//! writes its company form differently in each system.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::names::{COMPANY_WORDS, PRODUCTS, TRADES, age_ms, pick, place};
use super::records::{
    Company, CompanyFields, Deal, DealStage, Person, PersonKind, SystemPresence, presences,
};

/// Makes `count` companies with names and domains of their own.
pub(super) fn generate(rng: &mut ChaCha8Rng, count: usize) -> Vec<Company> {
    let presences = presences(rng, count);
    presences.into_iter().enumerate().map(|(number, p)| company(rng, number, p)).collect()
}

fn company(rng: &mut ChaCha8Rng, number: usize, presence: SystemPresence) -> Company {
    let (word, roman) = cycled(COMPANY_WORDS, number);
    let trade = cycled(TRADES, number / COMPANY_WORDS.len());
    let lap = number / (COMPANY_WORDS.len() * TRADES.len());
    let bare = if lap == 0 { format!("{word}{trade}") } else { format!("{word}{trade}{lap}") };
    let domain = format!("{roman}-{number}.example.jp");
    let (prefecture, city, postal_code) = place(rng);
    let hubspot = CompanyFields {
        name: with_form(rng.random_range(0..6), &bare),
        website: format!("https://www.{domain}"),
        domain,
        phone: format!("03-6{:03}-{:04}", number / 10_000, number % 10_000),
        prefecture,
        city,
        postal_code,
        employees: rng.random_range(3..3_000),
        age_ms: age_ms(rng),
    };
    let mut salesforce = CompanyFields { age_ms: age_ms(rng), ..hubspot.clone() };
    if rng.random_ratio(1, 10) {
        salesforce.name = with_form(rng.random_range(0..6), &bare);
    }
    Company {
        presence,
        hubspot: presence.on_hubspot().then_some(hubspot),
        salesforce: presence.on_salesforce().then_some(salesforce),
    }
}

/// The six usual ways to write that a company is a stock corporation.
fn with_form(way: u32, bare: &str) -> String {
    match way {
        0 => format!("株式会社{bare}"),
        1 => format!("{bare}株式会社"),
        2 => format!("(株){bare}"),
        3 => format!("{bare}(株)"),
        4 => format!("㈱{bare}"),
        _ => format!("{bare}㈱"),
    }
}

/// Makes `count` deals between companies and their people.
pub(super) fn deals(
    rng: &mut ChaCha8Rng,
    count: usize,
    companies: &[Company],
    people: &[Person],
) -> Vec<Deal> {
    let presences = presences(rng, count);
    let mut next_person = 0;
    let mut deals = Vec::with_capacity(count);
    for (number, presence) in presences.into_iter().enumerate() {
        let person = customer(people, presence, next_person);
        next_person = person.map_or(0, |index| index + 1);
        let company = person.and_then(|index| company_of(people.get(index)?));
        let named = company.and_then(|index| companies.get(index)).and_then(any_name);
        let (year, month, day) =
            (rng.random_range(2026..2028), rng.random_range(1..13), rng.random_range(1..29));
        deals.push(Deal {
            presence,
            name: format!("{} {} {number:05}", named.unwrap_or("個人"), pick(rng, PRODUCTS)),
            amount: rng.random_range(5..500) * 10_000,
            stage: pick(rng, STAGES),
            close_date: format!("{year}-{month:02}-{day:02}"),
            company,
            person,
            age_ms: age_ms(rng),
        });
    }
    deals
}

const STAGES: &[DealStage] = &[
    DealStage::Appointment,
    DealStage::Qualified,
    DealStage::Presentation,
    DealStage::DecisionMaker,
    DealStage::Contract,
    DealStage::Won,
    DealStage::Lost,
];

/// The next person from `start` on who can stand in a deal that exists on the sides `presence`.
fn customer(people: &[Person], presence: SystemPresence, start: usize) -> Option<usize> {
    let fits = |&index: &usize| {
        people.get(index).is_some_and(|person| {
            person.presence.covers(presence)
                && (person.kind == PersonKind::Contact || !presence.on_salesforce())
        })
    };
    (start..people.len()).chain(0..start.min(people.len())).find(fits)
}

fn company_of(person: &Person) -> Option<usize> {
    person.hubspot.as_ref().or(person.salesforce.first())?.company
}

fn any_name(company: &Company) -> Option<&str> {
    company.hubspot.as_ref().or(company.salesforce.as_ref()).map(|fields| fields.name.as_str())
}

fn cycled<T: Copy + Default>(list: &[T], number: usize) -> T {
    list.get(number % list.len().max(1)).copied().unwrap_or_default()
}

//! People of the sample data, with what makes them hard to match.
//!
//! Mail addresses and phone numbers belong to one person each; names repeat, as in life. Which
//! twists a person has is drawn first, its copies per system are made from that.

use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::names::{FAMILIES, GIVENS, PLACES, TITLES, age_ms, pick, place};
use super::records::{
    Company, MatchTwist, Person, PersonFields, PersonKind, SystemPresence, presences,
};

/// Makes `count` people, employed by the companies that exist on the same sides.
pub(super) fn generate(rng: &mut ChaCha8Rng, count: usize, companies: &[Company]) -> Vec<Person> {
    let presences = presences(rng, count);
    let employers = Employers::new(companies);
    let twists = twists(rng, &presences);
    let each = presences.into_iter().zip(twists).enumerate();
    each.map(|(number, (presence, twist))| {
        let kind = if rng.random_ratio(2, 5) { PersonKind::Lead } else { PersonKind::Contact };
        let employer = employers.pick(rng, presence);
        let fields = fields(rng, number, employer, companies);
        person(rng, presence, kind, twist, fields)
    })
    .collect()
}

/// Company indices by the presence of a person who may work there.
struct Employers {
    both: Vec<usize>,
    hubspot: Vec<usize>,
    salesforce: Vec<usize>,
}

impl Employers {
    fn new(companies: &[Company]) -> Self {
        let covering = |presence: SystemPresence| {
            let fits = |(_, company): &(usize, &Company)| company.presence.covers(presence);
            companies.iter().enumerate().filter(fits).map(|(index, _)| index).collect()
        };
        Self {
            both: covering(SystemPresence::Both),
            hubspot: covering(SystemPresence::HubSpot),
            salesforce: covering(SystemPresence::Salesforce),
        }
    }

    fn pick(&self, rng: &mut ChaCha8Rng, presence: SystemPresence) -> Option<usize> {
        let list = match presence {
            SystemPresence::Both => &self.both,
            SystemPresence::HubSpot => &self.hubspot,
            SystemPresence::Salesforce => &self.salesforce,
        };
        (!list.is_empty()).then(|| pick(rng, list))
    }
}

/// About 2 % ambiguous, 5 % phone only and 3 % different, of those on both sides.
fn twists(rng: &mut ChaCha8Rng, presences: &[SystemPresence]) -> Vec<MatchTwist> {
    let mut on_both: Vec<usize> =
        (0..presences.len()).filter(|&i| presences.get(i) == Some(&SystemPresence::Both)).collect();
    on_both.shuffle(rng);
    let enough = presences.len() >= 50;
    let share = |percent: usize| (on_both.len() * percent / 100).max(usize::from(enough));
    let twisted = std::iter::repeat_n(MatchTwist::Ambiguous, share(2))
        .chain(std::iter::repeat_n(MatchTwist::PhoneOnly, share(5)))
        .chain(std::iter::repeat_n(MatchTwist::Differs, share(3)));
    let mut twists = vec![MatchTwist::Plain; presences.len()];
    for (index, twist) in on_both.iter().zip(twisted) {
        if let Some(place) = twists.get_mut(*index) {
            *place = twist;
        }
    }
    twists
}

fn fields(
    rng: &mut ChaCha8Rng,
    number: usize,
    company: Option<usize>,
    companies: &[Company],
) -> PersonFields {
    let (family, given) = (pick(rng, FAMILIES), pick(rng, GIVENS));
    let mail_name = format!("{}.{}{number}", given.1, family.1).to_lowercase();
    let domain = company
        .and_then(|index| companies.get(index))
        .and_then(|company| company.hubspot.as_ref().or(company.salesforce.as_ref()))
        .map_or("mail.example.com", |fields| fields.domain.as_str());
    let (family, given, full_name) = match rng.random_range(0..10) {
        0 => (family.1, given.1, format!("{} {}", given.1, family.1)),
        1..5 => (family.0, given.0, format!("{} {}", family.0, given.0)),
        _ => (family.0, given.0, format!("{}　{}", family.0, given.0)),
    };
    // A factor coprime to 10^7 spreads the numbers without repeating one.
    let digits = number * 7_919 % 10_000_000;
    let (prefecture, city, postal_code) = place(rng);
    PersonFields {
        family: family.to_owned(),
        given: given.to_owned(),
        full_name,
        from_form: rng.random_ratio(3, 5),
        mail: Some(format!("{mail_name}@{domain}")),
        phone: format!("03-3{:03}-{:04}", digits / 10_000, digits % 10_000),
        mobile: format!("090-1{:03}-{:04}", digits / 10_000, digits % 10_000),
        title: pick(rng, TITLES).to_owned(),
        company,
        prefecture,
        city,
        postal_code,
        opted_out: rng.random_ratio(1, 10),
        age_ms: age_ms(rng),
    }
}

fn person(
    rng: &mut ChaCha8Rng,
    presence: SystemPresence,
    kind: PersonKind,
    twist: MatchTwist,
    mut hubspot: PersonFields,
) -> Person {
    let mut salesforce = PersonFields { age_ms: age_ms(rng), ..hubspot.clone() };
    match twist {
        MatchTwist::Plain | MatchTwist::Ambiguous => {}
        MatchTwist::PhoneOnly => write_phones_apart(rng, &mut hubspot, &mut salesforce),
        MatchTwist::Differs => differ(rng, &mut salesforce),
    }
    let mut copies = Vec::new();
    if presence.on_salesforce() {
        copies.push(salesforce.clone());
        if twist == MatchTwist::Ambiguous {
            copies.push(PersonFields { age_ms: age_ms(rng), ..salesforce });
        }
    }
    Person {
        presence,
        kind,
        twist,
        hubspot: presence.on_hubspot().then_some(hubspot),
        salesforce: copies,
    }
}

/// One side loses its mail, and each side writes the same phone in its own way.
fn write_phones_apart(rng: &mut ChaCha8Rng, one: &mut PersonFields, other: &mut PersonFields) {
    if rng.random() {
        one.mail = None;
    } else {
        other.mail = None;
    }
    if rng.random() {
        one.phone = full_width(&one.phone);
    } else {
        other.phone = international(&other.phone);
    }
}

/// `03-1234-5678` as `０３（１２３４）５６７８`.
fn full_width(phone: &str) -> String {
    let mut parts = phone.splitn(3, '-');
    let mut part = || {
        let digits = parts.next().unwrap_or_default().chars();
        digits.filter_map(|c| char::from_u32(u32::from(c) + 0xFEE0)).collect::<String>()
    };
    format!("{}（{}）{}", part(), part(), part())
}

/// `03-1234-5678` as `+81 3 1234 5678`.
fn international(phone: &str) -> String {
    format!("+81 {}", phone.trim_start_matches('0').replace('-', " "))
}

/// Changes one or two fields, as two people did who knew the person at different times.
fn differ(rng: &mut ChaCha8Rng, fields: &mut PersonFields) {
    let others: Vec<&str> = TITLES.iter().copied().filter(|title| *title != fields.title).collect();
    fields.title = pick(rng, &others).to_owned();
    if rng.random() {
        let others: Vec<_> =
            PLACES.iter().copied().filter(|(_, city, _)| *city != fields.city).collect();
        let (prefecture, city, area) = pick(rng, &others);
        fields.prefecture = prefecture.to_owned();
        fields.city = city.to_owned();
        fields.postal_code = format!("{area}-0001");
    }
}

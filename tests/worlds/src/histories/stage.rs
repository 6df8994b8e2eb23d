//! The stage of every history: companies and people in two to four systems, and how they are kept
//! in step.

use renkei_model::spec::days::{DayFacts, Days, time_zone};
use renkei_model::spec::{
    Direction, EntitySpec, FieldKind, FieldSpec, MappingGroup, MemberSpec, Spec, Winner,
};
use renkei_model::value::Value;
use strum::EnumCount;

use crate::bench::{direct, entity, field, match_key, member, reference};
use crate::world::{Place, World, place};

/// The systems of the largest stage.
pub const SYSTEMS: [&str; 4] = ["a", "b", "c", "d"];

/// Kind of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, EnumCount)]
pub enum Kind {
    Company,
    Person,
}

impl Kind {
    pub const ALL: [Self; Self::COUNT] = [Self::Company, Self::Person];

    /// The object that holds them in every system.
    pub fn object(self) -> &'static str {
        match self {
            Self::Company => "companies",
            Self::Person => "contacts",
        }
    }

    /// The column that tells which one a record is; nobody edits it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Company => "name",
            Self::Person => "mail",
        }
    }

    /// The columns that people edit and that go both ways.
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Company => &["city"],
            Self::Person => &["title", "phone", "city", "memo", "amount", OPT_OUT, COMPANY, DAY],
        }
    }

    /// The texts among them.
    pub fn texts(self) -> &'static [&'static str] {
        match self {
            Self::Company => &["city"],
            Self::Person => &["title", "phone", "city", "memo"],
        }
    }
}

/// Consent of a person.
pub const OPT_OUT: &str = "opt_out";
/// The column of a person that refers to companies.
pub const COMPANY: &str = "company";
/// The column that goes from the first system to the others.
pub const SCORE: &str = "score";
/// A day of a person: the first system keeps moments in it, in the zone of its account.
pub const DAY: &str = "day";
/// Offset of that zone, ms. It has no summer time.
const AHEAD_MS: i64 = 9 * 3_600_000;
/// A column that nothing maps.
pub const PRIVATE: &str = "private";

/// A moment of a day in the first system's zone, as it keeps it.
pub fn moment(day: u8, hour: i64) -> Value {
    Value::Timestamp((i64::from(day) * 24 + hour) * 3_600_000 - AHEAD_MS)
}

/// A day since 1970, as the other systems keep it.
pub fn day(number: u8) -> Value {
    Value::Date(format!("1970-01-{:02}", number + 1).into())
}

/// The day of a moment; other values as they are.
pub fn as_day(value: &Value) -> Value {
    match value {
        Value::Timestamp(ms) => {
            let number = (ms + AHEAD_MS).div_euclid(24 * 3_600_000);
            u8::try_from(number).map_or_else(|_| value.clone(), day)
        }
        value => value.clone(),
    }
}

pub fn at(side: usize, kind: Kind) -> Place {
    place(SYSTEMS[side], kind.object())
}

fn always(system: &str) -> Winner {
    Winner::Always(system.to_owned())
}

fn fields(names: &[(&str, FieldKind, Winner)]) -> Vec<FieldSpec> {
    names.iter().map(|(name, kind, winner)| field(name, kind.clone(), winner.clone())).collect()
}

fn members(
    sides: usize,
    kind: Kind,
    groups: impl Fn(usize) -> Vec<MappingGroup>,
) -> Vec<MemberSpec> {
    let one = |side| member(SYSTEMS[side], kind.object(), groups(side));
    (0..sides).map(one).collect()
}

/// Specification of companies and people.
pub fn spec(sides: usize, sweep_ms: Option<u64>) -> Spec {
    let company = FieldKind::Reference { entity: "company".to_owned(), many: false };
    let names = [("name", FieldKind::Text, always("a")), ("city", FieldKind::Text, Winner::Newest)];
    let groups = |_| vec![direct(0, "name", Direction::Both), direct(1, "city", Direction::Both)];
    let mut companies = entity("company", fields(&names), members(sides, Kind::Company, groups));
    companies.match_keys.push(match_key("name", &[0], true));
    let names = [
        ("mail", FieldKind::Mail, always("a")),
        ("title", FieldKind::Text, always("a")),
        ("phone", FieldKind::Text, Winner::Newest),
        ("city", FieldKind::Text, Winner::Manual),
        ("memo", FieldKind::Text, Winner::UnlessBlank("b".to_owned())),
        ("amount", FieldKind::Decimal, Winner::Newest),
        (SCORE, FieldKind::Decimal, always("a")),
        (OPT_OUT, FieldKind::Boolean, Winner::OptOut { when: true }),
        (COMPANY, company, always("b")),
        (DAY, FieldKind::Date, Winner::Newest),
    ];
    let groups = |side| {
        let mut groups: Vec<MappingGroup> = names[..8]
            .iter()
            .enumerate()
            .map(|(position, (name, ..))| direct(position, name, Direction::Both))
            .collect();
        groups[6].direction = if side == 0 { Direction::Read } else { Direction::Write };
        groups.push(reference(8, COMPANY, Kind::Company.object(), false));
        groups.push(direct(9, DAY, Direction::Both));
        groups
    };
    let mut people = entity("person", fields(&names), members(sides, Kind::Person, groups));
    people.match_keys.push(match_key("mail", &[0], true));
    let days = Days::unknown();
    let moments = [(DAY.to_owned(), 1)].into();
    days.set_facts(DayFacts { zone: time_zone("Asia/Tokyo"), moments });
    people.members[0].days = days;
    let sweep = |entity| EntitySpec { sweep_ms, ..entity };
    Spec::new(vec![sweep(companies), sweep(people)]).unwrap()
}

/// Empty systems that are kind.
pub fn world(sides: usize) -> World {
    let mut world = World::default();
    world.advance(1_000_000_000);
    for side in 0..sides {
        for kind in Kind::ALL {
            let table = world.table(&at(side, kind));
            table.stamped = true;
            table.unique = Some(kind.key().to_owned());
        }
    }
    world.table(&at(0, Kind::Person)).read_only.insert(SCORE.to_owned());
    for side in 0..sides {
        world.table(&at(side, Kind::Person)).lists.insert(COMPANY.to_owned());
    }
    world
}

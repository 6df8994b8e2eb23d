//! A history: what people, the program and misfortune do, one step after another, drawn by a seed.
//!
//! A history is a list before it is played, so that it can be shortened: every step names people by
//! number and does nothing where they are not there.

use std::fmt;

use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::systems::{SIDES, Side};

/// People, companies and deals that a history may know.
pub const PEOPLE: usize = 4;
pub const COMPANIES: usize = 3;
pub const DEALS: usize = 2;

/// Owners of records: HubSpot's id and Salesforce's user name. Neither is who the program works as.
pub const OWNERS: [(&str, &str); 2] =
    [("77350001", "eigyo@sim.example.jp"), ("77350002", "kanri@sim.example.jp")];

/// Something that both systems have, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    Person(usize),
    Company(usize),
    Deal(usize),
}

impl Subject {
    /// Those whose fields the judge compares.
    pub fn judged() -> impl Iterator<Item = Self> {
        (0..PEOPLE).map(Self::Person).chain((0..DEALS).map(Self::Deal))
    }

    /// The two-way fields that people type into.
    pub fn fields(self) -> &'static [Field] {
        match self {
            Self::Person(_) => &FIELDS,
            Self::Company(_) => &[],
            Self::Deal(_) => &DEAL_FIELDS,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(who) => write!(f, "person {who}"),
            Self::Company(company) => write!(f, "company {company}"),
            Self::Deal(deal) => write!(f, "deal {deal}"),
        }
    }
}

/// A two-way field of the example configuration, with its column on each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Field {
    pub name: &'static str,
    pub hubspot: &'static str,
    /// Of a Contact or an Opportunity.
    pub salesforce: &'static str,
    pub lead: &'static str,
}

pub const FIELDS: [Field; 5] = [
    field("phone", "phone", "Phone", "Phone"),
    field("mobile", "mobilephone", "MobilePhone", "MobilePhone"),
    field("title", "jobtitle", "Title", "Title"),
    field("city", "city", "MailingCity", "City"),
    field("postal_code", "zip", "MailingPostalCode", "PostalCode"),
];

pub const AMOUNT: Field = field("amount", "amount", "Amount", "");
pub const CLOSE_DATE: Field = field("close_date", "closedate", "CloseDate", "");
pub const STAGE: Field = field("stage", "dealstage", "StageName", "");
pub const DEAL_FIELDS: [Field; 3] = [AMOUNT, CLOSE_DATE, STAGE];

const fn field(
    name: &'static str,
    hubspot: &'static str,
    salesforce: &'static str,
    lead: &'static str,
) -> Field {
    Field { name, hubspot, salesforce, lead }
}

impl Field {
    /// The column in an object.
    pub fn column(&self, object: &str) -> &'static str {
        match object {
            "Contact" | "Opportunity" => self.salesforce,
            "Lead" => self.lead,
            _ => self.hubspot,
        }
    }
}

/// Act of a person on a record.
#[derive(Clone, Debug)]
pub enum Act {
    /// Types a new value (never used before where the field has enough of them) into a field, or
    /// empties it.
    Type { who: Subject, side: Side, field: Field, clears: bool },
    /// Types the value that the field had before its present one.
    TypeBack { who: Subject, side: Side, field: Field },
    /// Deletes the records of somebody or something.
    Delete { who: Subject, side: Side },
    /// Converts the person's Lead.
    Convert { who: usize },
    /// Makes a company the person's further (not primary) company in HubSpot, or takes that back.
    Associate { who: usize, company: usize, there: bool },
    /// Gives a Contact, an Opportunity or a deal another company.
    Belong { who: Subject, side: Side, company: usize },
    /// Opts the person out of mail, or takes that back.
    OptOut { who: usize, side: Side, out: bool },
    /// Gives the record another owner.
    Hand { who: Subject, side: Side, owner: usize },
    /// Merges the record of one into that of another.
    Merge { winner: Subject, loser: Subject, side: Side },
}

/// One step.
#[derive(Clone, Debug)]
pub enum Step {
    /// A person is entered, on one side or on both; in Salesforce as a Lead or a Contact.
    Appear { who: usize, sides: Vec<Side>, lead: bool },
    /// A company is entered on one side.
    Found { company: usize, side: Side },
    /// A deal is entered on one side, with a company if it is there.
    Offer { deal: usize, side: Side, company: usize, dated: bool },
    /// A person acts while the program rests.
    Act(Act),
    /// `renkei sync`.
    Sync,
    /// `renkei sync`; after so many calls somebody acts.
    SyncWhile { calls: u64, act: Act },
    /// `renkei sync`, killed after so many calls.
    Killed { calls: u64 },
    /// `renkei sync` twice at once.
    Twice,
    /// `renkei serve` for so long; somebody acts meanwhile; a plugin file is copied anew; then it
    /// is stopped, or killed.
    Serve { ms: u64, act: Option<Act>, swap: bool, kill: bool },
    /// Time passes.
    Wait { ms: u64 },
    /// The simulators change their behaviour.
    Faults(Value),
    /// An owner of records leaves both systems, or is back.
    Owner { owner: usize, leaves: bool },
    /// `renkei backup`.
    Backup,
    /// `renkei restore` of the last backup.
    Restore,
    /// People rest until everything is in step; the judge looks.
    Rest,
}

/// The steps, in order.
#[derive(Clone, Debug)]
pub struct History {
    pub steps: Vec<Step>,
}

impl History {
    /// The history of a seed.
    pub fn draw(seed: u64) -> Self {
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        let mut steps = vec![Step::Faults(draw_faults(&mut dice))];
        for who in 0..dice.random_range(1..=PEOPLE) {
            steps.push(draw_appearance(&mut dice, who));
        }
        for company in 0..dice.random_range(0..=COMPANIES) {
            let side = draw_side(&mut dice);
            steps.push(Step::Found { company, side });
        }
        for _ in 0..dice.random_range(0..=DEALS) {
            steps.push(draw_offer(&mut dice));
        }
        for _ in 0..dice.random_range(4..18) {
            steps.push(draw_step(&mut dice));
        }
        Self { steps }
    }
}

fn draw_side(dice: &mut ChaCha8Rng) -> Side {
    *SIDES.choose(dice).unwrap_or(&Side::HubSpot)
}

fn draw_appearance(dice: &mut ChaCha8Rng, who: usize) -> Step {
    let sides = match dice.random_range(0..4) {
        0 => SIDES.to_vec(),
        1 | 2 => vec![Side::HubSpot],
        _ => vec![Side::Salesforce],
    };
    Step::Appear { who, sides, lead: dice.random_bool(0.6) }
}

fn draw_offer(dice: &mut ChaCha8Rng) -> Step {
    Step::Offer {
        deal: dice.random_range(0..DEALS),
        side: draw_side(dice),
        company: dice.random_range(0..COMPANIES),
        dated: dice.random_bool(0.8),
    }
}

/// A person, mostly, or a deal.
fn draw_subject(dice: &mut ChaCha8Rng) -> Subject {
    match dice.random_ratio(3, 4) {
        true => Subject::Person(dice.random_range(0..PEOPLE)),
        false => Subject::Deal(dice.random_range(0..DEALS)),
    }
}

fn draw_act(dice: &mut ChaCha8Rng) -> Act {
    let subject = draw_subject(dice);
    let who = dice.random_range(0..PEOPLE);
    let side = draw_side(dice);
    let field = *subject.fields().choose(dice).unwrap_or(&FIELDS[0]);
    let company = dice.random_range(0..COMPANIES);
    match dice.random_range(0..50) {
        0..24 => Act::Type { who: subject, side, field, clears: dice.random_ratio(1, 8) },
        24..27 => Act::TypeBack { who: subject, side, field },
        27..29 => Act::Delete { who: subject, side },
        29..32 => Act::Convert { who },
        32..35 => Act::Associate { who, company, there: dice.random_bool(0.7) },
        35..38 => Act::Belong { who: subject, side, company },
        38..43 => Act::OptOut { who, side, out: dice.random_bool(0.6) },
        43..46 => Act::Hand { who: subject, side, owner: dice.random_range(0..OWNERS.len()) },
        _ => draw_merge(dice, side),
    }
}

/// Two people, companies or deals become one.
fn draw_merge(dice: &mut ChaCha8Rng, side: Side) -> Act {
    let (of, many): (fn(usize) -> Subject, usize) = match dice.random_range(0..10) {
        0..6 => (Subject::Person, PEOPLE),
        6..9 => (Subject::Company, COMPANIES),
        _ => (Subject::Deal, DEALS),
    };
    let winner = dice.random_range(0..many);
    let loser = (winner + dice.random_range(1..many)) % many;
    Act::Merge { winner: of(winner), loser: of(loser), side }
}

fn draw_step(dice: &mut ChaCha8Rng) -> Step {
    match dice.random_range(0..100) {
        0..5 => {
            let who = dice.random_range(0..PEOPLE);
            draw_appearance(dice, who)
        }
        5 => draw_offer(dice),
        6..40 => Step::Act(draw_act(dice)),
        40..55 => Step::Sync,
        55..67 => Step::SyncWhile { calls: dice.random_range(0..12), act: draw_act(dice) },
        67..74 => Step::Killed { calls: dice.random_range(0..14) },
        74..76 => Step::Twice,
        76..80 => Step::Serve {
            ms: dice.random_range(20_000..80_000),
            act: dice.random_bool(0.7).then(|| draw_act(dice)),
            swap: dice.random_bool(0.3),
            kill: dice.random_bool(0.4),
        },
        80..87 => Step::Wait { ms: dice.random_range(500..40_000) },
        87..90 => Step::Faults(draw_faults(dice)),
        90 => {
            Step::Owner { owner: dice.random_range(0..OWNERS.len()), leaves: dice.random_bool(0.7) }
        }
        91..93 => Step::Backup,
        93..95 => Step::Restore,
        _ => Step::Rest,
    }
}

/// Lags, lost answers, locks, errors, short pages and limits, each rarely.
fn draw_faults(dice: &mut ChaCha8Rng) -> Value {
    let every = |dice: &mut ChaCha8Rng, rare: u32| {
        if dice.random_ratio(1, rare) { dice.random_range(2..6) } else { 0 }
    };
    let lags = [0, 0, 2_000, 8_000, 20_000];
    let lates = [0, 0, 0, 3_000];
    json!({
        "search_lag_ms": lags.choose(dice),
        "late_commit_ms": lates.choose(dice),
        "lose_reply_after_write": every(dice, 8),
        "server_error_every": every(dice, 12),
        "lock_error_every": every(dice, 10),
        "short_pages_every": every(dice, 6),
        "limit_shared_every": every(dice, 10),
        "day_is_used_up": dice.random_ratio(1, 20),
    })
}

/// Simulators on a good day: what the end of every history needs to come to rest.
pub fn calm() -> Value {
    json!({
        "search_lag_ms": 0,
        "late_commit_ms": 0,
        "lose_reply_after_write": 0,
        "server_error_every": 0,
        "lock_error_every": 0,
        "short_pages_every": 0,
        "limit_shared_every": 0,
        "day_is_used_up": false,
    })
}

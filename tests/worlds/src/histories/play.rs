//! Plays a history: people act on the world, a driver keeps it in step, and in the end all rest.

use renkei_model::record::Removal;
use renkei_model::value::{SmolStr, Value};

use super::stage::{COMPANY, Kind, OPT_OUT, PRIVATE, as_day, at, spec, world};
use super::step::{Act, History, Knob, Step, Table};
use crate::world::knobs::{Form, Lag, OnRemoval, Referrer};
use crate::world::{Place, Shared, World};

/// The engine that keeps the world in step, ours or another.
pub trait Driver {
    /// Runs one cycle.
    fn cycle(&mut self) -> Cycled;
    /// Runs a cycle that dies at some commit, and begins a new process.
    fn crash(&mut self, commits: u64);
    /// Copies what is remembered.
    fn back_up(&mut self);
    /// Replaces what is remembered by the copy, if there is one; whether there was.
    fn restore(&mut self) -> bool;
    /// A person answers what nobody else can; whether anything was asked.
    fn answer(&mut self) -> bool;
    /// True if people can read why this record does not have what the others have.
    fn explains(&self, at: &Place, id: &str, column: &str) -> bool;
    /// True if nothing but a refusal of the whole record explains it.
    fn blames_whole(&self, at: &Place, id: &str, column: &str) -> bool;
    /// True if people can read that this value was there and was overruled.
    fn remembers(&self, column: &str, value: &Value) -> bool;
    /// Everything that is remembered, for comparing two runs.
    fn trace(&self) -> String;
}

/// Result of a cycle.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cycled {
    /// Operations were sent.
    pub wrote: bool,
    /// Something was not read or done.
    pub failed: bool,
}

/// State at the end of a history.
pub struct Played {
    pub world: World,
    pub sides: usize,
    /// Lengths of the ledger at which everything was in step.
    pub calm: Vec<usize>,
    /// Length of the ledger and time at the beginning of each cycle.
    pub begun: Vec<(usize, i64)>,
    /// A copy of the database was put back.
    pub restored: bool,
    /// The last cycle wrote nothing, and no cycle after it does.
    pub rested: bool,
}

/// Cycles until the end at most.
const CYCLES_MAX: usize = 16;
/// Longer than anything lags.
const REST_MS: i64 = 70_000;
/// Interval of sweeps, ms.
const SWEEP_MS: u64 = 20_000;

/// Plays a history with a driver made for its world.
pub fn play<D: Driver>(
    history: &History,
    make: impl FnOnce(Shared, renkei_model::spec::Spec) -> D,
) -> (Played, D) {
    let shared = Shared::new(world(history.sides));
    let spec = spec(history.sides, history.swept.then_some(SWEEP_MS));
    let mut driver = make(shared.clone(), spec);
    let mut marks =
        Marks { sides: history.sides, calm: vec![0], begun: Vec::new(), restored: false };
    for step in &history.steps {
        step_once(step, history.sides, &shared, &mut driver, &mut marks);
    }
    let rested = rest(history, &shared, &mut driver, &mut marks);
    let world = shared.world().clone();
    let Marks { calm, begun, restored, sides } = marks;
    (Played { world, sides, calm, begun, restored, rested }, driver)
}

struct Marks {
    sides: usize,
    calm: Vec<usize>,
    begun: Vec<(usize, i64)>,
    restored: bool,
}

impl Marks {
    fn begin(&mut self, shared: &Shared) -> usize {
        let world = shared.world();
        self.begun.push((world.ledger.len(), world.now_ms));
        world.ledger.len()
    }

    /// Everything was in step before a cycle that had nothing to do and saw all there is.
    fn end(&mut self, shared: &Shared, before: usize, cycled: Cycled) {
        let world = shared.world();
        let lags = world.tables.values().any(|table| table.knobs.lag != Lag::default());
        let hides = world.tables.values().any(|table| !table.knobs.invisible.is_empty());
        let is_quiet = !cycled.wrote && !cycled.failed && world.ledger.len() == before;
        if is_quiet && !lags && !hides && world.unseen.is_empty() && is_in_step(&world, self.sides)
        {
            self.calm.push(before);
        }
    }
}

fn step_once(
    step: &Step,
    sides: usize,
    shared: &Shared,
    driver: &mut impl Driver,
    marks: &mut Marks,
) {
    match step {
        Step::Turn(at, knob) => turn(&mut shared.world(), sides, *at, knob),
        Step::Wait(ms) => shared.world().advance(*ms),
        Step::Act(act) => act_on(&mut shared.world(), sides, act),
        Step::Meanwhile(calls, act) => {
            let act = act.clone();
            shared.world().schedule(*calls, move |world| act_on(world, sides, &act));
        }
        Step::Arm(fault) => shared.world().faults.push_back(fault.clone()),
        Step::FailCall(calls) => {
            shared.world().schedule(*calls, |world| world.failing_calls = 1);
        }
        Step::Cycle => {
            let before = marks.begin(shared);
            let cycled = driver.cycle();
            marks.end(shared, before, cycled);
        }
        Step::Crash(commits) => {
            marks.begin(shared);
            driver.crash(*commits);
        }
        Step::Backup => driver.back_up(),
        Step::Restore => {
            if driver.restore() {
                // What was in step is no longer known to be.
                marks.calm = vec![0];
                marks.restored = true;
            }
        }
    }
}

fn rest(history: &History, shared: &Shared, driver: &mut impl Driver, marks: &mut Marks) -> bool {
    {
        let mut world = shared.world();
        world.faults.clear();
        world.end_jobs();
        world.failing_calls = 0;
        world.meanwhile.clear();
        for table in world.tables.values_mut() {
            table.knobs.vanished.clear();
            table.knobs.invisible.clear();
        }
    }
    let mut quiet = 0;
    for _ in 0..CYCLES_MAX {
        shared.world().advance(REST_MS);
        let before = marks.begin(shared);
        let cycled = driver.cycle();
        marks.end(shared, before, cycled);
        let has_answered = driver.answer();
        quiet = if cycled.wrote || has_answered { 0 } else { quiet + 1 };
        // What a sweep finds at the end of a cycle is written in the next one.
        if quiet > 1 + usize::from(history.swept) {
            return !driver.cycle().wrote;
        }
    }
    false
}

fn turn(world: &mut World, sides: usize, table: Table, knob: &Knob) {
    let place = at(table.side, table.kind);
    let to = world.table(&place);
    match knob.clone() {
        Knob::IndexLag { ms, uneven } => to.knobs.lag = Lag { uneven, ..Lag::of_index(ms) },
        Knob::Lag(ms) => to.knobs.lag = Lag::everywhere(ms),
        Knob::Versions(versions) => to.knobs.versions = versions,
        Knob::Answers(answers) => to.knobs.answers = answers,
        Knob::WholeSeconds => to.knobs.whole_seconds = true,
        Knob::Form(column, form) => drop(to.knobs.forms.insert(column.to_owned(), form)),
        Knob::Default(column, value) => drop(to.knobs.defaults.insert(column.to_owned(), value)),
        Knob::Refused(column, refused) => {
            to.knobs.refused.insert(column.to_owned(), refused);
        }
        Knob::Rule(column, refused) => to.knobs.rule = Some((column.to_owned(), refused)),
        Knob::Referrers(on_removal) => {
            let people = at(table.side, Kind::Person);
            let column = COMPANY.to_owned();
            if on_removal == OnRemoval::Cascade {
                let goes = Value::Choices(vec![format!("{}.{column}", people.1).into()]);
                to.facts.push(("cascades".to_owned(), goes));
            }
            to.knobs.referrers.push(Referrer { at: people, column, on_removal });
        }
        Knob::Pages(rows) => to.knobs.change_rows = Some(rows),
        Knob::RemovalsApart => to.knobs.removals_apart = true,
        Knob::LookBack(ms) => to.knobs.look_back_ms = ms,
        Knob::Unstamped => to.stamped = false,
    }
    debug_assert!(table.side < sides);
}

/// Hides a record, openly or not; if one is hidden, it is shown again.
fn hide(world: &mut World, table: Table, number: usize) {
    let place = at(table.side, table.kind);
    if !world.table(&place).knobs.invisible.is_empty() {
        world.table(&place).knobs.invisible.clear();
    } else if let Some((place, id)) = nth(world, table, number) {
        let knobs = &mut world.table(&place).knobs;
        knobs.invisible.insert(id.clone());
        knobs.hides_openly = number % 2 == 1;
        world.hidden.insert((place, id));
    }
}

/// A record by its position among those that are there.
fn nth(world: &World, table: Table, nth: usize) -> Option<(Place, String)> {
    let place = at(table.side, table.kind);
    let live = world.live(&place);
    let id = live.get(nth % live.len().max(1))?.clone();
    Some((place, id))
}

/// Value of a thing in its key column.
pub fn key_of(kind: Kind, thing: u8) -> String {
    match kind {
        Kind::Company => format!("c{thing}"),
        Kind::Person => format!("p{thing}@x"),
    }
}

fn act_on(world: &mut World, sides: usize, act: &Act) {
    match act {
        Act::Appear { kind, thing, made } => appear(world, *kind, *thing, made),
        Act::Edit { at, nth: number, column, value, person } => {
            // Nobody types into a column that is gone.
            if let Some((place, id)) = nth(world, *at, *number)
                && !world.tables[&place].knobs.vanished.contains(*column)
            {
                world.edit_as(*person, &place, &id, column, value.clone());
            }
        }
        Act::PutBack { at, nth: number, column } => put_back(world, *at, *number, column),
        Act::Parents { side, nth: number, companies } => {
            parents(world, *side, *number, companies);
        }
        Act::Remove { at, nth: number } => {
            if let Some((place, id)) = nth(world, *at, *number) {
                world.remove(&place, &id, Removal::Deleted);
            }
        }
        Act::Revive { at: table, nth } => {
            let place = at(table.side, table.kind);
            let gone: Vec<String> = world.gone(&place);
            let revived = gone.get(nth % gone.len().max(1)).filter(|id| {
                let key = world.cell(&place, id, table.kind.key());
                !world.live(&place).iter().any(|id| world.cell(&place, id, table.kind.key()) == key)
            });
            if let Some(id) = revived {
                world.restore(&place, id);
            }
        }
        Act::Merge { at, nth: number, renewed } => {
            if let Some((place, id)) = nth(world, *at, *number)
                && let Some(loser) = world.live(&place).into_iter().find(|other| *other != id)
            {
                world.merge(&place, &id, &[&loser], *renewed);
            }
        }
        Act::Unsee { at, nth: number, column, value } => {
            if let Some((place, id)) = nth(world, *at, *number) {
                world.unsee(&place, &id);
                world.edit(&place, &id, column, value.clone());
            }
        }
        Act::Hide { at, nth } => hide(world, *at, *nth),
        Act::Column { at: table, column } => {
            let place = at(table.side, table.kind);
            let vanished = &mut world.table(&place).knobs.vanished;
            if !vanished.remove(*column) {
                vanished.insert((*column).to_owned());
            }
            world.vanished.insert((place, (*column).to_owned()));
        }
        Act::Clock { side, ms } => {
            for kind in Kind::ALL {
                world.table(&at(*side, kind)).knobs.clock_ms = *ms;
            }
        }
    }
    debug_assert!(sides <= super::stage::SYSTEMS.len());
}

fn appear(world: &mut World, kind: Kind, thing: u8, made: &[(usize, Value)]) {
    let key: Value = key_of(kind, thing).as_str().into();
    for (side, value) in made {
        let place = at(*side, kind);
        let mut there = world.live(&place).into_iter();
        if there.any(|id| world.cell(&place, &id, kind.key()) == key) {
            continue;
        }
        let text = kind.texts()[0];
        let cells = [(kind.key(), key.clone()), (text, value.clone()), (PRIVATE, "mine".into())];
        world.create(&place, &cells);
    }
}

fn put_back(world: &mut World, table: Table, number: usize, column: &str) {
    let Some((place, id)) = nth(world, table, number) else { return };
    let last = world.ledger.iter().rfind(|entry| {
        entry.place == place && entry.id == id && entry.column.as_deref() == Some(column)
    });
    if let Some(before) = last.filter(|last| !last.created).map(|last| last.before.clone()) {
        world.edit(&place, &id, column, before);
    }
}

fn parents(world: &mut World, side: usize, number: usize, companies: &[usize]) {
    let Some((place, id)) = nth(world, Table { side, kind: Kind::Person }, number) else { return };
    let live = world.live(&at(side, Kind::Company));
    let mut ids: Vec<SmolStr> = Vec::new();
    for company in companies {
        let id =
            live.get(company % live.len().max(1)).filter(|id| ids.iter().all(|named| named != *id));
        ids.extend(id.map(SmolStr::from));
    }
    let value = if ids.is_empty() { Value::Null } else { Value::References(ids) };
    world.edit(&place, &id, COMPANY, value);
}

/// Meaning of a value, in one form.
pub fn plain(column: &str, value: &Value) -> Value {
    match value {
        // Whoever did not opt out has not opted out.
        Value::Null if column == OPT_OUT => Value::Boolean(false),
        Value::Decimal(text) => match text.split_once('.') {
            Some((whole, part)) => match part.trim_end_matches('0') {
                "" => Value::Decimal(whole.into()),
                part => Value::Decimal(format!("{whole}.{part}").into()),
            },
            None => value.clone(),
        },
        value => Form::Trim.apply(as_day(value)),
    }
}

/// True if two values may be the same thing in two tables, each in its system's own form.
pub fn agree(world: &World, column: &str, left: (&Place, &Value), right: (&Place, &Value)) -> bool {
    let form = |place: &Place| world.tables[place].knobs.forms.get(column).cloned();
    let shaped = |place: &Place, value: &Value| {
        plain(column, &form(place).map_or(value.clone(), |form| form.apply(value.clone())))
    };
    let (l, r) = (plain(column, left.1), plain(column, right.1));
    l == r
        || shaped(left.0, right.1) == l
        || shaped(right.0, left.1) == r
        || shaped(right.0, left.1) == shaped(left.0, right.1)
}

/// A value that can be compared with that of another system: a reference becomes the name of the
/// company, the primary one only.
pub fn meaning(world: &World, place: &Place, id: &str, column: &str) -> Value {
    match world.cell(place, id, column) {
        Value::References(ids) if column == COMPANY => {
            let companies = (place.0.clone(), Kind::Company.object().to_owned());
            let live = world.live(&companies);
            let primary = ids.first().filter(|id| live.iter().any(|live| live == *id));
            primary.map_or(Value::Null, |id| world.cell(&companies, id, Kind::Company.key()))
        }
        value => value,
    }
}

/// True if every side has the same things with the same values.
fn is_in_step(world: &World, sides: usize) -> bool {
    Kind::ALL.into_iter().all(|kind| {
        let live = |side| world.live(&at(side, kind));
        let first = at(0, kind);
        live(0).iter().all(|id| {
            let key = world.cell(&first, id, kind.key());
            (1..sides).all(|side| {
                let place = at(side, kind);
                let mut others = live(side).into_iter();
                let other = others.find(|other| world.cell(&place, other, kind.key()) == key);
                other.is_some_and(|other| {
                    kind.columns().iter().all(|column| {
                        let left = meaning(world, &first, id, column);
                        let right = meaning(world, &place, &other, column);
                        agree(world, column, (&first, &left), (&place, &right))
                    })
                })
            })
        }) && (1..sides).all(|side| live(side).len() == live(0).len())
    })
}

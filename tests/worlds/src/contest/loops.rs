//! The loops that people write without a memory of what was agreed: whole records, by time or by
//! who changed them.

use std::collections::BTreeMap;

use futures::executor::block_on;
use renkei_model::effect::EffectCall;
use renkei_model::ports::{Connector, Systems as _};
use renkei_model::record::{Action, Operation, Outcome, PageRequest, Row, Scan, WriteRequest};
use renkei_model::spec::{Direction, EntitySpec, MemberSpec, Spec};
use renkei_model::value::{Cell, SmolStr, Value};

use crate::histories::play::{Cycled, Driver};
use crate::histories::stage::{DAY, as_day};
use crate::world::reading::MODIFIED_BY;
use crate::world::{Place, Shared, place};

/// Kind of loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// The record with the later stamp is copied over the others, unless they are equal.
    LastWriter,
    /// Changes of the integration user are dropped, all others are copied.
    IgnoresOwn,
}

/// Records that are kept equal: the id in each place.
type Group = BTreeMap<Place, String>;

#[derive(Debug, Clone, Default)]
struct Memory {
    cursors: BTreeMap<Place, Vec<u8>>,
    groups: Vec<Group>,
    intents: u64,
}

/// A loop over the same ports as ours.
pub struct Loop {
    shared: Shared,
    spec: Spec,
    pattern: Pattern,
    memory: Memory,
    copy: Option<Memory>,
    /// Writes until the process dies.
    writes_left: Option<u64>,
    cycled: Cycled,
}

/// Tries for a write that asks for time.
const TRIES: usize = 3;

impl Loop {
    pub fn new(shared: Shared, spec: Spec, pattern: Pattern) -> Self {
        let (memory, copy) = (Memory::default(), None);
        Self { shared, spec, pattern, memory, copy, writes_left: None, cycled: Cycled::default() }
    }

    fn open(&self, system: &str) -> Option<Box<dyn Connector>> {
        block_on(self.shared.open(system)).ok()
    }

    fn run_entity(&mut self, entity: &EntitySpec) {
        for member in &entity.members {
            let at = place(&member.system, &member.object);
            let Some(connector) = self.open(&member.system) else { continue };
            loop {
                let request = self.request(&at, member);
                let Ok(page) = block_on(connector.read_page(&request)) else {
                    self.cycled.failed = true;
                    break;
                };
                for gone in &page.removed {
                    self.remove_others(entity, &at, &gone.id);
                }
                for row in &page.batch.rows {
                    self.copy_row(entity, member, &at, row, &request.columns);
                }
                if self.writes_left == Some(0) {
                    return;
                }
                let is_backfill = request.scan == Scan::Backfill && page.more;
                let mark = if is_backfill { b"b".as_slice() } else { b"c".as_slice() };
                let cursor = [mark, page.cursor.as_slice()].concat();
                self.memory.cursors.insert(at.clone(), cursor);
                if !page.more {
                    break;
                }
            }
        }
    }

    fn request(&self, at: &Place, member: &MemberSpec) -> PageRequest {
        let mut columns = member.read_columns();
        columns.push(MODIFIED_BY.to_owned());
        let cursor = self.memory.cursors.get(at);
        let follows = cursor.is_some_and(|cursor| cursor[0] == b'c');
        PageRequest {
            object: member.object.clone(),
            columns,
            scan: if follows { Scan::Changes } else { Scan::Backfill },
            cursor: cursor.map(|cursor| cursor[1..].to_vec()),
            filter: Vec::new(),
            limit: 100,
            options: Vec::new(),
        }
    }

    fn group_of(&mut self, at: &Place, id: &str) -> usize {
        let found = self
            .memory
            .groups
            .iter()
            .position(|group| group.get(at).is_some_and(|other| other == id));
        found.unwrap_or_else(|| {
            self.memory.groups.push(BTreeMap::from([(at.clone(), id.to_owned())]));
            self.memory.groups.len() - 1
        })
    }

    fn copy_row(
        &mut self,
        entity: &EntitySpec,
        member: &MemberSpec,
        at: &Place,
        row: &Row,
        columns: &[String],
    ) {
        let is_own = row.cells.last() == Some(&Some("integration".into()));
        if self.pattern == Pattern::IgnoresOwn && is_own {
            return;
        }
        let group = self.group_of(at, &row.id);
        for other in entity.members.iter().filter(|other| other.system != member.system) {
            let to = place(&other.system, &other.object);
            let Some(connector) = self.open(&other.system) else { continue };
            let cells = self.translate(member, other, row, columns);
            let names: Vec<String> = cells.keys().cloned().collect();
            let there = self.find(connector.as_ref(), entity, &to, group, &cells, &names);
            match there {
                Ok(Some(target)) => {
                    let is_newer = row.modified_ms > target.modified_ms;
                    let sent: Vec<Cell> = cells.values().cloned().map(Some).collect();
                    let is_due = match self.pattern {
                        Pattern::LastWriter => is_newer && sent != target.cells,
                        Pattern::IgnoresOwn => true,
                    };
                    if is_due {
                        self.send(connector.as_ref(), &to, names, Some(target.id), sent);
                    }
                }
                Ok(None) => {
                    let sent = cells.into_values().map(Some).collect();
                    let made = self.send(connector.as_ref(), &to, names, None, sent);
                    if let Some(id) = made {
                        self.memory.groups[group].insert(to, id);
                    }
                }
                Err(()) => self.cycled.failed = true,
            }
        }
    }

    /// Values that the other member should hold, by column.
    fn translate(
        &self,
        from: &MemberSpec,
        to: &MemberSpec,
        row: &Row,
        columns: &[String],
    ) -> BTreeMap<String, Value> {
        let mut cells = BTreeMap::new();
        for (group, source) in to.groups.iter().zip(&from.groups) {
            if group.direction == Direction::Read || source.direction == Direction::Write {
                continue;
            }
            let position = columns.iter().position(|column| *column == source.columns[0]);
            let Some(Some(value)) = position.and_then(|position| row.cells.get(position)) else {
                continue;
            };
            let value = match (value, &source.target, &group.target) {
                (Value::References(ids), Some(source), Some(target)) => {
                    let source = place(&from.system, source);
                    let target = place(&to.system, target);
                    let other = |id: &SmolStr| {
                        let mut groups = self.memory.groups.iter();
                        let group =
                            groups.find(|group| group.get(&source).is_some_and(|at| at == id))?;
                        group.get(&target).map(SmolStr::from)
                    };
                    let ids: Vec<SmolStr> = ids.iter().filter_map(other).collect();
                    if ids.is_empty() { Value::Null } else { Value::References(ids) }
                }
                (Value::Date(_) | Value::Timestamp(_), ..) => day_for(to, value),
                (value, ..) => value.clone(),
            };
            cells.insert(group.columns[0].clone(), value);
        }
        cells
    }

    /// The record there: by what is remembered, else by the key.
    fn find(
        &mut self,
        connector: &dyn Connector,
        entity: &EntitySpec,
        to: &Place,
        group: usize,
        cells: &BTreeMap<String, Value>,
        names: &[String],
    ) -> Result<Option<Row>, ()> {
        if let Some(id) = self.memory.groups[group].get(to).cloned() {
            let page = block_on(connector.read_records(&to.1, names, &[id])).map_err(drop)?;
            if let Some(row) = page.batch.rows.into_iter().next() {
                return Ok(Some(row));
            }
        }
        let key = &entity.fields[entity.match_keys[0].fields[0].0].name;
        let Some(value) = cells.get(key) else { return Ok(None) };
        let values = std::slice::from_ref(value);
        let found = block_on(connector.find(&to.1, names, key, values)).map_err(drop)?;
        let row = found.rows.into_iter().next();
        if let Some(row) = &row {
            self.memory.groups[group].insert(to.clone(), row.id.clone());
        }
        Ok(row)
    }

    /// Sends one operation; the id that it was about.
    fn send(
        &mut self,
        connector: &dyn Connector,
        to: &Place,
        columns: Vec<String>,
        id: Option<String>,
        cells: Vec<Cell>,
    ) -> Option<String> {
        let is_removal = cells.is_empty();
        self.memory.intents += 1;
        let operation = Operation {
            intent: format!("loop-{}", self.memory.intents),
            action: match (&id, is_removal) {
                (None, _) => Action::Create,
                (Some(_), true) => Action::Archive,
                (Some(_), false) => Action::Update,
            },
            id,
            key: Vec::new(),
            if_version: None,
            cells,
        };
        let operations = vec![operation];
        let request =
            WriteRequest { object: to.1.clone(), columns, operations, options: Vec::new() };
        for _ in 0..TRIES {
            match &mut self.writes_left {
                Some(0) => return None,
                Some(left) => *left -= 1,
                None => {}
            }
            self.cycled.wrote = true;
            let Ok(outcomes) = block_on(connector.perform(EffectCall::Write(&request))) else {
                self.cycled.failed = true;
                return None;
            };
            match outcomes.into_iter().next()? {
                Outcome::Applied(applied) => return Some(applied.id),
                Outcome::Exists(ids) => return ids.into_iter().next(),
                Outcome::RetryAfter(_) => {}
                _ => return None,
            }
        }
        None
    }

    fn remove_others(&mut self, entity: &EntitySpec, at: &Place, id: &str) {
        let found = self
            .memory
            .groups
            .iter()
            .position(|group| group.get(at).is_some_and(|other| other == id));
        let Some(group) = found else { return };
        let group = self.memory.groups.remove(group);
        for member in &entity.members {
            let to = place(&member.system, &member.object);
            let Some(other) = group.get(&to).filter(|_| to != *at) else { continue };
            if let Some(connector) = self.open(&member.system) {
                let other = Some(other.clone());
                self.send(connector.as_ref(), &to, Vec::new(), other, Vec::new());
            }
        }
    }
}

/// A day as the other system keeps it: the loops know zones as well as ours.
fn day_for(to: &MemberSpec, value: &Value) -> Value {
    let day = as_day(value);
    to.days.outward(DAY, Some(day.clone())).flatten().unwrap_or(day)
}

impl Driver for Loop {
    fn cycle(&mut self) -> Cycled {
        self.cycled = Cycled::default();
        for entity in self.spec.clone().entities() {
            self.run_entity(entity);
        }
        self.cycled
    }

    fn crash(&mut self, commits: u64) {
        self.writes_left = Some(commits);
        self.cycle();
        self.writes_left = None;
    }

    fn back_up(&mut self) {
        self.copy = Some(self.memory.clone());
    }

    fn restore(&mut self) -> bool {
        let Some(copy) = &self.copy else { return false };
        self.memory = copy.clone();
        true
    }

    fn answer(&mut self) -> bool {
        false
    }

    fn explains(&self, _at: &Place, _id: &str, _column: &str) -> bool {
        false
    }

    fn blames_whole(&self, _at: &Place, _id: &str, _column: &str) -> bool {
        false
    }

    fn remembers(&self, _column: &str, _value: &Value) -> bool {
        false
    }

    fn trace(&self) -> String {
        format!("{:?}", self.memory)
    }
}

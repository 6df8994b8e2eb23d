//! Draws a whole history from its seed, before anything runs.

use renkei_model::value::Value;

use super::dice::Dice;
use super::stage::{DAY, Kind, OPT_OUT, day, moment};
use super::step::{Act, History, Knob, Step, Table};
use crate::world::Fault;
use crate::world::knobs::{Answers, Form, OnRemoval, Refused, Versions};

const STEPS_MAX: u64 = 16;
/// The longest that a reading lags, ms; people rest longer than that in the end.
const LAG_MAX_MS: u64 = 40_000;

/// Everything unpleasant that can be drawn, by the name that `--knobs` takes.
pub const KNOBS: [&str; 31] = [
    "index-lag",
    "lag",
    "versions",
    "answers",
    "whole-seconds",
    "forms",
    "defaults",
    "refused",
    "rules",
    "referrers",
    "pages",
    "removals-apart",
    "look-back",
    "unstamped",
    "parents",
    "associations",
    "consent",
    "revived",
    "merges",
    "put-back",
    "meanwhile",
    "sweeps",
    "hidden",
    "columns",
    "clocks",
    "crashes",
    "failing-calls",
    "faults",
    "pretended",
    "backups",
    "days",
];

/// Of the knobs those that a table has from the beginning.
const TURNED: usize = 14;

struct Drawing<'a> {
    dice: Dice,
    knobs: &'a [&'static str],
    /// The knobs of this history.
    on: Vec<&'static str>,
    sides: usize,
    values: u64,
}

/// The history of a seed, with these knobs only.
pub fn draw(seed: u64, knobs: &[&'static str]) -> History {
    let mut dice = Dice::new(seed, 1);
    let sides = [2, 2, 2, 3, 3, 4][dice.index(6)];
    let mut drawing = Drawing { dice, knobs, on: Vec::new(), sides, values: 0 };
    drawing.choose_knobs();
    let mut steps = drawing.turned();
    for _ in 0..3 + drawing.dice.roll(STEPS_MAX) {
        drawing.step(&mut steps);
    }
    History { seed, sides, swept: drawing.is_swept(), steps }
}

impl Drawing<'_> {
    /// Few of them at a time, so that a failure says which, and sometimes many.
    fn choose_knobs(&mut self) {
        let most = if self.dice.one_in(8) { 8 } else { 4 };
        for _ in 0..self.dice.roll(most + 1) {
            if !self.knobs.is_empty() {
                self.on.push(self.knobs[self.dice.index(self.knobs.len())]);
            }
        }
        // An edit that no cursor shows can only be told from our own write by its version.
        if self.is_swept() {
            self.on.retain(|knob| *knob != "versions");
        }
    }

    /// A record that becomes visible without a change is found by sweeps only.
    fn is_swept(&self) -> bool {
        self.has("sweeps") || self.has("hidden")
    }

    fn has(&self, knob: &str) -> bool {
        self.on.contains(&knob)
    }

    fn table(&mut self) -> Table {
        let kind = if self.dice.one_in(4) { Kind::Company } else { Kind::Person };
        Table { side: self.dice.index(self.sides), kind }
    }

    fn turned(&mut self) -> Vec<Step> {
        let turned = self.on.iter().filter(|name| KNOBS[..TURNED].contains(name)).copied();
        let turned: Vec<&str> = turned.collect();
        turned.into_iter().map(|name| self.turn(name)).collect()
    }

    fn turn(&mut self, name: &str) -> Step {
        let mut at = self.table();
        let ms = i64::try_from(1000 + self.dice.roll(LAG_MAX_MS)).unwrap();
        let text = *self.dice.pick(at.kind.texts());
        let knob = match name {
            "index-lag" => Knob::IndexLag { ms, uneven: self.dice.one_in(2) },
            "lag" => Knob::Lag(ms),
            "versions" => Knob::Versions(*self.dice.pick(&[
                Versions::Stamp,
                Versions::RowsOnly,
                Versions::None,
            ])),
            "answers" => Knob::Answers(*self.dice.pick(&[Answers::Sent, Answers::Empty])),
            "whole-seconds" => Knob::WholeSeconds,
            "forms" => self.form(&mut at, text),
            "defaults" => {
                at.kind = Kind::Person;
                match self.dice.roll(2) {
                    0 => Knob::Default(OPT_OUT, Value::Boolean(false)),
                    _ => Knob::Default("title", "none".into()),
                }
            }
            "refused" => Knob::Refused(text, self.refused()),
            "rules" => Knob::Rule(text, self.refused()),
            "referrers" => {
                at.kind = Kind::Company;
                let all = [OnRemoval::Keep, OnRemoval::Clear, OnRemoval::Cascade];
                Knob::Referrers(*self.dice.pick(&all))
            }
            "pages" => Knob::Pages(1 + self.dice.index(3)),
            "removals-apart" => Knob::RemovalsApart,
            "look-back" => Knob::LookBack(ms),
            "unstamped" => Knob::Unstamped,
            other => panic!("{other} is no knob of a table"),
        };
        Step::Turn(at, knob)
    }

    fn form(&mut self, at: &mut Table, text: &'static str) -> Knob {
        match self.dice.roll(6) {
            0 => Knob::Form(text, Form::Cut(2)),
            1 => Knob::Form(text, Form::Trim),
            2 => Knob::Form(text, Form::Capitals),
            3 => Knob::Form(text, Form::Fill("filler".into())),
            other => {
                at.kind = Kind::Person;
                Knob::Form("amount", if other == 4 { Form::Round(0) } else { Form::Scale(2) })
            }
        }
    }

    fn refused(&mut self) -> Refused {
        match self.dice.roll(3) {
            0 => Refused::All,
            1 => Refused::Longer(2),
            _ => Refused::With("x".to_owned()),
        }
    }

    fn step(&mut self, steps: &mut Vec<Step>) {
        if !self.dice.one_in(3) {
            steps.push(Step::Wait(i64::try_from(self.dice.roll(30_000)).unwrap()));
        }
        let step = match self.dice.roll(26) {
            0..5 => Step::Act(self.appear()),
            5..13 => Step::Act(self.act()),
            13 if self.has("faults") => Step::Arm(self.fault()),
            14 if self.has("crashes") => Step::Crash(self.dice.roll(8)),
            15 if self.has("failing-calls") => Step::FailCall(self.dice.roll(12)),
            16 if self.has("meanwhile") => Step::Meanwhile(self.dice.roll(12), self.act()),
            17 if self.has("pretended") => Step::Arm(match self.dice.roll(3) {
                0 => Fault::Ignored,
                1 => Fault::Touched,
                _ => Fault::Pretended,
            }),
            18 if self.has("backups") => Step::Backup,
            19 if self.has("backups") => Step::Restore,
            _ => Step::Cycle,
        };
        steps.push(step);
    }

    /// One of few things, on one side or on several at once.
    fn appear(&mut self) -> Act {
        let kind = self.table().kind;
        let thing = u8::try_from(self.dice.roll(2)).unwrap();
        let first = self.dice.index(self.sides);
        let others: Vec<usize> = (0..self.sides).filter(|side| *side != first).collect();
        let others = others.into_iter().filter(|_| self.dice.one_in(3));
        let sides: Vec<usize> = std::iter::once(first).chain(others.collect::<Vec<_>>()).collect();
        let made = sides.into_iter().map(|side| (side, self.text())).collect();
        Act::Appear { kind, thing, made }
    }

    /// A text that nobody else has typed, or one that many type, or none.
    fn text(&mut self) -> Value {
        self.values += 1;
        match self.dice.roll(12) {
            0 => Value::Null,
            1 => "x".into(),
            2 => format!(" v{} ", self.values).as_str().into(),
            _ => format!("v{}", self.values).as_str().into(),
        }
    }

    fn value(&mut self, column: &str) -> Value {
        match column {
            "amount" => match self.dice.roll(8) {
                0 => Value::Null,
                part => Value::Decimal(format!("{}.{part}", self.dice.roll(50)).into()),
            },
            OPT_OUT => Value::Boolean(self.dice.one_in(2)),
            _ => self.text(),
        }
    }

    /// Any hour of one of few days, or none.
    fn day(&mut self, side: usize) -> Value {
        let number = 1 + u8::try_from(self.dice.roll(4)).unwrap();
        match self.dice.roll(25) {
            24 => Value::Null,
            hour if side == 0 => moment(number, i64::try_from(hour).unwrap()),
            _ => day(number),
        }
    }

    fn act(&mut self) -> Act {
        let at = self.table();
        let nth = self.dice.index(4);
        let mut column = *self.dice.pick(at.kind.texts());
        match self.dice.roll(24) {
            0..2 => Act::Remove { at, nth },
            2 if self.has("revived") => Act::Revive { at, nth },
            3..5 if self.has("put-back") => Act::PutBack { at, nth, column },
            5 if self.has("sweeps") => Act::Unsee { at, nth, column, value: self.value(column) },
            17 if self.has("merges") => Act::Merge { at, nth, renewed: self.dice.one_in(2) },
            6 if self.has("hidden") => Act::Hide { at, nth },
            7 if self.has("columns") => Act::Column { at, column },
            8 if self.has("clocks") => {
                let ms = i64::try_from(self.dice.roll(120_000)).unwrap() - 60_000;
                Act::Clock { side: at.side, ms }
            }
            9..12 if self.has("parents") || self.has("associations") => {
                let first = self.dice.index(2);
                let companies = match self.dice.roll(4) {
                    0 => Vec::new(),
                    1 | 2 if self.has("associations") => vec![first, 1 - first],
                    _ => vec![first],
                };
                Act::Parents { side: at.side, nth, companies }
            }
            roll => {
                if at.kind == Kind::Person {
                    match roll {
                        12..14 => column = "amount",
                        14..16 if self.has("consent") => column = OPT_OUT,
                        16 => column = super::stage::SCORE,
                        18..21 if self.has("days") => column = DAY,
                        _ => {}
                    }
                }
                let value = match column {
                    super::stage::SCORE => Value::Decimal(self.dice.roll(100).to_string().into()),
                    DAY => self.day(at.side),
                    column => self.value(column),
                };
                let person = u8::try_from(1 + self.dice.roll(2)).unwrap();
                Act::Edit { at, nth, column, value, person }
            }
        }
    }

    fn fault(&mut self) -> Fault {
        let column = *self.dice.pick(Kind::Person.texts());
        match self.dice.roll(14) {
            0 => Fault::Refuse,
            1 => Fault::Retry,
            2 => Fault::LostReply,
            3 => Fault::LostRequest,
            4 => Fault::LostThenUndone,
            5 => Fault::EditFirst(column.to_owned(), self.text()),
            6 => Fault::EditAfter(column.to_owned(), self.text()),
            7 => Fault::Undone,
            8 => Fault::RemoveFirst,
            9 => Fault::JobDone(self.asks()),
            10 => Fault::JobLate(self.asks()),
            11 => Fault::JobForgotten,
            _ => Fault::None,
        }
    }

    /// How often a job is told as not done.
    fn asks(&mut self) -> u8 {
        u8::try_from(self.dice.roll(3)).unwrap()
    }
}

//! Plays one history: people act, the program syncs, and the judge looks at every rest.

use std::cell::RefCell;
use std::rc::Rc;

use renkei_test_support::Promise;

use crate::history::{Act, History, Step, calm};
use crate::judge::{Violation, judge};
use crate::people::People;
use crate::program::{Meanwhile, Program, Service};
use crate::systems::Systems;

/// Cycles in which a history must come to rest.
const ROUNDS_MAX: u32 = 16;
/// Longer than any lag that the simulators may have, and than the program waits before it asks
/// again.
const PAUSE_MS: u64 = 70_000;

/// A history under way.
struct Play<P> {
    program: P,
    people: Rc<RefCell<People>>,
}

/// Plays a history on empty systems to its end or to its first violation.
///
/// # Errors
/// It could not be played.
pub fn play<P: Program>(
    history: &History,
    systems: Systems,
    program: P,
) -> anyhow::Result<(Option<Violation>, P)> {
    let people = Rc::new(RefCell::new(People::new(systems)));
    let mut play = Play { program, people };
    for step in &history.steps {
        if let Some(violation) = play.step(step)? {
            return Ok((Some(violation), play.program));
        }
    }
    let violation = play.rest()?;
    Ok((violation, play.program))
}

impl<P: Program> Play<P> {
    fn step(&mut self, step: &Step) -> anyhow::Result<Option<Violation>> {
        match step {
            Step::Appear { who, sides, lead } => {
                for side in sides {
                    self.people.borrow_mut().enter(*who, *side, *lead)?;
                }
            }
            Step::Found { company, side } => self.people.borrow_mut().found(*company, *side)?,
            Step::Offer { deal, side, company, dated } => {
                self.people.borrow_mut().offer(*deal, *side, *company, *dated)?;
            }
            Step::Act(act) => self.people.borrow_mut().act(act)?,
            Step::Sync => drop(self.program.sync()?),
            Step::SyncWhile { calls, act } => {
                let meanwhile = self.later(act);
                self.program.sync_while(*calls, meanwhile)?;
            }
            Step::Killed { calls } => self.program.sync_killed(*calls)?,
            Step::Twice => self.program.sync_twice()?,
            Step::Serve { ms, act, swap, kill } => {
                let meanwhile = act.as_ref().map(|act| self.later(act));
                let service = Service { ms: *ms, meanwhile, swap: *swap, kill: *kill };
                self.program.serve(&service)?;
            }
            Step::Wait { ms } => self.program.wait(*ms),
            Step::Faults(faults) => self.people.borrow().set_faults(faults)?,
            Step::Owner { owner, leaves } => self.people.borrow_mut().leave(*owner, *leaves)?,
            Step::Backup => {
                self.people.borrow_mut().ledger.back_up();
                self.program.back_up()?;
            }
            Step::Restore => {
                self.people.borrow_mut().ledger.restored = true;
                if let Some(refused) = self.program.restore()? {
                    let story = format!("restore failed: {refused}");
                    return Ok(Some(Violation::new(Promise::Restore, story)));
                }
            }
            Step::Rest => return self.rest(),
        }
        Ok(None)
    }

    fn later(&self, act: &Act) -> Meanwhile {
        let (people, act) = (Rc::clone(&self.people), act.clone());
        Rc::new(move || people.borrow_mut().act_amid(&act))
    }

    /// Syncs until nothing moves any more, then lets the judge look.
    fn rest(&mut self) -> anyhow::Result<Option<Violation>> {
        self.people.borrow().set_faults(&calm())?;
        self.program.lift_pauses()?;
        let mut quiet = 0;
        let mut last = String::new();
        for _ in 0..ROUNDS_MAX {
            self.program.wait(PAUSE_MS);
            let before = self.people.borrow().writes_seen()?;
            let synced = self.program.sync()?;
            last = synced.told;
            let still = synced.quiet && self.people.borrow().writes_seen()? == before;
            quiet = if still { quiet + 1 } else { 0 };
            if quiet == 2 {
                return judge(&self.program, &mut self.people.borrow_mut());
            }
        }
        Ok(Some(Violation::new(Promise::Quiet, format!("no rest in {ROUNDS_MAX} cycles: {last}"))))
    }
}

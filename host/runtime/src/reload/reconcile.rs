//! Lets serve what the files and the book say should serve.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::rejection::Refusal;
use super::{FileState, Reloader};
use crate::lifecycle::decide::{Claim, Wait, incumbent, may_serve};
use crate::lifecycle::event::ReloadEvent;
use crate::lifecycle::plugin_state::Page;
use crate::sandbox::generation::Plugin;
use crate::sandbox::limits::Cause;

impl Reloader {
    /// After a restart: what served before serves until something better is there, and can serve
    /// again when that fails. Where what served was on probation, that is what it falls back to.
    /// Its file is the one that it was, whoever else says to be the plugin too.
    pub(super) async fn recall(&mut self) {
        let mut wanted = Vec::new();
        {
            let mut book = self.registry.book();
            self.registry.unless_kept(book.refresh());
            for (id, page) in book.pages() {
                let Some(digest) = &page.serving else { continue };
                if self.registry.serving(id).is_some() {
                    continue;
                }
                let Some((name, state)) = home(&mut self.files, id, page, digest) else { continue };
                if std::mem::replace(&mut state.recalled, true) {
                    continue;
                }
                state.served = Some(id.clone());
                let is_it = state.digest.as_ref() == Some(digest) && state.fault.is_none();
                // What served on probation does so over what it falls back to.
                let own = (!is_it).then_some(digest);
                let digests: Vec<_> = page.fallback.iter().chain(own).cloned().collect();
                wanted.push((name, state.plugin.is_none(), digests));
            }
        }
        for (name, is_lost, digests) in wanted {
            for digest in digests {
                match self.load(&name, &digest).await {
                    Ok(plugin) => self.go_on(&name, is_lost, plugin),
                    Err(reason) => {
                        tracing::warn!(file = name, digest, reason, "what served before is lost");
                    }
                }
            }
        }
    }

    /// Lets a version serve as before the restart; it is all there is of a file that is lost.
    fn go_on(&mut self, name: &str, is_lost: bool, plugin: Plugin) {
        {
            let mut book = self.registry.book();
            match self.registry.serving(&plugin.generation.plugin) {
                Some(_) => self.registry.serve(&mut book, name, &plugin),
                None => self.registry.restore(&book, &plugin),
            }
        }
        if let Some(state) = self.files.get_mut(name).filter(|_| is_lost) {
            state.plugin = Some(Arc::new(plugin));
        }
    }

    /// Decides for each plugin, and does it.
    pub(super) fn settle(&mut self) {
        let mut claims: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, state) in &self.files {
            let own = state.plugin.as_ref().map(|plugin| &plugin.generation.plugin);
            if let Some(id) = own.or(state.served.as_ref()) {
                claims.entry(id.clone()).or_default().push(name.clone());
            }
        }
        for (id, names) in &claims {
            let serving = self.registry.serving(id);
            let serving = serving.as_ref().map(|served| &served.plugin.generation.digest);
            let claims = names.iter().filter_map(|file| {
                let state = self.files.get(file)?;
                let served = state.served.as_ref() == Some(id);
                let same = serving.is_some() && state.digest.as_ref() == serving;
                Some(Claim { file, served, vanished: state.vanished_ms.is_some(), same })
            });
            let own: Vec<Claim<'_>> = claims.collect();
            let chosen = incumbent(&own).map(|claim| claim.file.to_owned());
            for name in names {
                match chosen.as_ref() == Some(name) {
                    true => self.take(id, name),
                    false => self.clash(id, name, names, chosen.as_deref()),
                }
            }
        }
        for (id, served) in self.registry.all().iter() {
            if !claims.contains_key(id) {
                self.registry.remove(&mut self.registry.book(), id);
                let generation = served.plugin.generation.clone();
                self.registry.tell(ReloadEvent::Removed { generation });
            }
        }
    }

    /// The file is the plugin: what it holds serves, or waits.
    fn take(&mut self, id: &str, name: &str) {
        let Some(state) = self.files.get_mut(name) else { return };
        let Some(plugin) = state.plugin.clone() else { return };
        state.served = Some(id.to_owned());
        state.clash = None;
        let mut book = self.registry.book();
        let before = self.registry.serving(id).map(|served| served.plugin.generation.clone());
        let generation = plugin.generation.clone();
        let page = book.page(id);
        match may_serve(&page, &generation.digest, &plugin.asked()) {
            Ok(()) => {
                state.waiting = None;
                state.taken = Some(generation.digest.clone());
                if before.as_ref() != Some(&generation) {
                    self.registry.serve(&mut book, name, &plugin);
                    self.announce(name, &plugin, before);
                } else if page.file != name || page.serving.is_none() {
                    let kept = book.change(id, |page| {
                        name.clone_into(&mut page.file);
                        page.serving = Some(generation.digest.clone());
                    });
                    self.registry.unless_kept(kept);
                }
            }
            Err(wait) => {
                let told = Some((generation.digest.clone(), wait.clone()));
                let digest = Some(generation.digest.clone());
                // A roll back was told already.
                let known = matches!(wait, Wait::Bad(_)) && state.taken == digest;
                if state.waiting != told && !known {
                    let (why, reason) = (wait.word(), wait.reason(&generation));
                    let (file, serving) = (name.to_owned(), before);
                    self.registry.tell(ReloadEvent::Waiting {
                        file,
                        generation,
                        why,
                        reason,
                        serving,
                    });
                }
                state.waiting = told;
            }
        }
    }

    fn announce(
        &self,
        name: &str,
        plugin: &Plugin,
        replaced: Option<renkei_sync::model::plugin::Generation>,
    ) {
        let (file, generation) = (name.to_owned(), plugin.generation.clone());
        self.registry.tell(ReloadEvent::Loaded { file, generation, replaced });
        for (function, reason) in &plugin.one_way {
            let (function, reason) = (function.clone(), reason.clone());
            let generation = plugin.generation.clone();
            self.registry.tell(ReloadEvent::OneWay { generation, function, reason });
        }
    }

    /// The file says it is a plugin that another file, `chosen`, is, or one of `names` may be.
    fn clash(&mut self, id: &str, name: &str, names: &[String], chosen: Option<&str>) {
        let Some(state) = self.files.get_mut(name) else { return };
        if state.vanished_ms.is_some() && chosen.is_some() {
            // Renamed: the new name has taken over.
            state.served = None;
            return;
        }
        if state.vanished_ms.is_some() {
            return;
        }
        state.served = None;
        state.waiting = None;
        let reason = match chosen {
            Some(chosen) => format!(
                "`{name}` is the plugin `{id}` too, which `{chosen}` is already; remove one of \
                 these files"
            ),
            None => {
                let quoted = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
                let quoted = quoted.join(" and ");
                format!("{quoted} are all the plugin `{id}`, so none is; keep one of these files")
            }
        };
        if state.clash.as_ref() != Some(&reason) {
            let (plugin, digest) = (id.to_owned(), state.digest.clone().unwrap_or_default());
            let refusal = Refusal { plugin, digest, cause: Cause::Refused, reason: reason.clone() };
            let (stops, serving) = (&self.loader.machine.stops, self.registry.generation(id));
            refusal.tell(&self.registry, stops, name, serving);
        }
        state.clash = Some(reason);
    }
}

/// The file that a plugin that served came from: by name, or else the one with its bytes, or else
/// the only one that says to be it.
fn home<'a>(
    files: &'a mut BTreeMap<String, FileState>,
    id: &str,
    page: &Page,
    digest: &String,
) -> Option<(String, &'a mut FileState)> {
    let own = |state: &FileState| {
        let plugin = state.plugin.as_ref().map(|plugin| plugin.generation.plugin.as_str());
        plugin.map(|plugin| plugin == id)
    };
    let of = |wanted: &dyn Fn(&String, &FileState) -> bool| {
        let mut found = files.iter().filter(|(name, state)| wanted(name, state));
        found.next().filter(|_| found.next().is_none()).map(|(name, _)| name.clone())
    };
    let name = of(&|name, state| *name == page.file && own(state) != Some(false))
        .or_else(|| {
            of(&|_, state| own(state) == Some(true) && state.digest.as_ref() == Some(digest))
        })
        .or_else(|| of(&|_, state| own(state) == Some(true)))?;
    let state = files.get_mut(&name)?;
    Some((name, state))
}

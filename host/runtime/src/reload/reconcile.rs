//! Lets serve what the files and the states say should serve.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::file_state::{ClaimState, FileState};
use super::rejection::FileRejection;
use super::reloader::Reloader;
use crate::lifecycle::decide::{FileClaim, WaitReason, incumbent, may_serve};
use crate::lifecycle::event::ReloadEvent;
use crate::lifecycle::plugin_state::PluginState;
use crate::sandbox::generation::PluginGeneration;
use crate::sandbox::limits::CountedCause;

impl Reloader {
    /// After a restart: what served before serves until something better is there, and can serve
    /// again when that fails. Where what served was on probation, that is what it falls back to.
    /// Its file is the one that it was, whoever else says to be the plugin too.
    pub(super) async fn recall(&mut self) {
        let mut wanted = Vec::new();
        {
            let mut states = self.registry.states();
            self.registry.log_unsaved(states.refresh());
            for (id, plugin_state) in states.plugins() {
                let Some(digest) = &plugin_state.serving else { continue };
                if self.registry.serving(id).is_some() {
                    continue;
                }
                let Some((name, state)) = home(&mut self.files, id, plugin_state, digest) else {
                    continue;
                };
                if std::mem::replace(&mut state.is_recalled, true) {
                    continue;
                }
                state.claim = ClaimState::Serves { id: id.clone() };
                let is_it =
                    state.content.digest() == Some(digest) && state.content.fault().is_none();
                // What served on probation does so over what it falls back to.
                let own = (!is_it).then_some(digest);
                let digests: Vec<_> = plugin_state.fallback.iter().chain(own).cloned().collect();
                wanted.push((name, state.last_good.is_none(), digests));
            }
        }
        for (name, is_lost, digests) in wanted {
            for digest in digests {
                match self.load(&name, &digest).await {
                    Ok(plugin) => self.go_on(&name, is_lost, plugin),
                    Err(error) => {
                        tracing::warn!(file = name, digest, %error, "what served before is lost");
                    }
                }
            }
        }
    }

    /// Lets a version serve as before the restart; it is all there is of a file that is lost.
    fn go_on(&mut self, name: &str, is_lost: bool, plugin: PluginGeneration) {
        {
            let mut states = self.registry.states();
            match self.registry.serving(&plugin.generation.plugin) {
                Some(_) => self.registry.serve(&mut states, name, &plugin),
                None => self.registry.restore(&states, &plugin),
            }
        }
        if let Some(state) = self.files.get_mut(name).filter(|_| is_lost) {
            state.last_good = Some(Arc::new(plugin));
        }
    }

    /// Decides for each plugin which file and which version serves, and carries it out.
    pub(super) fn reconcile(&mut self) {
        let mut claims: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, state) in &self.files {
            if let Some(id) = state.plugin_id().or(state.claim.id()) {
                claims.entry(id.clone()).or_default().push(name.clone());
            }
        }
        for (id, names) in &claims {
            let serving = self.registry.serving(id);
            let serving = serving.as_ref().map(|served| &served.plugin.generation.digest);
            let claims = names.iter().filter_map(|file| {
                let state = self.files.get(file)?;
                let served = state.claim.id() == Some(id);
                let same = serving.is_some() && state.content.digest() == serving;
                Some(FileClaim { file, served, vanished: state.missing_since_ms.is_some(), same })
            });
            let own: Vec<FileClaim<'_>> = claims.collect();
            let chosen = incumbent(&own).map(|claim| claim.file.to_owned());
            for name in names {
                match chosen.as_ref() == Some(name) {
                    true => self.let_serve(id, name),
                    false => self.refuse_claim(id, name, names, chosen.as_deref()),
                }
            }
        }
        for (id, served) in self.registry.all().iter() {
            if !claims.contains_key(id) && !self.is_refused_in_its_file(id) {
                self.registry.remove(&mut self.registry.states(), id);
                let generation = served.plugin.generation.clone();
                self.registry.publish(ReloadEvent::Removed { generation });
            }
        }
        self.obey_grants();
    }

    /// The plugin that serves and came from this file.
    pub(super) fn serving_of_file(&self, name: &str) -> Option<String> {
        let (all, states) = (self.registry.all(), self.registry.states());
        all.keys().find(|id| states.plugin(id).file == name).cloned()
    }

    /// True where the plugin's file holds bytes that are refused because another file is the plugin
    /// in them. As with any bytes that are not taken, what served before goes on.
    fn is_refused_in_its_file(&self, id: &str) -> bool {
        let file = self.registry.states().plugin(id).file;
        self.files.get(&file).is_some_and(|state| state.claim.clash().is_some())
    }

    /// Cuts what serves to what is allowed now: another process may have denied something.
    fn obey_grants(&self) {
        for (id, served) in self.registry.all().iter() {
            let is_other = {
                let states = self.registry.states();
                let is_other = served.plugin.denied != states.plugin(id).denied.known;
                if is_other {
                    self.registry.regrant(&states, id);
                }
                is_other
            };
            if is_other {
                self.publish_grants(id, &served.plugin.asked(), &BTreeSet::new());
            }
        }
    }

    /// The file is the plugin: what it holds serves, or waits.
    fn let_serve(&mut self, id: &str, name: &str) {
        let Some(state) = self.files.get_mut(name) else { return };
        let Some(plugin) = state.last_good.clone() else { return };
        let mut states = self.registry.states();
        let before = self.registry.serving(id).map(|served| served.plugin.generation.clone());
        let generation = plugin.generation.clone();
        debug_assert_eq!(generation.plugin, id, "a file claims the plugin that is in it");
        let plugin_state = states.plugin(id);
        match may_serve(&plugin_state, &generation.digest, &plugin.asked()) {
            Ok(()) => {
                state.claim = ClaimState::Serves { id: id.to_owned() };
                state.served_digest = Some(generation.digest.clone());
                if before.as_ref() != Some(&generation) {
                    self.registry.serve(&mut states, name, &plugin);
                    debug_assert_eq!(
                        self.registry.generation(id),
                        Some(generation),
                        "what was let serve serves"
                    );
                    self.announce(name, &plugin, before);
                } else if plugin_state.file != name || plugin_state.serving.is_none() {
                    let kept = states.change(id, |plugin_state| {
                        name.clone_into(&mut plugin_state.file);
                        plugin_state.serving = Some(generation.digest.clone());
                    });
                    self.registry.log_unsaved(kept);
                }
            }
            Err(wait) => {
                let (id, digest) = (id.to_owned(), generation.digest.clone());
                // A roll back was published already.
                let is_known = matches!(wait, WaitReason::Bad(_))
                    && state.served_digest.as_ref() == Some(&digest);
                let claim = ClaimState::Waits { id, digest, reason: wait.clone() };
                if state.claim != claim && !is_known {
                    let (why, reason) = (wait.word(), wait.reason(&generation));
                    let (file, serving) = (name.to_owned(), before);
                    self.registry.publish(ReloadEvent::Waiting {
                        file,
                        generation,
                        why,
                        reason,
                        serving,
                    });
                }
                state.claim = claim;
            }
        }
    }

    fn announce(
        &self,
        name: &str,
        plugin: &PluginGeneration,
        replaced: Option<renkei_model::plugin::Generation>,
    ) {
        let (file, generation) = (name.to_owned(), plugin.generation.clone());
        self.registry.publish(ReloadEvent::Loaded { file, generation, replaced });
        for (function, reason) in &plugin.one_way {
            let (function, reason) = (function.clone(), reason.clone());
            let generation = plugin.generation.clone();
            self.registry.publish(ReloadEvent::OneWay { generation, function, reason });
        }
    }

    /// The file says it is a plugin that another file, `chosen`, is, or one of `names` may be.
    fn refuse_claim(&mut self, id: &str, name: &str, names: &[String], chosen: Option<&str>) {
        let Some(state) = self.files.get_mut(name) else { return };
        if state.missing_since_ms.is_some() {
            if chosen.is_some() {
                // Renamed: the new name has taken over.
                state.claim = ClaimState::Unclaimed;
            }
            return;
        }
        let reason = match chosen {
            Some(chosen) => {
                format!("`{name}` is the plugin `{id}` too, which `{chosen}` is already")
            }
            None => {
                let quoted = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
                format!("{} are all the plugin `{id}`, so none is", quoted.join(" and "))
            }
        };
        let hint = "keep one of these files and remove the others".to_owned();
        if state.claim.clash() != Some(&reason) {
            let (plugin, digest) =
                (id.to_owned(), state.content.digest().cloned().unwrap_or_default());
            let rejection = FileRejection {
                plugin,
                digest,
                cause: CountedCause::Refused,
                reason: reason.clone(),
                hint: Some(hint.clone()),
            };
            let (stops, serving) = (&self.loader.shared.stops, self.registry.generation(id));
            rejection.publish(&self.registry, stops, name, serving);
        }
        state.claim = ClaimState::Clashes { reason, hint };
    }
}

/// The file that a plugin that served came from: by name, or else the one with its bytes, or else
/// the only one that says to be it.
fn home<'a>(
    files: &'a mut BTreeMap<String, FileState>,
    id: &str,
    plugin_state: &PluginState,
    digest: &String,
) -> Option<(String, &'a mut FileState)> {
    let own = |state: &FileState| state.plugin_id().map(|plugin| plugin == id);
    // Its bytes are another file's plugin, so they are refused in this one.
    let is_foreign = |state: &FileState| {
        let twin = |other: &&FileState| other.plugin_id() == state.plugin_id();
        own(state) == Some(false) && files.values().filter(twin).count() == 1
    };
    let of = |wanted: &dyn Fn(&String, &FileState) -> bool| {
        let mut found = files.iter().filter(|(name, state)| wanted(name, state));
        found.next().filter(|_| found.next().is_none()).map(|(name, _)| name.clone())
    };
    let name = of(&|name, state| *name == plugin_state.file && !is_foreign(state))
        .or_else(|| {
            of(&|_, state| own(state) == Some(true) && state.content.digest() == Some(digest))
        })
        .or_else(|| of(&|_, state| own(state) == Some(true)))?;
    let state = files.get_mut(&name)?;
    Some((name, state))
}

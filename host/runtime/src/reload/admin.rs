//! Does what an admin requests of the plugins: by the same code beside a running `serve` and
//! without one.

use std::collections::BTreeSet;

use renkei_package::Permission;

use super::file_state::FileState;
use super::load::bare_name;
use super::reloader::Reloader;
use crate::lifecycle::admin::{
    AdminError, DIGITS_MIN, GrantsReport, GrantsWaiting, PluginAnswer, PluginReport, PluginRequest,
};
use crate::lifecycle::decide::undecided;
use crate::lifecycle::event::ReloadEvent;
use crate::lifecycle::plugin_state::PluginState;
use crate::lifecycle::view::{PluginFile, describe};
use renkei_egress::escape::words;

/// The beginning of a digest as typed, in lower case.
fn checked(digest: &str) -> Result<String, AdminError> {
    let is_hex = digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex && (DIGITS_MIN..=64).contains(&digest.len()) {
        return Ok(digest.to_ascii_lowercase());
    }
    Err(AdminError::NoDigest(words(digest)))
}

impl Reloader {
    /// Does what an admin wants, after a look at the folder.
    pub(super) async fn admin(
        &mut self,
        request: PluginRequest,
    ) -> Result<PluginAnswer, AdminError> {
        let answer = match request {
            PluginRequest::List => Ok(self.report(None)),
            PluginRequest::Reload(None) => Ok(self.report(None)),
            PluginRequest::Reload(Some(name)) => self.approve(&name),
            PluginRequest::RollBack(id) => self.roll_back(&id).await,
            PluginRequest::Hold { id, on } => self.hold(&id, on),
            PluginRequest::Grants { id, allow, deny } => self.grants(id.as_deref(), &allow, &deny),
        };
        self.show();
        answer
    }

    /// Approves what `name` holds, whatever was decided of it before. `name@digest` is that only
    /// if its SHA-256 begins so.
    fn approve(&mut self, name: &str) -> Result<PluginAnswer, AdminError> {
        let unknown = || AdminError::Unknown(name.to_owned());
        let (name, digest) = match name.rsplit_once('@') {
            Some((name, digest)) => (name, Some(checked(digest)?)),
            None => (name, None),
        };
        let bare = bare_name(name);
        let is_it = |(file, state): &(&String, &FileState)| {
            let plugin = state.plugin_id().map(String::as_str);
            Some(file.as_str()) == bare || plugin == Some(name)
        };
        let (_, state) = self.files.iter().find(is_it).ok_or_else(unknown)?;
        if let Some(fault) = state.fault() {
            let hint = state.hint().cloned();
            return Err(AdminError::Refused { reason: fault.clone(), hint });
        }
        let plugin = state.last_good.clone().ok_or_else(unknown)?;
        let generation = plugin.generation.clone();
        if digest.is_some_and(|digest| !generation.digest.starts_with(&digest)) {
            return Err(AdminError::Changed { name: name.to_owned(), is: generation.digest });
        }
        let id = generation.plugin.clone();
        let serves =
            self.registry.serving(&id).is_some_and(|now| now.plugin.generation == generation);
        if serves {
            self.registry.forgive(&id);
        } else {
            self.registry
                .states()
                .try_change(&id, |plugin_state| plugin_state.approve(&generation.digest))?;
            self.registry.publish(ReloadEvent::Approved { generation });
            self.reconcile();
        }
        Ok(self.report(Some(&id)))
    }

    async fn roll_back(&mut self, id: &str) -> Result<PluginAnswer, AdminError> {
        self.serves(id)?;
        let plugin_state = self.registry.states().plugin(id);
        let earlier = plugin_state.earlier().ok_or_else(|| AdminError::NoEarlier(id.to_owned()))?;
        let name = format!("{id} {}", earlier.version);
        let plugin = self.load(&name, &earlier.digest).await?;
        {
            let mut states = self.registry.states();
            self.registry.roll_back(&mut states, &plugin, "an admin rolled it back");
        }
        self.reconcile();
        Ok(self.report(Some(id)))
    }

    /// An error where nothing serves this plugin.
    fn serves(&self, id: &str) -> Result<(), AdminError> {
        if self.registry.serving(id).is_some() {
            return Ok(());
        }
        let known = self.registry.states().plugins().contains_key(id);
        let why = if known { AdminError::NothingServes } else { AdminError::Unknown };
        Err(why(id.to_owned()))
    }

    fn hold(&mut self, id: &str, on: bool) -> Result<PluginAnswer, AdminError> {
        self.serves(id)?;
        self.registry.states().try_change(id, |plugin_state| plugin_state.hold = on)?;
        let (plugin, serving) = (id.to_owned(), self.registry.generation(id));
        self.registry.publish(ReloadEvent::Hold { plugin, on, serving });
        self.reconcile();
        Ok(self.report(Some(id)))
    }

    fn grants(
        &mut self,
        id: Option<&str>,
        allow: &[String],
        deny: &[String],
    ) -> Result<PluginAnswer, AdminError> {
        if let Some(id) = id {
            let asked = self.asked(id).ok_or_else(|| AdminError::Unknown(id.to_owned()))?;
            let allow = self.chosen(id, allow, &asked)?;
            let deny = self.chosen(id, deny, &asked)?;
            if !allow.is_empty() || !deny.is_empty() {
                self.regrant(id, &asked, &allow, &deny)?;
            }
        }
        let serving = self.registry.all();
        let wanted = serving
            .values()
            .filter(|served| id.is_none_or(|id| served.plugin.generation.plugin == id));
        let reports = wanted.map(|served| {
            let plugin_state = self.registry.states().plugin(&served.plugin.generation.plugin);
            self.granted(&served.plugin, &plugin_state)
        });
        Ok(PluginAnswer::Grants(reports.collect()))
    }

    /// The permissions that were typed, `all` for all that are asked.
    fn chosen(
        &self,
        id: &str,
        typed: &[String],
        asked: &BTreeSet<Permission>,
    ) -> Result<BTreeSet<Permission>, AdminError> {
        if typed.iter().any(|text| text == "all") {
            return Ok(asked.clone());
        }
        let serving = self.registry.serving(id);
        let covers_unlisted = |permission: &Permission| {
            let served = serving.as_ref();
            served.is_some_and(|served| served.plugin.whole.covers_unlisted(permission))
        };
        let find = |text: &String| {
            let permission = text.parse().ok();
            let known = permission.filter(|one| asked.contains(one) || covers_unlisted(one));
            known.ok_or_else(|| AdminError::NotAsked { id: id.to_owned(), word: text.clone() })
        };
        typed.iter().map(find).collect()
    }

    fn regrant(
        &mut self,
        id: &str,
        asked: &BTreeSet<Permission>,
        allow: &BTreeSet<Permission>,
        deny: &BTreeSet<Permission>,
    ) -> Result<(), AdminError> {
        {
            let mut states = self.registry.states();
            states.try_change(id, |plugin_state| {
                let allowed = &mut plugin_state.allowed.get_or_insert_default().known;
                let denied = &mut plugin_state.denied.known;
                allowed.extend(allow.iter().cloned());
                denied.retain(|permission| !allow.contains(permission));
                denied.extend(deny.iter().cloned());
                allowed.retain(|permission| !denied.contains(permission));
            })?;
            self.registry.regrant(&states, id);
        }
        self.publish_grants(id, asked, deny);
        self.reconcile();
        Ok(())
    }

    /// Publishes the permissions of `asked` that are given, and those that are denied, also those
    /// of `deny`.
    pub(super) fn publish_grants(
        &self,
        id: &str,
        asked: &BTreeSet<Permission>,
        deny: &BTreeSet<Permission>,
    ) {
        let plugin_state = self.registry.states().plugin(id);
        let denied = plugin_state.denied.known.iter();
        let denied = denied.filter(|one| asked.contains(*one) || deny.contains(*one));
        let denied = denied.map(ToString::to_string).collect();
        let allowed = asked.iter().filter(|permission| may(&plugin_state, permission));
        let allowed = allowed.map(ToString::to_string).collect();
        let plugin = id.to_owned();
        let serving = self.registry.generation(id);
        self.registry.publish(ReloadEvent::Granted { plugin, allowed, denied, serving });
    }

    /// The permissions that a plugin asks for, in the version that serves and in the one that
    /// waits.
    fn asked(&self, id: &str) -> Option<BTreeSet<Permission>> {
        let mut asked = self.registry.serving(id)?.plugin.asked();
        let of_file = self.files.values().filter_map(|state| state.last_good.as_ref());
        for plugin in of_file.filter(|plugin| plugin.generation.plugin == id) {
            asked.extend(plugin.asked());
        }
        Some(asked)
    }

    fn granted(
        &self,
        plugin: &crate::sandbox::generation::PluginGeneration,
        plugin_state: &PluginState,
    ) -> GrantsReport {
        let asked = plugin.asked();
        let id = &plugin.generation.plugin;
        let waiting = self.files.values().filter_map(|state| {
            let candidate = state.last_good.as_ref()?;
            let more = undecided(&candidate.asked(), plugin_state);
            let other = candidate.generation.plugin == *id && state.claim.wait().is_some();
            (other && !more.is_empty()).then(|| GrantsWaiting {
                version: candidate.generation.version.clone(),
                more: more.into_iter().map(String::from).collect(),
            })
        });
        let others = plugin_state.denied.known.iter();
        let others = others.filter(|permission| plugin.whole.covers_unlisted(permission));
        let (allowed, denied): (Vec<_>, Vec<_>) =
            asked.iter().partition(|permission| may(plugin_state, permission));
        GrantsReport {
            id: id.clone(),
            version: plugin.generation.version.clone(),
            waiting: { waiting }.next(),
            allowed: allowed.into_iter().map(ToString::to_string).collect(),
            denied: denied.into_iter().chain(others).map(ToString::to_string).collect(),
            asked: asked.iter().map(ToString::to_string).collect(),
        }
    }

    /// The files as they are now, of one plugin or all.
    fn report(&self, id: Option<&str>) -> PluginAnswer {
        self.show();
        let files = describe(&self.view.load(), &self.registry);
        let of_it = |file: &&PluginFile| {
            id.is_none_or(|id| file.serving.as_ref().is_some_and(|serving| serving.plugin == id))
        };
        PluginAnswer::Plugins(files.iter().filter(of_it).map(PluginReport::from).collect())
    }
}

/// True where the permission was given and not denied.
fn may(plugin_state: &PluginState, permission: &Permission) -> bool {
    let allowed = plugin_state.allowed.as_ref();
    !plugin_state.denied.known.contains(permission)
        && allowed.is_none_or(|allowed| allowed.known.contains(permission))
}

//! Does what an admin requests of the plugins: by the same code beside a running `serve` and
//! without one.

use std::collections::BTreeSet;

use renkei_package::Permission;

use super::load::bare_name;
use super::{FileState, Reloader};
use crate::lifecycle::admin::{
    AdminError, Answer, DIGITS_MIN, GrantsReport, GrantsWaiting, PluginReport, Request,
};
use crate::lifecycle::decide::undecided;
use crate::lifecycle::event::ReloadEvent;
use crate::lifecycle::plugin_state::Page;
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
    pub(super) async fn admin(&mut self, request: Request) -> Result<Answer, AdminError> {
        let answer = match request {
            Request::List => Ok(self.report(None)),
            Request::Reload(None) => Ok(self.report(None)),
            Request::Reload(Some(name)) => self.approve(&name),
            Request::RollBack(id) => self.roll_back(&id).await,
            Request::Hold { id, on } => self.hold(&id, on),
            Request::Grants { id, allow, deny } => self.grants(id.as_deref(), &allow, &deny),
        };
        self.show();
        answer
    }

    /// What `name` holds may serve, whatever was decided of it before. `name@digest` is that only
    /// if its SHA-256 begins so.
    fn approve(&mut self, name: &str) -> Result<Answer, AdminError> {
        let unknown = || AdminError::Unknown(name.to_owned());
        let (name, digest) = match name.rsplit_once('@') {
            Some((name, digest)) => (name, Some(checked(digest)?)),
            None => (name, None),
        };
        let bare = bare_name(name);
        let is_it = |(file, state): &(&String, &FileState)| {
            let plugin = state.plugin.as_ref().map(|plugin| plugin.generation.plugin.as_str());
            Some(file.as_str()) == bare || plugin == Some(name)
        };
        let (_, state) = self.files.iter().find(is_it).ok_or_else(unknown)?;
        if let Some(fault) = state.fault.as_ref().or(state.clash.as_ref()) {
            return Err(AdminError::Refused(fault.clone()));
        }
        let plugin = state.plugin.clone().ok_or_else(unknown)?;
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
            self.registry.book().try_change(&id, |page| page.approve(&generation.digest))?;
            self.registry.tell(ReloadEvent::Approved { generation });
            self.settle();
        }
        Ok(self.report(Some(&id)))
    }

    async fn roll_back(&mut self, id: &str) -> Result<Answer, AdminError> {
        self.serves(id)?;
        let page = self.registry.book().page(id);
        let earlier = page.earlier().ok_or_else(|| AdminError::NoEarlier(id.to_owned()))?;
        let name = format!("{id} {}", earlier.version);
        let plugin = self.load(&name, &earlier.digest).await.map_err(AdminError::Refused)?;
        {
            let mut book = self.registry.book();
            self.registry.retreat(&mut book, &plugin, "an admin rolled it back");
        }
        self.settle();
        Ok(self.report(Some(id)))
    }

    /// An error where nothing serves this plugin.
    fn serves(&self, id: &str) -> Result<(), AdminError> {
        if self.registry.serving(id).is_some() {
            return Ok(());
        }
        let known = self.registry.book().pages().contains_key(id);
        let why = if known { AdminError::NothingServes } else { AdminError::Unknown };
        Err(why(id.to_owned()))
    }

    fn hold(&mut self, id: &str, on: bool) -> Result<Answer, AdminError> {
        self.serves(id)?;
        self.registry.book().try_change(id, |page| page.hold = on)?;
        let (plugin, serving) = (id.to_owned(), self.registry.generation(id));
        self.registry.tell(ReloadEvent::Hold { plugin, on, serving });
        self.settle();
        Ok(self.report(Some(id)))
    }

    fn grants(
        &mut self,
        id: Option<&str>,
        allow: &[String],
        deny: &[String],
    ) -> Result<Answer, AdminError> {
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
            let page = self.registry.book().page(&served.plugin.generation.plugin);
            self.granted(&served.plugin, &page)
        });
        Ok(Answer::Grants(reports.collect()))
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
        let page = {
            let mut book = self.registry.book();
            book.try_change(id, |page| {
                let allowed = &mut page.allowed.get_or_insert_default().known;
                let denied = &mut page.denied.known;
                allowed.extend(allow.iter().cloned());
                denied.retain(|permission| !allow.contains(permission));
                denied.extend(deny.iter().cloned());
                allowed.retain(|permission| !denied.contains(permission));
            })?;
            self.registry.regrant(&book, id);
            book.page(id)
        };
        let denied = page.denied.known.iter();
        let denied = denied.filter(|one| asked.contains(*one) || deny.contains(*one));
        let denied = denied.map(ToString::to_string).collect();
        let allowed = asked.iter().filter(|permission| may(&page, permission));
        let allowed = allowed.map(ToString::to_string).collect();
        let plugin = id.to_owned();
        let serving = self.registry.generation(id);
        self.registry.tell(ReloadEvent::Granted { plugin, allowed, denied, serving });
        self.settle();
        Ok(())
    }

    /// The permissions that a plugin asks for, in the version that serves and in the one that waits.
    fn asked(&self, id: &str) -> Option<BTreeSet<Permission>> {
        let mut asked = self.registry.serving(id)?.plugin.asked();
        let of_file = self.files.values().filter_map(|state| state.plugin.as_ref());
        for plugin in of_file.filter(|plugin| plugin.generation.plugin == id) {
            asked.extend(plugin.asked());
        }
        Some(asked)
    }

    fn granted(&self, plugin: &crate::sandbox::generation::Plugin, page: &Page) -> GrantsReport {
        let asked = plugin.asked();
        let id = &plugin.generation.plugin;
        let waiting = self.files.values().filter_map(|state| {
            let candidate = state.plugin.as_ref()?;
            let more = undecided(&candidate.asked(), page);
            let other = candidate.generation.plugin == *id && state.waiting.is_some();
            (other && !more.is_empty()).then(|| GrantsWaiting {
                version: candidate.generation.version.clone(),
                more: more.into_iter().map(String::from).collect(),
            })
        });
        let others = page.denied.known.iter();
        let others = others.filter(|permission| plugin.whole.covers_unlisted(permission));
        let (allowed, denied): (Vec<_>, Vec<_>) =
            asked.iter().partition(|permission| may(page, permission));
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
    fn report(&self, id: Option<&str>) -> Answer {
        self.show();
        let files = describe(&self.view.load(), &self.registry);
        let of_it = |file: &&PluginFile| {
            id.is_none_or(|id| file.serving.as_ref().is_some_and(|serving| serving.plugin == id))
        };
        Answer::Plugins(files.iter().filter(of_it).map(PluginReport::from).collect())
    }
}

/// True for a permission that was allowed and not denied.
fn may(page: &Page, permission: &Permission) -> bool {
    let allowed = page.allowed.as_ref();
    !page.denied.known.contains(permission)
        && allowed.is_none_or(|allowed| allowed.known.contains(permission))
}

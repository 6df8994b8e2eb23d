//! What an admin may want of plugins, and doing it: by the same code beside a running `serve` and
//! without one (issue 3, "Hot swap", "Egress").
//!
//! Requests and answers cross a socket, so they are plain data. Whoever may talk to that socket may
//! do all of it: it belongs to this user alone.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::book::{BookError, Page};
use super::event::ReloadEvent;
use super::load::bare_name;
use super::view::{KnownVersion, PluginFile, Waiting, describe};
use super::{Reloader, grants};
use crate::text::words;

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Request {
    /// Say what there is.
    List,
    /// Look at the folder now; with a file's name or an id, approve what it holds, forget that it
    /// was rolled back, end its quarantine, and ask systems again that asked for a pause.
    Reload(Option<String>),
    /// Let the version before serve again.
    RollBack(String),
    /// Let new versions wait for an approval, or no longer.
    Hold {
        /// The plugin's id.
        id: String,
        /// Whether they wait.
        on: bool,
    },
    /// Say what plugins ask and may; with an id, change it first. `all` means all that is asked.
    Grants {
        /// The plugin's id, or all.
        id: Option<String>,
        /// What it may from now on.
        allow: Vec<String>,
        /// What it may not any more.
        deny: Vec<String>,
    },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Answer {
    /// The files as they are now; of one plugin where one was named.
    Plugins(Vec<PluginReport>),
    /// What plugins ask and may.
    Grants(Vec<GrantsReport>),
}

/// One file of the plugin folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginReport {
    /// Its name in the folder.
    pub file: String,
    /// The plugin's id, if it serves.
    pub id: Option<String>,
    /// The version that serves.
    pub version: Option<String>,
    /// Its SHA-256, hex.
    pub digest: Option<String>,
    /// `connector` or `transform`.
    pub kind: Option<String>,
    /// `serving`, `probation`, `quarantined`, `waiting`, `refused` or `loading`: the first that
    /// fits from the end.
    pub state: String,
    /// Why the file as it is now is not taken.
    pub fault: Option<String>,
    /// Two-way functions that run one-way, with the reason.
    pub one_way: std::collections::BTreeMap<String, String>,
    /// The file as it is now waits.
    pub waiting: Option<Waiting>,
    /// New versions wait for an approval.
    pub hold: bool,
    /// No call is taken until then, ms since 1970.
    pub quarantined_until_ms: Option<i64>,
    /// Systems of it that asked for a pause.
    #[serde(default)]
    pub paused_systems: Vec<PausedSystem>,
    /// Versions that can serve again, newest first.
    pub versions: Vec<KnownVersion>,
}

/// A system that wants no calls for some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PausedSystem {
    /// Its name in the configuration.
    pub system: String,
    /// When it is asked again, ms since 1970.
    pub until_ms: i64,
}

impl From<&PluginFile> for PluginReport {
    fn from(file: &PluginFile) -> Self {
        let serving = file.serving.as_ref();
        let state = match file {
            _ if file.loading => "loading",
            _ if file.fault.is_some() => "refused",
            _ if file.waiting.is_some() => "waiting",
            _ if file.quarantined_until_ms.is_some() => "quarantined",
            _ if file.on_probation => "probation",
            _ => "serving",
        };
        Self {
            file: file.file.clone(),
            id: serving.map(|serving| serving.plugin.clone()),
            version: serving.map(|serving| serving.version.clone()),
            digest: serving.map(|serving| serving.digest.clone()),
            kind: file.manifest.as_ref().map(|manifest| manifest.kind.name().to_owned()),
            state: state.to_owned(),
            fault: file.fault.clone(),
            one_way: file.one_way.clone(),
            waiting: file.waiting.clone(),
            hold: file.hold,
            quarantined_until_ms: file.quarantined_until_ms,
            paused_systems: Vec::new(),
            versions: file.versions.clone(),
        }
    }
}

/// What one plugin asks and may, in words such as `slot:primary`,
/// `host:primary:https://api.example.com`, `base:primary:https://api.example.com`,
/// `auth:primary:bearer`, `token:primary:form:/oauth/token`, `token-base:primary:instance_url`,
/// `method:primary:GET`, `path:primary:/crm/v3`, `secret:client_secret`, `read:contacts`,
/// `write:contacts:create`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantsReport {
    /// The plugin's id.
    pub id: String,
    /// The version that serves.
    pub version: String,
    /// What it asks.
    pub asked: BTreeSet<String>,
    /// What it may, of that.
    pub allowed: BTreeSet<String>,
    /// What it may not.
    pub denied: BTreeSet<String>,
    /// A version that waits because it asks for more.
    pub waiting: Option<GrantsWaiting>,
}

/// A version that waits because it asks for more than was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantsWaiting {
    /// Its version.
    pub version: String,
    /// What it asks for beyond.
    pub more: BTreeSet<String>,
}

/// Why what an admin wants is not done. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// No such file or plugin.
    #[error("there is no plugin or plugin file `{0}`; see `renkei plugin list`")]
    Unknown(String),
    /// There is nothing to go back to.
    #[error(
        "`{0}` has no earlier version to go back to that was not rolled back itself; to use another \
         one, or to drop one that waits, put its file into the plugin folder"
    )]
    NoEarlier(String),
    /// The file is another one than was looked at.
    #[error("`{name}` has changed: its SHA-256 is {is}; see `renkei plugin list` again")]
    Changed {
        /// What was typed, without the digest.
        name: String,
        /// The digest of the file as it is now, hex.
        is: String,
    },
    /// What stands behind `@` is no beginning of a digest that could name one file only.
    #[error(
        "`@{0}` is no SHA-256: at least {DIGITS_MIN} of its 64 hexadecimal digits are needed; see \
         `renkei plugin list --json`"
    )]
    NoDigest(String),
    /// Its files are known, and none serves.
    #[error(
        "nothing of `{0}` serves, so there is nothing to go back from; `renkei plugin list` says \
         why, and a good version in the plugin folder ends it"
    )]
    NothingServes(String),
    /// The plugin does not ask for that.
    #[error("`{id}` does not ask for `{word}`; `renkei plugin grants {id}` lists what it asks for")]
    NotAsked {
        /// The plugin's id.
        id: String,
        /// What was typed.
        word: String,
    },
    /// The file as it is now is no plugin, or its earlier version cannot be loaded any more.
    #[error("{0}")]
    Refused(String),
    /// It cannot be remembered.
    #[error(transparent)]
    Book(#[from] BookError),
    /// The program ends.
    #[error("the plugins are being closed; run the command again")]
    Closed,
}

/// So many digits of a digest name one file: nobody makes another one that begins with them by
/// chance.
const DIGITS_MIN: usize = 12;

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
        let is_it = |(file, state): &(&String, &super::FileState)| {
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

    /// The words that were typed, `all` for all that is asked.
    fn chosen(
        &self,
        id: &str,
        typed: &[String],
        asked: &BTreeSet<String>,
    ) -> Result<BTreeSet<String>, AdminError> {
        if typed.iter().any(|word| word == "all") {
            return Ok(asked.clone());
        }
        let serving = self.registry.serving(id);
        let of_another_object = |word: &str| {
            serving
                .as_ref()
                .is_some_and(|served| grants::is_of_another_object(&served.plugin.whole, word))
        };
        let known = |word: &&String| asked.contains(*word) || of_another_object(word);
        match typed.iter().find(|word| !known(word)) {
            Some(word) => Err(AdminError::NotAsked { id: id.to_owned(), word: word.clone() }),
            None => Ok(typed.iter().cloned().collect()),
        }
    }

    fn regrant(
        &mut self,
        id: &str,
        asked: &BTreeSet<String>,
        allow: &BTreeSet<String>,
        deny: &BTreeSet<String>,
    ) -> Result<(), AdminError> {
        let page = {
            let mut book = self.registry.book();
            book.try_change(id, |page| {
                let allowed = page.allowed.get_or_insert_default();
                allowed.extend(allow.iter().cloned());
                page.denied.retain(|word| !allow.contains(word));
                page.denied.extend(deny.iter().cloned());
                allowed.retain(|word| !page.denied.contains(word));
            })?;
            self.registry.regrant(&book, id);
            book.page(id)
        };
        let denied =
            page.denied.iter().filter(|word| asked.contains(*word) || deny.contains(*word));
        let denied = denied.cloned().collect();
        let allowed = asked.difference(&page.denied).filter(|word| may(&page, word)).cloned();
        let (plugin, allowed) = (id.to_owned(), allowed.collect());
        let serving = self.registry.generation(id);
        self.registry.tell(ReloadEvent::Granted { plugin, allowed, denied, serving });
        self.settle();
        Ok(())
    }

    /// What a plugin asks for, in the version that serves and in the one that waits.
    fn asked(&self, id: &str) -> Option<BTreeSet<String>> {
        let mut asked = self.registry.serving(id)?.plugin.asked();
        let of_file = self.files.values().filter_map(|state| state.plugin.as_ref());
        for plugin in of_file.filter(|plugin| plugin.generation.plugin == id) {
            asked.extend(plugin.asked());
        }
        Some(asked)
    }

    fn granted(&self, plugin: &crate::plugin::Plugin, page: &Page) -> GrantsReport {
        let asked = plugin.asked();
        let id = &plugin.generation.plugin;
        let waiting = self.files.values().filter_map(|state| {
            let candidate = state.plugin.as_ref()?;
            let more = grants::wider(&candidate.asked(), page);
            let other = candidate.generation.plugin == *id && state.waiting.is_some();
            (other && !more.is_empty()).then(|| GrantsWaiting {
                version: candidate.generation.version.clone(),
                more: more.into_iter().collect(),
            })
        });
        let others = page.denied.iter();
        let others = others.filter(|word| grants::is_of_another_object(&plugin.whole, word));
        GrantsReport {
            id: id.clone(),
            version: plugin.generation.version.clone(),
            waiting: { waiting }.next(),
            allowed: asked.iter().filter(|word| may(page, word)).cloned().collect(),
            denied: asked.iter().filter(|word| !may(page, word)).chain(others).cloned().collect(),
            asked,
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

/// What serves may do what was not taken away.
fn may(page: &Page, word: &String) -> bool {
    !page.denied.contains(word) && page.allowed.as_ref().is_none_or(|all| all.contains(word))
}

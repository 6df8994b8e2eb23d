//! One request and what its answer means, before anybody looks at the records.
//!
//! The host adds the token, waits for quotas and repeats what is safe to repeat.

pub(crate) mod form;
pub(crate) mod query;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::bindings::exports::renkei::plugin::connector::Account;
use crate::bindings::renkei::plugin::http::{Failure, Method, Request, Response};
use crate::bindings::renkei::plugin::types::Error;
use crate::config::{App, Config};
use crate::error::{ApiError, CallFailure, problem};

use self::form::Form;
use self::query::encode;

/// The slot of the manifest.
const SLOT: &str = "primary";

/// Sends a request: the host, or what takes its place in tests.
pub(crate) type Transport = Box<dyn Fn(&Request) -> Result<Response, Failure>>;

/// The knowledge of one instance: its settings, and the forms that it has read.
pub(crate) struct Job {
    pub(crate) config: Config,
    transport: Transport,
    forms: RefCell<BTreeMap<String, Rc<Form>>>,
}

/// One answer of `app.json` (K-app-1).
#[derive(Debug, Deserialize)]
struct AppInfo {
    #[serde(rename = "appId")]
    id: String,
    name: String,
    #[serde(rename = "createdAt", default)]
    created_at: String,
}

impl Job {
    pub(crate) fn new(config: Config, transport: Transport) -> Self {
        Self { config, transport, forms: RefCell::default() }
    }

    /// The form of an object's app, read once per job.
    pub(crate) fn form(&self, app: &App) -> Result<Rc<Form>, Error> {
        if let Some(form) = self.forms.borrow().get(app.object) {
            return Ok(Rc::clone(form));
        }
        let form =
            Form::read(&self.get(app, "app/form/fields.json", &format!("app={}", app.id))?);
        let form = Rc::new(form);
        self.forms.borrow_mut().insert(app.object.to_owned(), Rc::clone(&form));
        Ok(form)
    }

    /// GET of a path below the API, with its query as it stands in the URL.
    pub(crate) fn get<T: DeserializeOwned>(
        &self,
        app: &App,
        path: &str,
        query: &str,
    ) -> Result<T, Error> {
        let answer = self.send(app, Method::Get, &format!("{path}?{query}"), None, true)?;
        read_json(&answer)
    }

    /// Sends a request; gives back an answer whose status is 2xx.
    pub(crate) fn send(
        &self,
        app: &App,
        method: Method,
        path: &str,
        body: Option<&Json>,
        repeatable: bool,
    ) -> Result<Response, CallFailure> {
        let mut headers = vec![("accept".to_owned(), "application/json".to_owned())];
        if body.is_some() {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        let answer = (self.transport)(&Request {
            slot: SLOT.to_owned(),
            method,
            path: format!("{}/{path}", self.config.base_path()),
            headers,
            body: body.map(|body| body.to_string().into_bytes()).unwrap_or_default(),
            repeatable,
            quotas: vec![app.quota.to_owned()],
            timeout_ms: None,
            facts: Vec::new(),
        });
        let answer = answer.map_err(CallFailure::Unanswered)?;
        if (200..300).contains(&answer.status) {
            return Ok(answer);
        }
        Err(CallFailure::Refused(ApiError::read(&answer)))
    }
}

/// The body of a good answer.
pub(crate) fn read_json<T: DeserializeOwned>(answer: &Response) -> Result<T, Error> {
    serde_json::from_slice(&answer.body)
        .map_err(|error| Error::Bug(format!("kintone's answer was not understood: {error}")))
}

/// Asks for each app, so that a token without a right shows here.
///
/// kintone tells no account, so the first app and the second of its birth stand for it (K-app-1).
pub(crate) fn check_account(job: &Job) -> Result<Account, Error> {
    let mut account: Option<Account> = None;
    for app in &job.config.apps {
        let id = encode(&app.id.to_string());
        let info: AppInfo = job.get(app, "app.json", &format!("id={id}"))?;
        match &mut account {
            Some(account) => account.name.push_str(&format!(", {}", info.name)),
            None => {
                let id = format!("app-{}-{}", info.id, info.created_at);
                account = Some(Account { id, name: info.name, facts: Vec::new() });
            }
        }
    }
    account.ok_or_else(|| {
        let message = "no app is configured: set customers_app or deals_app";
        Error::Invalid(problem("setting", message, "admin"))
    })
}

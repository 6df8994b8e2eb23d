//! A job whose calls are counted: for probation, quarantine and the deadline of a replaced
//! generation (WASM.md 5.1 items 8 and 9), and held to what an admin allows.

use async_trait::async_trait;

use renkei_package::ObjectAction;
use renkei_sync::plugin::{Account, Generation, PluginError, Schema};
use renkei_sync::ports::Connector;
use renkei_sync::record::{
    Action, Batch, Outcome, Page, PageRequest, Problem, Remedy, WriteRequest,
};
use renkei_sync::value::Value;

use crate::connector::Job;
use crate::fault;
use crate::registry::Unit;
use crate::reload::grants;

/// See the module's text.
pub(crate) struct Watched {
    job: Job,
    unit: Unit,
}

impl Watched {
    /// The job that `opening` makes. That it opens says nothing good of the plugin, because each
    /// job does; that it does not open counts.
    pub(crate) async fn open(
        unit: Unit,
        opening: impl Future<Output = Result<Job, PluginError>>,
    ) -> Result<Self, PluginError> {
        let opened = opening.await;
        if opened.is_err() {
            unit.tell(fault::judge(&opened));
        }
        Ok(Self { job: opened?, unit })
    }

    async fn count<T>(
        &self,
        call: impl Future<Output = Result<T, PluginError>>,
    ) -> Result<T, PluginError> {
        self.unit.may_go_on()?;
        let answer = call.await;
        self.unit.tell(fault::judge(&answer));
        answer
    }

    /// Whether an admin left it the right to this.
    fn may(&self, word: &str) -> Result<(), PluginError> {
        let plugin = self.unit.plugin();
        if !plugin.denied.contains(word) {
            return Ok(());
        }
        let problem = Problem {
            code: "not-granted".to_owned(),
            message: format!("an admin took `{word}` away; see `renkei plugin grants`"),
            field: None,
            remedy: Remedy::Admin,
        };
        Err(PluginError::Forbidden { plugin: plugin.generation.clone(), problem })
    }

    fn may_read(&self, object: &str) -> Result<(), PluginError> {
        self.may(&grants::read(object))
    }

    fn may_write(&self, object: &str, action: ObjectAction) -> Result<(), PluginError> {
        self.may_read(object)?;
        self.may(&grants::write(object, action))
    }
}

fn as_asked(action: Action) -> ObjectAction {
    match action {
        Action::Create => ObjectAction::Create,
        Action::Update => ObjectAction::Update,
        Action::Upsert => ObjectAction::Upsert,
        Action::Archive => ObjectAction::Archive,
        Action::Restore => ObjectAction::Restore,
        Action::Merge => ObjectAction::Merge,
    }
}

#[async_trait]
impl Connector for Watched {
    fn generation(&self) -> &Generation {
        self.job.generation()
    }

    async fn check(&self) -> Result<Account, PluginError> {
        self.count(self.job.check()).await
    }

    async fn discover(&self, objects: &[String]) -> Result<Vec<Schema>, PluginError> {
        objects.iter().try_for_each(|object| self.may_read(object))?;
        self.count(self.job.discover(objects)).await
    }

    async fn read_page(&self, request: &PageRequest) -> Result<Page, PluginError> {
        self.may_read(&request.object)?;
        self.count(self.job.read_page(request)).await
    }

    async fn read_records(
        &self,
        object: &str,
        columns: &[String],
        ids: &[String],
    ) -> Result<Page, PluginError> {
        self.may_read(object)?;
        self.count(self.job.read_records(object, columns, ids)).await
    }

    async fn find(
        &self,
        object: &str,
        columns: &[String],
        key: &str,
        values: &[Value],
    ) -> Result<Batch, PluginError> {
        self.may_read(object)?;
        self.count(self.job.find(object, columns, key, values)).await
    }

    async fn write(&self, request: &WriteRequest) -> Result<Vec<Outcome>, PluginError> {
        for operation in &request.operations {
            self.may_write(&request.object, as_asked(operation.action))?;
        }
        self.count(self.job.write(request)).await
    }

    async fn merge(
        &self,
        object: &str,
        winner: &str,
        losers: &[String],
    ) -> Result<Outcome, PluginError> {
        self.may_write(object, ObjectAction::Merge)?;
        self.count(self.job.merge(object, winner, losers)).await
    }
}

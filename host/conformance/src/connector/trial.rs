//! One connector under trial: its jobs, its scans, and the system that it is tried on.

use renkei_model::plugin::{PluginError, Schema};
use renkei_model::ports::{Clock, Connector, Systems};
use renkei_model::record::{Page, PageRequest, Scan};
use renkei_model::value::Value;
use renkei_package::ConnectorManifest;

use crate::report::NotPassed;
use crate::simulator_control::SimulatorControl;

/// A scan with more pages does not end.
const PAGES_MAX: usize = 2_000;

/// A connector, and the system that it is tested on.
#[derive(Clone, Copy)]
pub struct ConnectorTrial<'a> {
    /// Opens jobs.
    pub systems: &'a dyn Systems,
    /// The same plugin under small limits, if it starts there; the error says why not.
    pub small: Result<&'a dyn Systems, &'a str>,
    /// The system's name there.
    pub system: &'a str,
    /// The same system with credentials that nobody issued, if it needs any.
    pub refused: Option<&'a str>,
    /// The connector's own description.
    pub manifest: &'a ConnectorManifest,
    /// The control of the simulator.
    pub control: &'a dyn SimulatorControl,
    /// The clock that simulator and host share.
    pub clock: &'a dyn Clock,
    /// Unique for this run; every intent begins with it.
    pub run: &'a str,
    /// The longest wait for a quota that the kit waits out, ms of the clock.
    pub patience_ms: u64,
}

impl ConnectorTrial<'_> {
    /// The live schema of one object.
    pub(super) async fn schema(&self, object: &str) -> Result<Schema, NotPassed> {
        let found = match self.open().await?.discover(&[object.to_owned()]).await {
            Ok(found) => found,
            Err(PluginError::NotFound { .. } | PluginError::Forbidden { .. }) => {
                return Err(NotPassed::not_applicable("the simulator does not have this object"));
            }
            Err(error) => return Err(error.into()),
        };
        let schema = found.into_iter().find(|schema| schema.object == object);
        schema.ok_or_else(|| NotPassed::failed("no schema of the object asked for"))
    }

    /// Opens a job of its own.
    pub(crate) async fn open(&self) -> Result<Box<dyn Connector>, PluginError> {
        self.systems.open(self.system).await
    }

    /// All pages of a scan from a cursor, read by one fresh job.
    pub(crate) async fn scan(&self, wanted: PageRequest) -> Result<Vec<Page>, NotPassed> {
        let job = self.open().await?;
        let mut wanted = wanted;
        let mut pages = Vec::new();
        while pages.len() < PAGES_MAX {
            let page = job.read_page(&wanted).await?;
            let more = page.more;
            let wait = page.facts.iter().find(|(code, _)| code == "wait-ms");
            if let Some((_, Value::Integer(ms))) = wait {
                self.clock.sleep_ms(ms.unsigned_abs()).await;
            }
            wanted.cursor = Some(page.cursor.clone());
            pages.push(page);
            if !more {
                return Ok(pages);
            }
        }
        Err(NotPassed::failed(format!("the scan does not end within {PAGES_MAX} pages")))
    }
}

/// The request of a scan's first page.
pub(crate) fn page_request(
    object: &str,
    scan: Scan,
    columns: &[String],
    limit: u32,
) -> PageRequest {
    PageRequest {
        object: object.to_owned(),
        columns: columns.to_vec(),
        scan,
        cursor: None,
        filter: Vec::new(),
        limit,
        options: Vec::new(),
    }
}

/// The ids of the rows of pages, in their order.
pub(crate) fn ids(pages: &[Page]) -> Vec<String> {
    pages.iter().flat_map(|page| &page.batch.rows).map(|row| row.id.clone()).collect()
}

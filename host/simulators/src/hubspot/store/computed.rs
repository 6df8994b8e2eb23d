//! Values that HubSpot makes by itself: derived, filled in, calculated, companies of mail domains.

use std::sync::Arc;

use crate::control::Origin;
use crate::hubspot::kinds::{KindPair, ObjectKind};
use crate::hubspot::schema::DEAL_STAGES;
use crate::hubspot::stamp;
use crate::hubspot::store::{CheckedValues, HubSpotStore, RecordAuthor};
use crate::hubspot::table::{HubSpotRecord, HubSpotRow};

impl HubSpotStore {
    /// Relates a contact to the company of its mail domain, which is made if it is not there.
    pub(super) fn link_domain(&mut self, contact: u64, now_ms: i64) {
        let mail =
            self.live(ObjectKind::Contact, contact).and_then(|record| record.row.value("email"));
        let domain =
            mail.and_then(|mail| mail.split_once('@')).map(|(_, domain)| domain.to_owned());
        let (Some(domain), Some(pair)) =
            (domain, KindPair::between(ObjectKind::Contact, ObjectKind::Company))
        else {
            return;
        };
        let companies =
            self.table(ObjectKind::Company).into_iter().flat_map(|table| table.after(0));
        let of_domain = |record: &&HubSpotRecord| {
            record.archived_ms.is_none() && record.row.value("domain") == Some(&*domain)
        };
        let found = companies.filter(of_domain).map(|record| record.row.id).next();
        let company = found.unwrap_or_else(|| {
            let values = ["name", "domain"].map(|name| (name.into(), Some(domain.as_str().into())));
            // The vendor's own doing, which no client asked for.
            let by = RecordAuthor { origin: Origin::Human, now_ms };
            self.insert(ObjectKind::Company, CheckedValues::from(values), by)
        });
        self.associations.link(pair, contact, company, false);
    }

    /// The values of a change with those that HubSpot adds to it.
    pub(super) fn completed(
        &self,
        kind: ObjectKind,
        row: &HubSpotRow,
        mut checked: CheckedValues,
        now_ms: i64,
    ) -> CheckedValues {
        let closes = |stage: &Option<Box<str>>| {
            stage.as_deref().is_some_and(|stage| matches!(stage, "closedwon" | "closedlost"))
        };
        let moved =
            checked.get("dealstage").filter(|stage| stage.as_deref() != row.value("dealstage"));
        if self.knobs.hubspot.closing_sets_date
            && kind == ObjectKind::Deal
            && moved.is_some_and(closes)
            && !checked.contains_key("closedate")
        {
            checked.insert("closedate".into(), Some(stamp::iso(now_ms).into()));
        }
        checked
    }

    /// Restamps a record as the vendor's calculations do, seen by the search at once.
    pub(in crate::hubspot) fn recalculate(&mut self, kind: ObjectKind, id: u64, now_ms: i64) {
        self.touch(kind, id, false, now_ms);
        if let Some(table) = self.table_mut(kind) {
            table.refresh(id);
        }
    }

    /// Plans the calculations that follow a write.
    pub(super) fn plan_calculation(&mut self, kind: ObjectKind, id: u64, now_ms: i64) {
        if self.knobs.hubspot.recalculate_after_ms > 0 {
            let due_ms = now_ms + self.knobs.hubspot.recalculate_after_ms;
            self.calculations.push_back((due_ms, kind, id));
        }
    }

    /// Sets the values that HubSpot computes itself.
    pub(in crate::hubspot) fn derive(&self, kind: ObjectKind, row: &mut HubSpotRow) {
        let mut set = |name: &str, value: String| {
            let known = self.schema(kind).and_then(|schema| schema.known(name, Origin::Human));
            if let Some(property) = known {
                row.values.insert(Arc::clone(&property.name), value.into());
            }
        };
        set("hs_object_id", row.id.to_string());
        set(kind.created_property(), stamp::iso(row.created_ms));
        set(kind.modified_property(), stamp::iso(row.modified_ms));
        match kind {
            ObjectKind::Deal => derive_deal(row),
            ObjectKind::Note => {
                let preview = row.value("hs_note_body").unwrap_or_default().chars().take(200);
                let preview: String = preview.collect();
                row.values.insert("hs_body_preview".into(), preview.into());
            }
            _ => {}
        }
    }
}

fn derive_deal(row: &mut HubSpotRow) {
    let Some(stage) = row.value("dealstage").map(str::to_owned) else { return };
    let found = DEAL_STAGES.iter().find(|(id, ..)| *id == stage);
    let probability = found.map_or("0.0", |(.., probability)| probability);
    let (won, lost) = (stage == "closedwon", stage == "closedlost");
    row.values.insert("hs_deal_stage_probability".into(), probability.into());
    row.values.insert("hs_is_closed".into(), (won || lost).to_string().into());
    row.values.insert("hs_is_closed_won".into(), won.to_string().into());
    row.values.entry("pipeline".into()).or_insert_with(|| "default".into());
}

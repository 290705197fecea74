//! What `kalends doctor` checks: that the index says what the bytes say, that nothing is orphaned, that seqs fit
//! their calendars and that the audit chain is whole. It reads and reports; it repairs nothing.

use bytes::Bytes;

use super::index::{index_columns, index_faults};
use super::open::HASH_KEY_LOST;
use super::sql::{StoreError, args};
use super::trail::Trail;
use super::tx::{ReadTx, Store};
use crate::domain::ids::FirmId;
use crate::domain::object::CalendarObject;

/// Objects looked at in one go.
const PAGE: i64 = 500;
/// Audit events looked at in one go.
const AUDIT_PAGE: u32 = 500;
/// Findings that are spelt out; beyond that they are only counted.
const FINDINGS_MAX: usize = 200;

/// Something that should not be.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// Which check found it.
    pub check: &'static str,
    /// Which row, by ids.
    pub place: String,
    /// What is wrong, in a sentence.
    pub what: String,
}

/// Where a firm's audit trail ends. Noted elsewhere, it shows later whether an older copy of the database took the place of
/// this one, which nothing inside the database can show.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct TrailEnd {
    /// The firm.
    pub firm_id: String,
    /// How many events there are.
    pub events: i64,
    /// The last one's keyed hash, in hexadecimal.
    pub chain: String,
}

/// What was checked and found.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// Objects whose bytes were compared with their index.
    pub objects: u64,
    /// Past states whose bytes were compared with their tags.
    pub versions: u64,
    /// Audit events whose chain was followed.
    pub audit_events: u64,
    /// Where the audit trails end that are whole.
    pub audit_trails: Vec<TrailEnd>,
    /// What was found, up to a limit.
    pub findings: Vec<Finding>,
    /// How much was found in all.
    pub finding_count: u64,
}

impl Report {
    pub(super) fn found(&mut self, check: &'static str, place: String, what: impl Into<String>) {
        self.finding_count += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { check, place, what: what.into() });
        }
    }

    /// A value that cannot be what we wrote is a finding of its own, and no reason to check nothing else.
    pub(super) fn unreadable(
        &mut self,
        check: &'static str,
        place: String,
        done: Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        match done {
            Err(StoreError::Corrupt(what)) => {
                self.found(check, place, format!("something in it is unreadable: {what}"))
            }
            done => done?,
        }
        Ok(())
    }
}

impl Store {
    /// Checks everything.
    ///
    /// # Errors
    /// The database failed; what is wrong with its content is in the report.
    pub async fn doctor(&self) -> Result<Report, StoreError> {
        let mut report = Report::default();
        let mut tx = self.read().await?;
        tx.check_orphans(&mut report).await?;
        if tx.first("select 1 from store_meta where name = $1", args![HASH_KEY_LOST]).await?.is_some() {
            let what = "the key of keyed hashes was gone and another was made: no token, app password or session of before \
                        is known any more, and no audit trail of before is known for ours";
            report.found("hash_key", "store_meta".to_owned(), what);
        }
        let done = tx.check_objects(&mut report).await;
        report.unreadable("index", "objects".to_owned(), done)?;
        let done = tx.check_versions(&mut report).await;
        report.unreadable("version", "versions".to_owned(), done)?;
        let done = tx.check_trails(&mut report).await;
        report.unreadable("audit_chain", "firms".to_owned(), done)?;
        Ok(report)
    }
}

impl ReadTx {
    async fn check_trails(&mut self, report: &mut Report) -> Result<(), StoreError> {
        for (firm, _) in self.firms().await? {
            let done = self.check_trail(&firm, report).await;
            report.unreadable("audit_chain", format!("audit_events of {firm}"), done)?;
        }
        Ok(())
    }

    async fn check_trail(&mut self, firm: &FirmId, report: &mut Report) -> Result<(), StoreError> {
        let store = self.store.clone();
        let Some(head) = self.audit_head(firm).await? else {
            report.found("audit_chain", firm.to_string(), "where the audit events of the firm end is not noted");
            return Ok(());
        };
        if !head.is_sealed(store.hash_key(), firm) {
            let what = "where the audit events of the firm end was not noted by this installation";
            report.found("audit_chain", firm.to_string(), what);
            return Ok(());
        }
        let mut trail = Trail::begin(store.hash_key(), firm, &head);
        loop {
            let events = self.audit_events(firm, trail.last.number, AUDIT_PAGE).await?;
            if events.is_empty() {
                break;
            }
            report.audit_events += events.len() as u64;
            if let Some(number) = trail.follow(events) {
                report.found("audit_chain", format!("{firm}/{number}"), "the chain of audit events breaks here");
                return Ok(());
            }
        }
        if let Some(what) = trail.broken_end() {
            report.found("audit_chain", format!("{firm}/{}", trail.last.number + 1), what);
            return Ok(());
        }
        let sql = "select count(*) from audit_events where firm_id = $1";
        if self.first(sql, args![firm]).await?.map(|r| r.int(0)).transpose()? != Some(head.number) {
            report.found("audit_chain", firm.to_string(), "there are audit events outside the chain");
            return Ok(());
        }
        let chain = hex::encode(&head.chain);
        report.audit_trails.push(TrailEnd { firm_id: firm.to_string(), events: head.number, chain });
        Ok(())
    }

    async fn check_objects(&mut self, report: &mut Report) -> Result<(), StoreError> {
        let mut after = String::new();
        loop {
            let rows = self
                .all(
                    &format!(
                        "select object_id, uid, etag, bytes_len, data, {} from objects where object_id > $1 \
                         order by object_id limit $2",
                        index_columns()
                    ),
                    args![after.as_str(), PAGE],
                )
                .await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.text(0)?;
            for row in &rows {
                report.objects += 1;
                let place = row.text(0)?;
                let bytes = Bytes::from(row.bytes(4)?);
                if i64::try_from(bytes.len()).ok() != Some(row.int(3)?) {
                    report.found("index", place.clone(), "the size is not that of the bytes");
                }
                let object = match CalendarObject::from_stored(bytes) {
                    Ok(object) => object,
                    Err(error) => {
                        report.found("index", place, format!("the stored bytes are no calendar object: {error}"));
                        continue;
                    }
                };
                let named = [("tag", row.text(2)? != object.etag().as_str()), ("UID", row.text(1)? != object.uid())];
                let named = named.iter().filter(|(_, is_wrong)| *is_wrong).map(|(what, _)| *what);
                for what in named.chain(index_faults(row, 5, &object)?) {
                    report.found("index", place.clone(), format!("the {what} in the index is not that of the bytes"));
                }
            }
        }
    }

    async fn check_versions(&mut self, report: &mut Report) -> Result<(), StoreError> {
        let (mut object, mut version) = (String::new(), 0);
        loop {
            let rows = self
                .all(
                    "select object_id, version, etag, data from versions where object_id > $1 \
                     or (object_id = $1 and version > $2) order by object_id, version limit $3",
                    args![object.as_str(), version, PAGE],
                )
                .await?;
            let Some(last) = rows.last() else { return Ok(()) };
            (object, version) = (last.text(0)?, last.int(1)?);
            for row in &rows {
                report.versions += 1;
                let tag = row.opt_bytes(3)?.map(|d| crate::domain::object::ETag::of(&d));
                if row.opt_text(2)? != tag.map(|t| t.as_str().to_owned()) {
                    let place = format!("{}/{}", row.text(0)?, row.int(1)?);
                    report.found("version", place, "the tag is not that of the bytes");
                }
            }
        }
    }
}

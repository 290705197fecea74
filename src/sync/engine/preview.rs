//! What a run would do now: the run itself, in a transaction that is taken back. What is shown is therefore what is then
//! carried out, but for what changes between the two.

use std::collections::BTreeSet;
use std::sync::Mutex;

use super::account::ask;
use super::send::{Send, WAITS, Why};
use super::{Account, Engine, Job};
use crate::domain::access::Right;
use crate::domain::ids::{FirmId, LinkId};
use crate::domain::sync::{ConnectionStatus, MappingState, ParkReason, RunKind, Way, apart};
use crate::store::{Lease, Mapping, Outgoing, RunTotals, Warning, WriteTx};
use crate::sync::desk::{DeskError, PREVIEW_ITEMS_MAX, Preview, PreviewItem};
use crate::sync::guard::{REMOVALS_FREE, Verdict, verdict};
use crate::upstream::{Failure, Next};

/// Pages that a preview looks at: enough for the changes of any day, not for a first import of a huge calendar.
const PAGES_MAX: usize = 20;
/// Rows of the outbox that a preview looks at.
const ITEMS_MAX: u32 = 10_000;

impl Engine {
    pub(super) async fn preview(&self, firm: &FirmId, id: &LinkId) -> Result<Preview, DeskError> {
        let mut job = self.dry_job(firm, id).await?;
        let mut preview = Preview { items: Vec::new(), total: 0, stopped: None, warnings: Vec::new() };
        let cursor = job.link.cursor.clone().filter(|_| job.kind != RunKind::Resync);
        let (news, complete, full) = self.listen(&mut job, cursor, &mut preview.warnings).await?;
        let mut tx = self.store().write().await?;
        job.run = Some(tx.begin_run(&job.link, job.kind, &job.account.correlation_id).await?);
        let generation = job.link.generation + i64::from(full);
        let mut losses = Vec::new();
        if full {
            job.link.cursor = None;
        }
        self.apply_in(&mut tx, &mut job, &news, generation, &mut losses).await?;
        if full && complete {
            self.absent_in(&mut tx, &job, generation, &mut losses).await?;
        }
        let counts = tx.count_mappings(firm, id).await.map_err(DeskError::Store)?;
        let (removals, gone) = self.weigh(&mut tx, &job, &losses).await?;
        let mappings = u64::try_from(counts.live + counts.conflicts).unwrap_or(0);
        let said = !full && removals <= REMOVALS_FREE;
        match verdict(mappings, removals, gone) {
            Verdict::Confirm { removals, mappings } if !said => {
                preview.stopped = Some(format!("{removals} of {mappings} would be removed; somebody must confirm"));
            }
            _ => {}
        }
        for loss in &losses {
            self.lose(&mut tx, &mut job, loss).await?;
        }
        self.tell_pulled(&mut tx, &job, &mut preview).await?;
        if job.link.settings.direction.pushes() && job.up.writable() {
            self.tell_pushes(&mut tx, &job, &mut preview).await?;
        }
        drop(tx); // taken back
        Ok(preview)
    }

    /// A job that holds no lease: whatever it would write is taken back.
    async fn dry_job(&self, firm: &FirmId, id: &LinkId) -> Result<Job, DeskError> {
        let mut tx = self.store().read().await?;
        let link = tx.link_by_id(firm, id).await?.ok_or(DeskError::NotFound)?;
        let connection = tx.connection(firm, &link.connection).await?.ok_or(DeskError::NotFound)?;
        if connection.status != ConnectionStatus::Active {
            return Err(DeskError::Refused(format!("the connection is {}", connection.status)));
        }
        let unknown = || DeskError::NotConfigured(format!("{} is not set up here", connection.provider));
        let up = self.registry().of(connection.provider).ok_or_else(unknown)?;
        let user = tx.user(firm, &link.user).await?.ok_or(DeskError::NotFound)?;
        let caller = user.acted_for();
        let (access, _) =
            tx.calendar_by_id(&caller, &link.calendar, Right::Write).await.map_err(|_| DeskError::NotFound)?;
        let lease = Lease { firm: firm.clone(), link: id.clone(), fence: link.fence };
        Ok(Job {
            lease,
            kind: link.due_kind,
            account: Account { connection, calendar: link.remote.clone(), correlation_id: "preview".to_owned() },
            link,
            up,
            access,
            caller,
            run: None,
            totals: RunTotals::default(),
            left: None,
            hearing: super::Hearing::default(),
            heard: false,
            waits: BTreeSet::new(),
            read: Mutex::default(),
        })
    }

    /// Everything that the provider says now; whether it is complete, and whether it is everything.
    async fn listen(
        &self,
        job: &mut Job,
        mut cursor: Option<String>,
        warnings: &mut Vec<String>,
    ) -> Result<(Vec<super::hear::News>, bool, bool), DeskError> {
        let (mut news, mut page) = (Vec::new(), None::<String>);
        if job.up.lists_all() {
            cursor = None;
        }
        let listing_of = |job: &Job, full: bool| {
            super::hear::Listing::new(&*job.up, full, job.link.generation + i64::from(full)).dry()
        };
        let mut listing = listing_of(job, cursor.is_none());
        for _ in 0..PAGES_MAX {
            let up = job.up.clone();
            let batch = match ask!(self, &mut job.account, |at| up.changes(at, cursor.as_deref(), page.as_deref())) {
                Err(Failure::CursorLost) if cursor.is_some() => {
                    (cursor, page) = (None, None);
                    news.clear();
                    listing = listing_of(job, true);
                    continue;
                }
                batch => batch?,
            };
            warnings.extend(batch.unreadable);
            news.extend(self.gather(job, batch.entries, &mut listing).await?);
            if !matches!(batch.next, Next::Page(_)) {
                news.extend(listing.rest());
            }
            match batch.next {
                Next::Page(next) => page = Some(next),
                Next::Complete(_) => return Ok((news, warnings.is_empty(), cursor.is_none())),
                Next::Partial => break,
            }
        }
        warnings.push("the provider's listing is longer than a preview looks at".to_owned());
        Ok((news, false, cursor.is_none()))
    }

    async fn tell_pulled(&self, tx: &mut WriteTx, job: &Job, preview: &mut Preview) -> Result<(), DeskError> {
        let Some(run) = &job.run else { return Ok(()) };
        let items = tx.run_items(&job.lease.firm, run, 0, ITEMS_MAX).await?;
        for item in items {
            let local = match &item.object {
                Some(object) => self.local(tx, job, object).await?,
                None => None,
            };
            let told = PreviewItem {
                way: item.way,
                action: item.action,
                object: item.object,
                remote: item.remote,
                title: local.as_ref().and_then(|l| l.object.index().summary.clone()),
                start: local.as_ref().and_then(|l| l.object.index().span).map(|s| s.starts),
                note: item.note,
            };
            add(preview, told);
        }
        Ok(())
    }

    async fn tell_pushes(&self, tx: &mut WriteTx, job: &Job, preview: &mut Preview) -> Result<(), DeskError> {
        let mut told = BTreeSet::new();
        let (firm, link) = (&job.lease.firm, &job.lease.link);
        preview.warnings.extend(tx.link_warnings(firm, link).await?.iter().map(Warning::told));
        loop {
            let mut waiting = tx.outgoing_all(firm, link, ITEMS_MAX).await?;
            waiting.retain(|one| told.insert(one.object.clone()));
            if waiting.is_empty() {
                return Ok(());
            }
            // A series that goes out as its instances queues them.
            self.tell_waiting(tx, job, preview, waiting).await?;
        }
    }

    async fn tell_waiting(
        &self,
        tx: &mut WriteTx,
        job: &Job,
        preview: &mut Preview,
        waiting: Vec<Outgoing>,
    ) -> Result<(), DeskError> {
        for one in waiting {
            let considered = self.consider(tx, job, &one).await?;
            if let (Some(_), Some(local)) = (&considered.apart, &considered.local) {
                // As it is once the series is gone.
                let state = MappingState::Parked(ParkReason::Expanded);
                tx.put_mapping(&job.lease, &Mapping { state, ..considered.mapping.clone() }).await?;
                self.spread(tx, job, local).await?;
            } else if considered.mapping.state == MappingState::Parked(ParkReason::Expanded) {
                self.look_at_instances(tx, job, &one.object).await?;
            }
            let said = |warnings: &[String]| (!warnings.is_empty()).then(|| warnings.join("; "));
            let (action, note) = match considered.sending {
                Send::Create(item) => ("created", said(&item.warnings)),
                Send::Wait => ("created", Some(WAITS.to_owned())),
                Send::Update { item, .. } => ("updated", said(&item.warnings)),
                Send::Delete(Why::Deleted) => ("deleted", None),
                Send::Delete(Why::Withdrawn) => ("withdrawn", None),
                Send::Delete(Why::Expanded) => ("withdrawn", considered.apart),
                Send::Look => ("looked for", None),
                Send::Park(reason) => ("parked", Some(reason.sentence())),
                Send::Done if considered.apart.is_some() => ("expanded", considered.apart),
                Send::Done | Send::Agree(_) | Send::Stay(_) | Send::Bury | Send::Judge => continue,
            };
            let told = PreviewItem {
                way: Way::Push,
                action: action.to_owned(),
                object: Some(apart::whole(&one.object)),
                remote: considered.mapping.remote.map(|r| r.0),
                title: considered.local.as_ref().and_then(|l| l.object.index().summary.clone()),
                start: considered.local.as_ref().and_then(|l| l.object.index().span).map(|s| s.starts),
                note,
            };
            add(preview, told);
        }
        Ok(())
    }
}

fn add(preview: &mut Preview, item: PreviewItem) {
    preview.total += 1;
    if preview.items.len() < PREVIEW_ITEMS_MAX {
        preview.items.push(item);
    }
}

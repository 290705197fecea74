//! A user's syncing as their export tells it. Tokens are not in it: they open the account for whoever has them.

use serde::Serialize;
use utoipa::ToSchema;

use super::conflicts::ConflictView;
use super::history::RunView;
use super::notices::NoticeView;
use super::status::{self, StatusView};
use crate::api::extract::Visitor;
use crate::api::problem::Problem;
use crate::auth::Gate;
use crate::store::{ConflictFilter, RunFilter};

/// Rows read at once.
const PAGE: u32 = 500;
/// Runs, conflicts or notices of one export: they are in memory together.
const ROWS_MAX: u32 = 20_000;

/// Everything of a user's syncing.
#[derive(Debug, Serialize, ToSchema)]
pub struct SyncExport {
    /// Connections, without their tokens, and links with what is set about them.
    #[serde(flatten)]
    status: StatusView,
    /// Runs, newest first.
    runs: Vec<RunView>,
    /// Conflicts, newest first.
    conflicts: Vec<ConflictView>,
    /// Notices, newest first.
    notices: Vec<NoticeView>,
    /// Whether this is all of it: `false` beyond twenty thousand of a kind.
    complete: bool,
}

/// All of it.
pub async fn everything(gate: &Gate, visitor: &Visitor) -> Result<SyncExport, Problem> {
    let owner = (&visitor.caller.firm, &visitor.caller.user);
    let mut tx = gate.store.read().await?;
    let status = status::stand(&mut tx, visitor).await?;
    let (mut runs, mut conflicts, mut notices) = (Vec::new(), Vec::new(), Vec::new());
    let mut left = 0;
    for offset in (0..ROWS_MAX).step_by(PAGE as usize) {
        let (page, total) = tx.runs(owner, &RunFilter::default(), (PAGE, offset)).await?;
        left = left.max(total - i64::from(ROWS_MAX));
        let is_last = page.len() < PAGE as usize;
        runs.extend(page.into_iter().map(RunView::of));
        if is_last {
            break;
        }
    }
    for offset in (0..ROWS_MAX).step_by(PAGE as usize) {
        let (page, total) = tx.conflicts(owner, &ConflictFilter::default(), (PAGE, offset)).await?;
        left = left.max(total - i64::from(ROWS_MAX));
        let is_last = page.len() < PAGE as usize;
        conflicts.extend(page.into_iter().map(ConflictView::of));
        if is_last {
            break;
        }
    }
    for offset in (0..ROWS_MAX).step_by(PAGE as usize) {
        let (page, total) = tx.notices(owner, true, (PAGE, offset)).await?;
        left = left.max(total - i64::from(ROWS_MAX));
        let is_last = page.len() < PAGE as usize;
        notices.extend(page.into_iter().map(NoticeView::of));
        if is_last {
            break;
        }
    }
    Ok(SyncExport { status, runs, conflicts, notices, complete: left <= 0 })
}

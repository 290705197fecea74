//! Notices: what a user should know although nobody asked.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::extract::{Id, Nothing, Query, Syncer};
use crate::api::page::{Cut, Page};
use crate::api::problem::Problem;
use crate::api::times::stamp;
use crate::auth::Gate;
use crate::domain::ids::NoticeId;
use crate::store::Notice;

/// Which notices.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct NoticesQuery {
    /// Also those that were seen.
    #[serde(default)]
    seen: bool,
    /// Items on a page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u32>,
    /// Items to skip.
    #[param(minimum = 0, maximum = 10_000_000, default = 0)]
    offset: Option<u32>,
}

/// What the caller should know.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SyncNotice)]
pub struct NoticeView {
    /// Its id.
    notice_id: String,
    /// Which kind, such as `needs_reauth`.
    kind: String,
    /// What it is about: the id of a connection, link or conflict.
    target: String,
    /// A sentence.
    text: String,
    /// Since when.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was seen.
    #[schema(required, format = DateTime)]
    seen_at: Option<String>,
}

impl NoticeView {
    /// As the JSON shows a notice.
    pub(super) fn of(notice: Notice) -> NoticeView {
        NoticeView {
            notice_id: notice.id.as_str().to_owned(),
            kind: notice.kind,
            target: notice.target,
            text: notice.text,
            created_at: stamp(notice.created),
            seen_at: notice.seen.map(stamp),
        }
    }
}

/// Lists the caller's notices, newest first.
#[utoipa::path(
    get, path = "/api/schedule/sync/notices", tag = "sync", operation_id = "syncNotices", params(NoticesQuery),
    responses((status = 200, description = "A page of them", body = Page<NoticeView>)),
)]
pub async fn notices(
    State(gate): State<Gate>,
    Syncer(visitor): Syncer,
    Query(query): Query<NoticesQuery>,
) -> Result<Json<Page<NoticeView>>, Problem> {
    let cut = Cut::of(query.limit, query.offset)?;
    let caller = &visitor.caller;
    let mut tx = gate.store.read().await?;
    let (found, total) = tx.notices((&caller.firm, &caller.user), query.seen, (cut.limit, cut.offset)).await?;
    Ok(Json(cut.with(found.into_iter().map(NoticeView::of).collect(), total)))
}

/// Notes that a notice was seen.
#[utoipa::path(
    post, path = "/api/schedule/sync/notices/{id}/seen", tag = "sync", operation_id = "seeSyncNotice",
    params(("id" = String, Path, description = "The notice")),
    responses((status = 204, description = "Noted")),
)]
pub async fn seen(
    State(gate): State<Gate>,
    Syncer(visitor): Syncer,
    _: Query<Nothing>,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    let caller = &visitor.caller;
    let mut tx = gate.store.write().await?;
    if !tx.see_notice((&caller.firm, &caller.user), &NoticeId::from_text(id)).await? {
        return Err(Problem::not_found());
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

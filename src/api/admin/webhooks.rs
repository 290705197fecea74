//! The providers' channels to us.

use axum::Json;
use axum::extract::{RawQuery, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::manager::Manager;
use super::query;
use crate::api::extract::Query;
use crate::api::problem::Problem;
use crate::api::times::stamp;
use crate::auth::Gate;
use crate::domain::ids::ChannelId;
use crate::domain::time::Instant;
use crate::store::{ChannelFilter, ChannelRow, ChannelState};

const PATH: &str = "/api/calendar/admin/webhooks/";

/// Which webhook channels.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WebhooksQuery {
    /// `active`, `expired` or `replaced`.
    status: Option<String>,
    /// At this provider.
    provider: Option<String>,
    /// Of this user: id or name.
    user: Option<String>,
    /// Of a connection that carries an appointment of this project.
    project: Option<String>,
    /// In the account, the connection's label, the user's name, or the id of the channel, link or connection.
    text: Option<String>,
    /// Made on or after this day or time.
    start_date: Option<String>,
    /// Made until this day, or before this time.
    end_date: Option<String>,
    /// Items on a page.
    #[param(minimum = 1, maximum = 100, default = 100)]
    limit: Option<u32>,
    /// Where the page begins: from `next` of the page before.
    cursor: Option<String>,
}

/// A channel over which a provider tells us that something changed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdminWebhook)]
pub struct WebhookItem {
    /// Its id.
    webhook_id: String,
    /// The connection.
    connection_id: String,
    /// The link.
    link_id: String,
    /// The provider.
    provider: &'static str,
    /// `active`, `expired` or `replaced`.
    status: &'static str,
    /// Whose connection it is.
    user_id: String,
    /// Their name.
    user_name: String,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it ends; another is made before.
    #[schema(format = DateTime)]
    expires_at: String,
    /// When it last spoke.
    #[schema(required, format = DateTime)]
    last_notified_at: Option<String>,
}

/// A page of webhook channels.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdminWebhooks)]
pub struct WebhookItems {
    /// Newest first.
    webhooks: Vec<WebhookItem>,
    /// How many there are on all pages.
    #[schema(minimum = 0)]
    total_count: i64,
    /// The path of the next page; `null`: this is the last.
    #[schema(required)]
    next: Option<String>,
}

fn webhook_item(row: ChannelRow, now: Instant) -> WebhookItem {
    WebhookItem {
        webhook_id: row.channel.id.as_str().to_owned(),
        connection_id: row.connection.as_str().to_owned(),
        link_id: row.channel.link.as_str().to_owned(),
        provider: row.provider.as_str(),
        status: ChannelState::of(&row.channel, now).as_str(),
        user_id: row.user.0.as_str().to_owned(),
        user_name: row.user.1,
        created_at: stamp(row.channel.created),
        expires_at: stamp(row.channel.expires),
        last_notified_at: row.channel.last_notified.map(stamp),
    }
}

/// Lists the firm's webhook channels, newest first.
#[utoipa::path(
    get, path = "/api/calendar/admin/webhooks/", tag = "admin", operation_id = "adminWebhooks", params(WebhooksQuery),
    responses((status = 200, description = "A page of them", body = WebhookItems)),
)]
pub async fn webhooks(
    State(gate): State<Gate>,
    manager: Manager,
    Query(asked): Query<WebhooksQuery>,
    RawQuery(raw): RawQuery,
) -> Result<Json<WebhookItems>, Problem> {
    let caller = &manager.0.caller;
    let (limit, after) = (query::limit(asked.limit)?, query::cursor(&gate, caller, PATH, asked.cursor.as_deref())?);
    let after = after.map(ChannelId::from_text);
    let mut tx = gate.store.read().await?;
    let (start, end) = (asked.start_date.as_deref(), asked.end_date.as_deref());
    let (from, until) = query::range(&mut tx, caller, (start, end)).await?;
    let states = "active, expired or replaced";
    let filter = ChannelFilter {
        state: query::one_of("status", asked.status.as_deref(), ChannelState::parse, states)?,
        provider: query::provider(asked.provider.as_deref())?,
        user: query::user(&mut tx, caller, asked.user.as_deref()).await?,
        project: query::word("project", asked.project)?,
        text: query::word("text", asked.text)?,
        from,
        until,
    };
    let (mut rows, total) = tx.channel_page(&caller.firm, &filter, after.as_ref(), limit + 1).await?;
    let last = query::cut(&mut rows, limit, |row| row.channel.id.as_str().to_owned());
    let next = query::next(&gate, caller, PATH, raw.as_deref(), last.as_deref());
    let now = tx.now();
    let webhooks = rows.into_iter().map(|row| webhook_item(row, now)).collect();
    Ok(Json(WebhookItems { webhooks, total_count: total, next }))
}

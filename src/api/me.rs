//! The caller's own account.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::appointments::check_word;
use super::extract::{Body, Holder, Nothing, Query, Visitor};
use super::given::given;
use super::problem::Problem;
use super::times::stamp;
use crate::auth::Gate;
use crate::domain::access::Role;
use crate::domain::availability::WorkingHours;
use crate::ics::zone::Zone;
use crate::store::{ReadTx, User};

const NAME_CHARS_MAX: usize = 200;
/// RFC 5321.
const EMAIL_CHARS_MAX: usize = 320;

/// A role.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Role)]
pub enum RoleName {
    /// A client of the firm.
    Client,
    /// One who works there.
    Staff,
    /// One who may also administrate.
    Manager,
}

/// Working hours by day, `mon` to `sun`: spans such as `["09:00", "12:30"]`, `24:00` being the end of the day. A day
/// that is not named is free.
type Hours = BTreeMap<String, Vec<[String; 2]>>;

/// The caller.
#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    /// The user's id.
    id: String,
    /// The name they sign in with.
    name: String,
    /// The role in the firm.
    role: RoleName,
    /// How they are shown to others.
    #[schema(required)]
    display_name: Option<String>,
    /// For invitations and notices.
    #[schema(required)]
    email: Option<String>,
    /// The IANA zone in which their days begin; UTC if none.
    #[schema(required)]
    time_zone: Option<String>,
    /// When they work; `null`: Monday to Friday, nine to five.
    #[schema(required, value_type = Option<BTreeMap<String, Vec<Vec<String>>>>, example = json!({"mon": [["09:00", "12:30"]]}))]
    working_hours: Option<Hours>,
    /// Where CalDAV clients begin.
    caldav_url: String,
    /// When they were added.
    #[schema(format = DateTime)]
    created: String,
}

/// A change of the account: what is not named stays, `null` empties.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MeChange {
    /// How they are shown to others.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    display_name: Option<Option<String>>,
    /// For invitations and notices.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 320, example = "ada@example.org")]
    email: Option<Option<String>>,
    /// An IANA zone.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, example = "Europe/Berlin")]
    time_zone: Option<Option<String>>,
    /// When they work.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<BTreeMap<String, Vec<Vec<String>>>>, example = json!({"mon": [["09:00", "17:00"]]}))]
    working_hours: Option<Option<Hours>>,
}

impl Me {
    /// As the JSON shows a user.
    pub(super) fn of(user: &User, base_url: &str) -> Me {
        Me {
            id: user.id.as_str().to_owned(),
            name: user.name.as_str().to_owned(),
            role: match user.role {
                Role::Client => RoleName::Client,
                Role::Staff => RoleName::Staff,
                Role::Manager => RoleName::Manager,
            },
            display_name: user.display_name.clone(),
            email: user.email.clone(),
            time_zone: user.settings.timezone.clone(),
            working_hours: user.settings.working_hours.clone(),
            caldav_url: format!("{base_url}/dav/"),
            created: stamp(user.created),
        }
    }
}

/// Tells who the caller is. Needs no scope.
#[utoipa::path(
    get, path = "/api/me", tag = "account", operation_id = "me",
    responses((status = 200, description = "The caller", body = Me)),
)]
pub async fn read(State(gate): State<Gate>, visitor: Visitor, _: Query<Nothing>) -> Result<Json<Me>, Problem> {
    let user = user(&mut gate.store.read().await?, &visitor).await?;
    Ok(Json(Me::of(&user, &visitor.visit.base_url)))
}

/// Changes the caller's profile, zone and working hours.
#[utoipa::path(
    patch, path = "/api/me", tag = "account", operation_id = "changeMe", request_body = MeChange,
    responses((status = 200, description = "The caller as they are now", body = Me)),
)]
pub async fn change(
    State(gate): State<Gate>,
    Holder(visitor): Holder,
    _: Query<Nothing>,
    body: Body<MeChange>,
) -> Result<Json<Me>, Problem> {
    let change = body.value;
    let mut tx = gate.store.write().await?;
    let mut user = user(&mut tx, &visitor).await?;
    let mut changed: Vec<&str> = Vec::new();
    if let Some(name) = change.display_name {
        if let Some(name) = &name {
            check_word("display_name", name, NAME_CHARS_MAX)?;
        }
        user.display_name = name;
        changed.push("display_name");
    }
    if let Some(email) = change.email {
        if let Some(email) = &email {
            check_word("email", email, EMAIL_CHARS_MAX)?;
            let is_email = email.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
            if !is_email || email.contains(char::is_whitespace) {
                return Err(Problem::value("email", "this is not a mail address"));
            }
        }
        user.email = email;
        changed.push("email");
    }
    if let Some(name) = change.time_zone {
        let unknown = || Problem::value("time_zone", "this is not a name of the IANA time zone database");
        let zone = name.as_deref().map(|name| Zone::iana(name).ok_or_else(unknown)).transpose()?;
        user.settings.timezone = zone.and_then(|zone| zone.iana_name().map(str::to_owned));
        changed.push("time_zone");
    }
    if let Some(hours) = change.working_hours {
        if let Some(Err(bad)) = hours.as_ref().map(WorkingHours::parse) {
            return Err(Problem::value(&format!("working_hours.{}", bad.at), bad.reason));
        }
        user.settings.working_hours = hours;
        changed.push("working_hours");
    }
    if !changed.is_empty() {
        let (name, email) = (user.display_name.as_deref(), user.email.as_deref());
        tx.set_user_profile(&user.firm, &user.id, name, email, &user.settings).await?;
        let details = serde_json::json!({ "fields": changed });
        tx.audit(&user.firm, &visitor.visit.act(&visitor.caller, "profile_changed", user.id.as_str(), &details))
            .await?;
        tx.commit().await?;
    }
    Ok(Json(Me::of(&user, &visitor.visit.base_url)))
}

/// The caller as a user.
pub(super) async fn user(tx: &mut ReadTx, visitor: &Visitor) -> Result<User, Problem> {
    tx.user(&visitor.caller.firm, &visitor.caller.user).await?.ok_or_else(Problem::not_found)
}

//! App passwords and API tokens: made, listed, revoked. The secret is in the answer that makes one and nowhere else.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{Answer, Key};
use super::appointments::check_word;
use super::extract::{Body, Holder, Id, Nothing, Query, Visitor};
use super::page::{Page, PageQuery};
use super::problem::{Code, Problem};
use super::profile::{self, MEDIA_TYPE};
use super::times::stamp;
use crate::auth::{Gate, Purpose};
use crate::domain::access::{Role, Scope};
use crate::domain::ids::{AppPasswordId, TokenId};
use crate::store::{ApiToken, AppPassword, WriteTx};

const NAME_CHARS_MAX: usize = 200;
/// App passwords or tokens of one user that work at a time: one per device and script, and room.
const WORKING_MAX: usize = 200;

/// What a token may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Scope)]
pub enum ScopeName {
    /// Appointments, availability, calendars, feeds, the account.
    Appointments,
    /// Connections, links, runs, conflicts.
    Sync,
    /// The admin endpoints; for managers.
    Admin,
}

impl From<ScopeName> for Scope {
    fn from(name: ScopeName) -> Scope {
        match name {
            ScopeName::Appointments => Scope::Appointments,
            ScopeName::Sync => Scope::Sync,
            ScopeName::Admin => Scope::Admin,
        }
    }
}

impl From<Scope> for ScopeName {
    fn from(scope: Scope) -> ScopeName {
        match scope {
            Scope::Appointments => ScopeName::Appointments,
            Scope::Sync => ScopeName::Sync,
            Scope::Admin => ScopeName::Admin,
        }
    }
}

/// An app password, for one device.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AppPassword)]
pub struct AppPasswordView {
    /// Its id.
    id: String,
    /// The device.
    name: String,
    /// Whether it may only read.
    read_only: bool,
    /// When it was made.
    #[schema(format = DateTime)]
    created: String,
    /// When it was last used, to a quarter of an hour.
    #[schema(required, format = DateTime)]
    last_used_at: Option<String>,
    /// Since when it is refused.
    #[schema(required, format = DateTime)]
    revoked_at: Option<String>,
}

/// A new app password: the only time it is shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct AppPasswordMade {
    /// What it is.
    #[serde(flatten)]
    app_password: AppPasswordView,
    /// The name to sign in with.
    user_name: String,
    /// The password to sign in with.
    secret: String,
    /// Where CalDAV clients begin.
    caldav_url: String,
}

/// An app password to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAppPassword {
    /// The device.
    #[schema(min_length = 1, max_length = 200, example = "Phone")]
    name: String,
    /// Whether it may only read.
    #[serde(default)]
    read_only: bool,
}

/// An API token.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Token)]
pub struct TokenView {
    /// Its id.
    id: String,
    /// What it is for.
    name: String,
    /// What it may ask for.
    scopes: Vec<ScopeName>,
    /// When it was made.
    #[schema(format = DateTime)]
    created: String,
    /// When it was last used, to a quarter of an hour.
    #[schema(required, format = DateTime)]
    last_used_at: Option<String>,
    /// Since when it is refused.
    #[schema(required, format = DateTime)]
    revoked_at: Option<String>,
}

/// A new token: the only time it is shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenMade {
    /// What it is.
    #[serde(flatten)]
    token: TokenView,
    /// What to send as `Authorization: Bearer …`.
    secret: String,
}

/// A token to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What it is for.
    #[schema(min_length = 1, max_length = 200, example = "Booking platform")]
    name: String,
    /// What it may ask for; made with a token, no more than that one may.
    #[schema(min_items = 1, max_items = 3)]
    scopes: Vec<ScopeName>,
}

impl AppPasswordView {
    fn of(secret: &AppPassword) -> AppPasswordView {
        AppPasswordView {
            id: secret.id.as_str().to_owned(),
            name: secret.label.clone(),
            read_only: secret.read_only,
            created: stamp(secret.created),
            last_used_at: secret.last_used.map(stamp),
            revoked_at: secret.revoked.map(stamp),
        }
    }
}

impl TokenView {
    fn of(token: &ApiToken) -> TokenView {
        TokenView {
            id: token.id.as_str().to_owned(),
            name: token.label.clone(),
            scopes: token.scopes.iter().map(|scope| ScopeName::from(*scope)).collect(),
            created: stamp(token.created),
            last_used_at: token.last_used.map(stamp),
            revoked_at: token.revoked.map(stamp),
        }
    }
}

/// Lists the caller's app passwords, oldest first, revoked ones included.
#[utoipa::path(
    get, path = "/api/app-passwords", tag = "credentials", operation_id = "listAppPasswords", params(PageQuery),
    responses((status = 200, description = "A page of them", body = Page<AppPasswordView>)),
)]
pub async fn app_passwords(
    State(gate): State<Gate>,
    Holder(visitor): Holder,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<AppPasswordView>>, Problem> {
    let cut = query.cut()?;
    let all = gate.store.read().await?.app_passwords(&visitor.caller.firm, &visitor.caller.user).await?;
    Ok(Json(cut.page(all.iter().map(AppPasswordView::of).collect())))
}

/// Makes an app password. With `Accept: application/x-apple-aspen-config` the answer is a profile that sets up an Apple
/// device with it.
#[utoipa::path(
    post, path = "/api/app-passwords", tag = "credentials", operation_id = "createAppPassword",
    request_body = NewAppPassword,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and request get the same answer for a day.", max_length = 255)),
    responses((status = 201, description = "Made", content((AppPasswordMade = "application/json"), (String = "application/x-apple-aspen-config")))),
)]
pub async fn create_app_password(
    State(gate): State<Gate>,
    Holder(visitor): Holder,
    _: Query<Nothing>,
    key: Key,
    headers: HeaderMap,
    body: Body<NewAppPassword>,
) -> Result<Response, Problem> {
    let caller = &visitor.caller;
    let wants_profile = accepts_profile(&headers);
    if let Some(answer) = key.answered(&gate, caller, &body.hash).await? {
        return if wants_profile { profile::of(&answer, &visitor) } else { Ok(answer.into_response()) };
    }
    let new = body.value;
    check_word("name", &new.name, NAME_CHARS_MAX)?;
    let mut tx = gate.store.write().await?;
    let all = tx.app_passwords(&caller.firm, &caller.user).await?;
    check_room(all.iter().filter(|p| p.revoked.is_none()).count())?;
    let secret = gate.store.chance().secret();
    let hash = gate.hash(Purpose::AppPassword, &secret);
    let made = tx.add_app_password(&caller.firm, &caller.user, &new.name, new.read_only, &hash).await?;
    let details = serde_json::json!({ "name": new.name, "read_only": new.read_only });
    audit(&mut tx, &visitor, "app_password_created", made.id.as_str(), &details).await?;
    let view = AppPasswordMade {
        app_password: AppPasswordView::of(&made),
        user_name: caller.name.as_str().to_owned(),
        secret,
        caldav_url: format!("{}/dav/", visitor.visit.base_url),
    };
    let answer = Answer::created(format!("/api/app-passwords/{}", made.id), &view)?;
    let answer = key.settle(&gate, tx, caller, &body.hash, answer).await?;
    if wants_profile { profile::of(&answer, &visitor) } else { Ok(answer.into_response()) }
}

/// Revokes an app password for good.
#[utoipa::path(
    delete, path = "/api/app-passwords/{id}", tag = "credentials", operation_id = "revokeAppPassword",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 204, description = "Revoked")),
)]
pub async fn revoke_app_password(
    State(gate): State<Gate>,
    Holder(visitor): Holder,
    _: Query<Nothing>,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    let (caller, id) = (&visitor.caller, AppPasswordId::from_text(id));
    let mut tx = gate.store.write().await?;
    let all = tx.app_passwords(&caller.firm, &caller.user).await?;
    let found = all.into_iter().find(|p| p.id == id).ok_or_else(Problem::not_found)?;
    if found.revoked.is_none() {
        tx.revoke_app_password(&caller.firm, &caller.user, &id).await?;
        let details = serde_json::json!({ "name": found.label });
        audit(&mut tx, &visitor, "app_password_revoked", id.as_str(), &details).await?;
        tx.commit().await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the caller's API tokens, oldest first, revoked ones included.
#[utoipa::path(
    get, path = "/api/tokens", tag = "credentials", operation_id = "listTokens", params(PageQuery),
    responses((status = 200, description = "A page of them", body = Page<TokenView>)),
)]
pub async fn tokens(
    State(gate): State<Gate>,
    Holder(visitor): Holder,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<TokenView>>, Problem> {
    let cut = query.cut()?;
    let all = gate.store.read().await?.tokens(&visitor.caller.firm, &visitor.caller.user).await?;
    Ok(Json(cut.page(all.iter().map(TokenView::of).collect())))
}

/// Makes an API token.
#[utoipa::path(
    post, path = "/api/tokens", tag = "credentials", operation_id = "createToken", request_body = NewToken,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and request get the same answer for a day.", max_length = 255)),
    responses((status = 201, description = "Made", body = TokenMade)),
)]
pub async fn create_token(
    State(gate): State<Gate>,
    Holder(visitor): Holder,
    _: Query<Nothing>,
    key: Key,
    body: Body<NewToken>,
) -> Result<Answer, Problem> {
    let caller = &visitor.caller;
    if let Some(answer) = key.answered(&gate, caller, &body.hash).await? {
        return Ok(answer);
    }
    let new = body.value;
    check_word("name", &new.name, NAME_CHARS_MAX)?;
    let mut scopes: Vec<Scope> = new.scopes.iter().map(|name| Scope::from(*name)).collect();
    scopes.sort_unstable();
    scopes.dedup();
    if scopes.is_empty() {
        return Err(Problem::value("scopes", "a token has at least one scope"));
    }
    check_scopes(&visitor, &scopes)?;
    let mut tx = gate.store.write().await?;
    let all = tx.tokens(&caller.firm, &caller.user).await?;
    check_room(all.iter().filter(|t| t.revoked.is_none()).count())?;
    let secret = gate.store.chance().secret();
    let hash = gate.hash(Purpose::Token, &secret);
    let made = tx.add_token(&caller.firm, &caller.user, &new.name, &scopes, &hash).await?;
    let words: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
    let details = serde_json::json!({ "name": new.name, "scopes": words });
    audit(&mut tx, &visitor, "token_created", made.id.as_str(), &details).await?;
    let view = TokenMade { token: TokenView::of(&made), secret };
    let answer = Answer::created(format!("/api/tokens/{}", made.id), &view)?;
    key.settle(&gate, tx, caller, &body.hash, answer).await
}

/// Revokes an API token for good. With a token only those can be revoked that may ask for no more.
#[utoipa::path(
    delete, path = "/api/tokens/{id}", tag = "credentials", operation_id = "revokeToken",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 204, description = "Revoked")),
)]
pub async fn revoke_token(
    State(gate): State<Gate>,
    Holder(visitor): Holder,
    _: Query<Nothing>,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    let (caller, id) = (&visitor.caller, TokenId::from_text(id));
    let mut tx = gate.store.write().await?;
    let all = tx.tokens(&caller.firm, &caller.user).await?;
    let found = all.into_iter().find(|t| t.id == id).ok_or_else(Problem::not_found)?;
    if found.revoked.is_none() {
        if found.scopes.iter().any(|scope| !caller.has_scope(*scope)) {
            return Err(Problem::new(Code::ScopeMissing, "that token may ask for more than this one"));
        }
        tx.revoke_token(&caller.firm, &caller.user, &id).await?;
        let details = serde_json::json!({ "name": found.label });
        audit(&mut tx, &visitor, "token_revoked", id.as_str(), &details).await?;
        tx.commit().await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Whether the caller may hand these scopes on.
fn check_scopes(visitor: &Visitor, scopes: &[Scope]) -> Result<(), Problem> {
    let caller = &visitor.caller;
    if let Some(scope) = scopes.iter().find(|scope| !caller.has_scope(**scope)) {
        let detail = format!("this token has not got the scope {}, so it cannot hand it on", scope.as_str());
        return Err(Problem::new(Code::ScopeMissing, detail).at("scopes"));
    }
    if scopes.contains(&Scope::Admin) && caller.role != Role::Manager {
        return Err(Problem::new(Code::ScopeMissing, "the scope admin is for managers").at("scopes"));
    }
    Ok(())
}

fn check_room(working: usize) -> Result<(), Problem> {
    if working >= WORKING_MAX {
        return Err(Problem::new(
            Code::LimitReached,
            format!("at most {WORKING_MAX} work at a time; revoke some first"),
        ));
    }
    Ok(())
}

fn accepts_profile(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok());
    accepted.flat_map(|v| v.split(',')).any(|kind| kind.split(';').next().unwrap_or_default().trim() == MEDIA_TYPE)
}

async fn audit(
    tx: &mut WriteTx,
    visitor: &Visitor,
    action: &str,
    target: &str,
    details: &serde_json::Value,
) -> Result<(), Problem> {
    Ok(tx.audit(&visitor.caller.firm, &visitor.visit.act(&visitor.caller, action, target, details)).await?)
}

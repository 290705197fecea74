//! Accounts at providers: which there can be, consent, their calendars, and the end of a connection.

use axum::extract::State;
use axum::{Extension, Json};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::find;
use super::links::provider;
use crate::api::extract::{Body, Nothing, Query, Syncer, Visitor};
use crate::api::problem::{Code, Problem};
use crate::auth::Gate;
use crate::domain::sync::{ConnectionStatus, Provider};
use crate::sync::desk::{Connected, Desk, DeskError, Granted, Imported, NewConsent, RemoteCalendar};

/// Redirect URIs beyond this are none.
const REDIRECT_CHARS_MAX: usize = 2_000;
/// Codes and states are some hundred characters.
const CODE_CHARS_MAX: usize = 4_096;

/// A provider.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SyncProvider)]
pub struct ProviderView {
    /// `google`, `microsoft`, `apple`, `caldav` or `ics`.
    provider: &'static str,
    /// What people call it.
    name: &'static str,
    /// Other names that requests may use.
    aliases: Vec<&'static str>,
    /// Whether its accounts can be connected here.
    configured: bool,
    /// Whether appointments can be sent there.
    writable: bool,
}

/// The providers.
#[derive(Debug, Serialize, ToSchema)]
pub struct Providers {
    /// All that Kalends knows by name.
    providers: Vec<ProviderView>,
}

/// A consent to begin.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ConnectInput {
    /// The provider.
    #[schema(example = "google")]
    provider: String,
    /// Where the provider sends the person back to: as registered there, by https, or http on this very machine.
    #[schema(max_length = 2000, example = "https://app.example/calendar/connected")]
    redirect_uri: String,
    /// A connection to consent to again.
    connection_id: Option<String>,
    /// Whether reading is all that is asked for.
    #[serde(default)]
    read_only: bool,
}

/// A consent that began.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectBegun {
    /// Where the person goes.
    auth_url: String,
    /// What comes back with the code; works once, for a quarter of an hour, with the credentials that began.
    state: String,
}

/// What the provider sent the person back with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CallbackInput {
    /// The provider.
    provider: String,
    /// `code` of the query.
    #[schema(max_length = 4096)]
    code: String,
    /// `state` of the query.
    #[schema(max_length = 4096)]
    state: String,
}

/// An account that is connected.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectedView {
    /// Whether links can be made with it; not if too little was granted.
    success: bool,
    /// The account's main calendar, to be linked.
    #[schema(required)]
    calendar_id: Option<String>,
    /// The connection: the one that this account had before, if it had one.
    connection_id: String,
    /// The account's own name.
    account: String,
    /// Whether it was granted to write.
    writable: bool,
}

/// Which connection's calendars.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CalendarsQuery {
    /// The connection.
    #[serde(rename = "connectionId")]
    connection_id: String,
}

/// A calendar of an account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SyncRemoteCalendar)]
pub struct RemoteCalendarView {
    /// Its name in the account.
    remote_calendar_id: String,
    /// What people call it.
    name: String,
    /// Its IANA zone.
    #[schema(required)]
    time_zone: Option<String>,
    /// Whether its events can be written.
    writable: bool,
    /// Whether it is the account's main one.
    primary: bool,
}

/// The calendars of an account.
#[derive(Debug, Serialize, ToSchema)]
pub struct RemoteCalendars {
    /// As the provider lists them now.
    calendars: Vec<RemoteCalendarView>,
}

/// What becomes of the appointments that came from there.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SyncImported)]
pub enum ImportedName {
    /// They stay, as appointments of one's own.
    #[default]
    Keep,
    /// They are deleted here.
    Remove,
}

/// What to disconnect.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DisconnectInput {
    /// The connection.
    connection_id: Option<String>,
    /// Or every connection at a provider.
    provider: Option<String>,
    /// What becomes of the appointments that came from there.
    #[serde(default)]
    imported: ImportedName,
}

/// What a disconnect came to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DisconnectedView {
    /// Whether it is done.
    success: bool,
    /// Links that were detached.
    links: u64,
    /// Appointments that were deleted here.
    removed: u64,
    /// Whether the provider confirmed that the grant is gone; its tokens are forgotten here either way.
    revoked_at_provider: bool,
}

/// Lists the providers.
#[utoipa::path(
    get, path = "/api/schedule/sync/providers", tag = "sync", operation_id = "syncProviders",
    responses((status = 200, description = "All of them", body = Providers)),
)]
pub async fn providers(
    Extension(desk): Extension<Desk>,
    _: Syncer,
    _: Query<Nothing>,
) -> Result<Json<Providers>, Problem> {
    let offers = match desk.offers().await {
        // Without an engine nothing can be connected, which is what is asked here.
        Err(DeskError::Closed) => Vec::new(),
        other => other?,
    };
    let view = |provider: &Provider| {
        let (name, aliases): (_, Vec<&'static str>) = match provider {
            Provider::Google => ("Google Calendar", vec![]),
            Provider::Microsoft => ("Microsoft 365 and Outlook", vec!["outlook"]),
            Provider::Apple => ("iCloud", vec![]),
            Provider::Caldav => ("CalDAV", vec![]),
            Provider::Ics => ("ICS subscription", vec![]),
        };
        ProviderView {
            provider: provider.as_str(),
            name,
            aliases,
            configured: offers.iter().any(|o| o.provider == *provider && o.configured),
            writable: *provider != Provider::Ics,
        }
    };
    Ok(Json(Providers { providers: Provider::ALL.iter().map(view).collect() }))
}

/// Begins to connect an account: send the person to `authUrl`, then send what comes back to `callback`.
#[utoipa::path(
    post, path = "/api/schedule/sync/connect", tag = "sync", operation_id = "connectSync", request_body = ConnectInput,
    responses((status = 200, description = "Where the person goes", body = ConnectBegun)),
)]
pub async fn connect(
    State(gate): State<Gate>,
    Extension(desk): Extension<Desk>,
    Syncer(visitor): Syncer,
    _: Query<Nothing>,
    body: Body<ConnectInput>,
) -> Result<Json<ConnectBegun>, Problem> {
    let input = body.value;
    let provider = with_consent(&input.provider)?;
    check_redirect(&input.redirect_uri)?;
    let login_hint = match &input.connection_id {
        Some(id) => {
            let known = find::connection(&mut gate.store.read().await?, &visitor, id).await?;
            if known.provider != provider {
                return Err(Problem::value("connectionId", "that connection is at another provider"));
            }
            Some(known.account)
        }
        None => None,
    };
    let caller = &visitor.caller;
    let new = NewConsent {
        firm: caller.firm.clone(),
        user: caller.user.clone(),
        provider,
        bound_to: caller.binding(),
        redirect_uri: input.redirect_uri,
        read_only: input.read_only,
        login_hint,
    };
    let begun = desk.begin_consent(new).await?;
    Ok(Json(ConnectBegun { auth_url: begun.auth_url, state: begun.state }))
}

/// Finishes to connect an account. An account that was connected before gets its links back.
#[utoipa::path(
    post, path = "/api/schedule/sync/callback", tag = "sync", operation_id = "finishSyncConnect",
    request_body = CallbackInput,
    responses((status = 200, description = "The connection", body = ConnectedView)),
)]
pub async fn callback(
    State(gate): State<Gate>,
    Extension(desk): Extension<Desk>,
    Syncer(visitor): Syncer,
    _: Query<Nothing>,
    body: Body<CallbackInput>,
) -> Result<Json<ConnectedView>, Problem> {
    let input = body.value;
    let provider = with_consent(&input.provider)?;
    for (field, text) in [("code", &input.code), ("state", &input.state)] {
        if text.is_empty() || text.len() > CODE_CHARS_MAX {
            return Err(Problem::value(field, format!("1 to {CODE_CHARS_MAX} characters")));
        }
    }
    let caller = &visitor.caller;
    let granted = Granted {
        firm: caller.firm.clone(),
        user: caller.user.clone(),
        bound_to: caller.binding(),
        provider: Some(provider),
        code: SecretString::from(input.code),
        state: input.state,
    };
    let connected = desk.finish_consent(granted).await?;
    Ok(Json(shown(&gate, &desk, &visitor, connected).await?))
}

/// Notes that an account was connected, and shows it with its main calendar.
pub(super) async fn shown(
    gate: &Gate,
    desk: &Desk,
    visitor: &Visitor,
    connected: Connected,
) -> Result<ConnectedView, Problem> {
    let caller = &visitor.caller;
    let mut tx = gate.store.write().await?;
    let id = connected.connection.as_str();
    super::links::audit_target(&mut tx, visitor, "calendar_connection_connected", id).await?;
    tx.commit().await?;
    // That the calendars cannot be listed just now undoes nothing.
    let calendars = match connected.too_little {
        true => Vec::new(),
        false => desk.remote_calendars(caller.firm.clone(), connected.connection.clone()).await.unwrap_or_default(),
    };
    let main = calendars.iter().find(|c| c.primary).or(calendars.first());
    Ok(ConnectedView {
        success: !connected.too_little,
        calendar_id: main.map(|c| c.id.as_str().to_owned()),
        connection_id: id.to_owned(),
        account: connected.account,
        writable: connected.writable,
    })
}

/// Lists the calendars of a connected account.
#[utoipa::path(
    get, path = "/api/schedule/sync/calendars", tag = "sync", operation_id = "syncCalendars", params(CalendarsQuery),
    responses((status = 200, description = "The calendars", body = RemoteCalendars)),
)]
pub async fn calendars(
    State(gate): State<Gate>,
    Extension(desk): Extension<Desk>,
    Syncer(visitor): Syncer,
    Query(query): Query<CalendarsQuery>,
) -> Result<Json<RemoteCalendars>, Problem> {
    let connection = find::connection(&mut gate.store.read().await?, &visitor, &query.connection_id).await?;
    if connection.status == ConnectionStatus::Revoked {
        return Err(Problem::new(Code::NeedsConsent, "connect the account again first").at("connectionId"));
    }
    let calendars = desk.remote_calendars(connection.firm, connection.id).await?;
    let view = |c: RemoteCalendar| RemoteCalendarView {
        remote_calendar_id: c.id.as_str().to_owned(),
        name: c.name,
        time_zone: c.zone,
        writable: c.writable,
        primary: c.primary,
    };
    Ok(Json(RemoteCalendars { calendars: calendars.into_iter().map(view).collect() }))
}

/// Disconnects an account, or all at a provider: links end, the grant is revoked, the tokens are forgotten. Nothing is
/// deleted at the provider.
#[utoipa::path(
    delete, path = "/api/schedule/sync/disconnect", tag = "sync", operation_id = "disconnectSync",
    request_body = DisconnectInput,
    responses((status = 200, description = "Disconnected", body = DisconnectedView)),
)]
pub async fn disconnect(
    State(gate): State<Gate>,
    Extension(desk): Extension<Desk>,
    Syncer(visitor): Syncer,
    _: Query<Nothing>,
    body: Body<DisconnectInput>,
) -> Result<Json<DisconnectedView>, Problem> {
    let input = body.value;
    let mut tx = gate.store.read().await?;
    let connections = match (&input.connection_id, &input.provider) {
        (Some(id), None) => vec![find::connection(&mut tx, &visitor, id).await?],
        (None, Some(name)) => find::connections_at(&mut tx, &visitor, provider(name)?).await?,
        (None, None) => return Err(Problem::missing("connectionId", "name a connection or a provider")),
        (Some(_), Some(_)) => return Err(Problem::value("provider", "name a connection or a provider, not both")),
    };
    drop(tx);
    if connections.is_empty() {
        return Err(Problem::not_found());
    }
    let imported = match input.imported {
        ImportedName::Keep => Imported::Keep,
        ImportedName::Remove => Imported::Remove,
    };
    let mut view = DisconnectedView { success: true, links: 0, removed: 0, revoked_at_provider: true };
    for connection in connections {
        let id = connection.id.as_str().to_owned();
        let by = visitor.caller.name.as_str().to_owned();
        let done = desk.disconnect(connection.firm, connection.id, imported, by).await?;
        view.links += done.links;
        view.removed += done.removed;
        view.revoked_at_provider &= done.revoked_there;
        let mut tx = gate.store.write().await?;
        super::links::audit_target(&mut tx, &visitor, "calendar_connection_revoked", &id).await?;
        tx.commit().await?;
    }
    Ok(Json(view))
}

/// The provider of that name, if its accounts are connected by consent.
pub(super) fn with_consent(name: &str) -> Result<Provider, Problem> {
    match provider(name)? {
        provider @ (Provider::Google | Provider::Microsoft) => Ok(provider),
        other => {
            let why = format!("{other} is not available in this version");
            Err(Problem::new(Code::NotConfigured, why).at("provider"))
        }
    }
}

/// Where a person may be sent back to: nothing that a browser would hand to another program, and no plain http but to
/// the person's own machine. Which of these are taken is for the provider to say, where they are registered.
fn check_redirect(uri: &str) -> Result<(), Problem> {
    let bad = |why: &str| Err(Problem::value("redirectUri", why));
    if uri.len() > REDIRECT_CHARS_MAX {
        return bad("at most 2000 characters");
    }
    let Ok(url) = url::Url::parse(uri) else { return bad("this is not a URL") };
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return bad("a redirect URI has neither a user nor a fragment");
    }
    let is_loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => return bad("this URL has no host"),
    };
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback => Ok(()),
        _ => bad("https, or http on this very machine (127.0.0.1)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_sent_back_to_safe_places_only() {
        for good in
            ["https://app.example/x?y=z", "http://127.0.0.1:9999/callback", "http://localhost/", "http://[::1]:1/"]
        {
            assert_eq!(check_redirect(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "x",
            "/callback",
            "http://app.example/",
            "javascript:alert(1)",
            "https://u@h/",
            "https://h/#x",
            "data:,x",
            "myapp://cb",
        ] {
            assert_eq!(check_redirect(bad).map_err(|p| p.field), Err(Some("redirectUri".to_owned())), "{bad}");
        }
    }
}

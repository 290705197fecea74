//! Syncing in a browser: how everything stands, the way to a provider and back, and which calendar goes with which.
//!
//! Nobody is sent anywhere but to the provider and to our own pages; what comes back with a person counts only in the
//! session that began.

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Extension, Form, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use secrecy::SecretString;
use serde::Deserialize;

use super::pages::session;
use crate::auth::{Gate, Visit};
use crate::domain::access::{Caller, Right};
use crate::domain::ids::{ConnectionId, LinkId, Slug};
use crate::domain::sync::{
    ConnectionStatus, Direction, LinkPolicy, LinkStatus, LinkWay, Provider, Remote, SYNC_INTERVALS_MIN,
    UnsupportedRecurrence,
};
use crate::domain::time::MINUTE_MS;
use crate::store::{Connection, LinkObstacle, LinkSettings, NewLink, StoreError, Warning};
use crate::sync::desk::{Connected, Desk, DeskError, Granted, NewConsent, RemoteCalendar};

/// The providers that a browser is sent to, with what their operator enters and how a person takes the way home by hand.
const BY_CONSENT: [(Provider, &str, &str); 2] = [
    (Provider::Google, "Google Calendar", "an OAuth client (GOOGLE_CLIENT_ID, GOOGLE_CLIENT_SECRET)"),
    (
        Provider::Microsoft,
        "Microsoft 365 or Outlook.com",
        "an application (MICROSOFT_CLIENT_ID, MICROSOFT_CLIENT_SECRET)",
    ),
];
/// Where a person ends up whose browser runs on another machine: nothing answers there, and the address is pasted.
/// Google lets clients of the kind "desktop app" use any port of the loopback address.
const LOOPBACK: &str = "http://127.0.0.1/";
/// Microsoft knows that address by this name only.
const LOCALHOST: &str = "http://localhost/";
/// Addresses that are pasted are some hundred characters.
const ADDRESS_CHARS_MAX: usize = 8_192;

#[derive(Template)]
#[template(path = "sync.html")]
struct Overview {
    offers: Vec<OfferRow>,
    problem: Option<String>,
    connections: Vec<ConnectionRow>,
    links: Vec<LinkRow>,
}

/// A provider that accounts are connected of by consent.
struct OfferRow {
    word: &'static str,
    name: &'static str,
    entered: &'static str,
    configured: bool,
    /// Whether its codes can be typed on another device.
    codes: bool,
}

struct ConnectionRow {
    id: String,
    account: String,
    provider: &'static str,
    status: &'static str,
    usable: bool,
}

struct LinkRow {
    here: String,
    there: String,
    direction: &'static str,
    status: &'static str,
    last: String,
    /// What is told of its appointments.
    warnings: Vec<String>,
}

#[derive(Template)]
#[template(path = "choose.html")]
struct Choose<'a> {
    account: &'a str,
    action: String,
    problem: Option<&'a str>,
    remotes: &'a [RemoteCalendar],
    calendars: Vec<(String, String)>,
}

/// The query with which a connect begins.
#[derive(Deserialize)]
pub(super) struct Begin {
    /// Whether the person will paste the address that they end up at.
    paste: Option<String>,
}

/// The query with which the provider sends a person back.
#[derive(Deserialize)]
pub(super) struct Back {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// A pasted address.
#[derive(Deserialize)]
pub(super) struct Pasted {
    address: String,
}

/// A chosen pair.
#[derive(Deserialize)]
pub(super) struct Chosen {
    remote: String,
    calendar: String,
    direction: String,
    /// What becomes of series that the provider cannot repeat.
    #[serde(default)]
    unsupported: UnsupportedRecurrence,
}

pub(super) fn shown(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

pub(super) fn see(path: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, path)]).into_response()
}

/// How everything stands.
pub(super) async fn overview(
    State(gate): State<Gate>,
    Extension(desk): Extension<Desk>,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
) -> Response {
    match session(&gate, &visit, &headers).await {
        Some(caller) => page(&gate, &desk, &caller, StatusCode::OK, None).await,
        None => see("/"),
    }
}

async fn page(gate: &Gate, desk: &Desk, caller: &Caller, status: StatusCode, problem: Option<String>) -> Response {
    let offers = desk.offers().await.unwrap_or_default();
    let offers = offered(&offers);
    match rows(gate, caller).await {
        Ok((connections, links)) => shown(status, &Overview { offers, problem, connections, links }),
        Err(_) => {
            let problem = Some("The database is busy; please try again in a moment.".to_owned());
            let page = Overview { offers, problem, connections: Vec::new(), links: Vec::new() };
            shown(StatusCode::SERVICE_UNAVAILABLE, &page)
        }
    }
}

fn offered(offers: &[crate::sync::desk::Offer]) -> Vec<OfferRow> {
    let row = |(provider, name, entered): &(Provider, &'static str, &'static str)| OfferRow {
        word: provider.as_str(),
        name,
        entered,
        configured: offers.iter().any(|offer| offer.provider == *provider && offer.configured),
        codes: *provider == Provider::Microsoft,
    };
    BY_CONSENT.iter().map(row).collect()
}

/// The provider that a path names, if people are sent to it.
pub(super) fn by_consent(word: &str) -> Option<Provider> {
    BY_CONSENT.iter().map(|(provider, ..)| *provider).find(|provider| provider.as_str() == word)
}

async fn rows(gate: &Gate, caller: &Caller) -> Result<(Vec<ConnectionRow>, Vec<LinkRow>), StoreError> {
    let mut tx = gate.store.read().await?;
    let calendars = tx.calendars(caller).await?;
    let connections = tx.connections(&caller.firm, &caller.user).await?;
    let links = tx.links(&caller.firm, &caller.user).await?;
    let figures = tx.link_figures(&caller.firm, &caller.user).await?;
    let name = |id: &crate::domain::ids::CalendarId| {
        let found = calendars.iter().find(|(access, _)| access.calendar() == id);
        found.map_or_else(|| "(deleted)".to_owned(), |(_, c)| named(c))
    };
    let row = |k: &Connection| ConnectionRow {
        id: k.id.as_str().to_owned(),
        account: k.account.clone(),
        provider: k.provider.as_str(),
        status: k.status.as_str(),
        usable: matches!(k.status, ConnectionStatus::Active),
    };
    let live = links.iter().filter(|l| l.status != LinkStatus::Detached);
    let link = |l: &crate::store::Link| LinkRow {
        here: name(&l.calendar),
        there: l.remote_name.clone(),
        direction: l.settings.direction.as_str(),
        status: l.status.as_str(),
        last: l.last.0.map_or_else(|| "never".to_owned(), |at| at.to_string()),
        warnings: figures.get(&l.id).map_or_else(Vec::new, |f| f.warnings.iter().map(Warning::told).collect()),
    };
    Ok((connections.iter().map(row).collect(), live.map(link).collect()))
}

fn named(calendar: &crate::domain::calendar::Calendar) -> String {
    calendar.settings.display_name.clone().unwrap_or_else(|| calendar.slug.as_str().to_owned())
}

/// Sends a signed-in person to a provider.
pub(super) async fn connect(
    State(gate): State<Gate>,
    Extension(desk): Extension<Desk>,
    Extension(visit): Extension<Visit>,
    Path(word): Path<String>,
    Query(begin): Query<Begin>,
    headers: HeaderMap,
) -> Response {
    let Some(caller) = session(&gate, &visit, &headers).await else { return see("/") };
    let Some(provider) = by_consent(&word) else { return see("/sync") };
    let offers = desk.offers().await.unwrap_or_default();
    let registered = offers.into_iter().find(|o| o.provider == provider).and_then(|o| o.redirect_uri);
    let redirect_uri = match (begin.paste.is_some(), registered) {
        (true, Some(uri)) if uri.starts_with("http://127.0.0.1") || uri.starts_with("http://localhost") => uri,
        (true, _) if provider == Provider::Microsoft => LOCALHOST.to_owned(),
        (true, _) => LOOPBACK.to_owned(),
        (false, Some(uri)) => uri,
        (false, None) => format!("{}/api/sync/{word}/callback", visit.base_url),
    };
    let new = NewConsent {
        firm: caller.firm.clone(),
        user: caller.user.clone(),
        provider,
        bound_to: caller.binding(),
        redirect_uri,
        read_only: false,
        login_hint: None,
    };
    match desk.begin_consent(new).await {
        Ok(begun) => see(&begun.auth_url),
        Err(error) => failed(&gate, &desk, &caller, &error).await,
    }
}

/// Where a provider sends a person back to.
pub(super) async fn callback(
    State(gate): State<Gate>,
    Extension(desk): Extension<Desk>,
    Extension(visit): Extension<Visit>,
    Path(word): Path<String>,
    Query(back): Query<Back>,
    headers: HeaderMap,
) -> Response {
    let Some(caller) = session(&gate, &visit, &headers).await else { return see("/") };
    match by_consent(&word) {
        Some(provider) => finish(&gate, &desk, &visit, &caller, Some(provider), back).await,
        None => see("/sync"),
    }
}

/// The same with the address that somebody ended up at, pasted: for browsers that run elsewhere than the server.
pub(super) async fn pasted(
    State(gate): State<Gate>,
    Extension(desk): Extension<Desk>,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
    form: Result<Form<Pasted>, FormRejection>,
) -> Response {
    let Some(caller) = session(&gate, &visit, &headers).await else { return see("/") };
    let address = form.ok().map(|Form(form)| form.address).filter(|a| a.len() <= ADDRESS_CHARS_MAX);
    let url = address.and_then(|a| url::Url::parse(a.trim()).ok());
    let Some(url) = url else {
        let problem = "Paste the whole address, from http to the end.".to_owned();
        return page(&gate, &desk, &caller, StatusCode::BAD_REQUEST, Some(problem)).await;
    };
    let part = |name: &str| url.query_pairs().find(|(n, _)| n == name).map(|(_, value)| value.into_owned());
    let back = Back {
        code: part("code"),
        state: part("state"),
        error: part("error"),
        error_description: part("error_description"),
    };
    finish(&gate, &desk, &visit, &caller, None, back).await
}

async fn finish(
    gate: &Gate,
    desk: &Desk,
    visit: &Visit,
    caller: &Caller,
    provider: Option<Provider>,
    back: Back,
) -> Response {
    let (Some(code), Some(state), None) = (back.code, back.state, &back.error) else {
        let who = match provider {
            Some(Provider::Google) => "Google",
            Some(Provider::Microsoft) => "Microsoft",
            _ => "The provider",
        };
        let problem = match back.error.as_deref() {
            Some("access_denied") => format!("{who} was not allowed to share the calendar. Nothing was connected."),
            Some(_) => format!("{who} refused{}. Nothing was connected.", number_of(back.error_description.as_deref())),
            None => "This is not an address that a provider sends people to after they consented.".to_owned(),
        };
        return page(gate, desk, caller, StatusCode::BAD_REQUEST, Some(problem)).await;
    };
    let granted = Granted {
        firm: caller.firm.clone(),
        user: caller.user.clone(),
        bound_to: caller.binding(),
        provider,
        code: SecretString::from(code),
        state,
    };
    let connected = match desk.finish_consent(granted).await {
        Ok(connected) => connected,
        Err(error) => return failed(gate, desk, caller, &error).await,
    };
    came_in(gate, desk, visit, caller, connected).await
}

/// On to the account's calendars.
pub(super) async fn came_in(
    gate: &Gate,
    desk: &Desk,
    visit: &Visit,
    caller: &Caller,
    connected: Connected,
) -> Response {
    let act = visit.act(caller, "calendar_connection_connected", connected.connection.as_str(), &serde_json::json!({}));
    let audited = async {
        let mut tx = gate.store.write().await?;
        tx.audit(&caller.firm, &act).await?;
        tx.commit().await
    };
    if let Err(error) = audited.await {
        return failed(gate, desk, caller, &error.into()).await;
    }
    if connected.too_little {
        let problem = "The account is connected, but its calendars may not be used: connect it again and leave every \
                       box ticked.";
        return page(gate, desk, caller, StatusCode::OK, Some(problem.to_owned())).await;
    }
    see(&format!("/sync/connections/{}", connected.connection))
}

/// The number by which Microsoft's refusals are looked up; nothing else of what came with the address is shown.
fn number_of(description: Option<&str>) -> String {
    let rest = description.and_then(|text| text.split_once("AADSTS")).map_or("", |(_, rest)| rest);
    let digits: String = rest.chars().take_while(char::is_ascii_digit).take(9).collect();
    if digits.is_empty() { digits } else { format!(" (AADSTS{digits})") }
}

/// The page after something failed; the sentence has neither a secret nor what somebody sent.
pub(super) async fn failed(gate: &Gate, desk: &Desk, caller: &Caller, error: &DeskError) -> Response {
    let (status, problem) = match error {
        DeskError::BadConsent => {
            (StatusCode::BAD_REQUEST, "This consent is used or over. Please begin again.".to_owned())
        }
        DeskError::Closed | DeskError::Busy => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        DeskError::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "The database is busy.".to_owned()),
        other => (StatusCode::BAD_GATEWAY, other.to_string()),
    };
    page(gate, desk, caller, status, Some(problem)).await
}

/// Which calendar of the account goes with which of ours.
pub(super) async fn choose(
    State(gate): State<Gate>,
    Extension(desk): Extension<Desk>,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(caller) = session(&gate, &visit, &headers).await else { return see("/") };
    choices(&gate, &desk, &caller, &ConnectionId::from_text(id), None).await
}

/// Links the chosen pair.
pub(super) async fn chosen(
    State(gate): State<Gate>,
    Extension(desk): Extension<Desk>,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
    headers: HeaderMap,
    form: Result<Form<Chosen>, FormRejection>,
) -> Response {
    let Some(caller) = session(&gate, &visit, &headers).await else { return see("/") };
    let id = ConnectionId::from_text(id);
    let Ok(Form(form)) = form else {
        return choices(&gate, &desk, &caller, &id, Some("Choose a calendar on each side.")).await;
    };
    let connection = match own(&gate, &caller, &id).await {
        Ok(Some(connection)) => connection,
        Ok(None) => return see("/sync"),
        Err(error) => return failed(&gate, &desk, &caller, &error.into()).await,
    };
    let remotes = match desk.remote_calendars(caller.firm.clone(), id.clone()).await {
        Ok(remotes) => remotes,
        Err(error) => return failed(&gate, &desk, &caller, &error).await,
    };
    let remote = remotes.into_iter().find(|r| r.id.as_str() == form.remote);
    let (Some(remote), Some(direction)) = (remote, Direction::parse(&form.direction)) else {
        return choices(&gate, &desk, &caller, &id, Some("Choose a calendar on each side.")).await;
    };
    if direction.pushes() && !remote.writable {
        let problem = "That calendar cannot be written: choose “from there to here”.";
        return choices(&gate, &desk, &caller, &id, Some(problem)).await;
    }
    let settings = LinkSettings {
        direction,
        interval_ms: SYNC_INTERVALS_MIN.get(2).copied().unwrap_or(15) * MINUTE_MS,
        policy: LinkPolicy { unsupported_recurrence: form.unsupported, ..LinkPolicy::default() },
    };
    match link(&gate, &visit, &caller, &connection, remote, &form.calendar, settings).await {
        Ok(Ok(_)) => see("/sync"),
        Ok(Err(problem)) => choices(&gate, &desk, &caller, &id, Some(problem)).await,
        Err(error) => failed(&gate, &desk, &caller, &error.into()).await,
    }
}

/// Makes the link, or says why not.
async fn link(
    gate: &Gate,
    visit: &Visit,
    caller: &Caller,
    connection: &Connection,
    remote: RemoteCalendar,
    calendar: &str,
    settings: LinkSettings,
) -> Result<Result<LinkId, &'static str>, StoreError> {
    let Ok(slug) = Slug::parse(calendar) else { return Ok(Err("There is no such calendar here.")) };
    let mut tx = gate.store.write().await?;
    let Ok((access, _)) = tx.calendar_for(caller, &caller.name, &slug, Right::Own).await else {
        return Ok(Err("There is no such calendar here."));
    };
    let way = LinkWay {
        here: access.calendar().as_str().to_owned(),
        there: Remote::new(connection.provider, &connection.account, &remote.id),
        direction: settings.direction,
    };
    match tx.link_obstacle(&caller.firm, &way, None).await? {
        Some(LinkObstacle::Exists) => return Ok(Err("These two calendars are linked already.")),
        Some(LinkObstacle::Cycle) => {
            return Ok(Err("Over other links, appointments would come back to where they came from."));
        }
        None => {}
    }
    let new = NewLink {
        connection: connection.id.clone(),
        calendar: access.calendar().clone(),
        remote: remote.id,
        remote_name: remote.name,
        zone: remote.zone.unwrap_or_else(|| "UTC".to_owned()),
        settings,
    };
    let Some(id) = tx.add_link((&caller.firm, &caller.user), &new).await? else {
        return Ok(Err("There are as many links as there may be."));
    };
    let act = visit.act(caller, "sync_link_created", id.as_str(), &serde_json::json!({}));
    tx.audit(&caller.firm, &act).await?;
    tx.commit().await?;
    Ok(Ok(id))
}

async fn own(gate: &Gate, caller: &Caller, id: &ConnectionId) -> Result<Option<Connection>, StoreError> {
    let found = gate.store.read().await?.connection(&caller.firm, id).await?;
    Ok(found.filter(|k| k.user == caller.user))
}

async fn choices(
    gate: &Gate,
    desk: &Desk,
    caller: &Caller,
    id: &ConnectionId,
    problem: Option<&'static str>,
) -> Response {
    let connection = match own(gate, caller, id).await {
        Ok(Some(connection)) => connection,
        Ok(None) => return see("/sync"),
        Err(error) => return failed(gate, desk, caller, &error.into()).await,
    };
    let remotes = match desk.remote_calendars(caller.firm.clone(), id.clone()).await {
        Ok(remotes) => remotes,
        Err(error) => return failed(gate, desk, caller, &error).await,
    };
    let calendars = async { gate.store.read().await?.calendars(caller).await };
    let calendars = match calendars.await {
        Ok(calendars) => calendars,
        Err(error) => return failed(gate, desk, caller, &error.into()).await,
    };
    let events = calendars.into_iter().filter(|(_, c)| c.settings.components.event);
    let page = Choose {
        account: &connection.account,
        action: format!("/sync/connections/{id}"),
        problem,
        remotes: &remotes,
        calendars: events.map(|(_, c)| (c.slug.as_str().to_owned(), named(&c))).collect(),
    };
    shown(if problem.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK }, &page)
}

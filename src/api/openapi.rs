//! The OpenAPI document: a frame, what the handlers say of themselves, and what every operation has in common.

use utoipa::openapi::path::{HttpMethod, Operation, Parameter};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ContentBuilder, HeaderBuilder, OpenApi, Ref, RefOr, ResponseBuilder};
use utoipa::{OpenApi as _, ToSchema};

use super::problem::{Code, ProblemBody};
use crate::auth::SESSION_COOKIE;

const ABOUT: &str = "Appointments, availability, calendars, feeds, syncing and the account of whoever is signed in.\n\n\
    Times are RFC 3339. Errors are RFC 9457 problems with a stable `code`, and name the `field` at fault. What belongs \
    to somebody else answers like what does not exist. POSTs that create take an `Idempotency-Key`; what can be changed \
    has an `ETag` and honours `If-Match`.\n\n\
    Sign in with an API token (`Authorization: Bearer …`, scope `appointments`, for syncing `sync`, for managers `admin`), with the user's password or an app \
    password by HTTP Basic, or with the browser session. App passwords reach appointments, availability and calendars \
    alone, and read-only ones change nothing.";

/// Paths that an app password does not reach.
const ACCOUNT: &[&str] = &["/api/feeds", "/api/app-passwords", "/api/tokens", "/api/me", SYNC, ADMIN];
/// Paths of syncing.
const SYNC: &str = "/api/schedule/sync";
/// Paths of managers.
const ADMIN: &str = "/api/calendar/admin";
/// What managers order that needs no provider.
const ADMIN_QUIET: &[&str] = &["adminPauseConnection", "adminResumeConnection", "adminConfirmLink"];
/// Operations of syncing that ask nothing of the engine and of the state that things are in.
const QUIET: &[&str] = &["syncStatus", "syncHistory", "syncRun", "syncConflicts", "syncNotices", "seeSyncNotice"];

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Kalends", description = ABOUT),
    tags(
        (name = "appointments", description = "What is in the caller's calendars, whoever wrote it"),
        (name = "availability", description = "When somebody of the firm has time"),
        (name = "calendars", description = "The caller's calendars"),
        (name = "feeds", description = "Secret addresses that calendar programs subscribe to"),
        (name = "credentials", description = "App passwords and API tokens"),
        (name = "sync", description = "Accounts at providers, links between calendars, and what their runs did"),
        (name = "account", description = "The caller"),
        (name = "admin", description = "What managers do and see inside their firm; every call is an audit event"),
    ),
)]
struct Frame;

/// The document without its operations.
pub(super) fn frame() -> OpenApi {
    Frame::openapi()
}

/// The document with what all operations have in common.
pub(super) fn finished(mut document: OpenApi) -> OpenApi {
    let components = document.components.get_or_insert_default();
    let mut schemas = Vec::new();
    <ProblemBody<'_> as ToSchema>::schemas(&mut schemas);
    schemas.push((ProblemBody::name().into_owned(), <ProblemBody<'_> as utoipa::PartialSchema>::schema()));
    components.schemas.extend(schemas);
    let http = |scheme| SecurityScheme::Http(HttpBuilder::new().scheme(scheme).build());
    components.add_security_scheme("token", http(HttpAuthScheme::Bearer));
    components.add_security_scheme("password", http(HttpAuthScheme::Basic));
    components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(SESSION_COOKIE))));

    for (path, item) in &mut document.paths.paths {
        for (method, operation) in [
            (HttpMethod::Get, &mut item.get),
            (HttpMethod::Post, &mut item.post),
            (HttpMethod::Put, &mut item.put),
            (HttpMethod::Patch, &mut item.patch),
            (HttpMethod::Delete, &mut item.delete),
        ] {
            if let Some(operation) = operation {
                complete(path, &method, operation);
            }
        }
    }
    document
}

fn complete(path: &str, method: &HttpMethod, operation: &mut Operation) {
    operation.security =
        Some(["token", "password", "session"].map(|name| SecurityRequirement::new(name, Vec::<String>::new())).into());
    let is_get = matches!(method, HttpMethod::Get);
    let has_body = operation.request_body.is_some();
    let named = |parameter: &RefOr<Parameter>, name: &str| match parameter {
        RefOr::T(parameter) => parameter.name.eq_ignore_ascii_case(name),
        RefOr::Ref(_) => false,
    };
    let takes = |name: &str| operation.parameters.iter().flatten().any(|p| named(p, name));
    let takes_key = takes("idempotency-key");
    let takes_tag = takes("if-match");
    let takes_header = takes_key || takes_tag || takes("if-none-match");
    let makes = has_body && matches!(method, HttpMethod::Post);
    let is_of = |prefixes: &[&str]| prefixes.iter().any(|prefix| path.starts_with(prefix));
    let is_sync = path.starts_with(SYNC);
    let is_order = is_sync && !operation.operation_id.as_deref().is_some_and(|id| QUIET.contains(&id));
    let is_admin = path.starts_with(ADMIN);
    let is_quiet = operation.operation_id.as_deref().is_some_and(|id| ADMIN_QUIET.contains(&id));
    let needs_nothing = is_get && path == "/api/me";
    for code in Code::ALL {
        let applies = match code {
            Code::BadValue | Code::UnknownField | Code::MissingField => true,
            Code::BadJson | Code::TooSlow | Code::TooLarge | Code::NotJson => has_body,
            Code::BadHeader => takes_header,
            Code::NotSignedIn | Code::WrongCredentials | Code::Throttled => true,
            Code::ScopeMissing => !needs_nothing,
            Code::Full => !is_get || is_admin,
            Code::ReadOnly | Code::CrossSite => !is_get,
            Code::AccountOnly => is_of(ACCOUNT) && !needs_nothing,
            Code::NotFound => path.contains('{') || path == "/api/availability" || is_sync,
            Code::BadConsent => path.ends_with("/callback"),
            Code::ManagersOnly => is_admin,
            Code::NotPossible if is_admin => !is_get,
            Code::NeedsConsent | Code::ProviderFailed | Code::SyncUnavailable if is_admin => !is_get && !is_quiet,
            Code::NotConfigured
            | Code::NeedsConsent
            | Code::LinkExists
            | Code::LinkCycle
            | Code::AlreadyDecided
            | Code::NotPossible
            | Code::ProviderFailed
            | Code::SyncUnavailable => is_order,
            Code::MethodNotAllowed => true,
            Code::UidConflict | Code::NotTaken => has_body && is_of(&["/api/appointments"]),
            Code::NameTaken => has_body && is_of(&["/api/calendars"]),
            Code::LimitReached => makes && !is_admin && !is_of(&["/api/appointments"]),
            Code::PreconditionFailed => takes_tag,
            Code::KeyReused => takes_key,
            Code::Internal | Code::Busy => true,
        };
        if applies {
            add(operation, code);
        }
    }
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response {
            let id = HeaderBuilder::new()
                .description(Some("The request in the logs, the history and the audit."))
                .schema(Some(ObjectBuilder::new().schema_type(Type::String)));
            response.headers.insert("X-Correlation-Id".to_owned(), id.build().into());
            if status == "200" && response.description.is_empty() {
                response.description = "Done".to_owned();
            }
        }
    }
}

/// Adds a problem to an operation's answers; several may share a status.
fn add(operation: &mut Operation, code: Code) {
    let status = code.status().as_u16().to_string();
    let line = format!("`{}`: {}", code.as_str(), code.title());
    match operation.responses.responses.get_mut(&status) {
        Some(RefOr::T(response)) => {
            response.description.push_str("; ");
            response.description.push_str(&line);
        }
        _ => {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(ProblemBody::name()))).build();
            let response = ResponseBuilder::new().description(line).content("application/problem+json", content);
            operation.responses.responses.insert(status, response.build().into());
        }
    }
}

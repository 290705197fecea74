//! Who may manage, and that whatever they ask for is recorded: what they read, what they do, and what was refused them.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::api::extract::{Visitor, is_id};
use crate::api::problem::{Code, Problem};
use crate::auth::{Gate, Visit};
use crate::domain::access::{Caller, Credential, Right, Role, Scope};
use crate::domain::change::Via;
use crate::domain::ids::{FirmId, UserId, UserName};
use crate::domain::sync::RunStatus;
use crate::store::{NewAudit, OrderPart, Outcome, StoreError, WriteTx};
use crate::sync::desk::{Anew, Ask, DeskError};

/// The part that all paths have.
const ROOT: &str = "/api/calendar/admin/";
/// A path is of any length; what is recorded is not: no path of this API has more parts.
const PARTS_MAX: usize = 4;
/// The words of this API's paths.
const WORDS: [&str; 16] = [
    "connections",
    "appointments",
    "sync-attempts",
    "links",
    "webhooks",
    "audit-events",
    "metrics-summary",
    "failed",
    "failed-attempts",
    "sync-status",
    "resync",
    "replay",
    "pause",
    "resume",
    "revoke",
    "confirm",
];
/// In place of what is no word of this API and no id.
const LEFT_OUT: &str = "…";

/// In the extensions of a request that comes from the command line of the machine itself, for a firm. The listener puts
/// none into any request, so nothing from outside has it.
#[derive(Clone, Debug)]
pub struct Console(pub FirmId);

/// A manager with their own credentials, or with a token of the scope `admin`; or the console. What they do is
/// recorded by whoever does it, what they read and what is refused by [`audited`].
pub struct Manager(pub Visitor, Ledger);

/// What is known of who asks, and whether anything was recorded of it.
#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<Entry>>);

#[derive(Default)]
struct Entry {
    who: Option<(Caller, Visit)>,
    recorded: bool,
}

impl Ledger {
    fn set(&self, change: impl FnOnce(&mut Entry)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Who asked, if they are known and nothing was recorded of it.
    fn unrecorded(&self) -> Option<(Caller, Visit)> {
        let entry = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entry.who.clone().filter(|_| !entry.recorded)
    }
}

impl FromRequestParts<Gate> for Manager {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gate: &Gate) -> Result<Manager, Problem> {
        let ledger = parts.extensions.get::<Ledger>().cloned().unwrap_or_default();
        let visitor = match parts.extensions.get::<Console>().cloned() {
            Some(Console(firm)) => console(parts, firm)?,
            None => Visitor::from_request_parts(parts, gate).await?,
        };
        ledger.set(|entry| entry.who = Some((visitor.caller.clone(), visitor.visit.clone())));
        if !visitor.caller.has_scope(Scope::Admin) {
            return Err(Problem::new(Code::ScopeMissing, "this needs a token with the scope admin"));
        }
        if matches!(visitor.caller.credential, Credential::AppPassword(_)) {
            return Err(Problem::new(Code::AccountOnly, "sign in with your own password or a token for this"));
        }
        if visitor.caller.role != Role::Manager {
            return Err(Problem::new(Code::ManagersOnly, "ask a manager of your firm"));
        }
        Ok(Manager(visitor, ledger))
    }
}

impl Manager {
    /// Records an act of the manager's.
    pub async fn record(
        &self,
        tx: &mut WriteTx,
        action: &str,
        target: &str,
        details: &serde_json::Value,
    ) -> Result<(), Problem> {
        tx.audit(&self.0.caller.firm, &act(&self.0.caller, &self.0.visit, action, target, details)).await?;
        self.1.set(|entry| entry.recorded = true);
        Ok(())
    }
}

impl Manager {
    /// Records that the manager orders something, `action` being the name of its events without their last word, and notes
    /// that its end is to be recorded.
    pub async fn order(
        &self,
        tx: &mut WriteTx,
        action: &str,
        target: &str,
        details: &serde_json::Value,
    ) -> Result<Ask, Problem> {
        self.record(tx, &format!("{action}_requested"), target, details).await?;
        let (caller, visit) = (&self.0.caller, &self.0.visit);
        let order = tx.begin_order(&caller.firm, &act(caller, visit, action, target, details)).await?;
        Ok(Ask { correlation_id: visit.correlation_id.clone(), order: Some(order) })
    }

    /// Records what came of it, unless who carried it out has done so; what goes on by itself is recorded at its end.
    pub async fn ended(&self, gate: &Gate, ask: &Ask, done: &Result<Anew, DeskError>) -> Result<(), Problem> {
        let outcome = match done {
            Ok(anew) if anew.status == RunStatus::Running => return Ok(()),
            Ok(anew) => Outcome { status: anew.status, synced: anew.synced, why: anew.why.clone() },
            Err(error) => Outcome::failed(error.to_string()),
        };
        let Some(order) = ask.order.clone() else { return Ok(()) };
        let mut tx = gate.store.write().await?;
        tx.end_order(&self.0.caller.firm, &OrderPart::of_carrier(order), Some(outcome)).await?;
        Ok(tx.commit().await?)
    }
}

/// As [`Visit::act`]; the machine itself has no address.
fn act(caller: &Caller, visit: &Visit, action: &str, target: &str, details: &serde_json::Value) -> NewAudit {
    let act = visit.act(caller, action, target, details);
    match caller.credential {
        Credential::Console => NewAudit { address: String::new(), ..act },
        _ => act,
    }
}

fn console(parts: &Parts, firm: FirmId) -> Result<Visitor, Problem> {
    let visit = parts.extensions.get::<Visit>().cloned().ok_or_else(Problem::internal)?;
    let caller = Caller {
        firm,
        user: UserId::from_text(""),
        name: UserName::parse("console").map_err(|_| Problem::internal())?,
        role: Role::Manager,
        credential: Credential::Console,
        most: Right::Own,
    };
    let cause = visit.cause(Via::Api, &caller, &parts.headers);
    Ok(Visitor { caller, visit, cause })
}

fn below_root(path: &str) -> Option<&str> {
    path.strip_prefix(ROOT).map(|rest| rest.trim_end_matches('/'))
}

/// A path as it may be kept for ever: its own words and ids. Whatever else somebody wrote into it, a token say, is left out.
fn recordable(path: &str) -> String {
    let parts = path.split('/').map(|part| if WORDS.contains(&part) || is_id(part) { part } else { LEFT_OUT });
    parts.take(PARTS_MAX).collect::<Vec<_>>().join("/")
}

/// Records what managers read, once it is there, and what was refused to somebody who is known: who is no manager, and
/// what managers asked for in vain. What was done is recorded by whoever does it. Nothing that was read leaves unrecorded.
pub async fn audited(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let Some(what) = below_root(request.uri().path()).map(recordable) else { return next.run(request).await };
    let (ledger, method) = (Ledger::default(), request.method().clone());
    request.extensions_mut().insert(ledger.clone());
    let response = next.run(request).await;
    let Some((caller, visit)) = ledger.unrecorded() else { return response };
    let status = response.status();
    let refused = status.is_client_error() || status.is_server_error();
    let told = match refused {
        true => {
            let code = response.extensions().get::<Code>().map(|code| code.as_str());
            let details = json!({ "method": method.as_str(), "path": what, "status": status.as_u16(), "code": code });
            let (action, target) = match status.as_u16() {
                403 => ("calendar_admin_denied", what.as_str()),
                _ => self::refused(&what),
            };
            act(&caller, &visit, action, target, &details)
        }
        false => act(&caller, &visit, "calendar_admin_read", &what, &json!({})),
    };
    match append(&gate, &caller.firm, &told).await {
        Ok(()) => response,
        Err(error) => {
            tracing::error!(%error, correlation_id = visit.correlation_id, "an admin call could not be recorded");
            if refused { response } else { Problem::internal().into_response() }
        }
    }
}

async fn append(gate: &Gate, firm: &FirmId, act: &NewAudit) -> Result<(), StoreError> {
    let mut tx = gate.store.write().await?;
    tx.audit(firm, act).await?;
    tx.commit().await
}

/// What was refused, by the path below the root, and on what.
fn refused(what: &str) -> (&'static str, &str) {
    let mut parts = what.split('/');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("connections"), Some(id), Some("resync"), None) => ("calendar_connection_resync_refused", id),
        (Some("connections"), Some(id), Some("pause"), None) => ("calendar_connection_pause_refused", id),
        (Some("connections"), Some(id), Some("resume"), None) => ("calendar_connection_resume_refused", id),
        (Some("connections"), Some(id), Some("revoke"), None) => ("calendar_connection_revoke_refused", id),
        (Some("appointments"), Some(id), Some("resync"), None) => ("appointment_resync_refused", id),
        (Some("sync-attempts"), Some(id), Some("replay"), None) => ("calendar_sync_manual_replay_refused", id),
        (Some("links"), Some(id), Some("confirm"), None) => ("sync_link_confirm_refused", id),
        _ => ("calendar_admin_refused", what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_has_its_name() {
        assert_eq!(refused("links/7/confirm"), ("sync_link_confirm_refused", "7"));
        assert_eq!(refused("sync-attempts/7/replay"), ("calendar_sync_manual_replay_refused", "7"));
        assert_eq!(refused("connections/7/odd"), ("calendar_admin_refused", "connections/7/odd"));
        assert_eq!(below_root("/api/calendar/admin/webhooks/"), Some("webhooks"));
        assert_eq!(below_root("/api/feeds/"), None);
    }

    #[test]
    fn what_is_kept_of_a_path_is_no_secret() {
        let id = "01a1fd1e-8c00-7876-b8eb-9e6c8bf79bff";
        assert_eq!(recordable(&format!("connections/{id}/sync-status")), format!("connections/{id}/sync-status"));
        assert_eq!(recordable("connections/kal_5ecr3t/resync/a/b/c"), "connections/…/resync/…");
        assert_eq!(recordable("connections/My%20Title/resync"), "connections/…/resync");
    }
}

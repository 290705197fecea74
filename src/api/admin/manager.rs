//! Who may manage, and that it is recorded.

use axum::extract::FromRequestParts;
use axum::http::Method;
use axum::http::request::Parts;

use crate::api::extract::Visitor;
use crate::api::problem::{Code, Problem};
use crate::auth::Gate;
use crate::domain::access::{Credential, Role, Scope};
use crate::store::WriteTx;

/// The part that all paths have.
const ROOT: &str = "/api/calendar/admin/";

/// A manager with their own credentials, or with a token of the scope `admin`. What they read is recorded here; what
/// they do is recorded by whoever does it.
pub struct Manager(pub Visitor);

impl FromRequestParts<Gate> for Manager {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gate: &Gate) -> Result<Manager, Problem> {
        let visitor = Visitor::from_request_parts(parts, gate).await?;
        if !visitor.caller.has_scope(Scope::Admin) {
            return Err(Problem::new(Code::ScopeMissing, "this needs a token with the scope admin"));
        }
        if matches!(visitor.caller.credential, Credential::AppPassword(_)) {
            return Err(Problem::new(Code::AccountOnly, "sign in with your own password or a token for this"));
        }
        if visitor.caller.role != Role::Manager {
            return Err(Problem::new(Code::ManagersOnly, "ask a manager of your firm"));
        }
        let manager = Manager(visitor);
        if matches!(parts.method, Method::GET | Method::HEAD) {
            let what = parts.uri.path().strip_prefix(ROOT).unwrap_or_default().trim_end_matches('/');
            // A path is of any length; what is recorded is not.
            let what: String = what.chars().take(120).collect();
            let mut tx = gate.store.write().await?;
            manager.record(&mut tx, "calendar_admin_read", &what, &serde_json::json!({})).await?;
            tx.commit().await?;
        }
        Ok(manager)
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
        let act = self.0.visit.act(&self.0.caller, action, target, details);
        Ok(tx.audit(&self.0.caller.firm, &act).await?)
    }
}

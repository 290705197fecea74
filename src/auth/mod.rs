//! Who is asking: passwords, app passwords, API tokens, browser sessions, and the throttle in front of them. The
//! faces hand over a request's headers and get a [`Caller`](crate::domain::access::Caller) or a reason. It knows
//! nothing of CalDAV or of any page.

mod gate;
mod password;
mod secrets;
mod session;
mod throttle;
mod visit;

pub use gate::{AuthError, Gate};
pub use password::{PasswordError, hash_password, verify_password};
pub use secrets::{Purpose, looks_like_app_password};
pub use session::{SESSION_COOKIE, SESSION_SECONDS, SessionCookie};
pub use throttle::Throttle;
pub use visit::{Visit, came_too_slowly};

//! Notices as signed requests to one address of the operator's choice.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::config::HookConfig;
use crate::crypto::sign;
use crate::domain::time::Instant;
use crate::store::Notification;
use crate::upstream::http::{Limits, NamedBy, Transport};

/// A receiver that takes longer has a queue to build.
const WITHIN: Duration = Duration::from_secs(10);
/// What a receiver says is not read beyond this.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Sends notices to a webhook.
pub struct Hook {
    url: String,
    secret: Option<SecretString>,
    transport: Arc<dyn Transport>,
}

impl Hook {
    /// To the address of the configuration. A private one is reached only where such addresses are allowed.
    #[must_use]
    pub fn new(config: &HookConfig, transport: Arc<dyn Transport>) -> Hook {
        Hook { url: config.url.clone(), secret: config.secret.clone(), transport }
    }

    /// Sends one.
    ///
    /// # Errors
    /// Why it was not taken.
    pub async fn send(&self, one: &Notification, page: &str, now: Instant) -> Result<(), String> {
        let body = json!({
            "id": one.notice.id.as_str(),
            "kind": one.notice.kind,
            "target": one.notice.target,
            "text": one.notice.text,
            "user": one.user_name,
            "user_id": one.user.as_str(),
            "created_at": one.notice.created.rfc3339(),
            "url": page,
        })
        .to_string();
        let timestamp = now.seconds().to_string();
        let mut request = Request::post(&self.url)
            .header(header::CONTENT_TYPE, "application/json")
            .header("x-kalends-event", &one.notice.kind)
            .header("x-kalends-delivery", one.notice.id.as_str())
            .header("x-kalends-timestamp", &timestamp);
        if let Some(secret) = &self.secret {
            // With the time in it, so that a request that was overheard cannot be sent again later.
            let signed = sign(secret.expose_secret().as_bytes(), format!("{timestamp}.{body}").as_bytes());
            request = request.header("x-kalends-signature", format!("sha256={signed}"));
        }
        let request = request.body(Bytes::from(body)).map_err(|_| "the address is none".to_owned())?;
        let limits = Limits { within: WITHIN, bytes_max: ANSWER_BYTES_MAX, named_by: NamedBy::User };
        let answer = self.transport.send(request, limits).await.map_err(|e| e.to_string())?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(format!("the receiver answered {}", status.as_u16())),
        }
    }
}

//! Answers that can be given again: what a POST under an `Idempotency-Key` came to is kept with what it did, sealed,
//! since a new app password or feed is in it.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::problem::{Code, Problem};
use crate::auth::Gate;
use crate::domain::access::Caller;
use crate::store::{WriteTx, answer_place};

/// The longest key; clients use UUIDs.
const KEY_BYTES_MAX: usize = 255;
const KEY_HEADER: &str = "idempotency-key";

/// A 2xx answer with a JSON body.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer {
    status: u16,
    location: Option<String>,
    etag: Option<String>,
    body: serde_json::Value,
}

impl Answer {
    /// 201 with what was made and where it is.
    ///
    /// # Errors
    /// The body cannot be written, which no body of ours causes.
    pub fn created(location: String, body: &impl Serialize) -> Result<Answer, Problem> {
        let body = serde_json::to_value(body).map_err(|_| Problem::internal())?;
        Ok(Answer { status: StatusCode::CREATED.as_u16(), location: Some(location), etag: None, body })
    }

    /// 200 with what there is.
    ///
    /// # Errors
    /// As [`Answer::created`].
    pub fn ok(body: &impl Serialize) -> Result<Answer, Problem> {
        let body = serde_json::to_value(body).map_err(|_| Problem::internal())?;
        Ok(Answer { status: StatusCode::OK.as_u16(), location: None, etag: None, body })
    }

    /// What it says.
    #[must_use]
    pub fn body(&self) -> &serde_json::Value {
        &self.body
    }

    /// The same with an ETag.
    #[must_use]
    pub fn tagged(mut self, etag: String) -> Answer {
        self.etag = Some(etag);
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let mut response = (status, Json(self.body)).into_response();
        let named: [(HeaderName, Option<String>); 2] = [(header::LOCATION, self.location), (header::ETAG, self.etag)];
        for (name, value) in named {
            if let Some(value) = value.and_then(|v| HeaderValue::try_from(v).ok()) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// The `Idempotency-Key` of a request, if it has one.
pub struct Key(Option<String>);

impl FromRequestParts<Gate> for Key {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Gate) -> Result<Key, Problem> {
        let Some(value) = parts.headers.get(KEY_HEADER) else { return Ok(Key(None)) };
        let key = value.to_str().ok().map(str::trim).filter(|k| !k.is_empty() && k.len() <= KEY_BYTES_MAX);
        match key {
            Some(key) => Ok(Key(Some(key.to_owned()))),
            None => Err(Problem::new(Code::BadHeader, "a key has 1 to 255 visible ASCII characters").at(KEY_HEADER)),
        }
    }
}

impl Key {
    /// The answer this very request was given before.
    ///
    /// # Errors
    /// [`Code::KeyReused`] if it was another request.
    pub async fn answered(&self, gate: &Gate, caller: &Caller, hash: &[u8; 32]) -> Result<Option<Answer>, Problem> {
        let Some(key) = &self.0 else { return Ok(None) };
        let Some(kept) = gate.store.read().await?.remembered(caller, key).await? else { return Ok(None) };
        if kept.request_hash != hash {
            return Err(Problem::new(Code::KeyReused, "this key came with another request before").at(KEY_HEADER));
        }
        let row = row_of(caller, key);
        let sealed = STANDARD.decode(&kept.answer).ok();
        let opened = sealed.and_then(|sealed| gate.keys.open(answer_place(&row), &sealed).ok());
        match opened.and_then(|json| serde_json::from_slice(&json).ok()) {
            Some(answer) => Ok(Some(answer)),
            None => Err(Problem::new(Code::KeyReused, "it was answered before, under a key that was changed since")),
        }
    }

    /// Keeps the answer, if the request has a key, and commits. Gives the answer of another request that came first.
    ///
    /// # Errors
    /// Nothing was done: the store failed, or [`Code::KeyReused`].
    pub async fn settle(
        &self,
        gate: &Gate,
        mut tx: WriteTx,
        caller: &Caller,
        hash: &[u8; 32],
        answer: Answer,
    ) -> Result<Answer, Problem> {
        if let Some(key) = &self.0 {
            let row = row_of(caller, key);
            let json = serde_json::to_vec(&answer).map_err(|_| Problem::internal())?;
            let sealed = STANDARD.encode(gate.keys.seal(answer_place(&row), &json, gate.store.chance()));
            if !tx.remember(caller, key, hash, answer.status, &sealed).await? {
                drop(tx);
                let busy = || Problem::new(Code::Busy, "the same request is being answered; try again in a moment");
                return self.answered(gate, caller, hash).await?.ok_or_else(busy);
            }
        }
        tx.commit().await?;
        Ok(answer)
    }
}

fn row_of(caller: &Caller, key: &str) -> String {
    format!("{} {key}", caller.user)
}

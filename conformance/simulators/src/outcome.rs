//! What comes of a request, and what a provider sends of its own accord.

use bytes::Bytes;
use http::Response;

/// What comes of a request.
#[derive(Debug)]
pub enum Outcome {
    /// The answer.
    Answer(Response<Bytes>),
    /// The connection is cut and nothing comes back; whether the request was carried out, the fault decided.
    Lost,
    /// The answer comes so much later. It was carried out at once.
    Late {
        /// Milliseconds.
        after_ms: u64,
        /// The answer.
        response: Response<Bytes>,
    },
    /// The head promises the whole body, and the connection ends after some bytes of it.
    Truncated {
        /// The whole answer.
        response: Response<Bytes>,
        /// So many bytes of its body arrive.
        after_bytes: usize,
    },
}

/// A request that a provider makes: a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The receiver's address.
    pub url: String,
    /// The headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body, often none.
    pub body: Bytes,
    /// So many attempts failed before.
    pub failed: u32,
}

/// What a receiver answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The status.
    pub status: u16,
    /// The `Content-Type`, in lower case; empty where there is none.
    pub content_type: String,
    /// The beginning of the body.
    pub body: Bytes,
}

//! `DAV:multistatus` (RFC 4918 §13): responses with propstats, written as text, streamed when there are many.

use std::future::Future;

use axum::body::Body;
use axum::http::Response;
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::error::{DavError, Done};
use crate::store::StoreError;
use crate::xml::{Writer, names};

/// The status of one resource or of some of its properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// 200
    Ok,
    /// 403
    Forbidden,
    /// 404
    NotFound,
    /// 409
    Conflict,
    /// 424: not done because something else could not be done
    FailedDependency,
    /// 507: no room, or more than was asked for
    InsufficientStorage,
}

impl Line {
    /// As `DAV:status` has it.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Line::Ok => "HTTP/1.1 200 OK",
            Line::Forbidden => "HTTP/1.1 403 Forbidden",
            Line::NotFound => "HTTP/1.1 404 Not Found",
            Line::Conflict => "HTTP/1.1 409 Conflict",
            Line::FailedDependency => "HTTP/1.1 424 Failed Dependency",
            Line::InsufficientStorage => "HTTP/1.1 507 Insufficient Storage",
        }
    }
}

/// A document with its `DAV:multistatus` open.
#[must_use]
pub fn begin() -> Writer {
    Writer::document(&names::MULTISTATUS)
}

/// What closes a document that [`begin`] opened.
pub fn end(writer: &mut Writer) {
    writer.close(&names::MULTISTATUS);
}

/// Writes a `DAV:response` about a whole resource.
pub fn status(writer: &mut Writer, href: &str, line: Line) {
    writer.open(&names::RESPONSE);
    writer.leaf(&names::HREF, href);
    writer.leaf(&names::STATUS, line.text());
    writer.close(&names::RESPONSE);
}

/// Writes a `DAV:propstat`; `props` writes what stands in its `DAV:prop`.
pub fn propstat(writer: &mut Writer, line: Line, props: impl FnOnce(&mut Writer)) {
    writer.open(&names::PROPSTAT);
    writer.open(&names::PROP);
    props(writer);
    writer.close(&names::PROP);
    writer.leaf(&names::STATUS, line.text());
    writer.close(&names::PROPSTAT);
}

/// A whole answer in one piece.
#[must_use]
pub fn whole(mut writer: Writer) -> Response<Body> {
    end(&mut writer);
    Done::MultiStatus.xml(writer.into_string())
}

/// How large a first page is sent at once with its length, without waiting whether there is a second one.
const PAGE_BYTES: usize = 64 * 1024;

/// An answer that is written while it is sent. `next` gives another piece of the text, with responses in it, or `None`
/// at the end; what closes the document is `tail`. The first pieces are made before the status is sent, so that a
/// failing store is still told as such.
///
/// # Errors
/// The store failed at the first piece. Later the connection breaks off, which no client takes for a whole answer.
pub async fn streamed<S, F, Fut>(head: Writer, state: S, mut next: F) -> Result<Response<Body>, DavError>
where
    S: Send + 'static,
    F: FnMut(S) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Option<(String, S)>, StoreError>> + Send + 'static,
{
    let mut text = head.into_string();
    let mut state = state;
    loop {
        match next(state).await? {
            None => {
                let mut tail = Writer::part();
                end(&mut tail);
                text.push_str(&tail.into_string());
                return Ok(Done::MultiStatus.xml(text));
            }
            Some((piece, after)) => {
                text.push_str(&piece);
                state = after;
            }
        }
        if text.len() > PAGE_BYTES {
            break;
        }
    }
    let rest = stream::try_unfold(Some(state), move |state| {
        let asked = state.map(&mut next);
        async move {
            let Some(asked) = asked else { return Ok::<_, StoreError>(None) };
            Ok(Some(match asked.await? {
                Some((piece, after)) => (Bytes::from(piece), Some(after)),
                None => {
                    let mut tail = Writer::part();
                    end(&mut tail);
                    (Bytes::from(tail.into_string()), None)
                }
            }))
        }
    });
    let first = stream::once(async move { Ok::<_, StoreError>(Bytes::from(text)) });
    Ok(Done::MultiStatus.xml(Body::from_stream(first.chain(rest))))
}

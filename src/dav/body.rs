//! Request bodies: read under a limit, unpacked under the same limit, or thrown away so that a connection can go on.

use std::io::Read;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http_body_util::BodyExt;

use super::error::DavError;
use super::headers::text;
use crate::auth::came_too_slowly;
use crate::xml::{Document, XmlError};

/// The largest XML body of a method other than REPORT: properties of a dozen clients together are far smaller.
pub const XML_BYTES_MAX: usize = 1024 * 1024;
/// How much of an unwanted body is read to keep the connection: a refused PUT costs the client another handshake
/// otherwise, and Apple's programs send each PUT once without credentials.
const DRAIN_BYTES_MAX: usize = 10 * 1024 * 1024;
/// How long it is read.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(5);

/// Why a body was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is larger than that.
    TooLarge(usize),
    /// The connection broke.
    Broken,
    /// It came too slowly.
    TooSlow,
    /// Packed in a way that is not known here.
    Coding,
    /// Not what its `Content-Encoding` says.
    Garbled,
}

impl From<BodyError> for DavError {
    fn from(error: BodyError) -> DavError {
        match error {
            BodyError::TooLarge(limit) => DavError::BodyTooLarge(limit),
            BodyError::TooSlow => DavError::TooSlow,
            BodyError::Broken => DavError::Bad("the body broke off".to_owned()),
            BodyError::Coding => DavError::UnsupportedMedia("Content-Encoding is gzip or deflate, if any"),
            BodyError::Garbled => DavError::Bad("the body is not what its Content-Encoding says".to_owned()),
        }
    }
}

/// Reads a body of at most `bytes_max` bytes, unpacked.
///
/// # Errors
/// See [`BodyError`].
pub async fn read(mut body: Body, headers: &HeaderMap, bytes_max: usize) -> Result<Bytes, BodyError> {
    let declared = text(headers, header::CONTENT_LENGTH.as_str()).and_then(|n| n.trim().parse::<u64>().ok());
    if declared.is_some_and(|n| n > bytes_max as u64) {
        return Err(BodyError::TooLarge(bytes_max));
    }
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|e| broken(&e))?.into_data() else { continue };
        if first.len() + all.len() + data.len() > bytes_max {
            return Err(BodyError::TooLarge(bytes_max));
        }
        // Nearly every body comes in one piece, which is not copied.
        if first.is_empty() && all.is_empty() {
            first = data;
        } else {
            all.extend_from_slice(&std::mem::take(&mut first));
            all.extend_from_slice(&data);
        }
    }
    let packed = if all.is_empty() { first } else { all.freeze() };
    unpack(packed, text(headers, header::CONTENT_ENCODING.as_str()), bytes_max)
}

fn broken(error: &axum::Error) -> BodyError {
    if came_too_slowly(error) { BodyError::TooSlow } else { BodyError::Broken }
}

/// Undoes a `Content-Encoding`. Older iCal packs what it PUTs.
fn unpack(packed: Bytes, coding: Option<&str>, bytes_max: usize) -> Result<Bytes, BodyError> {
    match coding.map(|c| c.trim().to_ascii_lowercase()).as_deref() {
        None | Some("" | "identity") => Ok(packed),
        Some("gzip" | "x-gzip") => inflate(MultiGzDecoder::new(&*packed), bytes_max),
        // RFC 9110 means zlib by deflate; some clients send the bare stream.
        Some("deflate") => match inflate(ZlibDecoder::new(&*packed), bytes_max) {
            Err(BodyError::Garbled) => inflate(DeflateDecoder::new(&*packed), bytes_max),
            other => other,
        },
        Some(_) => Err(BodyError::Coding),
    }
}

fn inflate(decoder: impl Read, bytes_max: usize) -> Result<Bytes, BodyError> {
    let mut unpacked = Vec::new();
    decoder.take(bytes_max as u64 + 1).read_to_end(&mut unpacked).map_err(|_| BodyError::Garbled)?;
    if unpacked.len() > bytes_max { Err(BodyError::TooLarge(bytes_max)) } else { Ok(unpacked.into()) }
}

/// Reads a body as XML; `None` if there is nothing but white space.
///
/// # Errors
/// What [`read`] and [`Document::parse`] refuse.
pub async fn read_xml(body: Body, headers: &HeaderMap, bytes_max: usize) -> Result<Option<Document>, DavError> {
    parsed(&read(body, headers, bytes_max).await?, bytes_max)
}

/// As [`read_xml`], and refuses a body that says of itself that it is something else (RFC 4918 §9.3). Only for methods
/// that make collections: with others clients send whatever type their library thinks of.
///
/// # Errors
/// As [`read_xml`], and [`DavError::UnsupportedMedia`].
pub async fn read_declared_xml(
    body: Body,
    headers: &HeaderMap,
    bytes_max: usize,
) -> Result<Option<Document>, DavError> {
    let bytes = read(body, headers, bytes_max).await?;
    if !bytes.trim_ascii().is_empty() && !is_xml(text(headers, header::CONTENT_TYPE.as_str())) {
        return Err(DavError::UnsupportedMedia("the body is XML"));
    }
    parsed(&bytes, bytes_max)
}

/// Whether a Content-Type is one of XML (RFC 7303), or says nothing.
fn is_xml(content_type: Option<&str>) -> bool {
    let Some(content_type) = content_type else { return true };
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(kind.as_str(), "" | "application/xml" | "text/xml") || kind.ends_with("+xml")
}

fn parsed(bytes: &[u8], bytes_max: usize) -> Result<Option<Document>, DavError> {
    match Document::parse(bytes, bytes_max) {
        Ok(document) => Ok(Some(document)),
        Err(XmlError::Empty) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What is to become of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// It can take another request.
    Goes,
    /// Something of this one is still on it.
    Ends,
}

/// Throws a body away that nobody wanted, within limits. On HTTP/2 as well: some clients take a stream that ends before
/// they have sent everything for broken, and never look at the answer (curl 7.88).
///
/// `is_held_back`: the client waits to be asked for it, and reading would ask.
pub async fn drain(mut body: Body, is_held_back: bool) -> Connection {
    if is_held_back {
        return Connection::Ends;
    }
    let reading = async {
        let mut left = DRAIN_BYTES_MAX;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return Connection::Ends };
            left = match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                Some(left) => left,
                None => return Connection::Ends,
            };
        }
        Connection::Goes
    };
    tokio::time::timeout(DRAIN_TIME_MAX, reading).await.unwrap_or(Connection::Ends)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use std::io::Write;

    fn packed(coding: &'static str, bytes: Vec<u8>) -> (Body, HeaderMap) {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, coding.parse().unwrap());
        (Body::from(bytes), headers)
    }

    #[tokio::test]
    async fn packed_bodies_are_unpacked_within_the_limit() {
        let text = vec![b'x'; 10_000];
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&text).unwrap();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(&text).unwrap();
        let mut bare = DeflateEncoder::new(Vec::new(), Compression::fast());
        bare.write_all(&text).unwrap();
        for (coding, bytes) in [
            ("gzip", gzip.finish().unwrap()),
            ("deflate", zlib.finish().unwrap()),
            ("deflate", bare.finish().unwrap()),
            ("identity", text.clone()),
        ] {
            let (body, headers) = packed(coding, bytes.clone());
            assert_eq!(read(body, &headers, 10_000).await.unwrap(), text, "{coding}");
            let (body, headers) = packed(coding, bytes);
            assert_eq!(read(body, &headers, 9_999).await, Err(BodyError::TooLarge(9_999)), "{coding}");
        }
        let (body, headers) = packed("br", text);
        assert_eq!(read(body, &headers, 10_000).await, Err(BodyError::Coding));
        let (body, headers) = packed("gzip", b"no gzip".to_vec());
        assert_eq!(read(body, &headers, 10_000).await, Err(BodyError::Garbled));
    }

    #[test]
    fn xml_has_three_kinds_of_names() {
        for good in [None, Some("text/xml; charset=utf-8"), Some("Application/XML"), Some("application/dav+xml")] {
            assert!(is_xml(good), "{good:?}");
        }
        for bad in ["xzy-foo/bar-512", "text/calendar", "application/json", "text/xmlish"] {
            assert!(!is_xml(Some(bad)), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_body_that_was_cut_for_its_pace_is_told_as_such() {
        for (kind, why) in
            [(std::io::ErrorKind::TimedOut, BodyError::TooSlow), (std::io::ErrorKind::UnexpectedEof, BodyError::Broken)]
        {
            let cut = futures_util::stream::iter([Ok(Bytes::from_static(b"x")), Err(std::io::Error::from(kind))]);
            assert_eq!(read(Body::from_stream(cut), &HeaderMap::new(), 100).await, Err(why));
        }
        assert_eq!(DavError::from(BodyError::TooSlow).into_response().status(), 408);
    }

    #[tokio::test]
    async fn an_unwanted_body_is_read_unless_it_is_held_back() {
        assert_eq!(drain(Body::from(vec![0; 1_000]), false).await, Connection::Goes);
        assert_eq!(drain(Body::from(vec![0; DRAIN_BYTES_MAX + 1]), false).await, Connection::Ends);
        assert_eq!(drain(Body::from("x"), true).await, Connection::Ends);
    }
}

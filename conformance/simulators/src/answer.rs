//! Building answers.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::Value;

pub(crate) fn json(status: u16, body: &Value, pretty: bool) -> Response<Bytes> {
    let bytes = if pretty { serde_json::to_vec_pretty(body) } else { serde_json::to_vec(body) }.unwrap_or_default();
    with_type(status, "application/json; charset=UTF-8", bytes)
}

pub(crate) fn html(status: u16, page: String) -> Response<Bytes> {
    with_type(status, "text/html; charset=utf-8", page.into_bytes())
}

pub(crate) fn empty(status: u16) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = code(status);
    response
}

pub(crate) fn redirect(to: &str) -> Response<Bytes> {
    let mut response = empty(302);
    if let Ok(value) = HeaderValue::from_str(to) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}

pub(crate) fn with_type(status: u16, content_type: &str, body: Vec<u8>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = code(status);
    if let Ok(value) = HeaderValue::from_str(content_type) {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

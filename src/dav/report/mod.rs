//! REPORT: what clients ask a collection for.
//!
//! | file | what |
//! | --- | --- |
//! | `range` | stretches of time as requests name them |
//! | `collation` | how texts are compared |
//! | `filter`, `evaluate` | `CALDAV:filter`, and an object held against it |
//! | `data` | `CALDAV:calendar-data`; `select`, `expand`, `limit` do its parts |

pub mod collation;
pub mod data;
pub mod evaluate;
pub mod expand;
pub mod filter;
pub mod freebusy;
pub mod limit;
pub mod range;
pub mod select;
pub mod zone;

#[cfg(test)]
mod examples;

use axum::body::Body;
use axum::http::Response;

use super::Ask;
use super::body::read_xml;
use super::error::{DavError, Precondition};
use super::path::Kind;
use crate::xml::Name;

/// The largest body of a report: a multiget of tens of thousands of objects.
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// The reports that resources of a kind answer.
#[must_use]
pub fn supported(_kind: Kind) -> &'static [Name] {
    &[]
}

/// Answers a REPORT.
///
/// # Errors
/// No such report here, or what the report itself refuses.
pub(super) async fn report(ask: &mut Ask) -> Result<Response<Body>, DavError> {
    let body = ask.take_body();
    let document = read_xml(body, &ask.headers, BYTES_MAX).await?;
    if document.is_none() {
        return Err(DavError::Bad("the body names no report".to_owned()));
    }
    Err(Precondition::SupportedReport.into())
}

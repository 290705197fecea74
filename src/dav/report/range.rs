//! The stretches of time that requests name: `time-range`, `expand`, `limit-recurrence-set`, `limit-freebusy-set`.

use crate::domain::recurrence::Window;
use crate::domain::time::Instant;
use crate::ics::When;
use crate::ics::zone::Zone;
use crate::xml::Element;

/// Why an element names no stretch of time (RFC 4791 §9.9 and §9.6.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// An attribute is missing.
    #[error("the {0} attribute is missing")]
    Missing(&'static str),
    /// Not of the form 20060104T000000Z.
    #[error("the {0} attribute is no date with a time in UTC")]
    NotUtc(&'static str),
    /// The end is not after the start.
    #[error("the end is not after the start")]
    Reversed,
}

/// A range of which one end may be open: `CALDAV:time-range`.
///
/// # Errors
/// Neither end, an end that is no UTC time, or an end that is not after the start.
pub fn half_open(element: &Element) -> Result<Window, RangeError> {
    let (from, to) = (end(element, "start")?, end(element, "end")?);
    if from.is_none() && to.is_none() {
        return Err(RangeError::Missing("start"));
    }
    window(from.unwrap_or(Instant::FAR_PAST), to.unwrap_or(Instant::FAR_FUTURE))
}

/// A range with both ends: everything but `CALDAV:time-range`.
///
/// # Errors
/// As [`half_open`], and an end that is missing.
pub fn closed(element: &Element) -> Result<Window, RangeError> {
    let from = end(element, "start")?.ok_or(RangeError::Missing("start"))?;
    let to = end(element, "end")?.ok_or(RangeError::Missing("end"))?;
    window(from, to)
}

fn window(from: Instant, to: Instant) -> Result<Window, RangeError> {
    if from < to { Ok(Window { from, to }) } else { Err(RangeError::Reversed) }
}

fn end(element: &Element, attribute: &'static str) -> Result<Option<Instant>, RangeError> {
    let Some(text) = element.attribute(attribute) else { return Ok(None) };
    match When::parse(text, None) {
        Ok(When::Utc(local)) => Ok(Some(Zone::Utc.instant(local).into())),
        Ok(When::Date(_) | When::Floating(_) | When::Zoned { .. }) | Err(_) => Err(RangeError::NotUtc(attribute)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::Document;

    fn read(
        attributes: &str,
        read: fn(&Element) -> Result<Window, RangeError>,
    ) -> Result<(String, String), RangeError> {
        let body = format!("<time-range {attributes}/>");
        let document = Document::parse(body.as_bytes(), 10_000).expect("well-formed");
        read(document.root()).map(|window| (window.from.to_string(), window.to.to_string()))
    }

    #[test]
    fn a_filter_may_leave_one_end_open() {
        let far = Instant::FAR_FUTURE.to_string();
        assert_eq!(read("start='20060104T000000Z'", half_open), Ok(("2006-01-04T00:00:00Z".into(), far)));
        assert!(read("end='20060104T000000Z'", half_open).is_ok());
        assert_eq!(read("", half_open), Err(RangeError::Missing("start")));
        assert_eq!(read("start='20060104T000000Z'", closed), Err(RangeError::Missing("end")));
    }

    #[test]
    fn only_utc_and_only_forwards() {
        for (attributes, error) in [
            ("start='20060104' end='20060105'", RangeError::NotUtc("start")),
            ("start='20060104T000000' end='20060105T000000'", RangeError::NotUtc("start")),
            ("start='20060104T000000Z' end='tomorrow'", RangeError::NotUtc("end")),
            ("start='20060104T000000Z' end='20060104T000000Z'", RangeError::Reversed),
            ("start='20060105T000000Z' end='20060104T000000Z'", RangeError::Reversed),
        ] {
            assert_eq!(read(attributes, half_open), Err(error), "{attributes}");
            assert_eq!(read(attributes, closed), Err(error), "{attributes}");
        }
    }
}

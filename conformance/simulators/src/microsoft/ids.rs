//! Ids of events, change keys, and UIDs: opaque to clients, self-contained for us.

use base64::{Engine, engine::general_purpose::URL_SAFE};
use jiff::civil::Date;

use crate::chance::check;

/// Which kind of id a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Changes when the event moves to another calendar.
    Rest,
    /// Stays.
    Immutable,
}

/// What an id names: an event by number, how often it had moved, and one occurrence of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) form: Form,
    pub(crate) key: u64,
    pub(crate) moves: u32,
    pub(crate) date: Option<Date>,
}

const REST: &str = "AAMkAG";
const IMMUTABLE: &str = "AAkALg";

/// The id.
pub(crate) fn write(seed: u64, named: Named) -> String {
    let (prefix, moves) = match named.form {
        Form::Rest => (REST, named.moves),
        Form::Immutable => (IMMUTABLE, 0),
    };
    let mut bytes = Vec::with_capacity(28);
    bytes.extend_from_slice(&named.key.to_be_bytes());
    bytes.extend_from_slice(&moves.to_be_bytes());
    if let Some(date) = named.date {
        bytes.extend_from_slice(date.to_string().as_bytes());
    }
    let sum = sum(seed, prefix, &bytes);
    let mut all = sum.to_be_bytes().to_vec();
    // The check digits over the rest, so that near numbers have ids that look nothing alike.
    all.extend(bytes.iter().zip(sum.to_le_bytes().iter().cycle()).map(|(byte, mask)| byte ^ mask));
    format!("{prefix}{}", URL_SAFE.encode(all))
}

/// What an id names, if it is one of ours.
pub(crate) fn read(seed: u64, id: &str) -> Option<Named> {
    let (form, prefix, rest) = match (id.strip_prefix(REST), id.strip_prefix(IMMUTABLE)) {
        (Some(rest), _) => (Form::Rest, REST, rest),
        (None, Some(rest)) => (Form::Immutable, IMMUTABLE, rest),
        (None, None) => return None,
    };
    let all = URL_SAFE.decode(rest).ok()?;
    let (head, tail) = all.split_first_chunk::<8>()?;
    let own = u64::from_be_bytes(*head);
    let bytes: Vec<u8> = tail.iter().zip(own.to_le_bytes().iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    if sum(seed, prefix, &bytes) != own {
        return None;
    }
    let (key, rest) = bytes.split_first_chunk::<8>()?;
    let (moves, date) = rest.split_first_chunk::<4>()?;
    let date = if date.is_empty() { None } else { Some(std::str::from_utf8(date).ok()?.parse().ok()?) };
    Some(Named { form, key: u64::from_be_bytes(*key), moves: u32::from_be_bytes(*moves), date })
}

fn sum(seed: u64, prefix: &str, bytes: &[u8]) -> u64 {
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    check(seed, &format!("{prefix}{text}"))
}

/// A change key of an event.
pub(crate) fn change_key(change: u64) -> String {
    let mut bytes = b"\x09\x00\x00\x00\x16\x00\x00\x00".to_vec();
    bytes.extend_from_slice(&change.to_be_bytes());
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// An etag: weak, of the change key.
pub(crate) fn etag(change: u64) -> String {
    format!("W/\"{}\"", change_key(change))
}

/// A UID of Outlook's form, of a series or of one occurrence.
pub(crate) fn uid(seed: u64, key: u64, created_ms: i64) -> String {
    let made = u64::try_from(created_ms).unwrap_or(0).saturating_mul(10_000);
    format!(
        "040000008200E00074C5B7101A82E00800000000{made:016X}000000000000000010000000{:016X}{:016X}",
        check(seed, &key.to_string()),
        key
    )
}

/// The UID of one occurrence of a series with that UID: the day stands in bytes 16 to 19.
pub(crate) fn occurrence_uid(series: &str, date: Date) -> String {
    match (series.get(..32), series.get(40..)) {
        (Some(head), Some(tail)) if series.starts_with("040000008200E00074C5B7101A82E008") => {
            format!("{head}{:04X}{:02X}{:02X}{tail}", date.year(), date.month(), date.day())
        }
        _ => series.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn an_id_is_read_back_and_a_garbled_one_is_not() {
        for form in [Form::Rest, Form::Immutable] {
            for day in [None, Some(date(2026, 3, 10))] {
                let named = Named { form, key: 41, moves: if form == Form::Rest { 2 } else { 0 }, date: day };
                let id = write(7, named);
                assert_eq!(read(7, &id), Some(named));
                assert_eq!(read(8, &id), None);
                assert_eq!(read(7, &id.to_ascii_lowercase()), None);
            }
        }
        assert_eq!(read(7, "AAkALgé"), None);
        assert_eq!(read(7, ""), None);
    }

    #[test]
    fn a_mutable_id_changes_with_a_move_and_an_immutable_one_does_not() {
        let id = |form, moves| write(7, Named { form, key: 41, moves, date: None });
        assert_ne!(id(Form::Rest, 0), id(Form::Rest, 1));
        assert_eq!(id(Form::Immutable, 0), id(Form::Immutable, 1));
    }

    #[test]
    fn an_occurrences_uid_names_its_day() {
        let series = uid(7, 1, 1_800_000_000_000);
        let one = occurrence_uid(&series, date(2026, 3, 10));
        assert_eq!(one.get(32..40), Some("07EA030A"));
        assert_eq!((one.get(..32), one.get(40..)), (series.get(..32), series.get(40..)));
    }
}

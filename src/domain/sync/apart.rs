//! Instances of a series that stand at a provider as events of their own, because it cannot repeat as the series does.
//!
//! Each has a mapping, an intent and a key like any object, under a name made of its series and the start that it has, or
//! had before it was moved. No object is stored under such a name.

use crate::domain::ids::ObjectId;
use crate::domain::time::Instant;

/// Stands between the two parts of a name; no object's id has it.
const BETWEEN: char = '@';

/// The name of an instance.
#[must_use]
pub fn name(series: &ObjectId, slot: Instant) -> ObjectId {
    ObjectId::from_text(format!("{series}{BETWEEN}{}", slot.ms()))
}

/// The series and the slot that a name is made of; `None`: it is an object's.
#[must_use]
pub fn parts(id: &ObjectId) -> Option<(ObjectId, Instant)> {
    let (series, slot) = id.as_str().split_once(BETWEEN)?;
    Some((ObjectId::from_text(series), Instant::from_ms(slot.parse().ok()?)))
}

/// The object that a name is about: itself, or the series of the instance.
#[must_use]
pub fn whole(id: &ObjectId) -> ObjectId {
    parts(id).map_or_else(|| id.clone(), |(series, _)| series)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_its_series_and_its_slot() {
        let series = ObjectId::from_text("01a1ffcd-0837-7aae-8559-5d22ae24195c");
        for slot in [Instant::from_ms(1_796_112_000_000), Instant::from_ms(-5)] {
            let name = name(&series, slot);
            assert_eq!(parts(&name), Some((series.clone(), slot)));
            assert_eq!(whole(&name), series);
        }
        assert_eq!((parts(&series), whole(&series)), (None, series));
    }
}

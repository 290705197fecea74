//! How busy an appointment makes its owner: TRANSP, and beside it X-MICROSOFT-CDO-BUSYSTATUS, which knows more.

use super::held::{Event, text};
use crate::ics::{Component, Property};

/// Where an object says it.
const LINE: &str = "X-MICROSOFT-CDO-BUSYSTATUS";
/// As a provider says it, and as an object does.
const WORDS: [(&str, &str); 5] = [
    ("free", "FREE"),
    ("tentative", "TENTATIVE"),
    ("busy", "BUSY"),
    ("oof", "OOF"),
    ("workingElsewhere", "WORKINGELSEWHERE"),
];

/// Of an event; empty where it does not say.
pub(in crate::upstream) fn of_json(event: &Event) -> &'static str {
    let said = text(event, "busy");
    WORDS.iter().find(|(word, _)| *word == said).map_or("", |(word, _)| word)
}

/// Of a component, whose TRANSP counts first.
pub(in crate::upstream) fn of_component(component: &Component, transparent: bool) -> &'static str {
    let said = component.property(LINE).map(|line| line.value().trim().to_ascii_uppercase());
    let said = said.and_then(|said| WORDS.iter().find(|(_, word)| *word == said)).map(|(word, _)| *word);
    match said {
        Some(word) if (word == "free") == transparent => word,
        _ if transparent => "free",
        _ => "busy",
    }
}

/// Has a component say it, beside what its TRANSP does.
pub(in crate::upstream) fn put(component: &mut Component, busy: &str, transparent: bool) {
    if busy.is_empty() || of_component(component, transparent) == busy {
        return;
    }
    component.remove(LINE);
    let word = WORDS.iter().find(|(word, _)| *word == busy).map(|(_, word)| *word);
    if let Some(word) = word.filter(|_| of_component(component, transparent) != busy) {
        component.push(Property::new(LINE, word));
    }
}

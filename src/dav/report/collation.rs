//! Collations (RFC 4790) and the text comparison built on them: `CALDAV:text-match`.
//!
//! Job: fold a text so that two of them compare octet by octet. Neighbours: `filter` reads the element, `evaluate` hands in
//! property and parameter values. It must never know where a text comes from.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

/// How texts are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collation {
    /// `i;ascii-casemap`: the letters A to Z without case, everything else as it is. The default of RFC 4791 §7.5.
    AsciiCasemap,
    /// `i;octet`: as it is.
    Octet,
    /// `i;unicode-casemap` (RFC 5051): every script without case, however its letters are composed.
    UnicodeCasemap,
}

impl Collation {
    /// Every collation, in the order of `CALDAV:supported-collation-set`.
    pub const ALL: [Collation; 3] = [Collation::AsciiCasemap, Collation::Octet, Collation::UnicodeCasemap];

    /// Its identifier.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Collation::AsciiCasemap => "i;ascii-casemap",
            Collation::Octet => "i;octet",
            Collation::UnicodeCasemap => "i;unicode-casemap",
        }
    }

    /// The collation of that identifier. `default` is the server's choice (RFC 4790 §3.1); wildcards are none.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Collation> {
        if name == "default" {
            return Some(Collation::AsciiCasemap);
        }
        Collation::ALL.into_iter().find(|c| c.name() == name)
    }

    /// The text in the form in which it is compared.
    fn fold(self, text: &str) -> Cow<'_, str> {
        match self {
            Collation::Octet => Cow::Borrowed(text),
            Collation::AsciiCasemap if !text.bytes().any(|b| b.is_ascii_uppercase()) => Cow::Borrowed(text),
            Collation::AsciiCasemap => Cow::Owned(text.to_ascii_lowercase()),
            Collation::UnicodeCasemap => Cow::Owned(text.nfkd().map(upper).collect()),
        }
    }
}

/// The simple mapping alone: RFC 5051 keeps ß apart from SS.
fn upper(c: char) -> char {
    let mut mapped = c.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

/// Where in a value the text must stand. RFC 4791 knows `contains` alone; the others come from RFC 6352 §10.5.4, and
/// clients that share their code with address books send them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchType {
    /// Anywhere.
    Contains,
    /// It is the whole value.
    Equals,
    /// At its beginning.
    StartsWith,
    /// At its end.
    EndsWith,
}

impl MatchType {
    /// The type of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<MatchType> {
        Some(match name {
            "contains" => MatchType::Contains,
            "equals" => MatchType::Equals,
            "starts-with" => MatchType::StartsWith,
            "ends-with" => MatchType::EndsWith,
            _ => return None,
        })
    }
}

/// `CALDAV:text-match` (RFC 4791 §9.7.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextMatch {
    collation: Collation,
    kind: MatchType,
    negated: bool,
    /// Folded already.
    wanted: String,
}

impl TextMatch {
    /// A comparison with `wanted`.
    #[must_use]
    pub fn new(wanted: &str, collation: Collation, kind: MatchType) -> TextMatch {
        TextMatch { collation, kind, negated: false, wanted: collation.fold(wanted).into_owned() }
    }

    /// The opposite of it: `negate-condition`.
    #[must_use]
    pub fn negated(self) -> TextMatch {
        TextMatch { negated: !self.negated, ..self }
    }

    /// Whether one of these values satisfies it; when negated, whether none has the text.
    pub fn matches<'v>(&self, values: impl IntoIterator<Item = Cow<'v, str>>) -> bool {
        values.into_iter().any(|value| self.finds(&value)) != self.negated
    }

    fn finds(&self, value: &str) -> bool {
        let value = self.collation.fold(value);
        match self.kind {
            MatchType::Contains => value.contains(&self.wanted),
            MatchType::Equals => value == self.wanted,
            MatchType::StartsWith => value.starts_with(&self.wanted),
            MatchType::EndsWith => value.ends_with(&self.wanted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(collation: &str, wanted: &str, value: &str) -> bool {
        let collation = Collation::from_name(collation).expect("a collation");
        TextMatch::new(wanted, collation, MatchType::Contains).matches([Cow::Borrowed(value)])
    }

    #[test]
    fn each_collation_compares_as_its_rfc_says() {
        for (wanted, value, ascii, octet, unicode) in [
            ("event", "An Event", true, false, true),
            ("Event", "An Event", true, true, true),
            ("ÉTÉ", "un été", false, false, true),
            ("été", "un été", true, true, true),
            ("\u{e9}t\u{e9}", "e\u{301}te\u{301}", false, false, true),
            ("ΣΟΦΊΑ", "η σοφία", false, false, true),
            ("STRASSE", "Straße", false, false, false),
            ("straße", "STRAßE", true, false, true),
            ("ﬁ", "office FIle", false, false, true),
            ("", "anything", true, true, true),
        ] {
            assert_eq!(finds("i;ascii-casemap", wanted, value), ascii, "ascii {wanted} in {value}");
            assert_eq!(finds("i;octet", wanted, value), octet, "octet {wanted} in {value}");
            assert_eq!(finds("i;unicode-casemap", wanted, value), unicode, "unicode {wanted} in {value}");
        }
    }

    #[test]
    fn unknown_collations_and_wildcards_are_none() {
        for name in ["i;unknown", "i;*", "", "i;ascii-numeric", "I;OCTET"] {
            assert_eq!(Collation::from_name(name), None, "{name}");
        }
        assert_eq!(Collation::from_name("default"), Some(Collation::AsciiCasemap));
    }

    #[test]
    fn where_the_text_stands_counts_for_the_other_match_types() {
        for (kind, value, expected) in [
            ("equals", "ab", true),
            ("equals", "abc", false),
            ("starts-with", "ABc", true),
            ("starts-with", "cab", false),
            ("ends-with", "cAb", true),
            ("ends-with", "abc", false),
            ("contains", "xaby", true),
        ] {
            let kind_of = MatchType::from_name(kind).expect("a match type");
            let text = TextMatch::new("ab", Collation::AsciiCasemap, kind_of);
            assert_eq!(text.matches([Cow::Borrowed(value)]), expected, "{kind} {value}");
            assert_eq!(text.negated().matches([Cow::Borrowed(value)]), !expected, "not {kind} {value}");
        }
        assert_eq!(MatchType::from_name("sounds-like"), None);
    }

    #[test]
    fn one_value_of_several_is_enough_and_for_a_negated_match_one_too_many() {
        let text = TextMatch::new("b", Collation::Octet, MatchType::Equals);
        let values = || ["a", "b"].map(Cow::Borrowed);
        assert!(text.matches(values()));
        assert!(!text.negated().matches(values()));
    }
}

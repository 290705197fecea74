//! Names of what a merge decides about, one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ics::CalAddress;

macro_rules! parts {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)+) => {
        /// A part of an appointment that is decided about on its own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Part { $($(#[$doc])* $variant,)+ }

        impl Part {
            /// Every one of them.
            pub const ALL: &'static [Part] = &[$(Part::$variant),+];

            /// Its name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Part::$variant => $word,)+ }
            }
        }
    };
}

parts! {
    /// Start, end, zone, rules, added and excluded dates: one thing, for half of it means nothing.
    Time = "time",
    /// SUMMARY
    Title = "title",
    /// DESCRIPTION
    Notes = "notes",
    /// LOCATION
    Location = "location",
    /// URL
    Url = "url",
    /// STATUS
    Status = "status",
    /// CLASS
    Private = "private",
    /// TRANSP
    Transparency = "transparency",
    /// One of CATEGORIES.
    Category = "category",
    /// ORGANIZER
    Organizer = "organizer",
    /// One ATTENDEE with all that the organizer says of them.
    Attendee = "attendee",
    /// PARTSTAT of one ATTENDEE.
    Participation = "participation",
    /// One VALARM.
    Reminder = "reminder",
    /// One ATTACH.
    Attachment = "attachment",
    /// Any other property, or one value of it.
    Property = "property",
    /// Any other component inside.
    Component = "component",
    /// Whether an instance of its own is there at all.
    Instance = "instance",
}

/// What a conflict is about: `title`, `attendee:mailto:ada@example.org`, `time@2026-01-05T10:00:00Z` for one instance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Field {
    /// Which part.
    pub part: Part,
    /// Which of several; empty where there is one.
    pub item: String,
    /// The instance by its RECURRENCE-ID; `None`: the appointment or its series.
    pub instance: Option<String>,
}

/// A field's name is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no field")]
pub struct NoField(pub String);

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.part.as_str())?;
        if let Some(instance) = &self.instance {
            write!(f, "@{instance}")?;
        }
        if !self.item.is_empty() {
            write!(f, ":{}", self.item)?;
        }
        Ok(())
    }
}

impl FromStr for Field {
    type Err = NoField;

    fn from_str(text: &str) -> Result<Field, NoField> {
        let unknown = || NoField(text.to_owned());
        let end = text.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(text.len());
        let (word, rest) = text.split_at_checked(end).ok_or_else(unknown)?;
        let part = Part::ALL.iter().copied().find(|part| part.as_str() == word).ok_or_else(unknown)?;
        let (instance, item) = match rest.strip_prefix('@') {
            Some(rest) => {
                let end = instance_end(rest);
                let (instance, item) = rest.split_at_checked(end).ok_or_else(unknown)?;
                (Some(instance.to_owned()), item)
            }
            None => (None, rest),
        };
        let item = match item.strip_prefix(':') {
            Some(item) => item.to_owned(),
            None if item.is_empty() => String::new(),
            None => return Err(unknown()),
        };
        Ok(Field { part, item, instance })
    }
}

/// Where the name of an instance (`2026-01-05` or `2026-01-05T10:00:00Z`) ends.
fn instance_end(text: &str) -> usize {
    let day_end = text.find([':', 'T']).unwrap_or(text.len());
    match text.get(day_end..).filter(|rest| rest.starts_with('T')).and_then(|rest| rest.find('Z')) {
        Some(end) => day_end + end + 1,
        None => day_end,
    }
}

impl From<Field> for String {
    fn from(field: Field) -> String {
        field.to_string()
    }
}

impl TryFrom<String> for Field {
    type Error = NoField;

    fn try_from(text: String) -> Result<Field, NoField> {
        text.parse()
    }
}

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Ours.
    Local,
    /// The provider's.
    Remote,
}

/// Who wins where both sides changed the same thing to different ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Prefer {
    /// Nobody: the field stays as it is here and is told.
    #[default]
    Neither,
    /// Our side.
    Local,
    /// The provider's side.
    Remote,
    /// As somebody decided, field by field; a field that is not named has no winner.
    PerField(BTreeMap<Field, Side>),
}

impl Prefer {
    pub(super) fn side(&self, field: &Field) -> Option<Side> {
        match self {
            Prefer::Neither => None,
            Prefer::Local => Some(Side::Local),
            Prefer::Remote => Some(Side::Remote),
            Prefer::PerField(sides) => sides.get(field).copied(),
        }
    }
}

/// Through which parts a remote change may flow back, and who speaks for whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteBack {
    /// Nothing but these.
    only: Option<BTreeSet<Part>>,
    never: BTreeSet<Part>,
    /// Instances, by name, of which nothing but the time may come back.
    times_only: BTreeSet<String>,
    here: Vec<CalAddress>,
    there: Vec<CalAddress>,
    contact_line: bool,
}

impl WriteBack {
    /// Everything may.
    #[must_use]
    pub fn all() -> WriteBack {
        WriteBack::default()
    }

    /// Nothing may.
    #[must_use]
    pub fn none() -> WriteBack {
        WriteBack::only([])
    }

    /// Only these may.
    #[must_use]
    pub fn only(parts: impl IntoIterator<Item = Part>) -> WriteBack {
        WriteBack { only: Some(parts.into_iter().collect()), ..WriteBack::default() }
    }

    /// The same without a part.
    #[must_use]
    pub fn without(mut self, part: Part) -> WriteBack {
        self.never.insert(part);
        self
    }

    /// The same, with nothing but its time from one instance.
    #[must_use]
    pub fn times_only_of(mut self, instance: String) -> WriteBack {
        self.times_only.insert(instance);
        self
    }

    /// The same, knowing whose addresses are here and whose are there. A participation comes from its attendee's own
    /// side, and what an organizer says from the organizer's; of those that are on both or on neither, from both.
    #[must_use]
    pub fn with_people(mut self, here: Vec<CalAddress>, there: Vec<CalAddress>) -> WriteBack {
        (self.here, self.there) = (here, there);
        self
    }

    /// The same for notes that go out with a client's contact under them, which does not come back.
    #[must_use]
    pub fn under_contact_line(mut self) -> WriteBack {
        self.contact_line = true;
        self
    }

    /// Whether notes go out with a client's contact under them.
    #[must_use]
    pub fn has_contact_line(&self) -> bool {
        self.contact_line
    }

    /// Whether a remote change of a part may come in. An instance comes and goes as times do.
    #[must_use]
    pub fn allows(&self, part: Part, instance: Option<&str>) -> bool {
        let part = match part {
            Part::Instance => Part::Time,
            Part::Participation => Part::Attendee,
            part => part,
        };
        let masked = instance.is_some_and(|instance| self.times_only.contains(instance)) && part != Part::Time;
        !masked && !self.never.contains(&part) && self.only.as_ref().is_none_or(|only| only.contains(&part))
    }

    /// The one side that speaks for an address.
    pub(super) fn speaker(&self, address: &str) -> Option<Side> {
        let address = CalAddress::new(address);
        match (self.here.contains(&address), self.there.contains(&address)) {
            (true, false) => Some(Side::Local),
            (false, true) => Some(Side::Remote),
            (true, true) | (false, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_a_word_that_comes_back() {
        for (part, item, instance, word) in [
            (Part::Title, "", None, "title"),
            (Part::Attendee, "mailto:ada@example.org", None, "attendee:mailto:ada@example.org"),
            (Part::Time, "", Some("2026-01-05T10:00:00Z"), "time@2026-01-05T10:00:00Z"),
            (Part::Category, "Zürich: Café", Some("2026-01-05"), "category@2026-01-05:Zürich: Café"),
            (Part::Category, "Z", Some("2026-01-05"), "category@2026-01-05:Z"),
            (Part::Reminder, "-15m", Some("2026-01-05T10:00:00Z"), "reminder@2026-01-05T10:00:00Z:-15m"),
        ] {
            let field = Field { part, item: item.into(), instance: instance.map(str::to_owned) };
            assert_eq!(field.to_string(), word);
            assert_eq!(word.parse(), Ok(field.clone()));
            assert_eq!(serde_json::to_value(&field).unwrap(), word);
        }
        for wrong in ["", "nothing", "title!", "Title", "@x"] {
            assert_eq!(wrong.parse::<Field>(), Err(NoField(wrong.into())));
        }
    }

    #[test]
    fn what_may_flow_back_is_said_part_by_part() {
        assert!(WriteBack::all().allows(Part::Title, None));
        assert!(!WriteBack::none().allows(Part::Time, None));
        let times = WriteBack::only([Part::Time]);
        assert!(times.allows(Part::Instance, None) && !times.allows(Part::Notes, None));
        let most = WriteBack::all().without(Part::Title).times_only_of("2026-01-05".into());
        assert!(!most.allows(Part::Title, None) && most.allows(Part::Notes, Some("2026-01-06")));
        assert!(!most.allows(Part::Notes, Some("2026-01-05")) && most.allows(Part::Time, Some("2026-01-05")));
    }
}

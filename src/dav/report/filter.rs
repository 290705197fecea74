//! `CALDAV:filter` (RFC 4791 §9.7), read and checked: what a calendar-query looks for.
//!
//! Job: turn the element into a [`Filter`] that cannot be invalid. Neighbours: `evaluate` holds objects against it, `query`
//! asks the index for what it says about kinds and times. It must never see an object.

use super::collation::{Collation, MatchType, TextMatch};
use super::range::{self, RangeError};
use crate::domain::object::ComponentKind;
use crate::domain::recurrence::Window;
use crate::xml::{Element, names};

/// Conditions in one filter, over all levels. Clients send three or four; each costs a look at every property.
pub const CONDITIONS_MAX: usize = 64;

/// Why a filter cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// `CALDAV:valid-filter`
    #[error("the filter is not valid: {0}")]
    Invalid(&'static str),
    /// `CALDAV:valid-filter`, for its times.
    #[error("the filter is not valid: {0}")]
    Range(#[from] RangeError),
    /// `CALDAV:supported-filter`
    #[error("the filter has more than {CONDITIONS_MAX} conditions")]
    TooMany,
    /// `CALDAV:supported-collation`
    #[error("the collation is not known")]
    Collation,
}

/// What an object must have to be found.
#[derive(Clone, Debug)]
pub struct Filter {
    pub(super) calendar: CompFilter,
}

/// `CALDAV:comp-filter`
#[derive(Clone, Debug)]
pub(super) struct CompFilter {
    pub name: String,
    pub test: CompTest,
}

#[derive(Clone, Debug)]
pub(super) enum CompTest {
    NotDefined,
    Has { time_range: Option<Window>, props: Vec<PropFilter>, comps: Vec<CompFilter> },
}

/// `CALDAV:prop-filter`
#[derive(Clone, Debug)]
pub(super) struct PropFilter {
    pub name: String,
    pub test: PropTest,
}

#[derive(Clone, Debug)]
pub(super) enum PropTest {
    NotDefined,
    Has { value: ValueTest, params: Vec<ParamFilter> },
}

#[derive(Clone, Debug)]
pub(super) enum ValueTest {
    Any,
    Text(TextMatch),
    Time(Window),
}

/// `CALDAV:param-filter`
#[derive(Clone, Debug)]
pub(super) struct ParamFilter {
    pub name: String,
    pub test: ParamTest,
}

#[derive(Clone, Debug)]
pub(super) enum ParamTest {
    NotDefined,
    Has(Option<TextMatch>),
}

/// What the index alone can say about a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The kind of objects it finds; any if `None`.
    pub kind: Option<ComponentKind>,
    /// Where in time they lie; anywhere if `None`.
    pub window: Option<Window>,
    /// Whether kind and window are all it asks.
    pub exact: bool,
}

impl Filter {
    /// Reads the element.
    ///
    /// # Errors
    /// The precondition it violates; see [`FilterError`].
    pub fn parse(filter: &Element) -> Result<Filter, FilterError> {
        let mut left = CONDITIONS_MAX;
        let mut roots = filter.children().filter(|child| child.is(&names::COMP_FILTER));
        let root = roots.next().ok_or(FilterError::Invalid("it has no comp-filter"))?;
        if roots.next().is_some() {
            return Err(FilterError::Invalid("it has more than one comp-filter at the top"));
        }
        let calendar = comp_filter(root, "", &mut left)?;
        if calendar.name == "VCALENDAR" {
            Ok(Filter { calendar })
        } else {
            Err(FilterError::Invalid("its outermost comp-filter is not VCALENDAR"))
        }
    }

    /// What the index can settle. A filter with one comp-filter for one kind is what every client sends.
    #[must_use]
    pub fn hint(&self) -> Hint {
        let anything = Hint { kind: None, window: None, exact: false };
        let CompTest::Has { props, comps, .. } = &self.calendar.test else { return anything };
        let plain = props.is_empty();
        let of_kind = |comp: &CompFilter| match &comp.test {
            CompTest::NotDefined => None,
            CompTest::Has { time_range, props, comps } => {
                let kind = ComponentKind::from_name(&comp.name)?;
                let exact = plain && props.is_empty() && comps.is_empty();
                Some(Hint { kind: Some(kind), window: *time_range, exact })
            }
        };
        match comps.as_slice() {
            [] => Hint { exact: plain, ..anything },
            [only] => of_kind(only).unwrap_or(anything),
            several => several.iter().find_map(of_kind).map_or(anything, |hint| Hint { exact: false, ..hint }),
        }
    }
}

/// Components that may only stand inside certain others. Names that are not known here may stand anywhere.
const PLACES: [(&str, &[&str]); 14] = [
    ("VCALENDAR", &[""]),
    ("VEVENT", &["VCALENDAR"]),
    ("VTODO", &["VCALENDAR"]),
    ("VJOURNAL", &["VCALENDAR"]),
    ("VFREEBUSY", &["VCALENDAR"]),
    ("VTIMEZONE", &["VCALENDAR"]),
    ("VAVAILABILITY", &["VCALENDAR"]),
    ("STANDARD", &["VTIMEZONE"]),
    ("DAYLIGHT", &["VTIMEZONE"]),
    ("AVAILABLE", &["VAVAILABILITY"]),
    ("VALARM", &["VEVENT", "VTODO"]),
    ("PARTICIPANT", &["VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY"]),
    ("VLOCATION", &["VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VALARM", "PARTICIPANT"]),
    ("VRESOURCE", &["VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "PARTICIPANT"]),
];

/// The components for which RFC 4791 §9.9 says what it means to overlap.
const TIMED_COMPONENTS: [&str; 5] = ["VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VALARM"];

/// The properties for which RFC 4791 §9.9 says so.
const TIMED_PROPERTIES: [&str; 7] = ["COMPLETED", "CREATED", "DTEND", "DTSTAMP", "DTSTART", "DUE", "LAST-MODIFIED"];

/// Calls itself once per level, of which the XML reader lets through few.
fn comp_filter(element: &Element, parent: &str, left: &mut usize) -> Result<CompFilter, FilterError> {
    let name = name_of(element, left)?;
    if PLACES.iter().any(|(known, places)| *known == name && !places.contains(&parent)) {
        return Err(FilterError::Invalid("a component cannot stand inside that other"));
    }
    if element.child(&names::IS_NOT_DEFINED).is_some() {
        alone(element)?;
        return Ok(CompFilter { name, test: CompTest::NotDefined });
    }
    let time_range = at_most_one(element, &names::TIME_RANGE)?.map(range::half_open).transpose()?;
    if time_range.is_some() && !TIMED_COMPONENTS.contains(&name.as_str()) {
        return Err(FilterError::Invalid("such a component has no place in time"));
    }
    let props = element.children_named(&names::PROP_FILTER).map(|e| prop_filter(e, left)).collect::<Result<_, _>>()?;
    let comps =
        element.children_named(&names::COMP_FILTER).map(|e| comp_filter(e, &name, left)).collect::<Result<_, _>>()?;
    Ok(CompFilter { name, test: CompTest::Has { time_range, props, comps } })
}

fn prop_filter(element: &Element, left: &mut usize) -> Result<PropFilter, FilterError> {
    let name = name_of(element, left)?;
    if element.child(&names::IS_NOT_DEFINED).is_some() {
        alone(element)?;
        return Ok(PropFilter { name, test: PropTest::NotDefined });
    }
    let time = at_most_one(element, &names::TIME_RANGE)?.map(range::half_open).transpose()?;
    let text = at_most_one(element, &names::TEXT_MATCH)?.map(text_match).transpose()?;
    let value = match (time, text) {
        (None, None) => ValueTest::Any,
        (None, Some(text)) => ValueTest::Text(text),
        (Some(window), None) if TIMED_PROPERTIES.contains(&name.as_str()) => ValueTest::Time(window),
        (Some(_), None) => return Err(FilterError::Invalid("such a property has no place in time")),
        (Some(_), Some(_)) => return Err(FilterError::Invalid("a prop-filter has a time-range or a text-match")),
    };
    let params =
        element.children_named(&names::PARAM_FILTER).map(|e| param_filter(e, left)).collect::<Result<_, _>>()?;
    Ok(PropFilter { name, test: PropTest::Has { value, params } })
}

fn param_filter(element: &Element, left: &mut usize) -> Result<ParamFilter, FilterError> {
    let name = name_of(element, left)?;
    if element.child(&names::IS_NOT_DEFINED).is_some() {
        alone(element)?;
        return Ok(ParamFilter { name, test: ParamTest::NotDefined });
    }
    let text = at_most_one(element, &names::TEXT_MATCH)?.map(text_match).transpose()?;
    Ok(ParamFilter { name, test: ParamTest::Has(text) })
}

fn text_match(element: &Element) -> Result<TextMatch, FilterError> {
    let collation = element.attribute("collation").unwrap_or(Collation::AsciiCasemap.name());
    let collation = Collation::from_name(collation).ok_or(FilterError::Collation)?;
    let kind = element.attribute("match-type").map_or(Some(MatchType::Contains), MatchType::from_name);
    let kind = kind.ok_or(FilterError::Invalid("the match-type is not known"))?;
    let text = TextMatch::new(&element.text(), collation, kind);
    match element.attribute("negate-condition").unwrap_or("no") {
        "no" => Ok(text),
        "yes" => Ok(text.negated()),
        _ => Err(FilterError::Invalid("negate-condition is yes or no")),
    }
}

/// The name attribute, in upper case as RFC 5545 writes names.
fn name_of(element: &Element, left: &mut usize) -> Result<String, FilterError> {
    *left = left.checked_sub(1).ok_or(FilterError::TooMany)?;
    match element.attribute("name").map(str::trim) {
        Some(name) if !name.is_empty() => Ok(name.to_ascii_uppercase()),
        Some(_) | None => Err(FilterError::Invalid("a filter has no name")),
    }
}

/// What is not defined has nothing else to be asked about.
fn alone(element: &Element) -> Result<(), FilterError> {
    let others =
        [&names::TIME_RANGE, &names::TEXT_MATCH, &names::PROP_FILTER, &names::COMP_FILTER, &names::PARAM_FILTER];
    if others.iter().any(|other| element.child(other).is_some()) {
        return Err(FilterError::Invalid("is-not-defined stands alone"));
    }
    Ok(())
}

fn at_most_one<'e>(element: &'e Element, name: &'e crate::xml::Name) -> Result<Option<&'e Element>, FilterError> {
    let mut found = element.children_named(name);
    let first = found.next();
    if found.next().is_some() {
        return Err(FilterError::Invalid("an element that may stand once stands twice"));
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::Document;

    fn read(inside: &str) -> Result<Filter, FilterError> {
        let body = format!("<filter xmlns='urn:ietf:params:xml:ns:caldav'>{inside}</filter>");
        let document = Document::parse(body.as_bytes(), 1_000_000).expect("well-formed");
        Filter::parse(document.root())
    }

    fn calendar(inside: &str) -> Result<Filter, FilterError> {
        read(&format!("<comp-filter name='VCALENDAR'>{inside}</comp-filter>"))
    }

    const RANGE: &str = "<time-range start='20060104T000000Z' end='20060105T000000Z'/>";

    #[test]
    fn what_no_object_could_answer_is_not_valid() {
        let event = |inside: &str| calendar(&format!("<comp-filter name='VEVENT'>{inside}</comp-filter>"));
        for filter in [
            read(""),
            read("<comp-filter name='VEVENT'/>"),
            read("<comp-filter/>"),
            read("<comp-filter name=' '/>"),
            read("<comp-filter name='VCALENDAR'/><comp-filter name='VCALENDAR'/>"),
            calendar(RANGE),
            calendar("<comp-filter name='VALARM'/>"),
            calendar(&format!("<comp-filter name='VTIMEZONE'>{RANGE}</comp-filter>")),
            event("<comp-filter name='VTODO'/>"),
            event("<comp-filter name='VCALENDAR'/>"),
            event(&format!("<is-not-defined/>{RANGE}")),
            event(&format!("{RANGE}{RANGE}")),
            event("<time-range/>"),
            event(&format!("<prop-filter name='SUMMARY'>{RANGE}</prop-filter>")),
            event(&format!("<prop-filter name='DTSTART'>{RANGE}<text-match>2006</text-match></prop-filter>")),
            event("<prop-filter/>"),
            event("<prop-filter name='X'><param-filter/></prop-filter>"),
            event("<prop-filter name='X'><text-match match-type='rhymes'>a</text-match></prop-filter>"),
            event("<prop-filter name='X'><text-match negate-condition='perhaps'>a</text-match></prop-filter>"),
        ] {
            assert!(matches!(filter, Err(FilterError::Invalid(_) | FilterError::Range(_))), "{filter:?}");
        }
    }

    #[test]
    fn unknown_collations_are_told_as_such() {
        let text = "<prop-filter name='X'><text-match collation='i;unknown'>a</text-match></prop-filter>";
        let filter = calendar(&format!("<comp-filter name='VEVENT'>{text}</comp-filter>"));
        assert_eq!(filter.err(), Some(FilterError::Collation));
    }

    #[test]
    fn a_filter_has_a_bounded_number_of_conditions() {
        let many = |count: usize| calendar(&"<comp-filter name='VEVENT'/>".repeat(count));
        assert!(many(CONDITIONS_MAX - 1).is_ok());
        assert_eq!(many(CONDITIONS_MAX).err(), Some(FilterError::TooMany));
    }

    #[test]
    fn the_index_is_told_what_it_can_settle() {
        let hint = |inside: &str| {
            let hint = calendar(inside).expect("valid").hint();
            (hint.kind, hint.window.is_some(), hint.exact)
        };
        let event = Some(ComponentKind::Event);
        assert_eq!(hint(""), (None, false, true));
        assert_eq!(hint("<comp-filter name='vevent'/>"), (event, false, true));
        assert_eq!(hint(&format!("<comp-filter name='VEVENT'>{RANGE}</comp-filter>")), (event, true, true));
        assert_eq!(hint("<comp-filter name='VEVENT'><prop-filter name='UID'/></comp-filter>"), (event, false, false));
        assert_eq!(hint("<prop-filter name='METHOD'/><comp-filter name='VEVENT'/>"), (event, false, false));
        assert_eq!(hint("<comp-filter name='VEVENT'><is-not-defined/></comp-filter>"), (None, false, false));
        assert_eq!(hint("<comp-filter name='VTIMEZONE'/>"), (None, false, false));
        assert_eq!(hint("<comp-filter name='VTIMEZONE'/><comp-filter name='VEVENT'/>"), (event, false, false));
    }
}

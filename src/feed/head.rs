//! The properties of the calendar itself.
//!
//! There is no METHOD: RFC 5546 has PUBLISH name an organizer and no attendees, which appointments do not keep to, and
//! Apple's Calendar refuses files for it that it takes without. Outlook needs it no more.

use super::color::{css_name, hex_rgb};
use super::plan::Plan;
use crate::domain::feed::{FeedKind, FeedPrivacy};
use crate::ics::build::PRODID;
use crate::ics::{Property, text};

/// How often subscribers are asked to look again. A look at an unchanged feed costs next to nothing.
const REFRESH: &str = "PT15M";
/// The name of a feed that nobody named.
const NAME: &str = "Calendar";
/// Names are cut at this length; they stand in lists of calendars.
const NAME_CHARS_MAX: usize = 200;

/// From BEGIN:VCALENDAR to its first component.
pub(super) fn head(plan: &Plan) -> Vec<u8> {
    let mut lines = vec![
        Property::new("BEGIN", "VCALENDAR"),
        Property::new("VERSION", "2.0"),
        Property::new("PRODID", PRODID),
        Property::new("CALSCALE", "GREGORIAN"),
    ];
    if plan.grant.feed.settings.kind == FeedKind::Calendar {
        let name = name(plan);
        lines.push(Property::text("NAME", &name));
        lines.push(Property::text("X-WR-CALNAME", &name));
        lines.extend(colors(plan));
    }
    lines.push(Property::new("REFRESH-INTERVAL", REFRESH).with_param("VALUE", "DURATION"));
    lines.push(Property::new("X-PUBLISHED-TTL", REFRESH));
    lines.iter().flat_map(|line| line.lawful()).collect()
}

/// The end of the calendar.
pub(super) const TAIL: &[u8] = b"END:VCALENDAR\r\n";

/// What its owner called the feed; else, unless it tells only busy times, the name of its one calendar.
fn name(plan: &Plan) -> String {
    let label = plan.grant.feed.label.trim();
    let own = match plan.calendars.as_slice() {
        [(_, calendar)] if plan.grant.feed.settings.privacy != FeedPrivacy::BusyOnly => {
            calendar.settings.display_name.as_deref().map(str::trim)
        }
        _ => None,
    };
    let name = Some(label).filter(|label| !label.is_empty()).or(own).filter(|name| !name.is_empty());
    text::clean(name.unwrap_or(NAME)).chars().take(NAME_CHARS_MAX).collect()
}

/// The color of its one calendar, for those who know the names of CSS and for those who know numbers.
fn colors(plan: &Plan) -> Vec<Property> {
    let [(_, calendar)] = plan.calendars.as_slice() else { return Vec::new() };
    let Some(color) = calendar.settings.color.as_deref() else { return Vec::new() };
    let css = css_name(color).map(|name| Property::new("COLOR", name));
    let rgb = hex_rgb(color).map(|rgb| Property::new("X-APPLE-CALENDAR-COLOR", &rgb));
    css.into_iter().chain(rgb).collect()
}

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

/// The name that was chosen for subscribers; else, unless they see busy times only, that of the one calendar or of the
/// owner.
fn name(plan: &Plan) -> String {
    let settings = &plan.grant.feed.settings;
    let own = match plan.calendars.as_slice() {
        _ if settings.privacy == FeedPrivacy::BusyOnly => None,
        [(_, calendar)] => calendar.settings.display_name.as_deref(),
        _ => plan.grant.owner.display_name.as_deref(),
    };
    let names = [settings.name.as_deref(), own, Some(NAME)];
    let name = names.into_iter().flatten().map(str::trim).find(|name| !name.is_empty()).unwrap_or(NAME);
    text::clean(name).chars().take(NAME_CHARS_MAX).collect()
}

/// The color of its one calendar, for those who know the names of CSS and for those who know numbers.
fn colors(plan: &Plan) -> Vec<Property> {
    let [(_, calendar)] = plan.calendars.as_slice() else { return Vec::new() };
    let Some(color) = calendar.settings.color.as_deref() else { return Vec::new() };
    let css = css_name(color).map(|name| Property::new("COLOR", name));
    let rgb = hex_rgb(color).map(|rgb| Property::new("X-APPLE-CALENDAR-COLOR", &rgb));
    css.into_iter().chain(rgb).collect()
}

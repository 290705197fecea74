//! Who takes part: ATTENDEE and ORGANIZER.

use crate::ics::{CalAddress, Component, Property};

/// One who is invited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attendee {
    /// Usually `mailto:…`.
    pub address: CalAddress,
    /// CN.
    pub name: Option<String>,
    /// ROLE.
    pub role: AttendeeRole,
    /// PARTSTAT.
    pub status: AttendeeStatus,
}

/// The one who invites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organizer {
    /// Usually `mailto:…`.
    pub address: CalAddress,
    /// CN.
    pub name: Option<String>,
}

/// ROLE (RFC 5545 §3.2.16).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AttendeeRole {
    /// CHAIR
    Chair,
    /// REQ-PARTICIPANT, and whatever is not known.
    #[default]
    Required,
    /// OPT-PARTICIPANT
    Optional,
    /// NON-PARTICIPANT
    Informed,
}

impl AttendeeRole {
    const ALL: [AttendeeRole; 4] =
        [AttendeeRole::Chair, AttendeeRole::Required, AttendeeRole::Optional, AttendeeRole::Informed];

    /// As ROLE writes it.
    #[must_use]
    pub const fn as_ics(self) -> &'static str {
        match self {
            AttendeeRole::Chair => "CHAIR",
            AttendeeRole::Required => "REQ-PARTICIPANT",
            AttendeeRole::Optional => "OPT-PARTICIPANT",
            AttendeeRole::Informed => "NON-PARTICIPANT",
        }
    }
}

/// PARTSTAT of a VEVENT (RFC 5545 §3.2.12).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AttendeeStatus {
    /// NEEDS-ACTION, and whatever is not known.
    #[default]
    NeedsAction,
    /// ACCEPTED
    Accepted,
    /// DECLINED
    Declined,
    /// TENTATIVE
    Tentative,
    /// DELEGATED
    Delegated,
}

impl AttendeeStatus {
    const ALL: [AttendeeStatus; 5] = [
        AttendeeStatus::NeedsAction,
        AttendeeStatus::Accepted,
        AttendeeStatus::Declined,
        AttendeeStatus::Tentative,
        AttendeeStatus::Delegated,
    ];

    /// As PARTSTAT writes it.
    #[must_use]
    pub const fn as_ics(self) -> &'static str {
        match self {
            AttendeeStatus::NeedsAction => "NEEDS-ACTION",
            AttendeeStatus::Accepted => "ACCEPTED",
            AttendeeStatus::Declined => "DECLINED",
            AttendeeStatus::Tentative => "TENTATIVE",
            AttendeeStatus::Delegated => "DELEGATED",
        }
    }
}

impl Attendee {
    pub(super) fn of(property: &Property) -> Attendee {
        let param = |name: &str| property.param(name).map(|v| v.trim().to_owned()).unwrap_or_default();
        let (role, status) = (param("ROLE"), param("PARTSTAT"));
        Attendee {
            address: CalAddress::new(property.value()),
            name: name_of(property),
            role: AttendeeRole::ALL.into_iter().find(|r| r.as_ics().eq_ignore_ascii_case(&role)).unwrap_or_default(),
            status: AttendeeStatus::ALL
                .into_iter()
                .find(|s| s.as_ics().eq_ignore_ascii_case(&status))
                .unwrap_or_default(),
        }
    }

    /// The line that says this: `old`, whose other parameters stay, or a new one.
    fn line(&self, old: Option<&Property>) -> Property {
        let before = old.map(Attendee::of);
        let mut line = old.cloned().unwrap_or_else(|| Property::new("ATTENDEE", self.address.uri()));
        if before.as_ref().map_or(self.name.is_some(), |b| b.name != self.name) {
            line = line.without_param("CN");
            if let Some(name) = &self.name {
                line = line.with_param("CN", name);
            }
        }
        if before.as_ref().is_none_or(|b| b.role != self.role) {
            line = line.without_param("ROLE").with_param("ROLE", self.role.as_ics());
        }
        if before.as_ref().is_none_or(|b| b.status != self.status) {
            line = line.without_param("PARTSTAT").with_param("PARTSTAT", self.status.as_ics());
        }
        line
    }
}

impl Organizer {
    /// The organizer of a component.
    #[must_use]
    pub fn of(component: &Component) -> Option<Organizer> {
        let property = component.property("ORGANIZER")?;
        Some(Organizer { address: CalAddress::new(property.value()), name: name_of(property) })
    }
}

fn name_of(property: &Property) -> Option<String> {
    property.param("CN").map(|v| v.into_owned()).filter(|name| !name.is_empty())
}

/// Puts these attendees into a component. Who stays keeps the line, with all that a client wrote into it.
pub(super) fn put(component: &mut Component, attendees: &[Attendee]) {
    let old: Vec<Property> = component.properties_named("ATTENDEE").cloned().collect();
    let mut used = vec![false; old.len()];
    let mut take = |attendee: &Attendee| {
        let found = old.iter().zip(&used).position(|(p, used)| !used && CalAddress::new(p.value()) == attendee.address);
        if let Some(used) = found.and_then(|at| used.get_mut(at)) {
            *used = true;
        }
        found
    };
    let placed: Vec<(Option<usize>, Property)> = attendees
        .iter()
        .map(|attendee| {
            let at = take(attendee);
            (at, attendee.line(at.and_then(|at| old.get(at))))
        })
        .collect();
    // In another order than before, all lines are written anew in the new order.
    let kept: Vec<usize> = placed.iter().filter_map(|(at, _)| *at).collect();
    let new_at_end = placed.iter().skip(kept.len()).all(|(at, _)| at.is_none());
    if kept.is_sorted() && new_at_end {
        let mut seen = 0;
        component.retain(|p| {
            let is_kept = !p.is("ATTENDEE") || kept.contains(&seen);
            seen += usize::from(p.is("ATTENDEE"));
            is_kept
        });
        let lines = component.properties_mut().filter(|p| p.is("ATTENDEE"));
        for (line, (_, wanted)) in lines.zip(&placed) {
            if line != wanted {
                *line = wanted.clone();
            }
        }
        for (_, line) in placed.into_iter().skip(kept.len()) {
            component.push(line);
        }
    } else {
        component.remove("ATTENDEE");
        for (_, line) in placed {
            component.push(line);
        }
    }
}

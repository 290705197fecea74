//! What has to hold once it is quiet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use secrecy::SecretString;
use serde_json::Value;

use super::book::{Place, birth_of};
use super::here::text;
use super::there::{is_live, is_whole, word};
use super::world::{Linked, World};
use super::{Fate, Violation};
use crate::domain::appointment::Facts;
use crate::domain::object::CalendarObject;
use crate::domain::recurrence::{Window, expand};
use crate::domain::sync::{
    Direction, MappingState, Origin, ParkReason, PrivatePolicy, Provider, RemoteCalendarId, RemoteId, RunKind,
};
use crate::domain::time::{DAY_MS, Instant};
use crate::ics::zone::Zone;
use crate::store::{Mapping, StoredObject};
use crate::sync::project;
use crate::upstream::{At, Lens, Upstream};

const MAPPINGS_MAX: u32 = 10_000;
/// Instances are compared from 2026-09-01 for 300 days.
const WINDOW: (i64, i64) = (1_788_220_800_000, 1_788_220_800_000 + 300 * DAY_MS);

/// One link with everything on both sides of it.
struct Sides {
    linked: Linked,
    up: Arc<dyn Upstream>,
    zone: String,
    objects: Vec<StoredObject>,
    mappings: Vec<Mapping>,
    events: Vec<Value>,
}

impl World {
    /// Checks all of it.
    pub(super) async fn check(&mut self) -> Fate<()> {
        for linked in self.links.clone() {
            let sides = self.sides(&linked).await?;
            self.one_each(&sides)?;
            self.converged(&sides).await?;
            self.all_mapped(&sides)?;
        }
        self.births().await?;
        self.nothing_lost().await?;
        self.nothing_leaked()?;
        self.strangers().await?;
        if let Some(mail) = self.google().mails().first() {
            return Err(Violation::of("mail", format!("{mail:?}")));
        }
        if let Some(mail) = self.microsoft().mails().first() {
            return Err(Violation::of("mail", format!("{mail:?}")));
        }
        self.guard_kept().await?;
        self.fixpoint().await
    }

    async fn sides(&mut self, linked: &Linked) -> Fate<Sides> {
        let here = self.calendars.get(linked.here).ok_or_else(|| Violation::broken("no calendar"))?;
        let firm = here.caller.firm.clone();
        let mut tx = self.store.read().await?;
        let mappings = tx.mappings_after(&firm, &linked.id, "", MAPPINGS_MAX).await?;
        let link = tx.link_by_id(&firm, &linked.id).await?.ok_or_else(|| Violation::broken("no link"))?;
        drop(tx);
        let up = self.nodes.first().and_then(|n| n.engine.registry().of(linked.provider));
        let up = up.ok_or_else(|| Violation::broken("no provider"))?;
        let objects = self.objects(linked.here).await?;
        let events = self.provider.events(&linked.there);
        Ok(Sides { linked: linked.clone(), up, zone: link.zone, objects, mappings, events })
    }

    /// At most one live item for an object, and none that nobody knows.
    fn one_each(&mut self, sides: &Sides) -> Fate<()> {
        let pulls = sides.linked.settings.direction.pulls();
        for event in sides.events.iter().filter(|e| is_live(e) && is_whole(e)) {
            let id = word(event, "id");
            let known = sides.mappings.iter().find(|m| m.remote.as_ref().is_some_and(|r| r.as_str() == id));
            if known.is_none() && pulls {
                return Err(Violation::of("cursor", format!("{} was never heard of: {event}", id)));
            }
            if let Some(mapping) = known
                && matches!(mapping.state, MappingState::Tombstoned)
                && sides.linked.settings.direction == Direction::Both
            {
                return Err(Violation::of(
                    "convergence",
                    format!("{id} is there, its mapping says it is gone: {mapping:?}"),
                ));
            }
        }
        let mut counts = BTreeMap::<u32, u32>::new();
        for event in sides.events.iter().filter(|e| is_live(e) && is_whole(e)) {
            if let Some(birth) = birth_of(word(event, "summary")) {
                *counts.entry(birth).or_default() += 1;
            }
        }
        self.no_twins(&counts, &sides.linked.there, sides)?;
        let mut counts = BTreeMap::<u32, u32>::new();
        for object in &sides.objects {
            let object = CalendarObject::from_stored(object.bytes.clone())?;
            if let Some(birth) = birth_of(&text(&object, "SUMMARY")) {
                *counts.entry(birth).or_default() += 1;
            }
        }
        self.no_twins(&counts, "here", sides)
    }

    fn no_twins(&self, counts: &BTreeMap<u32, u32>, place: &str, sides: &Sides) -> Fate<()> {
        for (birth, count) in counts {
            let copies = self.book.births.get(birth).map_or(0, |b| b.copies);
            if *count > 1 + copies {
                let mine: Vec<&Value> =
                    sides.events.iter().filter(|e| birth_of(word(e, "summary")) == Some(*birth)).collect();
                let ids: Vec<String> =
                    mine.iter().map(|e| format!("{} {}", word(e, "id"), word(e, "status"))).collect();
                return Err(Violation::of(
                    "duplicate",
                    format!(
                        "B{birth} is {count} times at {place} ({copies} copies): {ids:?}\n{:#?}",
                        sides.mappings.iter().map(|m| (&m.object, &m.remote, &m.state, m.origin)).collect::<Vec<_>>()
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Both sides of every mapping say the same, as far as the link shows it.
    async fn converged(&mut self, sides: &Sides) -> Fate<()> {
        let (token, ..) = self.granted(&sides.linked.account, sides.linked.provider);
        let secret = SecretString::from(token);
        let calendar = RemoteCalendarId(sides.linked.there.clone());
        let at = At { secret: &secret, account: &sides.linked.account, calendar: &calendar };
        for mapping in &sides.mappings {
            let object = mapping.object.as_ref().and_then(|id| sides.objects.iter().find(|o| o.head.id == *id));
            let remote = mapping.remote.as_ref();
            let live = remote.is_some_and(|r| sides.events.iter().any(|e| word(e, "id") == r.as_str() && is_live(e)));
            match &mapping.state {
                MappingState::Synced => {}
                MappingState::Conflict => {
                    self.covered.conflicts += 1;
                    continue;
                }
                MappingState::Parked(reason) => {
                    self.covered.parked += 1;
                    // A second item of one event is left alone and told: there is one object for the two.
                    let beside = remote.is_some_and(|remote| self.book.beside.contains(remote.as_str()));
                    let told = beside && mapping.object.is_none() && !mapping.warnings.is_empty();
                    let object = object.map(|o| CalendarObject::from_stored(o.bytes.clone())).transpose()?;
                    if is_unfit(sides.linked.provider, reason, object.as_ref()) || told {
                        continue;
                    }
                    if matches!(reason, ParkReason::RewriteLoop | ParkReason::Quarantine { .. })
                        || (matches!(reason, ParkReason::Refused { .. }) && self.covered.harsh == 0)
                    {
                        let text = object.map(|o| o.document().to_text()).unwrap_or_default();
                        return Err(Violation::of(
                            "parked",
                            format!(
                                "{reason:?} {:?} {remote:?}\nheld there: {:?}\nhere: {text}",
                                mapping.object, mapping.base_item
                            ),
                        ));
                    }
                    continue;
                }
                MappingState::Tombstoned | MappingState::Detached => continue,
                // Nothing goes out any more: it is looked for when the link pushes again.
                MappingState::Pushing(_) | MappingState::Unsure { .. } if !sides.linked.settings.direction.pushes() => {
                    continue;
                }
                MappingState::Pushing(_) | MappingState::Unsure { .. } => {
                    return Err(Violation::of("progress", format!("still open: {:?}", mapping.state)));
                }
            }
            let pushes = sides.linked.settings.direction.pushes();
            let policy = &sides.linked.settings.policy;
            let bends = !policy.field_mapping.is_empty() || policy.omit_notes;
            let (Some(object), Some(remote), true) = (object, remote, live) else {
                if object.is_none() && !live {
                    continue;
                }
                if !pushes && object.is_none() {
                    continue; // deleted here, where nothing goes out
                }
                return Err(Violation::of(
                    "convergence",
                    format!("live there: {live}, here: {}; {:?} {:?}", object.is_some(), mapping.object, remote),
                ));
            };
            let parsed = CalendarObject::from_stored(object.bytes.clone())?;
            if birth_of(&text(&parsed, "SUMMARY")).is_some_and(|birth| self.book.undone.contains(&birth)) {
                continue;
            }
            let Some(shown) = self.shown(sides, object, &parsed) else {
                if mapping.origin == Origin::Here && pushes {
                    return Err(Violation::of("convergence", format!("{remote:?} should have been withdrawn")));
                }
                continue;
            };
            let hidden = parsed.components().any(|c| c.property("CLASS").is_some_and(|p| p.value() != "PUBLIC"))
                && policy.private != PrivatePolicy::Include;
            if mapping.origin == Origin::There && (bends || hidden) {
                continue; // what is bent on the way out leaves alone what came from there
            }
            let held = sides.up.fetch(at, remote).await.map_err(Violation::broken)?;
            let Some(held) = held else {
                return Err(Violation::of("convergence", format!("{remote:?} cannot be fetched")));
            };
            let lens =
                Lens { zone: &sides.zone, mark: &sides.up.mark(&held).unwrap_or_default(), attendees_live: false };
            let item = match sides.up.get(&shown, Some(&held), lens) {
                Ok(item) => item,
                // Written here, where nothing goes out: nobody had to say it there.
                Err(_) if !pushes => continue,
                Err(why) => return Err(Violation::broken(format!("{}: {mapping:?}", why.0))),
            };
            if !pushes {
                // What was written elsewhere does not go there.
                let birth = birth_of(&text(&parsed, "SUMMARY")).and_then(|b| self.book.births.get(&b));
                let same =
                    birth.is_some_and(|b| !b.places.iter().any(|p| *p != Place::There(sides.linked.there.clone())));
                if same && !sides.up.says(&held, &item) {
                    return Err(Violation::of("convergence", differing(&held.0, &item.payload, &parsed)));
                }
                continue;
            }
            if !sides.up.says(&held, &item) {
                return Err(Violation::of("convergence", differing(&held.0, &item.payload, &parsed)));
            }
            self.same_instances(sides, remote, &shown)?;
            self.covered.compared += 1;
        }
        Ok(())
    }

    fn shown(&self, sides: &Sides, object: &StoredObject, parsed: &CalendarObject) -> Option<CalendarObject> {
        let policy = &sides.linked.settings.policy;
        if text(parsed, "STATUS") == "CANCELLED" {
            return None;
        }
        let facts = Facts::default();
        if !project::wants(policy, parsed, &object.head.id, &facts).is_wanted() {
            return None;
        }
        let known = project::Known { id: &object.head.id, facts: &facts, client_contact: None };
        project::outgoing(policy, parsed, &known)
    }

    /// The instances of both sides: start, end and title of each.
    fn same_instances(&self, sides: &Sides, remote: &RemoteId, shown: &CalendarObject) -> Fate<()> {
        let window = Window { from: Instant::from_ms(WINDOW.0), to: Instant::from_ms(WINDOW.1) };
        let zone = Zone::iana(&sides.zone).unwrap_or(Zone::Utc);
        let expansion = expand(shown, window, &zone);
        // Outlook's instances last as long on the clock, ours as long as the first one: an hour more or less where the first
        // is on the day on which clocks change.
        let by_start = sides.linked.provider == Provider::Microsoft && shown.index().recurring;
        let mut ours: Vec<String> = expansion
            .instances
            .iter()
            .filter(|i| i.component.text("STATUS").as_deref() != Some("CANCELLED"))
            .map(|i| {
                let title = i.component.text("SUMMARY").unwrap_or_default();
                match i.dates() {
                    Some((first, last)) => format!("{first} {last} {title}"),
                    None if by_start => format!("{} {title}", i.starts.at.ms()),
                    None => format!("{} {} {title}", i.starts.at.ms(), i.ends.at.ms()),
                }
            })
            .collect();
        let occurrences = self.provider.occurrences(&sides.linked.there, WINDOW.0, WINDOW.1);
        let of_item = |e: &&Value| {
            (word(e, "id") == remote.as_str() || word(e, "recurringEventId") == remote.as_str()) && is_live(e)
        };
        let mut theirs: Vec<String> = occurrences
            .iter()
            .filter(of_item)
            .map(|e| {
                let point = |name: &str| -> String {
                    let at = e.get(name).cloned().unwrap_or_default();
                    match at.get("date").and_then(Value::as_str) {
                        Some(day) => day.to_owned(),
                        None => word(&at, "dateTime")
                            .parse::<jiff::Timestamp>()
                            .map_or(String::new(), |t| t.as_millisecond().to_string()),
                    }
                };
                match by_start && e["start"].get("date").is_none() {
                    true => format!("{} {}", point("start"), word(e, "summary")),
                    false => format!("{} {} {}", point("start"), point("end"), word(e, "summary")),
                }
            })
            .collect();
        // Days at the window's ends are where a reader's zone has them.
        ours.sort();
        theirs.sort();
        if ours != theirs {
            let only =
                |a: &[String], b: &[String]| -> Vec<String> { a.iter().filter(|x| !b.contains(x)).cloned().collect() };
            return Err(Violation::of(
                "recurrence",
                format!(
                    "{remote:?} here only {:?}, there only {:?}\n{}",
                    only(&ours, &theirs),
                    only(&theirs, &ours),
                    shown.document().to_text()
                ),
            ));
        }
        Ok(())
    }

    /// Every object that a link wants to show is there, or it is written down why not.
    fn all_mapped(&self, sides: &Sides) -> Fate<()> {
        if !sides.linked.settings.direction.pushes() {
            return Ok(());
        }
        for object in &sides.objects {
            let parsed = CalendarObject::from_stored(object.bytes.clone())?;
            if self.shown(sides, object, &parsed).is_none() {
                continue;
            }
            let mapping = sides.mappings.iter().find(|m| m.object.as_ref() == Some(&object.head.id));
            let fine = mapping.is_some_and(|m| match m.state {
                MappingState::Tombstoned | MappingState::Detached => false,
                MappingState::Synced => m.remote.is_some(),
                _ => true,
            });
            if !fine {
                return Err(Violation::of(
                    "convergence",
                    format!(
                        "{} is not there: {:?}\n{}",
                        object.head.id,
                        mapping.map(|m| (&m.remote, &m.state)),
                        parsed.document().to_text()
                    ),
                ));
            }
        }
        Ok(())
    }

    async fn run_all(&mut self, kind: RunKind) -> Fate<()> {
        for linked in self.links.clone() {
            let firm = self.calendars.get(linked.here).map(|c| c.caller.firm.clone());
            let firm = firm.ok_or_else(|| Violation::broken("no calendar"))?;
            let mut tx = self.store.write().await?;
            tx.ask_for_run(&firm, &linked.id, kind, self.clock_now()).await?;
            tx.commit().await?;
            let due = crate::store::Due { firm, link: linked.id.clone() };
            self.work(0, &due, false).await?;
        }
        Ok(())
    }

    /// A further run of every link, and a whole one, write nothing.
    async fn fixpoint(&mut self) -> Fate<()> {
        if !self.book.undone.is_empty() {
            // Who has everything looked at anew has both sides agree again on what an undo left apart.
            self.run_all(RunKind::Resync).await?;
            self.quiet().await?;
        }
        for kind in [RunKind::Pull, RunKind::Resync] {
            let before = self.writes().await?;
            self.run_all(kind).await?;
            let after = self.writes().await?;
            if before != after {
                let last: Vec<String> = self
                    .google()
                    .seen()
                    .iter()
                    .rev()
                    .filter(|s| s.request.method() != http::Method::GET)
                    .take(2)
                    .map(|s| {
                        format!(
                            "{} {} {}",
                            s.request.method(),
                            s.request.uri(),
                            String::from_utf8_lossy(s.request.body())
                        )
                    })
                    .collect();
                let changed: Vec<_> = after.1.iter().filter(|x| !before.1.contains(x)).collect();
                return Err(Violation::of(
                    "fixpoint",
                    format!("{kind:?}: {} writes there, here {changed:?}; {last:?}", after.0 - before.0),
                ));
            }
        }
        Ok(())
    }

    pub(super) async fn writes(&self) -> Fate<(u64, Vec<String>)> {
        let there = self.provider.writes();
        let mut all = Vec::new();
        for calendar in 0..self.calendars.len() {
            all.extend(
                self.objects(calendar)
                    .await?
                    .iter()
                    .map(|o| format!("{} {} v{}", o.head.id, o.head.uid, o.head.version)),
            );
        }
        Ok((there, all))
    }
}

/// Whether a provider has no words for it, and says so: none has for a series whose first time its zone skips; Outlook has
/// none for the last days of every month, for a start that is none of the series' days and for an instance beside the rule,
/// and lets no instance of a series pass its neighbours.
fn is_unfit(provider: Provider, reason: &ParkReason, object: Option<&CalendarObject>) -> bool {
    let ParkReason::Refused { reason, .. } = reason else { return false };
    let known = ["to the end of shorter months", "pass its neighbours", "on a day that its rule does not give"];
    let beside = || reason.contains("has no dates beside it") && object.is_some_and(has_instance_beside_its_rule);
    let outlook = provider == Provider::Microsoft && (known.iter().any(|known| reason.contains(known)) || beside());
    outlook || reason.contains("its zone skips on that day")
}

/// Whether one of a series' instances is none that its rule gives. Nobody here writes extra dates; but a series that was
/// moved, or ends earlier now, leaves behind what somebody made of one of its instances.
fn has_instance_beside_its_rule(object: &CalendarObject) -> bool {
    let text = object.document().to_text();
    let end = "END:VCALENDAR\r\n";
    let components = text.trim_end_matches(end).split("BEGIN:VEVENT");
    let rule: Vec<&str> = components.filter(|part| !part.contains("RECURRENCE-ID")).collect();
    let rule = CalendarObject::from_stored(format!("{}{end}", rule.join("BEGIN:VEVENT")).into());
    let window = Window { from: Instant::from_ms(WINDOW.0), to: Instant::from_ms(WINDOW.1) };
    let slots = |object: &CalendarObject| -> BTreeSet<Instant> {
        let instances = expand(object, window, &Zone::Utc).instances;
        instances.iter().filter_map(|instance| Some(instance.recurrence_id?.at)).collect()
    };
    rule.is_ok_and(|rule| !slots(object).is_subset(&slots(&rule)))
}

fn differing(held: &str, item: &str, object: &CalendarObject) -> String {
    format!("there: {held}\nwanted: {item}\nhere: {}", object.document().to_text())
}

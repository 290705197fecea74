//! What people did is kept: nothing of it is lost, shown to strangers, or taken away by nobody.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::book::{Place, birth_of};
use super::here::text;
use super::there::{state_of, word};
use super::world::{Linked, World};
use super::{Fate, Violation};
use crate::domain::calendar::Seq;
use crate::domain::ids::ObjectId;
use crate::domain::object::CalendarObject;
use crate::domain::sync::Provider;
use crate::store::{ConflictFilter, RunFilter};

/// More than any world has.
const MAX: u32 = 10_000;

impl World {
    /// Where a link bends or refuses what people write there.
    fn is_bent(&self, there: &str) -> bool {
        self.links.iter().any(|l| l.there == there && l.ever_bent())
    }

    /// What only one side ever touched is there as it was left; what nobody deleted is there.
    pub(super) async fn births(&self) -> Fate<()> {
        let mut here = BTreeMap::new();
        for calendar in 0..self.calendars.len() {
            for object in self.objects(calendar).await? {
                here.insert((calendar, object.head.uid.clone()), String::from_utf8_lossy(&object.bytes).into_owned());
            }
        }
        for (number, birth) in &self.book.births {
            if birth.deleted || birth.private || self.book.undone.contains(number) {
                continue;
            }
            for ((place, item), left) in &birth.left {
                let now = match place {
                    Place::Here(calendar) => here.get(&(*calendar, item.clone())).cloned(),
                    Place::There(there) if self.is_bent(there) => continue,
                    Place::There(there) => state_of(&self.provider.events(there), item),
                };
                let Some(now) = now else {
                    return Err(Violation::of(
                        "delete without cause",
                        format!("B{number} is gone at {place:?} ({item})"),
                    ));
                };
                if now.contains("STATUS:CANCELLED") && !left.contains("STATUS:CANCELLED") {
                    return Err(Violation::of(
                        "delete without cause",
                        format!("B{number} was cancelled at {place:?} ({item})"),
                    ));
                }
                if birth.places.len() == 1 && now != *left {
                    return Err(Violation::of(
                        "overwritten",
                        format!("B{number} at {place:?} ({item}) was only touched there\nleft: {left}\nnow:  {now}"),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Every text that somebody wrote is somewhere: now, in a version, in a conflict; or the same person wrote over it.
    pub(super) async fn nothing_lost(&self) -> Fate<()> {
        let mut everything = String::new();
        for here in &self.calendars {
            let mut tx = self.store.read().await?;
            let whom = (&here.caller.firm, &here.caller.user);
            let (conflicts, _) = tx.conflicts(whom, &ConflictFilter::default(), (1_000, 0)).await?;
            everything.extend(conflicts.into_iter().map(|c| c.fields));
            let mut ids: BTreeSet<String> = BTreeSet::new();
            for linked in &self.links {
                for mapping in tx.mappings_after(&here.caller.firm, &linked.id, "", MAX).await? {
                    ids.extend(mapping.object.map(|o| o.as_str().to_owned()));
                }
            }
            let own = tx.bodies(&here.access, Seq(0), Seq(i64::MAX), MAX).await?;
            ids.extend(own.iter().map(|o| o.head.id.as_str().to_owned()));
            for id in ids {
                let id = ObjectId::from_text(id);
                for version in tx.history(&here.caller, &id, i64::MAX, 1_000).await? {
                    let data = tx.version(&here.caller, &id, version.number).await?;
                    everything
                        .extend(data.and_then(|d| d.bytes).map(|b| String::from_utf8_lossy(&b).replace("\r\n ", "")));
                }
            }
        }
        for there in self.places_there() {
            everything.extend(self.provider.events(&there).iter().map(Value::to_string));
            everything.extend(self.provider.deleted(&there).iter().map(Value::to_string));
        }
        for (at, edit) in self.book.edits.iter().enumerate() {
            let Place::There(there) = &edit.place else { continue };
            let birth = self.book.births.get(&edit.birth);
            if self.is_bent(there) || birth.is_none_or(|b| b.deleted || b.private) {
                continue;
            }
            let rest = self.book.edits.iter().skip(at + 1);
            let again = rest.filter(|e| e.item == edit.item && e.place == edit.place && e.field == edit.field).count();
            if again == 0 && !everything.contains(&edit.token) {
                return Err(Violation::of("lost", format!("{edit:?} is nowhere")));
            }
        }
        Ok(())
    }

    /// What was private there from its beginning, with its instances: Outlook's have names of their own.
    fn private_items(&self) -> BTreeSet<String> {
        let mut items = self.book.private_there.clone();
        for there in self.places_there() {
            let events = self.provider.events(&there);
            let of_series = events.iter().filter(|e| self.book.private_there.contains(word(e, "recurringEventId")));
            items.extend(of_series.map(|e| word(e, "id").to_owned()));
        }
        items
    }

    /// No secret text in any request to where it does not belong.
    pub(super) fn nothing_leaked(&self) -> Fate<()> {
        let own = self.private_items();
        let (google, outlook) = (self.google(), self.microsoft());
        let theirs = outlook.seen().iter().map(|seen| (Provider::Microsoft, seen.at_ms, &seen.request));
        let all = google.seen().iter().map(|seen| (Provider::Google, seen.at_ms, &seen.request)).chain(theirs);
        for (provider, at_ms, request) in all {
            let body = String::from_utf8_lossy(request.body());
            let path = request.uri().path();
            if !body.contains("SECRET") && !path.contains("SECRET") {
                continue;
            }
            for taint in &self.book.taints {
                if !(body.contains(&taint.token) || path.contains(&taint.token)) {
                    continue;
                }
                let path = percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned();
                // Outlook's events are named without their calendar; there is one link with it in a world.
                let at_link = |l: &&Linked| match provider {
                    Provider::Microsoft => l.provider == provider,
                    _ => path.contains(&format!("/calendars/{}/", l.there)),
                };
                let link = self.links.iter().find(at_link);
                let back = |l: &Linked| {
                    let born = self.book.private_born.iter().filter(|(there, _)| *there == l.there);
                    born.map(|(_, uid)| uid).any(|uid| body.contains(&format!("\"{uid}\"")))
                };
                let allowed = link.is_some_and(|l| {
                    l.shows_private(at_ms)
                        || taint.home == Place::There(l.there.clone())
                        || own.iter().any(|id| path.contains(id.as_str()))
                        || back(l)
                        || self.book.is_disclosed(&taint.token, &body)
                });
                if !allowed {
                    return Err(Violation::of("privacy", format!("{} went to {path}: {body}", taint.token)));
                }
            }
        }
        Ok(())
    }

    /// The other firm has its own events and no others; nobody has any of its.
    pub(super) async fn strangers(&self) -> Fate<()> {
        let own: BTreeSet<u32> = self
            .book
            .births
            .iter()
            .filter(|(_, b)| {
                b.places.iter().any(|p| *p == Place::Here(3) || *p == Place::There("eve@example.com".to_owned()))
            })
            .map(|(n, _)| *n)
            .collect();
        for calendar in 0..self.calendars.len() {
            for object in self.objects(calendar).await? {
                let object = CalendarObject::from_stored(object.bytes)?;
                let Some(birth) = birth_of(&text(&object, "SUMMARY")) else { continue };
                if own.contains(&birth) != (calendar == 3) {
                    return Err(Violation::of("isolation", format!("B{birth} is in calendar {calendar}")));
                }
            }
        }
        Ok(())
    }

    /// No run removed more than it may without somebody's word.
    pub(super) async fn guard_kept(&self) -> Fate<()> {
        if self.book.confirmed {
            return Ok(());
        }
        for here in &self.calendars {
            let mut tx = self.store.read().await?;
            let filter = RunFilter::default();
            let (runs, _) = tx.runs((&here.caller.firm, &here.caller.user), &filter, (1_000, 0)).await?;
            for run in runs.iter().filter(|r| r.totals.deleted > 10) {
                let counts = tx.count_mappings(&here.caller.firm, &run.link).await?;
                let all = counts.live + counts.conflicts + counts.parked + run.totals.deleted;
                if run.totals.deleted * 5 > all {
                    return Err(Violation::of("mass removal", format!("{run:?} of {all}")));
                }
            }
        }
        Ok(())
    }
}

//! Who changed what, and who wins: the decision about each unit.

use std::collections::BTreeSet;

use super::FieldConflict;
use super::field::{Field, Part, Prefer, Side, WriteBack};
use super::text::diff3;
use super::units::{Unit, UnitKey, Units};
use crate::domain::sync::ConflictKind;

/// The longest value that a conflict shows.
const SHOWN_CHARS_MAX: usize = 200;

/// What becomes of one unit of the local component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// The remote side's lines come in.
    Carry {
        /// Of an attendee: with the participation.
        whole: bool,
    },
    /// This text comes in.
    Text(String),
}

/// What is to be carried into one component.
pub(super) type Plan = Vec<(UnitKey, Action)>;

/// Decides, and keeps the tally.
pub(super) struct Judge<'a> {
    pub writable: &'a WriteBack,
    pub prefer: &'a Prefer,
    pub conflicts: Vec<FieldConflict>,
    pub took_local: bool,
    pub took_remote: bool,
    pub refused: bool,
}

/// The four states of one component.
pub(super) struct Four {
    pub base: Units,
    pub local: Units,
    pub before: Units,
    pub after: Units,
}

impl Four {
    fn all(&self) -> [&Units; 4] {
        [&self.base, &self.local, &self.before, &self.after]
    }

    /// Whether a side changed anything.
    pub fn local_changed(&self) -> bool {
        !same_units(&self.base, &self.local)
    }

    pub fn remote_changed(&self) -> bool {
        !same_units(&self.before, &self.after)
    }

    /// Where an attendee comes or goes on some side, the participation comes and goes with them. Says for whom.
    fn join_participations(&mut self) -> BTreeSet<String> {
        let of = |units: &Units| -> BTreeSet<String> {
            units.keys().filter(|(part, _)| *part == Part::Attendee).map(|(_, item)| item.clone()).collect()
        };
        let [base, local, before, after] = self.all().map(of);
        let everywhere = |item: &String| {
            base.contains(item) == local.contains(item) && before.contains(item) == after.contains(item)
        };
        let all: BTreeSet<String> = [&base, &local, &before, &after].into_iter().flatten().cloned().collect();
        let joined: BTreeSet<String> = all.into_iter().filter(|item| !everywhere(item)).collect();
        for units in [&mut self.base, &mut self.local, &mut self.before, &mut self.after] {
            for item in &joined {
                let participation = units.remove(&(Part::Participation, item.clone()));
                if let (Some(attendee), Some(participation)) =
                    (units.get_mut(&(Part::Attendee, item.clone())), participation)
                {
                    attendee.meaning = format!("{};PARTSTAT={}", attendee.meaning, participation.meaning);
                }
            }
        }
        joined
    }
}

fn same(a: Option<&Unit>, b: Option<&Unit>) -> bool {
    a.map(|unit| &unit.meaning) == b.map(|unit| &unit.meaning)
}

fn same_units(a: &Units, b: &Units) -> bool {
    a.len() == b.len() && a.iter().all(|(key, unit)| same(Some(unit), b.get(key)))
}

impl Judge<'_> {
    /// Decides about every unit of a component. `unsure`: where the time changed, nobody can say what moved.
    pub fn plan(&mut self, instance: Option<&str>, mut four: Four, unsure: bool) -> Plan {
        let joined = four.join_participations();
        let keys: BTreeSet<UnitKey> = four.all().into_iter().flat_map(|units| units.keys().cloned()).collect();
        let organizer = four.after.get(&(Part::Organizer, String::new())).map(|unit| unit.shown.clone());
        let mut plan = Plan::new();
        for key in keys {
            let [base, local, before, after] = four.all().map(|units| units.get(&key));
            let unsure = unsure && key.0 == Part::Time;
            let whole = joined.contains(&key.1);
            let speaker = self.speaker(&key, organizer.as_deref());
            if let Some(action) = self.decide(&key, instance, [base, local, before, after], whole, speaker, unsure) {
                self.took_remote = true;
                plan.push((key, action));
            }
        }
        plan
    }

    fn decide(
        &mut self,
        key: &UnitKey,
        instance: Option<&str>,
        [base, local, before, after]: [Option<&Unit>; 4],
        whole: bool,
        speaker: Option<Side>,
        unsure: bool,
    ) -> Option<Action> {
        let carry = Some(Action::Carry { whole });
        if same(before, after) || same(local, after) {
            self.took_local |= !same(base, local) && !same(local, after);
            return None;
        }
        if !self.writable.allows(key.0, instance) || speaker == Some(Side::Local) {
            self.refused = true;
            return None;
        }
        if speaker == Some(Side::Remote) || (same(base, local) && !unsure) {
            return carry;
        }
        if let (Part::Notes, Some(local), Some(before), Some(after)) = (key.0, local, before, after)
            && let Some(merged) = diff3(&before.shown, &local.shown, &after.shown)
        {
            self.took_local |= merged != after.shown;
            return (merged != local.shown).then_some(Action::Text(merged));
        }
        let field = Field { part: key.0, item: key.1.clone(), instance: instance.map(str::to_owned) };
        match self.prefer.side(&field) {
            Some(Side::Remote) => carry,
            Some(Side::Local) => {
                self.took_local = true;
                None
            }
            None => {
                let kind = if key.0 == Part::Time { ConflictKind::TimeChange } else { ConflictKind::DataMismatch };
                self.tell(kind, field, [base, local, after].map(|unit| unit.map(|unit| unit.shown.as_str())));
                None
            }
        }
    }

    /// One side took an instance away and the other changed it: who wins, if anybody.
    pub fn existence(&mut self, instance: Option<&str>, shown: [Option<&str>; 3]) -> Option<Side> {
        let field = Field { part: Part::Instance, item: String::new(), instance: instance.map(str::to_owned) };
        let side = self.prefer.side(&field);
        match side {
            Some(Side::Local) => self.took_local = true,
            Some(Side::Remote) => self.took_remote = true,
            None => self.tell(ConflictKind::Deleted, field, shown),
        }
        side
    }

    fn tell(&mut self, kind: ConflictKind, field: Field, shown: [Option<&str>; 3]) {
        let short = |text: Option<&str>| text.map(|text| text.chars().take(SHOWN_CHARS_MAX).collect::<String>());
        let [base, local, remote] = shown.map(short);
        self.took_local = true;
        self.conflicts.push(FieldConflict { kind, field, base, local, remote });
    }

    /// Who alone speaks about a unit, if somebody does.
    fn speaker(&self, (part, item): &UnitKey, organizer: Option<&str>) -> Option<Side> {
        match part {
            Part::Participation => self.writable.speaker(item),
            Part::Attendee | Part::Organizer => organizer.and_then(|organizer| self.writable.speaker(organizer)),
            _ => None,
        }
    }
}

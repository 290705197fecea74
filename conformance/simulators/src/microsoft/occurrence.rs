//! One occurrence of a series becomes an exception.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::{
    draft::Draft,
    item::Item,
    refusal::Refusal,
    world::{Event, Exception, World},
};

impl World {
    /// Lays a draft over the occurrence of a day.
    pub(crate) fn change_occurrence(
        &mut self,
        now_ms: i64,
        event: &mut Event,
        date: Date,
        draft: &Draft,
    ) -> Result<(), Refusal> {
        if matches!(draft.recurrence, Some(Some(_))) {
            return Err(Refusal::invalid("The recurrence of an occurrence cannot be set."));
        }
        let item = Item::on(event, date);
        let mut content = item.content.clone();
        draft.lay(&mut content)?;
        let moved = content.start.ms() != item.content.start.ms() || content.end.ms() != item.content.end.ms();
        if moved {
            crosses(event, date, &content.start.wall_in(&super::zones::known(event.recurrence_zone())).date())?;
        }
        let change = self.seq().saturating_add(1);
        let known = event.exceptions.get(&date);
        let mut fields = known.map(|known| known.fields.clone()).unwrap_or_default();
        for name in draft.fields.keys() {
            if let Some(value) = content.fields.get(name) {
                fields.insert(name.clone(), value.clone());
            }
        }
        let extended: BTreeMap<String, String> = content.extended;
        let created_ms = known.map_or(now_ms, |known| known.created_ms);
        let exception = Exception {
            start: content.start,
            end: content.end,
            all_day: content.all_day,
            fields,
            extended,
            change,
            created_ms,
            modified_ms: now_ms,
        };
        event.exceptions.insert(date, exception);
        Ok(())
    }
}

/// An occurrence stays between its neighbours: neither onto their days nor past them.
fn crosses(event: &Event, date: Date, day: &Date) -> Result<(), Refusal> {
    let Some(recurrence) = &event.recurrence else { return Ok(()) };
    let zone = super::zones::known(event.recurrence_zone());
    let (before, after) = recurrence.neighbours(date);
    let on = |date: Date| Item::on(event, date).content.start.wall_in(&zone).date();
    let there = |date: &Date| !event.cancelled.contains(date);
    if before.filter(there).is_some_and(|before| *day <= on(before))
        || after.filter(there).is_some_and(|after| *day >= on(after))
    {
        return Err(Refusal::crossing());
    }
    Ok(())
}

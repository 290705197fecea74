//! Audit events: append-only, each hashed over its predecessor, so that a changed, removed or inserted row shows.

use sha2::{Digest, Sha256};

use super::sql::{Arg, Row, StoreError, args, like};
use super::tx::{ReadTx, WriteTx};
use crate::domain::ids::{AuditId, FirmId};
use crate::domain::time::Instant;

/// An administrative or security act to record. No secrets, no titles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewAudit {
    /// Who: a user's name, or `console`.
    pub actor: String,
    /// What, e.g. `user_added`.
    pub action: String,
    /// On what: a name or id.
    pub target: String,
    /// JSON with what else is worth knowing.
    pub details: String,
    /// The request, as in the logs.
    pub correlation_id: String,
    /// The peer's address, or empty for the console.
    pub address: String,
}

/// A recorded act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// Its place in the firm's chain, from 1.
    pub number: i64,
    /// Its id.
    pub id: AuditId,
    /// When.
    pub at: Instant,
    /// What was recorded.
    pub act: NewAudit,
    /// SHA-256 over the previous event's hash and this one's fields.
    pub chain: Vec<u8>,
}

/// Which events a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Of this kind.
    pub action: Option<String>,
    /// Of this actor.
    pub actor: Option<String>,
    /// On this target.
    pub target: Option<String>,
    /// In any of their words.
    pub text: Option<String>,
    /// At or after.
    pub from: Option<Instant>,
    /// Before.
    pub until: Option<Instant>,
}

fn link(previous: &[u8], number: i64, id: &str, at: Instant, act: &NewAudit) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(previous);
    let (number, at) = (number.to_string(), at.ms().to_string());
    for field in
        [&number, id, &at, &act.actor, &act.action, &act.target, &act.details, &act.correlation_id, &act.address]
    {
        // The length in front keeps two neighbouring fields from passing for others.
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field.as_bytes());
    }
    hash.finalize().to_vec()
}

const COLUMNS: &str = "number, audit_id, at_ms, actor, action, target, details, correlation_id, address, chain";

fn event_of(row: &Row) -> Result<AuditEvent, StoreError> {
    Ok(AuditEvent {
        number: row.int(0)?,
        id: AuditId::from_text(row.text(1)?),
        at: row.instant(2)?,
        act: NewAudit {
            actor: row.text(3)?,
            action: row.text(4)?,
            target: row.text(5)?,
            details: row.text(6)?,
            correlation_id: row.text(7)?,
            address: row.text(8)?,
        },
        chain: row.bytes(9)?,
    })
}

impl ReadTx {
    /// A firm's events after a number, in their order.
    ///
    /// # Errors
    /// The database failed.
    pub async fn audit_events(&mut self, firm: &FirmId, after: i64, limit: u32) -> Result<Vec<AuditEvent>, StoreError> {
        let sql =
            format!("select {COLUMNS} from audit_events where firm_id = $1 and number > $2 order by number limit $3");
        self.all(&sql, args![firm, after, i64::from(limit)]).await?.iter().map(event_of).collect()
    }

    /// Where a firm's chain ends: number and hash of its last event; `None`: nothing was ever recorded.
    ///
    /// # Errors
    /// The database failed.
    pub(super) async fn audit_head(&mut self, firm: &FirmId) -> Result<Option<(i64, Vec<u8>)>, StoreError> {
        let row = self.first("select number, chain from audit_heads where firm_id = $1", args![firm]).await?;
        row.map(|r| Ok((r.int(0)?, r.bytes(1)?))).transpose()
    }

    /// A page of a firm's events, newest first, before a number; and how many there are in all.
    ///
    /// # Errors
    /// The database failed.
    pub async fn audit_page(
        &mut self,
        firm: &FirmId,
        filter: &AuditFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<(Vec<AuditEvent>, i64), StoreError> {
        let mut values = args![firm];
        let mut conditions = String::from("firm_id = $1");
        let mut add = |values: &mut Vec<Arg>, condition: &str, value: Arg| {
            values.push(value);
            conditions.push_str(&condition.replace('?', &format!("${}", values.len())));
        };
        for (column, word) in [("action", &filter.action), ("actor", &filter.actor), ("target", &filter.target)] {
            if let Some(word) = word {
                add(&mut values, &format!(" and {column} = ?"), word.into());
            }
        }
        if let Some(from) = filter.from {
            add(&mut values, " and at_ms >= ?", from.into());
        }
        if let Some(until) = filter.until {
            add(&mut values, " and at_ms < ?", until.into());
        }
        if let Some(text) = &filter.text {
            let either = ["action", "actor", "target", "details", "correlation_id", "address"]
                .map(|column| format!("lower({column}) like ? escape '!'"))
                .join(" or ");
            add(&mut values, &format!(" and ({either})"), like(text).into());
        }
        let total = if *filter == AuditFilter::default() {
            // Numbers have no gaps: the last one is the total.
            self.audit_head(firm).await?.map_or(0, |(number, _)| number)
        } else {
            let sql = format!("select count(*) from audit_events where {conditions}");
            self.first(&sql, values.clone()).await?.map_or(Ok(0), |r| r.int(0))?
        };
        if let Some(before) = before {
            values.push(before.into());
            conditions.push_str(&format!(" and number < ${}", values.len()));
        }
        values.push(i64::from(limit).into());
        let sql = format!(
            "select {COLUMNS} from audit_events where {conditions} order by number desc limit ${}",
            values.len()
        );
        let events = self.all(&sql, values).await?.iter().map(event_of).collect::<Result<_, _>>()?;
        Ok((events, total))
    }
}

impl WriteTx {
    /// Appends an event to a firm's chain.
    ///
    /// # Errors
    /// The database failed, or two nodes appended at once ([`StoreError::Duplicate`]): try again.
    pub async fn audit(&mut self, firm: &FirmId, act: &NewAudit) -> Result<(), StoreError> {
        // Taking the firm's row makes appenders on PostgreSQL wait for each other.
        self.exec("update firms set name = name where firm_id = $1", args![firm]).await?;
        // The head, not the last row: should that one be gone, the next event shows it.
        let (number, previous) = match self.audit_head(firm).await? {
            Some((number, chain)) => (number + 1, chain),
            None => (1, Vec::new()),
        };
        let now = self.now();
        let id = AuditId::new(now, self.random());
        let chain = link(&previous, number, id.as_str(), now, act);
        self.exec(
            &format!(
                "insert into audit_events (firm_id, {COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
            ),
            args![
                firm,
                number,
                &id,
                now,
                &act.actor,
                &act.action,
                &act.target,
                &act.details,
                &act.correlation_id,
                &act.address,
                chain.clone()
            ],
        )
        .await?;
        self.exec(
            "insert into audit_heads (firm_id, number, chain) values ($1, $2, $3) \
             on conflict (firm_id) do update set number = excluded.number, chain = excluded.chain",
            args![firm, number, chain],
        )
        .await
        .map(|_| ())
    }
}

/// What is wrong with where a chain ends: `last` is its last event, `head` what was noted of it.
pub(super) fn broken_end(last: &AuditEvent, head: Option<&(i64, Vec<u8>)>) -> Option<&'static str> {
    match head {
        None if last.number == 0 => None,
        Some((number, chain)) if *number == last.number && *chain == last.chain => None,
        Some((number, _)) if *number > last.number => Some("the last of the audit events are gone"),
        _ => Some("the chain of audit events does not end where it was noted to"),
    }
}

/// Checks a run of events against what came before it; the number of the first one that does not fit.
pub(super) fn first_broken(previous: &AuditEvent, events: &[AuditEvent]) -> Option<i64> {
    let (mut chain, mut number) = (previous.chain.clone(), previous.number);
    for event in events {
        number += 1;
        let expected = link(&chain, event.number, event.id.as_str(), event.at, &event.act);
        if event.number != number || event.chain != expected {
            return Some(event.number);
        }
        chain = expected;
    }
    None
}

/// What stands before the first event.
pub(super) fn origin() -> AuditEvent {
    AuditEvent {
        number: 0,
        id: AuditId::from_text(""),
        at: Instant::from_ms(0),
        act: NewAudit::default(),
        chain: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain_of(actions: &[&str]) -> Vec<AuditEvent> {
        let mut previous = origin();
        actions
            .iter()
            .map(|action| {
                let act = NewAudit { action: (*action).to_owned(), ..NewAudit::default() };
                let (number, id) = (previous.number + 1, AuditId::from_text(format!("id-{action}")));
                let at = Instant::from_ms(number);
                let event =
                    AuditEvent { chain: link(&previous.chain, number, id.as_str(), at, &act), number, id, at, act };
                previous = event.clone();
                event
            })
            .collect()
    }

    #[test]
    fn a_changed_removed_or_inserted_event_shows() {
        let whole = chain_of(&["a", "b", "c", "d"]);
        assert_eq!(first_broken(&origin(), &whole), None);
        let mut changed = whole.clone();
        changed[1].act.target = "other".to_owned();
        assert_eq!(first_broken(&origin(), &changed), Some(2));
        let mut removed = whole.clone();
        removed.remove(1);
        assert_eq!(first_broken(&origin(), &removed), Some(3));
        let mut inserted = whole.clone();
        inserted.insert(1, whole[0].clone());
        assert!(first_broken(&origin(), &inserted).is_some());
        assert_eq!(first_broken(&whole[1], &whole[2..]), None);
        let head = |event: &AuditEvent| Some((event.number, event.chain.clone()));
        assert_eq!(broken_end(&whole[3], head(&whole[3]).as_ref()), None);
        assert_eq!(broken_end(&origin(), None), None);
        assert!(broken_end(&whole[2], head(&whole[3]).as_ref()).is_some(), "the last one is gone");
        assert!(broken_end(&origin(), head(&whole[3]).as_ref()).is_some(), "all of them are gone");
        assert!(broken_end(&whole[3], None).is_some() && broken_end(&whole[3], head(&changed[3]).as_ref()).is_none());
    }
}

//! Audit events: append-only, each hashed over its predecessor, so that a changed, removed or inserted row shows.

use sha2::{Digest, Sha256};

use super::sql::{Row, StoreError, args};
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
}

impl WriteTx {
    /// Appends an event to a firm's chain.
    ///
    /// # Errors
    /// The database failed, or two nodes appended at once ([`StoreError::Duplicate`]): try again.
    pub async fn audit(&mut self, firm: &FirmId, act: &NewAudit) -> Result<(), StoreError> {
        // Taking the firm's row makes appenders on PostgreSQL wait for each other.
        self.exec("update firms set name = name where firm_id = $1", args![firm]).await?;
        let last = self
            .first(
                "select number, chain from audit_events where firm_id = $1 order by number desc limit 1",
                args![firm],
            )
            .await?;
        let (number, previous) = match last {
            Some(row) => (row.int(0)? + 1, row.bytes(1)?),
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
                chain
            ],
        )
        .await
        .map(|_| ())
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
    }
}

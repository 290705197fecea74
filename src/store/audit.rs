//! Audit events: append-only. Each carries a keyed hash over its predecessor, and where a firm's trail ends is noted
//! under a seal of the same key, which is not in the database: so a changed, removed or inserted row shows, and so does a
//! trail whose end was taken off. [`super::trail`] is what is checked.

use super::sql::{Arg, Row, StoreError, args, like};
use super::trail::{Head, keyed_link, torn};
use super::tx::{ReadTx, WriteTx};
use crate::domain::ids::{AuditId, FirmId};
use crate::domain::sync::Provider;
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
    /// The keyed hash over the previous event's and this one's fields; of an event from before schema 7,
    /// plain SHA-256.
    pub chain: Vec<u8>,
}

/// What an event says of what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditState {
    /// It was asked for; what came of it is an event of its own.
    Requested,
    /// It went well.
    Success,
    /// It failed.
    Failed,
    /// It was refused.
    Refused,
    /// It was done as it was asked for.
    Done,
}

impl AuditState {
    /// Every state, with its name and how the names of its events end.
    const ALL: [(AuditState, &'static str, &'static [&'static str]); 5] = [
        (AuditState::Requested, "requested", &["_requested"]),
        (AuditState::Success, "success", &["_success", "_completed"]),
        (AuditState::Failed, "failed", &["_failed"]),
        (AuditState::Refused, "refused", &["_refused", "_denied"]),
        (AuditState::Done, "done", &[]),
    ];

    /// What an event of this name says.
    #[must_use]
    pub fn of(action: &str) -> AuditState {
        let found = AuditState::ALL.iter().find(|(_, _, ends)| ends.iter().any(|end| action.ends_with(end)));
        found.map_or(AuditState::Done, |(state, ..)| *state)
    }

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        AuditState::ALL.iter().find(|(state, ..)| *state == self).map_or("done", |(_, name, _)| name)
    }

    /// The state of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<AuditState> {
        AuditState::ALL.iter().find(|(_, name, _)| *name == text).map(|(state, ..)| *state)
    }

    /// The condition on the name of an event.
    fn condition(self) -> String {
        let ends_with = |end: &&str| format!("action like '%!{end}' escape '!'");
        let any = |ends: &mut dyn Iterator<Item = &&'static str>| ends.map(ends_with).collect::<Vec<_>>().join(" or ");
        match self {
            AuditState::Done => {
                format!(" and not ({})", any(&mut AuditState::ALL.iter().flat_map(|(_, _, ends)| *ends)))
            }
            state => {
                let own = AuditState::ALL.iter().filter(|(other, ..)| *other == state);
                format!(" and ({})", any(&mut own.flat_map(|(_, _, ends)| *ends)))
            }
        }
    }
}

/// What an event's target has to do with a provider.
const AT_PROVIDER: &str = " and (exists (select 1 from connections k where k.firm_id = $1 and k.connection_id = target \
     and k.provider = ?) or exists (select 1 from links l join connections k on k.firm_id = l.firm_id \
     and k.connection_id = l.connection_id where l.firm_id = $1 and l.link_id = target and k.provider = ?) \
     or exists (select 1 from attempts a join connections k on k.firm_id = a.firm_id \
     and k.connection_id = a.connection_id where a.firm_id = $1 and a.attempt_id = target and k.provider = ?))";

/// What an event's target has to do with a project.
const OF_PROJECT: &str = " and (exists (select 1 from objects o where o.firm_id = $1 and o.object_id = target \
     and o.project_id = ?) or exists (select 1 from attempts a join objects o on o.firm_id = a.firm_id \
     and o.object_id = a.object_id where a.firm_id = $1 and a.attempt_id = target and o.project_id = ?))";

/// Which events a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Of this kind.
    pub action: Option<String>,
    /// Of this actor.
    pub actor: Option<String>,
    /// That say so much of what came of it.
    pub state: Option<AuditState>,
    /// On a connection at this provider, a link of one or an attempt with one.
    pub provider: Option<Provider>,
    /// On an appointment of this project, or an attempt with one.
    pub project: Option<String>,
    /// On this target.
    pub target: Option<String>,
    /// In any of their words.
    pub text: Option<String>,
    /// At or after.
    pub from: Option<Instant>,
    /// Before.
    pub until: Option<Instant>,
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

    /// Where a firm's trail ends, as it was noted; `None`: it was not.
    ///
    /// # Errors
    /// The database failed.
    pub(super) async fn audit_head(&mut self, firm: &FirmId) -> Result<Option<Head>, StoreError> {
        let sql = "select number, chain, keyed_from, seal from audit_heads where firm_id = $1";
        let Some(row) = self.first(sql, args![firm]).await? else { return Ok(None) };
        Ok(Some(Head {
            number: row.int(0)?,
            chain: row.bytes(1)?,
            keyed_from: row.opt_int(2)?.unwrap_or(1),
            seal: row.opt_bytes(3)?.unwrap_or_default(),
        }))
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
        let mut conditions = format!("firm_id = $1{}", filter.state.map_or_else(String::new, AuditState::condition));
        let mut add = |values: &mut Vec<Arg>, condition: &str, value: Arg| {
            values.push(value);
            conditions.push_str(&condition.replace('?', &format!("${}", values.len())));
        };
        for (column, word) in [("action", &filter.action), ("actor", &filter.actor), ("target", &filter.target)] {
            if let Some(word) = word {
                add(&mut values, &format!(" and {column} = ?"), word.into());
            }
        }
        if let Some(provider) = filter.provider {
            add(&mut values, AT_PROVIDER, provider.as_str().into());
        }
        if let Some(project) = &filter.project {
            add(&mut values, OF_PROJECT, project.into());
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
            self.audit_head(firm).await?.map_or(0, |head| head.number)
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
        let store = self.store.clone();
        let key = store.hash_key();
        let known = self.audit_head(firm).await?.filter(|head| head.is_sealed(key, firm));
        let (previous, keyed_from, number) = match known {
            Some(head) => (head.chain, head.keyed_from, head.number.checked_add(1)),
            None => {
                // Somebody took the note away or wrote another. What is done from now on is recorded all the same, and
                // begins with a link that fits nowhere: the gap stays to be seen.
                tracing::error!(firm = firm.as_str(), "where the audit trail of a firm ends was not noted by us");
                let sql = "select max(number) from audit_events where firm_id = $1";
                let last = self.first(sql, args![firm]).await?.map(|r| r.opt_int(0)).transpose()?.flatten();
                (torn(key, firm), 1, last.unwrap_or(0).checked_add(1))
            }
        };
        let number = number.ok_or_else(|| StoreError::Corrupt("audit_events".to_owned()))?;
        let now = self.now();
        let id = AuditId::new(now, self.random());
        let event = AuditEvent { number, id, at: now, act: act.clone(), chain: Vec::new() };
        let chain = keyed_link(key, firm, &previous, &event);
        self.exec(
            &format!(
                "insert into audit_events (firm_id, {COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
            ),
            args![
                firm,
                number,
                &event.id,
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
        self.note_audit_head(firm, number, chain, keyed_from).await
    }

    /// Notes under a seal where a firm's trail ends.
    pub(super) async fn note_audit_head(
        &mut self,
        firm: &FirmId,
        number: i64,
        chain: Vec<u8>,
        keyed_from: i64,
    ) -> Result<(), StoreError> {
        let head = Head::sealed(self.store.hash_key(), firm, number, chain, keyed_from);
        self.exec(
            "insert into audit_heads (firm_id, number, chain, keyed_from, seal) values ($1, $2, $3, $4, $5) \
             on conflict (firm_id) do update set number = excluded.number, chain = excluded.chain, \
             keyed_from = excluded.keyed_from, seal = excluded.seal",
            args![firm, head.number, head.chain, head.keyed_from, head.seal],
        )
        .await
        .map(|_| ())
    }

    /// Notes under a seal where each firm's trail of before schema 7 ends. Their plain hashes stay and are
    /// followed as before; the seal over the last one of them holds them all.
    pub(super) async fn seal_trails(&mut self) -> Result<(), StoreError> {
        for (firm, _) in self.firms().await? {
            let (number, chain) = match self.audit_head(&firm).await? {
                Some(head) => (head.number, head.chain),
                None => (0, Vec::new()),
            };
            self.note_audit_head(&firm, number, chain, number.saturating_add(1)).await?;
        }
        Ok(())
    }
}

//! Notices on their way by webhook and mail: recorded with the notice, sent after, tried again, and then done or given up.

use super::notices::Notice;
use crate::domain::ids::{FirmId, NoticeId, UserId};
use crate::domain::time::Instant;
use crate::store::sql::{Row, StoreError, args};
use crate::store::tx::{ReadTx, WriteTx};

/// Notifications looked at together.
const PAGE: i64 = 100;

/// How a notice is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotificationWay {
    /// To the platform, by webhook.
    Webhook,
    /// To the user, by mail.
    Mail,
}

impl NotificationWay {
    /// Every way.
    pub const ALL: [NotificationWay; 2] = [NotificationWay::Webhook, NotificationWay::Mail];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            NotificationWay::Webhook => "webhook",
            NotificationWay::Mail => "mail",
        }
    }

    fn parse(text: &str) -> Option<NotificationWay> {
        NotificationWay::ALL.into_iter().find(|way| way.as_str() == text)
    }
}

/// What became of a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notified {
    /// It was sent.
    Sent,
    /// Nobody set this way up, the user has no address, or it was settled meanwhile.
    Skipped,
    /// It failed, and is tried again then.
    Again(Instant, String),
    /// It failed for the last time.
    GivenUp(String),
}

/// A notice to be told one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The firm.
    pub firm: FirmId,
    /// What is told.
    pub notice: Notice,
    /// How.
    pub way: NotificationWay,
    /// How often it was tried.
    pub tries: i64,
    /// Whom it is about.
    pub user: UserId,
    /// Their name.
    pub user_name: String,
    /// Their mail address, unless they are locked out.
    pub user_email: Option<String>,
}

fn notification_of(row: &Row) -> Result<Notification, StoreError> {
    Ok(Notification {
        firm: FirmId::from_text(row.text(0)?),
        notice: Notice {
            id: NoticeId::from_text(row.text(1)?),
            kind: row.text(2)?,
            target: row.text(3)?,
            text: row.text(4)?,
            created: row.instant(5)?,
            seen: row.opt_instant(6)?,
        },
        way: row.word(7, NotificationWay::parse)?,
        tries: row.int(8)?,
        user: UserId::from_text(row.text(9)?),
        user_name: row.text(10)?,
        user_email: row.opt_text(11)?,
    })
}

impl ReadTx {
    /// Notifications that are due, longest waiting first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn notifications_due(&mut self) -> Result<Vec<Notification>, StoreError> {
        let now = self.now();
        let rows = self
            .all(
                "select t.firm_id, t.notice_id, n.kind, n.target, n.text, n.created_ms, n.seen_ms, t.way, t.tries, \
                 n.user_id, u.name, case when u.disabled_ms is null then u.email end from notifications t \
                 join notices n on n.firm_id = t.firm_id and n.notice_id = t.notice_id \
                 join users u on u.firm_id = n.firm_id and u.user_id = n.user_id \
                 where t.state = 'waiting' and t.not_before_ms <= $1 order by t.not_before_ms, t.notice_id limit $2",
                args![now, PAGE],
            )
            .await?;
        rows.iter().map(notification_of).collect()
    }
}

impl WriteTx {
    /// Records that a notice is to be told, every way there is.
    pub(super) async fn queue_notifications(&mut self, firm: &FirmId, notice: &NoticeId) -> Result<(), StoreError> {
        let now = self.now();
        for way in NotificationWay::ALL {
            self.exec(
                "insert into notifications (firm_id, notice_id, way, state, tries, not_before_ms, changed_ms) \
                 values ($1, $2, $3, 'waiting', 0, $4, $4)",
                args![firm, notice, way.as_str(), now],
            )
            .await?;
        }
        Ok(())
    }

    /// Notes what became of a notification.
    ///
    /// # Errors
    /// The database failed.
    pub async fn settle_notification(&mut self, of: &Notification, outcome: &Notified) -> Result<(), StoreError> {
        let now = self.now();
        let (state, note, not_before) = match outcome {
            Notified::Sent => ("sent", None, now),
            Notified::Skipped => ("skipped", None, now),
            Notified::Again(at, why) => ("waiting", Some(why), *at),
            Notified::GivenUp(why) => ("failed", Some(why), now),
        };
        self.exec(
            "update notifications set state = $4, note = $5, not_before_ms = $6, tries = tries + 1, changed_ms = $7 \
             where firm_id = $1 and notice_id = $2 and way = $3",
            args![&of.firm, &of.notice.id, of.way.as_str(), state, note.map(String::as_str), not_before, now],
        )
        .await
        .map(|_| ())
    }
}

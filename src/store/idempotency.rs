//! Answers to POSTs that carried an `Idempotency-Key`, so that a repeated request gets the first one's answer and
//! creates nothing twice. The answer is kept in the transaction that did the work.

use super::sql::{StoreError, args};
use super::tx::{ReadTx, WriteTx};
use crate::domain::access::Caller;
use crate::domain::time::{DAY_MS, Instant};

/// How long an answer is kept: clients retry within minutes; a day covers a night without network.
const KEPT_MS: i64 = DAY_MS;

/// An answer that was given under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// The hash of the request it answered; another request under the same key is an error.
    pub request_hash: Vec<u8>,
    /// Its status code.
    pub status: u16,
    /// The answer, in whatever form it was handed in.
    pub answer: String,
}

/// Where an answer is sealed, since the secret of a new app password or feed is in it. `row` names caller and key.
#[must_use]
pub fn answer_place(row: &str) -> crate::crypto::Place<'_> {
    crate::crypto::Place { table: "idempotency", row, column: "answer" }
}

impl ReadTx {
    /// The answer given to this caller under this key, if it is still kept.
    ///
    /// # Errors
    /// The database failed.
    pub async fn remembered(&mut self, caller: &Caller, key: &str) -> Result<Option<Remembered>, StoreError> {
        let since = self.now().plus_ms(-KEPT_MS);
        let row = self
            .first(
                "select request_hash, status, answer from idempotency where firm_id = $1 and user_id = $2 \
                 and idempotency_key = $3 and created_ms > $4",
                args![&caller.firm, &caller.user, key, since],
            )
            .await?;
        row.map(|r| {
            Ok(Remembered {
                request_hash: r.bytes(0)?,
                status: u16::try_from(r.int(1)?).unwrap_or(500),
                answer: r.text(2)?,
            })
        })
        .transpose()
    }
}

impl WriteTx {
    /// Keeps an answer. `false` if another request got in first under the same key: then this transaction must be
    /// dropped and the kept answer given.
    ///
    /// # Errors
    /// The database failed.
    pub async fn remember(
        &mut self,
        caller: &Caller,
        key: &str,
        request_hash: &[u8],
        status: u16,
        answer: &str,
    ) -> Result<bool, StoreError> {
        let now: Instant = self.now();
        self.exec(
            "delete from idempotency where firm_id = $1 and created_ms <= $2",
            args![&caller.firm, now.plus_ms(-KEPT_MS)],
        )
        .await?;
        let rows = self
            .exec(
                "insert into idempotency (firm_id, user_id, idempotency_key, request_hash, status, answer, created_ms) \
                 values ($1, $2, $3, $4, $5, $6, $7) on conflict (firm_id, user_id, idempotency_key) do nothing",
                args![&caller.firm, &caller.user, key, request_hash, i64::from(status), answer, now],
            )
            .await?;
        Ok(rows == 1)
    }
}

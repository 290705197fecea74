//! The index: what the columns of an object's row say of its bytes. Made when the object is written; made anew when
//! what it was made with has changed, which is the time zone data.

use bytes::Bytes;

use super::sql::{Arg, Row, StoreError, args, json};
use super::tx::{Store, WriteTx};
use crate::domain::object::{CalendarObject, Class};
use crate::domain::time::Instant;

/// The columns in the order of [`index_args`], and what a person calls them.
pub(super) const INDEX_COLUMNS: [(&str, &str); 12] = [
    ("component", "component"),
    ("starts_ms", "start"),
    ("ends_ms", "end"),
    ("floating", "floating flag"),
    ("recurring", "recurrence flag"),
    ("all_day", "all-day flag"),
    ("transparent", "transparency"),
    ("status", "status"),
    ("class", "class"),
    ("summary", "title"),
    ("search_text", "text to search"),
    ("categories", "categories"),
];
/// Objects indexed anew in one transaction: a running server gets its turn in between.
const PAGE: i64 = 200;

const CLASS_WORDS: [(Class, &str); 3] =
    [(Class::Public, "PUBLIC"), (Class::Private, "PRIVATE"), (Class::Confidential, "CONFIDENTIAL")];

/// The word for a class in the index.
fn class_word(class: Class) -> &'static str {
    CLASS_WORDS.iter().find(|(c, _)| *c == class).map_or("PRIVATE", |(_, word)| word)
}

/// What the index says of an object, in the order of [`INDEX_COLUMNS`].
pub(super) fn index_args(object: &CalendarObject) -> Vec<Arg> {
    let index = object.index();
    let (starts, ends, floating) = match index.span {
        Some(span) => (Some(span.starts), Some(span.ends.unwrap_or(Instant::FAR_FUTURE)), span.floating),
        None => (None, None, false),
    };
    args![
        object.component().name(),
        starts,
        ends,
        floating,
        index.recurring,
        index.all_day,
        index.transparent,
        &index.status,
        class_word(index.class),
        &index.summary,
        &index.search_text,
        json(&index.categories),
    ]
}

/// The columns as a query names them.
pub(super) fn index_columns() -> String {
    INDEX_COLUMNS.map(|(column, _)| column).join(", ")
}

/// What a row has wrong of an object whose index begins at the column `from`.
pub(super) fn index_faults(row: &Row, from: usize, object: &CalendarObject) -> Result<Vec<&'static str>, StoreError> {
    let mut wrong = Vec::new();
    for (at, ((_, name), arg)) in INDEX_COLUMNS.iter().zip(index_args(object)).enumerate() {
        let is_right = match arg {
            Arg::Int(value) => row.opt_int(from + at)? == value,
            Arg::Text(value) => row.opt_text(from + at)? == value,
            Arg::Bytes(value) => row.opt_bytes(from + at)? == value,
        };
        if !is_right {
            wrong.push(*name);
        }
    }
    Ok(wrong)
}

/// What indexing anew came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Reindexed {
    /// Objects looked at.
    pub objects: u64,
    /// Objects whose index was not what it is now.
    pub changed: u64,
}

impl Store {
    /// Indexes every object anew, in small transactions beside a running server; tells how far it is. The objects
    /// themselves do not change, so nobody who syncs looks again.
    ///
    /// # Errors
    /// The database failed; what was done until then stays.
    pub async fn reindex(&self, mut tell: impl FnMut(Reindexed)) -> Result<Reindexed, StoreError> {
        let mut done = Reindexed::default();
        let mut after = (String::new(), String::new());
        loop {
            let mut tx = self.write().await?;
            let Some(last) = tx.reindex_page(&after, &mut done).await? else { return Ok(done) };
            tx.commit().await?;
            after = last;
            tell(done);
        }
    }
}

impl WriteTx {
    /// Firm and object of the last one of a page; `None` where there is none after those given.
    async fn reindex_page(
        &mut self,
        (firm, object): &(String, String),
        done: &mut Reindexed,
    ) -> Result<Option<(String, String)>, StoreError> {
        let columns = index_columns();
        let page = format!(
            "select firm_id, object_id, etag, data, {columns} from objects where firm_id > $1 \
             or (firm_id = $1 and object_id > $2) order by firm_id, object_id limit $3"
        );
        let rows = self.all(&page, args![firm, object, PAGE]).await?;
        let settings: Vec<String> =
            INDEX_COLUMNS.iter().enumerate().map(|(at, (column, _))| format!("{column} = ${}", at + 4)).collect();
        let update =
            format!("update objects set {} where firm_id = $1 and object_id = $2 and etag = $3", settings.join(", "));
        for row in &rows {
            done.objects += 1;
            // What cannot be read has no index; doctor tells of it.
            let Ok(object) = CalendarObject::from_stored(Bytes::from(row.bytes(3)?)) else { continue };
            if !index_faults(row, 4, &object)?.is_empty() {
                let mut values = args![row.text(0)?, row.text(1)?, row.text(2)?];
                values.extend(index_args(&object));
                done.changed += self.exec(&update, values).await?;
            }
        }
        rows.last().map(|row| Ok((row.text(0)?, row.text(1)?))).transpose()
    }
}

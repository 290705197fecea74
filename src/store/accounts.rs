//! Firms and users.

use serde::{Deserialize, Serialize};

use super::sql::{Cells, StoreError, args, json};
use super::tx::{ReadTx, WriteTx};
use crate::domain::access::{Caller, Credential, Right, Role};
use crate::domain::calendar::{CalendarSettings, ComponentSet};
use crate::domain::ids::{FirmId, Slug, UserId, UserName};
use crate::domain::time::Instant;

/// What a user set for themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserSettings {
    /// IANA zone in which the user's days begin; UTC if none.
    pub timezone: Option<String>,
    /// Working hours by weekday, `mon` to `sun`: spans of local times `["09:00", "17:00"]`. An absent day is free.
    /// `None`: Monday to Friday, nine to five.
    pub working_hours: Option<std::collections::BTreeMap<String, Vec<[String; 2]>>>,
}

/// A user as the store has them.
#[derive(Clone)]
pub struct User {
    /// The firm.
    pub firm: FirmId,
    /// The user's id.
    pub id: UserId,
    /// The name they sign in with.
    pub name: UserName,
    /// The role.
    pub role: Role,
    /// How they are shown to others.
    pub display_name: Option<String>,
    /// For invitations and notices.
    pub email: Option<String>,
    /// argon2id in PHC form; `None` if they sign in with app passwords only.
    pub password_hash: Option<String>,
    /// What they set.
    pub settings: UserSettings,
    /// When they were added.
    pub created: Instant,
    /// Since when they may not sign in any more.
    pub disabled: Option<Instant>,
}

impl User {
    /// The program itself acting for this user, with every right that they have: the console, and the sync engine.
    #[must_use]
    pub fn acted_for(&self) -> Caller {
        Caller {
            firm: self.firm.clone(),
            user: self.id.clone(),
            name: self.name.clone(),
            role: self.role,
            credential: Credential::Console,
            most: Right::Own,
        }
    }
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}

/// A user to add.
#[derive(Clone)]
pub struct NewUser {
    /// The name they sign in with.
    pub name: UserName,
    /// The role.
    pub role: Role,
    /// How they are shown to others.
    pub display_name: Option<String>,
    /// For invitations and notices.
    pub email: Option<String>,
    /// argon2id in PHC form.
    pub password_hash: Option<String>,
}

impl std::fmt::Debug for NewUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewUser").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Columns of a [`User`], for queries that join users as `u`.
pub(super) const USER_COLUMNS: &str = "u.firm_id, u.user_id, u.name, u.role, u.display_name, u.email, \
     u.password_hash, u.settings, u.created_ms, u.disabled_ms";

pub(super) fn user_of(row: &impl Cells) -> Result<User, StoreError> {
    let settings = row.a_text(7)?;
    Ok(User {
        firm: FirmId::from_text(row.a_text(0)?),
        id: UserId::from_text(row.a_text(1)?),
        name: row.a_word(2, |t| UserName::parse(t).ok())?,
        role: row.a_word(3, Role::parse)?,
        display_name: row.own_text(4)?,
        email: row.own_text(5)?,
        password_hash: row.own_text(6)?,
        settings: serde_json::from_str(settings).map_err(|e| StoreError::Corrupt(e.to_string()))?,
        created: row.an_instant(8)?,
        disabled: row.cell_int(9)?.map(Instant::from_ms),
    })
}

impl ReadTx {
    /// The user of that name in whichever firm: only for signing in and for the command line.
    ///
    /// # Errors
    /// The database failed.
    pub async fn user_by_name(&mut self, name: &UserName) -> Result<Option<User>, StoreError> {
        let sql = format!("select {USER_COLUMNS} from users u where u.name = $1");
        self.find(&sql, args![name], |row| user_of(row)).await
    }

    /// The user of that name inside a firm.
    ///
    /// # Errors
    /// The database failed.
    pub async fn user_in_firm(&mut self, firm: &FirmId, name: &str) -> Result<Option<User>, StoreError> {
        let sql = format!("select {USER_COLUMNS} from users u where u.firm_id = $1 and u.name = $2");
        self.find(&sql, args![firm, name], |row| user_of(row)).await
    }

    /// The user of that id inside a firm.
    ///
    /// # Errors
    /// The database failed.
    pub async fn user(&mut self, firm: &FirmId, user: &UserId) -> Result<Option<User>, StoreError> {
        let sql = format!("select {USER_COLUMNS} from users u where u.firm_id = $1 and u.user_id = $2");
        self.find(&sql, args![firm, user], |row| user_of(row)).await
    }

    /// A firm's users by name, at most `limit` of them after the name `after`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn users(&mut self, firm: &FirmId, after: &str, limit: u32) -> Result<Vec<User>, StoreError> {
        let sql =
            format!("select {USER_COLUMNS} from users u where u.firm_id = $1 and u.name > $2 order by u.name limit $3");
        self.all(&sql, args![firm, after, i64::from(limit)]).await?.iter().map(user_of).collect()
    }

    /// All firms: id and name. Only for the command line and `doctor`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn firms(&mut self) -> Result<Vec<(FirmId, String)>, StoreError> {
        let rows = self.all("select firm_id, name from firms order by name", args![]).await?;
        rows.iter().map(|row| Ok((FirmId::from_text(row.text(0)?), row.text(1)?))).collect()
    }
}

impl WriteTx {
    /// The firm of that name, made if there is none.
    ///
    /// # Errors
    /// The database failed.
    pub async fn ensure_firm(&mut self, name: &str) -> Result<FirmId, StoreError> {
        let id = FirmId::new(self.now(), self.random());
        let now = self.now();
        let made = self
            .exec(
                "insert into firms (firm_id, name, created_ms) values ($1, $2, $3) on conflict (name) do nothing",
                args![&id, name, now],
            )
            .await?;
        if made == 1 {
            // From its first moment on a firm without the end of an audit trail is one from which it was taken.
            self.note_audit_head(&id, 0, Vec::new(), 1).await?;
        }
        let row = self.first("select firm_id from firms where name = $1", args![name]).await?;
        row.map(|r| r.text(0).map(FirmId::from_text)).transpose()?.ok_or(StoreError::Duplicate)
    }

    /// Notes that a user was seen now.
    ///
    /// # Errors
    /// The database failed.
    pub async fn note_seen(&mut self, firm: &FirmId, user: &UserId) -> Result<(), StoreError> {
        let now = self.now();
        self.exec("update users set last_seen_ms = $3 where firm_id = $1 and user_id = $2", args![firm, user, now])
            .await
            .map(|_| ())
    }

    /// Adds a user with a calendar for appointments and a list for tasks, so that no client feels called upon to
    /// make its own.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] if the name is taken in any firm.
    pub async fn add_user(&mut self, firm: &FirmId, new: &NewUser) -> Result<User, StoreError> {
        let now = self.now();
        let id = UserId::new(now, self.random());
        let rows = self
            .exec(
                "insert into users (firm_id, user_id, name, role, display_name, email, password_hash, settings, \
                 created_ms) values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (name) do nothing",
                args![
                    firm,
                    &id,
                    &new.name,
                    new.role.as_str(),
                    &new.display_name,
                    &new.email,
                    &new.password_hash,
                    json(&UserSettings::default()),
                    now
                ],
            )
            .await?;
        if rows != 1 {
            return Err(StoreError::Duplicate);
        }
        for (slug, title, components) in
            [("calendar", "Calendar", ComponentSet::EVENTS), ("tasks", "Tasks", ComponentSet::TODOS)]
        {
            let slug = Slug::parse(slug).map_err(|e| StoreError::Corrupt(e.to_string()))?;
            self.insert_calendar(firm, &id, &slug, &CalendarSettings::named(title, components)).await?;
        }
        Ok(User {
            firm: firm.clone(),
            id,
            name: new.name.clone(),
            role: new.role,
            display_name: new.display_name.clone(),
            email: new.email.clone(),
            password_hash: new.password_hash.clone(),
            settings: UserSettings::default(),
            created: now,
            disabled: None,
        })
    }

    /// Replaces a user's password hash and ends their browser sessions. Whether the user exists.
    ///
    /// # Errors
    /// The database failed.
    pub async fn set_password_hash(
        &mut self,
        firm: &FirmId,
        user: &UserId,
        hash: Option<&str>,
    ) -> Result<bool, StoreError> {
        self.exec("delete from sessions where firm_id = $1 and user_id = $2", args![firm, user]).await?;
        let rows = self
            .exec("update users set password_hash = $3 where firm_id = $1 and user_id = $2", args![firm, user, hash])
            .await?;
        Ok(rows == 1)
    }

    /// Locks a user out: sessions end, every credential stops working. What they own stays.
    ///
    /// # Errors
    /// The database failed.
    pub async fn disable_user(&mut self, firm: &FirmId, user: &UserId) -> Result<bool, StoreError> {
        let now = self.now();
        self.exec("delete from sessions where firm_id = $1 and user_id = $2", args![firm, user]).await?;
        let rows = self
            .exec(
                "update users set disabled_ms = coalesce(disabled_ms, $3) where firm_id = $1 and user_id = $2",
                args![firm, user, now],
            )
            .await?;
        Ok(rows == 1)
    }

    /// Replaces what a user set for themselves.
    ///
    /// # Errors
    /// The database failed.
    pub async fn set_user_profile(
        &mut self,
        firm: &FirmId,
        user: &UserId,
        display_name: Option<&str>,
        email: Option<&str>,
        settings: &UserSettings,
    ) -> Result<bool, StoreError> {
        let rows = self
            .exec(
                "update users set display_name = $3, email = $4, settings = $5 where firm_id = $1 and user_id = $2",
                args![firm, user, display_name, email, json(settings)],
            )
            .await?;
        Ok(rows == 1)
    }
}

//! What PROPPATCH keeps beside a calendar's settings: dead properties, byte for byte, and those live ones that
//! belong to the reader and not to the resource.

use super::sql::{StoreError, args};
use super::tx::{ReadTx, WriteTx};
use crate::domain::access::Caller;
use crate::domain::ids::UserId;

/// Properties that one user may keep on one resource: clients set a dozen.
pub const PROPERTIES_PER_RESOURCE_MAX: i64 = 200;

/// A property's qualified name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PropertyKey {
    /// Its namespace.
    pub namespace: String,
    /// Its local name.
    pub name: String,
}

/// A kept property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredProperty {
    /// Its name.
    pub key: PropertyKey,
    /// The element as it came, with every namespace it needs declared on itself.
    pub xml: String,
}

impl ReadTx {
    /// What a user keeps on a resource: a calendar's id, or any id of theirs that stands for a home or principal.
    ///
    /// # Errors
    /// The database failed.
    pub async fn properties(&mut self, caller: &Caller, resource: &str) -> Result<Vec<StoredProperty>, StoreError> {
        let rows = self
            .all(
                "select namespace, name, xml from properties where firm_id = $1 and resource_id = $2 and user_id = $3 \
                 order by namespace, name limit $4",
                args![&caller.firm, resource, &caller.user, PROPERTIES_PER_RESOURCE_MAX],
            )
            .await?;
        rows.iter()
            .map(|r| {
                Ok(StoredProperty { key: PropertyKey { namespace: r.text(0)?, name: r.text(1)? }, xml: r.text(2)? })
            })
            .collect()
    }
}

impl WriteTx {
    /// Keeps a property for the caller. `false` if they keep too many on this resource already.
    ///
    /// # Errors
    /// The database failed.
    pub async fn set_property(
        &mut self,
        caller: &Caller,
        resource: &str,
        property: &StoredProperty,
    ) -> Result<bool, StoreError> {
        let key = &property.key;
        let rows = self
            .exec(
                "insert into properties (firm_id, resource_id, user_id, namespace, name, xml) \
                 select $1, $2, $3, $4, $5, $6 where (select count(*) from properties \
                 where firm_id = $1 and resource_id = $2 and user_id = $3 and not (namespace = $4 and name = $5)) < $7 \
                 on conflict (firm_id, resource_id, user_id, namespace, name) do update set xml = excluded.xml",
                args![
                    &caller.firm,
                    resource,
                    &caller.user,
                    &key.namespace,
                    &key.name,
                    &property.xml,
                    PROPERTIES_PER_RESOURCE_MAX
                ],
            )
            .await?;
        Ok(rows == 1)
    }

    /// Forgets a property that the caller keeps; forgetting what is not there is no error (RFC 4918 §14.23).
    ///
    /// # Errors
    /// The database failed.
    pub async fn remove_property(
        &mut self,
        caller: &Caller,
        resource: &str,
        key: &PropertyKey,
    ) -> Result<(), StoreError> {
        self.exec(
            "delete from properties where firm_id = $1 and resource_id = $2 and user_id = $3 and namespace = $4 \
             and name = $5",
            args![&caller.firm, resource, &caller.user, &key.namespace, &key.name],
        )
        .await
        .map(|_| ())
    }

    /// Gives a copy of everything kept on one resource to another.
    ///
    /// # Errors
    /// The database failed.
    pub async fn copy_properties(
        &mut self,
        user: &UserId,
        firm: &crate::domain::ids::FirmId,
        from: &str,
        to: &str,
    ) -> Result<(), StoreError> {
        self.exec(
            "insert into properties (firm_id, resource_id, user_id, namespace, name, xml) \
             select firm_id, $3, user_id, namespace, name, xml from properties \
             where firm_id = $1 and user_id = $2 and resource_id = $4 \
             on conflict (firm_id, resource_id, user_id, namespace, name) do nothing",
            args![firm, user, to, from],
        )
        .await
        .map(|_| ())
    }
}

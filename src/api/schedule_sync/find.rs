//! Links and connections by what a request names. Another's are not there.

use crate::api::extract::{Visitor, is_id};
use crate::api::problem::Problem;
use crate::domain::ids::{ConnectionId, LinkId};
use crate::domain::sync::{ConnectionStatus, LinkStatus, Provider};
use crate::store::{Connection, Link, ReadTx};

/// One of the caller's connections.
pub(super) async fn connection(tx: &mut ReadTx, visitor: &Visitor, id: &str) -> Result<Connection, Problem> {
    if !is_id(id) {
        return Err(Problem::not_found());
    }
    let found = tx.connection(&visitor.caller.firm, &ConnectionId::from_text(id)).await?;
    found.filter(|k| k.user == visitor.caller.user).ok_or_else(Problem::not_found)
}

/// One of the caller's links.
pub(super) async fn link(tx: &mut ReadTx, visitor: &Visitor, id: &str) -> Result<Link, Problem> {
    if !is_id(id) {
        return Err(Problem::not_found());
    }
    let found = tx.link_by_id(&visitor.caller.firm, &LinkId::from_text(id)).await?;
    found.filter(|l| l.user == visitor.caller.user).ok_or_else(Problem::not_found)
}

/// The caller's connections at a provider that were not revoked.
pub(super) async fn connections_at(
    tx: &mut ReadTx,
    visitor: &Visitor,
    provider: Provider,
) -> Result<Vec<Connection>, Problem> {
    let all = tx.connections(&visitor.caller.firm, &visitor.caller.user).await?;
    let live = |k: &Connection| k.provider == provider && k.status != ConnectionStatus::Revoked;
    Ok(all.into_iter().filter(live).collect())
}

/// What a request is about.
pub(super) enum Target {
    /// One link.
    Link(Box<Link>),
    /// A connection with all its links.
    Connection(Box<Connection>),
}

/// The link or connection that a request names; exactly one of them.
pub(super) async fn target(
    tx: &mut ReadTx,
    visitor: &Visitor,
    link_id: Option<&str>,
    connection_id: Option<&str>,
) -> Result<Target, Problem> {
    match (link_id, connection_id) {
        (Some(id), None) => Ok(Target::Link(Box::new(link(tx, visitor, id).await?))),
        (None, Some(id)) => Ok(Target::Connection(Box::new(connection(tx, visitor, id).await?))),
        (None, None) => Err(Problem::missing("linkId", "name a link or a connection")),
        (Some(_), Some(_)) => Err(Problem::value("connectionId", "name a link or a connection, not both")),
    }
}

/// The caller's links that are not detached: of a link, of a connection, of a provider, or all of them.
pub(super) async fn links(
    tx: &mut ReadTx,
    visitor: &Visitor,
    (link_id, connection_id): (Option<&str>, Option<&str>),
    provider: Option<Provider>,
) -> Result<Vec<Link>, Problem> {
    let caller = &visitor.caller;
    if link_id.is_some() || connection_id.is_some() {
        if provider.is_some() {
            return Err(Problem::value("provider", "name a link, a connection or a provider"));
        }
        return match target(tx, visitor, link_id, connection_id).await? {
            Target::Link(link) => Ok(vec![*link]),
            Target::Connection(connection) => {
                let links = tx.links_of_connection(&caller.firm, &connection.id).await?;
                Ok(links.into_iter().filter(|l| l.status != LinkStatus::Detached).collect())
            }
        };
    }
    let of = match provider {
        Some(provider) => Some(connections_at(tx, visitor, provider).await?),
        None => None,
    };
    let wanted = |l: &Link| {
        l.status != LinkStatus::Detached
            && of.as_ref().is_none_or(|connections| connections.iter().any(|k| k.id == l.connection))
    };
    Ok(tx.links(&caller.firm, &caller.user).await?.into_iter().filter(wanted).collect())
}

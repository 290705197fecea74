//! The caller's ICS feeds: what each shows, and the address it is fetched under.

mod shape;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use self::shape::{FeedChange, FeedView, NewFeedInput, webcal};
use super::answer::{Answer, Key};
use super::extract::{Body, Holder, Id, Nothing, Query, Visitor};
use super::page::{Page, PageQuery};
use super::problem::{Code, Problem};
use crate::auth::{Gate, Purpose};
use crate::domain::feed::FeedSettings;
use crate::domain::ids::FeedId;
use crate::store::{Feed, NewFeed, ReadTx, WriteTx, secret_place};

/// Lists the caller's feeds, oldest first, revoked ones included.
#[utoipa::path(
    get, path = "/api/feeds", tag = "feeds", operation_id = "listFeeds", params(PageQuery),
    responses((status = 200, description = "A page of them", body = Page<FeedView>)),
)]
pub async fn list(
    State(gate): State<Gate>,
    Holder(visitor): Holder,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<FeedView>>, Problem> {
    let cut = query.cut()?;
    let feeds = gate.store.read().await?.feeds(&visitor.caller.firm, &visitor.caller.user).await?;
    let views = feeds.iter().map(|feed| FeedView::of(feed, url_of(&gate, feed, &visitor.visit.base_url)));
    Ok(Json(cut.page(views.collect())))
}

/// Makes a feed.
#[utoipa::path(
    post, path = "/api/feeds", tag = "feeds", operation_id = "createFeed", request_body = NewFeedInput,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and request get the same answer for a day.", max_length = 255)),
    responses((status = 201, description = "Made", body = FeedView)),
)]
pub async fn create(
    State(gate): State<Gate>,
    Holder(visitor): Holder,
    _: Query<Nothing>,
    key: Key,
    body: Body<NewFeedInput>,
) -> Result<Answer, Problem> {
    let caller = &visitor.caller;
    if let Some(answer) = key.answered(&gate, caller, &body.hash).await? {
        return Ok(answer);
    }
    let mut tx = gate.store.write().await?;
    let blank = NewFeed { label: String::new(), settings: FeedSettings::default(), expires_ms: None };
    let new = FeedChange::from(body.value).made(&mut tx, &visitor, blank).await?;
    let id = tx.new_feed_id();
    let secret = Secret::new(&gate, &id);
    if !tx.add_feed((&caller.firm, &caller.user), &id, &new, &secret.hash, &secret.sealed).await? {
        return Err(Problem::new(Code::LimitReached, "revoked feeds count as well; there are as many as there may be"));
    }
    audit(&mut tx, &visitor, "feed_created", &id, &new.label).await?;
    let feed = tx.feed(&caller.firm, &caller.user, &id).await?.ok_or_else(Problem::internal)?;
    let view = FeedView::of(&feed, Some(address(&secret.text, &visitor.visit.base_url)));
    let answer = Answer::created(format!("/api/feeds/{id}"), &view)?;
    key.settle(&gate, tx, caller, &body.hash, answer).await
}

/// Reads a feed.
#[utoipa::path(
    get, path = "/api/feeds/{id}", tag = "feeds", operation_id = "readFeed",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The feed", body = FeedView)),
)]
pub async fn read(
    State(gate): State<Gate>,
    Holder(visitor): Holder,
    _: Query<Nothing>,
    Id(id): Id,
) -> Result<Json<FeedView>, Problem> {
    let feed = find(&mut gate.store.read().await?, &visitor, &FeedId::from_text(id)).await?;
    let url = url_of(&gate, &feed, &visitor.visit.base_url);
    Ok(Json(FeedView::of(&feed, url)))
}

/// Changes what a feed shows. Its address stays.
#[utoipa::path(
    patch, path = "/api/feeds/{id}", tag = "feeds", operation_id = "changeFeed", request_body = FeedChange,
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The feed as it is now", body = FeedView)),
)]
pub async fn change(
    State(gate): State<Gate>,
    Holder(visitor): Holder,
    _: Query<Nothing>,
    Id(id): Id,
    body: Body<FeedChange>,
) -> Result<Json<FeedView>, Problem> {
    let (caller, id) = (&visitor.caller, FeedId::from_text(id));
    let mut tx = gate.store.write().await?;
    let before = find(&mut tx, &visitor, &id).await?;
    let before = NewFeed {
        label: before.label,
        settings: before.settings,
        expires_ms: before.expires.map(crate::domain::time::Instant::ms),
    };
    let new = body.value.made(&mut tx, &visitor, before).await?;
    tx.set_feed((&caller.firm, &caller.user), &id, &new).await?;
    audit(&mut tx, &visitor, "feed_changed", &id, &new.label).await?;
    let feed = find(&mut tx, &visitor, &id).await?;
    tx.commit().await?;
    let url = url_of(&gate, &feed, &visitor.visit.base_url);
    Ok(Json(FeedView::of(&feed, url)))
}

/// Revokes a feed for good.
#[utoipa::path(
    delete, path = "/api/feeds/{id}", tag = "feeds", operation_id = "revokeFeed",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 204, description = "Revoked")),
)]
pub async fn delete(
    State(gate): State<Gate>,
    Holder(visitor): Holder,
    _: Query<Nothing>,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    let (caller, id) = (&visitor.caller, FeedId::from_text(id));
    let mut tx = gate.store.write().await?;
    let feed = find(&mut tx, &visitor, &id).await?;
    if feed.revoked.is_none() {
        tx.revoke_feed((&caller.firm, &caller.user), &id).await?;
        audit(&mut tx, &visitor, "feed_revoked", &id, &feed.label).await?;
        tx.commit().await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a feed another address. The old one stops working at once.
#[utoipa::path(
    post, path = "/api/feeds/{id}/rotate", tag = "feeds", operation_id = "rotateFeed",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The feed with its new address", body = FeedView)),
)]
pub async fn rotate(
    State(gate): State<Gate>,
    Holder(visitor): Holder,
    _: Query<Nothing>,
    Id(id): Id,
) -> Result<Json<FeedView>, Problem> {
    let (caller, id) = (&visitor.caller, FeedId::from_text(id));
    let mut tx = gate.store.write().await?;
    find(&mut tx, &visitor, &id).await?;
    let secret = Secret::new(&gate, &id);
    if !tx.rotate_feed((&caller.firm, &caller.user), &id, &secret.hash, &secret.sealed).await? {
        return Err(Problem::not_found());
    }
    let feed = find(&mut tx, &visitor, &id).await?;
    audit(&mut tx, &visitor, "feed_rotated", &id, &feed.label).await?;
    tx.commit().await?;
    Ok(Json(FeedView::of(&feed, Some(address(&secret.text, &visitor.visit.base_url)))))
}

/// The feed's `webcal:` address as a QR code, for a phone's camera.
#[utoipa::path(
    get, path = "/api/feeds/{id}/qr.svg", tag = "feeds", operation_id = "feedQr",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "An image", body = String, content_type = "image/svg+xml")),
)]
pub async fn qr(
    State(gate): State<Gate>,
    Holder(visitor): Holder,
    _: Query<Nothing>,
    Id(id): Id,
) -> Result<Response, Problem> {
    let feed = find(&mut gate.store.read().await?, &visitor, &FeedId::from_text(id)).await?;
    let url = url_of(&gate, &feed, &visitor.visit.base_url).as_deref().and_then(webcal);
    let code = qrcode::QrCode::new(url.ok_or_else(Problem::not_found)?).map_err(|_| Problem::internal())?;
    let svg = code.render::<qrcode::render::svg::Color<'_>>().min_dimensions(240, 240).build();
    Ok(([(header::CONTENT_TYPE, "image/svg+xml")], svg).into_response())
}

/// A new secret in its three forms.
struct Secret {
    text: String,
    hash: [u8; 32],
    sealed: Vec<u8>,
}

impl Secret {
    fn new(gate: &Gate, id: &FeedId) -> Secret {
        let text = gate.store.chance().secret();
        Secret {
            hash: gate.hash(Purpose::Feed, &text),
            sealed: gate.keys.seal(secret_place(id), text.as_bytes(), gate.store.chance()),
            text,
        }
    }
}

async fn find(tx: &mut ReadTx, visitor: &Visitor, id: &FeedId) -> Result<Feed, Problem> {
    tx.feed(&visitor.caller.firm, &visitor.caller.user, id).await?.ok_or_else(Problem::not_found)
}

async fn audit(tx: &mut WriteTx, visitor: &Visitor, action: &str, id: &FeedId, label: &str) -> Result<(), Problem> {
    let act = visitor.visit.act(&visitor.caller, action, id.as_str(), &serde_json::json!({ "name": label }));
    Ok(tx.audit(&visitor.caller.firm, &act).await?)
}

/// Where a feed is fetched, if it still is. What is sealed with a key that is gone cannot be shown, only rotated.
fn url_of(gate: &Gate, feed: &Feed, base_url: &str) -> Option<String> {
    if feed.revoked.is_some() {
        return None;
    }
    let secret = gate.keys.open(secret_place(&feed.id), &feed.secret_sealed).ok()?;
    Some(address(std::str::from_utf8(&secret).ok()?, base_url))
}

fn address(secret: &str, base_url: &str) -> String {
    format!("{base_url}/api/ics/{secret}.ics")
}

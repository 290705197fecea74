//! Syncing: every call, with an engine that is played.

mod accounts;
mod links;
mod pages;
mod records;
mod webhooks;

use kalends::domain::access::Right;
use kalends::domain::ids::{ConflictId, ConnectionId, LinkId, MappingId, NoticeId, ObjectId, RunId, Slug};
use kalends::domain::sync::{
    ConflictKind, ConnectionStatus, Direction, LinkPolicy, Provider, RemoteCalendarId, RunKind, RunStatus, Way,
};
use kalends::store::{Conflict, LinkSettings, NewConnection, NewLink, RunItem, RunTotals, Store};
use kalends::sync::desk::{
    Anew, Asked, Begun, Connected, Decided, DeskError, DeviceBegun, Disconnected, Offer, Order, Preview, PreviewItem,
    RemoteCalendar,
};
use serde_json::Value;

use crate::house::{Guest, House};
use crate::support::stores::caller;

/// What no answer may ever hold.
pub const SECRETS: [&str; 3] = ["ya29.geheim", "1//geheim", "code-geheim"];

/// Everything of one user's syncing.
pub struct Synced {
    pub connection: ConnectionId,
    pub link: LinkId,
    pub run: RunId,
    pub conflict: ConflictId,
    pub notice: NoticeId,
}

/// Gives a guest a connection with a link, a run, a conflict and a notice.
pub async fn synced(house: &House, guest: &Guest) -> Synced {
    let (firm, user) = (&guest.user.firm, &guest.user.id);
    let caller = caller(&guest.user);
    let slug = Slug::parse("calendar").expect("a slug");
    let mut tx = house.bench.store.write().await.expect("a transaction");
    let (access, _) = tx.calendar_for(&caller, &caller.name, &slug, Right::Own).await.expect("a calendar");
    let new = NewConnection {
        provider: Provider::Google,
        account: "Secret@example.org".into(),
        label: "Secret".into(),
        scopes: String::new(),
        token_expires: None,
    };
    let connection = tx.connect((firm, user), &new).await.expect("connected").expect("room");
    let sealed = SECRETS[0].as_bytes();
    assert!(tx.set_connection_secret(firm, &connection, 1, sealed, None).await.expect("set"));
    let new = NewLink {
        connection: connection.clone(),
        calendar: access.calendar().clone(),
        remote: RemoteCalendarId("primary".into()),
        remote_name: "Secret".into(),
        zone: "Europe/Berlin".into(),
        settings: LinkSettings { direction: Direction::Both, interval_ms: 900_000, policy: LinkPolicy::default() },
    };
    let link = tx.add_link((firm, user), &new).await.expect("added").expect("one of its pair");
    let whole = tx.link_by_id(firm, &link).await.expect("a query").expect("there");
    let run = tx.begin_run(&whole, RunKind::Manual, "c-1").await.expect("begun");
    let item = RunItem {
        run: run.clone(),
        number: 0,
        link: link.clone(),
        object: Some(ObjectId::from_text("019aa0f3-9a6e-7c2e-a3c4-000000000009")),
        remote: Some("event1".into()),
        way: Way::Push,
        action: "created".into(),
        before_version: None,
        before: None,
        after_version: Some(1),
        note: None,
        at: tx.now(),
    };
    tx.add_run_item(firm, &item).await.expect("noted");
    let totals = RunTotals { pushed: 1, errors: 1, ..RunTotals::default() };
    tx.end_run(firm, &run, RunStatus::Partial, &totals, Some("one was refused")).await.expect("ended");
    let new = Conflict {
        id: ConflictId::from_text(""),
        link: link.clone(),
        mapping: MappingId::from_text("m1"),
        user: user.clone(),
        object: None,
        remote: Some("event1".into()),
        kind: ConflictKind::DataMismatch,
        fields: r#"{"title":{"base":"Secret","platform":"A","external":"B"}}"#.into(),
        opened: tx.now(),
        resolved: None,
        choices: None,
    };
    let (conflict, _) = tx.open_or_update_conflict(firm, &new).await.expect("opened");
    tx.notify_user((firm, user), "needs_reauth", connection.as_str(), "Secret: connect again").await.expect("told");
    let notice = tx.notices((firm, user), false, (1, 0)).await.expect("a query").0.remove(0).id;
    tx.commit().await.expect("a commit");
    Synced { connection, link, run, conflict, notice }
}

/// An engine that answers every order of the house as an engine would, without any provider.
pub fn engine(house: &House) {
    let mut orders = house.desk.open().expect("the first");
    let store = house.bench.store.clone();
    tokio::spawn(async move {
        let mut consents: Vec<(String, String)> = Vec::new();
        while let Some(order) = orders.next().await {
            play(&store, &mut consents, order).await;
        }
    });
}

async fn play(store: &Store, consents: &mut Vec<(String, String)>, order: Order) {
    match order {
        Order::Offers { reply } => {
            let google = Offer { provider: Provider::Google, configured: true, redirect_uri: None };
            let _ = reply.send(Ok(vec![google]));
        }
        Order::BeginConsent { new, reply } => {
            let state = format!("state-{}", consents.len());
            consents.push((state.clone(), format!("{} {}", new.bound_to, new.redirect_uri)));
            let auth_url = format!("https://provider.example/auth?hint={}", new.login_hint.unwrap_or_default());
            let _ = reply.send(Ok(Begun { auth_url, state }));
        }
        Order::FinishConsent { granted, reply } => {
            let at = consents.iter().position(|(s, to)| *s == granted.state && to.starts_with(&granted.bound_to));
            let Some(at) = at else {
                let _ = reply.send(Err(DeskError::BadConsent));
                return;
            };
            consents.remove(at);
            let mut tx = store.write().await.expect("a transaction");
            let new = NewConnection {
                provider: Provider::Google,
                account: "ada@example.org".into(),
                label: "ada@example.org".into(),
                scopes: String::new(),
                token_expires: None,
            };
            let made = tx.connect((&granted.firm, &granted.user), &new).await.expect("connected").expect("room");
            tx.commit().await.expect("a commit");
            let account = "ada@example.org".to_owned();
            let _ = reply.send(Ok(Connected { connection: made, account, writable: true, too_little: false }));
        }
        Order::BeginDevice { new, reply } => {
            let state = format!("state-{}", consents.len());
            consents.push((state.clone(), new.bound_to));
            let _ = reply.send(Ok(DeviceBegun {
                user_code: "ABCD-1234".into(),
                page: "https://provider.example/device".into(),
                state,
                interval_s: 5,
                expires: store.now().plus_ms(900_000),
            }));
        }
        Order::FinishDevice { asked, reply } => {
            let known = consents.iter().any(|(state, to)| *state == asked.state && *to == asked.bound_to);
            let _ = reply.send(if known { Ok(None) } else { Err(DeskError::BadConsent) });
        }
        Order::RemoteCalendars { reply, .. } => {
            let calendar = |id: &str, writable, primary| RemoteCalendar {
                id: RemoteCalendarId(id.into()),
                name: format!("Calendar {id}"),
                zone: Some("Europe/Berlin".into()),
                writable,
                primary,
            };
            let all = ["team@group.example", "third@group.example"].map(|id| calendar(id, true, false));
            let mut list = vec![calendar("holidays", false, false), calendar("primary", true, true)];
            list.extend(all);
            let _ = reply.send(Ok(list));
        }
        Order::Preview { reply, .. } => {
            let item = PreviewItem {
                way: Way::Push,
                action: "deleted".into(),
                object: None,
                remote: Some("event1".into()),
                title: Some("Lunch".into()),
                start: Some(store.now()),
                note: None,
            };
            let stopped = Some("it would delete 12 of 20".into());
            let _ = reply.send(Ok(Preview { items: vec![item], total: 12, stopped, warnings: vec!["slow".into()] }));
        }
        Order::RunNow { firm, link, kind, reply, .. } => {
            let mut tx = store.write().await.expect("a transaction");
            let link = tx.link_by_id(&firm, &link).await.expect("a query").expect("there");
            let run = tx.begin_run(&link, kind, "c-9").await.expect("begun");
            tx.commit().await.expect("a commit");
            let totals = RunTotals::default();
            let _ = reply.send(Ok(Asked { run: Some(run), status: RunStatus::Running, totals }));
        }
        Order::Resolve { firm, by, decisions, reply } => {
            let mut tx = store.write().await.expect("a transaction");
            let mut all = Vec::new();
            for decision in decisions {
                let (id, how) = (&decision.conflict, decision.resolution);
                let choices = format!("{:?}", decision.choices);
                let choices = (!decision.choices.is_empty()).then_some(choices.as_str());
                let is_new = tx.resolve_conflict(&firm, id, how, choices, &by).await.expect("a query");
                all.push(if is_new { Decided::Yes } else { Decided::Already });
            }
            tx.commit().await.expect("a commit");
            let _ = reply.send(Ok(all));
        }
        Order::Undo { run, reply, .. } => {
            let totals = RunTotals::default();
            let _ = reply.send(Ok(Asked { run: Some(run), status: RunStatus::Success, totals }));
        }
        Order::Resync { ask, bounds, reply, .. } => {
            let why = Some(format!("{:?} to {:?}", bounds.from.map(|b| b.ms()), bounds.until.map(|b| b.ms())));
            let _ = reply.send(Ok(Anew { synced: 7, why, ..Anew::begun(&ask.correlation_id) }));
        }
        Order::ResyncOne { firm, object, ask, reply } => {
            let found = store.read().await.expect("a transaction").links_for_object(&firm, &object).await;
            let remote = Some("event1".to_owned());
            let done = found.expect("a query").ok_or(DeskError::NotFound);
            let _ = reply.send(done.map(|_| Anew { synced: 1, remote, ..Anew::begun(&ask.correlation_id) }));
        }
        Order::Replay { firm, attempt, ask, reply } => {
            let found = store.read().await.expect("a transaction").attempt(&firm, &attempt).await.expect("a query");
            let broken = found.expect("there").what.remote.as_deref() == Some("broken");
            let (status, synced) = if broken { (RunStatus::Failed, 0) } else { (RunStatus::Success, 1) };
            let why = broken.then(|| "still broken".to_owned());
            let _ = reply.send(Ok(Anew { status, synced, why, ..Anew::begun(&ask.correlation_id) }));
        }
        Order::Disconnect { firm, connection, reply, .. } => {
            let mut tx = store.write().await.expect("a transaction");
            tx.set_connection_status(&firm, &connection, ConnectionStatus::Revoked, None).await.expect("set");
            tx.commit().await.expect("a commit");
            let _ = reply.send(Ok(Disconnected { links: 1, removed: 0, revoked_there: true }));
        }
    }
}

/// The actions that a firm's audit tells, in their order.
pub async fn audited(house: &House) -> Vec<String> {
    let mut tx = house.bench.store.read().await.expect("a transaction");
    let events = tx.audit_events(&house.ada.user.firm, 0, 1_000).await.expect("a query");
    events.into_iter().map(|e| e.act.action).collect()
}

/// Asks as ada and gives what a 200 says.
pub async fn ok(house: &House, verb: &str, path: &str, body: Value) -> Value {
    let answer = house.ada(verb, path).json(&body).send().await;
    assert_eq!(answer.status, 200, "{verb} {path} {body}: {}", answer.text());
    for secret in SECRETS {
        assert!(!answer.text().contains(secret), "{verb} {path} tells {secret}");
    }
    answer.json()
}

/// Asks as ada and gives status, code and field of the problem.
pub async fn refused(house: &House, verb: &str, path: &str, body: Value) -> (u16, String, String) {
    house.ada(verb, path).json(&body).send().await.problem()
}

/// A problem as [`refused`] gives it.
pub fn problem(status: u16, code: &str, field: &str) -> (u16, String, String) {
    (status, code.to_owned(), field.to_owned())
}

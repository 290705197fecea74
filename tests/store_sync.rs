//! What reconciliation remembers, method by method, on SQLite and on PostgreSQL: one suite, two databases.

mod support;

use bytes::Bytes;
use kalends::domain::access::{Access, Caller, Right, Role};
use kalends::domain::calendar::Seq;
use kalends::domain::change::{Cause, Guard, Via};
use kalends::domain::ids::{
    AttemptId, CalendarId, ConflictId, ConnectionId, LinkId, MappingId, ObjectId, ResourceName, RunId, Slug,
};
use kalends::domain::object::CalendarObject;
use kalends::domain::sync::{
    AttemptKind, Calling, ConflictKind, ConnectionStatus, Direction, ErrorClass, LinkPolicy, LinkStatus, MappingState,
    Origin, ParkReason, Provider, RemoteCalendarId, RemoteId, Resolution, RunKind, RunStatus, Snapshot, Way,
};
use kalends::domain::time::{DAY_MS, MINUTE_MS};
use kalends::store::{
    AttemptFilter, Conflict, ConflictFilter, Due, LEASE_MS, Lease, Link, LinkSettings, Mapping, NewAttempt, NewAudit,
    NewConnection, NewLink, OauthState, RunFilter, RunItem, RunTotals, Store, User, WriteTx,
};
use support::on_both;
use support::stores::{Bench, START, caller};

on_both! {
    a_reconnected_account_is_the_same_connection
    a_user_with_too_many_connections_still_reconnects
    of_two_who_refresh_at_once_one_wins
    a_revoked_connection_forgets_its_secret
    a_secret_is_sealed_anew_unless_it_was_exchanged
    a_consent_is_used_once_and_in_time
    a_pair_is_linked_once_and_a_detached_link_comes_back
    new_settings_are_looked_at_by_everything
    whoever_worked_by_old_settings_writes_nothing_more
    a_lease_is_one_node_s_until_it_ends
    a_lost_lease_writes_nothing
    whoever_asks_during_a_run_is_not_forgotten
    what_is_due_is_found_and_what_waits_is_not
    a_guard_is_released_by_a_person_alone
    an_object_is_queued_once_for_every_link_but_the_one_that_brought_it
    what_is_queued_again_stays_queued
    a_deleted_calendar_detaches_its_links
    a_mapping_is_one_object_s_and_one_item_s
    a_full_listing_knows_what_it_has_not_seen
    runs_are_listed_with_what_they_did
    what_runs_ends_with_what_is_set_to_rest
    attempts_say_how_they_failed
    what_is_old_is_taken_away
    one_node_does_a_job
    a_conflict_is_open_once_and_decided_once
    a_channel_is_found_by_its_id_alone
    nobody_is_invited_twice
    a_notice_is_told_once
    an_erasure_leaves_what_was_made_here
    nothing_of_another_firm_is_found
}

fn event(uid: &str) -> CalendarObject {
    let text = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Test//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\n\
         DTSTAMP:20261101T000000Z\r\nDTSTART:20261121T090000Z\r\nDURATION:PT1H\r\nSUMMARY:{uid}\r\nEND:VEVENT\r\n\
         END:VCALENDAR\r\n"
    );
    CalendarObject::parse(Bytes::from(text)).expect("a legal object")
}

fn changed(uid: &str, title: &str) -> CalendarObject {
    let text = String::from_utf8(event(uid).bytes().to_vec()).expect("UTF-8");
    CalendarObject::parse(Bytes::from(text.replace(&format!("SUMMARY:{uid}"), &format!("SUMMARY:{title}"))))
        .expect("legal")
}

/// A user with a calendar and a connection.
struct Desk<'a> {
    bench: &'a Bench,
    user: User,
    caller: Caller,
    access: Access,
    connection: ConnectionId,
}

fn account(name: &str) -> NewConnection {
    NewConnection {
        provider: Provider::Google,
        account: name.to_owned(),
        label: name.to_owned(),
        scopes: "calendar.events".to_owned(),
        token_expires: Some(START.plus_ms(3_600_000)),
    }
}

fn settings(direction: Direction) -> LinkSettings {
    LinkSettings { direction, interval_ms: 15 * MINUTE_MS, policy: LinkPolicy::default() }
}

async fn write(store: &Store) -> WriteTx {
    store.write().await.expect("a transaction")
}

async fn at_desk<'a>(bench: &'a Bench, firm: &str, name: &str) -> Desk<'a> {
    let user = bench.user(firm, name, Role::Staff).await;
    let caller = caller(&user);
    let mut tx = bench.store.read().await.expect("a transaction");
    let slug = Slug::parse("calendar").expect("a slug");
    let (access, _) = tx.calendar_for(&caller, &caller.name, &slug, Right::Own).await.expect("a calendar");
    drop(tx);
    let mut tx = write(&bench.store).await;
    let connection = tx.connect((&user.firm, &user.id), &account(name)).await.expect("connected").expect("room");
    tx.commit().await.expect("a commit");
    Desk { bench, user, caller, access, connection }
}

impl Desk<'_> {
    fn new_link(&self, remote: &str, direction: Direction) -> NewLink {
        NewLink {
            connection: self.connection.clone(),
            calendar: self.access.calendar().clone(),
            remote: RemoteCalendarId(remote.to_owned()),
            remote_name: remote.to_uppercase(),
            zone: "Europe/Berlin".to_owned(),
            settings: settings(direction),
        }
    }

    async fn link(&self, remote: &str, direction: Direction) -> Link {
        let mut tx = write(&self.bench.store).await;
        let new = self.new_link(remote, direction);
        let id = tx.add_link((&self.user.firm, &self.user.id), &new).await.expect("added").expect("one of its pair");
        tx.commit().await.expect("a commit");
        self.read_link(&id).await
    }

    async fn read_link(&self, id: &LinkId) -> Link {
        let mut tx = self.bench.store.read().await.expect("a transaction");
        tx.link_by_id(&self.user.firm, id).await.expect("a query").expect("there")
    }

    async fn lease(&self, link: &Link) -> Lease {
        let mut tx = write(&self.bench.store).await;
        let due = Due { firm: link.firm.clone(), link: link.id.clone() };
        let lease = tx.take_lease(&due, "node-1").await.expect("a query").expect("free");
        tx.commit().await.expect("a commit");
        lease
    }

    async fn put(&self, object: &CalendarObject, cause: &Cause) -> ObjectId {
        let name = ResourceName::for_uid(object.uid());
        let mut tx = write(&self.bench.store).await;
        let out = tx.put_object(&self.access, &name, object, &Guard::NONE, cause).await.expect("put");
        tx.commit().await.expect("a commit");
        out.id
    }

    async fn queued(&self, link: &Link) -> Vec<ObjectId> {
        let mut tx = self.bench.store.read().await.expect("a transaction");
        tx.outgoing(&link.firm, &link.id).await.expect("a query").into_iter().map(|o| o.object).collect()
    }

    fn owner(&self) -> (&kalends::domain::ids::FirmId, &kalends::domain::ids::UserId) {
        (&self.user.firm, &self.user.id)
    }
}

fn by_ada() -> Cause {
    Cause::by(Via::Caldav, "ada", None, None)
}

fn mapping(tx: &WriteTx, object: Option<&ObjectId>, remote: Option<&str>) -> Mapping {
    Mapping {
        id: tx.new_mapping_id(),
        object: object.cloned(),
        remote: remote.map(|r| RemoteId(r.to_owned())),
        state: MappingState::Synced,
        origin: Origin::Here,
        base_version: 1,
        base: Some(Bytes::from_static(b"bytes")),
        base_item: Some(Snapshot("{\"a\":1}".to_owned())),
        seen_item: None,
        generation: 1,
        rewrites: (0, START),
        cool_until: None,
        warnings: Vec::new(),
    }
}

async fn a_reconnected_account_is_the_same_connection(bench: &Bench) {
    let ada = at_desk(bench, "acme", "ada").await;
    let mut tx = write(&bench.store).await;
    let found = tx.connection(&ada.user.firm, &ada.connection).await.expect("a query").expect("there");
    assert_eq!((found.status, found.secret_version, found.account.as_str()), (ConnectionStatus::Active, 1, "ada"));
    assert_eq!((found.user.clone(), found.token_expires), (ada.user.id.clone(), Some(START.plus_ms(3_600_000))));
    let (firm, id) = (&ada.user.firm, &ada.connection);
    assert!(tx.set_connection_status(firm, id, ConnectionStatus::NeedsReauth, Some("gone")).await.expect("set"));
    tx.slow_connection(firm, id, START.plus_ms(10)).await.expect("slowed");
    tx.slow_connection(firm, id, START.plus_ms(5)).await.expect("a shorter wait changes nothing");
    let slow = tx.connection(firm, id).await.expect("a query").expect("there");
    assert_eq!((slow.slow_until, slow.status_note.as_deref()), (Some(START.plus_ms(10)), Some("gone")));

    let again = NewConnection { scopes: "calendar".into(), label: "other".into(), ..account("ada") };
    assert_eq!(tx.connect(ada.owner(), &again).await.expect("connected"), Some(ada.connection.clone()));
    let found = tx.connection(firm, id).await.expect("a query").expect("there");
    assert_eq!((found.status, found.status_note, found.slow_until), (ConnectionStatus::Active, None, None));
    assert_eq!((found.scopes.as_str(), found.label.as_str(), found.secret_version), ("calendar", "ada", 2));
    assert_ne!(tx.connect(ada.owner(), &account("second")).await.expect("connected"), Some(ada.connection.clone()));
    let all = tx.connections(firm, &ada.user.id).await.expect("a query");
    assert_eq!(all.iter().map(|k| k.account.as_str()).collect::<Vec<_>>(), ["ada", "second"]);
    assert_eq!(tx.firm_connections(firm, ada.connection.as_str(), 10).await.expect("a query"), all[1..]);
}

async fn a_user_with_too_many_connections_still_reconnects(bench: &Bench) {
    let ada = at_desk(bench, "acme", "ada").await;
    let mut tx = write(&bench.store).await;
    for n in 1..100 {
        assert!(tx.connect(ada.owner(), &account(&format!("a{n}"))).await.expect("connected").is_some());
    }
    assert_eq!(tx.connect(ada.owner(), &account("one more")).await.expect("a query"), None);
    assert_eq!(tx.connect(ada.owner(), &account("ada")).await.expect("a query"), Some(ada.connection.clone()));
}

async fn of_two_who_refresh_at_once_one_wins(bench: &Bench) {
    let ada = at_desk(bench, "acme", "ada").await;
    let (firm, id) = (&ada.user.firm, &ada.connection);
    let mut tx = write(&bench.store).await;
    assert!(tx.set_connection_secret(firm, id, 1, b"first", None).await.expect("a query"));
    assert!(!tx.set_connection_secret(firm, id, 1, b"second", None).await.expect("a query"));
    let found = tx.connection(firm, id).await.expect("a query").expect("there");
    assert_eq!((found.secret_sealed.as_deref(), found.secret_version), (Some(b"first".as_slice()), 2));
    assert!(tx.set_connection_secret(firm, id, 2, b"third", Some(START)).await.expect("a query"));
}

async fn a_revoked_connection_forgets_its_secret(bench: &Bench) {
    let ada = at_desk(bench, "acme", "ada").await;
    let (firm, id) = (&ada.user.firm, &ada.connection);
    let mut tx = write(&bench.store).await;
    assert!(tx.set_connection_secret(firm, id, 1, b"secret", Some(START)).await.expect("a query"));
    assert!(tx.set_connection_status(firm, id, ConnectionStatus::Revoked, None).await.expect("set"));
    let found = tx.connection(firm, id).await.expect("a query").expect("there");
    assert_eq!((found.secret_sealed, found.token_expires), (None, None));
    let version = found.secret_version;
    assert!(!tx.set_connection_secret(firm, id, version, b"late", None).await.expect("a refresh that comes late"));
}

async fn a_secret_is_sealed_anew_unless_it_was_exchanged(bench: &Bench) {
    let ada = at_desk(bench, "acme", "ada").await;
    let (firm, id) = (&ada.user.firm, &ada.connection);
    let mut tx = write(&bench.store).await;
    assert!(tx.sealed_connection_secrets("", 10).await.expect("a query").is_empty());
    assert!(tx.set_connection_secret(firm, id, 1, b"old", None).await.expect("a query"));
    assert_eq!(tx.sealed_connection_secrets("", 10).await.expect("a query"), [(id.clone(), b"old".to_vec())]);
    assert!(tx.sealed_connection_secrets(id.as_str(), 10).await.expect("a query").is_empty());
    assert!(tx.reseal_connection_secret(id, b"old", b"new").await.expect("a query"));
    assert!(!tx.reseal_connection_secret(id, b"old", b"newer").await.expect("exchanged meanwhile"));
}

async fn a_consent_is_used_once_and_in_time(bench: &Bench) {
    let ada = at_desk(bench, "acme", "ada").await;
    let state = OauthState {
        user: ada.user.id.clone(),
        provider: Provider::Google,
        bound_to: "session:1".into(),
        verifier_sealed: b"sealed".to_vec(),
        redirect_uri: "https://cal.example/api/sync/google/callback".into(),
    };
    let firm = &ada.user.firm;
    let mut tx = write(&bench.store).await;
    for hash in [b"a", b"b", b"c"] {
        tx.begin_consent(firm, hash, &state).await.expect("begun");
    }
    tx.commit().await.expect("a commit");
    let mut tx = write(&bench.store).await;
    assert_eq!(tx.finish_consent(firm, b"a").await.expect("a query"), Some(state.clone()));
    assert_eq!(tx.finish_consent(firm, b"a").await.expect("a query"), None, "it is used once");
    assert_eq!(tx.finish_consent(firm, b"x").await.expect("a query"), None);
    tx.commit().await.expect("a commit");
    bench.clock.advance_ms(15 * MINUTE_MS);
    let mut tx = write(&bench.store).await;
    assert_eq!(tx.finish_consent(firm, b"b").await.expect("a query"), None, "it is over");
    tx.commit().await.expect("a commit");
    bench.clock.advance_ms(1);
    let mut tx = write(&bench.store).await;
    tx.begin_consent(firm, b"d", &state).await.expect("begun");
    tx.begin_consent(firm, b"c", &state).await.expect("the old one of that hash was forgotten");
}

async fn a_pair_is_linked_once_and_a_detached_link_comes_back(bench: &Bench) {
    let ada = at_desk(bench, "acme", "ada").await;
    let object = ada.put(&event("before"), &by_ada()).await;
    let link = ada.link("primary", Direction::Both).await;
    assert_eq!((link.status, link.due, link.due_kind), (LinkStatus::Active, START, RunKind::Full));
    assert_eq!((link.remote_name.as_str(), link.user.clone()), ("PRIMARY", ada.user.id.clone()));
    assert_eq!(ada.queued(&link).await, [object], "what was there is looked at");
    let mut tx = write(&bench.store).await;
    let new = ada.new_link("primary", Direction::Push);
    assert_eq!(tx.add_link(ada.owner(), &new).await.expect("a query"), None, "the pair is linked");
    assert!(tx.set_link_status(&link.firm, &link.id, LinkStatus::Detached, Some("by ada")).await.expect("set"));
    assert!(!tx.ask_for_run(&link.firm, &link.id, RunKind::Manual, START).await.expect("detached ones do not run"));
    let renamed = NewLink { remote_name: "New".into(), ..new };
    assert_eq!(tx.add_link(ada.owner(), &renamed).await.expect("a query"), Some(link.id.clone()), "it comes back");
    tx.commit().await.expect("a commit");
    let back = ada.read_link(&link.id).await;
    assert_eq!((back.status, back.settings.direction, back.cursor), (LinkStatus::Active, Direction::Push, None));
    assert_eq!((back.remote_name.as_str(), back.status_note), ("New", None));
    bench.clock.advance_ms(1);
    let other = ada.link("secondary", Direction::Pull).await;
    let mut tx = bench.store.read().await.expect("a transaction");
    let ids = |links: Vec<Link>| links.into_iter().map(|l| l.id).collect::<Vec<_>>();
    let both = [link.id.clone(), other.id.clone()];
    assert_eq!(ids(tx.links(&link.firm, &ada.user.id).await.expect("a query")), both);
    assert_eq!(ids(tx.links_of_connection(&link.firm, &ada.connection).await.expect("a query")), both);
    assert_eq!(ids(tx.firm_links(&link.firm, link.id.as_str(), 10).await.expect("a query")), [other.id]);
}

async fn new_settings_are_looked_at_by_everything(bench: &Bench) {
    let ada = at_desk(bench, "acme", "ada").await;
    let here = ada.put(&event("here"), &by_ada()).await;
    let link = ada.link("primary", Direction::Both).await;
    let lease = ada.lease(&link).await;
    let mut tx = write(&bench.store).await;
    // An object that is gone, but has a mapping.
    let gone = ObjectId::from_text("019aa0f3-9a6e-7c2e-a3c4-000000000001");
    let of_gone = mapping(&tx, Some(&gone), Some("r"));
    tx.put_mapping(&lease, &of_gone).await.expect("put");
    let taken = tx.outgoing(&link.firm, &link.id).await.expect("a query");
    let mut policy = LinkPolicy { omit_notes: true, ..LinkPolicy::default() };
    policy.filters.categories.push("work".into());
    let new = LinkSettings { direction: Direction::Push, interval_ms: 300_000, policy };
    assert!(tx.set_link(&link.firm, &link.id, &new).await.expect("set"));
    for out in &taken {
        tx.unqueue(&lease, out).await.expect("unqueued");
    }
    tx.commit().await.expect("a commit");
    assert_eq!(ada.read_link(&link.id).await.settings, new);
    let mut queued = ada.queued(&link).await;
    queued.sort();
    let mut expected = vec![here, gone];
    expected.sort();
    assert_eq!(queued, expected, "also what was being worked on when the settings changed");
    let mut tx = write(&bench.store).await;
    let nobody = LinkId::from_text("nobody");
    assert!(!tx.set_link(&link.firm, &nobody, &new).await.expect("a query"));
}

async fn whoever_worked_by_old_settings_writes_nothing_more(bench: &Bench) {
    let ada = at_desk(bench, "acme", "ada").await;
    let link = ada.link("primary", Direction::Both).await;
    let held = async |lease: &Lease| write(&bench.store).await.keep_lease(lease).await.expect("a query");
    let lease = ada.lease(&link).await;
    let mut tx = write(&bench.store).await;
    assert!(tx.set_link(&link.firm, &link.id, &link.settings).await.expect("set"));
    tx.commit().await.expect("a commit");
    assert!(!held(&lease).await, "the settings are other ones");
    for (status, keeps) in [
        (LinkStatus::NeedsConfirmation, true),
        (LinkStatus::Broken, true),
        (LinkStatus::Active, true),
        (LinkStatus::Paused, false),
        (LinkStatus::Detached, false),
    ] {
        let lease = ada.lease(&link).await;
        let mut tx = write(&bench.store).await;
        assert!(tx.set_link_status(&link.firm, &link.id, status, None).await.expect("set"));
        tx.commit().await.expect("a commit");
        assert_eq!(held(&lease).await, keeps, "{status}");
        let mut tx = write(&bench.store).await;
        tx.release(&lease).await.expect("given back");
        tx.commit().await.expect("a commit");
    }
    for (status, keeps) in [
        (ConnectionStatus::NeedsReauth, true),
        (ConnectionStatus::Active, true),
        (ConnectionStatus::Paused, false),
        (ConnectionStatus::Revoked, false),
    ] {
        let lease = ada.lease(&link).await;
        let mut tx = write(&bench.store).await;
        let id = &link.connection;
        assert!(tx.set_connection_status(&link.firm, id, status, None).await.expect("set"));
        tx.commit().await.expect("a commit");
        assert_eq!(held(&lease).await, keeps, "{status}");
        let mut tx = write(&bench.store).await;
        tx.release(&lease).await.expect("given back");
        tx.commit().await.expect("a commit");
    }
}

async fn a_lease_is_one_node_s_until_it_ends(bench: &Bench) {
    let ada = at_desk(bench, "acme", "ada").await;
    let link = ada.link("primary", Direction::Both).await;
    let other_node = bench.reopen().await;
    let due = Due { firm: link.firm.clone(), link: link.id.clone() };
    let first = ada.lease(&link).await;
    let mut tx = write(&other_node).await;
    assert_eq!(tx.take_lease(&due, "node-2").await.expect("a query"), None);
    drop(tx);
    bench.clock.advance_ms(LEASE_MS);
    let mut tx = write(&other_node).await;
    let second = tx.take_lease(&due, "node-2").await.expect("a query").expect("it has ended");
    assert_eq!(second.fence, first.fence + 1);
    tx.commit().await.expect("a commit");
    let mut tx = write(&bench.store).await;
    assert!(!tx.keep_lease(&first).await.expect("a query"), "the first node lost it");
    tx.release(&first).await.expect("releases nothing");
    assert!(tx.keep_lease(&second).await.expect("a query"));
    tx.release(&second).await.expect("released");
    assert!(!tx.keep_lease(&second).await.expect("a query"), "given back is given back");
    assert!(tx.take_lease(&due, "node-1").await.expect("a query").is_some());
}

async fn a_lost_lease_writes_nothing(bench: &Bench) {
    let ada = at_desk(bench, "acme", "ada").await;
    let link = ada.link("primary", Direction::Both).await;
    let lost = ada.lease(&link).await;
    bench.clock.advance_ms(LEASE_MS);
    let held = ada.lease(&link).await;
    let before = ada.read_link(&link.id).await;
    let mut tx = write(&bench.store).await;
    tx.set_cursor(&lost, Some("late"), 9, Some("page")).await.expect("a query");
    let begun = tx.begin_pull(&lost, before.due).await.expect("a query");
    tx.end_pull(&lost, begun, RunStatus::Failed, (START, RunKind::Full)).await.expect("a query");
    tx.clear_confirmation(&lost).await.expect("a query");
    tx.commit().await.expect("a commit");
    assert_eq!(ada.read_link(&link.id).await, before);
    let mut tx = write(&bench.store).await;
    tx.set_cursor(&held, Some("c"), 2, Some("page")).await.expect("a query");
    tx.commit().await.expect("a commit");
    let after = ada.read_link(&link.id).await;
    assert_eq!((after.cursor.as_deref(), after.generation, after.progress.as_deref()), (Some("c"), 2, Some("page")));
}

async fn whoever_asks_during_a_run_is_not_forgotten(bench: &Bench) {
    let ada = at_desk(bench, "acme", "ada").await;
    let link = ada.link("primary", Direction::Both).await;
    let lease = ada.lease(&link).await;
    let next = |bench: &Bench| (bench.store.now().plus_ms(15 * MINUTE_MS), RunKind::Pull);
    let run = async |asks: &[(RunKind, i64)], takes_ms: i64| {
        let was = ada.read_link(&link.id).await.due;
        let mut tx = write(&bench.store).await;
        let begun = tx.begin_pull(&lease, was).await.expect("begun");
        tx.commit().await.expect("a commit");
        bench.clock.advance_ms(takes_ms);
        for (kind, after_ms) in asks {
            let mut tx = write(&bench.store).await;
            let at = tx.now().plus_ms(*after_ms);
            assert!(tx.ask_for_run(&link.firm, &link.id, *kind, at).await.expect("asked"));
            tx.commit().await.expect("a commit");
        }
        let mut tx = write(&bench.store).await;
        tx.end_pull(&lease, begun, RunStatus::Success, next(bench)).await.expect("ended");
        tx.commit().await.expect("a commit");
        let link = ada.read_link(&link.id).await;
        (link.due.ms() - bench.store.now().ms(), link.due_kind)
    };
    assert_eq!(run(&[], 1_000).await, (15 * MINUTE_MS, RunKind::Pull));
    assert_eq!(run(&[(RunKind::Webhook, 5_000)], 1_000).await, (5_000, RunKind::Webhook));
    let (due, kind) = run(&[(RunKind::Webhook, 5_000), (RunKind::Resync, 0), (RunKind::Manual, 0)], 1_000).await;
    assert!(due <= 0 && kind == RunKind::Resync, "{due} {kind}: the stronger stays");
    assert_eq!(run(&[], 0).await, (15 * MINUTE_MS, RunKind::Pull));
    let (due, kind) = run(&[(RunKind::Manual, 0)], LEASE_MS + 10_000).await;
    assert!(due <= 0 && kind == RunKind::Manual, "{due} {kind}: also in a run that lasts longer than a lease");
    let (due, _) = run(&[(RunKind::Webhook, LEASE_MS)], 0).await;
    assert!(due <= LEASE_MS, "{due}: also when asked for the very time that stands for nobody");

    // Who asks between the look at the link and the run's beginning asks for another one.
    let was = ada.read_link(&link.id).await.due;
    let mut tx = write(&bench.store).await;
    let now = tx.now();
    assert!(tx.ask_for_run(&link.firm, &link.id, RunKind::Resync, now).await.expect("asked"));
    let begun = tx.begin_pull(&lease, was).await.expect("begun");
    tx.end_pull(&lease, begun, RunStatus::Success, next(bench)).await.expect("ended");
    tx.commit().await.expect("a commit");
    let left = ada.read_link(&link.id).await;
    assert!(left.due <= bench.store.now() && left.due_kind == RunKind::Resync, "{left:?}");

    let mut tx = write(&bench.store).await;
    let begun = tx.begin_pull(&lease, left.due).await.expect("begun");
    tx.end_pull(&lease, begun, RunStatus::Failed, next(bench)).await.expect("ended");
    tx.end_pull(&lease, begun, RunStatus::Failed, next(bench)).await.expect("ended");
    tx.commit().await.expect("a commit");
    let failed = ada.read_link(&link.id).await;
    assert_eq!((failed.failures, failed.last.2), (2, Some(RunStatus::Failed)));
    assert!(failed.last.1.is_some(), "the last success is remembered");
}

async fn what_is_due_is_found_and_what_waits_is_not(bench: &Bench) {
    let ada = at_desk(bench, "acme", "ada").await;
    let link = ada.link("primary", Direction::Both).await;
    let due = Due { firm: link.firm.clone(), link: link.id.clone() };
    let look = async || {
        let mut tx = bench.store.read().await.expect("a transaction");
        let due = tx.due_links().await.expect("a query");
        (due.len(), tx.next_due().await.expect("a query").map(|at| at.ms() - bench.store.now().ms()))
    };
    assert_eq!(look().await, (1, Some(0)), "a new link");
    let lease = ada.lease(&link).await;
    assert_eq!(look().await, (0, Some(LEASE_MS)), "somebody works on it");
    let was = ada.read_link(&link.id).await.due;
    let mut tx = write(&bench.store).await;
    let begun = tx.begin_pull(&lease, was).await.expect("begun");
    tx.end_pull(&lease, begun, RunStatus::Success, (START.plus_ms(DAY_MS), RunKind::Pull)).await.expect("ended");
    tx.release(&lease).await.expect("released");
    tx.commit().await.expect("a commit");
    assert_eq!(look().await, (0, Some(DAY_MS)));

    let object = ada.put(&event("a"), &by_ada()).await;
    let mut tx = bench.store.read().await.expect("a transaction");
    assert_eq!(tx.due_links().await.expect("a query"), std::slice::from_ref(&due), "an outbox row");
    assert_eq!(tx.outbox_depth(&link.firm, &link.id).await.expect("a query"), (1, Some(START)));
    drop(tx);
    let set = async |status: ConnectionStatus| {
        let mut tx = write(&bench.store).await;
        tx.set_connection_status(&link.firm, &ada.connection, status, None).await.expect("set");
        tx.commit().await.expect("a commit");
    };
    set(ConnectionStatus::Paused).await;
    assert_eq!(look().await, (0, None), "nothing is planned while the connection is paused");
    set(ConnectionStatus::Active).await;
    let mut tx = write(&bench.store).await;
    tx.slow_connection(&link.firm, &ada.connection, START.plus_ms(60_000)).await.expect("slowed");
    tx.commit().await.expect("a commit");
    assert_eq!(look().await, (0, Some(60_000)), "the account waits");
    bench.clock.advance_ms(60_000);
    assert_eq!(look().await.0, 1);

    let lease = ada.lease(&link).await;
    let mut tx = write(&bench.store).await;
    let out = tx.outgoing(&link.firm, &link.id).await.expect("a query").remove(0);
    assert_eq!((out.object.clone(), out.tries, out.by_user), (object, 0, true));
    tx.put_off(&lease, &out, (1, bench.store.now().plus_ms(2_000)), Some("503")).await.expect("put off");
    tx.release(&lease).await.expect("released");
    tx.commit().await.expect("a commit");
    assert_eq!(look().await, (0, Some(2_000)), "it waits for its next try");
    bench.clock.advance_ms(2_000);
    assert_eq!(look().await.0, 1);
    let mut tx = write(&bench.store).await;
    tx.set_link_status(&link.firm, &link.id, LinkStatus::Paused, None).await.expect("set");
    tx.commit().await.expect("a commit");
    assert_eq!(look().await, (0, None), "a paused link");
}

async fn a_guard_is_released_by_a_person_alone(bench: &Bench) {
    let ada = at_desk(bench, "acme", "ada").await;
    let link = ada.link("primary", Direction::Both).await;
    let lease = ada.lease(&link).await;
    let mut tx = write(&bench.store).await;
    assert!(!tx.confirm_link(&link.firm, &link.id, 12).await.expect("a query"), "nothing waits for confirmation");
    let stopped = Some("it would delete 12 of 20");
    tx.set_link_status(&link.firm, &link.id, LinkStatus::NeedsConfirmation, stopped).await.expect("set");
    assert!(tx.confirm_link(&link.firm, &link.id, 12).await.expect("a query"));
    tx.commit().await.expect("a commit");
    let confirmed = ada.read_link(&link.id).await;
    assert_eq!((confirmed.status, confirmed.confirmed, confirmed.status_note), (LinkStatus::Active, 12, None));
    let mut tx = write(&bench.store).await;
    tx.clear_confirmation(&lease).await.expect("cleared");
    tx.commit().await.expect("a commit");
    assert_eq!(ada.read_link(&link.id).await.confirmed, 0);
}

async fn an_object_is_queued_once_for_every_link_but_the_one_that_brought_it(bench: &Bench) {
    let ada = at_desk(bench, "acme", "ada").await;
    let a = ada.link("a", Direction::Both).await;
    let b = ada.link("b", Direction::Push).await;
    let c = ada.link("c", Direction::Pull).await;
    let run = RunId::from_text("run");
    let object = ada.put(&event("x"), &Cause::sync(&a.id, &run, "c-1")).await;
    assert!(ada.queued(&a).await.is_empty(), "not back to where it came from");
    assert_eq!(ada.queued(&b).await, std::slice::from_ref(&object));
    assert!(ada.queued(&c).await.is_empty(), "a link that only pulls");
    let by_user = async |link: &Link| {
        let mut tx = bench.store.read().await.expect("a transaction");
        tx.outgoing(&link.firm, &link.id).await.expect("a query").first().map(|o| o.by_user)
    };
    assert_eq!(by_user(&b).await, Some(false));
    ada.put(&changed("x", "by ada"), &by_ada()).await;
    assert_eq!((ada.queued(&a).await.len(), ada.queued(&b).await.len()), (1, 1), "one row however often it changes");
    ada.put(&changed("x", "by a"), &Cause::sync(&a.id, &run, "c-2")).await;
    assert_eq!(by_user(&b).await, Some(true), "the user's own edit is still in it");
    let mut tx = write(&bench.store).await;
    tx.queue_one(&c.firm, &c.id, &object).await.expect("queued");
    tx.commit().await.expect("a commit");
    assert_eq!(ada.queued(&c).await, [object]);
}

async fn what_is_queued_again_stays_queued(bench: &Bench) {
    let ada = at_desk(bench, "acme", "ada").await;
    let link = ada.link("a", Direction::Both).await;
    let object = ada.put(&event("x"), &by_ada()).await;
    let lease = ada.lease(&link).await;
    let take = async || {
        let mut tx = bench.store.read().await.expect("a transaction");
        tx.outgoing(&link.firm, &link.id).await.expect("a query")
    };
    let settle = async |out: &kalends::store::Outgoing| {
        let mut tx = write(&bench.store).await;
        tx.unqueue(&lease, out).await.expect("unqueued");
        tx.put_off(&lease, out, (3, START.plus_ms(DAY_MS)), Some("503")).await.expect("put off");
        tx.commit().await.expect("a commit");
    };
    let taken = take().await.remove(0);
    // The clock stands still: in the same millisecond somebody edits it again.
    ada.put(&changed("x", "again"), &by_ada()).await;
    settle(&taken).await;
    let again = take().await.remove(0);
    assert_eq!((again.object.clone(), again.tries), (object.clone(), 0), "neither taken off nor put off");
    let mut tx = write(&bench.store).await;
    tx.queue_one(&link.firm, &link.id, &object).await.expect("queued");
    tx.commit().await.expect("a commit");
    settle(&again).await;
    bench.clock.advance_ms(1_000);
    let third = take().await.remove(0);
    settle(&third).await;
    assert!(take().await.is_empty());
}

async fn a_deleted_calendar_detaches_its_links(bench: &Bench) {
    let ada = at_desk(bench, "acme", "ada").await;
    ada.put(&event("x"), &by_ada()).await;
    let link = ada.link("a", Direction::Both).await;
    let mut tx = write(&bench.store).await;
    tx.delete_calendar(&ada.access, &by_ada()).await.expect("deleted");
    tx.commit().await.expect("a commit");
    assert_eq!(ada.read_link(&link.id).await.status, LinkStatus::Detached);
    assert!(ada.queued(&link).await.is_empty(), "nothing is deleted over there");
}

async fn a_mapping_is_one_object_s_and_one_item_s(bench: &Bench) {
    let ada = at_desk(bench, "acme", "ada").await;
    let link = ada.link("a", Direction::Both).await;
    let other = ada.link("b", Direction::Both).await;
    let (lease, other_lease) = (ada.lease(&link).await, ada.lease(&other).await);
    let (x, y) = (ObjectId::from_text("x"), ObjectId::from_text("y"));
    let mut tx = write(&bench.store).await;
    let mut first = Mapping {
        state: MappingState::Parked(ParkReason::Refused { class: ErrorClass::NonRetryable, reason: "too long".into() }),
        origin: Origin::There,
        seen_item: Some(Snapshot("{}".into())),
        rewrites: (2, START.plus_ms(1)),
        cool_until: Some(START.plus_ms(2)),
        warnings: vec!["an alarm".into()],
        ..mapping(&tx, Some(&x), Some("r1"))
    };
    tx.put_mapping(&lease, &first).await.expect("put");
    let elsewhere = mapping(&tx, Some(&x), Some("r1"));
    tx.put_mapping(&other_lease, &elsewhere).await.expect("another link has its own");
    let waiting = mapping(&tx, Some(&y), None);
    tx.put_mapping(&lease, &waiting).await.expect("not created there yet");
    let nameless = Mapping { object: None, remote: None, ..mapping(&tx, None, None) };
    tx.put_mapping(&lease, &nameless).await.expect("several may have neither");
    tx.put_mapping(&lease, &Mapping { id: tx.new_mapping_id(), ..nameless.clone() }).await.expect("put");
    tx.commit().await.expect("a commit");
    for twice in [Mapping { object: None, ..first.clone() }, Mapping { remote: None, ..first.clone() }] {
        let mut tx = write(&bench.store).await;
        let twice = Mapping { id: tx.new_mapping_id(), ..twice };
        let refused = tx.put_mapping(&lease, &twice).await;
        assert!(matches!(refused, Err(kalends::store::StoreError::Duplicate)), "{refused:?}");
    }

    let mut tx = write(&bench.store).await;
    let firm = &link.firm;
    assert_eq!(tx.mapping(firm, &link.id, &first.id).await.expect("a query").as_ref(), Some(&first));
    assert_eq!(tx.mapping_of_object(firm, &link.id, &x).await.expect("a query").as_ref(), Some(&first));
    let (r1, none) = (RemoteId("r1".into()), RemoteId("r9".into()));
    assert_eq!(tx.mappings_by_remote(firm, &link.id, &[&r1, &none]).await.expect("a query"), [first.clone()]);
    assert!(tx.mappings_by_remote(firm, &link.id, &[]).await.expect("a query").is_empty());
    let links: Vec<LinkId> = tx.links_of_object(firm, &x).await.expect("a query").into_iter().map(|(l, _)| l).collect();
    assert_eq!(links, [link.id.clone(), other.id.clone()]);
    first.state = MappingState::Unsure { call: Calling::saying(true, 3, "{}"), since_ms: 7 };
    tx.put_mapping(&lease, &first).await.expect("changed");
    assert_eq!(tx.mapping(firm, &link.id, &first.id).await.expect("a query"), Some(first.clone()));
    let counts = tx.count_mappings(firm, &link.id).await.expect("a query");
    assert_eq!((counts.live, counts.conflicts, counts.parked), (4, 0, 0));
    let page = tx.mappings_after(firm, &link.id, "", 1).await.expect("a query");
    assert_eq!(tx.mappings_after(firm, &link.id, page[0].id.as_str(), 10).await.expect("a query").len(), 3);
    tx.drop_mapping(&lease, &first.id).await.expect("dropped");
    assert_eq!(tx.mapping(firm, &link.id, &first.id).await.expect("a query"), None);
    assert!(tx.mapping(firm, &other.id, &elsewhere.id).await.expect("a query").is_some());
}

async fn a_full_listing_knows_what_it_has_not_seen(bench: &Bench) {
    let ada = at_desk(bench, "acme", "ada").await;
    let link = ada.link("a", Direction::Both).await;
    let lease = ada.lease(&link).await;
    let mut tx = write(&bench.store).await;
    let mut remotes = Vec::new();
    for n in 0..250 {
        let remote = format!("r{n:03}");
        let of = mapping(&tx, Some(&ObjectId::from_text(format!("o{n}"))), Some(&remote));
        tx.put_mapping(&lease, &of).await.expect("put");
        remotes.push(RemoteId(remote));
    }
    for state in [MappingState::Tombstoned, MappingState::Pushing(Calling::saying(true, 1, "{}"))] {
        let not_there = Mapping { state, ..mapping(&tx, None, Some("x")) };
        tx.put_mapping(&lease, &Mapping { remote: Some(RemoteId(format!("{}", not_there.id))), ..not_there })
            .await
            .expect("put");
    }
    let seen: Vec<&RemoteId> = remotes.iter().take(240).collect();
    tx.mark_seen(&lease, 2, &seen).await.expect("marked");
    let page = tx.unseen_mappings(&link.firm, &link.id, 2, "", 4).await.expect("a query");
    let last = page.last().expect("four").id.clone();
    let rest = tx.unseen_mappings(&link.firm, &link.id, 2, last.as_str(), 100).await.expect("a query");
    let mut unseen: Vec<String> = page.iter().chain(&rest).filter_map(|m| m.remote.clone()).map(|r| r.0).collect();
    unseen.sort();
    assert_eq!(unseen, (240..250).map(|n| format!("r{n}")).collect::<Vec<_>>(), "live ones alone");
}

async fn runs_are_listed_with_what_they_did(bench: &Bench) {
    let ada = at_desk(bench, "acme", "ada").await;
    let (a, b) = (ada.link("a", Direction::Both).await, ada.link("b", Direction::Both).await);
    let x = ObjectId::from_text("x");
    let mut ids = Vec::new();
    for (link, kind, status) in [
        (&a, RunKind::Full, RunStatus::Success),
        (&b, RunKind::Manual, RunStatus::Partial),
        (&a, RunKind::Pull, RunStatus::Running),
    ] {
        let mut tx = write(&bench.store).await;
        let id = tx.begin_run(link, kind, "c-1").await.expect("begun");
        for action in ["created", "updated"] {
            let item = RunItem {
                run: id.clone(),
                number: 0,
                link: link.id.clone(),
                object: Some(x.clone()),
                remote: Some("r".into()),
                way: Way::Pull,
                action: action.into(),
                before_version: None,
                before: Some(Bytes::from_static(b"b")),
                after_version: Some(1),
                note: None,
                at: tx.now(),
            };
            tx.add_run_item(&link.firm, &item).await.expect("noted");
        }
        if status != RunStatus::Running {
            let totals = RunTotals { pushed: 1, pulled: 2, deleted: 3, conflicts: 4, errors: 5 };
            tx.end_run(&link.firm, &id, status, &totals, Some("because")).await.expect("ended");
        }
        tx.commit().await.expect("a commit");
        ids.push(id);
        bench.clock.advance_ms(1_000);
    }
    let mut tx = bench.store.read().await.expect("a transaction");
    let listed = async |tx: &mut kalends::store::ReadTx, filter: RunFilter, page: (u32, u32)| {
        let (runs, total) = tx.runs(ada.owner(), &filter, page).await.expect("a query");
        (runs.into_iter().map(|r| r.id).collect::<Vec<_>>(), total)
    };
    let [first, second, third] = [0, 1, 2].map(|n| ids[n].clone());
    let all = RunFilter::default();
    assert_eq!(listed(&mut tx, all.clone(), (10, 0)).await, (vec![third.clone(), second.clone(), first.clone()], 3));
    assert_eq!(listed(&mut tx, all.clone(), (1, 1)).await, (vec![second.clone()], 3));
    for (filter, expected) in [
        (RunFilter { status: Some(RunStatus::Partial), ..all.clone() }, vec![second.clone()]),
        (RunFilter { link: Some(a.id.clone()), ..all.clone() }, vec![third.clone(), first.clone()]),
        (RunFilter { from: Some(START.plus_ms(1_000)), ..all.clone() }, vec![third.clone(), second.clone()]),
        (RunFilter { until: Some(START.plus_ms(1_000)), ..all.clone() }, vec![first.clone()]),
        (RunFilter { provider: Some(Provider::Google), link: Some(b.id.clone()), ..all.clone() }, vec![second.clone()]),
        (RunFilter { provider: Some(Provider::Ics), ..all.clone() }, vec![]),
    ] {
        assert_eq!(listed(&mut tx, filter.clone(), (10, 0)).await.0, expected, "{filter:?}");
    }
    let run = tx.run(&a.firm, &second).await.expect("a query").expect("there");
    assert_eq!((run.totals.deleted, run.error_summary.as_deref()), (3, Some("because")));
    assert_eq!((run.started, run.completed), (START.plus_ms(1_000), Some(START.plus_ms(1_000))));
    let items = tx.run_items(&a.firm, &first, 0, 10).await.expect("a query");
    assert_eq!(
        items.iter().map(|i| (i.number, i.action.as_str())).collect::<Vec<_>>(),
        [(1, "created"), (2, "updated")]
    );
    assert_eq!(tx.run_items(&a.firm, &first, 1, 10).await.expect("a query"), items[1..]);
    let story = tx.story(&a.firm, &x, 100).await.expect("a query");
    assert_eq!(
        story.iter().map(|i| i.run.clone()).collect::<Vec<_>>(),
        [&first, &first, &second, &second, &third, &third].map(Clone::clone)
    );
    drop(tx);
    let lease = ada.lease(&a).await;
    let mut tx = write(&bench.store).await;
    assert!(tx.mark_undone(&a.firm, &first, &third).await.expect("a query"));
    assert!(!tx.mark_undone(&a.firm, &first, &second).await.expect("a query"), "once");
    tx.end_stale_runs(&lease).await.expect("ended");
    let stale = tx.run(&a.firm, &third).await.expect("a query").expect("there");
    assert_eq!((stale.status, stale.completed.is_some()), (RunStatus::Failed, true));
    assert_eq!(tx.run(&a.firm, &first).await.expect("a query").expect("there").undone_by, Some(third));
}

async fn what_runs_ends_with_what_is_set_to_rest(bench: &Bench) {
    let ada = at_desk(bench, "acme", "ada").await;
    let link = ada.link("a", Direction::Both).await;
    let (firm, connection) = (&ada.user.firm, &ada.connection);
    for rests in 0..4 {
        let mut tx = write(&bench.store).await;
        tx.set_link_status(firm, &link.id, LinkStatus::Active, None).await.expect("set");
        tx.set_connection_status(firm, connection, ConnectionStatus::Active, None).await.expect("set");
        let run = tx.begin_run(&link, RunKind::Pull, "c-1").await.expect("begun");
        let done = match rests {
            0 => tx.set_link_status(firm, &link.id, LinkStatus::Paused, None).await,
            1 => tx.set_link_status(firm, &link.id, LinkStatus::Detached, None).await,
            2 => tx.set_connection_status(firm, connection, ConnectionStatus::Paused, None).await,
            _ => tx.set_connection_status(firm, connection, ConnectionStatus::Revoked, None).await,
        };
        assert!(done.expect("set"));
        let run = tx.run(firm, &run).await.expect("a query").expect("there");
        assert_eq!((run.status, run.completed.is_some()), (RunStatus::Failed, true), "{rests}");
        tx.commit().await.expect("a commit");
    }
}

async fn attempts_say_how_they_failed(bench: &Bench) {
    let ada = at_desk(bench, "acme", "ada").await;
    let link = ada.link("a", Direction::Both).await;
    let mut tx = write(&bench.store).await;
    let run = tx.begin_run(&link, RunKind::Push, "c-7").await.expect("begun");
    let good = NewAttempt {
        operation: AttemptKind::ListChanges,
        way: Way::Pull,
        object: None,
        remote: None,
        failure: None,
        retry_count: 0,
        next_retry: None,
        max_retries_reached: false,
        started: START,
    };
    let bad = NewAttempt {
        operation: AttemptKind::Upsert,
        way: Way::Push,
        object: Some(ObjectId::from_text("x")),
        remote: Some("r".into()),
        failure: Some((ErrorClass::RateLimited, "too many calls".into())),
        retry_count: 5,
        next_retry: Some(START.plus_ms(60_000)),
        max_retries_reached: true,
        started: START,
    };
    let mut ids: Vec<AttemptId> = Vec::new();
    for new in [&good, &bad] {
        ids.push(tx.add_attempt(&link, &run, "c-7", new).await.expect("recorded"));
    }
    tx.commit().await.expect("a commit");
    let mut tx = bench.store.read().await.expect("a transaction");
    let mut found = tx.attempts_of_run(&link.firm, &run).await.expect("a query");
    found.sort_by_key(|a| a.what.retry_count);
    let [first, second] = found.as_slice() else { panic!("{found:?}") };
    assert!(ids.contains(&first.id) && ids.contains(&second.id));
    assert_eq!((first.what.operation, first.what.failure.clone()), (AttemptKind::ListChanges, None));
    assert_eq!(second.what.failure, bad.failure);
    assert_eq!((second.what.next_retry, second.what.max_retries_reached), (bad.next_retry, true));
    assert_eq!((second.connection.clone(), second.correlation_id.as_str()), (ada.connection.clone(), "c-7"));
}

async fn what_is_old_is_taken_away(bench: &Bench) {
    let ada = at_desk(bench, "acme", "ada").await;
    let link = ada.link("a", Direction::Both).await;
    let caller = caller(&ada.user);
    let slug = Slug::parse("calendar").expect("a slug");
    let put = async |uid: &str, title: &str| {
        let mut tx = write(&bench.store).await;
        let (access, _) = tx.calendar_for(&caller, &caller.name, &slug, Right::Write).await.expect("hers");
        let name = ResourceName::for_uid(uid);
        tx.put_object(&access, &name, &changed(uid, title), &Guard::NONE, &by_ada()).await.expect("put");
        tx.commit().await.expect("a commit");
        access
    };
    let record = async |count: usize| {
        let mut tx = write(&bench.store).await;
        let run = tx.begin_run(&link, RunKind::Push, "c-7").await.expect("begun");
        let new = NewAttempt {
            operation: AttemptKind::Upsert,
            way: Way::Push,
            object: None,
            remote: None,
            failure: None,
            retry_count: 0,
            next_retry: None,
            max_retries_reached: false,
            started: tx.now(),
        };
        for _ in 0..count {
            tx.add_attempt(&link, &run, "c-7", &new).await.expect("recorded");
        }
        tx.end_run(&link.firm, &run, RunStatus::Success, &RunTotals::default(), None).await.expect("ended");
        tx.commit().await.expect("a commit");
    };
    // One that was replaced long ago and one that was replaced lately; one that is gone.
    put("old", "1").await;
    put("late", "1").await;
    put("gone", "1").await;
    record(700).await;
    bench.clock.advance_ms(DAY_MS);
    let access = put("old", "2").await;
    let mut tx = write(&bench.store).await;
    tx.delete_object(&access, &ResourceName::for_uid("gone"), &Guard::NONE, &by_ada()).await.expect("deleted");
    tx.commit().await.expect("a commit");
    let deleted_at = {
        let mut tx = bench.store.read().await.expect("a transaction");
        tx.changes(&access, Seq(1), 10).await.expect("a query").up_to
    };
    bench.clock.advance_ms(99 * DAY_MS);
    put("late", "2").await;
    record(3).await;
    let longer = kalends::store::Kept { attempts_ms: 200 * DAY_MS, versions_ms: 200 * DAY_MS, ..Default::default() };
    let nothing = kalends::store::Removed::default();
    assert_eq!(
        bench.store.take_away_now(&link.firm, &longer, &NewAudit::default()).await.expect("taken away"),
        nothing,
        "it is kept as long as is said"
    );
    let removed = bench
        .store
        .take_away_now(&link.firm, &kalends::store::Kept::default(), &NewAudit::default())
        .await
        .expect("taken away");
    assert_eq!((removed.attempts, removed.runs, removed.versions, removed.tombstones), (700, 1, 3, 0));
    let mut tx = bench.store.read().await.expect("a transaction");
    let kept = tx.attempts(&link.firm, &AttemptFilter::default(), None, 100).await.expect("a query");
    assert_eq!((kept.total, kept.rows.len()), (3, 3), "the list and its total agree");
    let counted = tx.summary(Some(&link.firm), START).await.expect("a query");
    assert_eq!(counted.attempts.iter().map(|a| a.attempts).sum::<i64>(), 703, "the count stays");
    let late = tx.object_by_uid(&access, "late").await.expect("a query").expect("there").head.id;
    assert_eq!(tx.history(&caller, &late, i64::MAX, 10).await.expect("a query").len(), 2);
    assert_eq!(tx.forgotten(&access).await.expect("a query"), Seq(0));
    drop(tx);
    bench.clock.advance_ms(302 * DAY_MS);
    let removed = bench
        .store
        .take_away_now(&link.firm, &kalends::store::Kept::default(), &NewAudit::default())
        .await
        .expect("taken away");
    assert_eq!((removed.attempts, removed.versions, removed.tombstones), (3, 1, 1));
    let forgotten = bench.store.read().await.expect("a transaction").forgotten(&access).await.expect("a query");
    assert_eq!(forgotten, deleted_at, "an older token is none any more");
    let report = bench.store.doctor().await.expect("a report");
    assert_eq!(report.findings, []);
    assert_eq!(
        bench
            .store
            .take_away_now(&link.firm, &kalends::store::Kept::default(), &NewAudit::default())
            .await
            .expect("taken away"),
        kalends::store::Removed::default()
    );
}

async fn one_node_does_a_job(bench: &Bench) {
    let take = async |owner: &str| bench.store.take_job("sweep", owner, DAY_MS).await.expect("a query");
    assert!(take("a").await && take("a").await, "whoever has it keeps it");
    assert!(!take("b").await);
    bench.clock.advance_ms(10 * MINUTE_MS);
    assert!(take("b").await, "its node is gone");
    bench.store.end_job("sweep", "b").await.expect("ended");
    assert!(!take("a").await && !take("b").await, "it is done");
    bench.clock.advance_ms(DAY_MS);
    assert!(take("a").await);
}

async fn a_conflict_is_open_once_and_decided_once(bench: &Bench) {
    let ada = at_desk(bench, "acme", "ada").await;
    let link = ada.link("a", Direction::Both).await;
    let new = Conflict {
        id: ConflictId::from_text(""),
        link: link.id.clone(),
        mapping: MappingId::from_text("m"),
        user: ada.user.id.clone(),
        object: Some(ObjectId::from_text("x")),
        remote: Some("r".into()),
        kind: ConflictKind::TimeChange,
        fields: "{\"time\":{}}".into(),
        opened: START,
        resolved: None,
        choices: None,
    };
    let firm = &link.firm;
    let mut tx = write(&bench.store).await;
    let (id, is_new) = tx.open_or_update_conflict(firm, &new).await.expect("opened");
    assert!(is_new);
    let again = Conflict { kind: ConflictKind::DataMismatch, fields: "{\"title\":{}}".into(), ..new.clone() };
    assert_eq!(tx.open_or_update_conflict(firm, &again).await.expect("updated"), (id.clone(), false));
    let other = Conflict { mapping: MappingId::from_text("n"), ..new.clone() };
    let (second, _) = tx.open_or_update_conflict(firm, &other).await.expect("opened");
    let found = tx.conflict(firm, &id).await.expect("a query").expect("there");
    assert_eq!((found.kind, found.fields.as_str()), (ConflictKind::DataMismatch, "{\"title\":{}}"));
    assert_eq!(tx.decision(firm, &link.id, &new.mapping).await.expect("a query"), None, "it is open");
    let merge = Resolution::Merge;
    assert!(tx.resolve_conflict(firm, &id, merge, Some("{\"title\":\"platform\"}"), "ada").await.expect("decided"));
    assert!(!tx.resolve_conflict(firm, &id, Resolution::KeepPlatform, None, "bob").await.expect("a query"), "once");
    let decided = tx.decision(firm, &link.id, &new.mapping).await.expect("a query").expect("decided");
    assert_eq!(decided.resolved, Some((START, merge, "ada".to_owned())));
    assert_eq!(decided.choices.as_deref(), Some("{\"title\":\"platform\"}"));
    assert_eq!(tx.open_conflict(firm, &link.id, &new.mapping).await.expect("a query"), None);
    let ids = async |tx: &mut WriteTx, open: Option<bool>, of: Option<&LinkId>| {
        let filter = ConflictFilter { open, link: of.cloned() };
        let (found, total) = tx.conflicts(ada.owner(), &filter, (10, 0)).await.expect("a query");
        assert_eq!(found.len() as i64, total);
        let mut ids: Vec<_> = found.into_iter().map(|c| c.id).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(&mut tx, Some(true), None).await, std::slice::from_ref(&second));
    assert_eq!(ids(&mut tx, Some(false), Some(&link.id)).await, std::slice::from_ref(&id));
    assert_eq!(ids(&mut tx, None, Some(&LinkId::from_text("?"))).await, []);
    assert_eq!(ids(&mut tx, None, None).await.len(), 2);
    assert_eq!(tx.conflicts_of_object(firm, &ObjectId::from_text("x")).await.expect("a query").len(), 2);
    let (third, is_new) = tx.open_or_update_conflict(firm, &new).await.expect("opened");
    assert!(is_new && third != id, "a decided one is history");
}

async fn a_channel_is_found_by_its_id_alone(bench: &Bench) {
    let ada = at_desk(bench, "acme", "ada").await;
    let link = ada.link("a", Direction::Both).await;
    let lease = ada.lease(&link).await;
    let mut tx = write(&bench.store).await;
    let (old, new) = (tx.new_channel_id(), tx.new_channel_id());
    tx.add_channel(&lease, &old, "res", b"hash", START.plus_ms(DAY_MS)).await.expect("added");
    bench.clock.advance_ms(1);
    tx.commit().await.expect("a commit");
    let mut tx = write(&bench.store).await;
    tx.add_channel(&lease, &new, "res", b"hash2", START.plus_ms(2 * DAY_MS)).await.expect("added");
    tx.touch_channel(&link.firm, &new).await.expect("touched");
    let found = tx.channel(&new).await.expect("a query").expect("there");
    assert_eq!((found.link.clone(), found.firm.clone(), found.replaced), (link.id.clone(), link.firm.clone(), false));
    assert_eq!((found.token_hash.as_slice(), found.last_notified), (b"hash2".as_slice(), Some(START.plus_ms(1))));
    assert!(tx.channel(&old).await.expect("a query").expect("there").replaced);
    let ids: Vec<_> = tx.channels(&link.firm, &link.id).await.expect("a query").into_iter().map(|c| c.id).collect();
    assert_eq!(ids, [old.clone(), new]);
    tx.drop_channel(&link.firm, &old).await.expect("dropped");
    assert_eq!(tx.channel(&old).await.expect("a query"), None);
}

async fn nobody_is_invited_twice(bench: &Bench) {
    let ada = at_desk(bench, "acme", "ada").await;
    let mut tx = write(&bench.store).await;
    let firm = &ada.user.firm;
    let of = ("uid", "", 0);
    assert!(tx.note_mail(firm, of, "bob@example.org", "REQUEST").await.expect("a query"));
    assert!(!tx.note_mail(firm, of, "bob@example.org", "REQUEST").await.expect("a query"));
    for (of, recipient, method) in [
        (("uid", "", 1), "bob@example.org", "REQUEST"),
        (("uid", "20261121", 0), "bob@example.org", "REQUEST"),
        (of, "eve@example.org", "REQUEST"),
        (of, "bob@example.org", "CANCEL"),
    ] {
        assert!(tx.note_mail(firm, of, recipient, method).await.expect("a query"), "{of:?} {recipient} {method}");
    }
}

async fn a_notice_is_told_once(bench: &Bench) {
    let ada = at_desk(bench, "acme", "ada").await;
    let mut tx = write(&bench.store).await;
    let tell = async |tx: &mut WriteTx, kind: &str, target: &str| {
        tx.notify_user(ada.owner(), kind, target, "a sentence").await.expect("a query")
    };
    assert!(tell(&mut tx, "needs_reauth", "k").await);
    assert!(!tell(&mut tx, "needs_reauth", "k").await);
    assert!(tell(&mut tx, "needs_reauth", "l").await && tell(&mut tx, "paused", "k").await);
    let (all, total) = tx.notices(ada.owner(), false, (10, 0)).await.expect("a query");
    assert_eq!((all.len(), total), (3, 3));
    assert!(all.iter().all(|n| n.text == "a sentence" && n.seen.is_none() && n.created == START));
    let first = all.iter().find(|n| n.kind == "needs_reauth" && n.target == "k").expect("one").id.clone();
    let nobody = kalends::domain::ids::UserId::from_text("nobody");
    assert!(!tx.see_notice((&ada.user.firm, &nobody), &first).await.expect("a query"), "somebody else's");
    assert!(tx.see_notice(ada.owner(), &first).await.expect("a query"));
    assert!(tell(&mut tx, "needs_reauth", "k").await, "seen, it may be told again");
    tx.settle_notices(ada.owner(), "k").await.expect("settled");
    let (left, total) = tx.notices(ada.owner(), false, (10, 0)).await.expect("a query");
    assert_eq!((left.iter().map(|n| n.target.as_str()).collect::<Vec<_>>(), total), (vec!["l"], 1));
    assert_eq!(tx.notices(ada.owner(), true, (2, 1)).await.expect("a query").1, 4);
}

async fn an_erasure_leaves_what_was_made_here(bench: &Bench) {
    let (ada, bob) = (at_desk(bench, "acme", "ada").await, at_desk(bench, "acme", "bob").await);
    let mut links = Vec::new();
    for desk in [&ada, &bob] {
        let link = desk.link("a", Direction::Both).await;
        let mine = desk.put(&event("mine"), &by_ada()).await;
        let run = RunId::from_text("run");
        let theirs = desk.put(&event("theirs"), &Cause::sync(&link.id, &run, "c")).await;
        desk.put(&changed("theirs", "edited"), &by_ada()).await;
        let uid = format!("own-{}", desk.user.name);
        let own = desk.put(&event(&uid), &by_ada()).await;
        let lease = desk.lease(&link).await;
        let mut tx = write(&bench.store).await;
        let here = mapping(&tx, Some(&mine), Some("r1"));
        let there = Mapping { origin: Origin::There, ..mapping(&tx, Some(&theirs), Some("r2")) };
        tx.put_mapping(&lease, &here).await.expect("put");
        tx.put_mapping(&lease, &there).await.expect("put");
        tx.set_connection_secret(&link.firm, &desk.connection, 1, b"secret", None).await.expect("set");
        tx.begin_run(&link, RunKind::Full, "c").await.expect("begun");
        tx.notify_user(desk.owner(), "k", "t", "x").await.expect("told");
        let own = Mapping { base_version: 1, ..mapping(&tx, Some(&own), Some("r3")) };
        tx.put_mapping(&lease, &own).await.expect("put");
        assert!(tx.note_mail(&link.firm, (&uid, "", 0), "guest@example.net", "REQUEST").await.expect("noted"));
        tx.commit().await.expect("a commit");
        links.push(link);
    }
    let seq = async |desk: &Desk<'_>| {
        let mut tx = bench.store.read().await.expect("a transaction");
        tx.calendar_for(&desk.caller, &desk.caller.name, &Slug::parse("calendar").expect("a slug"), Right::Own)
            .await
            .expect("hers")
            .1
            .seq
    };
    let before = seq(&ada).await;
    let mut tx = write(&bench.store).await;
    let erased = tx.erase_synced(&ada.user.firm, &ada.user.id).await.expect("erased");
    tx.commit().await.expect("a commit");
    assert_eq!((erased.appointments, erased.versions, erased.mappings), (1, 1, 3));
    assert_eq!((erased.links, erased.connections, erased.records), (1, 1, 1));
    let mut tx = bench.store.read().await.expect("a transaction");
    for (desk, left, kept) in [(&ada, 2, 0), (&bob, 3, 1)] {
        let bodies = tx.bodies(&desk.access, Seq(0), Seq(i64::MAX), 10).await.expect("bodies");
        assert_eq!(bodies.len(), left);
        assert_eq!(tx.connections(&desk.user.firm, &desk.user.id).await.expect("a query").len(), kept);
        assert_eq!(tx.links(&desk.user.firm, &desk.user.id).await.expect("a query").len(), kept);
        assert_eq!(tx.notices(desk.owner(), true, (10, 0)).await.expect("a query").1, kept as i64);
        assert_eq!(tx.runs(desk.owner(), &RunFilter::default(), (10, 0)).await.expect("a query").1, kept as i64);
    }
    let changes = tx.changes(&ada.access, before, 10).await.expect("changes");
    assert!(changes.entries.iter().any(|e| e.name.as_str() == "theirs.ics"), "who syncs learns that it is gone");
    drop(tx);
    let mut tx = write(&bench.store).await;
    for (name, forgotten) in [("ada", true), ("bob", false)] {
        let what = (format!("own-{name}"), "guest@example.net");
        let fresh = tx.note_mail(&ada.user.firm, (&what.0, "", 0), what.1, "REQUEST").await.expect("noted");
        assert_eq!(fresh, forgotten, "whom {name} invited");
    }
    drop(tx);
    assert_eq!(bench.store.doctor().await.expect("a report").finding_count, 0);
}

async fn nothing_of_another_firm_is_found(bench: &Bench) {
    let ada = at_desk(bench, "acme", "ada").await;
    let eve = at_desk(bench, "elsewhere", "eve").await;
    let link = ada.link("a", Direction::Both).await;
    let lease = ada.lease(&link).await;
    let mut tx = write(&bench.store).await;
    let object = ObjectId::from_text("x");
    let of = mapping(&tx, Some(&object), Some("r"));
    tx.put_mapping(&lease, &of).await.expect("put");
    let run = tx.begin_run(&link, RunKind::Full, "c").await.expect("begun");
    tx.commit().await.expect("a commit");
    let mut tx = write(&bench.store).await;
    let firm = &eve.user.firm;
    assert_eq!(tx.connection(firm, &ada.connection).await.expect("a query"), None);
    assert_eq!(tx.link_by_id(firm, &link.id).await.expect("a query"), None);
    assert_eq!(tx.run(firm, &run).await.expect("a query"), None);
    assert_eq!(tx.mapping(firm, &link.id, &of.id).await.expect("a query"), None);
    assert!(tx.links_of_object(firm, &object).await.expect("a query").is_empty());
    assert!(!tx.set_link(firm, &link.id, &settings(Direction::Pull)).await.expect("a query"));
    assert!(!tx.set_link_status(firm, &link.id, LinkStatus::Paused, None).await.expect("a query"));
    assert!(!tx.set_connection_status(firm, &ada.connection, ConnectionStatus::Revoked, None).await.expect("a query"));
    assert!(!tx.ask_for_run(firm, &link.id, RunKind::Manual, START).await.expect("a query"));
    assert!(tx.take_lease(&Due { firm: firm.clone(), link: link.id.clone() }, "n").await.expect("a query").is_none());
    assert_eq!(tx.erase_synced(firm, &ada.user.id).await.expect("a query"), kalends::store::Erased::default());
    let nowhere = NewLink { calendar: CalendarId::from_text("?"), ..ada.new_link("b", Direction::Both) };
    assert!(tx.add_link((firm, &eve.user.id), &nowhere).await.is_err(), "a connection of another firm");
}

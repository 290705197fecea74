//! The store, method by method, on SQLite and on PostgreSQL: one suite, two databases.

mod support;
mod trail;

use bytes::Bytes;
use kalends::crypto::KeyRing;
use kalends::domain::access::{Access, Caller, Right, Role, Scope};
use kalends::domain::appointment::Facts;
use kalends::domain::calendar::{CalendarSettings, ComponentSet, Seq};
use kalends::domain::change::{Cause, ChangeKind, Guard, Via};
use kalends::domain::feed::{FeedPrivacy, FeedSettings};
use kalends::domain::ids::{ObjectId, ResourceName, Slug};
use kalends::domain::object::{CalendarObject, ComponentKind, ETag};
use kalends::domain::time::{DAY_MS, Instant};
use kalends::store::{
    AppointmentFilter, BackupError, CalendarError, Candidates, Database, NewAudit, NewFeed, Overwrite, Page,
    PropertyKey, PutError, StoreError, StoredProperty, TransferError, User, UserSettings, Writing,
};
use sqlx::{ConnectOptions, Connection, Executor};
use support::on_both;
use support::stores::{Bench, START, caller};
use trail::{
    a_trail_is_not_forged_by_who_has_the_database, a_trail_of_plain_hashes_is_sealed_once, a_trail_outlives_the_keys,
    a_trail_that_was_broken_before_stays_broken, what_is_left_of_a_firm_shows, what_is_left_of_links_shows,
    what_is_unreadable_or_lost_is_a_finding,
};

on_both! {
    a_new_user_has_a_calendar_and_a_task_list
    users_are_found_changed_and_locked_out
    app_passwords_open_until_revoked
    tokens_open_until_revoked
    sessions_end
    calendars_are_made_changed_renamed_and_deleted
    nothing_of_another_is_found
    properties_are_kept_per_user
    an_object_is_put_read_replaced_and_deleted
    a_guard_that_does_not_hold_changes_nothing
    one_uid_lives_once_in_a_calendar
    a_calendar_takes_only_its_components
    of_sixteen_writers_with_one_etag_one_wins
    writers_of_one_calendar_get_every_seq_once
    changes_come_in_pages_that_miss_nothing
    a_deleted_uid_comes_back_with_its_past
    a_move_keeps_the_history
    a_move_minds_what_is_there
    a_version_is_put_back
    a_deleted_calendar_leaves_its_objects_restorable
    candidates_are_found_by_time
    appointments_are_listed_by_facts_and_text
    feeds_open_rotate_and_end
    an_answer_is_remembered_under_its_key
    audit_events_are_chained
    a_tampered_trail_shows
    a_trail_is_not_forged_by_who_has_the_database
    a_trail_of_plain_hashes_is_sealed_once
    a_trail_that_was_broken_before_stays_broken
    a_trail_outlives_the_keys
    what_is_left_of_a_firm_shows
    what_is_left_of_links_shows
    what_is_unreadable_or_lost_is_a_finding
    a_dropped_transaction_never_happened
    a_backup_restores_into_an_empty_store
    sealed_secrets_are_sealed_anew
    an_index_that_is_stale_is_made_anew
}

fn event(uid: &str, start: &str, title: &str) -> CalendarObject {
    let text = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Test//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\n\
         DTSTAMP:20261101T000000Z\r\nDTSTART:{start}\r\nDURATION:PT1H\r\nSUMMARY:{title}\r\nEND:VEVENT\r\n\
         END:VCALENDAR\r\n"
    );
    CalendarObject::parse(Bytes::from(text)).expect("a legal object")
}

fn todo(uid: &str) -> CalendarObject {
    let text = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Test//EN\r\nBEGIN:VTODO\r\nUID:{uid}\r\n\
         DTSTAMP:20261101T000000Z\r\nSUMMARY:x\r\nEND:VTODO\r\nEND:VCALENDAR\r\n"
    );
    CalendarObject::parse(Bytes::from(text)).expect("a legal object")
}

fn name(text: &str) -> ResourceName {
    ResourceName::parse(text).expect("a name")
}

fn slug(text: &str) -> Slug {
    Slug::parse(text).expect("a slug")
}

fn cause() -> Cause {
    Cause::by(Via::Caldav, "ada", Some("Test/1.0"), Some("c-1"))
}

async fn ada(bench: &Bench) -> Caller {
    caller(&bench.user("default", "ada", Role::Staff).await)
}

async fn calendar(bench: &Bench, caller: &Caller, which: &str) -> Access {
    let mut tx = bench.store.read().await.expect("a transaction");
    tx.calendar_for(caller, &caller.name, &slug(which), Right::Own).await.expect("a calendar").0
}

async fn put(bench: &Bench, access: &Access, at: &str, object: &CalendarObject, guard: &Guard) -> Result<(), PutError> {
    let mut tx = bench.store.write().await?;
    tx.put_object(access, &name(at), object, guard, &cause()).await?;
    Ok(tx.commit().await?)
}

async fn delete(bench: &Bench, access: &Access, at: &str) -> ObjectId {
    let mut tx = bench.store.write().await.expect("a transaction");
    let id = tx.delete_object(access, &name(at), &Guard::NONE, &cause()).await.expect("deleted");
    tx.commit().await.expect("a commit");
    id
}

async fn names(bench: &Bench, access: &Access) -> Vec<String> {
    let mut tx = bench.store.read().await.expect("a transaction");
    let entries = tx.entries(access, Seq(0), Seq(i64::MAX), 10_000).await.expect("entries");
    entries.into_iter().map(|e| e.name.as_str().to_owned()).collect()
}

async fn a_new_user_has_a_calendar_and_a_task_list(bench: &Bench) {
    let ada = ada(bench).await;
    let mut tx = bench.store.read().await.expect("a transaction");
    let calendars = tx.calendars(&ada).await.expect("calendars");
    let found: Vec<_> = calendars.iter().map(|(_, c)| (c.slug.as_str(), c.settings.components)).collect();
    assert_eq!(found, [("calendar", ComponentSet::EVENTS), ("tasks", ComponentSet::TODOS)]);
}

async fn users_are_found_changed_and_locked_out(bench: &Bench) {
    let user = bench.user("default", "ada", Role::Manager).await;
    let mut tx = bench.store.write().await.expect("a transaction");
    let again = tx.ensure_firm("default").await.expect("the same firm");
    assert_eq!(again, user.firm);
    assert!(tx.set_password_hash(&user.firm, &user.id, Some("hash")).await.expect("set"));
    let settings = UserSettings { timezone: Some("Europe/Berlin".into()), working_hours: None };
    assert!(tx.set_user_profile(&user.firm, &user.id, Some("Ada"), None, &settings).await.expect("set"));
    tx.commit().await.expect("a commit");

    let mut tx = bench.store.read().await.expect("a transaction");
    let found = tx.user_by_name(&user.name).await.expect("a query").expect("the user");
    assert_eq!((found.password_hash.as_deref(), found.display_name.as_deref()), (Some("hash"), Some("Ada")));
    assert_eq!((found.settings, found.email), (settings, None));
    assert_eq!(tx.users(&user.firm, "", 10).await.expect("users").len(), 1);
    assert_eq!(tx.users(&user.firm, "ada", 10).await.expect("users").len(), 0);
    assert!(tx.user(&user.firm, &user.id).await.expect("a query").is_some());
    assert!(tx.user_in_firm(&user.firm, "ada").await.expect("a query").is_some());
    assert_eq!(tx.firms().await.expect("firms").len(), 1);
    drop(tx);

    let mut tx = bench.store.write().await.expect("a transaction");
    let new = kalends::store::NewUser {
        name: user.name.clone(),
        role: Role::Client,
        display_name: None,
        email: None,
        password_hash: None,
    };
    let other = tx.ensure_firm("other").await.expect("a firm");
    assert!(matches!(tx.add_user(&other, &new).await, Err(StoreError::Duplicate)));
    drop(tx);
    let mut tx = bench.store.write().await.expect("a transaction");
    assert!(tx.disable_user(&user.firm, &user.id).await.expect("disabled"));
    tx.commit().await.expect("a commit");
    let mut tx = bench.store.read().await.expect("a transaction");
    assert_eq!(tx.user_by_name(&user.name).await.expect("a query").expect("the user").disabled, Some(START));
}

async fn app_passwords_open_until_revoked(bench: &Bench) {
    let user = bench.user("default", "ada", Role::Staff).await;
    let mut tx = bench.store.write().await.expect("a transaction");
    let made = tx.add_app_password(&user.firm, &user.id, "phone", true, b"hash").await.expect("added");
    tx.touch_app_password(&user.firm, &made.id).await.expect("touched");
    tx.commit().await.expect("a commit");
    let mut tx = bench.store.read().await.expect("a transaction");
    let (owner, found) = tx.app_password_by_hash(b"hash").await.expect("a query").expect("found");
    assert_eq!((owner.id, found.read_only, found.last_used), (user.id.clone(), true, Some(START)));
    assert!(tx.app_password_by_hash(b"hasi").await.expect("a query").is_none());
    drop(tx);
    let mut tx = bench.store.write().await.expect("a transaction");
    assert!(tx.revoke_app_password(&user.firm, &user.id, &made.id).await.expect("revoked"));
    tx.commit().await.expect("a commit");
    let mut tx = bench.store.read().await.expect("a transaction");
    assert!(tx.app_password_by_hash(b"hash").await.expect("a query").is_none());
    assert_eq!(tx.app_passwords(&user.firm, &user.id).await.expect("a list")[0].revoked, Some(START));
}

async fn tokens_open_until_revoked(bench: &Bench) {
    let user = bench.user("default", "ada", Role::Staff).await;
    let mut tx = bench.store.write().await.expect("a transaction");
    let scopes = [Scope::Appointments, Scope::Admin];
    let made = tx.add_token(&user.firm, &user.id, "platform", &scopes, b"hash").await.expect("added");
    tx.touch_token(&user.firm, &made.id).await.expect("touched");
    tx.commit().await.expect("a commit");
    let mut tx = bench.store.read().await.expect("a transaction");
    let (_, found) = tx.token_by_hash(b"hash").await.expect("a query").expect("found");
    assert_eq!((found.scopes, found.last_used), (scopes.to_vec(), Some(START)));
    drop(tx);
    let mut tx = bench.store.write().await.expect("a transaction");
    assert!(tx.revoke_token(&user.firm, &user.id, &made.id).await.expect("revoked"));
    tx.disable_user(&user.firm, &user.id).await.expect("disabled");
    tx.commit().await.expect("a commit");
    let mut tx = bench.store.read().await.expect("a transaction");
    assert!(tx.token_by_hash(b"hash").await.expect("a query").is_none());
    assert_eq!(tx.tokens(&user.firm, &user.id).await.expect("a list").len(), 1);
}

async fn sessions_end(bench: &Bench) {
    let user = bench.user("default", "ada", Role::Staff).await;
    let mut tx = bench.store.write().await.expect("a transaction");
    let id = tx.add_session(&user.firm, &user.id, b"one", START.plus_ms(DAY_MS)).await.expect("added");
    tx.add_session(&user.firm, &user.id, b"two", START.plus_ms(DAY_MS)).await.expect("added");
    tx.commit().await.expect("a commit");
    let found = |hash: &'static [u8]| async move {
        let mut tx = bench.store.read().await.expect("a transaction");
        tx.session_by_hash(hash).await.expect("a query").is_some()
    };
    assert!(found(b"one").await && found(b"two").await);
    let mut tx = bench.store.write().await.expect("a transaction");
    tx.end_session(&user.firm, &id).await.expect("ended");
    tx.commit().await.expect("a commit");
    assert!(!found(b"one").await && found(b"two").await);
    bench.clock.advance_ms(DAY_MS);
    assert!(!found(b"two").await);
}

async fn calendars_are_made_changed_renamed_and_deleted(bench: &Bench) {
    let ada = ada(bench).await;
    let mut settings = CalendarSettings::named("Work", ComponentSet::ALL);
    settings.color = Some("#FD8208FF".into());
    let mut tx = bench.store.write().await.expect("a transaction");
    let (access, made) = tx.create_calendar(&ada, &slug("work"), &settings).await.expect("made");
    assert_eq!(made.settings, settings);
    tx.commit().await.expect("a commit");

    let mut tx = bench.store.write().await.expect("a transaction");
    assert!(matches!(tx.create_calendar(&ada, &slug("work"), &settings).await, Err(CalendarError::Exists)));
    settings.description = Some("what I do".into());
    tx.set_calendar(&access, &settings).await.expect("changed");
    assert!(matches!(tx.rename_calendar(&access, &slug("tasks")).await, Err(CalendarError::Exists)));
    tx.rename_calendar(&access, &slug("office")).await.expect("renamed");
    tx.commit().await.expect("a commit");

    let office = calendar(bench, &ada, "office").await;
    assert_eq!(office.calendar(), access.calendar());
    let mut tx = bench.store.write().await.expect("a transaction");
    let before = tx.calendar_by_id(&ada, office.calendar(), Right::Own).await.expect("found").1;
    tx.hold([&office, &office]).await.expect("held");
    let (_, seen) = tx.calendar_by_id(&ada, office.calendar(), Right::Own).await.expect("found");
    assert_eq!(seen, before, "holding changes nothing");
    assert!(seen.seq > made.seq && seen.settings == settings);
    assert_eq!(tx.delete_calendar(&office, &cause()).await.expect("deleted"), 0);
    tx.commit().await.expect("a commit");
    let mut tx = bench.store.read().await.expect("a transaction");
    let gone = tx.calendar_for(&ada, &ada.name, &slug("office"), Right::Read).await;
    assert!(matches!(gone, Err(CalendarError::NotFound)));
}

async fn nothing_of_another_is_found(bench: &Bench) {
    let ada = ada(bench).await;
    let bob = caller(&bench.user("default", "bob", Role::Manager).await);
    let eve = caller(&bench.user("elsewhere", "eve", Role::Manager).await);
    let access = calendar(bench, &ada, "calendar").await;
    put(bench, &access, "a.ics", &event("a", "20261121T090000Z", "A"), &Guard::NONE).await.expect("put");
    let mut tx = bench.store.read().await.expect("a transaction");
    let id = tx.object_head(&access, &name("a.ics")).await.expect("a query").expect("there").id;
    for stranger in [&bob, &eve] {
        for right in [Right::Read, Right::Write] {
            let seen = tx.calendar_for(stranger, &ada.name, &slug("calendar"), right).await;
            assert!(matches!(seen, Err(CalendarError::NotFound)));
            let seen = tx.calendar_by_id(stranger, access.calendar(), right).await;
            assert!(matches!(seen, Err(CalendarError::NotFound)));
        }
        assert!(tx.object_by_id(stranger, &id, Right::Read).await.expect("a query").is_none());
        assert!(tx.history(stranger, &id, i64::MAX, 10).await.expect("a query").is_empty());
        assert!(tx.version(stranger, &id, 1).await.expect("a query").is_none());
        let page = Page { limit: 10, offset: 0 };
        assert_eq!(tx.appointments(stranger, &AppointmentFilter::default(), page).await.expect("a query").1, 0);
    }
    let user = tx.user(&ada.firm, &ada.user).await.expect("a query").expect("there");
    assert!(tx.busy_calendars(&eve, &user).await.expect("a query").is_empty());
    assert_eq!(tx.busy_calendars(&bob, &user).await.expect("a query").len(), 2);
    let client = User { role: Role::Client, ..user };
    assert!(tx.busy_calendars(&bob, &client).await.expect("a query").is_empty(), "a client's time is their own");
    assert_eq!(tx.busy_calendars(&ada, &client).await.expect("a query").len(), 2);

    let reader = Caller { most: Right::Read, ..ada.clone() };
    let refused = tx.calendar_for(&reader, &ada.name, &slug("calendar"), Right::Write).await;
    assert!(matches!(refused, Err(CalendarError::Forbidden(Right::Write))));
    let (read_access, _) = tx.calendar_for(&reader, &ada.name, &slug("calendar"), Right::Read).await.expect("readable");
    drop(tx);
    let refused = put(bench, &read_access, "b.ics", &event("b", "20261121T090000Z", "B"), &Guard::NONE).await;
    assert!(matches!(refused, Err(PutError::Forbidden(Right::Write))));
}

async fn properties_are_kept_per_user(bench: &Bench) {
    let ada = ada(bench).await;
    let bob = caller(&bench.user("default", "bob", Role::Staff).await);
    let key = PropertyKey { namespace: "urn:x".into(), name: "p".into() };
    let property = StoredProperty { key: key.clone(), xml: "<p xmlns=\"urn:x\">1</p>".into() };
    let mut tx = bench.store.write().await.expect("a transaction");
    assert!(tx.set_property(&ada, "r", &property).await.expect("set"));
    let changed = StoredProperty { xml: "<p xmlns=\"urn:x\">2</p>".into(), ..property.clone() };
    assert!(tx.set_property(&ada, "r", &changed).await.expect("set"));
    tx.copy_properties(&ada.user, &ada.firm, "r", "s").await.expect("copied");
    tx.commit().await.expect("a commit");
    let mut tx = bench.store.write().await.expect("a transaction");
    assert_eq!(tx.properties(&ada, "r").await.expect("a query"), std::slice::from_ref(&changed));
    assert_eq!(tx.properties(&ada, "s").await.expect("a query"), [changed]);
    assert!(tx.properties(&bob, "r").await.expect("a query").is_empty());
    tx.remove_property(&ada, "r", &key).await.expect("removed");
    tx.remove_property(&ada, "r", &key).await.expect("removing nothing is fine");
    assert!(tx.properties(&ada, "r").await.expect("a query").is_empty());
    for n in 0..200 {
        let key = PropertyKey { namespace: "urn:x".into(), name: format!("p{n}") };
        assert!(tx.set_property(&ada, "r", &StoredProperty { key, xml: String::new() }).await.expect("set"));
    }
    assert!(!tx.set_property(&ada, "r", &property).await.expect("one too many"));
}

async fn an_object_is_put_read_replaced_and_deleted(bench: &Bench) {
    let ada = ada(bench).await;
    let access = calendar(bench, &ada, "calendar").await;
    let first = event("a", "20261121T090000Z", "Breakfast");
    put(bench, &access, "a.ics", &first, &Guard::NONE).await.expect("put");
    let mut tx = bench.store.read().await.expect("a transaction");
    let stored = tx.object(&access, &name("a.ics")).await.expect("a query").expect("there");
    assert_eq!(&stored.bytes, first.bytes());
    assert_eq!((&stored.head.etag, stored.head.version, stored.head.uid.as_str()), (first.etag(), 1, "a"));
    let names = [name("a.ics"), name("b.ics")];
    let found = tx.bodies_named(&access, &names, usize::MAX).await.expect("a query").expect("few bytes");
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].name, &found[0].etag, &found[0].bytes), (&names[0], first.etag(), first.bytes()));
    assert_eq!(tx.bodies_named(&access, &names, 10).await.expect("a query"), None);
    let bare = tx.bare_bodies(&access, Seq(0), Seq(99), 10).await.expect("a query");
    assert_eq!((bare.len(), bare[0].seq, &bare[0].id), (1, stored.head.seq, &stored.head.id));
    assert_eq!(&bare[0].bytes, first.bytes());
    assert_eq!(tx.heads(&access, Seq(0), Seq(99), 10).await.expect("a query")[0], stored.head);
    let named = tx.heads_named(&access, &[name("a.ics"), name("b.ics")]).await.expect("a query");
    assert_eq!(named, std::slice::from_ref(&stored.head));
    assert_eq!(stored.head.bytes_len, i64::try_from(first.bytes().len()).expect("small"));
    assert_eq!(tx.bodies(&access, Seq(0), Seq(99), 10).await.expect("a query")[0].bytes, stored.bytes);
    let size = i64::try_from(first.bytes().len()).expect("small");
    assert_eq!(tx.calendar_size(&access).await.expect("a query"), (1, size));
    let by_id = tx.object_by_id(&ada, &stored.head.id, Right::Write).await.expect("a query").expect("there");
    assert_eq!(by_id.1, stored);
    drop(tx);

    bench.clock.advance_ms(1_000);
    let second = event("a", "20261121T100000Z", "Brunch");
    put(bench, &access, "a.ics", &second, &Guard::exactly(first.etag().clone())).await.expect("replaced");
    let mut tx = bench.store.read().await.expect("a transaction");
    let head = tx.object_head(&access, &name("a.ics")).await.expect("a query").expect("there");
    assert_eq!((head.version, head.created, head.changed), (2, START, START.plus_ms(1_000)));
    assert!(head.seq > stored.head.seq && head.id == stored.head.id);
    drop(tx);

    let mut tx = bench.store.write().await.expect("a transaction");
    let same = tx.put_object(&access, &name("a.ics"), &second, &Guard::NONE, &cause()).await.expect("put");
    assert!(!same.changed && !same.created && same.version == 2);
    tx.commit().await.expect("a commit");
    let mut tx = bench.store.read().await.expect("a transaction");
    assert!(tx.changes(&access, head.seq, 10).await.expect("changes").up_to == head.seq, "nobody has to look again");
    drop(tx);

    delete(bench, &access, "a.ics").await;
    let mut tx = bench.store.read().await.expect("a transaction");
    assert!(tx.object(&access, &name("a.ics")).await.expect("a query").is_none());
    let history = tx.history(&ada, &head.id, i64::MAX, 10).await.expect("a query");
    let kinds: Vec<_> = history.iter().map(|v| (v.number, v.kind, v.current)).collect();
    assert_eq!(
        kinds,
        [(3, ChangeKind::Deleted, false), (2, ChangeKind::Updated, false), (1, ChangeKind::Created, false)]
    );
    assert_eq!(history[0].cause, cause());
    assert_eq!(
        tx.version(&ada, &head.id, 1).await.expect("a query").expect("there").bytes,
        Some(first.bytes().clone())
    );
    let (deleted, total) = tx.deleted(&ada, ComponentKind::Event, 10, 0).await.expect("a query");
    assert_eq!((deleted[0].1.as_deref(), total), (second.index().summary.as_deref(), 1));
    assert_eq!(tx.deleted(&ada, ComponentKind::Todo, 10, 0).await.expect("a query").1, 0);
    assert_eq!(bench.store.doctor().await.expect("a report").finding_count, 0);
}

async fn a_guard_that_does_not_hold_changes_nothing(bench: &Bench) {
    let ada = ada(bench).await;
    let access = calendar(bench, &ada, "calendar").await;
    let (first, second) = (event("a", "20261121T090000Z", "A"), event("a", "20261121T100000Z", "B"));
    let missing = put(bench, &access, "a.ics", &first, &Guard::exactly(ETag::new("x"))).await;
    assert!(matches!(missing, Err(PutError::GuardFailed)));
    put(bench, &access, "a.ics", &first, &Guard::absent()).await.expect("put");
    for guard in [Guard::absent(), Guard::exactly(second.etag().clone())] {
        let refused = put(bench, &access, "a.ics", &second, &guard).await;
        assert!(matches!(refused, Err(PutError::GuardFailed)));
    }
    let mut tx = bench.store.write().await.expect("a transaction");
    let stale = Guard::exactly(second.etag().clone());
    let refused = tx.delete_object(&access, &name("a.ics"), &stale, &cause()).await;
    assert!(matches!(refused, Err(PutError::GuardFailed)));
    let refused = tx.delete_object(&access, &name("b.ics"), &Guard::NONE, &cause()).await;
    assert!(matches!(refused, Err(PutError::NotFound)));
    drop(tx);
    let mut tx = bench.store.read().await.expect("a transaction");
    assert_eq!(tx.object(&access, &name("a.ics")).await.expect("a query").expect("there").head.version, 1);
}

async fn one_uid_lives_once_in_a_calendar(bench: &Bench) {
    let ada = ada(bench).await;
    let access = calendar(bench, &ada, "calendar").await;
    put(bench, &access, "a.ics", &event("a", "20261121T090000Z", "A"), &Guard::NONE).await.expect("put");
    let twice = put(bench, &access, "b.ics", &event("a", "20261121T090000Z", "A2"), &Guard::NONE).await;
    assert!(matches!(twice, Err(PutError::UidConflict { name: at }) if at == name("a.ics")));
    let changed = put(bench, &access, "a.ics", &event("b", "20261121T090000Z", "B"), &Guard::NONE).await;
    assert!(matches!(changed, Err(PutError::UidConflict { name: at }) if at == name("a.ics")));
    assert_eq!(names(bench, &access).await, ["a.ics"]);
}

async fn a_calendar_takes_only_its_components(bench: &Bench) {
    let ada = ada(bench).await;
    let access = calendar(bench, &ada, "calendar").await;
    let refused = put(bench, &access, "t.ics", &todo("t"), &Guard::NONE).await;
    assert!(matches!(refused, Err(PutError::ComponentNotTaken("VTODO"))));
    let tasks = calendar(bench, &ada, "tasks").await;
    put(bench, &tasks, "t.ics", &todo("t"), &Guard::NONE).await.expect("put");
}

async fn of_sixteen_writers_with_one_etag_one_wins(bench: &Bench) {
    let ada = ada(bench).await;
    let access = calendar(bench, &ada, "calendar").await;
    let first = event("a", "20261121T090000Z", "first");
    put(bench, &access, "a.ics", &first, &Guard::NONE).await.expect("put");
    let writers = (0..16).map(|n| {
        let (store, access, guard) = (bench.store.clone(), access.clone(), Guard::exactly(first.etag().clone()));
        tokio::spawn(async move {
            let object = event("a", "20261121T090000Z", &format!("writer {n}"));
            let mut tx = store.write().await.expect("a transaction");
            match tx.put_object(&access, &name("a.ics"), &object, &guard, &cause()).await {
                Ok(_) => {
                    tx.commit().await.expect("a commit");
                    Some(object.bytes().clone())
                }
                Err(PutError::GuardFailed) => None,
                Err(other) => panic!("{other}"),
            }
        })
    });
    let mut won = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        won.extend(writer.await.expect("no panic"));
    }
    assert_eq!(won.len(), 1);
    let mut tx = bench.store.read().await.expect("a transaction");
    let stored = tx.object(&access, &name("a.ics")).await.expect("a query").expect("there");
    assert_eq!((stored.bytes, stored.head.version), (won[0].clone(), 2));
}

async fn writers_of_one_calendar_get_every_seq_once(bench: &Bench) {
    let ada = ada(bench).await;
    let access = calendar(bench, &ada, "calendar").await;
    let writers = (0..32).map(|n| {
        let (store, access) = (bench.store.clone(), access.clone());
        tokio::spawn(async move {
            let object = event(&format!("u{n}"), "20261121T090000Z", "x");
            let mut tx = store.write().await.expect("a transaction");
            let at = name(&format!("{n}.ics"));
            let done = tx.put_object(&access, &at, &object, &Guard::absent(), &cause()).await.expect("put");
            tx.commit().await.expect("a commit");
            done.seq.0
        })
    });
    let mut seqs = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        seqs.push(writer.await.expect("no panic"));
    }
    seqs.sort_unstable();
    assert_eq!(seqs, (2..34).collect::<Vec<_>>());
    assert_eq!(bench.store.doctor().await.expect("a report").finding_count, 0);
}

async fn changes_come_in_pages_that_miss_nothing(bench: &Bench) {
    let ada = ada(bench).await;
    let access = calendar(bench, &ada, "calendar").await;
    for n in 0..5 {
        let object = event(&format!("u{n}"), "20261121T090000Z", "x");
        put(bench, &access, &format!("{n}.ics"), &object, &Guard::NONE).await.expect("put");
    }
    let mut tx = bench.store.read().await.expect("a transaction");
    let all = tx.changes(&access, Seq(0), 100).await.expect("changes");
    assert_eq!((all.entries.len(), all.more), (5, false));
    let exact = tx.changes(&access, Seq(0), 5).await.expect("changes");
    assert_eq!((exact.entries.len(), exact.more, exact.up_to), (5, false, all.up_to));
    let part = tx.changes(&access, Seq(0), 2).await.expect("changes");
    assert!(part.more && part.up_to < all.up_to);
    let rest = tx.changes(&access, part.up_to, 100).await.expect("changes");
    assert_eq!((rest.entries.len(), rest.up_to), (3, all.up_to));
    assert!(tx.changes(&access, all.up_to, 100).await.expect("changes").entries.is_empty());
    drop(tx);

    delete(bench, &access, "1.ics").await;
    put(bench, &access, "2.ics", &event("u2", "20261121T090000Z", "new"), &Guard::NONE).await.expect("put");
    let mut tx = bench.store.read().await.expect("a transaction");
    let later = tx.changes(&access, all.up_to, 100).await.expect("changes");
    let seen: Vec<_> = later.entries.iter().map(|e| (e.name.as_str(), e.etag.is_some())).collect();
    assert_eq!(seen, [("1.ics", false), ("2.ics", true)]);
    let first = tx.changes(&access, Seq(0), 100).await.expect("changes");
    assert!(first.entries.iter().all(|e| e.etag.is_some()), "a first sync lists nothing that is gone");
}

async fn a_deleted_uid_comes_back_with_its_past(bench: &Bench) {
    let ada = ada(bench).await;
    let access = calendar(bench, &ada, "calendar").await;
    let facts = Facts { client_id: Some("c1".into()), ..Facts::default() };
    let object = event("a", "20261121T090000Z", "A");
    let mut tx = bench.store.write().await.expect("a transaction");
    let writing = Writing { facts: Some(&facts), ..Writing::default() };
    tx.write_object(&access, &name("a.ics"), &object, &Guard::NONE, &cause(), writing).await.expect("put");
    tx.commit().await.expect("a commit");
    let id = delete(bench, &access, "a.ics").await;
    put(bench, &access, "other.ics", &object, &Guard::absent()).await.expect("put again");
    let mut tx = bench.store.read().await.expect("a transaction");
    let head = tx.object_head(&access, &name("other.ics")).await.expect("a query").expect("there");
    assert_eq!((head.id, head.version, head.facts), (id.clone(), 3, facts));
    assert_eq!(tx.history(&ada, &id, i64::MAX, 10).await.expect("a query").len(), 3);
    assert_eq!(tx.deleted(&ada, ComponentKind::Event, 10, 0).await.expect("a query").1, 0);
    let changes = tx.changes(&access, Seq(1), 10).await.expect("changes");
    assert_eq!(changes.entries.len(), 2, "the old name is gone, the new one is there");
    assert_eq!(bench.store.doctor().await.expect("a report").finding_count, 0);
}

async fn a_move_keeps_the_history(bench: &Bench) {
    let ada = ada(bench).await;
    let from = calendar(bench, &ada, "calendar").await;
    let mut tx = bench.store.write().await.expect("a transaction");
    let settings = CalendarSettings::named("Other", ComponentSet::EVENTS);
    let (to, _) = tx.create_calendar(&ada, &slug("other"), &settings).await.expect("made");
    let object = event("a", "20261121T090000Z", "A");
    let first = tx.put_object(&from, &name("a.ics"), &object, &Guard::NONE, &cause()).await.expect("put");
    tx.commit().await.expect("a commit");

    let mut tx = bench.store.write().await.expect("a transaction");
    let (source, target) = ((&from, &name("a.ics")), (&to, &name("b.ics")));
    let moved = tx.move_object(source, target, &Guard::NONE, Overwrite::No, &cause()).await.expect("moved");
    assert!(moved.created && moved.id == first.id && moved.version == 2);
    tx.commit().await.expect("a commit");
    let mut tx = bench.store.read().await.expect("a transaction");
    let left = tx.changes(&from, first.seq, 10).await.expect("changes");
    assert_eq!((left.entries.len(), left.entries[0].etag.clone()), (1, None));
    assert_eq!(tx.changes(&to, Seq(1), 10).await.expect("changes").entries.len(), 1);
    assert_eq!(tx.history(&ada, &first.id, i64::MAX, 10).await.expect("a query").len(), 2);
    drop(tx);

    // Put before delete, as some clients move: the UID in the old calendar is another object now.
    put(bench, &from, "a.ics", &object, &Guard::absent()).await.expect("put");
    let mut tx = bench.store.write().await.expect("a transaction");
    let renamed = (&to, &name("c.ics"));
    tx.move_object((&to, &name("b.ics")), renamed, &Guard::NONE, Overwrite::No, &cause()).await.expect("renamed");
    tx.commit().await.expect("a commit");
    assert_eq!(names(bench, &to).await, ["c.ics"]);
    assert_eq!(bench.store.doctor().await.expect("a report").findings, []);
}

async fn a_move_minds_what_is_there(bench: &Bench) {
    let ada = ada(bench).await;
    let access = calendar(bench, &ada, "calendar").await;
    let tasks = calendar(bench, &ada, "tasks").await;
    for uid in ["a", "b"] {
        let at = format!("{uid}.ics");
        put(bench, &access, &at, &event(uid, "20261121T090000Z", "x"), &Guard::NONE).await.expect("put");
    }
    let (a, b) = (name("a.ics"), name("b.ics"));
    let mut tx = bench.store.write().await.expect("a transaction");
    let refused = tx.move_object((&access, &a), (&access, &b), &Guard::NONE, Overwrite::No, &cause()).await;
    assert!(matches!(refused, Err(TransferError::DestinationExists)));
    let refused = tx.move_object((&access, &a), (&tasks, &a), &Guard::NONE, Overwrite::Yes, &cause()).await;
    assert!(matches!(refused, Err(TransferError::Put(PutError::ComponentNotTaken(_)))));
    let refused = tx.move_object((&access, &a), (&access, &a), &Guard::NONE, Overwrite::Yes, &cause()).await;
    assert!(refused.is_err());
    drop(tx);
    let mut tx = bench.store.write().await.expect("a transaction");
    let done =
        tx.move_object((&access, &a), (&access, &b), &Guard::NONE, Overwrite::Yes, &cause()).await.expect("moved");
    assert!(!done.created);
    tx.commit().await.expect("a commit");
    assert_eq!(names(bench, &access).await, ["b.ics"]);
    let mut tx = bench.store.read().await.expect("a transaction");
    assert_eq!(
        tx.deleted(&ada, ComponentKind::Event, 10, 0).await.expect("a query").1,
        1,
        "what was overwritten can be restored"
    );
    assert_eq!(bench.store.doctor().await.expect("a report").findings, []);
}

async fn a_version_is_put_back(bench: &Bench) {
    let ada = ada(bench).await;
    let access = calendar(bench, &ada, "calendar").await;
    let (first, second) = (event("a", "20261121T090000Z", "A"), event("a", "20261121T100000Z", "B"));
    put(bench, &access, "a.ics", &first, &Guard::NONE).await.expect("put");
    put(bench, &access, "a.ics", &second, &Guard::NONE).await.expect("put");
    let mut tx = bench.store.write().await.expect("a transaction");
    let id = tx.object_head(&access, &name("a.ics")).await.expect("a query").expect("there").id;
    let old = tx.version(&ada, &id, 1).await.expect("a query").expect("there");
    let object = CalendarObject::from_stored(old.bytes.expect("bytes")).expect("an object");
    let writing = Writing { facts: Some(&old.facts), restoring: Some(&id), origin: None };
    tx.write_object(&access, &name("a.ics"), &object, &Guard::NONE, &cause(), writing).await.expect("put");
    tx.commit().await.expect("a commit");
    let mut tx = bench.store.read().await.expect("a transaction");
    assert_eq!(&tx.object(&access, &name("a.ics")).await.expect("a query").expect("there").bytes, first.bytes());
    let history = tx.history(&ada, &id, i64::MAX, 1).await.expect("a query");
    assert_eq!((history[0].number, history[0].kind, history[0].current), (3, ChangeKind::Restored, true));
}

async fn a_deleted_calendar_leaves_its_objects_restorable(bench: &Bench) {
    let ada = ada(bench).await;
    let mut tx = bench.store.write().await.expect("a transaction");
    let settings = CalendarSettings::named("Short-lived", ComponentSet::EVENTS);
    let (doomed, _) = tx.create_calendar(&ada, &slug("doomed"), &settings).await.expect("made");
    let object = event("a", "20261121T090000Z", "A");
    let put = tx.put_object(&doomed, &name("a.ics"), &object, &Guard::NONE, &cause()).await.expect("put");
    tx.commit().await.expect("a commit");
    let mut tx = bench.store.write().await.expect("a transaction");
    assert_eq!(tx.delete_calendar(&doomed, &cause()).await.expect("deleted"), 1);
    tx.commit().await.expect("a commit");

    let home = calendar(bench, &ada, "calendar").await;
    let mut tx = bench.store.write().await.expect("a transaction");
    let (deleted, total) = tx.deleted(&ada, ComponentKind::Event, 10, 0).await.expect("a query");
    let (version, title) = &deleted[0];
    assert_eq!((total, &version.object, version.number, title.as_deref()), (1, &put.id, 2, Some("A")));
    let writing = Writing { facts: None, restoring: Some(&put.id), origin: None };
    let back =
        tx.write_object(&home, &name("a.ics"), &object, &Guard::absent(), &cause(), writing).await.expect("restored");
    assert_eq!((back.id, back.version), (put.id, 3));
    tx.commit().await.expect("a commit");
    assert_eq!(bench.store.doctor().await.expect("a report").findings, []);
}

async fn candidates_are_found_by_time(bench: &Bench) {
    let ada = ada(bench).await;
    let access = calendar(bench, &ada, "calendar").await;
    for (uid, start) in [("early", "20261101T090000Z"), ("mid", "20261115T090000Z"), ("late", "20261201T090000Z")] {
        put(bench, &access, uid, &event(uid, start, "x"), &Guard::NONE).await.expect("put");
    }
    let endless = Bytes::from(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Test//EN\r\nBEGIN:VEVENT\r\nUID:endless\r\n\
         DTSTAMP:20261101T000000Z\r\nDTSTART:19900101T090000Z\r\nRRULE:FREQ=DAILY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
    );
    let endless = CalendarObject::parse(endless).expect("a legal object");
    put(bench, &access, "endless", &endless, &Guard::NONE).await.expect("put");
    let mut tx = bench.store.read().await.expect("a transaction");
    let day = |d: &str| -> Instant { d.parse::<jiff::Timestamp>().expect("a time").into() };
    let range = (day("2026-11-10T00:00:00Z"), day("2026-11-20T00:00:00Z"));
    let found = tx.candidates(&access, ComponentKind::Event, range, None, 10).await.expect("a query");
    let (more, found) = (found.more, found.found);
    assert!(!more);
    let seen: Vec<_> = found.iter().map(|c| (c.name.as_str(), c.recurring)).collect();
    assert_eq!(seen, [("endless", true), ("mid", false)]);
    assert_eq!(found[0].span.expect("a span").ends, None);
    let first = tx.candidates(&access, ComponentKind::Event, range, None, 1).await.expect("a query");
    assert_eq!(first, Candidates { found: found[..1].to_vec(), more: true });
    let rest = tx.candidates(&access, ComponentKind::Event, range, Some(&name("endless")), 10).await.expect("a query");
    assert_eq!(rest, Candidates { found: found[1..].to_vec(), more: false });
    let calendar = access.calendar().clone();
    assert_eq!(tx.busy_objects(&ada, &calendar, range, 10).await.expect("a query").len(), 2);
}

async fn appointments_are_listed_by_facts_and_text(bench: &Bench) {
    let ada = ada(bench).await;
    let access = calendar(bench, &ada, "calendar").await;
    let mut tx = bench.store.write().await.expect("a transaction");
    for (uid, client, title) in [("a", "c1", "Yoga 100%"), ("b", "c2", "Assessment"), ("c", "c1", "Ünïcode")] {
        let facts = Facts { client_id: Some(client.into()), ..Facts::default() };
        let object = event(uid, "20261121T090000Z", title);
        let writing = Writing { facts: Some(&facts), ..Writing::default() };
        tx.write_object(&access, &name(uid), &object, &Guard::NONE, &cause(), writing).await.expect("put");
    }
    tx.commit().await.expect("a commit");
    let mut tx = bench.store.read().await.expect("a transaction");
    let page = Page { limit: 2, offset: 0 };
    let (rows, total) = tx.appointments(&ada, &AppointmentFilter::default(), page).await.expect("a query");
    assert_eq!((rows.len(), total), (2, 3));
    let filters = [
        (AppointmentFilter { client_id: Some("c1".into()), ..AppointmentFilter::default() }, 2),
        (AppointmentFilter { text: Some("YOGA 100%".into()), ..AppointmentFilter::default() }, 1),
        (AppointmentFilter { text: Some("10_%".into()), ..AppointmentFilter::default() }, 0),
        (AppointmentFilter { text: Some("ünï".into()), ..AppointmentFilter::default() }, 1),
        (AppointmentFilter { status: Some("CONFIRMED".into()), ..AppointmentFilter::default() }, 3),
        (AppointmentFilter { origin: Some("local".into()), ..AppointmentFilter::default() }, 3),
        (AppointmentFilter { from: Some(START.plus_ms(DAY_MS)), ..AppointmentFilter::default() }, 0),
        (AppointmentFilter { to: Some(START.plus_ms(-DAY_MS)), ..AppointmentFilter::default() }, 0),
        (AppointmentFilter { calendar: Some(access.calendar().clone()), ..AppointmentFilter::default() }, 3),
        (AppointmentFilter { project_id: Some("p".into()), ..AppointmentFilter::default() }, 0),
    ];
    for (filter, expected) in filters {
        assert_eq!(tx.appointments(&ada, &filter, page).await.expect("a query").1, expected, "{filter:?}");
    }
}

async fn feeds_open_rotate_and_end(bench: &Bench) {
    let user = bench.user("default", "ada", Role::Staff).await;
    let of = (&user.firm, &user.id);
    let settings = FeedSettings { privacy: FeedPrivacy::BusyOnly, ..FeedSettings::default() };
    let mut new = NewFeed { label: "public".into(), settings, expires_ms: None };
    let mut tx = bench.store.write().await.expect("a transaction");
    let id = tx.new_feed_id();
    assert!(tx.add_feed(of, &id, &new, b"one", b"sealed").await.expect("added"));
    tx.touch_feed(&user.firm, &id, "Agent/1", 3).await.expect("touched");
    tx.commit().await.expect("a commit");
    let open = |hash: &'static [u8]| async move {
        let mut tx = bench.store.read().await.expect("a transaction");
        tx.feed_by_hash(hash).await.expect("a query")
    };
    let grant = open(b"one").await.expect("open");
    assert_eq!((grant.owner.id.clone(), grant.feed.settings.privacy), (user.id.clone(), FeedPrivacy::BusyOnly));
    assert_eq!((grant.feed.last_fetched, grant.feed.fetch_count), (Some((START, "Agent/1".into())), 3));

    let mut tx = bench.store.write().await.expect("a transaction");
    assert!(tx.rotate_feed(of, &id, b"two", b"sealed2").await.expect("rotated"));
    new.expires_ms = Some(START.plus_ms(DAY_MS).ms());
    assert!(tx.set_feed(of, &id, &new).await.expect("changed"));
    tx.commit().await.expect("a commit");
    assert!(open(b"one").await.is_none() && open(b"two").await.is_some());
    bench.clock.advance_ms(DAY_MS);
    assert!(open(b"two").await.is_none(), "expired");

    let mut tx = bench.store.write().await.expect("a transaction");
    new.expires_ms = None;
    tx.set_feed(of, &id, &new).await.expect("changed");
    assert!(tx.revoke_feed(of, &id).await.expect("revoked"));
    assert!(!tx.rotate_feed(of, &id, b"three", b"s").await.expect("a revoked feed stays revoked"));
    tx.commit().await.expect("a commit");
    assert!(open(b"two").await.is_none());
    let mut tx = bench.store.read().await.expect("a transaction");
    assert_eq!(tx.feeds(&user.firm, &user.id).await.expect("a query").len(), 1);
    assert!(tx.feed(&user.firm, &user.id, &id).await.expect("a query").expect("there").revoked.is_some());
}

async fn an_answer_is_remembered_under_its_key(bench: &Bench) {
    let ada = ada(bench).await;
    let mut tx = bench.store.write().await.expect("a transaction");
    assert!(tx.remember(&ada, "k", b"hash", 201, "{}").await.expect("kept"));
    assert!(!tx.remember(&ada, "k", b"other", 201, "{}").await.expect("taken"));
    tx.commit().await.expect("a commit");
    let recall = || async {
        let mut tx = bench.store.read().await.expect("a transaction");
        tx.remembered(&ada, "k").await.expect("a query")
    };
    assert_eq!(recall().await.expect("kept").status, 201);
    bench.clock.advance_ms(DAY_MS + 1);
    assert!(recall().await.is_none());
}

async fn audit_events_are_chained(bench: &Bench) {
    let ada = ada(bench).await;
    for action in ["one", "two", "three"] {
        let mut tx = bench.store.write().await.expect("a transaction");
        let act = NewAudit { actor: "ada".into(), action: action.into(), ..NewAudit::default() };
        tx.audit(&ada.firm, &act).await.expect("recorded");
        tx.commit().await.expect("a commit");
    }
    let mut tx = bench.store.read().await.expect("a transaction");
    let events = tx.audit_events(&ada.firm, 1, 10).await.expect("a query");
    assert_eq!(events.iter().map(|e| e.number).collect::<Vec<_>>(), [2, 3]);
    let report = bench.store.doctor().await.expect("a report");
    assert_eq!((report.finding_count, report.audit_events), (0, 3));
}

async fn a_tampered_trail_shows(bench: &Bench) {
    let ada = ada(bench).await;
    // Many at once: each finds its place behind the one before.
    let writers = (0..24).map(|n| {
        let (store, firm) = (bench.store.clone(), ada.firm.clone());
        tokio::spawn(async move {
            let mut tx = store.write().await.expect("a transaction");
            let act = NewAudit { actor: format!("writer {n}"), action: "act".into(), ..NewAudit::default() };
            tx.audit(&firm, &act).await.expect("recorded");
            tx.commit().await.expect("a commit");
        })
    });
    for writer in writers {
        writer.await.expect("no panic");
    }
    let findings = async || {
        let report = bench.store.doctor().await.expect("a report");
        report.findings.into_iter().map(|f| (f.check, f.place)).collect::<Vec<_>>()
    };
    assert_eq!(findings().await, []);
    let set_actor = |to: &str| format!("update audit_events set actor = {to} where number = 7");
    let copy = "insert into audit_events select firm_id, number + 1, 'x', at_ms, actor, action, target, details, \
         correlation_id, address, chain from audit_events where number = 24";
    for (harm, place, mend) in [
        (set_actor("actor || '!'"), 7, set_actor("replace(actor, '!', '')")),
        (copy.to_owned(), 25, "delete from audit_events where number = 25".to_owned()),
        ("delete from audit_events where number = 24".to_owned(), 24, String::new()),
        ("delete from audit_events where number = 3".to_owned(), 4, String::new()),
    ] {
        execute(bench, &harm).await;
        assert_eq!(findings().await, [("audit_chain", format!("{}/{place}", ada.firm))], "{harm}");
        if !mend.is_empty() {
            execute(bench, &mend).await;
        }
    }
    // Whoever goes on does not heal it.
    let mut tx = bench.store.write().await.expect("a transaction");
    tx.audit(&ada.firm, &NewAudit::default()).await.expect("recorded");
    tx.commit().await.expect("a commit");
    assert_eq!(findings().await.len(), 1);
}

async fn a_dropped_transaction_never_happened(bench: &Bench) {
    let ada = ada(bench).await;
    let access = calendar(bench, &ada, "calendar").await;
    let writers = (0..20).map(|n| {
        let (store, access) = (bench.store.clone(), access.clone());
        tokio::spawn(async move {
            let object = event(&format!("u{n}"), "20261121T090000Z", "x");
            let mut tx = store.write().await.expect("a transaction");
            let at = name(&format!("{n}.ics"));
            tx.put_object(&access, &at, &object, &Guard::NONE, &cause()).await.expect("put");
            if n % 2 == 0 {
                tx.commit().await.expect("a commit");
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("no panic");
    }
    // A writer that gives up while it waits in line must not hold the others up.
    let held = bench.store.write().await.expect("a transaction");
    let store = bench.store.clone();
    let waiting = tokio::spawn(async move { store.write().await.map(|_| ()) });
    tokio::task::yield_now().await;
    waiting.abort();
    let _ = waiting.await;
    drop(held);
    let kept = names(bench, &access).await;
    assert_eq!(kept.len(), 10);
    assert!(kept.iter().all(|n| n.trim_end_matches(".ics").parse::<u32>().is_ok_and(|n| n % 2 == 0)));
}

/// Does something behind the store's back.
async fn execute(bench: &Bench, sql: &str) {
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    match &bench.database {
        Database::Sqlite(path) => {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
            let mut connection = options.connect().await.expect("the database");
            connection.execute(sql).await.expect("done");
        }
        Database::Postgres(url) => {
            let mut connection = sqlx::PgConnection::connect(url).await.expect("the database");
            connection.execute(sql).await.expect("done");
        }
    }
}

async fn an_index_that_is_stale_is_made_anew(bench: &Bench) {
    let ada = ada(bench).await;
    let access = calendar(bench, &ada, "calendar").await;
    for n in 0..450 {
        let object = event(&format!("u{n}"), "20261121T090000Z", "x");
        put(bench, &access, &format!("{n}.ics"), &object, &Guard::NONE).await.expect("put");
    }
    let mut tx = bench.store.read().await.expect("a transaction");
    let seq = tx.changes(&access, Seq(0), 1_000).await.expect("changes").up_to;
    drop(tx);
    // As if the rules of a zone had been others when they were stored.
    execute(
        bench,
        "update objects set starts_ms = starts_ms - 3600000, status = 'CANCELLED' where uid in ('u7', 'u440')",
    )
    .await;
    let report = bench.store.doctor().await.expect("a report");
    assert_eq!(report.finding_count, 4, "{:?}", report.findings);
    let mut told = Vec::new();
    let done = bench.store.reindex(|done| told.push(done.objects)).await.expect("indexed");
    assert_eq!((done.objects, done.changed), (450, 2));
    assert_eq!(told, [200, 400, 450]);
    assert_eq!(bench.store.doctor().await.expect("a report").findings, []);
    assert_eq!(bench.store.reindex(|_| {}).await.expect("indexed").changed, 0);
    let mut tx = bench.store.read().await.expect("a transaction");
    assert!(tx.changes(&access, seq, 10).await.expect("changes").entries.is_empty(), "nobody who syncs looks again");
}

async fn a_backup_restores_into_an_empty_store(bench: &Bench) {
    let ada = ada(bench).await;
    let access = calendar(bench, &ada, "calendar").await;
    let object = event("a", "20261121T090000Z", "A");
    put(bench, &access, "a.ics", &object, &Guard::NONE).await.expect("put");
    put(bench, &access, "a.ics", &event("a", "20261121T090000Z", "B"), &Guard::NONE).await.expect("put");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("backup.db");
    assert!(bench.store.backup(&file).await.expect("a backup") > 4);
    assert!(matches!(bench.store.backup(&file).await, Err(BackupError::Exists(_))));
    assert!(matches!(bench.store.restore(&file, &bench.keys).await, Err(BackupError::NotEmpty)));

    let foreign = KeyRing::parse(&"33".repeat(32)).expect("a key");
    let target = support::sqlite().await;
    assert!(target.store.restore(&file, &foreign).await.is_err(), "sealed with another key");
    let mut fresh = vec![target];
    fresh.extend(support::postgres().await);
    for target in fresh {
        target.store.restore(&file, &bench.keys).await.expect("restored");
        let again = target.reopen().await;
        assert_ne!(again.epoch(), bench.store.epoch(), "a restored store has another epoch");
        assert_eq!(again.hash("x", "y"), bench.store.hash("x", "y"), "secrets still open");
        let access = calendar(&target, &ada, "calendar").await;
        assert_eq!(names(&target, &access).await, ["a.ics"]);
        let report = again.doctor().await.expect("a report");
        assert_eq!((report.finding_count, report.objects, report.versions), (0, 1, 1));
        let broken = folder.path().join("broken.db");
        std::fs::write(&broken, b"SQLite format 3\0 but no more").expect("written");
        assert!(matches!(target.store.restore(&broken, &bench.keys).await, Err(BackupError::NotSound(..))));
    }
}

async fn sealed_secrets_are_sealed_anew(bench: &Bench) {
    let user = bench.user("default", "ada", Role::Staff).await;
    let new = NewFeed { label: "f".into(), settings: FeedSettings::default(), expires_ms: None };
    let mut tx = bench.store.write().await.expect("a transaction");
    let id = tx.new_feed_id();
    tx.add_feed((&user.firm, &user.id), &id, &new, b"h", b"old").await.expect("added");
    assert_eq!(tx.sealed_feed_secrets("", 10).await.expect("a query"), [(id.clone(), b"old".to_vec())]);
    assert!(tx.reseal_feed_secret(&id, b"old", b"new").await.expect("sealed anew"));
    assert!(!tx.reseal_feed_secret(&id, b"old", b"newer").await.expect("rotated meanwhile"));
    assert!(tx.sealed_feed_secrets(id.as_str(), 10).await.expect("a query").is_empty());
}

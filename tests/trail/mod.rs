//! What is done to an audit trail behind the store's back, by somebody who has the whole database but no key.

use kalends::crypto::{Chance, KEY_BYTES, KeyRing, Place};
use kalends::domain::access::Right;
use kalends::domain::ids::{FirmId, Slug};
use kalends::domain::sync::{Direction, LinkPolicy, Provider, RemoteCalendarId};
use kalends::store::{Database, LinkSettings, NewAudit, NewConnection, NewLink, Store};
use sha2::{Digest, Sha256};

use crate::support::stores::{Bench, START};
use crate::{ada, execute};

async fn record(store: &Store, firm: &FirmId, actions: &[&str]) {
    for action in actions {
        let mut tx = store.write().await.expect("a transaction");
        let act = NewAudit { actor: "ada".into(), action: (*action).to_owned(), ..NewAudit::default() };
        tx.audit(firm, &act).await.expect("recorded");
        tx.commit().await.expect("a commit");
    }
}

async fn findings(store: &Store) -> Vec<(&'static str, String)> {
    let report = store.doctor().await.expect("a report");
    report.findings.into_iter().map(|f| (f.check, f.place)).collect()
}

fn at(place: impl ToString) -> Vec<(&'static str, String)> {
    vec![("audit_chain", place.to_string())]
}

fn literal(bench: &Bench, bytes: &[u8]) -> String {
    match bench.database {
        Database::Sqlite(_) => format!("x'{}'", hex::encode(bytes)),
        Database::Postgres(_) => format!("'\\x{}'::bytea", hex::encode(bytes)),
    }
}

/// What a program without the key can compute: a chain of plain hashes, as they were before schema 7.
fn plain_links(actions: &[&str]) -> Vec<Vec<u8>> {
    let mut chain = Vec::new();
    let link = |(n, action): (usize, &&str)| {
        let (number, at) = ((n + 1).to_string(), START.ms().to_string());
        let mut hash = Sha256::new();
        hash.update(&chain);
        for field in [number.as_str(), &format!("id-{n}"), &at, "ada", action, "", "{}", "", ""] {
            hash.update((field.len() as u64).to_be_bytes());
            hash.update(field.as_bytes());
        }
        chain = hash.finalize().to_vec();
        chain.clone()
    };
    actions.iter().enumerate().map(link).collect()
}

/// A trail made of nothing but what the database holds.
async fn write_plain(bench: &Bench, firm: &FirmId, actions: &[&str]) {
    execute(bench, &format!("delete from audit_events where firm_id = '{firm}'")).await;
    let links = plain_links(actions);
    for (n, (action, link)) in actions.iter().zip(&links).enumerate() {
        let (number, at, link) = (n + 1, START.ms(), literal(bench, link));
        execute(
            bench,
            &format!(
                "insert into audit_events (firm_id, number, audit_id, at_ms, actor, action, target, details, \
                 correlation_id, address, chain) values ('{firm}', {number}, 'id-{n}', {at}, 'ada', '{action}', '', \
                 '{{}}', '', '', {link})"
            ),
        )
        .await;
    }
    let (count, last) = (links.len(), literal(bench, links.last().expect("one")));
    execute(bench, &format!("update audit_heads set number = {count}, chain = {last} where firm_id = '{firm}'")).await;
}

/// As a program from before schema 7 left its database.
async fn make_old(bench: &Bench, firm: &FirmId, actions: &[&str]) {
    write_plain(bench, firm, actions).await;
    execute(bench, "update audit_heads set keyed_from = null, seal = null").await;
    execute(bench, "delete from audit_heads where number = 0").await;
    let place = Place { table: "store_meta", row: "hash_key", column: "value" };
    let sealed = bench.keys.seal(place, &[9; KEY_BYTES], &Chance::seeded(3));
    let sealed = literal(bench, &sealed);
    execute(bench, &format!("update store_meta set value = {sealed} where name = 'hash_key'")).await;
}

pub async fn a_trail_is_not_forged_by_who_has_the_database(bench: &Bench) {
    let firm = ada(bench).await.firm;
    let other = bench.user("other", "olga", kalends::domain::access::Role::Manager).await.firm;
    record(&bench.store, &other, &["only"]).await;
    let keep = async |what: &str| {
        execute(bench, &format!("drop table if exists kept_{what}")).await;
        execute(bench, &format!("create table kept_{what} as select * from {what}")).await;
    };
    let bring_back = async || {
        for what in ["audit_events", "audit_heads"] {
            execute(bench, &format!("delete from {what}")).await;
            execute(bench, &format!("insert into {what} select * from kept_{what}")).await;
        }
        assert_eq!(findings(&bench.store).await, []);
    };
    record(&bench.store, &firm, &["one", "two", "three", "four"]).await;
    assert_eq!(findings(&bench.store).await, []);
    keep("audit_events").await;
    keep("audit_heads").await;
    let back = "update audit_heads set number = 2, chain = (select e.chain from audit_events e where \
         e.firm_id = audit_heads.firm_id and e.number = 2) where number = 4";
    let cut = format!("delete from audit_events where firm_id = '{firm}' and number > 2");
    let moved = format!(
        "update audit_heads set number = (select number from kept_audit_heads where firm_id = '{other}'), \
         chain = (select chain from kept_audit_heads where firm_id = '{other}'), \
         seal = (select seal from kept_audit_heads where firm_id = '{other}') where firm_id = '{firm}'"
    );
    let all = format!("delete from audit_events where firm_id = '{firm}'");
    let outside = "insert into audit_events select firm_id, 0, 'x', at_ms, actor, action, target, details, correlation_id, \
         address, chain from audit_events where number = 4";
    for (what, harm, place) in [
        ("the tail is cut off and the head set back", vec![cut.as_str(), back], firm.to_string()),
        ("all of it is gone, head and all", vec![&all, "delete from audit_heads where number = 4"], firm.to_string()),
        ("all of it is gone", vec![&all], format!("{firm}/1")),
        ("the end is another firm's", vec![&all, &moved], firm.to_string()),
        ("a row in front of the first", vec![outside], firm.to_string()),
        ("it begins keyed later", vec!["update audit_heads set keyed_from = 5 where number = 4"], firm.to_string()),
    ] {
        for sql in harm {
            execute(bench, sql).await;
        }
        assert_eq!(findings(&bench.store).await, at(&place), "{what}");
        // Neither the next start nor the next event heals it.
        assert_eq!(findings(&bench.reopen().await).await, at(&place), "{what}");
        record(&bench.store, &firm, &["next", "and next"]).await;
        assert_eq!(findings(&bench.store).await.len(), 1, "{what}, and somebody went on");
        bring_back().await;
    }
    write_plain(bench, &firm, &["forged", "forged"]).await;
    assert_eq!(findings(&bench.store).await, at(&firm), "a chain made anew without the key");
    bring_back().await;
    let of_nobody = "insert into audit_events select 'nobody', number, audit_id, at_ms, actor, action, target, details, \
         correlation_id, address, chain from audit_events where number = 4";
    execute(bench, of_nobody).await;
    assert_eq!(findings(&bench.store).await, at("nobody"), "a trail whose firm is gone");
}

pub async fn a_trail_of_plain_hashes_is_sealed_once(bench: &Bench) {
    let firm = ada(bench).await.firm;
    let silent = bench.user("silent", "olga", kalends::domain::access::Role::Manager).await.firm;
    make_old(bench, &firm, &["one", "two", "three"]).await;
    // Two nodes start at once.
    let (store, again) = tokio::join!(bench.reopen(), bench.reopen());
    assert_eq!(findings(&store).await, []);
    assert_eq!(store.hash("x", "y"), again.hash("x", "y"));
    record(&again, &firm, &["four"]).await;
    record(&store, &silent, &["one"]).await;
    let report = store.doctor().await.expect("a report");
    let ends: Vec<_> = report.audit_trails.iter().map(|t| (t.firm_id.clone(), t.events)).collect();
    assert_eq!((report.finding_count, ends), (0, vec![(firm.to_string(), 4), (silent.to_string(), 1)]));
    // An event from before is held by the seal as well.
    execute(bench, "update audit_events set target = 'other' where number = 2 and action = 'two'").await;
    assert_eq!(findings(&store).await, at(format!("{firm}/2")));
    execute(bench, "update audit_events set target = '' where number = 2 and action = 'two'").await;
    assert_eq!(findings(&store).await, []);
    // Nobody has a trail of their own making sealed at the next start.
    write_plain(bench, &firm, &["forged"]).await;
    execute(bench, "update audit_heads set keyed_from = null, seal = null").await;
    assert!(findings(&bench.reopen().await).await.contains(&("audit_chain", firm.to_string())));
}

pub async fn a_trail_that_was_broken_before_stays_broken(bench: &Bench) {
    let firm = ada(bench).await.firm;
    make_old(bench, &firm, &["one", "two", "three"]).await;
    execute(bench, "update audit_events set actor = 'eve' where number = 2").await;
    assert_eq!(findings(&bench.reopen().await).await, at(format!("{firm}/2")));
}

pub async fn a_trail_outlives_the_keys(bench: &Bench) {
    let firm = ada(bench).await.firm;
    record(&bench.store, &firm, &["one"]).await;
    let (new, both) = ("22".repeat(32), format!("{},{}", "22".repeat(32), "11".repeat(32)));
    let parse = |keys: &str| KeyRing::parse(keys).expect("keys");
    let open = async |keys: &KeyRing| {
        let chance = std::sync::Arc::new(Chance::seeded(9));
        Store::open(&bench.database, keys, bench.clock.clone(), chance).await
    };
    let turning = open(&parse(&both)).await.expect("it opens");
    // While one node still has the old key, both write.
    record(&turning, &firm, &["two"]).await;
    assert!(turning.reseal_hash_key(&parse(&both)).await.expect("sealed anew"));
    record(&bench.store, &firm, &["three"]).await;
    record(&turning, &firm, &["four"]).await;
    let turned = open(&parse(&new)).await.expect("the new key alone opens it");
    let report = turned.doctor().await.expect("a report");
    assert_eq!((report.finding_count, report.audit_events), (0, 4));
    assert!(open(&bench.keys).await.is_err(), "the old key opens nothing any more");
}

/// A firm that went with its trail, its end and its own row leaves what it had.
pub async fn what_is_left_of_a_firm_shows(bench: &Bench) {
    let eve = bench.user("second", "eve", kalends::domain::access::Role::Staff).await;
    record(&bench.store, &eve.firm, &["a"]).await;
    assert_eq!(findings(&bench.store).await, []);
    let firm = &eve.firm;
    let mut all =
        "delete from audit_events where firm_id = 'F'; delete from audit_heads where firm_id = 'F'; ".to_owned();
    match bench.database {
        Database::Sqlite(_) => all.insert_str(0, "pragma foreign_keys = off; "),
        Database::Postgres(_) => all.push_str("alter table users drop constraint users_firm_id_fkey; "),
    }
    all.push_str("delete from firms where firm_id = 'F'");
    execute(bench, &all.replace('F', firm.as_str())).await;
    let report = bench.store.doctor().await.expect("a report");
    let found: Vec<_> = report.findings.iter().map(|f| (f.check, f.place.as_str(), f.what.as_str())).collect();
    let of = |n: i64| format!("its firm does not exist ({n} of {firm})");
    let (users, calendars) = (of(1), of(2));
    assert_eq!(
        found,
        [("orphan_of_firm", "users", users.as_str()), ("orphan_of_firm", "calendars", calendars.as_str())]
    );
}

/// What syncing knows without what it belongs to.
pub async fn what_is_left_of_links_shows(bench: &Bench) {
    let ada = ada(bench).await;
    let (firm, user) = (&ada.firm, &ada.user);
    let account = NewConnection {
        provider: Provider::Google,
        account: "ada@example.org".into(),
        label: "Work".into(),
        scopes: String::new(),
        token_expires: None,
    };
    let mut tx = bench.store.write().await.expect("a transaction");
    let connection = tx.connect((firm, user), &account).await.expect("a query").expect("a connection");
    let (access, _) = {
        let slug = Slug::parse("calendar").expect("a slug");
        tx.calendar_for(&ada, &ada.name, &slug, Right::Own).await.expect("hers")
    };
    let new = NewLink {
        connection,
        calendar: access.calendar().clone(),
        remote: RemoteCalendarId("there".into()),
        remote_name: "There".into(),
        zone: "UTC".into(),
        settings: LinkSettings { direction: Direction::Both, interval_ms: 900_000, policy: LinkPolicy::default() },
    };
    let link = tx.add_link((firm, user), &new).await.expect("a query").expect("a link");
    tx.commit().await.expect("a commit");
    let waits = "insert into outbox (firm_id, link_id, object_id, queued_ms, not_before_ms, tries, by_user) \
                 values ('F', 'L', 'x', 0, 0, 0, 0)";
    execute(bench, &waits.replace('F', firm.as_str()).replace('L', link.as_str())).await;
    assert_eq!(findings(&bench.store).await, []);
    let connections = match bench.database {
        Database::Sqlite(_) => "pragma foreign_keys = off; delete from connections",
        Database::Postgres(_) => {
            "alter table links drop constraint links_firm_id_connection_id_fkey; delete from connections"
        }
    };
    execute(bench, connections).await;
    assert_eq!(findings(&bench.store).await, [("orphan_link", link.to_string())]);
    execute(bench, "delete from links").await;
    assert_eq!(findings(&bench.store).await, [("orphan_of_link", "outbox".to_owned())]);
}

/// A number that is none, and a hash key that somebody took away.
pub async fn what_is_unreadable_or_lost_is_a_finding(bench: &Bench) {
    let ada = ada(bench).await;
    record(&bench.store, &ada.firm, &["a", "b"]).await;
    if matches!(bench.database, Database::Sqlite(_)) {
        execute(bench, "update audit_events set number = 1.5 where number = 1").await;
        let report = bench.store.doctor().await.expect("a report");
        let [found] = report.findings.as_slice() else { panic!("{:?}", report.findings) };
        assert_eq!((found.check, found.place.clone()), ("audit_chain", format!("audit_events of {}", ada.firm)));
        assert!(found.what.contains("unreadable"), "{found:?}");
        execute(bench, "update audit_events set number = 1 where number = 1.5").await;
    }
    assert_eq!(findings(&bench.store).await, []);
    execute(bench, "delete from store_meta where name = 'hash_key'").await;
    let again = bench.reopen().await;
    let found = findings(&again).await;
    assert_eq!(found.first(), Some(&("hash_key", "store_meta".to_owned())), "{found:?}");
}

//! Convergence: programs of four profiles and writers of the API work on one calendar at once, while answers get lost,
//! the server restarts and tokens expire. At rest every replica is what the server has, nothing is lost, nothing doubled.
//!
//! `KALENDS_CONVERGENCE=N` runs N sequences on each database instead of a few hundred; `KALENDS_CONVERGENCE_SEED` says
//! where they begin. A sequence is a seed; what its tasks do is fixed by it, in which order they come is not.

mod api;
mod client;
mod dice;
mod ledger;
mod node;
#[expect(dead_code, reason = "the stores' suite uses the rest")]
#[path = "../support/stores.rs"]
mod stores;
mod wire;

use std::sync::Arc;

use api::Writer;
use client::{Client, PROFILES};
use dice::Dice;
use ledger::Ledger;
use node::{Faults, Node};
use stores::Bench;

/// Sequences on SQLite and on PostgreSQL, which takes some times as long, unless the environment says otherwise.
const SEQUENCES_SQLITE: u64 = 420;
const SEQUENCES_POSTGRES: u64 = 100;
/// Sequences that share a store; each has a calendar of its own in it.
const SEQUENCES_PER_STORE: u64 = 64;

/// One sequence on a calendar of its own.
async fn sequence(node: &Arc<Node>, seed: u64) {
    let mut dice = Dice::of(seed);
    let slug = format!("c{seed}");
    let path = format!("/dav/calendars/ada/{slug}/");
    let made = node.ask(&mut dice, Faults::NONE, "MKCALENDAR", &path, &[], String::new()).await.expect("an answer");
    assert_eq!(made.status, 201, "{}", made.body);
    let ledger = Arc::new(Ledger::default());

    let mut clients: Vec<Client> = Vec::new();
    for number in 0..dice.between(2, 5) {
        let profile = PROFILES[dice.below(PROFILES.len())];
        clients.push(Client::new(profile, format!("{seed}-{number}"), path.clone(), ledger.clone()));
    }
    let mut writers: Vec<Writer> = Vec::new();
    for number in 0..dice.between(0, 2) {
        writers.push(Writer::new(format!("{seed}-api{number}"), slug.clone(), ledger.clone()));
    }
    let steps = dice.between(3, 12);

    let mut working = tokio::task::JoinSet::new();
    for (number, mut client) in clients.drain(..).enumerate() {
        let (node, mut dice) = (node.clone(), Dice::of(seed ^ (number as u64 + 1) << 40));
        working.spawn(async move {
            for _ in 0..steps {
                client.step(&node, &mut dice).await;
            }
            Some(client)
        });
    }
    for (number, mut writer) in writers.drain(..).enumerate() {
        let (node, mut dice) = (node.clone(), Dice::of(seed ^ (number as u64 + 1) << 50));
        working.spawn(async move {
            for _ in 0..steps {
                writer.step(&node, &mut dice).await;
            }
            writer.settle(&node, &mut dice).await;
            None
        });
    }
    if dice.one_in(4) {
        tokio::task::yield_now().await;
        node.restart().await;
    }
    while let Some(done) = working.join_next().await {
        clients.extend(done.unwrap_or_else(|error| panic!("sequence {seed}: {error}")));
    }

    // Faults stop. Everybody sends what waits and reads what others sent, until nobody has anything to send.
    let mut rounds = 0;
    loop {
        let mut sent = false;
        for client in &mut clients {
            sent |= client.sync(node, &mut dice, Faults::NONE).await;
        }
        rounds += 1;
        assert!(rounds < 20, "sequence {seed} comes to no rest");
        if !sent {
            break;
        }
    }
    for client in &mut clients {
        client.sync(node, &mut dice, Faults::NONE).await;
    }
    let truth = node.everything(&path).await;
    for client in &clients {
        assert_eq!(client.replica(), truth, "sequence {seed}: {} has something else than the server", client.name());
    }
    ledger.judge(seed, &truth);
    let gone = node.ask(&mut dice, Faults::NONE, "DELETE", &path, &[], String::new()).await.expect("an answer");
    assert_eq!(gone.status, 204, "{}", gone.body);
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

async fn sequences(count: u64, fresh: impl AsyncFn() -> Option<Bench>) {
    // What goes wrong inside is told beside the failure.
    let _ = tracing_subscriber::fmt().with_max_level(tracing::Level::ERROR).with_test_writer().try_init();
    let first = setting("KALENDS_CONVERGENCE_SEED").unwrap_or(1);
    let count = setting("KALENDS_CONVERGENCE").unwrap_or(count);
    let mut done = 0;
    while done < count {
        let Some(bench) = fresh().await else { return };
        let node = Arc::new(Node::on(bench).await);
        for _ in 0..SEQUENCES_PER_STORE.min(count - done) {
            sequence(&node, first + done).await;
            done += 1;
        }
        if setting("KALENDS_CONVERGENCE").is_some() && done % (SEQUENCES_PER_STORE * 16) == 0 {
            println!("{done} of {count}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite() {
    sequences(SEQUENCES_SQLITE, async || Some(stores::sqlite().await)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres() {
    sequences(SEQUENCES_POSTGRES, stores::postgres).await;
}

//! Many write at once and one of them wins.

use std::sync::Arc;

use crate::server::{CALENDAR, Server, event};
use crate::support;
use crate::support::stores::Bench;

async fn of_sixteen_with_one_tag_one_wins(bench: Bench) {
    let server = Arc::new(Server::on(bench).await);
    let tag = server.put_event("a", "before").await;
    let writers: Vec<_> = (0..16)
        .map(|n| {
            let (server, tag) = (server.clone(), tag.clone());
            tokio::spawn(async move {
                let path = format!("{CALENDAR}a.ics");
                let reply = server.ask("ada", "PUT", &path, &[("if-match", &tag)], event("a", &n.to_string())).await;
                (n, reply.status)
            })
        })
        .collect();
    let mut winners = Vec::new();
    for writer in writers {
        match writer.await.unwrap() {
            (n, 204) => winners.push(n),
            (_, status) => assert_eq!(status, 412),
        }
    }
    assert_eq!(winners.len(), 1);
    let got = server.ask("ada", "GET", &format!("{CALENDAR}a.ics"), &[], "").await;
    assert_eq!(got.body, event("a", &winners[0].to_string()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite() {
    of_sixteen_with_one_tag_one_wins(support::stores::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres() {
    if let Some(bench) = support::stores::postgres().await {
        of_sixteen_with_one_tag_one_wins(bench).await;
    }
}

//! The JSON API, asked as its users ask it: through the router, on both databases.

#[expect(dead_code, reason = "the stores' suite uses the rest")]
#[path = "../support/mod.rs"]
mod support;

mod house;

/// Runs tests of a module on SQLite and on PostgreSQL.
macro_rules! on_both {
    ($($name:ident)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::house::House::on(crate::support::sqlite().await).await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(bench) = crate::support::postgres().await {
                    super::$name(crate::house::House::on(bench).await).await;
                }
            })*
        }
    };
}

mod account;
mod admin;
mod appointments;
mod availability;
mod calendars;
mod document;
mod errors;
mod feeds;
mod history;
mod isolation;
mod series;
mod sync;

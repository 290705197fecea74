//! What the test programs share. Each uses a part of it.
#![allow(unused_imports, unused_macros, reason = "every test program uses another part")]

pub mod stores;

pub use stores::{Bench, postgres, sqlite};

/// Runs a suite twice: each of these functions is given a store on SQLite, and one on PostgreSQL.
macro_rules! on_both {
    ($($name:ident)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(&super::support::sqlite().await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(bench) = super::support::postgres().await {
                    super::$name(&bench).await;
                }
            })*
        }
    };
}
pub(crate) use on_both;

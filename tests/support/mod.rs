//! What the test programs share. Each uses a part of it.
#![expect(unused_imports, dead_code, reason = "every test program uses another part")]

pub mod stores;
pub mod talk;

pub use stores::{Bench, postgres, sqlite};
pub use talk::{Reply, Talk};

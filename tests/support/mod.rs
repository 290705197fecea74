//! What the test programs share. Each uses a part of it.
#![expect(unused_imports, reason = "every test program uses another part")]

pub mod stores;

pub use stores::{Bench, postgres, sqlite};

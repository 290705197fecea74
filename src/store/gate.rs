//! A gate that whoever works has to pass at every step: it can hold them, let them go on, or leave them standing there
//! for good. The simulation stops an engine so at every place where stopping tells; no other store has one.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Where somebody passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing {
    /// Before a transaction that reads.
    Read,
    /// Before a transaction that writes; the writer's turn has not come yet.
    Write,
    /// Before a commit, with the transaction open.
    Commit,
    /// Before a request goes out.
    Request,
    /// After a request was carried out, before its answer is heard.
    Answer,
}

#[derive(Debug, Default)]
struct State {
    passed: u64,
    closed_at: Option<u64>,
    held: Option<Passing>,
}

/// The gate.
#[derive(Debug, Default)]
pub struct Gate {
    state: Mutex<State>,
    arrived: Notify,
    opened: Notify,
}

impl Gate {
    /// Counts from 0 again; the one who passes at this count is held. `None`: nobody is.
    pub fn close_at(&self, count: Option<u64>) {
        *self.state() = State { passed: 0, closed_at: count, held: None };
    }

    /// How many have passed since [`Gate::close_at`].
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.state().passed
    }

    /// Passes, or is held. Whoever is held and then dropped was stopped right there.
    pub async fn pass(&self, at: Passing) {
        {
            let mut state = self.state();
            state.passed += 1;
            if state.closed_at != Some(state.passed) {
                return;
            }
            state.held = Some(at);
        }
        self.arrived.notify_one();
        self.opened.notified().await;
    }

    /// Resolves when somebody is held.
    pub async fn held(&self) -> Passing {
        loop {
            if let Some(at) = self.state().held {
                return at;
            }
            self.arrived.notified().await;
        }
    }

    /// Lets the one who is held go on, and is closed again at this count, which is counted on.
    pub fn open(&self, then: Option<u64>) {
        {
            let mut state = self.state();
            (state.held, state.closed_at) = (None, then);
        }
        self.opened.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

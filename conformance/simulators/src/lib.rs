//! Calendar providers as HTTP servers with faults: what tests and the demo connect to instead of an account.
//!
//! A provider is a deterministic state machine: no clock, no randomness but its seed, no I/O. The time is an argument.
//! The same machine answers real HTTP ([`google::serve`]) and an in-process simulation.
//!
//! ```
//! use kalends_simulators::google::{Google, Outcome, Role};
//!
//! let mut google = Google::new(7);
//! google.add_account("ada@example.com", "Europe/Berlin"); // has a primary calendar of the same id
//! google.add_calendar("ada@example.com", "work@group.calendar.google.com", "Work", Role::Owner, "America/New_York");
//! google.add_client("client", "secret", &["https://kalends.example.com/oauth/callback"]);
//! let tokens = google.grant(0, "ada@example.com", "client", &["calendar.events", "calendar.calendarlist.readonly"]);
//!
//! let request = http::Request::get("/calendar/v3/calendars/primary/events?maxResults=2500&showDeleted=true")
//!     .header("authorization", format!("Bearer {}", tokens.access_token))
//!     .body(bytes::Bytes::new())
//!     .unwrap();
//! let Outcome::Answer(response) = google.handle(1_800_000_000_000, &request) else { panic!() };
//! assert_eq!(response.status(), 200);
//! ```

pub mod google;

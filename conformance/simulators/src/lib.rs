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
//!
//! Faults, people, and what is looked at afterwards:
//!
//! ```
//! # use kalends_simulators::google::{Call, Fault, Google, Rule};
//! # let mut google = Google::new(7);
//! # let (now_ms, calendar) = (0, "work@group.calendar.google.com");
//! google.faults().push(Rule::new(Fault::LoseResponse).at(Call::EventsInsert).after(1));
//! google.faults().push(Rule::new(Fault::FullSyncRequired).on("pageToken=").always());
//! google.faults().randomly(11, 50, vec![Fault::Backend { status: 503 }, Fault::SkipItem]); // 5 % of all requests
//! google.faults().clear();
//! let event = serde_json::json!({ "start": { "date": "2027-01-01" }, "end": { "date": "2027-01-02" } });
//! let written = google.human(now_ms, calendar).create(&event);
//! google.expire_sync_tokens(calendar);
//! google.occurrences(calendar, 0, i64::MAX / 2); // what is there, expanded
//! google.seen(); // every request, with headers and body
//! google.mails(); // what would have been mailed
//! google.deliveries(now_ms); // notifications to be POSTed
//! ```
//!
//! Microsoft's is used the same way:
//!
//! ```
//! use kalends_simulators::microsoft::{Access, Call, Fault, Microsoft, Rule};
//!
//! let mut microsoft = Microsoft::new(7);
//! microsoft.add_account("ada@example.com", "Europe/Berlin"); // a work account; the zone is the mailbox's
//! microsoft.add_calendar("ada@example.com", "AAMkADwork=", "Work", Access::Own);
//! microsoft.add_client("client", Some("secret"), &["http://localhost"]);
//! let tokens = microsoft.grant(0, "ada@example.com", "client", &["offline_access", "Calendars.ReadWrite"]);
//! microsoft.settings_mut().conflict_status = 409;
//! microsoft.settings_mut().answer_ms = 20; // answers take a while, so that a fifth request at once is refused
//! microsoft.faults().push(Rule::new(Fault::Throttled { retry_after_s: Some(2) }).at(Call::EventsCreate));
//! # let _ = tokens;
//! ```
//!
//! Over HTTP: [`serve::Server::start`], or `cargo run -p kalends-simulators -- google|microsoft|both`.

mod answer;
mod chance;
pub mod faults;
pub mod google;
mod html;
pub mod microsoft;
pub mod outcome;
mod post;
mod query;
pub mod serve;
mod token;

//! Kalends: one canonical store of appointments with three faces — a CalDAV server, ICS feeds and upstream
//! connectors. The order of the modules is the order to read them in; `ARCHITECTURE.md` has the map.
#![forbid(unsafe_code)]

pub mod ics;
pub mod xml;

pub mod domain;

pub mod crypto;
pub mod store;

pub mod upstream;

pub mod sync;

pub mod auth;

pub mod dav;
pub mod feed;

pub mod api;
pub mod web;

pub mod config;
pub mod telemetry;

pub mod app;
pub mod cli;

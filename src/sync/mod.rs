//! The sync engine: what two sides made of their appointments since they last agreed, and what is to be done about it.
//!
//! Job: decide purely, act thinly. Neighbours: [`crate::domain::sync`] has the words, [`crate::store`] keeps the state,
//! [`crate::upstream`] speaks to providers. It must never know a face, a request or a provider's wire format, and what
//! decides here must never know the store, the network, the clock or chance: they are arguments.
//!
//! | module | what it decides |
//! | --- | --- |
//! | [`retry`] | when a call that failed is made again |
//! | [`listing`] | when everything is listed again |
//! | [`budget`] | how fast a provider may be asked, and when it is left alone |
//! | [`project`] | what a link shows of an appointment, and what may come back |
//! | [`contact`] | nothing: it puts a client's contact under notes and takes it off again |
//! | [`merge`] | what an appointment says that both sides changed |
//! | [`guard`] | whether a run may remove as much as it would |
//! | [`decide`] | what is to be done about one mapping |
//! | [`mark`] | which events are our own |
//! | [`conflict`] | what a person's decision asks of the merge |
//! | [`engine`] | nothing: it asks, writes and sends what the others decide |
//! | [`figures`] | nothing: it counts what this node did |
//! | [`scheduler`] | which link is next |
//! | [`desk`] | nothing: it carries people's orders to the engine and its answers back |

pub mod budget;
pub mod conflict;
pub mod contact;
pub mod decide;
pub mod desk;
pub mod engine;
pub mod figures;
pub mod guard;
pub mod listing;
pub mod mark;
pub mod merge;
pub mod project;
pub mod retry;
pub mod scheduler;

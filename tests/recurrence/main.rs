//! Recurrence, judged by others: the examples of RFC 5545, a thousand cases of an independent oracle, and a second engine.

mod busy;
mod expansion;
mod oracle;
mod rfc5545;
mod support;
mod timerange;

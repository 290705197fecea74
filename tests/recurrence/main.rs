//! Recurrence, judged by others: the examples of RFC 5545, a thousand cases of an independent oracle, and a second engine.

mod busy;
mod differential;
mod expansion;
mod oracle;
mod rfc5545;
mod robust;
mod support;
mod timerange;

//! Calendar providers as HTTP servers with faults: what tests and the demo connect to instead of an account.

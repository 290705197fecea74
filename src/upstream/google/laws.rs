//! The laws of the translation.

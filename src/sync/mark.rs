//! Our mark on what we send: it says which object an event stands for, signed, so that a copy that comes back through
//! another link is known for what it is and a forged one is not.

use crate::crypto;
use crate::domain::ids::ObjectId;
use crate::store::Store;

const VERSION: &str = "kalends1";
const PURPOSE: &str = "origin mark";
/// Hexadecimal digits of the signature: 128 bits.
const SIGNATURE_DIGITS: usize = 32;

/// The mark for an object.
#[must_use]
pub fn of(store: &Store, object: &ObjectId) -> String {
    format!("{VERSION}:{object}:{}", signature(store, object.as_str()))
}

/// The object that a mark of ours names; `None` for anybody else's.
#[must_use]
pub fn verified(store: &Store, mark: &str) -> Option<ObjectId> {
    let mut parts = mark.split(':');
    let (version, object, signed) = (parts.next()?, parts.next()?, parts.next()?);
    let ours = version == VERSION && parts.next().is_none();
    (ours && crypto::same(signature(store, object).as_bytes(), signed.as_bytes())).then(|| ObjectId::from_text(object))
}

fn signature(store: &Store, object: &str) -> String {
    let mut digits = hex::encode(store.hash(PURPOSE, object));
    digits.truncate(SIGNATURE_DIGITS);
    digits
}

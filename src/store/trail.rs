//! What holds an audit trail together, and whether it still does. Pure: it is given rows and the key.
//!
//! | | what it is made of | what shows |
//! | --- | --- | --- |
//! | link | keyed hash: the firm, the link before, the event's fields | an event changed, removed, inserted, moved |
//! | head | number and link of the last event, under a keyed hash | the last events, or all of them, taken away |
//!
//! The key is the store's hash key, which lies sealed in the database and opens with the encryption key only. Sealing it
//! anew with another encryption key (`rotate-key`) changes no link. Events from before schema 7 have plain hashes;
//! `keyed_from` says where those end, and lies under the head's seal too.

use sha2::{Digest, Sha256};

use super::audit::{AuditEvent, NewAudit};
use crate::crypto::{HashKey, same};
use crate::domain::ids::{AuditId, FirmId};
use crate::domain::time::Instant;

/// Where a trail ends, as it was noted with its last event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The last event's number, which is how many there are; 0: none.
    pub(super) number: i64,
    /// The last event's link.
    pub(super) chain: Vec<u8>,
    /// The first event whose link is keyed.
    pub(super) keyed_from: i64,
    /// The keyed hash over all of that.
    pub(super) seal: Vec<u8>,
}

impl Head {
    /// With its seal.
    pub(super) fn sealed(key: &HashKey, firm: &FirmId, number: i64, chain: Vec<u8>, keyed_from: i64) -> Head {
        let mut head = Head { number, chain, keyed_from, seal: Vec::new() };
        head.seal = head.seal_for(key, firm);
        head
    }

    fn seal_for(&self, key: &HashKey, firm: &FirmId) -> Vec<u8> {
        let (number, from) = (self.number.to_be_bytes(), self.keyed_from.to_be_bytes());
        key.hash_of("audit_head", &[firm.as_str().as_bytes(), &number, &from, &self.chain]).to_vec()
    }

    /// Whether we noted it.
    pub(super) fn is_sealed(&self, key: &HashKey, firm: &FirmId) -> bool {
        same(&self.seal, &self.seal_for(key, firm))
    }
}

/// An event's link to the one before it.
pub(super) fn keyed_link(key: &HashKey, firm: &FirmId, previous: &[u8], event: &AuditEvent) -> Vec<u8> {
    let (number, at) = (event.number.to_be_bytes(), event.at.ms().to_be_bytes());
    let mut parts: Vec<&[u8]> = vec![firm.as_str().as_bytes(), previous, &number, event.id.as_str().as_bytes(), &at];
    parts.extend(fields(&event.act).map(str::as_bytes));
    key.hash_of("audit_event", &parts).to_vec()
}

/// What stands before the first event after a head that is not ours: it fits nowhere.
pub(super) fn torn(key: &HashKey, firm: &FirmId) -> Vec<u8> {
    key.hash_of("audit_torn", &[firm.as_str().as_bytes()]).to_vec()
}

fn fields(act: &NewAudit) -> [&str; 6] {
    [&act.actor, &act.action, &act.target, &act.details, &act.correlation_id, &act.address]
}

/// The link of events from before schema 7.
fn plain_link(previous: &[u8], event: &AuditEvent) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(previous);
    let (number, at) = (event.number.to_string(), event.at.ms().to_string());
    for field in [number.as_str(), event.id.as_str(), &at].into_iter().chain(fields(&event.act)) {
        // The length in front keeps two neighbouring fields from passing for others.
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field.as_bytes());
    }
    hash.finalize().to_vec()
}

/// A trail that is followed from its beginning.
pub(super) struct Trail<'a> {
    key: &'a HashKey,
    firm: &'a FirmId,
    head: &'a Head,
    /// The last event that was looked at.
    pub(super) last: AuditEvent,
}

impl<'a> Trail<'a> {
    /// Before the first event.
    pub(super) fn begin(key: &'a HashKey, firm: &'a FirmId, head: &'a Head) -> Trail<'a> {
        let nothing = AuditEvent {
            number: 0,
            id: AuditId::from_text(""),
            at: Instant::from_ms(0),
            act: NewAudit::default(),
            chain: Vec::new(),
        };
        Trail { key, firm, head, last: nothing }
    }

    /// Goes on with the next events; the number of the first one that does not fit.
    pub(super) fn follow(&mut self, events: Vec<AuditEvent>) -> Option<i64> {
        for event in events {
            let expected = match event.number < self.head.keyed_from {
                true => plain_link(&self.last.chain, &event),
                false => keyed_link(self.key, self.firm, &self.last.chain, &event),
            };
            if event.number != self.last.number + 1 || !same(&event.chain, &expected) {
                return Some(event.number);
            }
            self.last = event;
        }
        None
    }

    /// What is wrong with where it ends, once there are no more events.
    pub(super) fn broken_end(&self) -> Option<&'static str> {
        if self.head.number == self.last.number && same(&self.head.chain, &self.last.chain) {
            return None;
        }
        Some(match self.head.number > self.last.number {
            true => "the last of the audit events are gone",
            false => "the chain of audit events does not end where it was noted to",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> HashKey {
        HashKey::from_bytes(&[7; 32]).expect("32 bytes")
    }

    fn firm() -> FirmId {
        FirmId::from_text("firm")
    }

    /// A trail whose first events are from before schema 7.
    fn trail_of(actions: &[&str], plain: usize) -> (Vec<AuditEvent>, Head) {
        let (key, firm) = (key(), firm());
        let (mut events, mut chain) = (Vec::new(), Vec::new());
        for (n, action) in actions.iter().enumerate() {
            let act = NewAudit { action: (*action).to_owned(), ..NewAudit::default() };
            let number = i64::try_from(n).expect("few") + 1;
            let id = AuditId::from_text(format!("id-{action}"));
            let mut event = AuditEvent { number, id, at: Instant::from_ms(number), act, chain: Vec::new() };
            event.chain = match n < plain {
                true => plain_link(&chain, &event),
                false => keyed_link(&key, &firm, &chain, &event),
            };
            chain.clone_from(&event.chain);
            events.push(event);
        }
        let count = i64::try_from(events.len()).expect("few");
        let keyed_from = i64::try_from(plain).expect("few") + 1;
        (events, Head::sealed(&key, &firm, count, chain, keyed_from))
    }

    /// Where the trail breaks; 0: at its end.
    fn broken(events: Vec<AuditEvent>, head: &Head) -> Option<i64> {
        let (key, firm) = (key(), firm());
        assert!(head.is_sealed(&key, &firm));
        let mut trail = Trail::begin(&key, &firm, head);
        trail.follow(events).or_else(|| trail.broken_end().map(|_| 0))
    }

    #[test]
    fn a_changed_removed_or_inserted_event_shows() {
        for plain in [0, 2, 4] {
            let (whole, head) = trail_of(&["a", "b", "c", "d"], plain);
            assert_eq!(broken(whole.clone(), &head), None, "{plain}");
            let mut changed = whole.clone();
            changed[1].act.target = "other".to_owned();
            assert_eq!(broken(changed, &head), Some(2), "{plain}");
            let mut removed = whole.clone();
            removed.remove(1);
            assert_eq!(broken(removed, &head), Some(3), "{plain}");
            let mut inserted = whole.clone();
            inserted.insert(1, whole[0].clone());
            assert_eq!(broken(inserted, &head), Some(1), "{plain}");
            assert_eq!(broken(whole[..3].to_vec(), &head), Some(0), "the last one is gone");
            assert_eq!(broken(Vec::new(), &head), Some(0), "all of them are gone");
        }
    }

    #[test]
    fn who_has_no_key_cannot_write_another_trail() {
        let (key, firm) = (key(), firm());
        let (whole, head) = trail_of(&["a", "b", "c"], 0);
        // The head set back to an event before, with what the rows tell.
        let back = Head { number: 2, chain: whole[1].chain.clone(), ..head.clone() };
        assert!(head.is_sealed(&key, &firm) && !back.is_sealed(&key, &firm));
        // A trail made anew with plain hashes, passed off as one from before.
        let (plain, _) = trail_of(&["x"], 1);
        let old = Head { number: 1, chain: plain[0].chain.clone(), keyed_from: 2, seal: head.seal.clone() };
        assert!(!old.is_sealed(&key, &firm));
        // Another firm's end is no end of this one.
        assert!(!head.is_sealed(&key, &FirmId::from_text("other")));
        // Events of old whose hashes were computed anew do not end where it was noted.
        let (_, sealed) = trail_of(&["a", "b"], 2);
        let (forged, _) = trail_of(&["a", "forged"], 2);
        assert_eq!(broken(forged, &sealed), Some(0));
    }
}

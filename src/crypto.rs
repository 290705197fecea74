//! Secrets: chance, the key ring that seals what must be readable again, and the keyed hash for what must not.
//! It knows nothing of who owns a secret; the store says so with the associated data.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bytes in a key of AES-256 and of the keyed hash.
pub const KEY_BYTES: usize = 32;
/// Bytes in a generated secret: 256 bits, beyond guessing.
pub const SECRET_BYTES: usize = 32;
const KEY_ID_BYTES: usize = 4;
const NONCE_BYTES: usize = 12;

/// Where randomness comes from; an argument like the clock, so that a test can foresee it.
pub struct Chance(Mutex<StdRng>);

impl Chance {
    /// Seeded by the operating system; fit for secrets (ChaCha).
    #[must_use]
    pub fn from_os() -> Chance {
        Chance(Mutex::new(StdRng::from_os_rng()))
    }

    /// The same sequence for the same seed. For tests and the simulation only.
    #[must_use]
    pub fn seeded(seed: u64) -> Chance {
        Chance(Mutex::new(StdRng::seed_from_u64(seed)))
    }

    /// `N` random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(&mut bytes);
        bytes
    }

    /// A new secret: [`SECRET_BYTES`] random bytes as base64url.
    #[must_use]
    pub fn secret(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes::<SECRET_BYTES>())
    }
}

impl fmt::Debug for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chance")
    }
}

/// Why something sealed cannot be read, or a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// Sealed with a key that the ring does not hold.
    #[error("sealed with a key that is not configured (key id {0})")]
    UnknownKey(String),
    /// Changed, moved to another row, or not sealed by us.
    #[error("the sealed value does not belong here or was changed")]
    Broken,
    /// Not 32 bytes of base64 or hex.
    #[error("an encryption key is 32 bytes, written as 64 hex digits or base64")]
    BadKey,
}

/// Where a sealed value lives. Bound into the seal, so that a value moved to another row does not open.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The table.
    pub table: &'a str,
    /// The row's id.
    pub row: &'a str,
    /// The column.
    pub column: &'a str,
}

impl Place<'_> {
    fn aad(self) -> String {
        format!("v1|{}|{}|{}", self.table, self.row, self.column)
    }
}

struct Key {
    id: [u8; KEY_ID_BYTES],
    cipher: Aes256Gcm,
}

/// The keys that seal and open: the first seals, all open. A key's id is the beginning of its hash, so that it
/// needs no bookkeeping.
pub struct KeyRing(Vec<Key>);

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} keys)", self.0.len())
    }
}

impl KeyRing {
    /// From one or more keys separated by commas or white space, newest first.
    ///
    /// # Errors
    /// [`CryptoError::BadKey`] if there is none or one is malformed.
    pub fn parse(text: &str) -> Result<KeyRing, CryptoError> {
        let keys = text
            .split(|c: char| c == ',' || c.is_whitespace())
            .filter(|part| !part.is_empty())
            .map(|part| {
                let bytes = Zeroizing::new(decode_key(part)?);
                let cipher = Aes256Gcm::new_from_slice(&bytes).map_err(|_| CryptoError::BadKey)?;
                let mut id = [0; KEY_ID_BYTES];
                id.copy_from_slice(&Sha256::digest(&*bytes)[..KEY_ID_BYTES]);
                Ok(Key { id, cipher })
            })
            .collect::<Result<Vec<_>, CryptoError>>()?;
        if keys.is_empty() { Err(CryptoError::BadKey) } else { Ok(KeyRing(keys)) }
    }

    /// A new key in the form that [`KeyRing::parse`] reads.
    #[must_use]
    pub fn generate(chance: &Chance) -> String {
        STANDARD.encode(chance.bytes::<KEY_BYTES>())
    }

    /// Seals `plain` for one place: key id, random nonce, AES-256-GCM ciphertext with its tag.
    #[must_use]
    pub fn seal(&self, place: Place<'_>, plain: &[u8], chance: &Chance) -> Vec<u8> {
        let nonce = chance.bytes::<NONCE_BYTES>();
        let mut out = Vec::with_capacity(KEY_ID_BYTES + NONCE_BYTES + plain.len() + 16);
        if let Some(key) = self.0.first() {
            out.extend_from_slice(&key.id);
            out.extend_from_slice(&nonce);
            let aad = place.aad();
            let payload = Payload { msg: plain, aad: aad.as_bytes() };
            // AES-GCM refuses only messages beyond 64 GiB.
            out.extend(key.cipher.encrypt(&Nonce::from(nonce), payload).unwrap_or_default());
        }
        out
    }

    /// Opens what was sealed for the same place.
    ///
    /// # Errors
    /// [`CryptoError::UnknownKey`] or [`CryptoError::Broken`].
    pub fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let (id, rest) = sealed.split_at_checked(KEY_ID_BYTES).ok_or(CryptoError::Broken)?;
        let (nonce, text) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(CryptoError::Broken)?;
        let key = self.0.iter().find(|k| k.id == id).ok_or_else(|| CryptoError::UnknownKey(hex::encode(id)))?;
        let aad = place.aad();
        let payload = Payload { msg: text, aad: aad.as_bytes() };
        key.cipher.decrypt(&Nonce::from(*nonce), payload).map(Zeroizing::new).map_err(|_| CryptoError::Broken)
    }

    /// Whether a sealed value was made with the newest key.
    #[must_use]
    pub fn is_newest(&self, sealed: &[u8]) -> bool {
        self.0.first().is_some_and(|key| sealed.starts_with(&key.id))
    }
}

fn decode_key(text: &str) -> Result<Vec<u8>, CryptoError> {
    let bytes = if text.len() == 2 * KEY_BYTES {
        hex::decode(text).map_err(|_| CryptoError::BadKey)?
    } else {
        STANDARD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text)).map_err(|_| CryptoError::BadKey)?
    };
    if bytes.len() == KEY_BYTES { Ok(bytes) } else { Err(CryptoError::BadKey) }
}

/// The keyed hash under which secrets are looked up: who reads the database cannot test guesses without the key.
pub struct HashKey(Zeroizing<[u8; KEY_BYTES]>);

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey")
    }
}

impl HashKey {
    /// Takes a key's bytes; `None` if they are not [`KEY_BYTES`] long.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<HashKey> {
        bytes.try_into().ok().map(|key| HashKey(Zeroizing::new(key)))
    }

    /// HMAC-SHA256 of `text`, for one purpose: the same text under two purposes has unrelated hashes.
    #[must_use]
    pub fn hash(&self, purpose: &str, text: &str) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.0).unwrap_or_else(|_| unreachable_key());
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// HMAC-SHA256 of several parts in their order, for one purpose; each with its length in front, so that two
    /// neighbours do not pass for others.
    #[must_use]
    pub fn hash_of(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.0).unwrap_or_else(|_| unreachable_key());
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

/// HMAC-SHA256 of a message under somebody's own secret, in hexadecimal: what a receiver checks.
#[must_use]
pub fn sign(secret: &[u8], message: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap_or_else(|_| unreachable_key());
    mac.update(message);
    hex::encode(mac.finalize().into_bytes())
}

#[expect(clippy::unreachable, reason = "HMAC takes keys of every length")]
fn unreachable_key() -> ! {
    unreachable!("HMAC takes keys of every length")
}

/// Compares two secrets in a time that does not depend on where they differ.
#[must_use]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Place<'_> = Place { table: "feeds", row: "1", column: "token" };

    fn ring(keys: &[&str]) -> KeyRing {
        KeyRing::parse(&keys.join(",")).expect("keys")
    }

    #[test]
    fn what_is_sealed_opens_only_where_it_belongs() {
        let chance = Chance::seeded(1);
        let keys = ring(&[&KeyRing::generate(&chance)]);
        let sealed = keys.seal(HERE, b"secret", &chance);
        assert_eq!(keys.open(HERE, &sealed).expect("opens").as_slice(), b"secret");
        for moved in [Place { row: "2", ..HERE }, Place { table: "x", ..HERE }, Place { column: "y", ..HERE }] {
            assert_eq!(keys.open(moved, &sealed), Err(CryptoError::Broken));
        }
        let mut flipped = sealed.clone();
        if let Some(last) = flipped.last_mut() {
            *last ^= 1;
        }
        assert_eq!(keys.open(HERE, &flipped), Err(CryptoError::Broken));
        assert_eq!(keys.open(HERE, b""), Err(CryptoError::Broken));
        assert!(!sealed.windows(6).any(|w| w == b"secret"));
    }

    #[test]
    fn an_old_key_still_opens_and_the_newest_seals() {
        let chance = Chance::seeded(2);
        let (old, new) = (KeyRing::generate(&chance), KeyRing::generate(&chance));
        let sealed = ring(&[&old]).seal(HERE, b"x", &chance);
        let both = ring(&[&new, &old]);
        assert!(both.open(HERE, &sealed).is_ok() && !both.is_newest(&sealed));
        assert!(both.is_newest(&both.seal(HERE, b"x", &chance)));
        assert!(matches!(ring(&[&new]).open(HERE, &sealed), Err(CryptoError::UnknownKey(_))));
    }

    #[test]
    fn keys_are_read_as_hex_or_base64_and_nothing_else() {
        let hex_key = "00".repeat(32);
        assert!(KeyRing::parse(&hex_key).is_ok());
        for bad in ["", " , ", "abc", &"00".repeat(31), &"zz".repeat(32)] {
            assert_eq!(KeyRing::parse(bad).err(), Some(CryptoError::BadKey), "{bad}");
        }
    }

    #[test]
    fn hashes_of_two_purposes_are_unrelated() {
        let key = HashKey::from_bytes(&[7; 32]).expect("32 bytes");
        assert_ne!(key.hash("feed", "x"), key.hash("token", "x"));
        assert_eq!(key.hash("feed", "x"), key.hash("feed", "x"));
        assert_ne!(key.hash_of("audit", &[b"ab", b"c"]), key.hash_of("audit", &[b"a", b"bc"]));
    }
}

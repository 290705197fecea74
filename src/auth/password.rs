//! User passwords: argon2id, one at a time per core, so that a crowd of wrong guesses cannot take the machine.

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use tokio::sync::Semaphore;

/// The shortest password that is taken.
pub const PASSWORD_CHARS_MIN: usize = 8;
/// The longest: argon2 hashes all of it, and nobody types more.
pub const PASSWORD_BYTES_MAX: usize = 1_024;

/// Each hash takes 19 MiB and a core for some 20 ms.
static AT_ONCE: Semaphore = Semaphore::const_new(2);

/// Why a password is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too short or too long.
    #[error("a password has at least {PASSWORD_CHARS_MIN} characters and at most {PASSWORD_BYTES_MAX} bytes")]
    Length,
    /// The hasher failed.
    #[error("the password could not be hashed")]
    Failed,
}

/// The hash to keep, in PHC form.
///
/// # Errors
/// [`PasswordError::Length`].
pub async fn hash_password(password: &str, salt: [u8; 16]) -> Result<String, PasswordError> {
    if password.chars().count() < PASSWORD_CHARS_MIN || password.len() > PASSWORD_BYTES_MAX {
        return Err(PasswordError::Length);
    }
    let password = password.to_owned();
    let _permit = AT_ONCE.acquire().await.map_err(|_| PasswordError::Failed)?;
    let hashed = tokio::task::spawn_blocking(move || {
        Argon2::default().hash_password_with_salt(password.as_bytes(), &salt).map(|h| h.to_string())
    });
    hashed.await.ok().and_then(Result::ok).ok_or(PasswordError::Failed)
}

/// Whether a password is the one that was hashed. Takes as long for an unknown user (`None`) as for a known one.
pub async fn verify_password(password: &str, hash: Option<&str>) -> bool {
    if password.len() > PASSWORD_BYTES_MAX {
        return false;
    }
    let known = hash.is_some();
    let (password, hash) = (password.to_owned(), hash.unwrap_or(DECOY).to_owned());
    let Ok(_permit) = AT_ONCE.acquire().await else { return false };
    let verified = tokio::task::spawn_blocking(move || {
        PasswordHash::new(&hash).is_ok_and(|h| Argon2::default().verify_password(password.as_bytes(), &h).is_ok())
    });
    verified.await.unwrap_or(false) && known
}

/// The hash of no one's password, with the parameters that real ones have.
const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$nYX6fCS/f7aMxdyrGB2wKqaUMgYKJ3EFX+5q+y0kf1o";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_verifies_against_its_own_hash_only() {
        let hash = hash_password("correct horse", [7; 16]).await.expect("hashes");
        assert!(verify_password("correct horse", Some(&hash)).await);
        assert!(!verify_password("correct horsf", Some(&hash)).await);
        assert!(!verify_password("correct horse", None).await);
        assert!(!verify_password("correct horse", Some("nonsense")).await);
        assert_eq!(hash_password("short", [7; 16]).await, Err(PasswordError::Length));
    }

    #[test]
    fn the_decoy_costs_what_a_real_hash_costs() {
        let decoy = PasswordHash::new(DECOY).expect("a PHC string");
        let real = Argon2::default().hash_password_with_salt(b"correct horse", &[7; 16]).expect("hashes");
        assert_eq!(decoy.params, real.params);
        assert_eq!(decoy.algorithm, real.algorithm);
    }
}

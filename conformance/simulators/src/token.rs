//! Page and sync tokens: opaque to clients, self-contained for us.

use base64::{Engine, engine::general_purpose::URL_SAFE};

use crate::chance::check;

/// A token's parts: numbers with a check over them, so that a garbled one is known.
pub(crate) fn make(seed: u64, kind: &str, about: &str, numbers: &[i64]) -> String {
    let mut text = String::from(kind);
    for number in numbers {
        text.push('.');
        text.push_str(&number.to_string());
    }
    let sum = check(seed, &format!("{text}|{about}"));
    URL_SAFE.encode(format!("{text}.{sum:x}"))
}

/// The numbers of a token of this kind, about this, of this provider.
pub(crate) fn read<const N: usize>(seed: u64, kind: &str, about: &str, token: &str) -> Option<[i64; N]> {
    let text = String::from_utf8(URL_SAFE.decode(token).ok()?).ok()?;
    let (body, sum) = text.rsplit_once('.')?;
    if format!("{:x}", check(seed, &format!("{body}|{about}"))) != sum {
        return None;
    }
    let mut parts = body.split('.');
    if parts.next() != Some(kind) {
        return None;
    }
    let numbers: Vec<i64> = parts.map(|part| part.parse().ok()).collect::<Option<_>>()?;
    numbers.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_and_a_garbled_one_is_not() {
        let token = make(7, "s", "work", &[1, -2, 3]);
        assert_eq!(read::<3>(7, "s", "work", &token), Some([1, -2, 3]));
        assert_eq!(read::<3>(7, "p", "work", &token), None);
        assert_eq!(read::<3>(7, "s", "home", &token), None);
        assert_eq!(read::<3>(8, "s", "work", &token), None);
        assert_eq!(read::<2>(7, "s", "work", &token), None);
        assert_eq!(read::<3>(7, "s", "work", &format!("A{}", token.get(1..).unwrap())), None);
        assert_eq!(read::<3>(7, "s", "work", "é"), None);
    }
}

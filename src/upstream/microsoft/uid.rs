//! Outlook's UIDs: hexadecimal identifiers with the date of an instance in them, or with somebody else's UID.

/// How each of them begins.
const PREFIX: &str = "040000008200E00074C5B7101A82E008";
/// Hexadecimal digits of the date of an instance, behind the prefix.
const DATE: std::ops::Range<usize> = 32..40;
/// Where the data begin: prefix, date, time of creation, nothing, length.
const DATA: usize = 80;
/// Begins the data where they are a UID of another program.
const FOREIGN: &[u8] = b"vCal-Uid\x01\x00\x00\x00";

/// The UID of the series: without the date of an instance, and unwrapped where it came from another program.
pub(super) fn of(text: &str) -> String {
    let text = text.trim();
    let is_own = text.get(..PREFIX.len()).is_some_and(|head| head.eq_ignore_ascii_case(PREFIX));
    if !is_own || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return text.to_owned();
    }
    let mut whole = text.to_ascii_uppercase();
    if whole.len() >= DATE.end {
        whole.replace_range(DATE, "00000000");
    }
    let data = whole.get(DATA..).and_then(|data| hex::decode(data).ok());
    let foreign = data.as_deref().and_then(|data| data.strip_prefix(FOREIGN));
    let foreign =
        foreign.map(|uid| String::from_utf8_lossy(uid.split(|b| *b == 0).next().unwrap_or_default()).into_owned());
    foreign.filter(|uid| !uid.is_empty()).unwrap_or(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_have_the_uid_of_their_series() {
        let tail = "0".repeat(16) + "10000000" + "0123456789abcdef0123456789abcdef";
        let (master, instance) =
            (format!("{PREFIX}00000000{}{tail}", "A".repeat(16)), format!("{PREFIX}07EA0B15{}{tail}", "a".repeat(16)));
        assert_eq!(of(&master), of(&instance));
        assert_eq!(of("abc@example.org"), "abc@example.org");
    }

    #[test]
    fn a_foreign_uid_is_unwrapped() {
        let mut data = FOREIGN.to_vec();
        data.extend(b"series@example.com\0");
        let wrapped = format!("{PREFIX}00000000{}{}{}", "0".repeat(32), "1F000000", hex::encode(data));
        assert_eq!(of(&wrapped), "series@example.com");
        assert_eq!(of(PREFIX), PREFIX);
    }
}

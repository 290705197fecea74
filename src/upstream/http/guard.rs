//! Which addresses a user may name: none that lies inside the operator's network, or nowhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// The address is none that a user may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the address is private or reserved; the operator can allow such addresses (KALENDS_ALLOW_PRIVATE_UPSTREAMS)")]
pub struct Forbidden;

/// Whether an address is one of the public internet. What a router would not carry is not, nor are the forms that hide
/// another address in an IPv6 one.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let reserved = matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, _, _) // this network, private, loopback, multicast and reserved
            | (100, 64..=127, _)         // carrier-grade NAT
            | (169, 254, _)              // link-local, and the metadata services of clouds
            | (172, 16..=31, _)          // private
            | (192, 168, _)              // private
            | (192, 0, 0 | 2)            // protocol assignments, documentation
            | (192, 88, 99)              // 6to4 relays
            | (198, 18 | 19, _)          // benchmarks
            | (198, 51, 100)             // documentation
            | (203, 0, 113) // documentation
    );
    !reserved
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(v4) = address.to_ipv4_mapped() {
        return is_public_v4(v4);
    }
    let [a, b, c, ..] = address.segments();
    let global_unicast = a & 0xe000 == 0x2000;
    let hides_another = a == 0x2002 || (a == 0x2001 && b == 0); // 6to4, Teredo
    let documentation = (a == 0x2001 && b == 0x0db8) || (a == 0x3fff && b < 0x1000);
    let benchmark = a == 0x2001 && b == 2 && c == 0;
    let identifiers = a == 0x2001 && (0x10..0x40).contains(&b); // ORCHID
    global_unicast && !hides_another && !documentation && !benchmark && !identifiers
}

/// A URL that a user gave, judged before any name is resolved: the scheme, and an address written as such.
///
/// # Errors
/// Not http or https, no host, credentials in it, or an address that is not public.
pub fn judged(url: &Url) -> Result<(), Forbidden> {
    let web = matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    let host = match url.host() {
        Some(Host::Ipv4(v4)) => is_public_v4(v4),
        Some(Host::Ipv6(v6)) => is_public_v6(v6),
        Some(Host::Domain(name)) => !name.is_empty() && !is_local_name(name),
        None => false,
    };
    if web && host { Ok(()) } else { Err(Forbidden) }
}

/// Names that resolvers answer by themselves.
fn is_local_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// A resolver that gives public addresses only. One private address among public ones is dropped; with none left the
/// name is refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let was_any = !found.is_empty();
            let public: Vec<SocketAddr> = found.into_iter().filter(|address| is_public(address.ip())).collect();
            if was_any && public.is_empty() {
                return Err(Forbidden.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_public_internet_is_public() {
        for (address, public) in [
            ("8.8.8.8", true),
            ("100.63.255.255", true),
            ("172.15.0.1", true),
            ("172.32.0.1", true),
            ("2606:4700::1111", true),
            ("0.0.0.0", false),
            ("10.1.2.3", false),
            ("100.64.0.1", false),
            ("127.0.0.1", false),
            ("127.255.255.254", false),
            ("169.254.169.254", false),
            ("172.16.0.1", false),
            ("172.31.255.255", false),
            ("192.168.1.1", false),
            ("198.18.0.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("::", false),
            ("::1", false),
            ("::ffff:10.0.0.1", false),
            ("::ffff:8.8.8.8", true),
            ("64:ff9b::a00:1", false),
            ("fe80::1", false),
            ("fc00::1", false),
            ("fd12::1", false),
            ("ff02::1", false),
            ("2001:db8::1", false),
            ("2002:0a00:0001::1", false),
            ("2001:0:4136:e378::1", false),
        ] {
            assert_eq!(is_public(address.parse().expect("an address")), public, "{address}");
        }
    }

    #[test]
    fn a_url_is_judged_by_what_it_says() {
        for (url, fine) in [
            ("https://calendar.example.org/x.ics", true),
            ("http://8.8.8.8/", true),
            ("ftp://example.org/", false),
            ("file:///etc/passwd", false),
            ("https://ada:secret@example.org/", false),
            ("https://localhost/", false),
            ("https://printer.LOCALHOST./", false),
            ("https://127.0.0.1/", false),
            ("https://2130706433/", false),
            ("https://0x7f.1/", false),
            ("https://[::1]/", false),
            ("https://[::ffff:169.254.169.254]/", false),
        ] {
            assert_eq!(judged(&Url::parse(url).expect("a URL")).is_ok(), fine, "{url}");
        }
    }
}

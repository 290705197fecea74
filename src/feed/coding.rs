//! Content codings: which one a subscriber takes, and bodies in it.

use std::io::{self, Read, Write};

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_ENCODING;
use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

/// Half-way: feeds shrink to a tenth already, and each further step costs more time than it saves on the wire.
const GZIP_LEVEL: u32 = 6;
/// As far as it takes no longer than gzip.
const BROTLI_QUALITY: u32 = 4;
/// A window of 1 MiB: names and zones repeat over a whole feed.
const BROTLI_WINDOW_BITS: u32 = 20;
const BUFFER_BYTES: usize = 16 * 1024;

/// How a body is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Coding {
    /// As it is.
    Identity,
    /// gzip
    Gzip,
    /// br
    Brotli,
}

impl Coding {
    /// Every coding, the one to prefer first.
    pub const ALL: [Coding; 3] = [Coding::Brotli, Coding::Gzip, Coding::Identity];

    /// As `Content-Encoding` and `Accept-Encoding` name it.
    pub const fn name(self) -> &'static str {
        match self {
            Coding::Identity => "identity",
            Coding::Gzip => "gzip",
            Coding::Brotli => "br",
        }
    }

    /// The coding a subscriber likes best; identity for those who say nothing, or nothing that is known.
    pub fn accepted(headers: &HeaderMap) -> Coding {
        let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        let asked: Vec<(&str, u32)> = values.flat_map(|value| value.split(',')).map(weighed).collect();
        let weight = |coding: Coding| {
            let named = asked.iter().find(|(name, _)| is_named(name, coding));
            named.or_else(|| asked.iter().find(|(name, _)| *name == "*")).map(|(_, weight)| *weight)
        };
        let mut best = (Coding::Identity, 0);
        for coding in [Coding::Brotli, Coding::Gzip] {
            if let Some(weight) = weight(coding).filter(|weight| *weight > best.1) {
                best = (coding, weight);
            }
        }
        match asked.iter().find(|(name, _)| is_named(name, Coding::Identity)) {
            Some((_, weight)) if *weight > best.1 => Coding::Identity,
            Some(_) | None => best.0,
        }
    }

    /// A body in this coding as it is.
    pub fn decode(self, body: &[u8]) -> io::Result<Bytes> {
        let mut plain = Vec::new();
        match self {
            Coding::Identity => plain.extend_from_slice(body),
            Coding::Gzip => drop(GzDecoder::new(body).read_to_end(&mut plain)?),
            Coding::Brotli => drop(brotli::Decompressor::new(body, BUFFER_BYTES).read_to_end(&mut plain)?),
        }
        Ok(Bytes::from(plain))
    }

    /// A whole body in this coding.
    pub fn encode(self, plain: &[u8]) -> io::Result<Bytes> {
        let mut encoder = Encoder::new(self);
        let mut coded = encoder.push(plain)?.to_vec();
        coded.extend_from_slice(&encoder.finish()?);
        Ok(Bytes::from(coded))
    }
}

/// A name and its weight in thousandths (RFC 9110 §12.4.2).
fn weighed(item: &str) -> (&str, u32) {
    let mut parts = item.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    (name, weight.map_or(1_000, thousandths))
}

/// `1`, `0.5`, `0.123`; what cannot be read is not wanted.
fn thousandths(text: &str) -> u32 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{fraction:0<3}");
    match (whole.parse::<u32>(), digits.get(..3).and_then(|three| three.parse::<u32>().ok())) {
        (Ok(whole), Some(three)) => whole.min(1).saturating_mul(1_000).saturating_add(three).min(1_000),
        _ => 0,
    }
}

fn is_named(name: &str, coding: Coding) -> bool {
    // Old clients say x-gzip (RFC 9110 §8.4.1.3).
    name.eq_ignore_ascii_case(coding.name()) || (coding == Coding::Gzip && name.eq_ignore_ascii_case("x-gzip"))
}

/// Codes a body piece by piece.
pub(super) enum Encoder {
    Identity,
    Gzip(GzEncoder<Vec<u8>>),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
}

impl Encoder {
    pub fn new(coding: Coding) -> Encoder {
        match coding {
            Coding::Identity => Encoder::Identity,
            Coding::Gzip => Encoder::Gzip(GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL))),
            Coding::Brotli => {
                let writer =
                    brotli::CompressorWriter::new(Vec::new(), BUFFER_BYTES, BROTLI_QUALITY, BROTLI_WINDOW_BITS);
                Encoder::Brotli(Box::new(writer))
            }
        }
    }

    /// Takes a piece, gives what is ready to be sent; perhaps nothing.
    pub fn push(&mut self, plain: &[u8]) -> io::Result<Bytes> {
        Ok(Bytes::from(match self {
            Encoder::Identity => plain.to_vec(),
            Encoder::Gzip(encoder) => {
                encoder.write_all(plain)?;
                std::mem::take(encoder.get_mut())
            }
            Encoder::Brotli(encoder) => {
                encoder.write_all(plain)?;
                std::mem::take(encoder.get_mut())
            }
        }))
    }

    /// Gives the rest.
    pub fn finish(self) -> io::Result<Bytes> {
        Ok(Bytes::from(match self {
            Encoder::Identity => Vec::new(),
            Encoder::Gzip(encoder) => encoder.finish()?,
            Encoder::Brotli(encoder) => encoder.into_inner(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_subscriber_gets_the_coding_it_likes_best() {
        for (header, coding) in [
            ("", Coding::Identity),
            ("gzip", Coding::Gzip),
            ("gzip, deflate, br", Coding::Brotli),
            ("br;q=0.5, gzip;q=0.8", Coding::Gzip),
            ("BR;Q=1.0 , x-gzip", Coding::Brotli),
            ("gzip;q=0", Coding::Identity),
            ("br;q=0, *", Coding::Gzip),
            ("*", Coding::Brotli),
            ("identity, gzip;q=0.5", Coding::Identity),
            ("identity;q=0.5, gzip;q=0.5", Coding::Gzip),
            ("identity;q=0, gzip;q=0.001", Coding::Gzip),
            ("gzip;q=nonsense", Coding::Identity),
            ("deflate, zstd", Coding::Identity),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, header.parse().expect("a header"));
            assert_eq!(Coding::accepted(&headers), coding, "{header:?}");
        }
        assert_eq!(Coding::accepted(&HeaderMap::new()), Coding::Identity);
    }

    proptest! {
        #[test]
        fn what_is_coded_in_pieces_comes_back_whole(pieces in proptest::collection::vec("\\PC{0,200}", 0..20)) {
            let whole = pieces.concat();
            for coding in Coding::ALL {
                let mut encoder = Encoder::new(coding);
                let mut coded = Vec::new();
                for piece in &pieces {
                    coded.extend_from_slice(&encoder.push(piece.as_bytes()).expect("memory"));
                }
                coded.extend_from_slice(&encoder.finish().expect("memory"));
                prop_assert_eq!(coding.decode(&coded).expect("its own"), whole.as_bytes());
            }
        }
    }
}

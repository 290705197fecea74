//! A configuration profile that sets up CalDAV on an Apple device: one tap instead of four fields.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::answer::Answer;
use super::extract::Visitor;
use super::problem::Problem;
use crate::xml::escape_text;

/// What Apple devices take it by.
pub const MEDIA_TYPE: &str = "application/x-apple-aspen-config";

/// The profile for an app password that was just made; the secret is in the answer and nowhere else.
///
/// # Errors
/// The base URL is none.
pub fn of(answer: &Answer, visitor: &Visitor) -> Result<Response, Problem> {
    let field = |name: &str| answer.body().get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
    let account = Account {
        id: field("id"),
        label: field("name"),
        user: field("user_name"),
        secret: field("secret"),
        base_url: &visitor.visit.base_url,
    };
    let xml = account.to_xml().ok_or_else(Problem::internal)?;
    let headers = [
        (header::CONTENT_TYPE, MEDIA_TYPE),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"kalends.mobileconfig\""),
    ];
    Ok((StatusCode::CREATED, headers, xml).into_response())
}

struct Account<'a> {
    id: &'a str,
    label: &'a str,
    user: &'a str,
    secret: &'a str,
    base_url: &'a str,
}

impl Account<'_> {
    fn to_xml(&self) -> Option<String> {
        let url = url::Url::parse(self.base_url).ok()?;
        let host = url.host_str()?;
        let port = url.port_or_known_default()?;
        let is_tls = if url.scheme() == "https" { "true" } else { "false" };
        let user = percent_encoding::utf8_percent_encode(self.user, percent_encoding::NON_ALPHANUMERIC);
        let (id, label, name) = (escape(self.id), escape(self.label), escape(self.user));
        let (secret, host) = (escape(self.secret), escape(host));
        Some(format!(
            r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>PayloadContent</key>
  <array>
    <dict>
      <key>CalDAVAccountDescription</key><string>Kalends ({name})</string>
      <key>CalDAVHostName</key><string>{host}</string>
      <key>CalDAVPort</key><integer>{port}</integer>
      <key>CalDAVPrincipalURL</key><string>/dav/principals/{user}/</string>
      <key>CalDAVUseSSL</key><{is_tls}/>
      <key>CalDAVUsername</key><string>{name}</string>
      <key>CalDAVPassword</key><string>{secret}</string>
      <key>PayloadDisplayName</key><string>Kalends calendar</string>
      <key>PayloadIdentifier</key><string>kalends.{id}.caldav</string>
      <key>PayloadType</key><string>com.apple.caldav.account</string>
      <key>PayloadUUID</key><string>{id}</string>
      <key>PayloadVersion</key><integer>1</integer>
    </dict>
  </array>
  <key>PayloadDisplayName</key><string>Kalends on {label}</string>
  <key>PayloadIdentifier</key><string>kalends.{id}</string>
  <key>PayloadType</key><string>Configuration</string>
  <key>PayloadUUID</key><string>{outer}</string>
  <key>PayloadVersion</key><integer>1</integer>
</dict>
</plist>
"#,
            outer = uuid_of(self.id),
        ))
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    escape_text(text, &mut escaped);
    escaped
}

/// Another UUID that belongs to this one.
fn uuid_of(id: &str) -> uuid::Uuid {
    let mut bytes = [0_u8; 16];
    for (byte, digest) in bytes.iter_mut().zip(Sha256::digest(id)) {
        *byte = digest;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_says_where_and_who_and_lets_nobody_write_into_it() {
        let account = Account {
            id: "019aa0f3-9a6e-7c2e-a3c4-111111111111",
            label: "Ada's <phone> & \"co\"",
            user: "ada@example.org",
            secret: "s",
            base_url: "https://cal.example:8443",
        };
        let xml = account.to_xml().expect("a profile");
        for part in [
            "<string>cal.example</string>",
            "<integer>8443</integer>",
            "<true/>",
            "<string>/dav/principals/ada%40example%2Eorg/</string>",
            "&lt;phone&gt; &amp;",
        ] {
            assert!(xml.contains(part), "{part} in {xml}");
        }
        assert!(
            Account { base_url: "http://127.0.0.1:1", ..account }.to_xml().is_some_and(|xml| xml.contains("<false/>"))
        );
    }
}

//! Notices as mail, over one SMTP server.

use std::time::{Duration, SystemTime};

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use secrecy::ExposeSecret;

use crate::config::MailConfig;
use crate::domain::time::Instant;
use crate::store::Notification;

/// A server that takes longer, all in all, is asked again later.
const WITHIN: Duration = Duration::from_secs(30);
/// RFC 3834: nobody's absence is told to a program.
const AUTO_SUBMITTED: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");

/// Sends notices by mail.
pub struct Mail {
    from: Mailbox,
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

impl Mail {
    /// Over the configured server. TLS trusts what the machine trusts.
    ///
    /// # Errors
    /// The URL or the sender makes no sense; the sentence names the setting, without the URL and its password.
    pub fn new(config: &MailConfig) -> Result<Mail, String> {
        let from: Mailbox =
            config.from.parse().map_err(|_| format!("mail_from: {:?} is no mail address", config.from))?;
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(config.url.expose_secret())
            .map_err(|_| "smtp_url: it is no URL such as smtps://user:password@mail.example.org".to_owned())?
            .hello_name(ClientId::Domain(from.email.domain().to_owned()))
            .timeout(Some(WITHIN))
            .build();
        Ok(Mail { from, transport })
    }

    /// Sends one. The id is the notice's: sent twice, it is one message. The text has no content of an event, nor has
    /// the subject.
    ///
    /// # Errors
    /// Why it was not taken; without addresses.
    pub async fn send(&self, one: &Notification, address: &str, page: &str, now: Instant) -> Result<(), String> {
        let address = address.parse().map_err(|_| "the user's mail address is none".to_owned())?;
        let text = format!(
            "Hello {},\r\n\r\n{}\r\n\r\nSee {page}\r\n\r\nYou are told this once, and again only after it changed.\r\n",
            one.user_name, one.notice.text
        );
        let sent = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(now.ms()).unwrap_or_default());
        let mut message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, address))
            .date(sent)
            .subject(format!("Kalends: {}", subject(&one.notice.kind)))
            .message_id(Some(format!("<{}@{}>", one.notice.id, self.from.email.domain())))
            .header(ContentType::TEXT_PLAIN)
            .body(text)
            .map_err(|e| e.to_string())?;
        message.headers_mut().insert_raw(HeaderValue::new(AUTO_SUBMITTED, "auto-generated".to_owned()));
        let late = || "the mail server took too long".to_owned();
        let answer = tokio::time::timeout(WITHIN, self.transport.send(message)).await.map_err(|_| late())?;
        match answer {
            Ok(_) => Ok(()),
            Err(error) => Err(match error.status() {
                Some(code) => format!("the mail server answered {code}"),
                None if error.is_timeout() => late(),
                None if error.is_tls() => "the mail server's TLS is not trusted".to_owned(),
                None => "the mail server cannot be reached".to_owned(),
            }),
        }
    }
}

fn subject(kind: &str) -> &'static str {
    match kind {
        "needs_reauth" => "an account has to be connected again",
        "needs_confirmation" => "a large change waits for your word",
        "conflicts" => "appointments wait for your decision",
        "retries_exhausted" => "appointments could not be sent",
        "link_broken" => "a calendar cannot be reached any more",
        _ => "something needs your attention",
    }
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mail")
    }
}

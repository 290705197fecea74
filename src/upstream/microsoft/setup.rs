//! What the operator set up for Microsoft, and what its sign-in says when it says no.

use secrecy::SecretString;

use super::super::{Failure, oauth};
use super::{AUTHORITY_URL, GRAPH_URL};

/// Whom the sign-in lets in when the operator does not say otherwise: accounts of organisations and of persons.
pub const TENANT: &str = "common";

const WRITE: &str = "Calendars.ReadWrite";
const READ: &str = "Calendars.Read";
const ME: &str = "User.Read";
const MAILBOX: &str = "MailboxSettings.Read";
const OFFLINE: &str = "offline_access";

/// What the operator set up for Microsoft.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Our name there.
    pub client_id: String,
    /// Our secret there; a public client has none.
    pub client_secret: Option<SecretString>,
    /// Where users come back to.
    pub redirect_uri: String,
    /// Whose accounts may sign in: `common`, `organizations`, `consumers`, or a tenant.
    pub tenant: String,
    /// The API.
    pub graph_url: String,
    /// Where users sign in, without the tenant.
    pub authority_url: String,
}

impl Setup {
    /// With Microsoft's own addresses, for every kind of account.
    #[must_use]
    pub fn new(client_id: String, client_secret: Option<SecretString>, redirect_uri: String) -> Setup {
        Setup {
            client_id,
            client_secret,
            redirect_uri,
            tenant: TENANT.into(),
            graph_url: GRAPH_URL.into(),
            authority_url: AUTHORITY_URL.into(),
        }
    }

    /// Its OAuth.
    #[must_use]
    pub fn oauth(&self) -> oauth::Provider {
        let authority = format!("{}/{}/oauth2/v2.0", self.authority_url.trim_end_matches('/'), self.tenant);
        let scopes = |calendars: &str| vec![OFFLINE.into(), ME.into(), MAILBOX.into(), calendars.to_owned()];
        oauth::Provider {
            auth_url: format!("{authority}/authorize"),
            token_url: format!("{authority}/token"),
            device_url: Some(format!("{authority}/devicecode")),
            // There is none: users take a permission back on a page of Microsoft's.
            revoke_url: None,
            account: (format!("{}/me", self.graph_url.trim_end_matches('/')), "/userPrincipalName"),
            client_id: self.client_id.clone(),
            client_secret: self.client_secret.clone(),
            redirect_uri: self.redirect_uri.clone(),
            scopes: scopes(WRITE),
            scopes_reading: scopes(READ),
            wider: vec![
                (WRITE, &["https://graph.microsoft.com/Calendars.ReadWrite", "Calendars.ReadWrite.Shared"]),
                (
                    READ,
                    &[
                        WRITE,
                        "https://graph.microsoft.com/Calendars.Read",
                        "https://graph.microsoft.com/Calendars.ReadWrite",
                        "Calendars.Read.Shared",
                        "Calendars.ReadWrite.Shared",
                    ],
                ),
            ],
            needed: vec![WRITE, READ],
            extra: vec![("prompt", "select_account")],
            explain,
        }
    }
}

/// What the sign-in's own codes mean, and what is to be done about them.
fn explain(provider: &oauth::Provider, description: &str) -> Option<Failure> {
    let (_, rest) = description.split_once("AADSTS")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).take(9).collect();
    let consent = |text: &str| Some(Failure::NeedsConsent(format!("{text} (AADSTS{digits})")));
    let setup = |text: &str| Some(Failure::Refused(format!("{text} (AADSTS{digits})")));
    match digits.as_str() {
        "70008" | "700082" => consent("the sign-in was not used for so long that it has ended: sign in again"),
        "700084" => consent(
            "the sign-in had a fixed life of a day: register the redirect as Web, not as a single page, and sign in again",
        ),
        "50173" => consent("the password was changed or all sign-ins were ended: sign in again"),
        "50076" | "50079" | "50158" | "53003" => {
            consent("the organisation asks for a second proof of who you are: sign in again in the browser")
        }
        "65001" => consent("the permission for the calendars was not given: sign in again and allow it"),
        "65004" => consent("you declined the permission: without it the calendars cannot be read"),
        "90094" | "90093" => consent(&format!(
            "the organisation lets only its administrator allow this: have an administrator give the consent at {}, then sign in again",
            admin_consent(provider)
        )),
        "50034" | "500341" => consent("the account does not exist any more: sign in with another"),
        "50053" => consent("the account is locked: unlock it at Microsoft and sign in again"),
        "50055" => consent("the password has expired: set a new one at Microsoft and sign in again"),
        "50057" => consent("the account is disabled: an administrator of the organisation has to enable it"),
        "50105" => {
            consent("the account may not use the application: an administrator of the organisation has to assign it")
        }
        "54005" => consent("the code was used already: begin again"),
        "70000" | "9002313" => consent("the sign-in is not taken any more: sign in again"),
        "7000215" => {
            setup("the client secret is wrong: MICROSOFT_CLIENT_SECRET must be the secret's value, not its id")
        }
        "7000222" => {
            setup("the client secret has expired: make a new one at Microsoft and set MICROSOFT_CLIENT_SECRET")
        }
        "700016" => setup("Microsoft does not know the application: check MICROSOFT_CLIENT_ID and MICROSOFT_TENANT"),
        "90002" => setup("Microsoft does not know the tenant: check MICROSOFT_TENANT"),
        "50011" => setup("the redirect address is not registered: register exactly the one of MICROSOFT_REDIRECT_URI"),
        "50059" | "50194" | "50020" => setup(
            "the application is registered for another kind of accounts: MICROSOFT_TENANT and its registration must agree",
        ),
        "7000218" => setup(
            "the application is registered as a confidential client and wants MICROSOFT_CLIENT_SECRET, or must allow public flows",
        ),
        "90055" | "50196" => {
            Some(Failure::RateLimited(format!("the sign-in is asked too often (AADSTS{digits})"), None))
        }
        _ => None,
    }
}

/// Where an administrator consents for all accounts of the organisation.
fn admin_consent(provider: &oauth::Provider) -> String {
    let authority = provider.auth_url.trim_end_matches("/oauth2/v2.0/authorize");
    let id: String = url::form_urlencoded::byte_serialize(provider.client_id.as_bytes()).collect();
    format!("{authority}/adminconsent?client_id={id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_leads_to_what_can_be_done() {
        let provider = Setup::new("our id".into(), None, String::new()).oauth();
        let said = |description: &str| explain(&provider, description);
        let told = |code: &str| said(&format!("AADSTS{code}: The words change. Trace ID: 1")).expect("known");
        for code in [
            "70008", "700082", "700084", "50173", "50076", "50079", "50158", "53003", "65001", "65004", "90094",
            "90093", "54005", "70000", "9002313", "50034", "500341", "50053", "50055", "50057", "50105",
        ] {
            assert!(matches!(told(code), Failure::NeedsConsent(text) if text.contains(code)), "{code}");
        }
        for code in ["7000215", "7000222", "700016", "90002", "50011", "50059", "50194", "50020", "7000218"] {
            assert!(matches!(told(code), Failure::Refused(text) if text.contains(code)), "{code}");
        }
        for code in ["90055", "50196"] {
            assert!(matches!(told(code), Failure::RateLimited(..)), "{code}");
        }
        let admin = "https://login.microsoftonline.com/common/adminconsent?client_id=our+id";
        assert!(matches!(told("90094"), Failure::NeedsConsent(text) if text.contains(admin)));
        assert_eq!(said("AADSTS1: something else"), None);
        assert_eq!(said("nothing of it"), None);
    }
}

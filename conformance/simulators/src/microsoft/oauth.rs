//! Applications, grants and tokens.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::{device::Devices, refusal::Refusal, world::World};
use crate::chance::TOKEN_LETTERS;

/// A refresh token that nobody used for so long is dead.
pub(crate) const REFRESH_LIFE_MS: i64 = 90 * super::moment::DAY_MS;

/// What becomes of a refresh token once it was exchanged for the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OldRefreshTokens {
    /// It stays good until it is 90 days old.
    Stay,
    /// It is good until the next one is used.
    DieOnUse,
    /// It is dead at once.
    DieAtOnce,
}

/// What a grant hands out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// For the `Authorization` header.
    pub access_token: String,
    /// For the token endpoint; empty without `offline_access`.
    pub refresh_token: String,
    /// Seconds.
    pub expires_in: i64,
    /// Names, separated by blanks.
    pub scope: String,
}

/// An application.
#[derive(Debug)]
pub(crate) struct Client {
    /// `None`: a public one.
    pub(crate) secret: Option<String>,
    pub(crate) secret_expired: bool,
    pub(crate) redirects: Vec<String>,
    /// Only accounts of this tenant.
    pub(crate) tenant: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) account: String,
    pub(crate) client: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) offline: bool,
    /// Why it ended: an AADSTS number.
    pub(crate) ended: Option<u32>,
}

#[derive(Debug)]
pub(crate) struct Refresh {
    pub(crate) grant: usize,
    pub(crate) made_ms: i64,
    /// The one it was exchanged for, and whether it is dead.
    pub(crate) before: Option<String>,
    pub(crate) dead: bool,
}

#[derive(Debug)]
struct AccessToken {
    grant: usize,
    expires_ms: i64,
}

/// An authorisation code.
#[derive(Debug)]
pub(crate) struct Code {
    pub(crate) account: String,
    pub(crate) client: String,
    pub(crate) redirect: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) challenge: Option<(String, String)>,
    pub(crate) made_ms: i64,
    pub(crate) used: bool,
}

/// Who may do what, by token.
#[derive(Debug, Default)]
pub(crate) struct OAuth {
    pub(crate) clients: BTreeMap<String, Client>,
    pub(crate) grants: Vec<Grant>,
    pub(crate) refresh: HashMap<String, Refresh>,
    pub(crate) codes: HashMap<String, Code>,
    pub(crate) devices: Devices,
    access: HashMap<String, AccessToken>,
    /// Authorisation requests are agreed to at once for this account.
    pub(crate) auto_approve: Option<String>,
    /// Scopes that are not granted.
    pub(crate) withheld: Vec<String>,
}

/// Behind an access token.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) account: String,
    pub(crate) client: String,
    pub(crate) scopes: Vec<String>,
}

/// The short name of a scope: `Calendars.ReadWrite`.
pub(crate) fn short(scope: &str) -> &str {
    scope.strip_prefix("https://graph.microsoft.com/").unwrap_or(scope)
}

impl World {
    /// Who a token stands for.
    pub(crate) fn caller(&self, now_ms: i64, token: Option<&str>) -> Result<Caller, Refusal> {
        let token = token.ok_or_else(Refusal::no_token)?;
        let access = self.oauth.access.get(token).filter(|access| access.expires_ms > now_ms);
        let grant = access.and_then(|access| self.oauth.grants.get(access.grant));
        let grant = grant.filter(|grant| grant.ended.is_none()).ok_or_else(Refusal::token)?;
        Ok(Caller { account: grant.account.clone(), client: grant.client.clone(), scopes: grant.scopes.clone() })
    }

    /// A grant, as after a consent, with its first tokens.
    pub(crate) fn new_grant(&mut self, now_ms: i64, account: &str, client: &str, scopes: Vec<String>) -> Tokens {
        let (offline, scopes): (Vec<String>, Vec<String>) =
            scopes.into_iter().map(|scope| short(&scope).to_owned()).partition(|scope| scope == "offline_access");
        let withheld = &self.oauth.withheld;
        let scopes = scopes.into_iter().filter(|scope| !withheld.contains(scope)).collect();
        self.oauth.grants.push(Grant {
            account: account.to_owned(),
            client: client.to_owned(),
            scopes,
            offline: !offline.is_empty(),
            ended: None,
        });
        self.new_tokens(now_ms, self.oauth.grants.len() - 1, None)
    }

    /// The next tokens of a grant, after a refresh token.
    pub(crate) fn new_tokens(&mut self, now_ms: i64, grant: usize, before: Option<&str>) -> Tokens {
        let access_token = format!("EwB{}", self.chance.text(TOKEN_LETTERS, 120));
        let life_s = self.settings.access_token_life_s;
        // Expired ones are forgotten now and then, so that a long run stays small.
        if self.oauth.access.len() >= 256 {
            self.oauth.access.retain(|_, access| access.expires_ms > now_ms);
        }
        let expires_ms = now_ms.saturating_add(life_s.saturating_mul(1000));
        self.oauth.access.insert(access_token.clone(), AccessToken { grant, expires_ms });
        let (offline, scope) = match self.oauth.grants.get(grant) {
            Some(grant) => (grant.offline, grant.scopes.join(" ")),
            None => (false, String::new()),
        };
        let mut refresh_token = String::new();
        if offline {
            refresh_token = format!("0.A{}", self.chance.text(TOKEN_LETTERS, 120));
            let fresh = Refresh { grant, made_ms: now_ms, before: before.map(str::to_owned), dead: false };
            self.oauth.refresh.insert(refresh_token.clone(), fresh);
            if let (Some(before), OldRefreshTokens::DieAtOnce) = (before, self.settings.old_refresh_tokens) {
                self.kill_refresh(before);
            }
        }
        Tokens { access_token, refresh_token, expires_in: life_s, scope }
    }

    /// A refresh token that was exchanged is good no more.
    pub(crate) fn kill_refresh(&mut self, token: &str) {
        if let Some(refresh) = self.oauth.refresh.get_mut(token) {
            refresh.dead = true;
        }
    }

    /// Ends what an account granted, to one application or to all, with the number that is then given as the reason.
    pub(crate) fn end_grants(&mut self, account: &str, client: Option<&str>, why: u32) {
        for grant in &mut self.oauth.grants {
            if grant.account == account && client.is_none_or(|id| grant.client == id) {
                grant.ended = Some(why);
            }
        }
    }

    /// Ends every access token of an account, as when they run out.
    pub(crate) fn expire_access(&mut self, account: &str) {
        let grants = &self.oauth.grants;
        self.oauth.access.retain(|_, access| grants.get(access.grant).is_none_or(|grant| grant.account != account));
    }
}

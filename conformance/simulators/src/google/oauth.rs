//! Clients, grants, codes and tokens.

use std::collections::{BTreeMap, HashMap};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    answer,
    chance::TOKEN_LETTERS,
    refusal::Refusal,
    request::{Ask, Query},
    world::World,
};

/// How long a code may be exchanged.
const CODE_LIFE_MS: i64 = 600_000;
/// Google keeps so many refresh tokens for a user and client; the oldest dies silently.
const REFRESH_TOKENS_MAX: usize = 100;

/// What a grant hands out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// For the `Authorization` header.
    pub access_token: String,
    /// For the token endpoint.
    pub refresh_token: String,
    /// Seconds.
    pub expires_in: i64,
    /// Full names, separated by spaces.
    pub scope: String,
}

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) secret: String,
    pub(crate) redirects: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) account: String,
    pub(crate) client: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) refresh: Option<String>,
    pub(crate) alive: bool,
}

#[derive(Debug)]
struct Access {
    grant: usize,
    expires_ms: i64,
}

#[derive(Debug)]
struct Code {
    account: String,
    client: String,
    redirect: String,
    scopes: Vec<String>,
    challenge: Option<(String, String)>,
    offline: bool,
    made_ms: i64,
    /// The grant it was exchanged for.
    used: Option<usize>,
}

/// Who may do what, by token.
#[derive(Debug, Default)]
pub(crate) struct OAuth {
    pub(crate) clients: BTreeMap<String, Client>,
    pub(crate) grants: Vec<Grant>,
    access: HashMap<String, Access>,
    refresh: HashMap<String, usize>,
    codes: HashMap<String, Code>,
    /// Authorisation requests are granted at once for this account.
    pub(crate) auto_approve: Option<String>,
    /// Scopes that the user unticks.
    pub(crate) withheld: Vec<String>,
}

/// Behind an access token.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) account: String,
    pub(crate) client: String,
    pub(crate) scopes: Vec<String>,
}

impl World {
    /// Who a token stands for.
    pub(crate) fn caller(&self, now_ms: i64, token: Option<&str>) -> Result<Caller, Refusal> {
        let token = token.ok_or_else(Refusal::login_required)?;
        let access = self.oauth.access.get(token).filter(|access| access.expires_ms > now_ms);
        let grant = access.and_then(|access| self.oauth.grants.get(access.grant)).filter(|grant| grant.alive);
        let grant = grant.ok_or_else(Refusal::bad_credentials)?;
        Ok(Caller { account: grant.account.clone(), client: grant.client.clone(), scopes: grant.scopes.clone() })
    }

    /// A grant with an access and a refresh token, as after a consent.
    pub(crate) fn new_grant(
        &mut self,
        now_ms: i64,
        account: &str,
        client: &str,
        scopes: Vec<String>,
        offline: bool,
    ) -> (usize, Tokens) {
        let refresh = offline.then(|| format!("1//0{}", self.chance.text(TOKEN_LETTERS, 60)));
        let scope = scopes.join(" ");
        self.oauth.grants.push(Grant {
            account: account.to_owned(),
            client: client.to_owned(),
            scopes,
            refresh: refresh.clone(),
            alive: true,
        });
        let grant = self.oauth.grants.len() - 1;
        if let Some(refresh) = &refresh {
            self.oauth.refresh.insert(refresh.clone(), grant);
            let same: Vec<usize> = self
                .oauth
                .grants
                .iter()
                .enumerate()
                .filter(|(_, other)| {
                    other.alive && other.refresh.is_some() && other.account == account && other.client == client
                })
                .map(|(at, _)| at)
                .collect();
            if same.len() > REFRESH_TOKENS_MAX
                && let Some(oldest) = same.first().and_then(|at| self.oauth.grants.get_mut(*at))
                && let Some(old) = oldest.refresh.take()
            {
                self.oauth.refresh.remove(&old);
            }
        }
        let access_token = self.new_access(now_ms, grant);
        let expires_in = self.settings.access_token_life_s;
        (grant, Tokens { access_token, refresh_token: refresh.unwrap_or_default(), expires_in, scope })
    }

    fn new_access(&mut self, now_ms: i64, grant: usize) -> String {
        let token = format!("ya29.{}", self.chance.text(TOKEN_LETTERS, 80));
        // Expired ones are forgotten now and then, so that a long run stays small.
        if self.oauth.access.len() >= 256 {
            self.oauth.access.retain(|_, access| access.expires_ms > now_ms);
        }
        let expires_ms = now_ms.saturating_add(self.settings.access_token_life_s.saturating_mul(1000));
        self.oauth.access.insert(token.clone(), Access { grant, expires_ms });
        token
    }

    /// Makes an authorisation code, as when the user agrees. `ticked`: the scopes left ticked.
    pub(crate) fn new_code(&mut self, now_ms: i64, account: &str, request: &Query, ticked: Vec<String>) -> String {
        let asked = |name: &str| request.get(name).map(str::to_owned);
        let client = asked("client_id").unwrap_or_default();
        let mut scopes: Vec<String> = ticked
            .into_iter()
            .filter(|scope| !self.oauth.withheld.iter().any(|held| scope.ends_with(held.as_str())))
            .collect();
        let had_consent = |grant: &&Grant| grant.alive && grant.account == account && grant.client == client;
        let before = self.oauth.grants.iter().filter(had_consent).count() > 0;
        if request.get("include_granted_scopes") == Some("true") {
            for grant in self.oauth.grants.iter().filter(had_consent) {
                for scope in &grant.scopes {
                    if !scopes.contains(scope) {
                        scopes.push(scope.clone());
                    }
                }
            }
        }
        let prompted = request.get("prompt").is_some_and(|prompt| prompt.split(' ').any(|word| word == "consent"));
        let challenge = asked("code_challenge")
            .map(|challenge| (asked("code_challenge_method").unwrap_or_else(|| "plain".into()), challenge));
        let code = format!("4/0A{}", self.chance.text(TOKEN_LETTERS, 60));
        let made = Code {
            account: account.to_owned(),
            client,
            redirect: asked("redirect_uri").unwrap_or_default(),
            scopes,
            challenge,
            offline: request.get("access_type") == Some("offline") && (prompted || !before),
            made_ms: now_ms,
            used: None,
        };
        self.oauth.codes.insert(code.clone(), made);
        code
    }

    /// `POST /token`.
    pub(crate) fn token(&mut self, ask: &Ask) -> Response<Bytes> {
        match self.token_inner(ask) {
            Ok(body) => answer::json(200, &body, ask.pretty()),
            Err((status, error, description)) => oauth_error(status, error, description),
        }
    }

    fn token_inner(&mut self, ask: &Ask) -> Result<Value, (u16, &'static str, &'static str)> {
        let form = ask.form();
        let basic = ask.header(http::header::AUTHORIZATION).and_then(basic_pair);
        let (id, secret) = match basic {
            Some((id, secret)) => (id, secret),
            None => (
                form.get("client_id").unwrap_or_default().to_owned(),
                form.get("client_secret").unwrap_or_default().to_owned(),
            ),
        };
        if id.is_empty() {
            return Err((400, "invalid_request", "Could not determine client ID from request."));
        }
        match self.oauth.clients.get(&id) {
            None => return Err((401, "invalid_client", "The OAuth client was not found.")),
            Some(client) if client.secret != secret => return Err((401, "invalid_client", "Unauthorized")),
            Some(_) => {}
        }
        match form.get("grant_type") {
            Some("authorization_code") => self.exchange(ask.now_ms, &id, &form),
            Some("refresh_token") => self.refresh(ask.now_ms, &id, &form),
            Some(_) => Err((400, "unsupported_grant_type", "Invalid grant_type")),
            None => Err((400, "invalid_request", "Missing required parameter: grant_type")),
        }
    }

    fn exchange(
        &mut self,
        now_ms: i64,
        client: &str,
        form: &Query,
    ) -> Result<Value, (u16, &'static str, &'static str)> {
        let name = form.get("code").ok_or((400, "invalid_request", "Missing required parameter: code"))?;
        let code = self.oauth.codes.get(name).ok_or((400, "invalid_grant", "Malformed auth code."))?;
        if code.client != client {
            return Err((400, "invalid_grant", "Bad Request"));
        }
        if let Some(grant) = code.used {
            // A code that comes twice was stolen: what it gave ends too.
            self.end_grant(grant);
            return Err((400, "invalid_grant", "Bad Request"));
        }
        if now_ms.saturating_sub(code.made_ms) > CODE_LIFE_MS {
            return Err((400, "invalid_grant", "Bad Request"));
        }
        if form.get("redirect_uri") != Some(code.redirect.as_str()) {
            return Err((400, "redirect_uri_mismatch", "Bad Request"));
        }
        if let Some((method, challenge)) = &code.challenge {
            let verifier = form.get("code_verifier").ok_or((400, "invalid_grant", "Missing code verifier."))?;
            if !(43..=128).contains(&verifier.len()) || !matches(method, challenge, verifier) {
                return Err((400, "invalid_grant", "Invalid code verifier."));
            }
        }
        let (account, scopes, offline) = (code.account.clone(), code.scopes.clone(), code.offline);
        let (grant, tokens) = self.new_grant(now_ms, &account, client, scopes, offline);
        if let Some(code) = self.oauth.codes.get_mut(name) {
            code.used = Some(grant);
        }
        let mut body = json!({
            "access_token": tokens.access_token, "expires_in": tokens.expires_in, "scope": tokens.scope, "token_type": "Bearer",
        });
        if let (false, Some(fields)) = (tokens.refresh_token.is_empty(), body.as_object_mut()) {
            fields.insert("refresh_token".into(), json!(tokens.refresh_token));
        }
        Ok(body)
    }

    fn refresh(&mut self, now_ms: i64, client: &str, form: &Query) -> Result<Value, (u16, &'static str, &'static str)> {
        let token =
            form.get("refresh_token").ok_or((400, "invalid_request", "Missing required parameter: refresh_token"))?;
        let grant = self.oauth.refresh.get(token).copied();
        let found =
            grant.and_then(|at| self.oauth.grants.get(at)).filter(|grant| grant.alive && grant.client == client);
        let (Some(at), Some(found)) = (grant, found) else {
            return Err((400, "invalid_grant", "Token has been expired or revoked."));
        };
        let scope = found.scopes.join(" ");
        let access_token = self.new_access(now_ms, at);
        Ok(json!({
            "access_token": access_token, "expires_in": self.settings.access_token_life_s, "scope": scope, "token_type": "Bearer",
        }))
    }

    /// `POST /revoke`: either token ends all that this user granted to this client.
    pub(crate) fn revoke(&mut self, ask: &Ask) -> Response<Bytes> {
        let form = ask.form();
        let token = form.get("token").or_else(|| ask.query.get("token")).unwrap_or_default();
        let grant =
            self.oauth.access.get(token).map(|access| access.grant).or_else(|| self.oauth.refresh.get(token).copied());
        let found = grant.and_then(|at| self.oauth.grants.get(at)).filter(|grant| grant.alive);
        let Some((account, client)) = found.map(|grant| (grant.account.clone(), grant.client.clone())) else {
            return oauth_error(400, "invalid_token", "Token expired or revoked");
        };
        self.end_grants(&account, Some(&client));
        answer::json(200, &json!({}), ask.pretty())
    }

    /// Ends what an account granted, to one client or to all.
    pub(crate) fn end_grants(&mut self, account: &str, client: Option<&str>) {
        for at in 0..self.oauth.grants.len() {
            let hit = self
                .oauth
                .grants
                .get(at)
                .is_some_and(|grant| grant.account == account && client.is_none_or(|id| grant.client == id));
            if hit {
                self.end_grant(at);
            }
        }
    }

    fn end_grant(&mut self, at: usize) {
        if let Some(grant) = self.oauth.grants.get_mut(at) {
            grant.alive = false;
        }
    }

    /// Ends every access token of an account at once, as when they run out.
    pub(crate) fn expire_access(&mut self, account: &str) {
        let grants = &self.oauth.grants;
        self.oauth.access.retain(|_, access| grants.get(access.grant).is_none_or(|grant| grant.account != account));
    }

    /// `GET /userinfo`.
    pub(crate) fn userinfo(&self, ask: &Ask) -> Response<Bytes> {
        match self.caller(ask.now_ms, ask.token()) {
            Ok(caller) => {
                let has = |name: &str| {
                    caller.scopes.iter().any(|scope| scope == name || scope.ends_with(&format!("userinfo.{name}")))
                };
                let mut body = json!({ "sub": format!("1{:020}", super::chance::check(self.seed, &caller.account)) });
                if let (true, Some(fields)) = (has("email"), body.as_object_mut()) {
                    fields.insert("email".into(), json!(caller.account));
                    fields.insert("email_verified".into(), json!(true));
                }
                answer::json(200, &body, ask.pretty())
            }
            Err(refusal) => refusal.response(),
        }
    }
}

fn matches(method: &str, challenge: &str, verifier: &str) -> bool {
    match method {
        "S256" => URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())) == challenge,
        "plain" => verifier == challenge,
        _ => false,
    }
}

/// The client id and secret of a Basic header.
fn basic_pair(header: &str) -> Option<(String, String)> {
    let (kind, value) = header.split_once(' ')?;
    if !kind.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = base64::engine::general_purpose::STANDARD.decode(value.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (id, secret) = text.split_once(':')?;
    let plain = |part: &str| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned();
    Some((plain(id), plain(secret)))
}

/// An error of the token endpoint.
pub(crate) fn oauth_error(status: u16, error: &str, description: &str) -> Response<Bytes> {
    answer::json(status, &json!({ "error": error, "error_description": description }), true)
}

/// Whether a client may be redirected there: exactly as registered, or any port of the loopback host for a desktop
/// client, which registers `http://127.0.0.1` or `http://localhost`.
pub(crate) fn redirect_fits(registered: &[String], asked: &str) -> bool {
    registered.iter().any(|uri| uri == asked || is_loopback(uri) && same_loopback(uri, asked))
}

fn is_loopback(uri: &str) -> bool {
    matches!(uri.trim_end_matches('/'), "http://127.0.0.1" | "http://localhost" | "http://[::1]")
}

fn same_loopback(uri: &str, asked: &str) -> bool {
    match (url::Url::parse(uri), url::Url::parse(asked)) {
        (Ok(uri), Ok(asked)) => asked.scheme() == "http" && asked.host() == uri.host(),
        _ => false,
    }
}

//! The token endpoint, and what the platform says of itself.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    aadsts::Aadsts,
    oauth::{OldRefreshTokens, REFRESH_LIFE_MS, Tokens, short},
    request::Ask,
    world::World,
};
use crate::{answer, query::Query};

/// The tenant of all personal accounts.
pub const PERSONAL_TENANT: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
/// How long a code may be redeemed.
const CODE_LIFE_MS: i64 = 600_000;

impl World {
    /// Whether an authority admits an account: by its tenant, or a domain of it.
    pub(crate) fn admits(&self, authority: &str, account: &str) -> bool {
        let Some(own) = self.accounts.get(account) else { return false };
        let domain = account.rsplit('@').next().unwrap_or_default();
        match authority {
            "common" => true,
            "organizations" => own.tenant != PERSONAL_TENANT,
            "consumers" => own.tenant == PERSONAL_TENANT,
            named => named == own.tenant || named == domain && own.tenant != PERSONAL_TENANT,
        }
    }

    /// Whether there is such an authority for such an application.
    pub(crate) fn check_authority(&self, authority: &str, client: &str) -> Result<(), Aadsts> {
        let general = matches!(authority, "common" | "organizations" | "consumers");
        let known = self
            .accounts
            .iter()
            .any(|(email, own)| own.tenant == authority || email.rsplit('@').next() == Some(authority));
        if !general && !known {
            return Err(Aadsts::of(90002));
        }
        match self.oauth.clients.get(client) {
            None => Err(Aadsts::of(700016)),
            Some(client) if general && client.tenant.is_some() => Err(Aadsts::of(50194)),
            Some(_) => Ok(()),
        }
    }

    /// `POST /{tenant}/oauth2/v2.0/token`.
    pub(crate) fn token(&mut self, ask: &Ask, authority: &str) -> Response<Bytes> {
        let trace = self.new_guid();
        match self.grant_tokens(ask, authority) {
            Ok((tokens, id_token)) => {
                let mut body = json!({
                    "token_type": "Bearer", "scope": self.scope_as_said(&tokens.scope), "expires_in": tokens.expires_in,
                    "ext_expires_in": tokens.expires_in, "access_token": tokens.access_token,
                });
                if let Some(fields) = body.as_object_mut() {
                    if !tokens.refresh_token.is_empty() {
                        fields.insert("refresh_token".into(), json!(tokens.refresh_token));
                    }
                    if let Some(id_token) = id_token {
                        fields.insert("id_token".into(), json!(id_token));
                    }
                }
                answer::json(200, &body, false)
            }
            Err(error) => error.response(ask.now_ms, &trace),
        }
    }

    /// Scopes under their short names, or in full.
    fn scope_as_said(&self, scope: &str) -> String {
        let full = |scope: &str| match scope {
            "openid" | "profile" | "email" => scope.to_owned(),
            scope => format!("https://graph.microsoft.com/{scope}"),
        };
        if self.settings.full_scope_names {
            scope.split(' ').filter(|scope| !scope.is_empty()).map(full).collect::<Vec<_>>().join(" ")
        } else {
            scope.to_owned()
        }
    }

    fn grant_tokens(&mut self, ask: &Ask, authority: &str) -> Result<(Tokens, Option<String>), Aadsts> {
        let form = ask.form();
        let basic = ask.header(http::header::AUTHORIZATION).and_then(basic_pair);
        let (client, secret) = match basic {
            Some((client, secret)) => (client, Some(secret)),
            None => {
                (form.get("client_id").unwrap_or_default().to_owned(), form.get("client_secret").map(str::to_owned))
            }
        };
        if client.is_empty() {
            return Err(Aadsts::of(90014));
        }
        self.check_authority(authority, &client)?;
        let kind = form.get("grant_type").unwrap_or_default().to_owned();
        self.check_secret(&client, secret.as_deref(), kind.ends_with("device_code"))?;
        let (tokens, nonce) = match kind.as_str() {
            "authorization_code" => self.redeem(ask.now_ms, &client, authority, &form)?,
            "refresh_token" => (self.refresh(ask.now_ms, &client, authority, &form)?, None),
            "urn:ietf:params:oauth:grant-type:device_code" => (self.redeem_device(ask.now_ms, &client, &form)?, None),
            _ => return Err(Aadsts::of(9002313)),
        };
        let account = self.caller(ask.now_ms, Some(&tokens.access_token)).map(|caller| caller.account);
        let id_token = account.ok().filter(|_| tokens.scope.split(' ').any(|scope| scope == "openid"));
        let id_token = id_token.map(|account| self.id_token(ask.now_ms, &client, &account, nonce));
        Ok((tokens, id_token))
    }

    /// An application with a secret must show it, except where the device flow has none; a public one must not.
    fn check_secret(&self, client: &str, given: Option<&str>, device: bool) -> Result<(), Aadsts> {
        let Some(own) = self.oauth.clients.get(client) else { return Err(Aadsts::of(700016)) };
        match (&own.secret, given) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err(Aadsts::of(700025)),
            (Some(_), None) if device => Ok(()),
            (Some(_), None) => Err(Aadsts::of(7000218)),
            (Some(own), Some(given)) if own != given => Err(Aadsts::of(7000215)),
            (Some(_), Some(_)) if own.secret_expired => Err(Aadsts::of(7000222)),
            (Some(_), Some(_)) => Ok(()),
        }
    }

    fn redeem(
        &mut self,
        now_ms: i64,
        client: &str,
        authority: &str,
        form: &Query,
    ) -> Result<(Tokens, Option<String>), Aadsts> {
        let name = form.get("code").ok_or(Aadsts::of(90014))?;
        let code = self.oauth.codes.get_mut(name).filter(|code| code.client == client).ok_or(Aadsts::of(70000))?;
        if code.used {
            return Err(Aadsts::of(54005));
        }
        if now_ms.saturating_sub(code.made_ms) > CODE_LIFE_MS {
            return Err(Aadsts::of(70008));
        }
        if form.get("redirect_uri") != Some(code.redirect.as_str()) {
            return Err(Aadsts::of(50011));
        }
        if let Some((method, challenge)) = &code.challenge {
            let verifier = form.get("code_verifier").unwrap_or_default();
            if !(43..=128).contains(&verifier.len()) || !fits(method, challenge, verifier) {
                return Err(Aadsts::of(501481));
            }
        }
        code.used = true;
        let (account, scopes) = (code.account.clone(), code.scopes.clone());
        if !self.admits(authority, &account) {
            return Err(Aadsts::of(50020));
        }
        Ok((self.new_grant(now_ms, &account, client, scopes), None))
    }

    fn refresh(&mut self, now_ms: i64, client: &str, authority: &str, form: &Query) -> Result<Tokens, Aadsts> {
        let token = form.get("refresh_token").ok_or(Aadsts::of(90014))?.to_owned();
        let known = self.oauth.refresh.get(&token).ok_or(Aadsts::of(9002313))?;
        let (at, made_ms, dead, before) = (known.grant, known.made_ms, known.dead, known.before.clone());
        let grant = self.oauth.grants.get(at).filter(|grant| grant.client == client).ok_or(Aadsts::of(70000))?;
        if let Some(why) = grant.ended {
            return Err(Aadsts::of(why));
        }
        if dead {
            return Err(Aadsts::of(70000));
        }
        if now_ms.saturating_sub(made_ms) > REFRESH_LIFE_MS {
            return Err(Aadsts::of(700082));
        }
        if !self.admits(authority, &grant.account) {
            return Err(Aadsts::of(50020));
        }
        // Scopes may be fewer than were granted, never more.
        let wanted: Vec<&str> = form.get("scope").unwrap_or_default().split_ascii_whitespace().map(short).collect();
        let has = |scope: &str| {
            matches!(scope, "offline_access" | ".default" | "openid" | "profile" | "email")
                || grant.scopes.iter().any(|own| own == scope)
        };
        if !wanted.iter().all(|scope| has(scope)) {
            return Err(Aadsts::of(65001));
        }
        if let (Some(before), OldRefreshTokens::DieOnUse) = (before, self.settings.old_refresh_tokens) {
            self.kill_refresh(&before);
        }
        Ok(self.new_tokens(now_ms, at, Some(&token)))
    }

    /// Who signed in. Nobody checks the signature of a simulated platform.
    fn id_token(&self, now_ms: i64, client: &str, account: &str, nonce: Option<String>) -> String {
        let Some(own) = self.accounts.get(account) else { return String::new() };
        let now_s = now_ms.div_euclid(1000);
        let claims = json!({
            "aud": client, "iss": format!("https://login.microsoftonline.com/{}/v2.0", own.tenant), "iat": now_s, "nbf": now_s,
            "exp": now_s + 3600, "name": own.name, "oid": own.guid, "preferred_username": account, "email": account,
            "sub": self.guid(&format!("{client} {account}")), "tid": own.tenant, "ver": "2.0", "nonce": nonce,
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!(
            "{}.{}.{}",
            part(&json!({ "typ": "JWT", "alg": "RS256", "kid": "simulated" })),
            part(&claims),
            URL_SAFE_NO_PAD.encode("simulated")
        )
    }

    /// `/.well-known/openid-configuration`.
    pub(crate) fn configuration(&self, ask: &Ask, authority: &str) -> Response<Bytes> {
        let at = |path: &str| format!("{}/{authority}/oauth2/v2.0/{path}", ask.base());
        answer::json(
            200,
            &json!({
                "authorization_endpoint": at("authorize"), "token_endpoint": at("token"),
                "device_authorization_endpoint": at("devicecode"), "issuer": format!("{}/{authority}/v2.0", ask.base()),
                "response_types_supported": ["code"], "scopes_supported": ["openid", "profile", "email", "offline_access"],
                "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            }),
            false,
        )
    }
}

fn fits(method: &str, challenge: &str, verifier: &str) -> bool {
    match method {
        "S256" => URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())) == challenge,
        _ => verifier == challenge,
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

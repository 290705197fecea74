//! The sign-in page: who, and whether what is asked for is granted.

use bytes::Bytes;
use http::Response;

use super::{
    aadsts::Aadsts,
    oauth::{Code, short},
    request::Ask,
    world::World,
};
use crate::{answer, chance::TOKEN_LETTERS, html::escape, query::Query};

impl World {
    /// `GET` shows the page (or agrees at once), `POST` is the user's answer.
    pub(crate) fn authorize(&mut self, ask: &Ask, authority: &str) -> Response<Bytes> {
        let form = (ask.method == http::Method::POST).then(|| ask.form());
        let request = form.clone().unwrap_or_else(|| ask.query.clone());
        let client_id = request.get("client_id").unwrap_or_default();
        let redirect = request.get("redirect_uri").unwrap_or_default().to_owned();
        // What is wrong with the application itself is shown here and never sent to the redirect.
        if let Err(error) = self.check_authority(authority, client_id) {
            return refused(&error);
        }
        let registered =
            self.oauth.clients.get(client_id).map(|client| client.redirects.as_slice()).unwrap_or_default();
        if !redirect_fits(registered, &redirect) {
            return refused(&Aadsts::of(50011));
        }
        if request.get("response_type") != Some("code") {
            return refused(&Aadsts::of(9002313));
        }
        let scopes: Vec<String> =
            request.get("scope").unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect();
        if !scopes_known(&scopes) {
            return back(&redirect, &request, &Err(Aadsts::of(70011)));
        }
        if form.is_some() {
            if request.get("answer") != Some("allow") {
                return back(&redirect, &request, &Err(Aadsts::of(65004)));
            }
            let account = request.get("account").unwrap_or_default().to_owned();
            return self.agree(ask.now_ms, &account, authority, &request, &redirect, scopes);
        }
        let hint = request.get("login_hint").filter(|hint| self.accounts.contains_key(*hint)).map(str::to_owned);
        let auto = match (request.get("auto"), &self.oauth.auto_approve) {
            (Some("1"), _) => hint.clone().or_else(|| self.accounts.keys().next().cloned()),
            (_, Some(account)) => hint.clone().or_else(|| Some(account.clone())),
            _ => None,
        };
        match auto {
            Some(account) => self.agree(ask.now_ms, &account, authority, &request, &redirect, scopes),
            None => answer::html(200, self.consent_page(&ask.path, authority, &request, &scopes, hint.as_deref())),
        }
    }

    fn agree(
        &mut self,
        now_ms: i64,
        account: &str,
        authority: &str,
        request: &Query,
        redirect: &str,
        scopes: Vec<String>,
    ) -> Response<Bytes> {
        if !self.accounts.contains_key(account) {
            return refused(&Aadsts::of(50034));
        }
        if !self.admits(authority, account) {
            return refused(&Aadsts::of(50020));
        }
        if self.settings.admin_consent_only {
            return back(redirect, request, &Err(Aadsts::of(90094)));
        }
        let challenge = request.get("code_challenge").map(|challenge| {
            (request.get("code_challenge_method").unwrap_or("plain").to_owned(), challenge.to_owned())
        });
        let name = format!("M.C5{}", self.chance.text(TOKEN_LETTERS, 60));
        let code = Code {
            account: account.to_owned(),
            client: request.get("client_id").unwrap_or_default().to_owned(),
            redirect: redirect.to_owned(),
            scopes,
            challenge,
            made_ms: now_ms,
            used: false,
        };
        self.oauth.codes.insert(name.clone(), code);
        back(redirect, request, &Ok(name))
    }

    fn consent_page(
        &self,
        path: &str,
        authority: &str,
        request: &Query,
        scopes: &[String],
        hint: Option<&str>,
    ) -> String {
        let mut body = format!(
            "<p><b>{}</b> wants to read and change your calendars. This is a simulated provider: nobody's data is here.</p>\
             <form method=post action=\"{}\"><fieldset><legend>Account</legend>",
            escape(request.get("client_id").unwrap_or_default()),
            escape(path)
        );
        let admitted = self.accounts.keys().filter(|account| self.admits(authority, account));
        for (at, account) in admitted.enumerate() {
            let checked = if hint.map_or(at == 0, |hint| hint == account) { " checked" } else { "" };
            let name = escape(account);
            body.push_str(&format!(
                "<p><label><input type=radio name=account value=\"{name}\"{checked}> {name}</label></p>"
            ));
        }
        body.push_str("</fieldset><p>It asks for:</p><ul>");
        for scope in scopes {
            body.push_str(&format!("<li>{}</li>", escape(short(scope))));
        }
        body.push_str("</ul>");
        for (name, value) in request.pairs() {
            body.push_str(&format!("<input type=hidden name=\"{}\" value=\"{}\">", escape(name), escape(value)));
        }
        body.push_str(
            "<button class=main name=answer value=allow>Accept</button> <button name=answer value=deny>Cancel</button></form>",
        );
        crate::html::frame("Sign in", &body)
    }

    /// `/{tenant}/v2.0/adminconsent`: an administrator agrees for everybody.
    pub(crate) fn admin_consent(&mut self, ask: &Ask, authority: &str) -> Response<Bytes> {
        let client = ask.query.get("client_id").unwrap_or_default();
        if let Err(error) = self.check_authority(authority, client) {
            return refused(&error);
        }
        let redirect = ask.query.get("redirect_uri").unwrap_or_default().to_owned();
        let registered = self.oauth.clients.get(client).map(|client| client.redirects.as_slice()).unwrap_or_default();
        if !redirect_fits(registered, &redirect) {
            return refused(&Aadsts::of(50011));
        }
        self.settings.admin_consent_only = false;
        let Ok(mut url) = url::Url::parse(&redirect) else { return refused(&Aadsts::of(50011)) };
        url.query_pairs_mut().append_pair("admin_consent", "True").append_pair("tenant", authority);
        if let Some(state) = ask.query.get("state") {
            url.query_pairs_mut().append_pair("state", state);
        }
        answer::redirect(url.as_str())
    }
}

fn scopes_known(scopes: &[String]) -> bool {
    let known = |scope: &str| {
        matches!(scope, "openid" | "profile" | "email" | "offline_access" | ".default")
            || scope.starts_with("Calendars.")
            || scope.starts_with("User.")
            || scope.starts_with("MailboxSettings.")
    };
    !scopes.is_empty() && scopes.iter().all(|scope| known(short(scope)))
}

/// The redirect with `state` and the code or the error, in the query or as a form that sends itself.
fn back(redirect: &str, request: &Query, what: &Result<String, Aadsts>) -> Response<Bytes> {
    let mut pairs: Vec<(&str, String)> = match what {
        Ok(code) => vec![("code", code.clone())],
        Err(error) => vec![
            ("error", if error.code == 65004 { "access_denied".into() } else { error.error.into() }),
            ("error_description", error.sentence()),
        ],
    };
    if let Some(state) = request.get("state") {
        pairs.push(("state", state.to_owned()));
    }
    if request.get("response_mode") == Some("form_post") {
        let fields: String = pairs
            .iter()
            .map(|(name, value)| format!("<input type=hidden name=\"{name}\" value=\"{}\">", escape(value)))
            .collect();
        let form =
            format!("<form method=post action=\"{}\">{fields}<button>Continue</button></form>", escape(redirect));
        return answer::html(200, crate::html::frame("Continue", &form));
    }
    let Ok(mut url) = url::Url::parse(redirect) else { return refused(&Aadsts::of(50011)) };
    url.query_pairs_mut().extend_pairs(pairs);
    answer::redirect(url.as_str())
}

fn refused(error: &Aadsts) -> Response<Bytes> {
    let body = format!("<p>Sorry, but we are having trouble signing you in.</p><p>{}</p>", escape(&error.sentence()));
    answer::html(400, crate::html::frame("Sign in", &body))
}

/// Whether a client may be redirected there: exactly as registered, or any port of `http://localhost`.
fn redirect_fits(registered: &[String], asked: &str) -> bool {
    let same = |uri: &String| match (url::Url::parse(uri), url::Url::parse(asked)) {
        (Ok(uri), Ok(asked)) => {
            let loopback = matches!(uri.host_str(), Some("localhost" | "127.0.0.1"));
            loopback && asked.scheme() == "http" && asked.host() == uri.host() && matches!(uri.path(), "/" | "")
        }
        _ => false,
    };
    registered.iter().any(|uri| uri == asked || same(uri))
}

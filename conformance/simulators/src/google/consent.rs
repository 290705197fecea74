//! The authorisation page: who, and for which scopes.

use bytes::Bytes;
use http::Response;

use super::{
    answer,
    html::escape,
    oauth::redirect_fits,
    request::{Ask, Query},
    world::World,
};

impl World {
    /// `GET` shows the page (or agrees at once), `POST` is the user's answer.
    pub(crate) fn authorize(&mut self, ask: &Ask) -> Response<Bytes> {
        let form = if ask.method == http::Method::POST { Some(ask.form()) } else { None };
        let request = form.as_ref().unwrap_or(&ask.query);
        let client_id = request.get("client_id").unwrap_or_default();
        let redirect = request.get("redirect_uri").unwrap_or_default().to_owned();
        // What is wrong with the client itself is shown here and never sent to the redirect.
        let Some(client) = self.oauth.clients.get(client_id) else {
            return refused(401, "invalid_client", "The OAuth client was not found.");
        };
        if !redirect_fits(&client.redirects, &redirect) {
            return refused(
                400,
                "redirect_uri_mismatch",
                "The redirect URI in the request does not match a registered one.",
            );
        }
        if request.get("response_type") != Some("code") {
            return refused(400, "invalid_request", "response_type must be code.");
        }
        let scopes: Vec<String> =
            request.get("scope").unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect();
        if scopes.is_empty() {
            return refused(400, "invalid_request", "Missing required parameter: scope");
        }
        let request = request.clone();
        if form.is_some() {
            if request.get("answer") != Some("allow") {
                return back(&redirect, &request, &[("error", "access_denied")]);
            }
            let account = request.get("account").unwrap_or_default().to_owned();
            let ticked = request.all("ticked").map(str::to_owned).filter(|scope| scopes.contains(scope)).collect();
            return self.agree(ask.now_ms, &account, &request, &redirect, ticked);
        }
        let hint = request.get("login_hint").filter(|hint| self.accounts.contains_key(*hint)).map(str::to_owned);
        let auto = match (request.get("auto"), &self.oauth.auto_approve) {
            (Some("1"), _) => hint.clone().or_else(|| self.accounts.keys().next().cloned()),
            (_, Some(account)) => hint.clone().or_else(|| Some(account.clone())),
            _ => None,
        };
        match auto {
            Some(account) => self.agree(ask.now_ms, &account, &request, &redirect, scopes),
            None => answer::html(200, self.consent_page(&request, &scopes, hint.as_deref())),
        }
    }

    fn agree(
        &mut self,
        now_ms: i64,
        account: &str,
        request: &Query,
        redirect: &str,
        ticked: Vec<String>,
    ) -> Response<Bytes> {
        if !self.accounts.contains_key(account) {
            return refused(400, "invalid_request", "There is no such account.");
        }
        let scope = ticked.join(" ");
        let code = self.new_code(now_ms, account, request, ticked);
        back(redirect, request, &[("code", &code), ("scope", &scope)])
    }

    fn consent_page(&self, request: &Query, scopes: &[String], hint: Option<&str>) -> String {
        let mut page = String::from(
            "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>Sign in</title>\
             <style>body{font:16px system-ui;max-width:32rem;margin:3rem auto;padding:0 1rem}fieldset{border:1px solid #ccc;border-radius:8px;\
             margin:1rem 0}label{display:block;margin:.4rem 0}button{font:inherit;padding:.5rem 1.2rem;margin-right:.5rem}</style>\
             <h1>Choose an account</h1>",
        );
        page.push_str(&format!(
            "<p><b>{}</b> wants access to your calendars. This is a simulated provider: nobody's data is here.</p>\
             <form method=post action=\"/o/oauth2/v2/auth\"><fieldset><legend>Account</legend>",
            escape(request.get("client_id").unwrap_or_default())
        ));
        for (at, account) in self.accounts.keys().enumerate() {
            let checked = if hint.map_or(at == 0, |hint| hint == account) { " checked" } else { "" };
            let name = escape(account);
            page.push_str(&format!("<label><input type=radio name=account value=\"{name}\"{checked}> {name}</label>"));
        }
        page.push_str("</fieldset><fieldset><legend>What it may do</legend>");
        for scope in scopes {
            let name = escape(scope);
            page.push_str(&format!("<label><input type=checkbox name=ticked value=\"{name}\" checked> {name}</label>"));
        }
        page.push_str("</fieldset>");
        for (name, value) in request.pairs() {
            page.push_str(&format!("<input type=hidden name=\"{}\" value=\"{}\">", escape(name), escape(value)));
        }
        page.push_str("<button name=answer value=allow>Allow</button><button name=answer value=deny>Cancel</button></form></html>");
        page
    }
}

/// The redirect with `state` and the given parameters.
fn back(redirect: &str, request: &Query, pairs: &[(&str, &str)]) -> Response<Bytes> {
    let Ok(mut url) = url::Url::parse(redirect) else {
        return refused(400, "invalid_request", "Invalid redirect_uri.");
    };
    {
        let mut query = url.query_pairs_mut();
        if let Some(state) = request.get("state") {
            query.append_pair("state", state);
        }
        for (name, value) in pairs {
            query.append_pair(name, value);
        }
    }
    answer::redirect(url.as_str())
}

fn refused(status: u16, error: &str, why: &str) -> Response<Bytes> {
    answer::html(
        status,
        format!(
            "<!doctype html><html lang=en><title>Error</title><h1>Access blocked</h1><p>Error {status}: {error}</p><p>{}</p></html>",
            escape(why)
        ),
    )
}

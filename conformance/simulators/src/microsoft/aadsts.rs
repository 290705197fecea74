//! Errors of the identity platform, by their AADSTS numbers.

use bytes::Bytes;
use http::Response;
use serde_json::json;

use crate::answer;

/// An error of the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Aadsts {
    pub(crate) code: u32,
    pub(crate) status: u16,
    pub(crate) error: &'static str,
    pub(crate) suberror: Option<&'static str>,
    pub(crate) what: &'static str,
}

macro_rules! errors {
    ($($code:literal $status:literal $error:literal $suberror:expr, $what:literal;)*) => {
        const ALL: &[Aadsts] = &[$(Aadsts { code: $code, status: $status, error: $error, suberror: $suberror, what: $what }),*];
    };
}

errors! {
    50011 400 "invalid_request" None, "The redirect URI specified in the request does not match the redirect URIs configured for the application.";
    50020 400 "invalid_grant" None, "User account from this identity provider does not exist in the tenant and cannot access the application in that tenant.";
    50034 400 "invalid_grant" None, "The user account does not exist in the directory.";
    50057 400 "invalid_grant" None, "The user account is disabled.";
    50059 400 "invalid_request" None, "No tenant-identifying information found in either the request or implied by any provided credentials.";
    50076 400 "interaction_required" Some("basic_action"), "Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication to access the resource.";
    50079 400 "interaction_required" Some("basic_action"), "Due to a configuration change made by your administrator, you must enroll in multi-factor authentication to access the resource.";
    50158 400 "interaction_required" Some("basic_action"), "External security challenge not satisfied.";
    50173 400 "invalid_grant" Some("bad_token"), "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have changed or reset their password.";
    50194 400 "invalid_request" None, "Application is not configured as a multi-tenant application. Usage of the /common endpoint is not supported for such apps created after '10/15/2018'.";
    50196 400 "invalid_grant" None, "The server terminated an operation because it encountered a client request loop.";
    53003 400 "interaction_required" Some("message_only"), "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.";
    54005 400 "invalid_grant" None, "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.";
    65001 400 "invalid_grant" Some("consent_required"), "The user or administrator has not consented to use the application. Send an interactive authorization request for this user and resource.";
    65004 400 "access_denied" None, "User declined to consent to access the app.";
    70000 400 "invalid_grant" None, "Provided grant is invalid or malformed.";
    70008 400 "invalid_grant" Some("token_expired"), "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive authorization request for this user and resource.";
    70011 400 "invalid_scope" None, "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid.";
    70016 400 "authorization_pending" None, "OAuth 2.0 device flow error. Authorization is pending. Continue polling.";
    70018 400 "bad_verification_code" None, "Invalid verification code due to User typing in wrong user code for device code flow.";
    70019 400 "expired_token" None, "Verification code expired. Have the user retry the sign-in.";
    70020 400 "expired_token" None, "The provided value for the input parameter 'device_code' is not valid. This device code has expired.";
    90002 400 "invalid_request" None, "Tenant not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.";
    90014 400 "invalid_request" None, "The required field is missing from the credential.";
    90055 429 "temporarily_unavailable" None, "The request was throttled because it received too many requests.";
    90093 400 "access_denied" None, "The calling principal can't consent to the required permissions. An admin must consent.";
    90094 400 "consent_required" None, "Admin consent is required for the permissions requested by this application.";
    501481 400 "invalid_grant" None, "The Code_Verifier does not match the code_challenge supplied in the authorization request.";
    700016 400 "unauthorized_client" None, "Application with the identifier was not found in the directory. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant.";
    700025 401 "invalid_client" None, "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.";
    700082 400 "invalid_grant" Some("token_expired"), "The refresh token has expired due to inactivity.";
    700084 400 "invalid_grant" Some("token_expired"), "The refresh token was issued to a single page app (SPA), and therefore has a fixed, limited lifetime, which can't be extended. It is now expired and a new sign in request must be sent by the SPA to the sign in page.";
    7000014 400 "invalid_request" None, "The required field 'device_code' is missing.";
    7000215 401 "invalid_client" None, "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID.";
    7000218 401 "invalid_client" None, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
    7000222 401 "invalid_client" None, "The provided client secret keys are expired. Visit the Azure portal to create new keys for your app.";
    9002313 400 "invalid_request" None, "Invalid request. Request is malformed or invalid.";
}

impl Aadsts {
    /// The error of that number; one that is not known here is an `invalid_grant`.
    pub(crate) fn of(code: u32) -> Self {
        let unknown =
            Self { code, status: 400, error: "invalid_grant", suberror: None, what: "The request was refused." };
        ALL.iter().find(|one| one.code == code).copied().unwrap_or(unknown)
    }

    /// What a page or a redirect says of it.
    pub(crate) fn sentence(&self) -> String {
        format!("AADSTS{}: {}", self.code, self.what)
    }

    pub(crate) fn response(&self, now_ms: i64, trace: &str) -> Response<Bytes> {
        let stamp = super::moment::instant(now_ms).strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        let mut body = json!({
            "error": self.error,
            "error_description": format!("{} Trace ID: {trace} Correlation ID: {trace} Timestamp: {stamp}", self.sentence()),
            "error_codes": [self.code], "timestamp": stamp, "trace_id": trace, "correlation_id": trace,
            "error_uri": format!("https://login.microsoftonline.com/error?code={}", self.code),
        });
        if let (Some(suberror), Some(fields)) = (self.suberror, body.as_object_mut()) {
            fields.insert("suberror".into(), json!(suberror));
        }
        answer::json(self.status, &body, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_its_number_in_both_places() {
        let response = Aadsts::of(65001).response(0, "trace");
        let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(body["error_codes"], json!([65001]));
        assert_eq!(body["suberror"], "consent_required");
        assert!(body["error_description"].as_str().unwrap().starts_with("AADSTS65001: "));
        assert_eq!(Aadsts::of(1).error, "invalid_grant");
    }
}

//! Consent on another device: a code is shown here and typed there. What we ask with is kept as a consent under way is,
//! sealed and bound to who began.

use secrecy::{ExposeSecret, SecretString};

use super::Engine;
use crate::store::{OauthState, verifier_place};
use crate::sync::desk::{Connected, DeskError, DeviceAsked, DeviceBegun, NewConsent};
use crate::upstream::device::Device;
use crate::upstream::oauth::Wanted;

impl Engine {
    pub(super) async fn begin_device(&self, new: NewConsent) -> Result<DeviceBegun, DeskError> {
        let unknown = || DeskError::NotConfigured(format!("{} is not set up here", new.provider));
        let oauth = self.registry().oauth(new.provider).ok_or_else(unknown)?;
        let wanted = if new.read_only { Wanted::Reading } else { Wanted::Writing };
        let made = oauth.device(&**self.registry().transport(), wanted, self.store().now()).await?;
        let state = self.store().chance().secret();
        let kept = OauthState {
            user: new.user,
            provider: new.provider,
            bound_to: new.bound_to,
            verifier_sealed: Vec::new(),
            redirect_uri: String::new(),
        };
        self.keep_device(&new.firm, &state, kept, &made.code).await?;
        Ok(DeviceBegun {
            user_code: made.user_code,
            page: made.page,
            state,
            interval_s: made.interval_s,
            expires: made.expires_at,
        })
    }

    async fn keep_device(
        &self,
        firm: &crate::domain::ids::FirmId,
        state: &str,
        mut kept: OauthState,
        code: &SecretString,
    ) -> Result<(), DeskError> {
        let hash = self.store().hash("oauth state", state);
        let row = hex::encode(hash);
        let plain = code.expose_secret().as_bytes();
        kept.verifier_sealed = self.keys().seal(verifier_place(&row), plain, self.store().chance());
        let mut tx = self.store().write().await?;
        tx.begin_consent(firm, &hash, &kept).await?;
        tx.commit().await?;
        Ok(())
    }

    pub(super) async fn finish_device(&self, asked: DeviceAsked) -> Result<Option<Connected>, DeskError> {
        let hash = self.store().hash("oauth state", &asked.state);
        let mut tx = self.store().write().await?;
        let kept = tx.finish_consent(&asked.firm, &hash).await?;
        tx.commit().await?;
        let kept = kept.filter(|k| {
            let same = crate::crypto::same(k.bound_to.as_bytes(), asked.bound_to.as_bytes());
            // The state of a consent that goes by a redirect is no code.
            same && k.user == asked.user && k.redirect_uri.is_empty()
        });
        let kept = kept.ok_or(DeskError::BadConsent)?;
        let unknown = || DeskError::NotConfigured(format!("{} is not set up here", kept.provider));
        let oauth = self.registry().oauth(kept.provider).ok_or_else(unknown)?;
        let row = hex::encode(hash);
        let code = self.keys().open(verifier_place(&row), &kept.verifier_sealed).map_err(|_| DeskError::BadConsent)?;
        let code = SecretString::from(String::from_utf8_lossy(&code).into_owned());
        let transport = &**self.registry().transport();
        let answer = oauth.device_tokens(transport, &code, self.store().now()).await;
        match answer {
            Ok(Device::Granted(tokens)) => {
                let whom = (&asked.firm, &asked.user);
                Ok(Some(self.keep_grant(whom, kept.provider, &oauth, *tokens).await?))
            }
            Ok(Device::Pending | Device::SlowDown) => {
                self.keep_device(&asked.firm, &asked.state, kept, &code).await?;
                Ok(None)
            }
            Err(failure) => {
                // What may pass does not end the consent.
                if failure.class() != crate::domain::sync::ErrorClass::NonRetryable {
                    self.keep_device(&asked.firm, &asked.state, kept, &code).await?;
                }
                Err(failure.into())
            }
        }
    }
}

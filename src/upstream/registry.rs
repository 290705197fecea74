//! The providers that the operator set up.

use std::sync::Arc;

use super::google::{self, Google};
use super::http::Transport;
use super::microsoft::{self, Microsoft};
use super::{Upstream, oauth};
use crate::domain::sync::Provider;
use crate::domain::time::Clock;

/// What the operator set up. A provider that is not there cannot be connected.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Google Calendar.
    pub google: Option<google::Setup>,
    /// Microsoft 365 and Outlook.com.
    pub microsoft: Option<microsoft::Setup>,
}

/// Every provider that can be asked, each with its OAuth where it has one.
#[derive(Clone)]
pub struct Upstreams {
    transport: Arc<dyn Transport>,
    google: Option<(Arc<Google>, Arc<oauth::Provider>)>,
    microsoft: Option<(Arc<Microsoft>, Arc<oauth::Provider>)>,
    /// Stand in for the real ones in tests.
    others: Vec<Arc<dyn Upstream>>,
}

impl Upstreams {
    /// Those of the settings, over one way out.
    #[must_use]
    pub fn new(settings: &Settings, transport: Arc<dyn Transport>, clock: &Arc<dyn Clock>) -> Upstreams {
        let google = settings.google.as_ref().map(|setup| {
            let google = Google::new(Arc::clone(&transport), Arc::clone(clock), setup.api_url.clone());
            (Arc::new(google), Arc::new(setup.oauth()))
        });
        let microsoft = settings.microsoft.as_ref().map(|setup| {
            let microsoft = Microsoft::new(Arc::clone(&transport), Arc::clone(clock), setup.graph_url.clone());
            (Arc::new(microsoft), Arc::new(setup.oauth()))
        });
        Upstreams { transport, google, microsoft, others: Vec::new() }
    }

    /// These and no others, for tests of what asks them.
    #[must_use]
    pub fn of_these(others: Vec<Arc<dyn Upstream>>, transport: Arc<dyn Transport>) -> Upstreams {
        Upstreams { transport, google: None, microsoft: None, others }
    }

    /// The provider, if it can be asked.
    #[must_use]
    pub fn of(&self, provider: Provider) -> Option<Arc<dyn Upstream>> {
        if let Some(other) = self.others.iter().find(|up| up.provider() == provider) {
            return Some(Arc::clone(other));
        }
        match provider {
            Provider::Google => self.google.as_ref().map(|(google, _)| Arc::clone(google) as Arc<dyn Upstream>),
            Provider::Microsoft => self.microsoft.as_ref().map(|(up, _)| Arc::clone(up) as Arc<dyn Upstream>),
            Provider::Apple | Provider::Caldav | Provider::Ics => None,
        }
    }

    /// Its OAuth, if it has one and can be asked.
    #[must_use]
    pub fn oauth(&self, provider: Provider) -> Option<Arc<oauth::Provider>> {
        match provider {
            Provider::Google => self.google.as_ref().map(|(_, oauth)| Arc::clone(oauth)),
            Provider::Microsoft => self.microsoft.as_ref().map(|(_, oauth)| Arc::clone(oauth)),
            Provider::Apple | Provider::Caldav | Provider::Ics => None,
        }
    }

    /// The way out.
    #[must_use]
    pub fn transport(&self) -> &Arc<dyn Transport> {
        &self.transport
    }
}

impl std::fmt::Debug for Upstreams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstreams")
            .field("google", &self.google.is_some())
            .field("microsoft", &self.microsoft.is_some())
            .finish_non_exhaustive()
    }
}

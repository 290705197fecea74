//! When things go wrong: by script, per request, or by chance under a seed. What goes wrong, each provider says.

use serde::{Deserialize, Serialize};

use crate::chance::Chance;

/// A provider's list of what can go wrong.
pub trait Planned: Clone {
    /// Its methods.
    type Call: Copy;

    /// A method's name.
    fn name(call: Self::Call) -> &'static str;

    /// Whether the fault means something for this call.
    fn fits(&self, call: Self::Call) -> bool;

    /// Whether it strikes notifications.
    fn of_delivery(&self) -> bool;

    /// Whether it only befalls requests for a further page.
    fn of_further_pages(&self) -> bool {
        false
    }
}

/// When a fault strikes. Without conditions: at the next request it fits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule<F> {
    /// What goes wrong.
    pub fault: F,
    /// Only at this call: a name as `events.insert`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// Only at this HTTP method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Only where path and query contain this, as sent: `pageToken=`, an event's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// So many matching requests pass first.
    #[serde(default)]
    pub skip: u32,
    /// It strikes so often; `None`: for ever.
    #[serde(default = "once")]
    pub times: Option<u32>,
}

fn once() -> Option<u32> {
    Some(1)
}

impl<F: Planned> Rule<F> {
    /// Strikes once, at the next request the fault fits.
    pub fn new(fault: F) -> Self {
        Self { fault, call: None, method: None, part: None, skip: 0, times: Some(1) }
    }

    /// Only at this call.
    pub fn at(mut self, call: F::Call) -> Self {
        self.call = Some(F::name(call).to_owned());
        self
    }

    /// Only where path and query contain this.
    pub fn on(mut self, part: &str) -> Self {
        self.part = Some(part.to_owned());
        self
    }

    /// After so many matching requests.
    pub fn after(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    /// So often.
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// For ever.
    pub fn always(mut self) -> Self {
        self.times = None;
        self
    }

    fn matches(&self, call: F::Call, method: &str, path: &str) -> bool {
        self.call.as_deref().map_or_else(|| self.fault.fits(call), |name| name == F::name(call))
            && self.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self.part.as_deref().is_none_or(|part| path.contains(part))
    }
}

/// What goes wrong by chance.
#[derive(Clone, Debug)]
struct Random<F> {
    chance: Chance,
    per_mille: u32,
    faults: Vec<F>,
}

/// All faults that are planned.
#[derive(Clone, Debug)]
pub struct Faults<F> {
    rules: Vec<Rule<F>>,
    random: Option<Random<F>>,
    struck: u64,
}

impl<F> Default for Faults<F> {
    fn default() -> Self {
        Self { rules: Vec::new(), random: None, struck: 0 }
    }
}

impl<F: Planned> Faults<F> {
    /// Adds a rule; the first that matches a request strikes.
    pub fn push(&mut self, rule: Rule<F>) {
        self.rules.push(rule);
    }

    /// From now on each request meets one of these faults with this probability, in thousandths.
    pub fn randomly(&mut self, seed: u64, per_mille: u32, faults: Vec<F>) {
        self.random = Some(Random { chance: Chance::new(seed), per_mille, faults });
    }

    /// Nothing goes wrong any more.
    pub fn clear(&mut self) {
        self.rules.clear();
        self.random = None;
    }

    /// The rules that have not been used up.
    pub fn rules(&self) -> &[Rule<F>] {
        &self.rules
    }

    /// How many faults have struck.
    pub fn struck(&self) -> u64 {
        self.struck
    }

    pub(crate) fn pick(&mut self, call: F::Call, method: &str, path: &str) -> Option<F> {
        let scripted = |rule: &Rule<F>| !rule.fault.of_delivery() && rule.matches(call, method, path);
        let further = path.contains("pageToken=");
        self.scripted(scripted)
            .or_else(|| self.by_chance(|fault| fault.fits(call) && (further || !fault.of_further_pages())))
    }

    pub(crate) fn pick_delivery(&mut self) -> Option<F> {
        self.scripted(|rule| rule.fault.of_delivery()).or_else(|| self.by_chance(F::of_delivery))
    }

    fn scripted(&mut self, matches: impl Fn(&Rule<F>) -> bool) -> Option<F> {
        let mut found = None;
        for (at, rule) in self.rules.iter_mut().enumerate() {
            if !matches(rule) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            found = Some((at, rule.fault.clone()));
            if let Some(times) = &mut rule.times {
                *times = times.saturating_sub(1);
            }
            break;
        }
        let (at, fault) = found?;
        if self.rules.get(at).is_some_and(|rule| rule.times == Some(0)) {
            self.rules.remove(at);
        }
        self.struck += 1;
        Some(fault)
    }

    fn by_chance(&mut self, fits: impl Fn(&F) -> bool) -> Option<F> {
        let random = self.random.as_mut()?;
        if random.chance.below(1000) >= u64::from(random.per_mille) {
            return None;
        }
        let fitting: Vec<&F> = random.faults.iter().filter(|fault| fits(fault)).collect();
        let at = usize::try_from(random.chance.below(fitting.len() as u64)).ok()?;
        let fault = fitting.get(at).map(|fault| (*fault).clone());
        self.struck += u64::from(fault.is_some());
        fault
    }
}

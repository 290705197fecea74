//! What a policy may say: bounds of its lists and words, templates that can be filled in.

use super::apart;
use super::policy::{ConflictPolicy, FieldMapping, Filters, LinkPolicy, POLICY_ITEMS_MAX, Rule, RuleOperator};
use super::words::Resolution;
use crate::domain::ids::ObjectId;

/// The longest word of a filter or rule: names of the platform are shorter.
pub const POLICY_WORD_CHARS_MAX: usize = 200;
/// The longest template.
pub const TEMPLATE_CHARS_MAX: usize = 500;
/// Fields over there that a template may fill.
pub const MAPPED_FIELDS: [&str; 3] = ["title", "notes", "location"];
/// Fields of an appointment that a template may name in braces.
pub const TEMPLATE_FIELDS: [&str; 10] = [
    "title",
    "notes",
    "location",
    "url",
    "categories",
    "status",
    "appointment_type",
    "client_id",
    "staff_user_id",
    "project_id",
];

/// What is wrong with a policy, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {reason}")]
pub struct BadPolicy {
    /// A path such as `filters.rules[0].value`.
    pub at: String,
    /// A sentence.
    pub reason: String,
}

fn bad<T>(at: impl Into<String>, reason: impl Into<String>) -> Result<T, BadPolicy> {
    Err(BadPolicy { at: at.into(), reason: reason.into() })
}

impl LinkPolicy {
    /// Whether the policy says what can be.
    ///
    /// # Errors
    /// The first thing that cannot.
    pub fn check(&self) -> Result<(), BadPolicy> {
        check_filters(&self.filters)?;
        match &self.conflict {
            ConflictPolicy::KeepPlatform
            | ConflictPolicy::KeepExternal
            | ConflictPolicy::MostRecent
            | ConflictPolicy::Manual => {}
            ConflictPolicy::SourcePriority { links } => {
                if links.is_empty() {
                    return bad("conflict_policy.links", "name the links, the strongest first");
                }
                check_words("conflict_policy.links", links)?;
                if (1..links.len()).any(|at| links.iter().take(at).any(|l| Some(l) == links.get(at))) {
                    return bad("conflict_policy.links", "a link is named twice");
                }
            }
            ConflictPolicy::Rules { rules } => {
                check_count("conflict_policy.rules", rules.len())?;
                if rules.is_empty() {
                    return bad("conflict_policy.rules", "name at least one rule");
                }
                for (at, (rule, resolution)) in rules.iter().enumerate() {
                    check_rule(&format!("conflict_policy.rules[{at}]"), rule)?;
                    if *resolution == Resolution::Merge {
                        let reason = "a rule decides for one side; fields are chosen by a person";
                        return bad(format!("conflict_policy.rules[{at}].resolution"), reason);
                    }
                }
            }
        }
        check_mapping(&self.field_mapping)
    }
}

fn check_filters(filters: &Filters) -> Result<(), BadPolicy> {
    for (name, words) in [
        ("appointment_types", &filters.appointment_types),
        ("client_ids", &filters.client_ids),
        ("staff_user_ids", &filters.staff_user_ids),
        ("project_ids", &filters.project_ids),
        ("categories", &filters.categories),
        ("include", &filters.include),
        ("exclude", &filters.exclude),
    ] {
        check_words(&format!("filters.{name}"), words)?;
    }
    for (name, ids) in [("include", &filters.include), ("exclude", &filters.exclude)] {
        if let Some(n) = ids.iter().position(|id| apart::parts(&ObjectId::from_text(id.clone())).is_some()) {
            let reason = "it names one instance of a series; a filter is about the whole appointment";
            return bad(format!("filters.{name}[{n}]"), reason);
        }
    }
    if let Some(both) = filters.include.iter().find(|id| filters.exclude.contains(id)) {
        return bad("filters.exclude", format!("{both} is included and excluded"));
    }
    if let (Some(from), Some(until)) = (filters.from_ms, filters.until_ms)
        && from >= until
    {
        return bad("filters.until", "it is not after from");
    }
    check_count("filters.rules", filters.rules.len())?;
    filters.rules.iter().enumerate().try_for_each(|(at, rule)| check_rule(&format!("filters.rules[{at}]"), rule))
}

fn check_count(at: &str, count: usize) -> Result<(), BadPolicy> {
    if count > POLICY_ITEMS_MAX { bad(at, format!("at most {POLICY_ITEMS_MAX}")) } else { Ok(()) }
}

fn check_words(at: &str, words: &[String]) -> Result<(), BadPolicy> {
    check_count(at, words.len())?;
    words.iter().enumerate().try_for_each(|(n, word)| check_word(&format!("{at}[{n}]"), word))
}

fn check_word(at: &str, word: &str) -> Result<(), BadPolicy> {
    if word.trim().is_empty() {
        return bad(at, "it is empty");
    }
    check_text(at, word, POLICY_WORD_CHARS_MAX)
}

fn check_text(at: &str, text: &str, chars_max: usize) -> Result<(), BadPolicy> {
    if text.chars().count() > chars_max {
        return bad(at, format!("at most {chars_max} characters"));
    }
    if text.chars().any(|c| c.is_control() && c != '\n') {
        return bad(at, "it has control characters");
    }
    Ok(())
}

fn check_rule(at: &str, rule: &Rule) -> Result<(), BadPolicy> {
    let at = format!("{at}.value");
    match rule.operator {
        RuleOperator::Exists | RuleOperator::NotExists if rule.value.is_empty() => Ok(()),
        RuleOperator::Exists | RuleOperator::NotExists => bad(at, "this operator compares with nothing"),
        _ => check_word(&at, &rule.value),
    }
}

fn check_mapping(mapping: &FieldMapping) -> Result<(), BadPolicy> {
    for (target, template) in mapping {
        let at = format!("field_mapping.{target}");
        if !MAPPED_FIELDS.contains(&target.as_str()) {
            return bad(at, format!("fields that can be filled are {}", MAPPED_FIELDS.join(", ")));
        }
        check_text(&at, template, TEMPLATE_CHARS_MAX)?;
        check_template(&at, template)?;
    }
    Ok(())
}

/// Every brace opens or closes the name of a field.
fn check_template(at: &str, template: &str) -> Result<(), BadPolicy> {
    let mut rest = template;
    while let Some(found) = rest.find(['{', '}']) {
        let (_, tail) = rest.split_at(found);
        let Some((name, after)) = tail.strip_prefix('{').and_then(|inside| inside.split_once('}')) else {
            return bad(at, "braces enclose the name of a field, as in {title}");
        };
        if !TEMPLATE_FIELDS.contains(&name) {
            let shown: String = name.chars().take(40).collect();
            return bad(
                at,
                format!("{shown:?} is no field; those that can be named are {}", TEMPLATE_FIELDS.join(", ")),
            );
        }
        rest = after;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::policy::RuleField;
    use super::*;

    fn rule(operator: RuleOperator, value: &str) -> Rule {
        Rule { field: RuleField::Title, operator, value: value.to_owned() }
    }

    fn at(policy: LinkPolicy) -> String {
        policy.check().err().map(|b| b.at).unwrap_or_default()
    }

    #[test]
    fn what_cannot_be_is_named() {
        let filters = |filters| LinkPolicy { filters, ..LinkPolicy::default() };
        let conflict = |conflict| LinkPolicy { conflict, ..LinkPolicy::default() };
        let mapping = |target: &str, template: &str| LinkPolicy {
            field_mapping: [(target.to_owned(), template.to_owned())].into(),
            ..LinkPolicy::default()
        };
        let words = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
        for (policy, expected) in [
            (LinkPolicy::default(), ""),
            (filters(Filters { categories: words(POLICY_ITEMS_MAX), ..Filters::default() }), ""),
            (filters(Filters { categories: words(POLICY_ITEMS_MAX + 1), ..Filters::default() }), "filters.categories"),
            (
                filters(Filters { client_ids: vec!["a".into(), " ".into()], ..Filters::default() }),
                "filters.client_ids[1]",
            ),
            (filters(Filters { include: words(2), exclude: words(1), ..Filters::default() }), "filters.exclude"),
            (filters(Filters { exclude: vec!["a".into(), "a@1".into()], ..Filters::default() }), "filters.exclude[1]"),
            (filters(Filters { from_ms: Some(1), until_ms: Some(1), ..Filters::default() }), "filters.until"),
            (
                filters(Filters { rules: vec![rule(RuleOperator::Contains, "")], ..Filters::default() }),
                "filters.rules[0].value",
            ),
            (filters(Filters { rules: vec![rule(RuleOperator::Exists, "")], ..Filters::default() }), ""),
            (
                filters(Filters { rules: vec![rule(RuleOperator::Exists, "x")], ..Filters::default() }),
                "filters.rules[0].value",
            ),
            (conflict(ConflictPolicy::SourcePriority { links: vec![] }), "conflict_policy.links"),
            (conflict(ConflictPolicy::SourcePriority { links: vec!["a".into(), "a".into()] }), "conflict_policy.links"),
            (conflict(ConflictPolicy::Rules { rules: vec![] }), "conflict_policy.rules"),
            (
                conflict(ConflictPolicy::Rules { rules: vec![(rule(RuleOperator::Equals, "x"), Resolution::Merge)] }),
                "conflict_policy.rules[0].resolution",
            ),
            (mapping("title", "{appointment_type}: {title}"), ""),
            (mapping("title", "plain"), ""),
            (mapping("start", "x"), "field_mapping.start"),
            (mapping("title", "{secret}"), "field_mapping.title"),
            (mapping("title", "{title"), "field_mapping.title"),
            (mapping("title", "title}"), "field_mapping.title"),
            (mapping("title", "{{title}}"), "field_mapping.title"),
            (mapping("notes", &"x".repeat(TEMPLATE_CHARS_MAX + 1)), "field_mapping.notes"),
        ] {
            assert_eq!(at(policy.clone()), expected, "{policy:?}");
        }
    }
}

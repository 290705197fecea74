//! Conflicts: what two sides disagree on, and decisions.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::find;
use super::links::audit_target;
use super::words::ResolutionName;
use crate::api::extract::{Body, Nothing, Query, Syncer, Visitor, is_id};
use crate::api::page::{Cut, Page};
use crate::api::problem::{Code, Problem};
use crate::api::times::stamp;
use crate::auth::Gate;
use crate::domain::ids::ConflictId;
use crate::store::{Conflict, ConflictFilter, ReadTx};
use crate::sync::desk::{Decided, Decision, Desk, Side};

/// Conflicts that one request decides.
const DECISIONS_MAX: usize = 500;

/// Which conflicts: those that wait, those that were decided, or both.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SyncConflictStatus)]
pub enum StatusName {
    /// They wait.
    #[default]
    Open,
    /// They were decided.
    Resolved,
    /// Both.
    All,
}

/// Which conflicts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ConflictsQuery {
    /// Those that wait unless said otherwise.
    #[serde(default)]
    #[param(inline)]
    status: StatusName,
    /// Of this link.
    link_id: Option<String>,
    /// Items on a page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u32>,
    /// Items to skip.
    #[param(minimum = 0, maximum = 10_000_000, default = 0)]
    offset: Option<u32>,
}

/// A conflict.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SyncConflict)]
pub struct ConflictView {
    /// Its id.
    conflict_id: String,
    /// The link.
    link_id: String,
    /// The appointment here; `null`: it is gone.
    #[schema(required)]
    appointment_id: Option<String>,
    /// The event there.
    #[schema(required)]
    external_event_id: Option<String>,
    /// `time_change`, `deleted`, `data_mismatch` or `created_externally`.
    conflict_type: &'static str,
    /// Field → the values that both sides agreed on, that this side has and that the other has.
    fields: serde_json::Value,
    /// Since when.
    #[schema(format = DateTime)]
    detected_at: String,
    /// When it was decided.
    #[schema(required, format = DateTime)]
    resolved_at: Option<String>,
    /// How.
    #[schema(required)]
    resolution: Option<ResolutionName>,
    /// By whom, or by which policy.
    #[schema(required)]
    resolved_by: Option<String>,
    /// The sides chosen field by field.
    #[schema(required)]
    choices: Option<serde_json::Value>,
}

/// Which side a field is taken from.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SyncSide)]
pub enum SideName {
    /// Ours.
    Platform,
    /// The provider's.
    External,
}

/// A decision on one conflict.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DecisionInput {
    /// The conflict.
    conflict_id: String,
    /// How.
    resolution: ResolutionName,
    /// For `merge`: a side for each field that the conflict names.
    #[serde(default)]
    choices: BTreeMap<String, SideName>,
}

/// A decision on one conflict, one decision on several, or several decisions.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ResolveInput {
    /// One conflict.
    conflict_id: Option<String>,
    /// Or several, all with the same resolution.
    #[schema(max_items = 500)]
    conflict_ids: Option<Vec<String>>,
    /// How it, or each of these, is decided.
    resolution: Option<ResolutionName>,
    /// For `merge` of one: a side for each field that the conflict names.
    #[serde(default)]
    choices: BTreeMap<String, SideName>,
    /// Or each with its own resolution.
    #[schema(max_items = 500)]
    conflicts: Option<Vec<DecisionInput>>,
}

/// How a decision went.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DecisionView {
    /// The conflict.
    conflict_id: String,
    /// `resolved`, `already_resolved` or `not_found`.
    status: &'static str,
}

/// How the decisions went.
#[derive(Debug, Serialize, ToSchema)]
pub struct Resolved {
    /// Whether all of them are recorded.
    success: bool,
    /// One by one.
    results: Vec<DecisionView>,
}

impl ConflictView {
    /// As the JSON shows a conflict.
    pub(super) fn of(conflict: Conflict) -> ConflictView {
        let (at, how, by) = match conflict.resolved {
            Some((at, how, by)) => (Some(at), Some(how), Some(by)),
            None => (None, None, None),
        };
        let json = |text: &str| serde_json::from_str(text).unwrap_or(serde_json::Value::Null);
        ConflictView {
            conflict_id: conflict.id.as_str().to_owned(),
            link_id: conflict.link.as_str().to_owned(),
            appointment_id: conflict.object.map(|id| id.as_str().to_owned()),
            external_event_id: conflict.remote,
            conflict_type: conflict.kind.as_str(),
            fields: json(&conflict.fields),
            detected_at: stamp(conflict.opened),
            resolved_at: at.map(stamp),
            resolution: how.map(ResolutionName::from),
            resolved_by: by,
            choices: conflict.choices.as_deref().map(json),
        }
    }
}

/// Lists conflicts, newest first.
#[utoipa::path(
    get, path = "/api/schedule/sync/conflicts", tag = "sync", operation_id = "syncConflicts", params(ConflictsQuery),
    responses((status = 200, description = "A page of them", body = Page<ConflictView>)),
)]
pub async fn conflicts(
    State(gate): State<Gate>,
    Syncer(visitor): Syncer,
    Query(query): Query<ConflictsQuery>,
) -> Result<Json<Page<ConflictView>>, Problem> {
    let cut = Cut::of(query.limit, query.offset)?;
    let mut tx = gate.store.read().await?;
    let link = match &query.link_id {
        Some(id) => Some(find::link(&mut tx, &visitor, id).await?.id),
        None => None,
    };
    let open = match query.status {
        StatusName::Open => Some(true),
        StatusName::Resolved => Some(false),
        StatusName::All => None,
    };
    let caller = &visitor.caller;
    let filter = ConflictFilter { open, link };
    let (found, total) = tx.conflicts((&caller.firm, &caller.user), &filter, (cut.limit, cut.offset)).await?;
    Ok(Json(cut.with(found.into_iter().map(ConflictView::of).collect(), total)))
}

/// Decides conflicts: one, several alike, or each in its own way.
#[utoipa::path(
    post, path = "/api/schedule/sync/resolve-conflict", tag = "sync", operation_id = "resolveSyncConflict",
    request_body = ResolveInput,
    responses((status = 200, description = "How it went", body = Resolved)),
)]
pub async fn resolve(
    State(gate): State<Gate>,
    Extension(desk): Extension<Desk>,
    Syncer(visitor): Syncer,
    _: Query<Nothing>,
    body: Body<ResolveInput>,
) -> Result<Json<Resolved>, Problem> {
    let is_single = body.value.conflict_id.is_some();
    let inputs = inputs(body.value)?;
    let mut tx = gate.store.read().await?;
    // Another's are not there; they never reach the engine.
    let (mut results, mut decisions) = (Vec::with_capacity(inputs.len()), Vec::new());
    for (at, input) in inputs.iter().enumerate() {
        let found = own(&mut tx, &visitor, &input.conflict_id).await?;
        if let Some(conflict) = &found {
            let field = if is_single { "choices".to_owned() } else { format!("conflicts[{at}].choices") };
            decisions.push((at, decision(conflict, input, &field)?));
        }
        results.push(Decided::NotFound);
    }
    drop(tx);
    if is_single && decisions.is_empty() {
        return Err(Problem::not_found());
    }
    let (places, decisions): (Vec<usize>, Vec<Decision>) = decisions.into_iter().unzip();
    if !decisions.is_empty() {
        let caller = &visitor.caller;
        let decided = desk.resolve(caller.firm.clone(), caller.name.as_str().to_owned(), decisions).await?;
        for (place, decided) in places.into_iter().zip(decided) {
            if let Some(result) = results.get_mut(place) {
                *result = decided;
            }
        }
        let mut tx = gate.store.write().await?;
        for (input, decided) in inputs.iter().zip(&results) {
            if *decided == Decided::Yes {
                audit_target(&mut tx, &visitor, "sync_conflict_resolved", &input.conflict_id).await?;
            }
        }
        tx.commit().await?;
    }
    if is_single && results.first() == Some(&Decided::Already) {
        return Err(Problem::new(Code::AlreadyDecided, "this conflict was decided already").at("conflictId"));
    }
    let view = |(input, decided): (&DecisionInput, &Decided)| DecisionView {
        conflict_id: input.conflict_id.clone(),
        status: match decided {
            Decided::Yes => "resolved",
            Decided::Already => "already_resolved",
            Decided::NotFound => "not_found",
        },
    };
    Ok(Json(Resolved {
        success: results.iter().all(|d| *d == Decided::Yes),
        results: inputs.iter().zip(&results).map(view).collect(),
    }))
}

fn inputs(body: ResolveInput) -> Result<Vec<DecisionInput>, Problem> {
    let resolution = || body.resolution.ok_or_else(|| Problem::missing("resolution", "say how it is decided"));
    let list = match (body.conflict_id, body.conflict_ids, body.conflicts) {
        (Some(conflict_id), None, None) => {
            vec![DecisionInput { conflict_id, resolution: resolution()?, choices: body.choices }]
        }
        (None, Some(ids), None) => {
            let resolution = resolution()?;
            if !body.choices.is_empty() {
                return Err(Problem::value("choices", "fields are chosen for one conflict at a time"));
            }
            ids.into_iter()
                .map(|conflict_id| DecisionInput { conflict_id, resolution, choices: BTreeMap::new() })
                .collect()
        }
        (None, None, Some(list)) => {
            if body.resolution.is_some() || !body.choices.is_empty() {
                return Err(Problem::value("resolution", "each of the conflicts has its own"));
            }
            list
        }
        (None, None, None) => return Err(Problem::missing("conflictId", "name the conflict")),
        _ => return Err(Problem::value("conflictIds", "name one conflict, or a list, not both")),
    };
    if list.is_empty() || list.len() > DECISIONS_MAX {
        return Err(Problem::value("conflicts", format!("1 to {DECISIONS_MAX} conflicts")));
    }
    Ok(list)
}

async fn own(tx: &mut ReadTx, visitor: &Visitor, id: &str) -> Result<Option<Conflict>, Problem> {
    if !is_id(id) {
        return Ok(None);
    }
    let found = tx.conflict(&visitor.caller.firm, &ConflictId::from_text(id)).await?;
    Ok(found.filter(|c| c.user == visitor.caller.user))
}

/// A decision, with a side for every field of the conflict if it is a merge and with none if it is not.
fn decision(conflict: &Conflict, input: &DecisionInput, field: &str) -> Result<Decision, Problem> {
    let is_merge = input.resolution == ResolutionName::Merge;
    if !is_merge && !input.choices.is_empty() {
        return Err(Problem::value(field, "only a merge chooses fields"));
    }
    if is_merge {
        let fields: serde_json::Value = serde_json::from_str(&conflict.fields).unwrap_or_default();
        let names: Vec<&String> = fields.as_object().into_iter().flat_map(|f| f.keys()).collect();
        if names.is_empty() {
            return Err(Problem::value(field, "the conflict is about the whole of it: there are no fields to choose"));
        }
        if let Some(unknown) = input.choices.keys().find(|name| !names.contains(name)) {
            let shown: String = unknown.chars().take(40).collect();
            return Err(Problem::value(field, format!("the conflict has no field {shown:?}")));
        }
        if let Some(open) = names.iter().find(|name| !input.choices.contains_key(name.as_str())) {
            return Err(Problem::missing(field, format!("choose a side for {open:?} too")));
        }
    }
    let side = |side: &SideName| match side {
        SideName::Platform => Side::Platform,
        SideName::External => Side::External,
    };
    Ok(Decision {
        conflict: conflict.id.clone(),
        resolution: input.resolution.into(),
        choices: input.choices.iter().map(|(name, s)| (name.clone(), side(s))).collect(),
    })
}

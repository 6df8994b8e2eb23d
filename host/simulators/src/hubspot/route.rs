//! From method and path to what is asked for; both path families lead to the same routes.
//!
//! The legacy family is `/crm/v3/…` and `/crm/v4/…`, the dated one `/crm/{area}/2026-03/…`
//! (H-call-1, H-call-2).

use super::errors::ApiError;
use super::kinds::ObjectKind;
use crate::http::SimRequest;
use crate::ledger::CallShape;

/// The call that a request makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Oauth(OauthCall),
    Account,
    Owners { id: Option<String> },
    Schemas { id: Option<String> },
    Pipelines { kind: ObjectKind, id: Option<String>, stages: PipelineStages },
    Properties { kind: ObjectKind, call: PropertyCall },
    Labels { from: ObjectKind, to: ObjectKind, call: LabelCall },
    Object { kind: ObjectKind, call: ObjectCall },
    Links { from: ObjectKind, to: ObjectKind, call: LinkCall },
}

/// Stages of a pipeline that a request names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PipelineStages {
    /// None by themselves: the whole pipeline.
    Whole,
    All,
    One(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum OauthCall {
    /// The page where a person consents.
    Authorize,
    Token,
    Introspect,
    Revoke,
    /// The legacy description of an access token.
    Describe(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PropertyCall {
    List,
    Create,
    Get(String),
    Update(String),
    Delete(String),
    Groups,
    BatchRead,
    BatchCreate,
    BatchArchive,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ObjectCall {
    List,
    Create,
    Search,
    Get(String),
    Update(String),
    Archive(String),
    BatchRead,
    BatchCreate,
    BatchUpdate,
    BatchUpsert,
    BatchArchive,
    Merge,
    GdprDelete,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LabelCall {
    List,
    Create,
    Delete(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LinkCall {
    /// All associations of one record.
    Of(String),
    BatchRead,
    BatchCreate,
    /// The v3 form of [`LinkCall::BatchCreate`], which answers both directions.
    BatchCreateV3,
    BatchReadV3,
    BatchDefault,
    BatchArchive,
    /// Takes labels away and leaves the associations.
    BatchLabelsArchive,
    Put(String, String),
    PutDefault(String, String),
    Delete(String, String),
}

/// The routes that take part in quotas and the ledger, with kind, shape and cap of each.
#[derive(Clone, Debug)]
pub(super) struct CountedCall {
    pub kind: &'static str,
    pub object: String,
    pub shape: CallShape,
    pub cap: usize,
    pub writes: bool,
}

/// Most rows in one page of a list.
pub(super) const LIST_CAP: usize = 100;
/// Most rows in one page of a search.
pub(super) const SEARCH_CAP: usize = 200;
/// Most inputs of a batch of records.
pub(super) const BATCH_CAP: usize = 100;
/// Most inputs of a batch of associations (unverified).
pub(super) const LINK_CAP: usize = 1_000;

impl Route {
    /// Finds the route of a request.
    ///
    /// # Errors
    /// 404 for a path that is none, 400 for an object type that is none.
    pub(super) fn parse(request: &SimRequest) -> Result<Self, ApiError> {
        let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
        let method = request.method.as_str();
        match segments.as_slice() {
            ["oauth", rest @ ..] => oauth(method, rest),
            ["account-info", _, "details"] => Ok(Self::Account),
            ["crm", "v3", "schemas", rest @ ..]
            | ["crm-object-schemas", _, "schemas", rest @ ..] => {
                Ok(Self::Schemas { id: rest.first().map(|id| (*id).to_owned()) })
            }
            ["crm", "v3", "owners", rest @ ..]
            | ["crm", "owners", "2026-03" | "2026-09", rest @ ..] => {
                Ok(Self::Owners { id: rest.first().map(|id| (*id).to_owned()) })
            }
            ["crm", "v3", "pipelines", rest @ ..]
            | ["crm", "pipelines", "2026-03" | "2026-09", rest @ ..] => pipelines(rest),
            ["crm", "v3", "properties", rest @ ..]
            | ["crm", "properties", "2026-03" | "2026-09", rest @ ..] => properties(method, rest),
            ["crm", "v3" | "v4", "objects", rest @ ..]
            | ["crm", "objects", "2026-03" | "2026-09", rest @ ..] => objects(method, rest),
            ["crm", "v3", "associations", from, to, "batch", call] => {
                links_v3(kind(from)?, kind(to)?, call)
            }
            ["crm", "v4", "associations", rest @ ..]
            | ["crm", "associations", "v4" | "2026-03" | "2026-09", rest @ ..] => {
                links(method, rest)
            }
            _ => Err(no_route()),
        }
    }

    /// Entry of a request for this route in the ledger.
    pub(super) fn counted(&self, request: &SimRequest) -> CountedCall {
        let count = |kind, object: &str, shape, cap, writes| CountedCall {
            kind,
            object: object.to_owned(),
            shape,
            cap,
            writes,
        };
        match self {
            Self::Oauth(_) => count("token", "", CallShape::Token, 1, false),
            Self::Account | Self::Schemas { .. } | Self::Owners { .. } | Self::Pipelines { .. } => {
                count("metadata", "", CallShape::Metadata, 1, false)
            }
            Self::Properties { .. } | Self::Labels { .. } => {
                count("metadata", "", CallShape::Metadata, 1, false)
            }
            Self::Object { kind, call } => {
                let (name, shape, cap, writes) = call.counted(request);
                count(name, kind.plural(), shape, cap, writes)
            }
            Self::Links { from, to, call } => {
                let object = format!("{}-{}", from.plural(), to.plural());
                let (name, writes) = call.counted();
                count(name, &object, CallShape::Batch, LINK_CAP, writes)
            }
        }
    }

    /// The object types that a request is about.
    pub(super) fn kinds(&self) -> Vec<ObjectKind> {
        match self {
            Self::Oauth(_) | Self::Account | Self::Schemas { .. } | Self::Owners { .. } => {
                Vec::new()
            }
            Self::Pipelines { kind, .. }
            | Self::Properties { kind, .. }
            | Self::Object { kind, .. } => vec![*kind],
            Self::Labels { from, to, .. } | Self::Links { from, to, .. } => vec![*from, *to],
        }
    }

    /// True if this is a search, which has a limit of its own.
    pub(super) fn is_search(&self) -> bool {
        matches!(self, Self::Object { call: ObjectCall::Search, .. })
    }
}

impl ObjectCall {
    fn counted(&self, request: &SimRequest) -> (&'static str, CallShape, usize, bool) {
        match self {
            Self::List => {
                let first = request.query("after").is_none();
                ("list", CallShape::Page { first }, LIST_CAP, false)
            }
            // The search itself says whether its body had a cursor.
            Self::Search => ("search", CallShape::Page { first: true }, SEARCH_CAP, false),
            Self::Get(_) | Self::BatchRead => ("read", CallShape::Batch, BATCH_CAP, false),
            Self::Create | Self::BatchCreate => ("create", CallShape::Batch, BATCH_CAP, true),
            Self::Update(_) | Self::BatchUpdate => ("update", CallShape::Batch, BATCH_CAP, true),
            Self::BatchUpsert => ("upsert", CallShape::Batch, BATCH_CAP, true),
            Self::Archive(_) | Self::BatchArchive => ("archive", CallShape::Batch, BATCH_CAP, true),
            Self::Merge => ("merge", CallShape::Batch, 1, true),
            Self::GdprDelete => ("gdpr-delete", CallShape::Batch, 1, true),
        }
    }
}

impl LinkCall {
    fn counted(&self) -> (&'static str, bool) {
        match self {
            Self::Of(_) | Self::BatchRead | Self::BatchReadV3 => ("read", false),
            Self::Delete(..) | Self::BatchArchive | Self::BatchLabelsArchive => {
                ("disassociate", true)
            }
            Self::BatchCreate | Self::BatchCreateV3 | Self::BatchDefault => ("associate", true),
            Self::Put(..) | Self::PutDefault(..) => ("associate", true),
        }
    }
}

fn no_route() -> ApiError {
    ApiError::not_found("Unable to find a resource at this path")
}

fn kind(name: &str) -> Result<ObjectKind, ApiError> {
    ObjectKind::parse(name).ok_or_else(|| ApiError::unknown_kind(name))
}

fn oauth(method: &str, rest: &[&str]) -> Result<Route, ApiError> {
    let call = match (method, rest) {
        ("GET" | "POST", ["authorize"]) => OauthCall::Authorize,
        ("POST", [_, "token"]) => OauthCall::Token,
        ("POST", [_, "token", "introspect"] | [_, "introspect"]) => OauthCall::Introspect,
        ("POST", [_, "token", "revoke"] | [_, "revoke"]) => OauthCall::Revoke,
        ("GET", [_, "access-tokens", token]) => OauthCall::Describe((*token).to_owned()),
        _ => return Err(no_route()),
    };
    Ok(Route::Oauth(call))
}

fn pipelines(rest: &[&str]) -> Result<Route, ApiError> {
    let (name, id, stages) = match rest {
        [name] => (name, None, PipelineStages::Whole),
        [name, id] => (name, Some(*id), PipelineStages::Whole),
        [name, id, "stages"] => (name, Some(*id), PipelineStages::All),
        [name, id, "stages", stage] => (name, Some(*id), PipelineStages::One((*stage).to_owned())),
        _ => return Err(no_route()),
    };
    Ok(Route::Pipelines { kind: kind(name)?, id: id.map(str::to_owned), stages })
}

fn properties(method: &str, rest: &[&str]) -> Result<Route, ApiError> {
    let [name, rest @ ..] = rest else { return Err(no_route()) };
    let call = match (method, rest) {
        ("GET", []) => PropertyCall::List,
        ("POST", []) => PropertyCall::Create,
        ("GET", ["groups"]) => PropertyCall::Groups,
        ("POST", ["batch", "read"]) => PropertyCall::BatchRead,
        ("POST", ["batch", "create"]) => PropertyCall::BatchCreate,
        ("POST", ["batch", "archive"]) => PropertyCall::BatchArchive,
        ("GET", [property]) => PropertyCall::Get((*property).to_owned()),
        ("PATCH", [property]) => PropertyCall::Update((*property).to_owned()),
        ("DELETE", [property]) => PropertyCall::Delete((*property).to_owned()),
        _ => return Err(no_route()),
    };
    Ok(Route::Properties { kind: kind(name)?, call })
}

fn objects(method: &str, rest: &[&str]) -> Result<Route, ApiError> {
    let [name, rest @ ..] = rest else { return Err(no_route()) };
    let kind = kind(name)?;
    let call = match (method, rest) {
        ("GET", []) => ObjectCall::List,
        ("POST", []) => ObjectCall::Create,
        ("POST", ["search"]) => ObjectCall::Search,
        ("POST", ["merge"]) => ObjectCall::Merge,
        ("POST", ["gdpr-delete"]) => ObjectCall::GdprDelete,
        ("POST", ["batch", "read"]) => ObjectCall::BatchRead,
        ("POST", ["batch", "create"]) => ObjectCall::BatchCreate,
        ("POST", ["batch", "update"]) => ObjectCall::BatchUpdate,
        ("POST", ["batch", "upsert"]) => ObjectCall::BatchUpsert,
        ("POST", ["batch", "archive"]) => ObjectCall::BatchArchive,
        ("GET", [id]) => ObjectCall::Get((*id).to_owned()),
        ("PATCH", [id]) => ObjectCall::Update((*id).to_owned()),
        ("DELETE", [id]) => ObjectCall::Archive((*id).to_owned()),
        (_, [id, "associations", rest @ ..]) => return object_links(method, kind, id, rest),
        _ => return Err(no_route()),
    };
    Ok(Route::Object { kind, call })
}

fn object_links(
    method: &str,
    from: ObjectKind,
    id: &str,
    rest: &[&str],
) -> Result<Route, ApiError> {
    let id = id.to_owned();
    let (to, call) = match (method, rest) {
        ("GET", [to]) => (to, LinkCall::Of(id)),
        ("PUT", ["default", to, other]) => (to, LinkCall::PutDefault(id, (*other).to_owned())),
        ("PUT", [to, other]) => (to, LinkCall::Put(id, (*other).to_owned())),
        ("DELETE", [to, other]) => (to, LinkCall::Delete(id, (*other).to_owned())),
        _ => return Err(no_route()),
    };
    Ok(Route::Links { from, to: kind(to)?, call })
}

fn links(method: &str, rest: &[&str]) -> Result<Route, ApiError> {
    let [from, to, rest @ ..] = rest else { return Err(no_route()) };
    let (from, to) = (kind(from)?, kind(to)?);
    let call = match (method, rest) {
        ("GET", ["labels"]) => return Ok(Route::Labels { from, to, call: LabelCall::List }),
        ("POST", ["labels"]) => return Ok(Route::Labels { from, to, call: LabelCall::Create }),
        ("DELETE", ["labels", id]) => {
            let call = LabelCall::Delete((*id).to_owned());
            return Ok(Route::Labels { from, to, call });
        }
        ("POST", ["batch", "labels", "archive"]) => LinkCall::BatchLabelsArchive,
        ("POST", ["batch", "read"]) => LinkCall::BatchRead,
        ("POST", ["batch", "create"]) => LinkCall::BatchCreate,
        ("POST", ["batch", "associate", "default"]) => LinkCall::BatchDefault,
        ("POST", ["batch", "archive"]) => LinkCall::BatchArchive,
        _ => return Err(no_route()),
    };
    Ok(Route::Links { from, to, call })
}

fn links_v3(from: ObjectKind, to: ObjectKind, call: &str) -> Result<Route, ApiError> {
    let call = match call {
        "read" => LinkCall::BatchReadV3,
        "create" => LinkCall::BatchCreateV3,
        "archive" => LinkCall::BatchArchive,
        _ => return Err(no_route()),
    };
    Ok(Route::Links { from, to, call })
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, Method};

    use super::*;

    fn check(method: Method, path: &str, expected: Route) {
        let request = SimRequest::new(method, path, HeaderMap::new(), Vec::new());
        assert_eq!(Route::parse(&request).unwrap(), expected, "{path}");
    }

    #[test]
    fn both_path_families_lead_to_the_same_route() {
        let search = Route::Object { kind: ObjectKind::Contact, call: ObjectCall::Search };
        check(Method::POST, "/crm/v3/objects/contacts/search", search.clone());
        check(Method::POST, "/crm/objects/2026-03/0-1/search", search.clone());
        check(Method::POST, "/crm/objects/2026-09/contact/search", search);
        let call = LinkCall::Of("7".to_owned());
        let of = Route::Links { from: ObjectKind::Contact, to: ObjectKind::Company, call };
        check(Method::GET, "/crm/v4/objects/contacts/7/associations/companies", of.clone());
        check(Method::GET, "/crm/objects/2026-09/contacts/7/associations/companies", of);
        let call = LabelCall::List;
        let labels = Route::Labels { from: ObjectKind::Contact, to: ObjectKind::Company, call };
        check(Method::GET, "/crm/v4/associations/contacts/companies/labels", labels.clone());
        check(Method::GET, "/crm/associations/2026-09/contacts/companies/labels", labels);
    }

    #[test]
    fn an_unknown_object_type_is_a_400_and_an_unknown_path_a_404() {
        let status = |path| {
            let request = SimRequest::new(Method::GET, path, HeaderMap::new(), Vec::new());
            Route::parse(&request).unwrap_err().http.as_u16()
        };
        assert_eq!(status("/crm/v3/objects/butterflies"), 400);
        assert_eq!(status("/crm/v9/objects/contacts"), 404);
    }
}

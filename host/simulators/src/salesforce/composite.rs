//! Composite resources: several calls in one (S-collection-6).
//!
//! Each part runs through the same routes as a call of its own; the whole counts as one call. Parts
//! of `/composite` may refer to earlier answers by `@{reference.field}`.

use axum::http::{HeaderMap, Method};

use super::error::ApiFault;
use super::json::Json;
use super::org::{CallTally, Org};
use super::reply::{OrgCall, OrgReply, ReplyBody};
use crate::http::SimRequest;

const PARTS_MAX: usize = 25;
/// Of which so many may be queries or collections.
const WIDE_PARTS_MAX: usize = 5;
const GRAPHS_MAX: usize = 75;
const NODES_MAX: usize = 500;

impl Org {
    pub(super) fn composite(
        &mut self,
        call: &OrgCall<'_>,
        path: &[&str],
    ) -> Result<OrgReply, ApiFault> {
        match (call.method, path) {
            (_, ["sobjects", path @ ..]) => self.collections(call, path),
            ("POST", []) => {
                let body = call.json()?;
                let parts = listed(&body, "compositeRequest")?;
                limit(parts.len(), PARTS_MAX, "subrequests")?;
                let wide = parts.iter().filter(|part| is_wide(part.text("url").unwrap_or("")));
                limit(wide.count(), WIDE_PARTS_MAX, "query or collection subrequests")?;
                let all_or_none = body.get("allOrNone").and_then(Json::as_bool) == Some(true);
                let answers = self.parts(call, parts, all_or_none).0;
                self.tally_parts(parts.len(), PARTS_MAX);
                Ok(OrgReply::ok(Json::object([("compositeResponse", Json::List(answers))])))
            }
            ("POST", ["batch"]) => self.batch(call),
            ("POST", ["graph"]) => self.graphs(call),
            _ => Err(ApiFault::not_found()),
        }
    }

    fn tally_parts(&mut self, parts: usize, cap: usize) {
        self.tally = CallTally { cap, ..CallTally::batch("composite", "", parts) };
    }

    /// Runs parts in order. The second value tells whether all succeeded; where they belong
    /// together and one fails, the others are taken back or not run.
    fn parts(&mut self, call: &OrgCall<'_>, parts: &[Json], together: bool) -> (Vec<Json>, bool) {
        let mark = self.store.begin();
        self.store.hold(true);
        let mut done: Vec<(String, OrgReply)> = Vec::with_capacity(parts.len());
        let mut failed = false;
        for part in parts {
            let reference = part.text("referenceId").unwrap_or_default().to_owned();
            let reply = if failed && together {
                OrgReply::fault(&halted())
            } else {
                self.part(call, part, &done)
            };
            failed |= reply.status >= 400;
            done.push((reference, reply));
        }
        if failed && together {
            self.store.roll_back(mark);
            for (_, reply) in done.iter_mut().filter(|(_, reply)| reply.status < 400) {
                *reply = OrgReply::fault(&halted());
            }
        }
        self.store.hold(false);
        let answers = done.into_iter().map(|(reference, reply)| {
            let headers = reply.headers.into_iter().map(|(name, value)| {
                let name = if name == "location" { "Location" } else { name };
                (name.into(), value.into())
            });
            Json::object([
                ("body", shown(reply.body)),
                ("httpHeaders", Json::Object(headers.collect())),
                ("httpStatusCode", usize::from(reply.status).into()),
                ("referenceId", reference.into()),
            ])
        });
        (answers.collect(), !failed)
    }

    fn part(&mut self, call: &OrgCall<'_>, part: &Json, done: &[(String, OrgReply)]) -> OrgReply {
        let url = resolve(part.text("url").unwrap_or_default(), done);
        let body = part.get("body").map(|body| resolve_all(body, done));
        let method = part.text("method").unwrap_or("GET").to_owned();
        self.sub_call(call, &method, &url, body.as_ref())
    }

    /// Runs one part; its path may begin with `/services/data` or with the version.
    fn sub_call(
        &mut self,
        call: &OrgCall<'_>,
        method: &str,
        url: &str,
        body: Option<&Json>,
    ) -> OrgReply {
        let text = body.map(Json::to_string).unwrap_or_default();
        let method = Method::from_bytes(method.as_bytes()).unwrap_or_default();
        let request = SimRequest::new(method, url, HeaderMap::new(), text);
        let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
        let path = match segments.as_slice() {
            ["services", "data", _, path @ ..] => path,
            [version, path @ ..] if version.starts_with('v') => path,
            path => path,
        };
        if matches!(path, ["composite", kind, ..] if *kind != "sobjects") || path == ["composite"] {
            return OrgReply::fault(&ApiFault::not_found());
        }
        let sub = OrgCall { request: &request, method: request.method.as_str(), path, ..*call };
        self.route(&sub).unwrap_or_else(|fault| OrgReply::fault(&fault))
    }

    fn batch(&mut self, call: &OrgCall<'_>) -> Result<OrgReply, ApiFault> {
        let body = call.json()?;
        let parts = listed(&body, "batchRequests")?;
        limit(parts.len(), PARTS_MAX, "subrequests")?;
        let halt = body.get("haltOnError").and_then(Json::as_bool) == Some(true);
        let mut results = Vec::with_capacity(parts.len());
        let mut failed = false;
        for part in parts {
            let reply = if failed && halt {
                OrgReply { status: 412, ..OrgReply::fault(&halted()) }
            } else {
                let url = part.text("url").unwrap_or_default();
                let method = part.text("method").unwrap_or("GET");
                self.sub_call(call, method, url, part.get("richInput"))
            };
            failed |= reply.status >= 400;
            results.push(Json::object([
                ("statusCode", usize::from(reply.status).into()),
                ("result", shown(reply.body)),
            ]));
        }
        if parts.iter().all(|part| is_metadata(part.text("url").unwrap_or_default())) {
            self.tally = CallTally::metadata("composite");
        } else {
            self.tally_parts(parts.len(), PARTS_MAX);
        }
        Ok(OrgReply::ok(Json::object([
            ("hasErrors", failed.into()),
            ("results", Json::List(results)),
        ])))
    }

    /// Graphs of parts; each graph succeeds or fails as a whole.
    fn graphs(&mut self, call: &OrgCall<'_>) -> Result<OrgReply, ApiFault> {
        let body = call.json()?;
        let graphs = listed(&body, "graphs")?;
        limit(graphs.len(), GRAPHS_MAX, "graphs")?;
        let mut answers = Vec::with_capacity(graphs.len());
        let mut nodes = 0;
        for graph in graphs {
            let parts = listed(graph, "compositeRequest")?;
            nodes += parts.len();
            limit(nodes, NODES_MAX, "nodes")?;
            let (parts, successful) = self.parts(call, parts, true);
            answers.push(Json::object([
                ("graphId", graph.text("graphId").unwrap_or_default().into()),
                ("graphResponse", Json::object([("compositeResponse", Json::List(parts))])),
                ("isSuccessful", successful.into()),
            ]));
        }
        self.tally_parts(nodes, NODES_MAX);
        Ok(OrgReply::ok(Json::object([("graphs", Json::List(answers))])))
    }
}

fn listed<'a>(body: &'a Json, key: &str) -> Result<&'a [Json], ApiFault> {
    let items = body.get(key).and_then(Json::as_list);
    items.ok_or_else(|| ApiFault::parser(format!("{key} is required")))
}

fn limit(count: usize, max: usize, what: &str) -> Result<(), ApiFault> {
    if count <= max {
        return Ok(());
    }
    Err(ApiFault::new(400, "LIMIT_EXCEEDED", format!("The number of {what} exceeds {max}")))
}

fn is_wide(url: &str) -> bool {
    url.contains("/query") || url.contains("/composite/sobjects")
}

/// True if a call by itself would be one for metadata.
fn is_metadata(url: &str) -> bool {
    url.ends_with("/describe") || url.ends_with("/sobjects") || url.ends_with("/limits")
}

fn halted() -> ApiFault {
    let message = "The transaction was rolled back since another operation in the same \
                   transaction failed.";
    ApiFault::new(400, "PROCESSING_HALTED", message)
}

fn shown(body: ReplyBody) -> Json {
    match body {
        ReplyBody::Empty => Json::Null,
        ReplyBody::Json(json) => json,
        ReplyBody::Text(_, text) => Json::Text(text),
    }
}

/// The text with each `@{reference.path}` replaced by the value in that part's answer.
fn resolve(text: &str, done: &[(String, OrgReply)]) -> String {
    let mut resolved = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("@{") {
        resolved.push_str(before);
        let Some((path, after)) = after.split_once('}') else { break };
        match value_at(path, done) {
            Some(Json::Text(value)) => resolved.push_str(value),
            Some(other) => resolved.push_str(&other.to_string()),
            None => resolved.push_str(&format!("@{{{path}}}")),
        }
        rest = after;
    }
    resolved.push_str(rest);
    resolved
}

fn resolve_all(value: &Json, done: &[(String, OrgReply)]) -> Json {
    match value {
        Json::Text(text) => Json::Text(resolve(text, done)),
        Json::List(items) => Json::List(items.iter().map(|item| resolve_all(item, done)).collect()),
        Json::Object(pairs) => Json::Object(
            pairs.iter().map(|(key, value)| (key.clone(), resolve_all(value, done))).collect(),
        ),
        other => other.clone(),
    }
}

/// `reference.records[0].Id` in the answers so far.
fn value_at<'a>(path: &str, done: &'a [(String, OrgReply)]) -> Option<&'a Json> {
    let (reference, path) = path.split_once('.')?;
    let (_, reply) = done.iter().find(|(name, _)| name == reference)?;
    let ReplyBody::Json(json) = &reply.body else { return None };
    path.split(['.', '[']).try_fold(json, |json, part| match part.strip_suffix(']') {
        Some(index) => json.as_list()?.get(index.parse::<usize>().ok()?),
        None => json.get(part),
    })
}

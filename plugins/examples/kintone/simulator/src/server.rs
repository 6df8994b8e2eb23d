//! Requests and answers: who may ask, which path means what, and the kit's control paths.

use std::io::Write as _;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use serde_json::{Value as Json, json};
use tiny_http::{Method, Request};

use crate::app::App;
use crate::query::Query;
use crate::records;
use crate::refusal::Refusal;
use crate::seed;
use crate::time;

/// The number of requests answered at once.
const WORKERS: usize = 8;

/// The credentials that a request must bring.
pub struct Access {
    pub token: String,
    /// `USER:PASSWORD` of Basic authentication.
    pub basic: Option<String>,
    /// Prints each request on standard error.
    pub log: bool,
}

/// The state behind one lock; requests are short.
struct State {
    apps: Vec<App>,
    /// Requests that are still taken, where the kit set a limit.
    calls_left: Option<u64>,
    requests: u64,
}

/// The simulator.
pub struct Server {
    access: Access,
    state: Mutex<State>,
    began: Instant,
}

enum Answer {
    Json(u16, Json),
    /// An answer of what stands before kintone, in no JSON.
    Text(u16, &'static str),
}

impl Answer {
    /// Status, content type and body.
    fn into_parts(self) -> (u16, &'static str, String) {
        match self {
            Self::Json(status, json) => {
                (status, "application/json;charset=utf-8", json.to_string())
            }
            Self::Text(status, text) => (status, "text/html", text.to_owned()),
        }
    }
}

impl Server {
    pub fn new(access: Access) -> Self {
        let state = State { apps: seed::apps(), calls_left: None, requests: 0 };
        Self { access, state: Mutex::new(state), began: Instant::now() }
    }

    /// Answers requests until the process ends.
    pub fn serve(&self, http: &tiny_http::Server) {
        thread::scope(|scope| {
            for _ in 0..WORKERS {
                scope.spawn(|| {
                    while let Ok(request) = http.recv() {
                        self.answer(request);
                    }
                });
            }
        });
    }

    fn answer(&self, mut request: Request) {
        let mut text = String::new();
        let began = Instant::now();
        let read = request.as_reader().read_to_string(&mut text);
        let answer = match read {
            Ok(_) => {
                let headers = request.headers().iter();
                let headers: Vec<(String, String)> = headers
                    .map(|header| (header.field.to_string(), header.value.to_string()))
                    .collect();
                self.handle(request.method(), request.url(), &headers, &text)
            }
            Err(_) => Answer::Text(400, "Bad Request"),
        };
        let (status, kind, body) = answer.into_parts();
        if self.access.log {
            let (method, url, ms) = (request.method(), request.url(), began.elapsed().as_millis());
            eprintln!(
                "{:8} ms {status} {method} {url} ({ms} ms)",
                self.began.elapsed().as_millis()
            );
        }
        // In one write: two would each wait for the other side's acknowledgement.
        let reason = if status == 200 { "OK" } else { "Refused" };
        let head = format!(
            "HTTP/1.1 {status} {reason}\r\nDate: {}\r\nContent-Type: {kind}\r\n\
             Content-Length: {}\r\n\r\n",
            time::http_date(),
            body.len()
        );
        let mut writer = request.into_writer();
        // A client that went away needs no answer.
        let _gone = writer.write_all((head + &body).as_bytes()).and_then(|()| writer.flush());
    }

    /// One request without a network: status and body of its answer.
    pub fn call(
        &self,
        method: &str,
        url: &str,
        headers: &[(String, String)],
        body: &str,
    ) -> (u16, String) {
        let method = method.parse().unwrap_or(Method::Trace);
        let (status, _, body) = self.handle(&method, url, headers, body).into_parts();
        (status, body)
    }

    fn handle(
        &self,
        method: &Method,
        url: &str,
        headers: &[(String, String)],
        body: &str,
    ) -> Answer {
        let Ok(mut state) = self.state.lock() else {
            return Answer::Text(500, "poisoned");
        };
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let parameters = Parameters::read(query);
        let body: Json = match body.is_empty() {
            true => json!({}),
            false => match serde_json::from_str(body) {
                Ok(json) => json,
                Err(_) => {
                    let refusal = Refusal::new(400, "CB_IJ01", "不正なJSON文字列です。");
                    return Answer::Json(400, refusal.to_json(state.requests));
                }
            },
        };
        if let Some(control) = path.strip_prefix("/_sim/") {
            return state.control(method, control, &parameters, &body);
        }
        state.requests += 1;
        if let Some(refused) = self.check_access(headers, &mut state) {
            return refused;
        }
        let number = state.requests;
        match state.dispatch(method, path, &parameters, &body) {
            Ok(json) => Answer::Json(200, json),
            Err(refusal) => Answer::Json(refusal.status, refusal.to_json(number)),
        }
    }

    /// The refusal of a request that may not ask (K-auth-2, K-auth-3, K-quota-2).
    fn check_access(&self, headers: &[(String, String)], state: &mut State) -> Option<Answer> {
        let header = |name: &str| {
            let found = headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            found.map_or("", |(_, value)| value.as_str())
        };
        if let Some(basic) = &self.access.basic {
            let wanted = format!("Basic {}", base64(basic.as_bytes()));
            if header("Authorization") != wanted {
                return Some(Answer::Text(
                    401,
                    "<html><body>401 Authorization Required</body></html>",
                ));
            }
        }
        if let Some(left) = &mut state.calls_left {
            if *left == 0 {
                let refusal = Refusal::new(429, "GAIA_TM02", "同時接続数の上限を超えています。");
                return Some(Answer::Json(429, refusal.to_json(state.requests)));
            }
            *left -= 1;
        }
        let mut tokens = header("X-Cybozu-API-Token").split(',').map(str::trim);
        if tokens.any(|token| token == self.access.token) {
            return None;
        }
        let message = "指定したAPIトークンは、アプリで生成されたトークンと異なります。";
        let refusal = Refusal::new(400, "GAIA_IA02", message);
        Some(Answer::Json(400, refusal.to_json(state.requests)))
    }
}

impl State {
    fn dispatch(
        &mut self,
        method: &Method,
        path: &str,
        parameters: &Parameters,
        body: &Json,
    ) -> Result<Json, Refusal> {
        let not_found = || Refusal::new(404, "CB_NO01", "ページが見つかりません。");
        let path = path.strip_prefix("/k/v1/").ok_or_else(not_found)?;
        let id_name = if path == "app.json" { "id" } else { "app" };
        let id = match parameters.get(id_name) {
            Some(id) => id.to_owned(),
            None => match &body[id_name] {
                Json::String(id) => id.clone(),
                Json::Number(id) => id.to_string(),
                _ => return Err(Refusal::invalid_at(id_name, "必須です。")),
            },
        };
        let mut apps = self.apps.iter_mut();
        let app = apps.find(|app| app.id.to_string() == id).ok_or_else(|| Refusal::no_app(&id))?;
        match (method, path) {
            (Method::Get, "app.json") => Ok(app.to_json()),
            (Method::Get, "app/form/fields.json") => Ok(app.form()),
            (Method::Get, "records.json") => {
                let query = Query::parse(parameters.get("query").unwrap_or_default())?;
                let records = app.find(&query, &parameters.list("fields"))?;
                let counts = parameters.get("totalCount") == Some("true");
                let count = counts.then(|| app.count(&query).to_string());
                Ok(json!({ "records": records, "totalCount": count }))
            }
            (Method::Post, "records.json") => records::add(app, body),
            (Method::Put, "records.json") => records::update(app, body),
            (Method::Delete, "records.json") => match parameters.list("ids") {
                ids if ids.is_empty() => records::delete(app, body),
                ids => {
                    let revisions = parameters.list("revisions");
                    records::delete(app, &json!({ "ids": ids, "revisions": revisions }))
                }
            },
            _ => Err(not_found()),
        }
    }

    /// The requests of the conformance kit (`plugins/README.md` of Renkei, "Test your plugin").
    fn control(
        &mut self,
        method: &Method,
        path: &str,
        parameters: &Parameters,
        body: &Json,
    ) -> Answer {
        match (method, path) {
            (Method::Get, "records") => {
                let object = parameters.get("object").unwrap_or_default();
                let Some(app) = self.apps.iter().find(|app| app.object == object) else {
                    return Answer::Json(404, json!({ "message": "no such object" }));
                };
                let live = app.records.keys().map(|id| (id, false));
                let all = live.chain(app.deleted.iter().map(|id| (id, true)));
                let all = all.map(|(id, gone)| json!({ "id": id.to_string(), "archived": gone }));
                Answer::Json(200, all.collect())
            }
            (Method::Post, "faults") => {
                let limited = body["rate_limits"] == true;
                self.calls_left = body["daily_limit"].as_u64().filter(|_| limited);
                Answer::Json(200, json!({}))
            }
            _ => Answer::Json(404, json!({ "message": "no such control" })),
        }
    }
}

/// The query part of a URL, decoded.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn read(query: &str) -> Self {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(name), decode(value))
                })
                .collect(),
        )
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The values of `name[0]`, `name[1]` and so on.
    fn list(&self, name: &str) -> Vec<String> {
        let all = self.0.iter().filter(|(known, _)| {
            known
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('[') && rest.ends_with(']'))
        });
        all.map(|(_, value)| value.clone()).collect()
    }
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let code = digit(rest.next()).zip(digit(rest.next()));
                bytes.push(code.map_or(b'?', |(high, low)| (high * 16 + low) as u8));
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let part = |index: usize| u32::from(chunk.get(index).copied().unwrap_or_default());
        let bits = part(0) << 16 | part(1) << 8 | part(2);
        for place in 0..4 {
            let letter = LETTERS.get((bits >> (18 - 6 * place) & 63) as usize).copied();
            let letter = letter.filter(|_| place <= chunk.len()).unwrap_or(b'=');
            text.push(char::from(letter));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Access, Parameters, Server, base64};

    #[test]
    fn parameters_are_decoded() {
        let read =
            Parameters::read("app=1&query=%24id%20%3E%200&fields%5B0%5D=a&fields[1]=%E3%81%82");
        assert_eq!(read.get("query"), Some("$id > 0"));
        assert_eq!(read.list("fields"), ["a", "あ"]);
    }

    #[test]
    fn base64_pads() {
        assert_eq!(base64(b"user:pw"), "dXNlcjpwdw==");
        assert_eq!(base64(b"abc"), "YWJj");
    }

    #[test]
    fn basic_authentication_is_asked_for_besides_the_token() {
        let basic = Some("user:pw".to_owned());
        let server = Server::new(Access { token: "t".to_owned(), basic, log: false });
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let token = header("x-cybozu-api-token", "other, t");
        let call =
            |headers: &[(String, String)]| server.call("GET", "/k/v1/app.json?id=1", headers, "").0;
        assert_eq!(call(std::slice::from_ref(&token)), 401);
        let basic = header("authorization", "Basic dXNlcjpwdw==");
        assert_eq!(call(&[token, basic.clone()]), 200);
        assert_eq!(call(&[basic]), 400);
    }
}

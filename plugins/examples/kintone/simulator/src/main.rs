//! kintone on loopback. It prints `listening on http://127.0.0.1:PORT` and serves until it ends.

use std::io::Write as _;
use std::process::ExitCode;

use kintone_simulator::{Access, Server};

const USAGE: &str =
    "usage: kintone-simulator [--port PORT] [--token TOKEN] [--basic USER:PASSWORD] [--log]

  --port PORT            0, the default, takes a free one
  --token TOKEN          the API token of both apps; default: token
  --basic USER:PASSWORD  asks for Basic authentication besides the token
  --log                  prints each request on standard error";

/// The simulator's command line.
struct Options {
    port: u16,
    access: Access,
}

fn read_options(mut words: impl Iterator<Item = String>) -> Option<Options> {
    let access = Access { token: "token".to_owned(), basic: None, log: false };
    let mut options = Options { port: 0, access };
    while let Some(name) = words.next() {
        if name == "--log" {
            options.access.log = true;
            continue;
        }
        let value = words.next()?;
        match name.as_str() {
            "--port" => options.port = value.parse().ok()?,
            "--token" => options.access.token = value,
            "--basic" => options.access.basic = Some(value),
            _ => return None,
        }
    }
    Some(options)
}

fn main() -> ExitCode {
    let Some(options) = read_options(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let http = match tiny_http::Server::http(("127.0.0.1", options.port)) {
        Ok(http) => http,
        Err(error) => {
            eprintln!("error: port {} of 127.0.0.1: {error}", options.port);
            return ExitCode::FAILURE;
        }
    };
    println!("listening on http://{}", http.server_addr());
    if std::io::stdout().flush().is_err() {
        return ExitCode::FAILURE;
    }
    Server::new(options.access).serve(&http);
    ExitCode::SUCCESS
}

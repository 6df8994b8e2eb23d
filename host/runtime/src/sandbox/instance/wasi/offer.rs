//! The functions of WASI 0.2 that do something, by interface and name.
//!
//! Streams need no table: there are three of them, told apart by their number, and each is always
//! ready. Reading finds the end at once. There is no sleeping: the functions of the monotonic clock
//! that wait are left out, and a connector waits by `http.wait`.

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, LinkerInstance, Lower, Resource, ResourceType};

use crate::sandbox::instance::guest_state::GuestState;
use crate::sandbox::instance::wasi_environment::GuestExit;

/// The bytes that a stream takes at once.
const WRITE_BYTES_MAX: u64 = 64 << 10;
/// The resolution of the clocks.
const NS_PER_MS: u64 = 1_000_000;

const STDIN: u32 = 0;
const STDOUT: u32 = 1;
const STDERR: u32 = 2;

enum Input {}
enum Output {}
enum Fault {}
enum Pollable {}
enum Descriptor {}
enum TerminalInput {}
enum TerminalOutput {}
/// Of interfaces that only exist as types.
enum Nothing {}

/// `wasi:clocks/wall-clock#datetime`.
#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(record)]
struct Datetime {
    #[component(name = "seconds")]
    seconds: u64,
    #[component(name = "nanoseconds")]
    nanoseconds: u32,
}

/// `wasi:io/streams#stream-error`.
#[derive(ComponentType, Lower)]
#[component(variant)]
enum StreamError {
    #[expect(dead_code, reason = "the type has it; no stream here fails")]
    #[component(name = "last-operation-failed")]
    LastOperationFailed(Resource<Fault>),
    #[component(name = "closed")]
    Closed,
}

type Cx<'a> = StoreContextMut<'a, GuestState>;
type Answer<T> = wasmtime::Result<(T,)>;
type Streamed<T> = Answer<Result<T, StreamError>>;
type Instance<'a> = LinkerInstance<'a, GuestState>;

/// The type behind a resource's name, which is the same in every interface that uses it.
pub(super) fn resource(name: &str) -> ResourceType {
    match name {
        "input-stream" => ResourceType::host::<Input>(),
        "output-stream" => ResourceType::host::<Output>(),
        "error" | "io-error" => ResourceType::host::<Fault>(),
        "pollable" => ResourceType::host::<Pollable>(),
        "descriptor" => ResourceType::host::<Descriptor>(),
        "terminal-input" => ResourceType::host::<TerminalInput>(),
        "terminal-output" => ResourceType::host::<TerminalOutput>(),
        _ => ResourceType::host::<Nothing>(),
    }
}

/// Defines a function that works; false if this one does not.
pub(super) fn function(
    to: &mut Instance<'_>,
    interface: &str,
    name: &str,
) -> wasmtime::Result<bool> {
    let defined = match interface {
        "wasi:clocks/wall-clock" | "wasi:clocks/monotonic-clock" => clock(to, interface, name),
        "wasi:random/random" | "wasi:random/insecure" | "wasi:random/insecure-seed" => {
            random(to, name)
        }
        "wasi:io/streams" if name.starts_with("[method]input-stream.") => input(to, name),
        "wasi:io/streams" => output(to, name),
        "wasi:io/poll" => poll(to, name),
        _ => process(to, interface, name),
    };
    defined.transpose().map(|defined| defined.is_some())
}

/// The result of a definition; none if there is none.
type Defined = Option<wasmtime::Result<()>>;

fn clock(to: &mut Instance<'_>, interface: &str, name: &str) -> Defined {
    let wall = interface == "wasi:clocks/wall-clock";
    Some(match (wall, name) {
        (true, "now") => to.func_wrap(name, |cx: Cx<'_>, (): ()| -> Answer<Datetime> {
            let ms = cx.data().environment.now_ms();
            let nanoseconds = u32::try_from(ms % 1_000 * NS_PER_MS).unwrap_or_default();
            Ok((Datetime { seconds: ms / 1_000, nanoseconds },))
        }),
        (true, "resolution") => to.func_wrap(name, |_: Cx<'_>, (): ()| -> Answer<Datetime> {
            Ok((Datetime { seconds: 0, nanoseconds: 1_000_000 },))
        }),
        (false, "now") => to.func_wrap(name, |mut cx: Cx<'_>, (): ()| -> Answer<u64> {
            Ok((cx.data_mut().environment.monotonic_ms().saturating_mul(NS_PER_MS),))
        }),
        (false, "resolution") => {
            to.func_wrap(name, |_: Cx<'_>, (): ()| -> Answer<u64> { Ok((NS_PER_MS,)) })
        }
        _ => return None,
    })
}

fn random(to: &mut Instance<'_>, name: &str) -> Defined {
    Some(match name {
        "get-random-bytes" | "get-insecure-random-bytes" => {
            to.func_wrap(name, |mut cx: Cx<'_>, (count,): (u64,)| -> Answer<Vec<u8>> {
                Ok((cx.data_mut().environment.random_bytes(count)?,))
            })
        }
        "get-random-u64" | "get-insecure-random-u64" => {
            to.func_wrap(name, |mut cx: Cx<'_>, (): ()| -> Answer<u64> {
                Ok((cx.data_mut().environment.random_u64()?,))
            })
        }
        "insecure-seed" => to.func_wrap(name, |mut cx: Cx<'_>, (): ()| -> Answer<(u64, u64)> {
            let environment = &mut cx.data_mut().environment;
            Ok(((environment.random_u64()?, environment.random_u64()?),))
        }),
        _ => return None,
    })
}

fn input(to: &mut Instance<'_>, name: &str) -> Defined {
    type Args = (Resource<Input>, u64);
    Some(match name {
        "[method]input-stream.read" | "[method]input-stream.blocking-read" => to
            .func_wrap(name, |_: Cx<'_>, _: Args| -> Streamed<Vec<u8>> {
                Ok((Err(StreamError::Closed),))
            }),
        "[method]input-stream.skip" | "[method]input-stream.blocking-skip" => to
            .func_wrap(name, |_: Cx<'_>, _: Args| -> Streamed<u64> {
                Ok((Err(StreamError::Closed),))
            }),
        "[method]input-stream.subscribe" => ready::<Input>(to, name),
        _ => return None,
    })
}

fn output(to: &mut Instance<'_>, name: &str) -> Defined {
    Some(match name {
        "[method]output-stream.check-write" => to
            .func_wrap(name, |_: Cx<'_>, _: (Resource<Output>,)| -> Streamed<u64> {
                Ok((Ok(WRITE_BYTES_MAX),))
            }),
        "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush" => to
            .func_wrap(
                name,
                |mut cx: Cx<'_>, (stream, bytes): (Resource<Output>, Vec<u8>)| -> Streamed<()> {
                    cx.data_mut().guest_log.print(stream.rep() == STDERR, &bytes);
                    Ok((Ok(()),))
                },
            ),
        "[method]output-stream.flush" | "[method]output-stream.blocking-flush" => to
            .func_wrap(name, |_: Cx<'_>, _: (Resource<Output>,)| -> Streamed<()> { Ok((Ok(()),)) }),
        "[method]output-stream.subscribe" => ready::<Output>(to, name),
        _ => return None,
    })
}

/// A stream's `subscribe`.
fn ready<T: 'static>(to: &mut Instance<'_>, name: &str) -> wasmtime::Result<()> {
    to.func_wrap(name, |_: Cx<'_>, _: (Resource<T>,)| -> Answer<Resource<Pollable>> {
        Ok((Resource::new_own(0),))
    })
}

fn poll(to: &mut Instance<'_>, name: &str) -> Defined {
    Some(match name {
        "poll" => to.func_wrap(
            name,
            |_: Cx<'_>, (all,): (Vec<Resource<Pollable>>,)| -> Answer<Vec<u32>> {
                Ok(((0..u32::try_from(all.len())?).collect(),))
            },
        ),
        "[method]pollable.ready" => to
            .func_wrap(name, |_: Cx<'_>, _: (Resource<Pollable>,)| -> Answer<bool> { Ok((true,)) }),
        "[method]pollable.block" => to
            .func_wrap(name, |_: Cx<'_>, _: (Resource<Pollable>,)| -> wasmtime::Result<()> {
                Ok(())
            }),
        _ => return None,
    })
}

/// The rest: a process without environment, arguments, terminal or files.
fn process(to: &mut Instance<'_>, interface: &str, name: &str) -> Defined {
    Some(match (interface, name) {
        ("wasi:cli/environment", "get-environment") => to
            .func_wrap(name, |_: Cx<'_>, (): ()| -> Answer<Vec<(String, String)>> {
                Ok((Vec::new(),))
            }),
        ("wasi:cli/environment", "get-arguments") => {
            to.func_wrap(name, |_: Cx<'_>, (): ()| -> Answer<Vec<String>> { Ok((Vec::new(),)) })
        }
        ("wasi:cli/environment", "initial-cwd") => {
            to.func_wrap(name, |_: Cx<'_>, (): ()| -> Answer<Option<String>> { Ok((None,)) })
        }
        ("wasi:cli/exit", "exit") => {
            to.func_wrap(name, |_: Cx<'_>, _: (Result<(), ()>,)| -> wasmtime::Result<()> {
                Err(GuestExit::Exit.into())
            })
        }
        ("wasi:cli/exit", "exit-with-code") => to
            .func_wrap(name, |_: Cx<'_>, _: (u8,)| -> wasmtime::Result<()> {
                Err(GuestExit::Exit.into())
            }),
        ("wasi:cli/stdin", "get-stdin") => to
            .func_wrap(name, |_: Cx<'_>, (): ()| -> Answer<Resource<Input>> {
                Ok((Resource::new_own(STDIN),))
            }),
        ("wasi:cli/stdout", "get-stdout") => stream(to, name, STDOUT),
        ("wasi:cli/stderr", "get-stderr") => stream(to, name, STDERR),
        ("wasi:cli/terminal-stdin", "get-terminal-stdin") => no_terminal::<TerminalInput>(to, name),
        ("wasi:cli/terminal-stdout", "get-terminal-stdout")
        | ("wasi:cli/terminal-stderr", "get-terminal-stderr") => {
            no_terminal::<TerminalOutput>(to, name)
        }
        ("wasi:filesystem/preopens", "get-directories") => {
            to.func_wrap(name, |_: Cx<'_>, (): ()| -> Answer<Vec<(Resource<Descriptor>, String)>> {
                Ok((Vec::new(),))
            })
        }
        _ => return None,
    })
}

fn stream(to: &mut Instance<'_>, name: &str, number: u32) -> wasmtime::Result<()> {
    to.func_wrap(name, move |_: Cx<'_>, (): ()| -> Answer<Resource<Output>> {
        Ok((Resource::new_own(number),))
    })
}

fn no_terminal<T: 'static>(to: &mut Instance<'_>, name: &str) -> wasmtime::Result<()> {
    to.func_wrap(name, |_: Cx<'_>, (): ()| -> Answer<Option<Resource<T>>> { Ok((None,)) })
}

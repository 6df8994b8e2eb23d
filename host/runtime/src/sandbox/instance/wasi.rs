//! Links the little of WASI 0.2 that the runtimes of other languages get.
//!
//! CPython, QuickJS and the like import WASI whether a plugin uses it or not. `renkei-package` says
//! which interfaces may be listed; [`offer`] defines the few functions that work, with no access to
//! anything: a clock, random numbers, output to the guest's log, an empty environment and file
//! system. Every other function of a listed interface is linked to an end of the guest that names
//! it, so sockets, files and `wasi:http` exist as types only.
//!
//! This is our own and not the crate wasmtime-wasi, because that one always brings its file system
//! and the crates below it (74 more, cap-primitives and rustix's fs among them), which no plugin
//! may ever reach.

mod offer;

use std::borrow::Cow;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, LinkerInstance};

use super::guest_state::GuestState;
use super::wasi_environment::GuestExit;

/// `linker` with everything of WASI that the component lists.
pub(crate) fn link<'a>(
    linker: &'a Linker<GuestState>,
    component: &Component,
) -> wasmtime::Result<Cow<'a, Linker<GuestState>>> {
    let mut linker = Cow::Borrowed(linker);
    let engine = component.engine();
    for (name, import) in component.component_type().imports(engine) {
        let interface = name.split_once('@').map(|(interface, _)| interface);
        let Some(interface) = interface.filter(|name| name.starts_with("wasi:")) else { continue };
        let ComponentItem::ComponentInstance(instance) = import.ty else { continue };
        let mut ours = linker.to_mut().instance(name)?;
        for (export, item) in instance.exports(engine) {
            match item.ty {
                ComponentItem::ComponentFunc(_)
                    if !offer::function(&mut ours, interface, export)? =>
                {
                    refuse(&mut ours, name, export)?;
                }
                ComponentItem::Resource(_) => {
                    ours.resource(export, offer::resource(export), |_, _| Ok(()))?;
                }
                _ => {}
            }
        }
    }
    Ok(linker)
}

/// Links a function that ends the guest.
fn refuse(
    instance: &mut LinkerInstance<'_, GuestState>,
    interface: &str,
    function: &str,
) -> wasmtime::Result<()> {
    let name = format!("{interface}#{function}");
    instance.func_new(function, move |_, _, _, _| Err(GuestExit::NotOffered(name.clone()).into()))
}

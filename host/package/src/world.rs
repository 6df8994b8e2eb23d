//! The contract itself: the text of `wit/v0.2`, and the comparison of a component with its worlds.
//!
//! `package.rs` compares the names first, because a type error of the component model does not say
//! which import is too many. `wit_component::targets` then compares the types: one record field
//! more, another parameter. A component of a scripting language also imports parts of WASI
//! ([`crate::wasi`]). Those join the world for the comparison as the component describes them; the
//! runtime's linker decides later whether their types fit.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use wit_component::{DecodedWasm, WitPrinter};
use wit_parser::{Resolve, SourceMap, WorldId, WorldItem, WorldKey};

use crate::wasi;

/// The files of the contract with their text; an author's tools need them.
pub const WIT: [(&str, &str); 5] = [
    ("types.wit", include_str!("../../../wit/v0.2/types.wit")),
    ("log.wit", include_str!("../../../wit/v0.2/log.wit")),
    ("http.wit", include_str!("../../../wit/v0.2/http.wit")),
    ("connector.wit", include_str!("../../../wit/v0.2/connector.wit")),
    ("transform.wit", include_str!("../../../wit/v0.2/transform.wit")),
];

/// A world of the contract.
pub(crate) struct ContractWorld {
    resolve: Resolve,
    id: WorldId,
    /// Everything that a component of this world may import.
    pub(crate) imports: BTreeSet<String>,
    /// Everything that it must export.
    pub(crate) exports: BTreeSet<String>,
}

/// The world of connectors. An error means that this build of Renkei has a broken contract in it.
pub(crate) fn connector() -> Result<&'static ContractWorld, String> {
    static WORLD: LazyLock<Result<ContractWorld, String>> =
        LazyLock::new(|| parse("connector-plugin"));
    WORLD.as_ref().map_err(Clone::clone)
}

/// The world of transforms.
pub(crate) fn transform() -> Result<&'static ContractWorld, String> {
    static WORLD: LazyLock<Result<ContractWorld, String>> =
        LazyLock::new(|| parse("transform-plugin"));
    WORLD.as_ref().map_err(Clone::clone)
}

impl ContractWorld {
    /// Accepts a component whose every import and export has the type that the world gives it; the
    /// error names one that has another.
    pub(crate) fn fits(&self, component: &[u8]) -> Result<(), String> {
        wit_component::targets(&self.resolve, self.id, component)
            .map_err(|error| error.root_cause().to_string())
    }

    /// The same for a component that imports parts of WASI.
    pub(crate) fn fits_with_wasi(&self, component: &[u8]) -> Result<(), String> {
        self.with_wasi(component).map_err(|error| error.to_string())?.fits(component)
    }

    /// This world with the interfaces of WASI that `component` imports, as it describes them. Its
    /// idea of the contract stays out: only packages of WASI are taken over.
    fn with_wasi(&self, component: &[u8]) -> Result<Self, Box<dyn std::error::Error>> {
        let DecodedWasm::Component(theirs, their_world) = wit_component::decode(component)? else {
            return Err("it is a package of WIT and no component".into());
        };
        let mut resolve = self.resolve.clone();
        for package in theirs.topological_packages() {
            let name = theirs.packages.get(package).map(|package| &package.name);
            if name.is_some_and(|name| name.namespace == wasi::NAMESPACE) {
                let mut printer = WitPrinter::default();
                printer.print(&theirs, package, &[])?;
                resolve.push_source("wasi.wit", &printer.output.to_string())?;
            }
        }
        let imports = theirs.worlds.get(their_world).into_iter().flat_map(|world| &world.imports);
        let imports: Vec<_> =
            imports.map(|(key, item)| (theirs.name_world_key(key), item)).collect();
        let known: Vec<_> = resolve
            .interfaces
            .iter()
            .filter_map(|(id, _)| Some((resolve.id_of(id)?, id)))
            .filter(|(name, _)| wasi::is_offered(name))
            .collect();
        let world = resolve.worlds.get_mut(self.id).ok_or("no such world")?;
        for (name, id) in known {
            let Some((_, item)) = imports.iter().find(|(import, _)| *import == name) else {
                continue;
            };
            let mut item = WorldItem::clone(item);
            if let WorldItem::Interface { id: interface, .. } = &mut item {
                *interface = id;
            }
            world.imports.insert(WorldKey::Interface(id), item);
        }
        let (imports, exports) = (self.imports.clone(), self.exports.clone());
        Ok(Self { resolve, id: self.id, imports, exports })
    }
}

fn parse(name: &str) -> Result<ContractWorld, String> {
    let mut sources = SourceMap::new();
    for (path, text) in WIT {
        sources.push_str(path, text);
    }
    let group = sources.parse().map_err(|(_, error)| error.to_string())?;
    let mut resolve = Resolve::default();
    let package = resolve.push_group(group).map_err(|error| error.to_string())?;
    let id = resolve.select_world(&[package], Some(name)).map_err(|error| error.to_string())?;
    let world = resolve.worlds.get(id).ok_or("no such world")?;
    let imports = world.imports.keys().map(|key| resolve.name_world_key(key)).collect();
    let exports = world.exports.keys().map(|key| resolve.name_world_key(key)).collect();
    Ok(ContractWorld { imports, exports, id, resolve })
}

/// Components without any toolchain, for the tests of this crate.
#[cfg(test)]
pub(crate) mod dummy {
    use wit_component::{ComponentEncoder, StringEncoding};
    use wit_parser::{ManglingAndAbi, Resolve, WorldId};

    use super::ContractWorld;

    /// A core module of `world` whose every function traps.
    pub(crate) fn module(world: &ContractWorld) -> Vec<u8> {
        core(&world.resolve, world.id)
    }

    /// The same as a component.
    pub(crate) fn component(world: &ContractWorld) -> Vec<u8> {
        encode(&world.resolve, world.id)
    }

    /// A component of the only world in `wit`.
    pub(crate) fn component_of(wit: &str) -> Vec<u8> {
        let mut resolve = Resolve::default();
        let package = resolve.push_source("test.wit", wit).unwrap();
        let world = resolve.select_world(&[package], None).unwrap();
        encode(&resolve, world)
    }

    fn core(resolve: &Resolve, world: WorldId) -> Vec<u8> {
        let mut module = wit_component::dummy_module(resolve, world, ManglingAndAbi::Standard32);
        wit_component::embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8)
            .unwrap();
        module
    }

    fn encode(resolve: &Resolve, world: WorldId) -> Vec<u8> {
        let module = core(resolve, world);
        ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap()
    }
}

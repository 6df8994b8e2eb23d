//! Version 0.2 of the contract (`wit/v0.2`): the only file that calls `bindgen!`.
//!
//! The transform world reuses the connector world's types and log import, so that one set of
//! conversions serves both.

pub(crate) mod connector {
    //! World `connector-plugin`.
    wasmtime::component::bindgen!({
        path: "../../wit/v0.2",
        world: "connector-plugin",
        imports: { "renkei:plugin/http": async | trappable, default: trappable },
        exports: { default: async },
    });
}

pub(crate) mod transform {
    //! World `transform-plugin`.
    wasmtime::component::bindgen!({
        path: "../../wit/v0.2",
        world: "transform-plugin",
        imports: { default: trappable },
        exports: { default: async },
        with: {
            "renkei:plugin/types": super::connector::renkei::plugin::types,
            "renkei:plugin/log": super::connector::renkei::plugin::log,
        },
    });
}

pub(crate) use connector::exports::renkei::plugin::connector as calls;
pub(crate) use connector::renkei::plugin::{http, log, signing, types};
pub(crate) use connector::{ConnectorPlugin, ConnectorPluginPre};
pub(crate) use transform::exports::renkei::plugin::transform::Guest as TransformExports;
pub(crate) use transform::{TransformPlugin, TransformPluginPre};

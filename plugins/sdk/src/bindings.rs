//! The contract in Rust, generated from `wit/v0.2`: the only definition of the types that the rest
//! of the crate re-exports.
//!
//! Types, http, log and signing are generated once; the two worlds map to them, so a value is the
//! same type in both. A world's exports (and the section that announces them) come from its export
//! macro alone: a crate that has both features on, as a workspace build has, still exports only
//! what it asks for.

/// Everything that a world imports.
pub mod imports {
    wit_bindgen::generate!({
        inline: "
            package renkei:sdk;
            world imports {
                import renkei:plugin/types@0.2.0;
                import renkei:plugin/log@0.2.0;
                import renkei:plugin/http@0.2.0;
                import renkei:plugin/signing@0.2.0;
            }
        ",
        path: "../../wit/v0.2",
        world: "renkei:sdk/imports",
        additional_derives: [PartialEq, Eq],
        additional_type_attributes: {
            "renkei:plugin/types@0.2.0/batch": [#[derive(Default)]],
            "renkei:plugin/types@0.2.0/row": [#[derive(Default)]],
        },
        generate_unused_types: true,
        generate_all,
    });
}

/// The world of a connector.
#[cfg(feature = "connector")]
pub mod connector {
    wit_bindgen::generate!({
        path: "../../wit/v0.2",
        world: "connector-plugin",
        with: {
            "renkei:plugin/types@0.2.0": crate::bindings::imports::renkei::plugin::types,
            "renkei:plugin/log@0.2.0": crate::bindings::imports::renkei::plugin::log,
            "renkei:plugin/http@0.2.0": crate::bindings::imports::renkei::plugin::http,
            "renkei:plugin/signing@0.2.0": crate::bindings::imports::renkei::plugin::signing,
        },
        additional_derives: [PartialEq, Eq],
        pub_export_macro: true,
        export_macro_name: "export_connector_world",
        default_bindings_module: "renkei_sdk::bindings::connector",
    });
}

/// The world of a transform.
#[cfg(feature = "transform")]
pub mod transform {
    wit_bindgen::generate!({
        path: "../../wit/v0.2",
        world: "transform-plugin",
        with: {
            "renkei:plugin/types@0.2.0": crate::bindings::imports::renkei::plugin::types,
            "renkei:plugin/log@0.2.0": crate::bindings::imports::renkei::plugin::log,
        },
        pub_export_macro: true,
        export_macro_name: "export_transform_world",
        default_bindings_module: "renkei_sdk::bindings::transform",
    });
}

//! One generation of a plugin: its manifest and its compiled code, linked to what its kind may
//! import.

use std::collections::{BTreeMap, BTreeSet};

use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, Linker};

use renkei_package::{ConnectorManifest, Function, Manifest, ManifestKind, Permission};
use renkei_sync::model::plugin::{Generation, PluginError};

use crate::sandbox::bindings::v1::{
    ConnectorPlugin, ConnectorPluginPre, TransformPlugin, TransformPluginPre,
};
use crate::sandbox::instance::{self, State};
use crate::sandbox::instance_permits::Needs;

/// See the module's text.
pub(crate) struct Plugin {
    pub(crate) generation: Generation,
    /// What it says of itself, without what an admin took away.
    pub(crate) manifest: Manifest,
    /// What it says of itself.
    pub(crate) whole: Manifest,
    /// Permissions that an admin denied.
    pub(crate) denied: BTreeSet<Permission>,
    pub(crate) code: Code,
    pub(crate) needs: Needs,
    /// Two-way functions that broke a lens law when they were probed, with what happened: they run
    /// one-way.
    pub(crate) one_way: BTreeMap<String, String>,
}

/// Compiled and linked, but not instantiated.
#[derive(Clone)]
pub(crate) enum Code {
    Connector(ConnectorPluginPre<State>),
    Transform(TransformPluginPre<State>),
}

impl Plugin {
    /// The permissions that it asks for.
    pub(crate) fn asked(&self) -> BTreeSet<Permission> {
        self.whole.permissions()
    }

    /// The same generation without what is taken away.
    pub(crate) fn given(&self, denied: &BTreeSet<Permission>) -> Self {
        Self {
            needs: self.needs,
            generation: self.generation.clone(),
            manifest: self.whole.without(denied),
            whole: self.whole.clone(),
            denied: denied.clone(),
            code: self.code.clone(),
            one_way: self.one_way.clone(),
        }
    }

    /// The manifest and code of a connector; whoever asks a transform for it is told so.
    pub(crate) fn connector(
        &self,
    ) -> Result<(&ConnectorManifest, &ConnectorPluginPre<State>), PluginError> {
        match (&self.manifest.kind, &self.code) {
            (ManifestKind::Connector(manifest), Code::Connector(code)) => Ok((manifest, code)),
            _ => Err(self.not_a("connector")),
        }
    }

    /// The manifest entry and code of a transform's function.
    pub(crate) fn function(
        &self,
        name: &str,
    ) -> Result<(&Function, &TransformPluginPre<State>), PluginError> {
        let (ManifestKind::Transform(manifest), Code::Transform(code)) =
            (&self.manifest.kind, &self.code)
        else {
            return Err(self.not_a("transform"));
        };
        let function = manifest.functions.iter().find(|function| function.name == name);
        let function = function.ok_or_else(|| PluginError::Unsupported {
            plugin: self.generation.clone(),
            what: format!("it has no function `{name}`"),
        })?;
        Ok((function, code))
    }

    fn not_a(&self, kind: &str) -> PluginError {
        PluginError::Unsupported {
            plugin: self.generation.clone(),
            what: format!("it is not a {kind}"),
        }
    }
}

/// What each kind of plugin may import.
pub(crate) struct Linkers {
    connector: Linker<State>,
    transform: Linker<State>,
}

impl Linkers {
    pub(crate) fn new(engine: &Engine) -> wasmtime::Result<Self> {
        let mut connector = Linker::new(engine);
        ConnectorPlugin::add_to_linker::<_, HasSelf<State>>(&mut connector, |state| state)?;
        let mut transform = Linker::new(engine);
        TransformPlugin::add_to_linker::<_, HasSelf<State>>(&mut transform, |state| state)?;
        Ok(Self { connector, transform })
    }

    /// Links a component to its kind's imports, and to what its language's runtime wants of WASI,
    /// and checks its exports' types.
    pub(crate) fn link(
        &self,
        kind: &ManifestKind,
        component: &Component,
    ) -> wasmtime::Result<Code> {
        Ok(match kind {
            ManifestKind::Connector(_) => {
                let linker = instance::link_wasi(&self.connector, component)?;
                Code::Connector(ConnectorPluginPre::new(linker.instantiate_pre(component)?)?)
            }
            ManifestKind::Transform(_) => {
                let linker = instance::link_wasi(&self.transform, component)?;
                Code::Transform(TransformPluginPre::new(linker.instantiate_pre(component)?)?)
            }
        })
    }
}

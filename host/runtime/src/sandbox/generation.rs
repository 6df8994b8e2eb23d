//! One generation of a plugin: its manifest and its compiled code, linked to what its kind may
//! import.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, Linker};

use renkei_model::plugin::{Generation, PluginError};
use renkei_package::{ConnectorManifest, Function, Manifest, ManifestKind, Permission};

use crate::sandbox::bindings::v0_2::{
    ConnectorPlugin, ConnectorPluginPre, TransformPlugin, TransformPluginPre,
};
use crate::sandbox::instance::{self, GuestState};
use crate::sandbox::instance_permits::ResourceNeeds;
use crate::sandbox::schema_memos::SchemaMemos;

/// One generation of a plugin, as the admin left it.
pub(crate) struct PluginGeneration {
    pub(crate) generation: Generation,
    /// Its manifest without the denied permissions.
    pub(crate) manifest: Manifest,
    /// Its manifest.
    pub(crate) whole: Manifest,
    /// The permissions that an admin denied.
    pub(crate) denied: BTreeSet<Permission>,
    pub(crate) code: LinkedCode,
    pub(crate) needs: ResourceNeeds,
    /// Two-way functions that broke a lens law when they were probed, with what happened: they run
    /// one-way.
    pub(crate) one_way: BTreeMap<String, String>,
    /// Memos of schemas, which it gets back in later jobs.
    pub(crate) memos: Arc<SchemaMemos>,
}

/// Compiled and linked, but not instantiated.
#[derive(Clone)]
pub(crate) enum LinkedCode {
    Connector(ConnectorPluginPre<GuestState>),
    Transform(TransformPluginPre<GuestState>),
}

impl PluginGeneration {
    /// The permissions that it asks for.
    pub(crate) fn asked(&self) -> BTreeSet<Permission> {
        self.whole.permissions()
    }

    /// The same generation without the denied permissions.
    pub(crate) fn without(&self, denied: &BTreeSet<Permission>) -> Self {
        Self {
            needs: self.needs,
            generation: self.generation.clone(),
            manifest: self.whole.without(denied),
            whole: self.whole.clone(),
            denied: denied.clone(),
            code: self.code.clone(),
            one_way: self.one_way.clone(),
            memos: Arc::clone(&self.memos),
        }
    }

    /// The manifest and code of a connector; whoever asks a transform for it is told so.
    pub(crate) fn connector(
        &self,
    ) -> Result<(&ConnectorManifest, &ConnectorPluginPre<GuestState>), PluginError> {
        match (&self.manifest.kind, &self.code) {
            (ManifestKind::Connector(manifest), LinkedCode::Connector(code)) => {
                Ok((manifest, code))
            }
            _ => Err(self.not_a("connector")),
        }
    }

    /// The manifest entry and code of a transform's function.
    pub(crate) fn function(
        &self,
        name: &str,
    ) -> Result<(&Function, &TransformPluginPre<GuestState>), PluginError> {
        let (ManifestKind::Transform(manifest), LinkedCode::Transform(code)) =
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

/// The imports of each kind of plugin.
pub(crate) struct Linkers {
    connector: Linker<GuestState>,
    transform: Linker<GuestState>,
}

impl Linkers {
    pub(crate) fn new(engine: &Engine) -> wasmtime::Result<Self> {
        let mut connector = Linker::new(engine);
        ConnectorPlugin::add_to_linker::<_, HasSelf<GuestState>>(&mut connector, |state| state)?;
        let mut transform = Linker::new(engine);
        TransformPlugin::add_to_linker::<_, HasSelf<GuestState>>(&mut transform, |state| state)?;
        Ok(Self { connector, transform })
    }

    /// Links a component to its kind's imports, and to what its language's runtime wants of WASI,
    /// and checks its exports' types.
    pub(crate) fn link(
        &self,
        kind: &ManifestKind,
        component: &Component,
    ) -> wasmtime::Result<LinkedCode> {
        Ok(match kind {
            ManifestKind::Connector(_) => {
                let linker = instance::link_wasi(&self.connector, component)?;
                LinkedCode::Connector(ConnectorPluginPre::new(linker.instantiate_pre(component)?)?)
            }
            ManifestKind::Transform(_) => {
                let linker = instance::link_wasi(&self.transform, component)?;
                LinkedCode::Transform(TransformPluginPre::new(linker.instantiate_pre(component)?)?)
            }
        })
    }
}

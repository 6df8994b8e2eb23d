//! From `entities/*.toml` to the engine's [`Spec`]: names become positions, and every name must
//! refer to something.

use renkei_model::record::Attributes;
use renkei_model::spec::days::Days;
use renkei_model::spec::{
    Clear, ColumnRules, DeleteGuard, Direction, EntitySpec, FieldIndex, FieldKind, FieldSpec,
    FirstLink, MappingGroup, MatchKey, MemberSpec, OnCascade, OnDelete, OnMerge, Orientation, Spec,
    TransformRef, TransformUse, Via, Winner,
};
use renkei_model::value::Value;
use renkei_package::{FunctionShape, ManifestKind};
use sha2::{Digest as _, Sha256};
use toml::Spanned;

use super::available_plugins::AvailablePlugins;
use super::file::{EntitySource, FieldFile, MatchFile, MemberFile, RootSource, SplitFile};
use super::parse::{
    column_rules, copied_column, direction, index, interval, names, parameters, require_name,
    value_table, word,
};
use super::source::ConfigError;

/// The time between two sweeps of an entity unless its file says otherwise: a day, ms.
const SWEEP_MS: u64 = 24 * 3_600_000;
/// Records of an entity that may be created in 24 hours without a question.
pub(super) const CREATE_GUARD: u64 = 2_000;

/// Resolves all entities.
pub(super) fn resolve(
    root: &RootSource,
    files: &[EntitySource],
    loaded: &AvailablePlugins<'_>,
) -> Result<Spec, ConfigError> {
    let world = NameScope { root, files, loaded };
    let entities = files.iter().map(|file| world.entity(file)).collect::<Result<_, _>>()?;
    Spec::new(entities).map_err(|error| {
        let mistake = root.anywhere(error.to_string());
        match error.hint() {
            Some(hint) => mistake.hint(hint),
            None => mistake,
        }
    })
}

/// The things that names may refer to.
struct NameScope<'a> {
    root: &'a RootSource,
    files: &'a [EntitySource],
    loaded: &'a AvailablePlugins<'a>,
}

impl NameScope<'_> {
    fn entity(&self, file: &EntitySource) -> Result<EntitySpec, ConfigError> {
        let raw = &file.value;
        require_name(file, &raw.entity)?;
        self.check_twice(file)?;
        let fields = raw
            .field
            .iter()
            .map(|(name, field)| self.field(file, name, field))
            .collect::<Result<Vec<_>, _>>()?;
        self.check_columns(file)?;
        let members = raw
            .member
            .iter()
            .map(|member| self.member(file, member, &fields))
            .collect::<Result<Vec<_>, _>>()?;
        let match_keys = raw
            .r#match
            .iter()
            .map(|key| self.match_key(file, key, &fields))
            .collect::<Result<_, _>>()?;
        Ok(EntitySpec {
            name: raw.entity.get_ref().clone(),
            members,
            match_keys,
            first_link: match raw.first_link.get_ref().as_str() {
                "review" => FirstLink::Review,
                _ => {
                    FirstLink::Prefer(self.system(file, &raw.first_link, "`review` or a system")?)
                }
            },
            on_delete: word(
                file,
                &raw.on_delete,
                &[
                    ("archive", OnDelete::Archive),
                    ("unlink", OnDelete::Unlink),
                    ("review", OnDelete::Review),
                ],
            )?,
            on_merge: word(
                file,
                &raw.on_merge,
                &[("review", OnMerge::Review), ("follow", OnMerge::Follow)],
            )?,
            delete_guard: raw
                .delete_guard
                .map_or_else(DeleteGuard::default, |count| DeleteGuard { count, percent: 0 }),
            on_cascade: match &raw.on_cascade {
                None => OnCascade::Ask,
                Some(on_cascade) => {
                    word(file, on_cascade, &[("ask", OnCascade::Ask), ("allow", OnCascade::Allow)])?
                }
            },
            create_guard: Some(raw.create_guard.unwrap_or(CREATE_GUARD)),
            sweep_ms: match &raw.sweep {
                None => Some(SWEEP_MS),
                Some(sweep) => interval(file, sweep)?,
            },
            fields,
        })
    }

    fn field(
        &self,
        file: &EntitySource,
        name: &Spanned<String>,
        raw: &FieldFile,
    ) -> Result<FieldSpec, ConfigError> {
        let clear = match &raw.clear {
            None => Clear::Propagate,
            Some(clear) => word(
                file,
                clear,
                &[
                    ("propagate", Clear::Propagate),
                    ("ignore", Clear::Ignore),
                    ("review", Clear::Review),
                ],
            )?,
        };
        let kind = self.kind(file, &raw.kind)?;
        let winner = self.winner(file, &raw.winner)?;
        if winner.opted_out().is_some() && kind != FieldKind::Boolean {
            let message = "`opt-out` and `opt-in` are for fields with `kind = \"boolean\"`";
            return Err(file.at(&raw.winner, message));
        }
        let is_merged_itself = matches!(kind, FieldKind::Reference { .. } | FieldKind::Choices);
        if winner.merge_function().is_some() && is_merged_itself {
            let message = "a merge function is for single values, not for references or `choices`";
            return Err(file.at(&raw.winner, message));
        }
        Ok(FieldSpec { name: name.get_ref().clone(), kind, winner, clear })
    }

    fn kind(&self, file: &EntitySource, kind: &Spanned<String>) -> Result<FieldKind, ConfigError> {
        if let Some((word, entity)) = kind.get_ref().split_once(':') {
            let known = self.files.iter().any(|file| file.value.entity.get_ref() == entity);
            return match word {
                "reference" | "references" if known => Ok(FieldKind::Reference {
                    entity: entity.to_owned(),
                    many: word == "references",
                }),
                _ => Err(file.at(
                    kind,
                    format!(
                        "`{}` must be `reference:` or `references:` and an entity of entities/",
                        kind.get_ref()
                    ),
                )),
            };
        }
        word(
            file,
            kind,
            &[
                ("text", FieldKind::Text),
                ("mail", FieldKind::Mail),
                ("phone", FieldKind::Phone),
                ("integer", FieldKind::Integer),
                ("decimal", FieldKind::Decimal),
                ("boolean", FieldKind::Boolean),
                ("date", FieldKind::Date),
                ("timestamp", FieldKind::Timestamp),
                ("choice", FieldKind::Choice),
                ("choices", FieldKind::Choices),
            ],
        )
    }

    fn winner(&self, file: &EntitySource, winner: &Spanned<String>) -> Result<Winner, ConfigError> {
        let expected = "`newest`, `manual`, `always:SYSTEM`, `unless-blank:SYSTEM`, `merge:PLUGIN/FUNCTION`, \
             `opt-out` or `opt-in`";
        let unknown = || file.at(winner, format!("`{}`: expected {expected}", winner.get_ref()));
        let known = |system: &str| {
            self.root
                .value
                .systems
                .contains_key(system)
                .then(|| system.to_owned())
                .ok_or_else(unknown)
        };
        match winner.get_ref().split_once(':') {
            Some(("always", system)) => Ok(Winner::Always(known(system)?)),
            Some(("merge", function)) => {
                let via = Spanned::new(winner.span(), function.to_owned());
                let shape = FunctionShape::Merge;
                Ok(Winner::Merge(self.function(file, &via, Attributes::new(), shape)?))
            }
            Some(("unless-blank", system)) => Ok(Winner::UnlessBlank(known(system)?)),
            None if winner.get_ref() == "newest" => Ok(Winner::Newest),
            None if winner.get_ref() == "manual" => Ok(Winner::Manual),
            None if winner.get_ref() == "opt-out" => Ok(Winner::OptOut { when: true }),
            None if winner.get_ref() == "opt-in" => Ok(Winner::OptOut { when: false }),
            _ => Err(unknown()),
        }
    }

    fn system(
        &self,
        file: &EntitySource,
        name: &Spanned<String>,
        expected: &str,
    ) -> Result<String, ConfigError> {
        if self.root.value.systems.contains_key(name.get_ref()) {
            return Ok(name.get_ref().clone());
        }
        let systems: Vec<&str> = self.root.value.systems.keys().map(String::as_str).collect();
        Err(file
            .at(name, format!("`{}`: expected {expected}", name.get_ref()))
            .hint(format!("renkei.toml has the systems {}", systems.join(", "))))
    }

    /// No other file has the same entity, and an object plays one entity once: its records have one
    /// link and its changes one cursor.
    fn check_twice(&self, file: &EntitySource) -> Result<(), ConfigError> {
        let name = file.value.entity.get_ref();
        let same = self.files.iter().filter(|other| other.value.entity.get_ref() == name);
        if same.count() > 1 {
            let message = format!("another file of entities/ has the entity `{name}` too");
            return Err(file.at(&file.value.entity, message));
        }
        for member in &file.value.member {
            let all = self.files.iter().flat_map(|other| &other.value.member);
            if all.filter(|other| name_of(other) == name_of(member)).count() > 1 {
                let message = format!("{} is a member of an entity already", name_of(member));
                let mistake = file.at(&member.object, message);
                return Err(mistake.hint("an object plays one entity, once"));
            }
        }
        Ok(())
    }

    /// Every member that a field names must be a member of the entity.
    fn check_columns(&self, file: &EntitySource) -> Result<(), ConfigError> {
        let members: Vec<String> = file.value.member.iter().map(name_of).collect();
        let fields = file.value.field.values();
        let named = fields.flat_map(|field| {
            field
                .columns
                .keys()
                .chain(&field.read_only)
                .chain(&field.write_only)
                .chain(&field.required)
        });
        let splits = file.value.split.iter().map(|split| &split.member);
        match named.chain(splits).find(|name| !members.contains(name.get_ref())) {
            None => Ok(()),
            Some(name) => {
                let mistake =
                    file.at(name, format!("`{}` is no member of this entity", name.get_ref()));
                Err(mistake.hint(format!("its members are {}", members.join(", "))))
            }
        }
    }

    fn member(
        &self,
        file: &EntitySource,
        raw: &MemberFile,
        fields: &[FieldSpec],
    ) -> Result<MemberSpec, ConfigError> {
        let system = self.system(file, &raw.system, "a system")?;
        let object = raw.object.get_ref().clone();
        let name = name_of(raw);
        let mut groups = Vec::new();
        for (index, (field, field_file)) in file.value.field.iter().enumerate() {
            let column = field_file.columns.iter().find(|(member, _)| member.get_ref() == &name);
            if let Some((_, column)) = column {
                let kind = fields.get(index).map(|field| &field.kind);
                let target = match kind {
                    Some(FieldKind::Reference { entity, .. }) => {
                        Some(self.target(file, field, entity, &system)?)
                    }
                    _ => None,
                };
                groups.push(MappingGroup {
                    fields: vec![FieldIndex(index)],
                    columns: vec![column.clone()],
                    direction: direction(field_file, &name),
                    via: match &field_file.table {
                        None => Via::Direct,
                        Some(table) => Via::Table(value_table(file, table, &name)?),
                    },
                    target,
                    required: names(&field_file.required, &name),
                    rules: column_rules(file, field_file, kind)?,
                });
            }
        }
        for split in file.value.split.iter().filter(|split| split.member.get_ref() == &name) {
            groups.push(self.split(file, split, fields)?);
        }
        let zone =
            self.root.value.systems.get(&system).and_then(|system| system.time_zone.as_ref());
        let zone = zone.map(|zone| zone.get_ref().as_str()).unwrap_or_default();
        // Under another entity everything is read anew.
        let entity = file.value.entity.get_ref();
        let digest = Sha256::digest(format!("{entity} {groups:?}{zone}").as_bytes());
        let (read_rows, write_rows) = self.rows(&system, &object);
        Ok(MemberSpec {
            read_rows,
            write_rows,
            system,
            object,
            create: raw.create,
            stops_create: Vec::new(),
            mergeable: false,
            constants: raw
                .defaults
                .iter()
                .map(|(column, text)| (column.clone(), Some(Value::Text(text.clone().into()))))
                .collect(),
            copies: raw
                .copies
                .iter()
                .map(|(column, from)| copied_column(self.files, file, fields, (column, from)))
                .collect::<Result<_, _>>()?,
            groups,
            days: Days::unknown(),
            digest: hex::encode(digest),
            // Known once the live schema is.
            stamp: None,
        })
    }

    /// The object of `system` that plays `entity`.
    fn target(
        &self,
        file: &EntitySource,
        field: &Spanned<String>,
        entity: &str,
        system: &str,
    ) -> Result<String, ConfigError> {
        let members = self
            .files
            .iter()
            .filter(|file| file.value.entity.get_ref() == entity)
            .flat_map(|file| &file.value.member)
            .filter(|member| member.system.get_ref() == system);
        let objects: Vec<&str> = members.map(|member| member.object.get_ref().as_str()).collect();
        match objects.as_slice() {
            [object] => Ok((*object).to_owned()),
            _ => {
                let message = format!("{entity} has {} members in {system}", objects.len());
                let hint = "a reference needs exactly one member to point at";
                Err(file.at(field, message).hint(hint))
            }
        }
    }

    fn split(
        &self,
        file: &EntitySource,
        raw: &SplitFile,
        fields: &[FieldSpec],
    ) -> Result<MappingGroup, ConfigError> {
        let parameters = parameters(&raw.parameters);
        let function = self.function(file, &raw.via, parameters, FunctionShape::TwoWay)?;
        if function.input.len() != raw.columns.len() || function.output.len() != raw.fields.len() {
            let (name, inputs, outputs) =
                (raw.via.get_ref(), function.input.len(), function.output.len());
            let (columns, fields) = (raw.columns.len(), raw.fields.len());
            let message = format!("{name} has {columns} column(s) and {fields} field(s) here");
            let hint = format!("{name} takes {inputs} column(s) and makes {outputs} field(s)");
            return Err(file.at(&raw.via, message).hint(hint));
        }
        let direction = match &raw.direction {
            None => Direction::Both,
            Some(direction) => word(
                file,
                direction,
                &[
                    ("both", Direction::Both),
                    ("read", Direction::Read),
                    ("write", Direction::Write),
                ],
            )?,
        };
        Ok(MappingGroup {
            fields: raw
                .fields
                .iter()
                .map(|name| index(file, name, fields))
                .collect::<Result<_, _>>()?,
            columns: raw.columns.clone(),
            direction,
            via: Via::Transform(TransformUse { function, orientation: Orientation::ForwardReads }),
            target: None,
            required: false,
            rules: ColumnRules::default(),
        })
    }

    fn match_key(
        &self,
        file: &EntitySource,
        raw: &MatchFile,
        fields: &[FieldSpec],
    ) -> Result<MatchKey, ConfigError> {
        let transform = match &raw.via {
            None => None,
            Some(via) => {
                let function = self.function(file, via, Vec::new(), FunctionShape::OneWay)?;
                if function.input.len() != raw.fields.len() {
                    let wanted = function.input.join(", ");
                    return Err(file.at(via, format!("{} takes {wanted}", via.get_ref())));
                }
                Some(function)
            }
        };
        Ok(MatchKey {
            name: raw.name.get_ref().clone(),
            fields: raw
                .fields
                .iter()
                .map(|name| index(file, name, fields))
                .collect::<Result<_, _>>()?,
            transform,
            unique: raw.unique,
        })
    }

    /// The function that `plugin/function` names, from the manifests of the loaded plugins.
    fn function(
        &self,
        file: &EntitySource,
        via: &Spanned<String>,
        parameters: Attributes,
        wanted: FunctionShape,
    ) -> Result<TransformRef, ConfigError> {
        let unknown = |what: String| file.at(via, format!("`{}`: {what}", via.get_ref()));
        let (plugin, name) = via
            .get_ref()
            .split_once('/')
            .ok_or_else(|| unknown("expected plugin/function".to_owned()))?;
        let functions = match self.loaded.manifest(plugin).map(|manifest| &manifest.kind) {
            Some(ManifestKind::Transform(transform)) => &transform.functions,
            Some(ManifestKind::Connector(_)) => {
                return Err(unknown(format!("{plugin} is a connector, not a transform")));
            }
            None => {
                let (dir, folder) = (self.root.dir(), &self.root.value.plugins);
                let missing = self.loaded.missing("transform", plugin, dir, folder);
                let mistake = unknown(missing.message).hint(missing.hint);
                return Err(mistake.about_plugin(missing.is_aside));
            }
        };
        let function =
            functions.iter().find(|function| function.name == name).ok_or_else(|| {
                let names: Vec<&str> =
                    functions.iter().map(|function| function.name.as_str()).collect();
                let mistake = unknown(format!("{plugin} has no such function"));
                mistake.hint(format!("{plugin} has {}", names.join(", ")))
            })?;
        if function.shape != wanted {
            let mistake = unknown(format!("the function is {:?}", function.shape));
            return Err(mistake.hint(format!("{wanted:?} is needed here")));
        }
        Ok(TransformRef {
            plugin: plugin.to_owned(),
            function: name.to_owned(),
            parameters,
            input: function.input.clone(),
            output: function.output.clone(),
        })
    }

    /// The largest page and the largest write that the connector's manifest names for the object.
    fn rows(&self, system: &str, object: &str) -> (u32, u32) {
        const DEFAULT_ROWS: u32 = 100;
        let plugin = self.root.value.systems.get(system).map(|system| system.plugin.get_ref());
        plugin
            .and_then(|plugin| self.loaded.manifest(plugin))
            .and_then(|manifest| match &manifest.kind {
                ManifestKind::Connector(connector) => {
                    connector.objects.iter().find(|o| o.name == object)
                }
                ManifestKind::Transform(_) => None,
            })
            .map_or((DEFAULT_ROWS, DEFAULT_ROWS), |object| (object.read_rows, object.write_rows))
    }
}

/// `system.object`.
fn name_of(member: &MemberFile) -> String {
    format!("{}.{}", member.system.get_ref(), member.object.get_ref())
}

//! The modules of the host's crates, parsed, and what a path in one of them names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::{Attribute, Item, UseTree, Visibility};

/// A module's path, the crate's name first.
pub(super) type ModulePath = Vec<String>;

/// Longer chains of re-exports are taken for endless.
const REEXPORTS_MAX: usize = 12;

/// One module: its file, what it defines and what it imports. Tests are left out.
#[derive(Default)]
pub(super) struct Module {
    pub(super) file: PathBuf,
    /// Names that the module defines.
    items: BTreeSet<String>,
    /// Name here, path, and whether it is exported again.
    pub(super) imports: BTreeMap<String, (Vec<String>, bool)>,
    globs: Vec<Vec<String>>,
    children: BTreeSet<String>,
    /// Everything but imports and modules.
    pub(super) body: Vec<Item>,
}

/// All modules by path.
#[derive(Default)]
pub(super) struct Program {
    pub(super) modules: BTreeMap<ModulePath, Module>,
}

impl Program {
    /// Parses the library and the program of a crate.
    pub(super) fn add_crate(&mut self, folder: &Path) {
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let name = manifest.lines().find(|line| line.starts_with("name")).unwrap();
        let name = name.split('"').nth(1).unwrap().replace('-', "_");
        let source = folder.join("src");
        for (file, name) in [("lib.rs", name.clone()), ("main.rs", format!("{name}_program"))] {
            let file = source.join(file);
            if let Ok(text) = fs::read_to_string(&file) {
                let items = syn::parse_file(&text).unwrap().items;
                self.add_module(vec![name], &file, &source, items);
            }
        }
    }

    fn add_module(&mut self, path: ModulePath, file: &Path, folder: &Path, items: Vec<Item>) {
        let mut module = Module { file: file.to_owned(), ..Module::default() };
        for item in items.into_iter().filter(|item| !is_for_tests(item)) {
            module.items.extend(name_of(&item));
            match item {
                Item::Mod(child) => {
                    let name = child.ident.to_string();
                    module.children.insert(name.clone());
                    let inner: ModulePath = path.iter().cloned().chain([name.clone()]).collect();
                    let below = folder.join(&name);
                    if let Some((_, items)) = child.content {
                        self.add_module(inner, file, &below, items);
                    } else {
                        let file = folder.join(format!("{name}.rs"));
                        let text = fs::read_to_string(&file).unwrap();
                        let items = syn::parse_file(&text).unwrap().items;
                        self.add_module(inner, &file, &below, items);
                    }
                }
                Item::Use(import) => {
                    let exported = !matches!(import.vis, Visibility::Inherited);
                    module.add_imports(&import.tree, &mut Vec::new(), exported);
                }
                other => module.body.push(other),
            }
        }
        self.modules.insert(path, module);
    }

    /// The module that defines what a path names, and the item's name. Nothing for modules, for
    /// names of other people's crates and for local names.
    pub(super) fn resolve(&self, at: &ModulePath, path: &[String]) -> Option<(ModulePath, String)> {
        self.resolve_within(at, path, REEXPORTS_MAX)
    }

    fn resolve_within(
        &self,
        at: &ModulePath,
        path: &[String],
        reexports: usize,
    ) -> Option<(ModulePath, String)> {
        let reexports = reexports.checked_sub(1)?;
        let (mut here, names) = self.start(at, path)?;
        for (position, name) in names.iter().enumerate() {
            let module = self.modules.get(&here)?;
            if module.children.contains(name) {
                here.push(name.clone());
                continue;
            }
            if module.items.contains(name) {
                return Some((here, name.clone()));
            }
            let follow = |prefix: &[String], rest: &[String]| {
                let path: Vec<String> = prefix.iter().chain(rest).cloned().collect();
                self.resolve_within(&here, &path, reexports)
            };
            return match module.imports.get(name) {
                Some((import, _)) => follow(import, &names[position + 1..]),
                None => module.globs.iter().find_map(|glob| follow(glob, &names[position..])),
            };
        }
        None
    }

    /// The module where a path begins, and the rest of the path.
    fn start<'p>(&self, at: &ModulePath, path: &'p [String]) -> Option<(ModulePath, &'p [String])> {
        let first = path.first()?;
        match first.as_str() {
            "crate" => Some((vec![at.first()?.clone()], &path[1..])),
            "self" => Some((at.clone(), &path[1..])),
            "super" => {
                let up = path.iter().take_while(|name| *name == "super").count();
                Some((at.get(..at.len().checked_sub(up)?)?.to_vec(), &path[up..]))
            }
            _ if self.modules.get(at)?.knows(first) => Some((at.clone(), path)),
            _ if self.modules.contains_key(std::slice::from_ref(first)) => {
                Some((vec![first.clone()], &path[1..]))
            }
            _ if self.modules.get(at)?.globs.is_empty() => None,
            _ => Some((at.clone(), path)),
        }
    }
}

impl Module {
    fn knows(&self, name: &str) -> bool {
        self.children.contains(name) || self.items.contains(name) || self.imports.contains_key(name)
    }

    fn add_imports(&mut self, tree: &UseTree, prefix: &mut Vec<String>, exported: bool) {
        match tree {
            UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.add_imports(&path.tree, prefix, exported);
                prefix.pop();
            }
            UseTree::Name(name) => self.add_import(&name.ident.to_string(), None, prefix, exported),
            UseTree::Rename(rename) => {
                let alias = Some(rename.rename.to_string());
                self.add_import(&rename.ident.to_string(), alias, prefix, exported);
            }
            UseTree::Glob(_) => self.globs.push(prefix.clone()),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_imports(tree, prefix, exported);
                }
            }
        }
    }

    fn add_import(&mut self, name: &str, alias: Option<String>, prefix: &[String], exported: bool) {
        let mut path = prefix.to_vec();
        if name != "self" {
            path.push(name.to_owned());
        }
        let Some(alias) = alias.or_else(|| path.last().cloned()) else { return };
        self.imports.insert(alias, (path, exported));
    }
}

fn name_of(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

fn is_for_tests(item: &Item) -> bool {
    let attributes: &[Attribute] = match item {
        Item::Const(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => return false,
    };
    let says_test = |attribute: &Attribute| {
        let mut found = false;
        let _parsed = attribute.parse_nested_meta(|meta| {
            found |= meta.path.is_ident("test");
            Ok(())
        });
        attribute.path().is_ident("cfg") && found
    };
    attributes.iter().any(says_test)
}

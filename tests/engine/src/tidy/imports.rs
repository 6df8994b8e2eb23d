//! The import graph of the host: an edge is a use of an item that another file defines. `mod` lines
//! and re-exports do not count, nor do tests and method calls.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use super::modules::Program;
use super::sources::root;

/// File, files that it uses, and the items that it uses of each.
type Graph = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

#[test]
fn files_of_the_host_import_each_other_without_circles() {
    let graph = import_graph();
    print_graph(&graph);
    assert!(graph.len() > 100, "the graph has {} files only", graph.len());
    let mut findings = String::new();
    for circle in circles(&graph) {
        writeln!(findings, "a circle of {} files:", circle.len()).unwrap();
        for file in &circle {
            for (used, items) in graph[file].iter().filter(|(used, _)| circle.contains(*used)) {
                writeln!(findings, "  {file} uses {items:?} of {used}").unwrap();
            }
        }
    }
    assert!(findings.is_empty(), "\n{findings}");
}

/// `cargo test -p renkei-engine-tests circles -- --nocapture` shows it.
fn print_graph(graph: &Graph) {
    for (file, uses) in graph {
        for (used, items) in uses {
            println!("{file} -> {used}: {items:?}");
        }
    }
}

fn import_graph() -> Graph {
    let root = root();
    let mut program = Program::default();
    let mut crates: Vec<_> =
        fs::read_dir(root.join("host")).unwrap().map(|entry| entry.unwrap().path()).collect();
    crates.sort();
    for folder in crates.iter().filter(|folder| folder.join("Cargo.toml").exists()) {
        program.add_crate(folder);
    }
    graph_of(&program, &root)
}

fn graph_of(program: &Program, root: &Path) -> Graph {
    let shown = |file: &Path| file.strip_prefix(root).unwrap_or(file).display().to_string();
    let mut graph = Graph::new();
    for (at, module) in &program.modules {
        let mut paths = Paths::default();
        module.body.iter().for_each(|item| paths.visit_item(item));
        let own = module.imports.values().filter(|(_, exported)| !exported);
        paths.0.extend(own.map(|(path, _)| path.clone()));
        let file = graph.entry(shown(&module.file)).or_default();
        for (definer, item) in paths.0.iter().filter_map(|path| program.resolve(at, path)) {
            let used = &program.modules[&definer].file;
            if *used != module.file {
                file.entry(shown(used)).or_default().insert(item);
            }
        }
    }
    graph
}

/// All paths in code, macros' arguments among them.
#[derive(Default)]
struct Paths(BTreeSet<Vec<String>>);

impl<'ast> Visit<'ast> for Paths {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.0.insert(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.add_tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }
}

impl Paths {
    fn add_tokens(&mut self, tokens: TokenStream) {
        let (mut path, mut colons) = (Vec::new(), 0);
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.0.insert(std::mem::take(&mut path));
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                other => {
                    self.0.insert(std::mem::take(&mut path));
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.add_tokens(group.stream());
                    }
                }
            }
        }
        self.0.insert(path);
    }
}

/// Sets of files that reach each other.
fn circles(graph: &Graph) -> Vec<BTreeSet<String>> {
    let reached: BTreeMap<&String, BTreeSet<&String>> =
        graph.keys().map(|file| (file, reach(graph, file))).collect();
    let mut circles = BTreeSet::new();
    for (file, files) in &reached {
        if files.contains(file) {
            let both = files.iter().filter(|other| reached[**other].contains(file));
            circles.insert(both.map(|other| (*other).clone()).collect());
        }
    }
    circles.into_iter().collect()
}

/// Files that a file uses, directly or through others.
fn reach<'g>(graph: &'g Graph, from: &String) -> BTreeSet<&'g String> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&String> = graph[from].keys().collect();
    while let Some(file) = open.pop() {
        if reached.insert(file) {
            open.extend(graph.get(file).into_iter().flat_map(BTreeMap::keys));
        }
    }
    reached
}

#[test]
fn a_circle_is_found_by_the_items_that_make_it() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("Cargo.toml", "[package]\nname = \"a-b\"\n");
    write("src/lib.rs", "mod left;\nmod right;\npub use left::go;\n");
    write("src/left.rs", "use crate::right::{self, Way};\npub fn go(_: Way) { right::turn() }\n");
    write("src/right.rs", "pub struct Way;\npub fn turn() { assert!(crate::go as usize > 0) }\n");
    let mut program = Program::default();
    program.add_crate(folder.path());
    let graph = graph_of(&program, folder.path());
    let items = |from: &str, to: &str| graph[from][to].iter().cloned().collect::<Vec<_>>();
    assert_eq!(items("src/left.rs", "src/right.rs"), ["Way", "turn"]);
    assert_eq!(items("src/right.rs", "src/left.rs"), ["go"]);
    assert!(graph["src/lib.rs"].is_empty());
    let circle = ["src/left.rs", "src/right.rs"].map(str::to_owned);
    assert_eq!(circles(&graph), [BTreeSet::from(circle)]);
}

//! Files that are no plugins, that cost too much to read or to compile, or that
//! change while they are read.

use std::time::Duration;

use renkei_fixtures::{Fixture, Guest, assemble, plugin, plugin_version};
use renkei_package::{BODY_BYTES_MAX, CUSTOM_BYTES_MAX, FUNCTIONS_MAX, Package};
use renkei_runtime::{CompileLimits, Pooling};
use wasm_encoder::{
    CodeSection, ComponentSection, CustomSection, Encode, Function, FunctionSection,
    InstanceSection, Instruction, MemorySection, MemoryType, Module, ModuleArg, ModuleSection,
    TypeSection,
};

use crate::stand::{Stand, in_time};

/// Puts `bytes` as `rogue.wasm`: it is refused in these words, counted, and disturbs nobody.
async fn refused(stand: &Stand, bytes: &[u8], words: &str, cause: &str) {
    in_time(stand.beside(stand.replace_plugin("rogue.wasm", bytes))).await;
    let fault = stand.fault("rogue.wasm");
    assert!(fault.starts_with("rogue.wasm: ") && fault.contains(words), "{words}: {fault}");
    assert!(fault.len() < 4_096, "{}", fault.len());
    let known = Package::read("rogue.wasm", bytes.to_vec());
    stand.audited(known.as_ref().map_or("", |package| &package.manifest.id), cause);
}

/// A good plugin with another core module in it.
fn with_module(module: &Module, instances: u32) -> Vec<u8> {
    let mut component = plugin(Fixture::Echo);
    // Index of the module: the encoder puts in the fixture's own and one for its imports.
    let own = wasm_modules(&component);
    ModuleSection(module).append_to_component(&mut component);
    let mut section = InstanceSection::new();
    for _ in 0..instances {
        section.instantiate(own, Vec::<(&str, ModuleArg)>::new());
    }
    section.append_to_component(&mut component);
    component
}

/// The number of core modules that a component has at its root.
fn wasm_modules(component: &[u8]) -> u32 {
    let mut modules = 0;
    let mut at = 8;
    while at < component.len() {
        let id = component[at];
        let mut size = 0usize;
        let mut shift = 0;
        at += 1;
        loop {
            let byte = component[at];
            at += 1;
            size |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        modules += u32::from(id == 1);
        at += size;
    }
    modules
}

/// A module of `count` functions without parameters, each with this body.
fn functions(count: u32, body: impl Fn(&mut Function)) -> Module {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
    let mut function = Function::new([(4, wasm_encoder::ValType::I32)]);
    body(&mut function);
    function.instruction(&Instruction::End);
    for _ in 0..count {
        functions.function(0);
        code.function(&function);
    }
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    module
}

/// Arithmetic that the compiler cannot leave out or share.
fn work(function: &mut Function, steps: i32) {
    for step in 0..steps {
        let local = u32::try_from(step % 4).unwrap();
        function
            .instruction(&Instruction::LocalGet(local))
            .instruction(&Instruction::I32Const(step * 7919 + 1))
            .instruction(&Instruction::I32Xor)
            .instruction(&Instruction::LocalGet((local + 1) % 4))
            .instruction(&Instruction::I32Mul)
            .instruction(&Instruction::LocalTee((local + 2) % 4))
            .instruction(&Instruction::BrIf(0));
    }
}

#[tokio::test]
async fn truncated_or_garbage_wasm_is_refused() {
    let good = plugin(Fixture::Echo);
    let stand = Stand::empty().await;
    let mut noise = good.clone();
    for (index, byte) in noise.iter_mut().enumerate().skip(8) {
        *byte ^= u8::try_from(index * 31 % 251).unwrap();
    }
    for (bytes, words) in [
        (&b""[..], "not a WebAssembly file"),
        (b"garbage", "not a WebAssembly file"),
        (&good[..good.len() - 1], "cut off after"),
        (&good[..good.len() / 2], "cut off after"),
        (&good[..8], "no manifest in it"),
        (&noise, "rogue.wasm: "),
    ] {
        refused(&stand, bytes, words, "refused").await;
    }
    stand.within(0);
}

#[tokio::test]
async fn core_module_instead_of_component_is_refused() {
    let stand = Stand::empty().await;
    let module = wat::parse_str(Guest::transform("rogue").text()).unwrap();
    refused(&stand, &module, "a core module, not a component", "refused").await;
    stand.within(0);
}

#[tokio::test]
async fn unknown_import_is_refused() {
    let stand = Stand::empty().await;
    for interface in ["wasi:nn/tensor@0.2.0", "env:os/exec", "renkei:plugin/http@0.9.0"] {
        let text = format!("(component (import \"{interface}\" (instance (export \"f\" (func)))))");
        let mut component = wat::parse_str(text).unwrap();
        let manifest = Guest::transform("rogue").manifest();
        CustomSection { name: renkei_package::SECTION.into(), data: manifest.as_bytes().into() }
            .append_to_component(&mut component);
        refused(&stand, &component, &format!("imports {interface}"), "refused").await;
    }
    stand.within(0);
}

#[tokio::test]
async fn wrong_world_or_missing_export_is_refused() {
    let stand = Stand::empty().await;
    let (connector, transform) = (Guest::connector("rogue"), Guest::transform("rogue"));
    let bytes = assemble(&transform.text(), "transform-plugin", &connector.manifest());
    refused(&stand, &bytes, "exports no renkei:plugin/connector@0.2.0", "refused").await;
    let bytes = assemble(&connector.text(), "connector-plugin", &transform.manifest());
    refused(&stand, &bytes, "exports no renkei:plugin/transform@0.2.0", "refused").await;
    let newer = transform.manifest().replace(r#""contract":"0.2""#, r#""contract":"9.9""#);
    let bytes = assemble(&transform.text(), "transform-plugin", &newer);
    refused(&stand, &bytes, "built for contract 9.9", "refused").await;
    stand.within(0);
}

#[tokio::test]
async fn features_that_plugins_do_not_have_are_refused() {
    let stand = Stand::empty().await;
    for text in [
        "(core module (type (struct (field i32))))",
        "(core module (tag))",
        "(core module (memory 1 1 shared))",
        "(core module (memory i64 1))",
        "(core module (memory 1) (memory 1))",
        "(core module (func $f (return_call $f)))",
        "(type (stream u8))",
        "(core func (canon task.cancel))",
    ] {
        let component = wat::parse_str(format!("(component {text})")).unwrap();
        refused(&stand, &component, "not a valid component", "refused").await;
    }
    stand.within(0);
}

#[tokio::test]
async fn declared_memory_beyond_the_limit_is_refused() {
    let memory = |pages: u64| {
        let mut memories = MemorySection::new();
        memories.memory(MemoryType {
            minimum: pages,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        let mut module = Module::new();
        module.section(&memories);
        module
    };
    let (few, many) = (with_module(&memory(512), 4), with_module(&memory(1), 100));
    let large = with_module(&memory(1_024), 100);
    let stand = Stand::empty().await;
    refused(&stand, &few, "wanted more than its memory limit of 64 MiB", "memory").await;
    refused(&stand, &large, "wanted more than its memory limit of 64 MiB", "memory").await;
    refused(&stand, &many, "more instances, tables or memories than its limit", "instances").await;
    stand.within(8);
    drop(stand);
    // A pool has places for so many and no more, and says so before anything starts.
    let stand = Stand::new(None, |options| options.pooling = Pooling::On).await;
    refused(&stand, &few, "wanted more than its memory limit of 64 MiB", "memory").await;
    refused(&stand, &many, "in the pooling allocator", "instances").await;
    stand.within(8);
}

/// Compiled in a child with these limits and a cache that begins empty. The processor may be busy:
/// the deadline is not what is tried here.
async fn compiling(memory_mib: u64, cpu_seconds: u64) -> (Stand, tempfile::TempDir) {
    let cache = tempfile::tempdir().unwrap();
    let place = cache.path().to_owned();
    let (memory_bytes, deadline) = (memory_mib << 20, Duration::from_secs(55));
    let stand = Stand::new(None, |options| {
        options.cache = place;
        options.compile_limits = CompileLimits { memory_bytes, cpu_seconds, deadline };
    })
    .await;
    (stand, cache)
}

#[tokio::test]
async fn too_much_code_is_refused() {
    let stand = Stand::empty().await;
    let many = functions(u32::try_from(FUNCTIONS_MAX).unwrap() + 1, |_| {});
    refused(&stand, &with_module(&many, 0), "functions 500", "file").await;
    let huge = functions(1, |function| {
        for _ in 0..BODY_BYTES_MAX {
            function.instruction(&Instruction::Nop);
        }
    });
    refused(&stand, &with_module(&huge, 0), "bytes of one function", "file").await;
    stand.within(32);
}

#[tokio::test]
async fn code_that_takes_long_to_compile_is_refused() {
    // The check counts too, and an unoptimised one takes more than a second.
    let (stand, _cache) = compiling(4_096, 4).await;
    let long = with_module(&functions(40_000, |function| work(function, 20)), 0);
    refused(&stand, &long, "compiling it took longer than 4 s", "compile-time").await;
    let nested = functions(60, |function| {
        for _ in 0..20_000 {
            function.instruction(&Instruction::Block(wasm_encoder::BlockType::Empty));
        }
        work(function, 50);
        for _ in 0..20_000 {
            function.instruction(&Instruction::End);
        }
    });
    let nested = with_module(&nested, 0);
    refused(&stand, &nested, "compiling it took longer than 4 s", "compile-time").await;
    // What a file costs is cost once: the same bytes are not compiled again at each look.
    let before = stand.lines("renkei::audit").len();
    stand.runtime.rescan().await;
    assert_eq!(stand.lines("renkei::audit").len(), before);
    // The parent held the files and what validating them took, and nothing of the compiler.
    stand.within(96);
}

#[tokio::test]
async fn code_that_takes_much_memory_to_compile_is_refused() {
    let (stand, _cache) = compiling(200, 60).await;
    // Few bodies, each near its cap: registers of each are given out as a whole.
    let large = with_module(&functions(4, |function| work(function, 30_000)), 0);
    refused(&stand, &large, "compiling it took more than 200 MiB of memory", "compile-memory")
        .await;
    stand.within(96);
}

/// Sections of a component as raw bytes: what no text format would let through.
fn raw(id: u8, content: &[u8]) -> Vec<u8> {
    let mut section = vec![id];
    content.len().encode(&mut section);
    section.extend_from_slice(content);
    section
}

const HEADER: &[u8] = b"\0asm\x0d\0\x01\0";

#[tokio::test]
async fn nested_components_and_exponential_types_are_refused() {
    let stand = Stand::empty().await;
    for depth in [101, 1_000, 10_000] {
        let mut nested = HEADER.to_vec();
        for _ in 0..depth {
            nested = [HEADER, raw(4, &nested).as_slice()].concat();
        }
        refused(&stand, &nested, "levels of nested components", "file").await;
        // Types within types: 0x41 (component) or 0x42 (instance), one declaration: a type.
        for kind in [0x41, 0x42] {
            let types = [&[1][..], &[kind, 1, 1].repeat(depth), &[kind, 0]].concat();
            let types = [HEADER, &raw(7, &types)].concat();
            refused(&stand, &types, "levels of nested types", "file").await;
        }
    }
    let doubled: String =
        (1..60).map(|n| format!("(type $t{n} (tuple $t{} $t{}))", n - 1, n - 1)).collect();
    let text = format!("(component (type $t0 (tuple u64 u64)) {doubled})");
    let component = wat::parse_str(text).unwrap();
    refused(&stand, &component, "type size exceeds the limit", "refused").await;
    // The validator's own tables of 10,000 types.
    stand.within(64);
}

#[tokio::test]
async fn custom_section_bomb_is_refused() {
    let stand = Stand::empty().await;
    let with_names = |bytes: usize| {
        let mut component = plugin(Fixture::Echo);
        CustomSection { name: "name".into(), data: vec![0x61; bytes].into() }
            .append_to_component(&mut component);
        component
    };
    refused(&stand, &with_names(CUSTOM_BYTES_MAX), "bytes of custom sections", "file").await;
    stand.within(32);
    drop(stand);
    // 100 MB are not even read. The section is a hole in the file: nobody holds these bytes.
    let stand = Stand::empty().await;
    let mut component = plugin(Fixture::Echo);
    component.push(0);
    (100usize << 20).encode(&mut component);
    let place = stand.plugins().join("rogue.wasm");
    std::fs::write(&place, &component).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&place).unwrap();
    file.set_len(100 << 20).unwrap();
    in_time(stand.beside(stand.runtime.rescan())).await;
    let fault = stand.fault("rogue.wasm");
    assert!(fault.contains("the most is 33554432"), "{fault}");
    stand.within(0);
}

#[tokio::test]
async fn precompiled_code_is_refused() {
    let mut stand = Stand::empty().await;
    let engine = wasmtime::Engine::default();
    let native = engine.precompile_component(&plugin(Fixture::Echo)).unwrap();
    stand.measure_from_here();
    refused(&stand, &native, "precompiled native code, which is never loaded", "refused").await;
    stand.replace_plugin("rogue.cwasm", &native).await;
    let fault = stand.fault("rogue.cwasm");
    assert!(fault.contains("precompiled native code, which is never loaded"), "{fault}");
    assert!(stand.runtime.generation("rogue").is_err());
    stand.neighbours_work().await;
    stand.within(0);
}

/// The bytes that are hashed are the bytes that are compiled, whatever happens to the file: a
/// version that serves always has the digest of that version's bytes.
#[tokio::test]
async fn file_swapped_between_hash_and_compile_is_never_mixed() {
    let (stand, _cache) = compiling(4_096, 60).await;
    let versions: Vec<(String, Vec<u8>)> = (0..6)
        .map(|n| format!("1.0.{n}"))
        .map(|version| (version.clone(), plugin_version(Fixture::Echo, &version)))
        .collect();
    let digest = |bytes: &[u8]| Package::read("x", bytes.to_vec()).unwrap().digest;
    let draft = stand.plugins().join("echo.wasm.tmp");
    let place = stand.plugins().join("echo.wasm");
    for (_, bytes) in versions.iter().cycle().take(30) {
        // The look at the folder is under way, and waits for the compiler, while the file changes.
        let swap = async {
            for (_, other) in &versions {
                tokio::task::yield_now().await;
                std::fs::write(&draft, other).unwrap();
                std::fs::rename(&draft, &place).unwrap();
                let pause = std::future::pending::<()>();
                tokio::time::timeout(Duration::from_millis(1), pause).await.ok();
            }
            // And not by a rename: what was a file is written over.
            std::fs::write(&place, bytes).unwrap();
        };
        tokio::join!(stand.runtime.rescan(), swap);
        let serving = stand.runtime.generation("echo").unwrap();
        let (_, right) = versions.iter().find(|(version, _)| *version == serving.version).unwrap();
        assert_eq!(serving.digest, digest(right));
    }
    stand.runtime.rescan().await;
    stand.neighbours_work().await;
    assert_eq!(stand.fault("echo.wasm"), "");
    stand.within(0);
}

#[tokio::test]
async fn partial_writes_renames_links_and_pipes_harm_nothing() {
    let stand = Stand::empty().await;
    let folder = stand.plugins();
    let good = Guest::transform("rogue").body("forward", renkei_fixtures::OK).file();
    // A partial write, as a watcher sees it, then the rest.
    for cut in [1, 8, good.len() / 3, good.len() - 1] {
        std::fs::write(folder.join("rogue.wasm"), &good[..cut]).unwrap();
        in_time(stand.beside(stand.runtime.rescan())).await;
        assert!(stand.fault("rogue.wasm").starts_with("rogue.wasm: "), "{cut}");
        stand.audited("", "refused");
    }
    std::fs::write(folder.join("rogue.wasm"), &good).unwrap();
    stand.runtime.rescan().await;
    assert_eq!(stand.fault("rogue.wasm"), "");
    // A storm of renames ends with the last name.
    let mut name = "rogue.wasm".to_owned();
    for number in 0..50 {
        let next = format!("rogue-{number}.wasm");
        std::fs::rename(folder.join(&name), folder.join(&next)).unwrap();
        name = next;
        if number % 10 == 0 {
            stand.runtime.rescan().await;
        }
    }
    in_time(stand.beside(stand.runtime.rescan())).await;
    // A file that is gone stays listed for a while, because folders are deleted and made again.
    assert!(stand.runtime.list().len() <= 4, "{}", stand.runtime.list().len());
    assert_eq!(stand.runtime.generation("rogue").unwrap().version, "1.0.0");
    // Links out of the folder, to devices, in a circle; a pipe; a folder.
    let outside = tempfile::tempdir().unwrap();
    let elsewhere = outside.path().join("plugin.wasm");
    std::fs::write(&elsewhere, &good).unwrap();
    let link = |to: &std::path::Path, name: &str| {
        std::os::unix::fs::symlink(to, folder.join(name)).unwrap();
    };
    link(&elsewhere, "out.wasm");
    link("/dev/zero".as_ref(), "zero.wasm");
    link("circle.wasm".as_ref(), "circle.wasm");
    std::fs::create_dir(folder.join("folder.wasm")).unwrap();
    let pipe = std::process::Command::new("mkfifo").arg(folder.join("pipe.wasm")).status();
    assert!(pipe.unwrap().success());
    in_time(stand.beside(stand.runtime.rescan())).await;
    for name in ["out.wasm", "zero.wasm", "circle.wasm", "folder.wasm", "pipe.wasm"] {
        assert!(stand.fault(name).contains(name), "{name}: {}", stand.fault(name));
    }
    stand.within(0);
}

/// The child's artefact runs, with a pool and without, and comes from the cache afterwards.
#[tokio::test]
async fn plugin_that_the_child_compiled_serves() {
    let cache = tempfile::tempdir().unwrap();
    for pooling in [Pooling::Off, Pooling::On] {
        let place = cache.path().join(format!("{pooling:?}"));
        for _ in 0..2 {
            let stand = Stand::new(None, |options| {
                options.cache = place.clone();
                options.pooling = pooling;
            })
            .await;
            stand.neighbours_work().await;
            let kept = std::fs::read_dir(&place).unwrap().count();
            assert_eq!(kept, 3, "two plugins and the key");
        }
    }
}

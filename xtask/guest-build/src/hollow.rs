//! Components that have the shape of a world and nothing in it: each of their functions traps. For tests of what a host makes of a shape:
//! of an older contract, of a newer one, of one that is only nearly right.

use std::path::Path;

use anyhow::{Context, Result};
use wasm_encoder::{
    CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection,
    MemorySection, MemoryType, Module, TypeSection, ValType,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::abi::WasmType;
use wit_parser::{
    LiftLowerAbi, ManglingAndAbi, Resolve, ResourceIntrinsic, TypeDefKind, WasmExport,
    WasmExportKind, WasmImport, WorldId, WorldItem,
};

/// How wit-bindgen names what a core module imports and exports.
const NAMES: ManglingAndAbi = ManglingAndAbi::Legacy(LiftLowerAbi::Sync);

/// A component of `world` in the package of the directory `wit`.
///
/// # Errors
/// The directory holds no such world.
pub fn hollow(wit: &Path, world: &str) -> Result<Vec<u8>> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve
        .push_dir(wit)
        .with_context(|| wit.display().to_string())?;
    let world = resolve.select_world(&[package], Some(world))?;
    component(&resolve, world)
}

/// As [`hollow`], of a package that is given as text.
///
/// # Errors
/// As there.
pub fn hollow_of(wit: &str, world: &str) -> Result<Vec<u8>> {
    let mut resolve = Resolve::default();
    let package = resolve.push_source("given.wit", wit)?;
    let world = resolve.select_world(&[package], Some(world))?;
    component(&resolve, world)
}

fn component(resolve: &Resolve, world: WorldId) -> Result<Vec<u8>> {
    let mut module = module(resolve, world);
    embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8)?;
    ComponentEncoder::default()
        .validate(true)
        .module(&module)?
        .encode()
}

/// The sections of a core module while it grows.
#[derive(Default)]
struct Shape {
    types: TypeSection,
    imports: ImportSection,
    functions: FunctionSection,
    exports: ExportSection,
    code: CodeSection,
    /// Functions so far, the imported ones first.
    count: u32,
}

impl Shape {
    fn kind(&mut self, parameters: &[ValType], results: &[ValType]) -> u32 {
        let number = self.types.len();
        self.types
            .ty()
            .function(parameters.iter().copied(), results.iter().copied());
        number
    }

    fn import(&mut self, place: (String, String), parameters: &[ValType], results: &[ValType]) {
        let kind = self.kind(parameters, results);
        self.imports
            .import(&place.0, &place.1, EntityType::Function(kind));
        self.count += 1;
    }

    fn export(&mut self, name: &str, parameters: &[ValType], results: &[ValType]) {
        let kind = self.kind(parameters, results);
        self.functions.function(kind);
        self.exports.export(name, ExportKind::Func, self.count);
        self.count += 1;
        let mut trap = Function::new([]);
        trap.instructions().unreachable().end();
        self.code.function(&trap);
    }
}

fn module(resolve: &Resolve, world: WorldId) -> Vec<u8> {
    let world = &resolve.worlds[world];
    let mut shape = Shape::default();
    for (key, item) in &world.imports {
        let WorldItem::Interface { id, .. } = item else {
            continue;
        };
        let interface = Some(key);
        for function in resolve.interfaces[*id].functions.values() {
            let signature = resolve.wasm_signature(NAMES.import_variant(), function);
            let import = WasmImport::Func {
                interface,
                func: function,
            };
            let place = resolve.wasm_import_name(NAMES, import);
            shape.import(
                place,
                &values(&signature.params),
                &values(&signature.results),
            );
        }
        for resource in resolve.interfaces[*id].types.values().copied() {
            if matches!(resolve.types[resource].kind, TypeDefKind::Resource) {
                let import = WasmImport::ResourceIntrinsic {
                    interface,
                    resource,
                    intrinsic: ResourceIntrinsic::ImportedDrop,
                };
                let place = resolve.wasm_import_name(NAMES, import);
                shape.import(place, &[ValType::I32], &[]);
            }
        }
    }
    for (key, item) in &world.exports {
        let WorldItem::Interface { id, .. } = item else {
            continue;
        };
        for function in resolve.interfaces[*id].functions.values() {
            let signature = resolve.wasm_signature(NAMES.export_variant(), function);
            let export = WasmExport::Func {
                interface: Some(key),
                func: function,
                kind: WasmExportKind::Normal,
            };
            let name = resolve.wasm_export_name(NAMES, export);
            shape.export(
                &name,
                &values(&signature.params),
                &values(&signature.results),
            );
        }
    }
    let realloc = resolve.wasm_export_name(NAMES, WasmExport::Realloc);
    shape.export(&realloc, &[ValType::I32; 4], &[ValType::I32]);
    let memory = resolve.wasm_export_name(NAMES, WasmExport::Memory);
    shape.exports.export(&memory, ExportKind::Memory, 0);
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 0,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut module = Module::new();
    module
        .section(&shape.types)
        .section(&shape.imports)
        .section(&shape.functions)
        .section(&memories)
        .section(&shape.exports)
        .section(&shape.code);
    module.finish()
}

fn values(types: &[WasmType]) -> Vec<ValType> {
    let one = |of: &WasmType| match of {
        WasmType::I64 | WasmType::PointerOrI64 => ValType::I64,
        WasmType::F32 => ValType::F32,
        WasmType::F64 => ValType::F64,
        // Pointers and lengths of 32-bit guests.
        WasmType::I32 | WasmType::Pointer | WasmType::Length => ValType::I32,
    };
    types.iter().map(one).collect()
}

//! A machine with nothing on it, for modules whose compiler expects WASI (Go's does): no files, no arguments, no environment, output that goes
//! nowhere, random numbers that are none, and a clock that counts how often it was read or slept on.
//!
//! It is a part of the component and asks the host for nothing. WASI itself would not do, even an empty one: a component may call nothing
//! outside of itself while the host hands over an answer, and a runtime reads its clock whenever memory is asked of it.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, EntityType, ExportKind, ExportSection, Function,
    FunctionSection, GlobalSection, GlobalType, ImportSection, Instruction, MemArg, MemoryType,
    Module, TypeSection, ValType,
};
use wasmparser::{CompositeInnerType, Parser, Payload, TypeRef};

/// The name that modules import it by.
pub const NAME: &str = "wasi_snapshot_preview1";

/// Errors of WASI (`errno` in wasi_snapshot_preview1.witx).
const NO_SUCH_DESCRIPTOR: i32 = 8;
const NOT_SUPPORTED: i32 = 52;

/// What the clock moves at each look, in nanoseconds.
const TICK: i64 = 1000;

/// The clock, the one global.
const CLOCK: u32 = 0;

/// A function that a module imports of WASI.
struct Wanted {
    name: String,
    parameters: Vec<ValType>,
    results: Vec<ValType>,
}

/// A module with the functions of WASI that `module` imports; none where it imports none.
///
/// # Errors
/// It is no module, or imports of WASI what no version of it has.
pub fn stand_in(module: &[u8]) -> Result<Option<Vec<u8>>> {
    let wanted = wanted(module)?;
    if wanted.is_empty() {
        return Ok(None);
    }
    let mut types = TypeSection::new();
    let mut functions = FunctionSection::new();
    let mut exports = ExportSection::new();
    let mut code = CodeSection::new();
    for (index, it) in (0..).zip(&wanted) {
        types
            .ty()
            .function(it.parameters.iter().copied(), it.results.iter().copied());
        functions.function(index);
        exports.export(&it.name, ExportKind::Func, index);
        code.function(&body(it)?);
    }
    let mut imports = ImportSection::new();
    let memory = MemoryType {
        minimum: 0,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    };
    imports.import("env", "memory", EntityType::Memory(memory));
    let mut globals = GlobalSection::new();
    let clock = GlobalType {
        val_type: ValType::I64,
        mutable: true,
        shared: false,
    };
    globals.global(clock, &ConstExpr::i64_const(TICK));
    let mut adapter = Module::new();
    adapter
        .section(&types)
        .section(&imports)
        .section(&functions)
        .section(&globals)
        .section(&exports)
        .section(&code);
    Ok(Some(adapter.finish()))
}

/// What a module imports of WASI, each once.
fn wanted(module: &[u8]) -> Result<Vec<Wanted>> {
    let mut types = Vec::new();
    let mut seen = BTreeSet::new();
    let mut wanted = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::TypeSection(section) => {
                for group in section {
                    types.extend(group?.into_types().map(|it| it.composite_type.inner));
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    if import.module != NAME || !seen.insert(import.name) {
                        continue;
                    }
                    let TypeRef::Func(number) = import.ty else {
                        bail!("it imports {} of WASI, which is no function", import.name);
                    };
                    let Some(CompositeInnerType::Func(of)) = types.get(number as usize) else {
                        bail!("it imports {} of WASI without a type", import.name);
                    };
                    wanted.push(Wanted {
                        name: import.name.to_owned(),
                        parameters: numbers(of.params())?,
                        results: numbers(of.results())?,
                    });
                }
            }
            _ => {}
        }
    }
    Ok(wanted)
}

/// WASI's functions take and give nothing but integers.
fn numbers(types: &[wasmparser::ValType]) -> Result<Vec<ValType>> {
    let each = types.iter().map(|it| match it {
        wasmparser::ValType::I32 => Ok(ValType::I32),
        wasmparser::ValType::I64 => Ok(ValType::I64),
        other => bail!("it imports a function of WASI with {other}"),
    });
    each.collect()
}

/// What a function does.
fn body(of: &Wanted) -> Result<Function> {
    use ValType::{I32, I64};
    let signature = (of.parameters.as_slice(), of.results.as_slice());
    let expect = |parameters: &[ValType], results: &[ValType]| {
        if signature == (parameters, results) {
            return Ok(());
        }
        bail!("it imports {} of WASI with another type than WASI's", of.name)
    };
    // A local for the one that counts.
    let mut function = Function::new([(1, I32)]);
    let mut put = |instructions: &[Instruction<'_>]| {
        for instruction in instructions {
            function.instruction(instruction);
        }
    };
    let tick = [
        Instruction::GlobalGet(CLOCK),
        Instruction::I64Const(TICK),
        Instruction::I64Add,
        Instruction::GlobalSet(CLOCK),
    ];
    let good = Instruction::I32Const(0);
    match of.name.as_str() {
        "proc_exit" => {
            expect(&[I32], &[])?;
            put(&[Instruction::Unreachable]);
        }
        "clock_time_get" => {
            expect(&[I32, I64, I32], &[I32])?;
            put(&tick);
            put(&[
                Instruction::LocalGet(2),
                Instruction::GlobalGet(CLOCK),
                Instruction::I64Store(at(0)),
                good,
            ]);
        }
        "clock_res_get" => {
            expect(&[I32, I32], &[I32])?;
            put(&[
                Instruction::LocalGet(1),
                Instruction::I64Const(TICK),
                Instruction::I64Store(at(0)),
                good,
            ]);
        }
        "random_get" => {
            expect(&[I32, I32], &[I32])?;
            put(&[
                Instruction::LocalGet(0),
                Instruction::I32Const(0x2a),
                Instruction::LocalGet(1),
                Instruction::MemoryFill(0),
                good,
            ]);
        }
        "args_sizes_get" | "environ_sizes_get" => {
            expect(&[I32, I32], &[I32])?;
            for place in 0..2 {
                put(&[
                    Instruction::LocalGet(place),
                    Instruction::I32Const(0),
                    Instruction::I32Store(at(0)),
                ]);
            }
            put(&[good]);
        }
        "args_get" | "environ_get" => {
            expect(&[I32, I32], &[I32])?;
            put(&[good]);
        }
        "sched_yield" => {
            expect(&[], &[I32])?;
            put(&[good]);
        }
        "fd_write" => {
            expect(&[I32, I32, I32, I32], &[I32])?;
            put(&all_written());
        }
        "poll_oneoff" => {
            expect(&[I32, I32, I32, I32], &[I32])?;
            put(&tick);
            put(&first_has_happened());
        }
        // The first descriptor that is asked for a directory ends the search for directories.
        "fd_prestat_get" => put(&[Instruction::I32Const(NO_SUCH_DESCRIPTOR)]),
        _ => {
            let parameters = of.parameters.clone();
            expect(&parameters, &[I32])?;
            put(&[Instruction::I32Const(NOT_SUPPORTED)]);
        }
    }
    put(&[Instruction::End]);
    Ok(function)
}

/// A place in memory, `offset` after an address.
fn at(offset: u64) -> MemArg {
    MemArg {
        offset,
        align: 0,
        memory_index: 0,
    }
}

/// `fd_write(fd, iovs, count, written)`: the lengths of all parts (at 4 of each 8 bytes) are what was written.
fn all_written() -> Vec<Instruction<'static>> {
    const SUM: u32 = 4;
    vec![
        Instruction::Block(BlockType::Empty),
        Instruction::Loop(BlockType::Empty),
        Instruction::LocalGet(2),
        Instruction::I32Eqz,
        Instruction::BrIf(1),
        Instruction::LocalGet(SUM),
        Instruction::LocalGet(1),
        Instruction::I32Load(at(4)),
        Instruction::I32Add,
        Instruction::LocalSet(SUM),
        Instruction::LocalGet(1),
        Instruction::I32Const(8),
        Instruction::I32Add,
        Instruction::LocalSet(1),
        Instruction::LocalGet(2),
        Instruction::I32Const(1),
        Instruction::I32Sub,
        Instruction::LocalSet(2),
        Instruction::Br(0),
        Instruction::End,
        Instruction::End,
        Instruction::LocalGet(3),
        Instruction::LocalGet(SUM),
        Instruction::I32Store(at(0)),
        Instruction::I32Const(0),
    ]
}

/// `poll_oneoff(subscriptions, events, count, happened)`: the first subscription has happened, and if it is for a time, that has passed.
///
/// A subscription has its user's data at 0, its kind at 8 (0 is a clock's) and the time at 24; an event has the data at 0, an error at 8 and
/// the kind at 10.
fn first_has_happened() -> Vec<Instruction<'static>> {
    vec![
        Instruction::LocalGet(0),
        Instruction::I32Load8U(at(8)),
        Instruction::I32Eqz,
        Instruction::If(BlockType::Empty),
        Instruction::GlobalGet(CLOCK),
        Instruction::LocalGet(0),
        Instruction::I64Load(at(24)),
        Instruction::I64Add,
        Instruction::GlobalSet(CLOCK),
        Instruction::End,
        Instruction::LocalGet(1),
        Instruction::I32Const(0),
        Instruction::I32Const(32),
        Instruction::MemoryFill(0),
        Instruction::LocalGet(1),
        Instruction::LocalGet(0),
        Instruction::I64Load(at(0)),
        Instruction::I64Store(at(0)),
        Instruction::LocalGet(1),
        Instruction::LocalGet(0),
        Instruction::I32Load8U(at(8)),
        Instruction::I32Store8(at(10)),
        Instruction::LocalGet(3),
        Instruction::I32Const(1),
        Instruction::I32Store(at(0)),
        Instruction::I32Const(0),
    ]
}

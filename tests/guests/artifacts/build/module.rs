//! Core modules, put together by hand: what no compiler would produce.

use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, DataSection, EntityType, ExportKind, ExportSection,
    Function, FunctionSection, ImportSection, InstructionSink, MemArg, MemorySection, MemoryType,
    Module, RefType, StartSection, TableSection, TableType, TypeSection, ValType,
};

/// What a function's code is written with.
pub type Code<'a> = InstructionSink<'a>;

/// A place in memory, so many bytes after the one on the stack.
pub fn at(offset: u64) -> MemArg {
    MemArg {
        offset,
        align: 0,
        memory_index: 0,
    }
}

/// Does something if the local holds a value.
pub fn when(code: &mut Code<'_>, local: u32, value: u8, does: impl FnOnce(&mut Code<'_>)) {
    code.local_get(local).i32_const(value.into()).i32_eq();
    code.if_(BlockType::Empty);
    does(code);
    code.end();
}

/// Does something again and again.
pub fn forever(code: &mut Code<'_>, does: impl FnOnce(&mut Code<'_>)) {
    code.loop_(BlockType::Empty);
    does(code);
    code.br(0).end();
}

/// A module as it grows. Imports come first: functions are numbered from the first import on.
#[derive(Default)]
pub struct Core {
    types: TypeSection,
    imports: ImportSection,
    functions: FunctionSection,
    tables: TableSection,
    memories: MemorySection,
    exports: ExportSection,
    start: Option<u32>,
    code: CodeSection,
    data: DataSection,
    names: Vec<String>,
    count: u32,
    memory_count: u32,
}

impl Core {
    fn signature(&mut self, parameters: &[ValType], result: bool) -> u32 {
        let index = self.types.len();
        let results = result.then_some(ValType::I32);
        self.types
            .ty()
            .function(parameters.iter().copied(), results);
        index
    }

    /// A function of the host's.
    pub fn import(
        &mut self,
        module: &str,
        name: &str,
        parameters: &[ValType],
        result: bool,
    ) -> u32 {
        let signature = self.signature(parameters, result);
        self.imports
            .import(module, name, EntityType::Function(signature));
        self.count += 1;
        self.count - 1
    }

    /// A function of 32-bit parameters, with two locals more, under a name if it has one.
    pub fn function(
        &mut self,
        export: Option<&str>,
        parameters: usize,
        result: bool,
        body: impl FnOnce(&mut Code<'_>),
    ) -> u32 {
        let signature = self.signature(&vec![ValType::I32; parameters], result);
        self.functions.function(signature);
        let mut function = Function::new([(2, ValType::I32)]);
        body(&mut function.instructions());
        function.instructions().end();
        self.code.function(&function);
        if let Some(export) = export {
            self.export(export, ExportKind::Func, self.count);
        }
        self.count += 1;
        self.count - 1
    }

    fn export(&mut self, name: &str, kind: ExportKind, index: u32) {
        self.exports.export(name, kind, index);
        self.names.push(name.to_owned());
    }

    /// Whether something is exported under this name.
    pub fn exports(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }

    /// A memory of so many pages of 64 KiB. The first one is that of the boundary.
    pub fn memory(&mut self, pages: u64) {
        self.memories.memory(MemoryType {
            minimum: pages,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        if self.memory_count == 0 {
            self.export("memory", ExportKind::Memory, 0);
        }
        self.memory_count += 1;
    }

    /// Whether it has one.
    pub fn has_memory(&self) -> bool {
        self.memory_count > 0
    }

    /// A table of so many functions.
    pub fn table(&mut self, elements: u64) {
        self.tables.table(TableType {
            element_type: RefType::FUNCREF,
            table64: false,
            minimum: elements,
            maximum: None,
            shared: false,
        });
    }

    /// The function that runs before all others.
    pub fn start(&mut self, function: u32) {
        self.start = Some(function);
    }

    /// Bytes that are in memory from the beginning.
    pub fn data(&mut self, place: i32, bytes: &[u8]) {
        let place = ConstExpr::i32_const(place);
        self.data.active(0, &place, bytes.iter().copied());
    }

    /// The module's bytes.
    pub fn finish(self) -> Vec<u8> {
        let mut module = Module::new();
        module.section(&self.types);
        module.section(&self.imports);
        module.section(&self.functions);
        module.section(&self.tables);
        module.section(&self.memories);
        module.section(&self.exports);
        if let Some(function_index) = self.start {
            module.section(&StartSection { function_index });
        }
        module.section(&self.code);
        module.section(&self.data);
        module.finish()
    }
}

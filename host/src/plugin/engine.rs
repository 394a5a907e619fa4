//! The Wasm engine: what all plugins share.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use wasmtime::{Config, Engine};

use super::code_memory::InPlace;

/// How often the engine's clock moves: a guest that computes lets go that often, and past its deadline is stopped within one tick.
const TICK: Duration = Duration::from_millis(10);

/// Deep recursion in a guest traps here, far before the host's own stack is in danger.
const GUEST_STACK: usize = 512 << 10;

/// Host functions run on the guest's stack as well.
const FIBER_STACK: usize = 2 << 20;

fn config() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .epoch_interruption(true)
        // The engine walks a guest's stack by frame pointers; these tables would only be for others, and lie in the program's file.
        .native_unwind_info(false)
        .max_wasm_stack(GUEST_STACK)
        .async_stack_size(FIBER_STACK)
        // Memory is reserved lazily: a small reservation keeps the start of a process cheap.
        .memory_reservation(1 << 30)
        .memory_guard_size(64 << 10)
        .with_custom_code_memory(Some(Arc::new(InPlace)));
    config
}

/// The engine of this process, made at first use, with a thread that moves its clock.
///
/// # Panics
/// When the processor cannot run the compiler's code, which its tests would have shown.
pub fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let engine = Engine::new(&config()).expect("the configuration is sound");
        let clock = engine.weak();
        std::thread::Builder::new()
            .name("epoch".into())
            .spawn(move || {
                while let Some(engine) = clock.upgrade() {
                    engine.increment_epoch();
                    drop(engine);
                    std::thread::sleep(TICK);
                }
            })
            .expect("a thread can be started");
        engine
    })
}

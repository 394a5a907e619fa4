//! The hostile modules. Where one can do several things, the first letter of what it is given chooses.

use wasm_encoder::{BlockType, HeapType, ValType};

use crate::module::{Code, Core, at, forever, when};

/// The names of the contract's functions, in its present version.
pub struct Contract {
    pub version: String,
}

impl Contract {
    /// An export of `state`.
    pub fn export(&self, name: &str) -> String {
        format!("op-dbus:plugin/state@{}#{name}", self.version)
    }

    fn interface(&self, name: &str) -> String {
        format!("op-dbus:plugin/{name}@{}", self.version)
    }
}

/// How a guest is made.
type Make = fn(&Contract) -> Core;

/// All of them, by name.
pub const GUESTS: [(&str, Make); 13] = [
    ("start", start),
    ("realloc", realloc),
    ("post-return", post_return),
    ("many-memories", many_memories),
    ("too-many-memories", too_many_memories),
    ("large-table", large_table),
    ("growing-table", growing_table),
    ("arguments", arguments),
    ("answers", answers),
    ("utf16", utf16),
    ("handles", handles),
    ("wasi", wasi),
    ("false-version", |_| Core::default()),
];

use ValType::{I32, I64};

/// Where an empty list stands: nothing was ever written there.
const NOTHING: i32 = 16;
/// Where the host puts its answers.
const ANSWER: i32 = 512;

/// `validate`, which finds nothing wrong after it has done what `body` says. Local 2 holds the first letter of the section.
fn validate(core: &mut Core, contract: &Contract, body: impl FnOnce(&mut Code<'_>)) {
    core.function(Some(&contract.export("validate")), 2, true, |code| {
        code.local_get(0).i32_load8_u(at(0)).local_set(2);
        body(code);
        code.i32_const(NOTHING);
    });
}

/// Never ends its start function.
fn start(_: &Contract) -> Core {
    let mut core = Core::default();
    let spin = core.function(None, 0, false, |code| forever(code, |_| {}));
    core.start(spin);
    core
}

/// Never ends when the host asks for a place to put an argument.
fn realloc(_: &Contract) -> Core {
    let mut core = Core::default();
    core.function(Some("cabi_realloc"), 4, true, |code| {
        forever(code, |_| {});
        code.unreachable();
    });
    core
}

/// Answers `validate`, and never ends the function that is called after it.
fn post_return(contract: &Contract) -> Core {
    let mut core = Core::default();
    validate(&mut core, contract, |_| {});
    let after = format!("cabi_post_{}", contract.export("validate"));
    core.function(Some(&after), 1, false, |code| forever(code, |_| {}));
    core
}

/// Has forty memories and grows each in turn by a MiB, until one does not grow. What it has is used.
fn many_memories(contract: &Contract) -> Core {
    let mut core = Core::default();
    core.memory(4);
    (1..40).for_each(|_| core.memory(1));
    validate(&mut core, contract, |code| {
        forever(code, |code| {
            for memory in 1..40 {
                code.i32_const(16).memory_grow(memory).local_tee(3);
                code.i32_const(-1).i32_eq().if_(BlockType::Empty);
                code.unreachable().end();
                let mut first = at(0);
                first.memory_index = memory;
                // The first word of what is new: pages of 64 KiB before it.
                code.local_get(3).i32_const(65536).i32_mul();
                code.i32_const(1).i32_store(first);
            }
        });
    });
    core
}

/// Has eighty memories.
fn too_many_memories(_: &Contract) -> Core {
    let mut core = Core::default();
    core.memory(4);
    (1..80).for_each(|_| core.memory(1));
    core
}

/// Has a table of nine million elements.
fn large_table(_: &Contract) -> Core {
    let mut core = Core::default();
    core.table(9_000_000);
    core
}

/// Grows a table until that is refused.
fn growing_table(contract: &Contract) -> Core {
    let mut core = Core::default();
    core.table(0);
    validate(&mut core, contract, |code| {
        code.loop_(BlockType::Empty);
        code.ref_null(HeapType::FUNC).i32_const(1000).table_grow(0);
        code.i32_const(-1).i32_ne().br_if(0).end();
        code.unreachable();
    });
    core
}

/// Calls the host with arguments that are none.
fn arguments(contract: &Contract) -> Core {
    let mut core = Core::default();
    let write = core.import(&contract.interface("log"), "write", &[I32; 3], false);
    let addresses = core.import(
        &contract.interface("netlink"),
        "addresses",
        &[I32; 3],
        false,
    );
    let links = core.import(&contract.interface("netlink"), "links", &[I32; 3], false);
    core.memory(4);
    core.data(1024, b"\xff\xfe\xfd");
    core.data(1028, b"\xed\xa0\x80");
    validate(&mut core, contract, |code| {
        let say = |code: &mut Code<'_>, letter, level: i32, pointer: i32, length: i32| {
            when(code, 2, letter, |code| {
                code.i32_const(level)
                    .i32_const(pointer)
                    .i32_const(length)
                    .call(write);
            });
        };
        let ask = |code: &mut Code<'_>, letter, pointer: i32, length: i32, answer: i32| {
            when(code, 2, letter, |code| {
                code.i32_const(pointer)
                    .i32_const(length)
                    .i32_const(answer)
                    .call(addresses);
            });
        };
        // 1 GiB, of which there are 256 KiB.
        say(code, b'a', 2, 0, 1 << 30);
        // 32 MiB that are there.
        when(code, 2, b'b', |code| {
            code.i32_const(512).memory_grow(0).drop();
        });
        say(code, b'b', 2, 0, 32 << 20);
        // A list of 8192 strings, at 131072, that are all the same 64 KiB.
        when(code, 2, b'c', |code| {
            code.loop_(BlockType::Empty);
            // The pointer, and the length.
            for place in [131_072, 131_072 + 4] {
                code.local_get(3)
                    .i32_const(8)
                    .i32_mul()
                    .i32_const(65536)
                    .i32_store(at(place));
            }
            code.local_get(3).i32_const(1).i32_add().local_tee(3);
            code.i32_const(8192).i32_lt_u().br_if(0).end();
        });
        ask(code, b'c', 131_072, 8192, ANSWER);
        // Pointer and length together are past the end of all addresses; a length that is negative where somebody takes it for signed.
        say(code, b'd', 2, -16, 32);
        say(code, b'e', 2, 16, -1);
        // A list whose bytes are more than there are addresses; one that is not aligned.
        ask(code, b'f', 0, 0x2000_0001, ANSWER);
        ask(code, b'g', 1, 1, ANSWER);
        // No UTF-8; a surrogate.
        say(code, b'h', 2, 1024, 3);
        say(code, b'i', 2, 1028, 3);
        // A level and a selector that there are not.
        say(code, b'j', 99, 0, 0);
        when(code, 2, b'k', |code| {
            code.i32_const(256).i32_const(99).i32_store8(at(0));
            code.i32_const(256)
                .i32_const(1)
                .i32_const(ANSWER)
                .call(links);
        });
        // A place for the answer past the end of the memory; one that is not aligned.
        ask(code, b'l', 0, 0, 0x7fff_fff0);
        ask(code, b'm', 0, 0, ANSWER + 1);
    });
    core
}

/// Answers `query` with what is no answer.
fn answers(contract: &Contract) -> Core {
    let mut core = Core::default();
    core.memory(4);
    core.data(1024, b"\xff\xfe\xfd");
    core.function(Some(&contract.export("query")), 3, true, |code| {
        code.local_get(1).i32_load8_u(at(0)).local_set(3);
        let answer = |code: &mut Code<'_>, letter, place: i32, pointer: i32, length: i32| {
            when(code, 3, letter, |code| {
                code.i32_const(place).i32_const(pointer).i32_store(at(4));
                code.i32_const(place).i32_const(length).i32_store(at(8));
                code.i32_const(place).return_();
            });
        };
        // 1 GiB, of which there are 256 KiB.
        answer(code, b'a', 256, 0, 1 << 30);
        // 32 MiB that are there.
        when(code, 3, b'b', |code| {
            code.i32_const(512).memory_grow(0).drop();
        });
        answer(code, b'b', 256, 0, 32 << 20);
        // Pointer and length together are past the end of all addresses.
        answer(code, b'c', 256, -16, 32);
        // No UTF-8.
        answer(code, b'd', 256, 1024, 3);
        // Neither an answer nor a failure.
        when(code, 3, b'e', |code| {
            code.i32_const(256).i32_const(7).i32_store8(at(0));
            code.i32_const(256).return_();
        });
        // An answer past the end of the memory; one that is not aligned.
        when(code, 3, b'f', |code| {
            code.i32_const(0x7fff_fff0).return_();
        });
        answer(code, b'g', 257, 0, 0);
        code.unreachable();
    });
    core
}

/// Speaks UTF-16.
fn utf16(contract: &Contract) -> Core {
    let mut core = Core::default();
    let write = core.import(&contract.interface("log"), "write", &[I32; 3], false);
    core.memory(4);
    // Half of a pair of surrogates.
    core.data(1024, b"\x00\xd8a\x00");
    validate(&mut core, contract, |code| {
        // Half of a pair; units at an odd address; so many units that their bytes are more than there are addresses.
        for (letter, pointer, length) in [(b'a', 1024, 2), (b'b', 1025, 1), (b'c', 0, i32::MIN + 1)]
        {
            when(code, 2, letter, |code| {
                code.i32_const(2)
                    .i32_const(pointer)
                    .i32_const(length)
                    .call(write);
            });
        }
    });
    core
}

const CLOCK: &str = "wasi:clocks/monotonic-clock@0.2.0";
const POLL: &str = "wasi:io/poll@0.2.0";

/// Drops and uses handles that are not its own.
fn handles(contract: &Contract) -> Core {
    let mut core = Core::default();
    let dbus = contract.interface("dbus");
    let drop = core.import(&dbus, "[resource-drop]subscription", &[I32], false);
    let next = core.import(&dbus, "[method]subscription.next", &[I32; 3], false);
    let timer = core.import(CLOCK, "subscribe-duration", &[I64], true);
    let drop_timer = core.import(POLL, "[resource-drop]pollable", &[I32], false);
    let block = core.import(POLL, "[method]pollable.block", &[I32], false);
    validate(&mut core, contract, |code| {
        // Such as it never had.
        when(code, 2, b'a', |code| {
            code.i32_const(1).call(drop);
        });
        for (letter, handle) in [(b'b', 0), (b'c', -1)] {
            when(code, 2, letter, |code| {
                code.i32_const(handle)
                    .i32_const(0)
                    .i32_const(ANSWER)
                    .call(next);
            });
        }
        // One that it has dropped.
        when(code, 2, b'd', |code| {
            code.i64_const(0).call(timer).local_tee(3).call(drop_timer);
            code.local_get(3).call(drop_timer);
        });
        // One of another kind.
        when(code, 2, b'e', |code| {
            code.i64_const(0).call(timer).call(drop);
        });
        // One more, and one more, and none is given back.
        when(code, 2, b'f', |code| {
            forever(code, |code| {
                code.i64_const(0).call(timer).drop();
            });
        });
        // Honest use.
        when(code, 2, b'g', |code| {
            code.i64_const(0).call(timer).local_tee(3).call(block);
            code.local_get(3).call(drop_timer);
        });
    });
    core
}

/// Calls WASI. What should be empty and is not makes it trap.
fn wasi(contract: &Contract) -> Core {
    let mut core = Core::default();
    let stdout = core.import("wasi:cli/stdout@0.2.0", "get-stdout", &[], true);
    let print = "[method]output-stream.blocking-write-and-flush";
    let print = core.import("wasi:io/streams@0.2.0", print, &[I32; 4], false);
    let timer = core.import(CLOCK, "subscribe-duration", &[I64], true);
    let block = core.import(POLL, "[method]pollable.block", &[I32], false);
    let random = core.import(
        "wasi:random/random@0.2.0",
        "get-random-bytes",
        &[I64, I32],
        false,
    );
    let environment = core.import(
        "wasi:cli/environment@0.2.0",
        "get-environment",
        &[I32],
        false,
    );
    let directories = core.import(
        "wasi:filesystem/preopens@0.2.0",
        "get-directories",
        &[I32],
        false,
    );
    let create = "create-tcp-socket";
    let socket = core.import(
        "wasi:sockets/tcp-create-socket@0.2.0",
        create,
        &[I32; 2],
        false,
    );
    validate(&mut core, contract, |code| {
        // Prints without end.
        when(code, 2, b'a', |code| {
            code.call(stdout).local_set(3);
            forever(code, |code| {
                code.local_get(3)
                    .i32_const(1024)
                    .i32_const(4096)
                    .i32_const(ANSWER)
                    .call(print);
            });
        });
        // Sleeps for a day.
        when(code, 2, b'b', |code| {
            code.i64_const(86_400_000_000_000).call(timer).call(block);
        });
        // Wants 1 TiB of random bytes.
        when(code, 2, b'c', |code| {
            code.i64_const(1 << 40).i32_const(ANSWER).call(random);
        });
        for (letter, list) in [(b'd', environment), (b'e', directories)] {
            when(code, 2, letter, |code| {
                code.i32_const(ANSWER).call(list);
                code.i32_const(ANSWER).i32_load(at(4)).if_(BlockType::Empty);
                code.unreachable().end();
            });
        }
        // Makes a socket. The first byte of the answer is 0 for one.
        when(code, 2, b'f', |code| {
            code.i32_const(0).i32_const(ANSWER).call(socket);
            code.i32_const(ANSWER)
                .i32_load8_u(at(0))
                .i32_eqz()
                .if_(BlockType::Empty);
            code.unreachable().end();
        });
    });
    core
}

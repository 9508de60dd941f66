//! Fuzzing of everything that reads bytes from outside, on the stable toolchain, as ordinary tests.
//!
//! Good examples, made by code, are spoilt by [`engine::mutate`] and read. Nothing may panic, run
//! for ever or take much more memory than the bytes it was given; beside that each target has
//! properties of its own. Every case is a pure function of its number.
//!
//! ```text
//! cargo test fuzz                                          # short form, part of every test run
//! REFUNDD_FUZZ_CASES=1000000 cargo test --release fuzz     # long form, so many cases a target
//! REFUNDD_FUZZ_SEED=17 cargo test fuzz_of_a_request        # case 17 of one target again
//! cargo test fuzz -- --nocapture                           # with how many cases each target ran
//! ```
//!
//! A case that overflows the stack, or that the watch ends, cannot say its name: its number is left
//! in `refundd-fuzz-<process>-<target>.seed` in the folder for temporary files.
//!
//! | what is read | where it comes from | target |
//! |---|---|---|
//! | a request | the field of a stream entry | [`requests`] |
//! | a configuration file, settings in variables | an operator | [`configuration`] |
//! | a whole HTTP answer | a gateway | [`answers`] |
//! | a body of either protocol | a gateway | `src/gateways/*/fuzz_tests.rs` |
//! | a record, a state, a lease | Redis | `src/ledger/fuzz_tests.rs` |
//! | the arguments of the program | an operator's shell | `src/cli/fuzz_tests.rs` |
//!
//! The targets beside the code are there because their readers are private. refundd takes no HTTP
//! callbacks yet; the room that will read them gets its `fuzz_tests.rs` and a row here, with the
//! property that a callback triggers a query and nothing else.

mod answers;
mod configuration;
mod engine;
mod requests;

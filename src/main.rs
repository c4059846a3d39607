//! Runs one command of `atlas`. Exit codes: 0 done, 1 failed, 2 wrong usage.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    atlas::cli::run(std::env::args_os())
}

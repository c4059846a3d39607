//! The real binary, as an operator and as the documented clients meet it.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says by panicking what is wrong"
)]

mod activation;
mod backup;
mod backup_place;
mod backup_units;
mod certificates;
mod check_config;
mod clients;
mod commands;
mod dashboard;
mod disk;
mod endings;
mod failing_disk;
mod fixtures;
mod hints;
mod install;
mod interrupted;
mod logs;
mod memory;
mod metrics;
mod migration;
mod mock;
mod odd_paths;
mod openapi;
mod output;
mod owner;
mod package;
mod port;
mod process;
mod proxies;
mod secrets;
mod settings;
mod standard_input;
mod stopping;
mod syncs;
mod systemd;
mod tls;
mod verify;
mod webhooks;

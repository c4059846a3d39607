//! What the process takes, by the names that Prometheus' own clients use. What the system does not tell is left out.

use crate::domain::time::Timestamp;
use crate::metrics::{Family, counted, gauge};

pub(super) fn families(started_at: Timestamp) -> Vec<Family> {
    use rustix::process::{Resource, getrlimit};
    use rustix::time::{ClockId, clock_gettime};
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let mut all = vec![
        counted(
            "process_cpu_seconds_total",
            "Time that processors spent on the process, in seconds.",
            cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9,
        ),
        gauge(
            "process_start_time_seconds",
            "When the process began to serve, in seconds since the Unix epoch.",
            started_at.millis() as f64 / 1_000.0,
        ),
    ];
    if let Some((virtual_bytes, resident_bytes)) = memory() {
        all.push(gauge(
            "process_virtual_memory_bytes",
            "Memory that the process has mapped, in bytes.",
            virtual_bytes,
        ));
        all.push(gauge(
            "process_resident_memory_bytes",
            "Memory that the process has in RAM, in bytes.",
            resident_bytes,
        ));
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        all.push(gauge(
            "process_open_fds",
            "File descriptors that are open.",
            // The one that reads the directory is not open any more.
            open.count().saturating_sub(1) as f64,
        ));
    }
    let most = getrlimit(Resource::Nofile).current;
    all.extend(most.map(|most| {
        gauge(
            "process_max_fds",
            "File descriptors that may be open.",
            most as f64,
        )
    }));
    all
}

/// Mapped and resident memory, in bytes (`proc_pid_statm(5)`).
fn memory() -> Option<(f64, f64)> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    let mut pages = pages
        .split(' ')
        .map_while(|count| count.parse::<u64>().ok());
    let bytes = |pages: u64| pages as f64 * rustix::param::page_size() as f64;
    Some((bytes(pages.next()?), bytes(pages.next()?)))
}

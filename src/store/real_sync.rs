//! Makes sled's syncs real. sled 0.34 syncs its file by `sync_file_range`, which writes pages out and promises nothing at a
//! power loss: what was written later may reach the medium earlier, and sled then finds a hole where it expects none and
//! gives the whole store up. Where the kernel does not know that call, sled falls back to `fsync`; so the kernel is told
//! not to know it, for this process.

/// For the whole process, with threads that run already; to be called once, at its start.
///
/// # Errors
/// Why it could not be done. The store works, but a power loss may cost more than what was not yet acknowledged.
#[cfg(target_os = "linux")]
pub fn make_syncs_real() -> Result<(), String> {
    use std::collections::BTreeMap;

    use seccompiler::{
        BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter_all_threads,
    };

    const ENOSYS: u32 = libc::ENOSYS as u32;
    let unknown_call = BTreeMap::from([(libc::SYS_sync_file_range, Vec::new())]);
    let architecture = TargetArch::try_from(std::env::consts::ARCH).map_err(|e| e.to_string())?;
    let filter = SeccompFilter::new(
        unknown_call,
        SeccompAction::Allow,
        SeccompAction::Errno(ENOSYS),
        architecture,
    );
    let program = filter
        .and_then(BpfProgram::try_from)
        .map_err(|e| e.to_string())?;
    apply_filter_all_threads(&program).map_err(|e| e.to_string())
}

/// Elsewhere sled syncs for real by itself.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub fn make_syncs_real() -> Result<(), String> {
    Ok(())
}

//! How many connections there may be: each takes one of the files that a process may have open, and the store needs some
//! of those at any time.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{Purpose, in_range};
use crate::policy;

/// Files that this process may have open, if it asks for as many as it may.
fn files() -> usize {
    let most = getrlimit(Resource::Nofile).maximum;
    most.and_then(|most| usize::try_from(most).ok())
        .unwrap_or(usize::MAX)
}

/// Asks for as many open files as the process may have. Where that is refused, it stays with fewer, as it was started.
pub fn open_as_many_files_as_allowed() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let all = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        if let Err(e) = setrlimit(Resource::Nofile, all) {
            log::warn!("the limit of open files can't be raised: {e}");
        }
    }
}

/// The number of connections in force: what is given, or the usual number as far as there is room, where so many others
/// go upstream. A command that only speaks to the server has no need of room.
///
/// # Errors
/// One line that names the setting, its value and what is allowed.
pub(super) fn bounded(
    given: Option<usize>,
    workers: usize,
    upstream: usize,
    purpose: Purpose,
) -> Result<usize, String> {
    let files = match purpose {
        Purpose::Serve | Purpose::Mock => files(),
        Purpose::Manage => usize::MAX,
    };
    room_for(given, workers, upstream, files)
}

fn room_for(
    given: Option<usize>,
    workers: usize,
    upstream: usize,
    files: usize,
) -> Result<usize, String> {
    let room = files.saturating_sub(policy::FILES_RESERVED + upstream);
    let Some(given) = given else {
        return Ok(policy::CONNECTIONS.min(room).max(workers));
    };
    // Each of the threads takes its share.
    let given = in_range("max_connections", given, workers, policy::CONNECTIONS_MAX)?;
    if given > room {
        return Err(format!(
            "max_connections = {given}: of the {files} files that this process may have open (ulimit -Hn, LimitNOFILE of \
             systemd) there is room for {room}"
        ));
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_connections_as_there_is_room_for() {
        assert_eq!(room_for(None, 2, 256, 65_536), Ok(10_000));
        assert_eq!(room_for(None, 2, 256, 1_024), Ok(512));
        assert_eq!(room_for(None, 4, 256, 100), Ok(4));
        assert_eq!(room_for(Some(512), 2, 256, 1_024), Ok(512));
        let refused = room_for(Some(513), 2, 256, 1_024).expect_err("no room");
        assert!(refused.contains("max_connections = 513") && refused.ends_with("room for 512"));
        for wrong in [0, 1, policy::CONNECTIONS_MAX + 1] {
            let refused = room_for(Some(wrong), 2, 0, usize::MAX).expect_err("out of range");
            assert!(refused.contains("must be from 2 to 1048576"), "{refused}");
        }
    }
}

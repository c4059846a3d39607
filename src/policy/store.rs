//! Numbers of the store; `store` has their reasons at length.

use std::time::Duration;

/// How often a row that looks wrong is looked at again: the sweeper, too, removes what belongs together row by row.
pub const VERIFY_LOOKS: usize = 3;
/// How long the command line waits for a walk over all rows; a million take seconds.
pub const VERIFY_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// Bytes of rows that a backup packs at once: enough to pack well, little to hold.
pub const BACKUP_FRAME: usize = 256 * 1024;
/// Bytes of rows, packed or not, that a backup claims at most to have in one piece: the largest group behind a full piece.
pub const BACKUP_FRAME_MAX: usize = 16 * 1024 * 1024;
/// Threads that put the rows of a backup into their tables; more would wait for each other at sled's log.
pub const RESTORE_THREADS: usize = 2;
/// Pieces of a backup that wait for them.
pub const RESTORE_QUEUE: usize = 2;
/// Rows that are put in or read out between two calls on sled to free what they have replaced. By itself it frees 512
/// things after 128 operations, and each of these replaces a page or more.
pub const FREE_EVERY: u32 = 16;
/// How hard zstd tries: its fastest ordinary level packs rows to a third.
pub const BACKUP_COMPRESSION: i32 = 1;
/// Bytes that may be written to the store while a backup is made: some minutes under full load.
pub const BACKUP_SPOOL: u64 = 4 * 1024 * 1024 * 1024;
/// Bytes of those that are kept aside whatever the disk has left.
pub const BACKUP_SPOOL_FREE: u64 = 1024 * 1024;
/// Pieces of a backup that wait for who reads it.
pub const BACKUP_PIECES: usize = 4;
/// How long one of them waits at most, at the server and at the command line.
pub const BACKUP_PATIENCE: Duration = Duration::from_secs(60);
/// How long a backup may take: nothing that has expired is removed meanwhile. Ten million records take some minutes.
pub const BACKUP_MOST: Duration = Duration::from_secs(60 * 60);

/// Commits that may wait for the writer; one more is told 503. Two seconds' worth at 2,000 commits a second.
pub const QUEUE: usize = 4_096;
/// Commits that share one sync at most.
pub const GROUP_COMMITS: usize = 256;
/// Bytes of one group at most: it has to fit into the journal, and the last commit may go beyond it.
pub const GROUP_BYTES: usize = 512 * 1024;
/// Bytes of a row of most kinds, at most: a session takes some 150.
pub const USUAL_ROW: usize = 256;
/// Bytes of idempotency records, or of sessions, that lie in one row of sled, or one that is larger: some ten, or forty.
/// More would make a leaf, which is read as a whole and has up to 16 rows, too large.
pub const BLOCK: usize = 8 * 1024;
/// Rows for blocks that are there before they are filled: sled splits a leaf that has more than 16 in its middle, and then
/// touches the left half no more.
pub const BLOCKS_AHEAD: u64 = 17;
/// Sessions that a block has at least. Fewer have a row each: a block and what is told of it are two rows.
pub const BLOCK_SESSIONS_MIN: usize = 4;
/// Time between the first and the last session of a block, at most. At 40,000 orders a second some twenty blocks are made in
/// it, and have to be looked at for one session. It may grow; where it shrinks, sessions of older blocks are not found.
pub const SESSION_SPAN_MAX: Duration = Duration::from_millis(16);
/// Parts of the index of idempotency records: one that grows keeps its readers waiting for less than a millisecond with a
/// million of them.
pub const INDEX_PARTS: usize = 64;
/// Size of the journal: some thousand commits between two checkpoints, and a start that applies them in less than a
/// second.
pub const JOURNAL_BYTES: u64 = 8 * 1024 * 1024;
/// sled's segment size; fixed when the store is made. An item above a quarter of it becomes a file of its own.
pub const SEGMENT: usize = 8 * 1024 * 1024;
/// Page cache, in bytes. sled takes two to four times as much memory: about 200 MB with a million live records, the index
/// of them included.
pub const CACHE: u64 = 40 * 1024 * 1024;
/// The same of a command that goes through the whole store once and then ends: a million records in 200 MB.
pub const CACHE_ALONE: u64 = 4 << 20;
/// Free space under which new work is refused (503) instead of risking a half-written segment: eight segments.
pub const MIN_FREE_DISK: u64 = 64 * 1024 * 1024;
/// How long to wait for another process to let go of the store, as at a restart.
pub const LOCK_PATIENCE: Duration = Duration::from_secs(5);
/// How long a command waits for a server that has the store and does not answer: one that stops takes ten seconds at most,
/// unless told otherwise.
pub const COMMAND_PATIENCE: Duration = Duration::from_secs(15);
/// A temporary store that nobody has for so long was left by a mock that was killed.
pub const ABANDONED_AFTER: Duration = Duration::from_secs(60 * 60);
/// How often to look whether it has.
pub const LOCK_RETRY: Duration = Duration::from_millis(50);
/// A clock that is behind the store by more than this is worth a line in the log; less is the work of NTP.
pub const CLOCK_BEHIND_NOTED: Duration = Duration::from_secs(5);
/// A store that has seen a time so far ahead of the system's clock was given a wrong one, now or then: a person decides.
/// Who tries out what tomorrow brings, by a clock set forward and back, comes within it.
pub const CLOCK_BEHIND_MAX: Duration = Duration::from_secs(3 * 24 * 60 * 60);
/// Expired records that the sweeper removes in one step (some milliseconds).
pub const SWEEP_STEP: usize = 500;
/// Rest between two steps of the sweeper; none after a full step, so that it keeps up with any load.
pub const SWEEP_REST: Duration = Duration::from_millis(200);
/// An expired record is removed this much later, beyond the time a body may take: a request is judged by the time it
/// came, and must still find the record that lived then.
pub const SWEEP_MARGIN: Duration = Duration::from_secs(60);
/// Day counts are kept this many days, for the operator to look back on.
pub const DAYS_KEPT: u32 = 35;

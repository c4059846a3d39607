//! Every number we chose, with its unit and its reason. Numbers that an operator may change are defaults here and
//! settings in `config`; the rest is fixed, because clients or the files on disk rely on it.

pub mod metrics;
mod store;

use std::time::Duration;

pub use self::store::*;

// ---- Limits (contract, section 4) ----

/// Requests a key may make in a minute (published by the API).
pub const PER_MINUTE: u32 = 1_000;
/// Requests a key may make in a UTC day (published by the API).
pub const PER_DAY: u32 = 100_000;
/// Requests of a key that may run at once (published by the API).
pub const CONCURRENT: u32 = 50;
/// Requests a minute of an address that shows no good key: enough for a person who mistypes, too few to guess keys.
pub const PER_ADDRESS: u32 = 60;
/// Requests a minute by the client secret and the page of a session: as many as of an address, since each is for one person.
pub const PER_SESSION: u32 = 60;
/// The largest limit that can be set. governor and our headers count in `u32`; this leaves room for sums.
pub const LIMIT_MAX: u32 = 1_000_000_000;
/// Length of the minute window.
pub const MINUTE: Duration = Duration::from_secs(60);
/// `Retry-After` where nobody can know when a place gets free: a slot, a first request that still runs.
pub const RETRY_SOON: Duration = Duration::from_secs(1);
/// Addresses remembered at once (about 200 bytes each, so 13 MB); more share one bucket until some are forgotten.
pub const ADDRESSES: usize = 65_536;
/// How often addresses whose allowance is whole again are forgotten.
pub const ADDRESS_CLEANUP: Duration = Duration::from_secs(60);

/// Smallest step by which a key's durable day count is raised: what a crash may cost a client that calls rarely.
pub const LEASE_MIN: u32 = 8;
/// Largest such step, for a client that calls often: one write for 256 requests, 0.26 % of the default day.
pub const LEASE_MAX: u32 = 256;
/// Of a limit that is larger than the default, the largest step is this part: the same 0.26 %.
pub const LEASE_SHARE_BUSY: u32 = 390;
/// A step is at most this part of the limit, so that a crash can't cost a small limit much of its day.
pub const LEASE_SHARE: u32 = 64;
/// A lease used up faster than this is followed by one of double size, a slower one by one of half the size.
pub const LEASE_PACE: Duration = Duration::from_millis(20);

// ---- Idempotency (contract, section 3) ----

/// How long a record answers retries, from its first request (published by the API).
pub const IDEMPOTENCY_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest `Idempotency-Key`, in characters (Stripe's bound).
pub const IDEMPOTENCY_KEY_MAX: usize = 255;

/// Largest canonical body that is kept beside the answer in test mode, in bytes, to show a developer what differs.
pub const ASKED_MAX: usize = 4 * 1024;

// ---- HTTP (contract, section 1) ----

/// Largest request body, and so the largest stored answer (see `store`): 64 KiB.
pub const BODY_MAX: usize = 64 * 1024;
/// Smallest value that the body limit can be set to: a session with all its fields fits.
pub const BODY_MAX_FLOOR: usize = 1024;
/// A body must have arrived within this time.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection's first request head must have arrived within this time; then 408 and the connection is closed.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection on which nothing has been asked for so long is closed, whatever trickles in, within two looks after that;
/// longer than the 60 s of the usual proxies, so that they close first.
pub const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Whoever takes nothing of an answer for so long loses its connection: what nginx gives.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(60);
/// A connection is looked at so often in the time that it may keep others waiting.
pub const CONNECTION_LOOKS: u32 = 15;
/// Bytes that are kept of what a client sends behind a request that is being answered; then it waits to send more.
pub const PIPELINED: usize = 64 * 1024;
/// How long a connection that is closed may take to read the last word.
pub const FAREWELL: Duration = Duration::from_secs(1);
/// A body that was answered before its end is read on for so long: who still sends would lose the answer to the reset of a
/// closed connection (RFC 9112 9.6). What nginx gives between two pieces.
pub const LINGER: Duration = Duration::from_secs(5);
/// Connections at once; an idle one takes 12 KB.
pub const CONNECTIONS: usize = 10_000;
/// The most of those that can be set: what a process of the kernel's may have open (`fs.nr_open`).
pub const CONNECTIONS_MAX: usize = 1_048_576;
/// Connections that wait for a place: what `systemd/atlas.socket` gives as well. The kernel's `net.core.somaxconn` is the
/// other bound.
pub const BACKLOG: i32 = 4_096;
/// Files that are left to all else: the store, the log, webhooks, commands, the look at a file.
pub const FILES_RESERVED: usize = 256;
/// TLS must have been agreed on within this time.
pub const TLS_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the files of the certificate are looked at: certbot and Caddy renew weeks before the end.
pub const TLS_LOOK: Duration = Duration::from_secs(10);
/// Largest of those files, in bytes; a chain with its key has some thousand.
pub const TLS_FILE_MAX: usize = 256 * 1024;
/// A certificate that expires sooner is warned of: what renews them does so with a third of 45 or 90 days left.
pub const TLS_RENEWAL: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// Requests of one HTTP/2 connection at once: what RFC 9113 (6.5.2) recommends as the least.
pub const H2_STREAMS: u32 = 100;
/// Bytes of the headers of a request over HTTP/2.
pub const H2_HEADERS: u32 = 32 * 1024;
/// Bytes of one body that may come ahead of their reader over HTTP/2: as many as a body may have.
pub const H2_STREAM_WINDOW: u32 = BODY_MAX as u32;
/// The same, of all bodies of a connection.
pub const H2_WINDOW: u32 = 4 * H2_STREAM_WINDOW;
/// Longest `X-Request-Id` of a client that is echoed.
pub const REQUEST_ID_MAX: usize = 128;
/// How long a browser may remember a preflight.
pub const PREFLIGHT_AGE: Duration = Duration::from_secs(600);
/// How long running requests get to finish when the server is told to stop.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);
/// On a socket of the service manager's, how long accepted connections get at the end to begin a request: a connection
/// takes a few round trips to do so, over TLS too, and those that idle between two requests are told by no more than this.
pub const HAND_ON: Duration = Duration::from_secs(1);
/// How long that is at least: connections on their way from the acceptor to their thread are not counted yet.
pub const HAND_ON_LEAST: Duration = Duration::from_millis(100);
/// JSON nested deeper than this is refused; nothing in the API nests deeper than three.
pub const JSON_DEPTH: usize = 64;

/// Longest a setting of a wait can be set to.
pub const WAIT_MAX: Duration = Duration::from_secs(60 * 60);
/// Longest an idempotency record can be set to live.
pub const IDEMPOTENCY_LIFETIME_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);
/// How long the command line waits for the server's answer.
pub const ADMIN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a line of the log may wait for others to be written with it.
pub const LOG_DELAY: Duration = Duration::from_millis(10);
/// Bytes of the log that may wait while nobody reads it; then requests wait too.
pub const LOG_BYTES: usize = 4 * 1024 * 1024;

/// How long the end of the process waits for the last lines to be read.
pub const LOG_PATIENCE: Duration = Duration::from_secs(1);

// ---- Keys (contract, section 2) ----

/// Random characters of a secret: 30 of base62 are 178 bits.
pub const SECRET_RANDOM: usize = 30;
/// Characters of the checksum: 62^6 is above 2^32.
pub const SECRET_CHECKSUM: usize = 6;
/// Length of the part after the prefix of an imported secret.
pub const IMPORT_LENGTH: std::ops::RangeInclusive<usize> = 16..=247;
/// Length of the part after `sk_test_` that the mock accepts; the documented sample is `sk_test_xxx`.
pub const MOCK_LENGTH: std::ops::RangeInclusive<usize> = 1..=247;
/// The old secret works this long after rolling, unless said otherwise.
pub const GRACE: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest grace that may be asked for; whoever wants longer wants two keys.
pub const GRACE_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Old secrets remembered per key (40 bytes each): those that still work, and to tell "expired" from "unknown".
pub const RETIRED_SECRETS: usize = 32;
/// Longest name of a key, in characters.
pub const NAME_MAX: usize = 100;
/// Longest name of an account, in characters.
pub const ACCOUNT_MAX: usize = 64;
/// Last-used times are written at this pace at most.
pub const LAST_USED_PACE: Duration = Duration::from_secs(60);

/// Longest expiry of a key; whoever wants longer wants none.
pub const EXPIRY_MAX: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

// ---- Dashboard ----

/// How long a log-in link can be used.
pub const LINK_LIFETIME: Duration = Duration::from_secs(5 * 60);
/// Links that can be open at once; one more closes the oldest.
pub const LINKS: usize = 16;
/// How long a person stays logged in.
pub const LOG_IN_LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);
/// People logged in at once; one more logs the oldest out.
pub const LOG_INS: usize = 256;
/// Passwords tried a minute from one address: enough for a person who mistypes, 7,200 guesses a day at most.
pub const PASSWORD_TRIES: u32 = 5;
/// Links tried a minute from one address that are not good, counted apart from other strangers: as many as
/// [`PER_ADDRESS`], for the same reasons.
pub const LINK_TRIES: u32 = PER_ADDRESS;
/// Length of a password, in bytes. Twelve: what is guessed at five tries a minute need not be long, what is taken
/// from a disk should be.
pub const PASSWORD_LENGTH: std::ops::RangeInclusive<usize> = 12..=1024;
/// Forms that make a secret are remembered so many a person, so that none is done twice.
pub const FORMS_REMEMBERED: usize = 64;
/// Requests of known keys that are kept to be looked at.
pub const REQUEST_LOG: usize = 1_000;
/// Requests of strangers that are kept besides.
pub const REQUEST_LOG_STRANGERS: usize = 250;
/// Of those, as many a second are kept whole, with headers and bodies, as are kept at all; of any more only what the list
/// shows.
pub const WHOLE_PER_SECOND: usize = REQUEST_LOG;
/// The same of strangers.
pub const WHOLE_PER_SECOND_STRANGERS: usize = REQUEST_LOG_STRANGERS;
/// Bytes that each of the two may take; an ordinary request takes 2 KB.
pub const REQUEST_LOG_BYTES: usize = 8 * 1024 * 1024;
/// Bytes kept of a body that is to be looked at, and of all headers together.
pub const CAPTURED_BODY: usize = 16 * 1024;
/// Bytes kept of an answer beyond those, so that what stands across the end is masked like the whole: longer than a card
/// number with each digit escaped.
pub const CAPTURED_MARGIN: usize = 512;
/// Characters kept and logged of a method; the longest that is registered has 17.
pub const CAPTURED_METHOD: usize = 32;
/// Bytes that the headers of most answers take.
pub const USUAL_HEADERS: usize = 768;
/// Bytes that a line of the log has, as a rule.
pub const USUAL_LINE: usize = 160;
/// Bytes that the body of most answers takes.
pub const USUAL_ANSWER: usize = 1024;
/// Bytes kept of a request's headers.
pub const CAPTURED_HEADERS: usize = 4 * 1024;
/// Pages that watch at once; each is a connection.
pub const WATCHERS: usize = 64;
/// After so many requests a page that watches looks before its time: half of those that the smaller log keeps, so that
/// it sees each before it is forgotten.
pub const WATCH_HURRY: u64 = REQUEST_LOG_STRANGERS as u64 / 2;
/// How often a page that watches is told what is new: soon enough to be live, seldom enough to be read.
pub const WATCH_PACE: Duration = Duration::from_millis(250);
/// Rows told a page at once; of more, the latest. No page has room for more.
pub const WATCH_ROWS: usize = PAGE_ROWS;
/// A page that watches hears something at least this often, so that a connection that is gone is noticed.
pub const WATCH_PING: Duration = Duration::from_secs(15);
/// Rows on a page of a list.
pub const PAGE_ROWS: usize = 50;
/// Rows of the store that are looked at for one page of a filtered list.
pub const PAGE_SCAN: usize = 5_000;
/// Days that a chart looks back on.
pub const CHART_DAYS: u32 = 30;
/// Records whose replays are counted in memory until they are written down.
pub const REPLAYS_COUNTED: usize = 65_536;

// ---- The mock's handles ----

/// A bucket of governor's is used for so long; it can count for 584 years.
pub const BUCKET_LIFETIME: Duration = Duration::from_secs(200 * 365 * 24 * 60 * 60);
/// Rules of faults at once; each is looked at for every request.
pub const FAULT_RULES: usize = 100;
/// Longest delay of a fault: longer than any client's patience.
pub const FAULT_DELAY_MAX: Duration = Duration::from_secs(5 * 60);
/// Characters of a directive that can't be read which its refusal repeats.
pub const FAULT_SHOWN: usize = 40;
/// Longest HTTP method that a rule can be for, in characters.
pub const METHOD_MAX: usize = 20;
/// Latest time that the mock's clock can be moved to: the last moment of the year 3000, in milliseconds since the epoch.
pub const CLOCK_LATEST_MS: u64 = 32_535_215_999_999;
/// Requests told at once, unless said otherwise.
pub const REQUESTS_TOLD: usize = 100;
/// Most requests that may be asked for at once: as many as are kept of known keys.
pub const REQUESTS_TOLD_MAX: usize = REQUEST_LOG;

// ---- Sessions (contract, section 5) ----

/// Largest amount, in minor units: the service keeps it in a 32 bit column.
pub const AMOUNT_MAX: u32 = 2_147_483_647;
/// Most members of `metadata`.
pub const METADATA_MAX: usize = 50;
/// Longest name of a metadata member, in characters.
pub const METADATA_NAME_MAX: usize = 40;
/// Longest metadata value, in characters.
pub const METADATA_VALUE_MAX: usize = 500;
/// Longest reference or identifier given by the client, in characters.
pub const REFERENCE_MAX: usize = 255;
/// Years that a card's expiry may lie ahead: more than any bank gives, so it catches slips of the finger only.
pub const CARD_YEARS_MAX: u16 = 50;
/// So many years ahead lies the expiry of a test card that is named by a token.
pub const TEST_CARD_YEARS: u16 = 8;
/// Longest free text (description, a line of an address), in characters.
pub const TEXT_MAX: usize = 500;
/// Longest statement descriptor, in characters (what card networks print).
pub const DESCRIPTOR_MAX: usize = 22;
/// Longest e-mail address, in characters (RFC 5321, 4.5.3.1.3 less the brackets).
pub const EMAIL_MAX: usize = 254;
/// Longest URL, in characters: what every browser takes.
pub const URL_MAX: usize = 2_048;
/// A session expires this long after it was made, unless said otherwise (published by the API).
pub const SESSION_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest delay of an event that a test asks for.
pub const REHEARSAL_DELAY_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Places at which changes of sessions wait for each other: many more than requests of a busy key run at once.
pub const TURNS: usize = 256;
/// Sessions that are kept as they were last shown, each by a place of its own; a prime, so that ids spread over them.
pub const VIEWS: usize = 1_021;
/// Bytes that one of them may take, its row included; an ordinary one takes 1.2 KB.
pub const VIEW_MAX: usize = 8 * 1024;
/// Sessions that are told to have expired in one step.
pub const EXPIRY_STEP: usize = 500;
/// Latest expiry that may be asked for.
pub const SESSION_LIFETIME_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

// ---- Webhooks ----

/// Endpoints of an account, and endpoints that can be given at the start.
pub const ENDPOINTS: usize = 16;
/// Characters of a webhook secret after `whsec_`: 32 of base62 are 190 bits.
pub const WEBHOOK_SECRET: usize = 32;
/// Length of that part of a secret that is given at the start. With its prefix it fits into a block of SHA-256, beyond
/// which HMAC would hash it first.
pub const WEBHOOK_SECRET_LENGTH: std::ops::RangeInclusive<usize> = 16..=58;
/// When a delivery is tried, from its first attempt on (published by the API).
pub const WEBHOOK_SCHEDULE: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 60 * 60),
    Duration::from_secs(24 * 60 * 60),
];
/// Least time between two of those: what fell due while the server was down is not tried all at once.
pub const WEBHOOK_GAP: Duration = Duration::from_secs(5 * 60);
/// Time of an attempt, from connecting to the answer (published by the API).
pub const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes kept of an answer.
pub const WEBHOOK_ANSWER: usize = 1024;
/// Bytes that the head of an answer may have.
pub const WEBHOOK_HEAD: usize = 16 * 1024;
/// Attempts kept of a delivery: those of the schedule, and the latest by hand.
pub const WEBHOOK_ATTEMPTS: usize = 20;
/// Deliveries under way at once.
pub const DELIVERIES: usize = 64;
/// Of those, to one endpoint: one that never answers must not hold up the others.
pub const DELIVERIES_TO_ONE: usize = 4;
/// Rows of the outbox that are looked at to find deliveries that can begin.
pub const OUTBOX_SCAN: usize = 16;
/// Longest that the outbox is not looked at: the system's clock may have been set forward.
pub const OUTBOX_REST: Duration = Duration::from_secs(30);
/// Rest after the store could not be read or written, so that no delivery is tried over and over.
pub const OUTBOX_FAULT_REST: Duration = Duration::from_secs(5);
/// Events and their deliveries are kept this long (published by the API).
pub const EVENTS_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

// ---- Upstreams (where requests of a mode are forwarded to) ----

/// How long a connection to an upstream may take, its name looked up and TLS agreed on.
pub const UPSTREAM_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the head of an answer may take once the request is sent, and then each pause in its body.
pub const UPSTREAM_ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Requests to an upstream that may run at once, each on a connection of its own: fewer than usual servers have workers
/// (150 of Debian's Apache, 200 of Tomcat).
pub const UPSTREAM_CONNECTIONS: usize = 128;
/// The most of those that can be set: a process usually has room for some more descriptors than that.
pub const UPSTREAM_CONNECTIONS_MAX: usize = 10_000;
/// How long an idle connection to an upstream is kept: shorter than the 60 s of the usual servers, so that we close first.
pub const UPSTREAM_KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Bytes of path and query that a request may ask an upstream for: as many as a `http::Uri` has room for.
pub const UPSTREAM_TARGET: usize = u16::MAX as usize - 1;
/// Bytes that the head of an answer may have; as many are read ahead of a body.
pub const UPSTREAM_HEAD: usize = 64 * 1024;
/// Headers that it may have. There is room for all of them whenever a head is read.
pub const UPSTREAM_HEADERS: usize = 250;
/// Requests whose outcome may be unknown at once, of all accounts; beyond, none is sent that could become one more.
pub const OPEN_CLAIMS: usize = 10_000;
/// Bytes of the path that is shown of such a request.
pub const CLAIM_PATH: usize = 512;
/// How many of its pauses an answer waits for a client that reads nothing of it: a slow one's connection may hold
/// megabytes that it has not read yet.
pub const UPSTREAM_UNREAD: u32 = 5;
/// Largest body of an answer that is kept to be given again, in bytes.
pub const ANSWER_MAX: usize = 64 * 1024;
/// Bytes kept of the headers of such an answer.
pub const ANSWER_HEADERS_MAX: usize = 4 * 1024;
/// Longest value of `Authorization` for an upstream, in characters.
pub const AUTHORIZATION_MAX: usize = 4_096;
/// Characters of a secret from which its last four may be shown: less than a quarter of it.
pub const SECRET_SHOWN: usize = 20;
/// Failures in a row after which an upstream is left alone for a while.
pub const CIRCUIT_FAILURES: u32 = 5;
/// How long it is left alone at first; each probe that fails doubles it.
pub const CIRCUIT_REST: Duration = Duration::from_secs(1);
/// How long it is left alone at most.
pub const CIRCUIT_REST_MAX: Duration = Duration::from_secs(30);

//! `/_mock/*`: the handles by which a test moves the mock's clock, makes it fail and looks at what it was sent.

mod clock;
mod cuts;
mod delays;
mod door;
mod faults;
mod header;
mod limits;
mod requests;
mod reset;

use atlas::app::Standing;
use atlas::domain::idempotency::IdempotencyKey;
use atlas::domain::key::{Account, Mode};
use serde_json::Value;

use crate::world::{Key, Request, Response, World, eventually};

pub fn mock() -> World {
    World::with(|settings| settings.mock = true)
}

/// Asks a handle to do something.
pub fn tell(world: &World, path: &str, body: &str) -> Response {
    world.post(path).json(body).send()
}

/// What a handle says.
#[track_caller]
pub fn ask(world: &World, path: &str) -> Value {
    let answer = world.get(path).send();
    assert_eq!(answer.status, 200, "{path}: {}", answer.json());
    answer.json()
}

/// Puts a rule in force and gives its id.
#[track_caller]
pub fn fault(world: &World, body: &str) -> String {
    let answer = tell(world, "/_mock/faults", body);
    assert_eq!(answer.status, 201, "{}", answer.json());
    answer.text("id")
}

/// What the rule has counted: requests that it was for, and those that it hit.
#[track_caller]
pub fn counts(world: &World, id: &str) -> (u64, u64) {
    let rules = ask(world, "/_mock/faults");
    let rules = rules["data"].as_array().expect("a list");
    let rule = rules.iter().find(|rule| rule["id"] == id).expect("a rule");
    let count = |name: &str| rule[name].as_u64().expect("a number");
    (count("matched"), count("applied"))
}

/// Sends a request whose connection is closed without a byte.
#[track_caller]
pub fn is_cut(request: &Request) {
    let bytes = request.start().connection.read_next();
    assert_eq!(String::from_utf8_lossy(&bytes), "");
}

/// Sessions that there are, up to a page of them.
pub fn sessions(world: &World) -> usize {
    let (found, _) = world.app.sessions(None, |_| true).expect("the store reads");
    found.len()
}

pub fn running(world: &World, key: &Key) -> u32 {
    let entry = world.app.key(&key.id).expect("the key is known");
    entry.limiter.running()
}

/// What stands under an idempotency key of the test keys.
pub fn standing_of(world: &World, name: &str) -> Standing {
    let name = IdempotencyKey::parse(name.as_bytes()).expect("a key");
    let (account, now) = (Account::default(), world.app.clock.now());
    let standing = world.app.standing_of(&account, Mode::Test, &name, now);
    standing.expect("the store reads")
}

#[track_caller]
pub fn all_slots_come_back(world: &World, key: &Key) {
    eventually("all slots are free", || running(world, key) == 0);
}

/// The requests that the mock tells of, once there are so many.
pub fn told(world: &World, query: &str, count: usize) -> Vec<Value> {
    let mut found = Vec::new();
    eventually("the requests are in the log", || {
        let list = ask(world, &format!("/_mock/requests{query}"));
        found = list["data"].as_array().expect("a list").clone();
        found.len() >= count
    });
    assert_eq!(found.len(), count, "{found:?}");
    found
}

//! What a body must be said to be.

use crate::world::{CREATE, Key, ORDER, Response, World};

fn sent_as(world: &World, key: &Key, content_type: &str) -> Response {
    let request = world.post(CREATE).key(key);
    let request = request.header("Content-Type", content_type);
    request.body(ORDER).send()
}

#[test]
fn the_content_type_must_be_json() {
    let world = World::new();
    let key = world.key();
    for content_type in [
        "",
        "text/plain",
        "text/json",
        "muhahah",
        "muh/ah",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=json",
        "application/jsonx",
        "application/xjson",
        "application/json+xml",
        "text/vnd.x+json",
        "*/*",
        "text/plain; application/json",
        "application/json, application/json",
        "application/x, application/y+json",
        "application/+json",
        "application/ json",
    ] {
        let answer = sent_as(&world, &key, content_type);
        assert_eq!(answer.status, 415, "{content_type}");
        assert_eq!(answer.code(), "unsupported_media_type", "{content_type}");
    }
    let missing = world.post(CREATE).key(&key).body(ORDER).send();
    missing.expect(415, "unsupported_media_type");
}

#[test]
fn a_content_type_may_have_parameters_and_white_space_before_them() {
    let world = World::new();
    let key = world.key();
    for content_type in [
        "application/json;charset=utf-8",
        "application/json ; charset=utf-8",
        "application/json\t;\tcharset=\"utf-8\"",
        "Application/JSON;",
        "application/vnd.shop.v1+json ; q=1",
    ] {
        let answer = sent_as(&world, &key, content_type);
        assert_eq!(answer.status, 201, "{content_type}");
    }
}

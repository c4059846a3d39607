//! Debian's nginx between us and the upstream: whatever is plain passes through it.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::caller::Call;
use crate::port::Port;
use crate::process::{has_tool, text};
use crate::script::{Step, answer, head};
use crate::upstream::{Upstream, eventually};
use crate::world::World;

/// Ended by drop.
struct Nginx {
    child: Child,
    port: Port,
}

impl Nginx {
    fn before(upstream: &Upstream, directory: &Path) -> Self {
        let port = Port::reserve();
        let config = format!(
            "daemon off; master_process off; pid nginx.pid; error_log error.log;
             events {{}}
             http {{
               access_log off;
               client_body_temp_path bodies; proxy_temp_path answers; fastcgi_temp_path fastcgi;
               uwsgi_temp_path uwsgi; scgi_temp_path scgi;
               upstream behind {{ server {}; keepalive 4; }}
               server {{
                 listen {};
                 location / {{
                   proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection \"\";
                   proxy_set_header Host $http_host;
                 }}
               }}
             }}",
            upstream.address(),
            port.address
        );
        std::fs::write(directory.join("nginx.conf"), config).expect("written");
        let child = Command::new("nginx")
            .args(["-e", "error.log", "-c", "nginx.conf", "-p"])
            .arg(directory)
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx starts");
        let nginx = Self { child, port };
        eventually("nginx listens", || {
            std::net::TcpStream::connect(nginx.port.address).is_ok()
        });
        nginx
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn what_is_plain_passes_through_nginx() {
    if !has_tool("nginx", &["-v"]) {
        return;
    }
    let temporary = tempfile::tempdir().expect("a directory");
    let upstream = Upstream::new();
    let nginx = Nginx::before(&upstream, temporary.path());
    let url = format!("http://{}/base/v1", nginx.port.address);
    let world = World::to(upstream, &url, &[]);
    let mut caller = world.caller();
    let mut ask = |call: &Call| caller.send(call, &world.secret).expect("an answer");

    for number in 0..20 {
        let call = Call::keyed(&format!("order_{number}"));
        let first = ask(&call);
        assert_eq!(
            first.expect_status(201).header("x-charge"),
            format!("ch_{}", number + 1)
        );
        assert!(ask(&call).replayed());
    }
    let hits = world.upstream.wait_for(20);
    assert_eq!(hits[0].target, "/base/v1/charges");
    assert_eq!(hits[0].header("host"), nginx.port.address.to_string());
    assert_eq!(hits[0].header("idempotency-key"), "order_0");

    let shown = ask(&Call::get("/functions/v1/a%2Fb?c=%20"));
    assert_eq!(shown.json()["target"], "/base/v1/a%2Fb?c=%20");
    ask(&Call::new("HEAD", "/functions/v1/a")).expect_status(200);
    let put = ask(&Call::new("PUT", "/functions/v1/a").raw(&[0xff; 64 * 1024]));
    assert_eq!(put.json()["method"], "PUT");
    world
        .upstream
        .then(answer(404, &[("X-Any", "a")], b"not here"));
    let reply = ask(&Call::keyed("order_none"));
    assert_eq!(
        (
            reply.status,
            reply.header("x-any"),
            text(&reply.body).as_str()
        ),
        (404, "a", "not here")
    );

    let mut said = head(200, &[]);
    said.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
    let chunk = [b"10000\r\n", &[b'x'; 0x10000][..], b"\r\n"].concat();
    let end = Step::Say(b"0\r\n\r\n".to_vec());
    world
        .upstream
        .then(vec![Step::Say(said), Step::Repeat(chunk, 64), end]);
    assert_eq!(
        ask(&Call::get("/functions/v1/large")).body.len(),
        64 * 0x10000
    );

    world.upstream.stop();
    let reply = ask(&Call::get("/functions/v1/a"));
    // nginx answers for the upstream that is away; what it says comes down as it came.
    assert_eq!(reply.status, 502);
    assert!(text(&reply.body).contains("nginx"), "{reply}");
}

//! What people put in front of a payment function today: nginx with `limit_req` and a map of keys, HAProxy with stick
//! tables. Each looks the key up, counts the request, says to the upstream who it is, and writes a line into its log.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

use crate::Outcome;
use crate::server::Server;

/// The `Authorization` that the upstream gets.
pub const UPSTREAM_AUTHORIZATION: &str = "Bearer sk_live_of_the_upstream";

/// What a proxy is started with.
pub struct Task<'a> {
    /// Where its files go.
    pub dir: &'a Path,
    /// Where it sends what it lets in.
    pub upstream: SocketAddr,
    /// The key that it lets in.
    pub secret: &'a str,
    /// The core that it runs on.
    pub core: usize,
}

/// nginx, in one process; None where there is none.
///
/// # Errors
/// When it does not start.
pub fn nginx(task: &Task<'_>) -> Outcome<Option<Server>> {
    let dir = task.dir.display();
    let (address, upstream, secret) = (free_address()?, task.upstream, task.secret);
    let configuration = format!(
        r#"
daemon off;
master_process off;
worker_processes 1;
pid {dir}/nginx.pid;
error_log {dir}/nginx-error.log;
events {{ worker_connections 4096; }}
http {{
    access_log {dir}/nginx-access.log;
    client_body_temp_path {dir}/nginx-body;
    proxy_temp_path {dir}/nginx-proxy;
    fastcgi_temp_path {dir}/nginx-fastcgi;
    uwsgi_temp_path {dir}/nginx-uwsgi;
    scgi_temp_path {dir}/nginx-scgi;
    map_hash_bucket_size 256;
    map $http_authorization $client {{
        default "";
        "Bearer {secret}" shop;
    }}
    limit_req_zone $client zone=minute:10m rate=100000r/s;
    limit_conn_zone $client zone=at_once:10m;
    keepalive_requests 1000000000;
    upstream charges {{
        server {upstream};
        keepalive 1024;
        keepalive_requests 1000000000;
    }}
    server {{
        listen {address};
        location /functions/v1/ {{
            if ($client = "") {{ return 401; }}
            limit_req zone=minute burst=100000 nodelay;
            limit_conn at_once 60000;
            proxy_pass http://charges;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Authorization "{UPSTREAM_AUTHORIZATION}";
            proxy_set_header X-Request-Id $request_id;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $host;
        }}
    }}
}}
"#
    );
    let file = task.dir.join("nginx.conf");
    std::fs::write(&file, configuration)?;
    let mut command = Command::new("nginx");
    command.arg("-p").arg(task.dir).arg("-c").arg(&file);
    start(task, "nginx", &command, address)
}

/// HAProxy, in one process with one thread; None where there is none.
///
/// # Errors
/// When it does not start.
pub fn haproxy(task: &Task<'_>) -> Outcome<Option<Server>> {
    let dir = task.dir.display();
    let (address, upstream, secret) = (free_address()?, task.upstream, task.secret);
    let configuration = format!(
        r#"
global
    nbthread 1
    maxconn 4096
    log stdout format raw local0
defaults
    mode http
    log global
    option httplog
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    http-reuse always
frontend api
    bind {address}
    stick-table type string len 64 size 100k expire 60s store http_req_rate(60s),conn_cur
    acl known req.hdr(authorization) -m str -f {dir}/haproxy.known
    http-request deny deny_status 401 unless known
    http-request track-sc0 req.hdr(authorization)
    http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt 1000000000 }}
    http-request deny deny_status 429 if {{ sc_conn_cur(0) gt 100000 }}
    http-request set-header Authorization "{UPSTREAM_AUTHORIZATION}"
    http-request set-header X-Request-Id %[uuid()]
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    default_backend charges
backend charges
    server upstream {upstream} pool-max-conn 1024
"#
    );
    std::fs::write(task.dir.join("haproxy.known"), format!("Bearer {secret}\n"))?;
    let file = task.dir.join("haproxy.cfg");
    std::fs::write(&file, configuration)?;
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(&file);
    start(task, "haproxy", &command, address)
}

fn start(
    task: &Task<'_>,
    name: &str,
    command: &Command,
    address: SocketAddr,
) -> Outcome<Option<Server>> {
    let is_here = Command::new("sh")
        .args(["-c", &format!("command -v {name} >/dev/null")])
        .status()?
        .success();
    if !is_here {
        eprintln!("there is no {name} here, so nothing is measured beside it");
        return Ok(None);
    }
    let log = task.dir.join(format!("{name}.log"));
    Server::spawn_at(crate::server::pinned(command, task.core), &log, address).map(Some)
}

/// An address that nobody listens on.
fn free_address() -> Outcome<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

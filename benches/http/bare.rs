//! What Atlas is compared with: actix-web with one handler that answers the same bytes and does nothing else. It runs
//! as a process of its own, this very binary started again, so that both servers stand alike beside the load.

use std::path::Path;
use std::process::Command;

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{App, HttpResponse, HttpServer};

use crate::Outcome;
use crate::server::Server;

/// The argument that makes this binary the bare server.
pub const VERB: &str = "bare";

/// Starts a bare server that answers every request with these bytes.
pub fn start(dir: &Path, name: &str, status: u16, body: &[u8]) -> Outcome<Server> {
    let file = dir.join(format!("{name}.json"));
    std::fs::write(&file, body)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(VERB).arg(status.to_string()).arg(file);
    Server::spawn(command, &dir.join(format!("{name}.log")))
}

/// The bare server itself: `STATUS FILE`.
pub fn serve(arguments: &[String]) -> Outcome<()> {
    let [status, file] = arguments else {
        return Err("bare wants a status and a file".into());
    };
    let status = StatusCode::from_bytes(status.as_bytes())?;
    let body = Bytes::from(std::fs::read(file)?);
    actix_web::rt::System::new().block_on(answer_all(status, body))?;
    Ok(())
}

async fn answer_all(status: StatusCode, body: Bytes) -> std::io::Result<()> {
    let server = HttpServer::new(move || {
        let body = body.clone();
        // Like any handler that is of use it takes what was sent.
        App::new().default_service(web::to(move |sent: Bytes| {
            let body = body.clone();
            async move {
                drop(sent);
                HttpResponse::build(status)
                    .content_type("application/json")
                    .body(body)
            }
        }))
    })
    .workers(std::thread::available_parallelism().map_or(1, usize::from))
    .bind(("127.0.0.1", 0))?;
    for address in server.addrs() {
        println!("listening on http://{address}");
    }
    server.run().await
}

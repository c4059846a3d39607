//! A chromedriver of its own, which ends with whoever started it.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

/// A chromedriver on a port that it chose itself. What it says is kept open to be said.
pub struct Driver {
    process: Child,
    said: BufReader<ChildStdout>,
    pub port: u16,
}

impl Driver {
    pub fn start() -> Self {
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let said = BufReader::new(process.stdout.take().expect("standard output"));
        let mut driver = Self {
            process,
            said,
            port: 0,
        };
        while driver.port == 0 {
            let mut line = String::new();
            let read = driver.said.read_line(&mut line).expect("a line");
            assert!(read > 0, "chromedriver does not start");
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                driver.port = port.trim().trim_end_matches('.').parse().expect("a port");
            }
        }
        driver
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

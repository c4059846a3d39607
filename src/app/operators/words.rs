//! The words in which the way into the Dashboard is managed, as JSON between command line and server.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// What can be done about who gets in.
#[derive(Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum OperatorCommand {
    /// Make a link that lets one person in, once.
    Link,
    /// Let in whoever knows this password, and log everybody out.
    SetPassword {
        /// The password.
        password: Zeroizing<String>,
    },
    /// Let nobody in by a password, and log everybody out.
    RemovePassword,
}

/// What came of it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperatorAnswer {
    /// The link.
    Link(LinkReport),
    /// The password is on disk and in force.
    PasswordSet,
    /// There is no password any more.
    PasswordRemoved,
    /// Nothing was done; a sentence for the operator.
    Failed(String),
}

/// A link into the Dashboard.
#[derive(Serialize, Deserialize)]
pub struct LinkReport {
    /// The whole address, token included.
    pub url: Zeroizing<String>,
    /// It can be used below this time (RFC 3339).
    pub expires_at: String,
}

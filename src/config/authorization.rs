//! What requests to an upstream carry in `Authorization`: a secret, so no flag and no TOML file has it.

use std::fmt;
use std::io::Read;
use std::path::Path;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::secret_file;
use super::upstream::Variable;
use crate::domain::masking::masked;
use crate::policy;

/// The variables that it may come by, one a mode. No flag stands beside them.
pub const AUTHORIZATIONS: [&str; 2] = ["ATLAS_LIVE_AUTHORIZATION", "ATLAS_TEST_AUTHORIZATION"];

/// The whole value of the header, as `Bearer sk_live_...`. Can't be printed by accident, and is wiped when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Authorization(String);

impl Authorization {
    /// Reads a value.
    ///
    /// # Errors
    /// What it must be, without the value.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fits = (1..=policy::AUTHORIZATION_MAX).contains(&text.len());
        let clean = text.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) && text.trim() == text;
        if fits && clean {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "must be the whole value of the header, as Bearer sk_live_...: 1 to {} visible ASCII characters, with \
                 spaces only between them",
                policy::AUTHORIZATION_MAX
            ))
        }
    }

    /// The value in clear, to be sent.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorization(..)")
    }
}

/// The value for a mode: from the file that a setting names, from the variable `ATLAS_LIVE_AUTHORIZATION`, or from
/// `live_authorization` in the directory of credentials that systemd gives.
///
/// # Errors
/// One line that names the source, without the value.
pub(super) fn find(
    mode: &str,
    file: Option<&Path>,
    variable: Variable<'_>,
) -> Result<Option<Authorization>, String> {
    let name = format!("ATLAS_{}_AUTHORIZATION", mode.to_uppercase());
    let credential = variable("CREDENTIALS_DIRECTORY")
        .map(|directory| Path::new(&directory).join(format!("{mode}_authorization")))
        // What can't be looked at is not passed over.
        .filter(|path| !matches!(path.try_exists(), Ok(false)));
    match (file, variable(&name), credential) {
        (None, None, None) => Ok(None),
        (Some(path), None, None) => read(&format!("{mode}_authorization_file"), path).map(Some),
        (None, None, Some(path)) => read(&format!("{mode}_authorization"), &path).map(Some),
        (None, Some(value), None) => {
            let value = value.into_string().map(Zeroizing::new);
            let value = value.map_err(|_| format!("{name}: must be visible ASCII"))?;
            let parsed = Authorization::parse(&value).map_err(|must| format!("{name}: {must}"))?;
            Ok(Some(parsed))
        }
        (file, value, _) => {
            let sources = [
                file.map(|_| format!("{mode}_authorization_file")),
                value.map(|_| name),
                Some(format!("{mode}_authorization in $CREDENTIALS_DIRECTORY")),
            ];
            let sources: Vec<_> = sources.into_iter().flatten().take(2).collect();
            Err(format!(
                "{mode}_authorization is given twice, by {}: only one of them can count",
                sources.join(" and ")
            ))
        }
    }
}

/// A path as an error repeats it. The value itself may stand there by mistake; a path rarely has a space in it.
fn shown(path: &Path) -> String {
    let text = path.display().to_string();
    if text.contains(' ') {
        return "... (a file is wanted here, not the value)".to_owned();
    }
    masked(&text).into_owned()
}

/// Reads the first line of a file; a line end after it does not count.
fn read(setting: &str, path: &Path) -> Result<Authorization, String> {
    let place = format!("{setting} = {}", shown(path));
    // Room for the longest value and a line end, and for one byte more that tells of a longer one; so that no copy of it
    // is left behind by growing.
    let most = policy::AUTHORIZATION_MAX + 3;
    let mut text = Zeroizing::new(String::with_capacity(most));
    let unusable = |why: String| {
        format!("{place}: {why}. It is to hold the header's value, as Bearer sk_live_...")
    };
    secret_file::open(path)
        .map_err(unusable)?
        .take(most as u64)
        .read_to_string(&mut text)
        .map_err(|e| unusable(format!("can't be read: {e}")))?;
    Authorization::parse(text.trim_end_matches(['\r', '\n']))
        .map_err(|must| format!("{place}: {must}"))
}

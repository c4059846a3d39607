//! Who is in the Dashboard: one-time links, a password if one is set, and who is logged in. Log-ins are in memory, so
//! they end with the process.

mod words;

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use parking_lot::Mutex;
use zeroize::Zeroizing;

pub use self::words::{LinkReport, OperatorAnswer, OperatorCommand};
use super::App;
use crate::domain::limit::Allowance;
use crate::domain::operator::{FormToken, Token, TokenDigest};
use crate::domain::refusal::{RateLimited, Refusal};
use crate::domain::time::Timestamp;
use crate::entropy::{self, NoEntropy};
use crate::limiter::Addresses;
use crate::policy;
use crate::store::Unavailable;

/// Those who may use the Dashboard.
pub struct Operators {
    state: Mutex<State>,
    tries: Addresses,
    links_tried: Addresses,
    /// One password at a time is looked at: each takes 19 MiB for some hundredths of a second.
    checking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    links: VecDeque<(TokenDigest, Timestamp)>,
    logged_in: HashMap<TokenDigest, LogIn>,
    password: Option<String>,
}

struct LogIn {
    until: Timestamp,
    /// Forms that were sent, oldest first.
    sent: VecDeque<String>,
}

/// Somebody who is logged in.
#[derive(Clone, Copy)]
pub struct Operator {
    digest: TokenDigest,
    /// What forms must carry.
    pub form_token: FormToken,
}

impl Operators {
    /// Nobody is in; `password` is the hash of the one that is set.
    pub fn new(password: Option<String>) -> Self {
        let state = State {
            password,
            ..State::default()
        };
        Self {
            state: Mutex::new(state),
            tries: Addresses::new(policy::PASSWORD_TRIES),
            links_tried: Addresses::new(policy::LINK_TRIES),
            checking: tokio::sync::Mutex::default(),
        }
    }

    /// Makes the token of a link that lets one person in, once.
    ///
    /// # Errors
    /// [`NoEntropy`]
    pub fn new_link(&self, now: Timestamp) -> Result<Zeroizing<String>, NoEntropy> {
        let token = Token::new(entropy::base62()?);
        let mut state = self.state.lock();
        state.links.retain(|(_, until)| now < *until);
        if state.links.len() >= policy::LINKS {
            state.links.pop_front();
        }
        let until = now.plus(policy::LINK_LIFETIME);
        state.links.push_back((token.digest(), until));
        Ok(Zeroizing::new(token.expose().to_owned()))
    }

    /// Lets a link be tried. Neither strangers to the API nor those who guess at links keep anybody from following one
    /// that is good, as they keep nobody with a good key from the API.
    ///
    /// # Errors
    /// [`RateLimited`] after too many links from this address that were not good.
    pub fn admit_by_link(
        &self,
        token: &Token,
        from: IpAddr,
        now: Timestamp,
    ) -> Result<Allowance, RateLimited> {
        let digest = token.digest();
        let is_good = |(link, until): &(TokenDigest, Timestamp)| *link == digest && now < *until;
        if self.state.lock().links.iter().any(is_good) {
            Ok(self.links_tried.standing(from, now))
        } else {
            self.links_tried.spend(from, now)
        }
    }

    /// Uses a link up.
    ///
    /// # Errors
    /// [`Refusal::LinkSpent`] for one that was used, has expired or never was.
    pub fn enter_by_link(&self, token: &str, now: Timestamp) -> Result<Token, Refusal> {
        let digest = Token::parse(token).ok_or(Refusal::LinkSpent)?.digest();
        let mut state = self.state.lock();
        let known = state.links.iter().position(|(link, _)| *link == digest);
        let link = known.and_then(|at| state.links.remove(at));
        match link {
            Some((_, until)) if now < until => state.log_in(now),
            Some(_) | None => Err(Refusal::LinkSpent),
        }
    }

    /// Lets in who knows the password.
    ///
    /// # Errors
    /// [`Refusal::RateLimited`] after too many tries from this address, and then the password is not looked at;
    /// [`Refusal::PasswordWrong`], also when none is set.
    pub async fn enter_by_password(
        &self,
        password: Zeroizing<String>,
        from: IpAddr,
        now: Timestamp,
    ) -> Result<Token, Refusal> {
        self.tries.spend(from, now).map_err(Refusal::RateLimited)?;
        let _one_at_a_time = self.checking.lock().await;
        let hash = self.state.lock().password.clone();
        let hash = hash.ok_or(Refusal::PasswordWrong)?;
        if !policy::PASSWORD_LENGTH.contains(&password.len()) {
            return Err(Refusal::PasswordWrong);
        }
        let expected = hash.clone();
        let checked = tokio::task::spawn_blocking(move || is_password(&password, &expected)).await;
        let mut state = self.state.lock();
        // It may have been changed meanwhile.
        match checked {
            Ok(true) if state.password.as_ref() == Some(&hash) => state.log_in(now),
            Ok(_) => Err(Refusal::PasswordWrong),
            Err(_) => Err(Refusal::Internal),
        }
    }

    /// Whoever this token logged in.
    pub fn find(&self, token: &Token, now: Timestamp) -> Option<Operator> {
        let digest = token.digest();
        self.is_in(&digest, now).then(|| Operator {
            digest,
            form_token: token.form_token(),
        })
    }

    /// Whether this person is still logged in.
    pub fn is_still_in(&self, operator: &Operator, now: Timestamp) -> bool {
        self.is_in(&operator.digest, now)
    }

    fn is_in(&self, digest: &TokenDigest, now: Timestamp) -> bool {
        let state = self.state.lock();
        state
            .logged_in
            .get(digest)
            .is_some_and(|in_| now < in_.until)
    }

    /// Logs somebody out.
    pub fn leave(&self, operator: &Operator) {
        self.state.lock().logged_in.remove(&operator.digest);
    }

    /// Whether a form is sent for the first time. A browser that reloads the answer sends it again.
    pub fn is_first(&self, operator: &Operator, form: &str) -> bool {
        let mut state = self.state.lock();
        let Some(log_in) = state.logged_in.get_mut(&operator.digest) else {
            return false;
        };
        if log_in.sent.iter().any(|sent| sent == form) {
            return false;
        }
        if log_in.sent.len() >= policy::FORMS_REMEMBERED {
            log_in.sent.pop_front();
        }
        log_in.sent.push_back(form.to_owned());
        true
    }

    /// Whether a password is set.
    pub fn has_password(&self) -> bool {
        self.state.lock().password.is_some()
    }

    /// Forgets addresses that may try again as if for the first time.
    pub(super) fn clean(&self, now: Timestamp) {
        self.tries.clean(now);
        self.links_tried.clean(now);
    }

    /// Puts another password in force and logs everybody out.
    fn set_password(&self, hash: Option<String>) {
        let mut state = self.state.lock();
        state.password = hash;
        state.logged_in.clear();
        state.links.clear();
    }
}

impl State {
    fn log_in(&mut self, now: Timestamp) -> Result<Token, Refusal> {
        let token = Token::new(entropy::base62()?);
        self.logged_in.retain(|_, log_in| now < log_in.until);
        if self.logged_in.len() >= policy::LOG_INS {
            let oldest = self.logged_in.iter().min_by_key(|(_, log_in)| log_in.until);
            let oldest = oldest.map(|(digest, _)| *digest);
            oldest.and_then(|digest| self.logged_in.remove(&digest));
        }
        let log_in = LogIn {
            until: now.plus(policy::LOG_IN_LIFETIME),
            sent: VecDeque::new(),
        };
        self.logged_in.insert(token.digest(), log_in);
        Ok(token)
    }
}

impl App {
    /// Does what a command says about who gets into the Dashboard.
    pub async fn manage_operators(self: &Arc<Self>, command: OperatorCommand) -> OperatorAnswer {
        let done = match command {
            OperatorCommand::Link => self.link().map(OperatorAnswer::Link),
            OperatorCommand::SetPassword { password } => self
                .set_password(Some(&password))
                .await
                .map(|()| OperatorAnswer::PasswordSet),
            OperatorCommand::RemovePassword => self
                .set_password(None)
                .await
                .map(|()| OperatorAnswer::PasswordRemoved),
        };
        done.unwrap_or_else(OperatorAnswer::Failed)
    }

    fn link(&self) -> Result<LinkReport, String> {
        let now = self.clock.now();
        let token = self.operators.new_link(now)?;
        let base = self.base_url();
        let mut url = String::with_capacity(base.len() + token.len() + 32);
        for part in [&base, "/dashboard/login?token=", &*token] {
            url.push_str(part);
        }
        Ok(LinkReport {
            url: Zeroizing::new(url),
            expires_at: now.plus(policy::LINK_LIFETIME).rfc3339(),
        })
    }

    /// Sets the Dashboard's password, or takes it away. On disk when this returns, and everybody is logged out.
    ///
    /// # Errors
    /// One line for the operator; then nothing was changed.
    pub async fn set_password(self: &Arc<Self>, password: Option<&str>) -> Result<(), String> {
        let password = password.map(|text| Zeroizing::new(text.to_owned()));
        let app = Arc::clone(self);
        let work = tokio::spawn(async move { app.change_password(password).await });
        work.await
            .unwrap_or_else(|_| Err("something went wrong; see the log".to_owned()))
    }

    async fn change_password(&self, password: Option<Zeroizing<String>>) -> Result<(), String> {
        let _one_at_a_time = self.operators.checking.lock().await;
        let hash = match password {
            Some(password) => {
                if !policy::PASSWORD_LENGTH.contains(&password.len()) {
                    let (least, most) = (
                        policy::PASSWORD_LENGTH.start(),
                        policy::PASSWORD_LENGTH.end(),
                    );
                    return Err(format!("a password has {least} to {most} bytes"));
                }
                let hashed = tokio::task::spawn_blocking(move || hash_of(&password)).await;
                Some(hashed.map_err(|e| e.to_string())??)
            }
            None => None,
        };
        let now = self.clock.now();
        self.store
            .keep_password(hash.as_deref(), now)
            .await
            .map_err(|Unavailable| String::from(Unavailable))?;
        self.operators.set_password(hash);
        Ok(())
    }
}

/// Argon2id with the parameters that OWASP names first (19 MiB, 2 passes, 1 lane), the crate's default.
fn hash_of(password: &str) -> Result<String, String> {
    let hash: Result<PasswordHash, _> = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string())
        .map_err(|e| format!("the password could not be hashed: {e}"))
}

fn is_password(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| {
        Argon2::default()
            .verify_password(password.as_bytes(), &hash)
            .is_ok()
    })
}

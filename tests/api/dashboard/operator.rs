//! An operator at a browser without script: a session, the token of its forms, and pages read to the letter.

use url::form_urlencoded;

use super::html::Html;
use crate::world::{Request, Response, World, eventually};

pub const FORM: &str = "application/x-www-form-urlencoded";

/// Someone who is in.
pub struct Operator<'w> {
    world: &'w World,
    pub session: String,
    pub csrf: String,
}

/// The token of a fresh link.
pub fn link(world: &World) -> String {
    let made = world.app.operators.new_link(world.clock.now());
    made.expect("a link").to_string()
}

/// What following a link sends.
pub fn follow(world: &World, token: &str) -> Request {
    let request = world.get(&format!("/dashboard/login?token={token}"));
    request.header("Accept", "text/html")
}

pub fn set_password(world: &World, password: Option<&str>) {
    let done = actix_web::rt::System::new().block_on(world.app.set_password(password));
    assert!(done.is_ok(), "the password is set");
}

/// A form as a browser sends it from a page of this server, by nobody in particular.
pub fn form(world: &World, path: &str, fields: &[(&str, &str)]) -> Request {
    let request = world.post(path).header("Accept", "text/html");
    let request = request.header("Origin", format!("http://{}", world.address));
    request.header("Content-Type", FORM).body(encoded(fields))
}

pub fn encoded(fields: &[(&str, &str)]) -> String {
    let mut body = form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(fields).finish()
}

/// A path with a query.
pub fn asking(path: &str, fields: &[(&str, &str)]) -> String {
    format!("{path}?{}", encoded(fields))
}

/// The cookie that an answer sets: name, value, and the rest.
pub fn cookie_of(answer: &Response) -> Option<(String, String, Vec<String>)> {
    let line = answer.header("set-cookie")?;
    let mut parts = line.split(';').map(|part| part.trim().to_owned());
    let pair = parts.next().expect("a pair");
    let (name, value) = pair.split_once('=').expect("name=value");
    Some((name.to_owned(), value.to_owned(), parts.collect()))
}

impl<'w> Operator<'w> {
    /// Lets an operator in by a link.
    pub fn of(world: &'w World) -> Self {
        let answer = follow(world, &link(world)).send();
        assert_eq!(answer.status, 303, "{}", body_of(&answer));
        let (_, session, _) = cookie_of(&answer).expect("a cookie");
        let mut operator = Self {
            world,
            session,
            csrf: String::new(),
        };
        let page = operator.page("/dashboard/keys/new");
        operator.csrf = page.field("csrf").expect("a token");
        operator
    }

    pub fn world(&self) -> &'w World {
        self.world
    }

    /// The `Cookie` header of this session.
    pub fn cookie(&self) -> String {
        cookie(self.world, &self.session)
    }

    /// A request for a page.
    pub fn get(&self, path: &str) -> Request {
        let request = self.world.get(path).header("Accept", "text/html");
        request.header("Cookie", self.cookie())
    }

    /// A page that is there, and keeps the laws of every page.
    #[track_caller]
    pub fn page(&self, path: &str) -> Html {
        page_of(&self.get(path).send(), 200)
    }

    /// What stands in the source of a page, whatever its status.
    pub fn source(&self, path: &str) -> String {
        body_of(&self.get(path).send())
    }

    /// Sends a form with the session's token.
    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        let fields = [&[("csrf", self.csrf.as_str())], fields].concat();
        let request = form(self.world, path, &fields);
        request.header("Cookie", self.cookie()).send()
    }

    /// The rows of a page's table.
    #[track_caller]
    pub fn rows(&self, path: &str, table: &str) -> Vec<Html> {
        self.page(path).rows(table)
    }

    /// The first row of the request log that holds this, as soon as there is one.
    pub fn request_with(&self, part: &str) -> Html {
        let mut found = None;
        eventually(part, || {
            let mut rows = self.rows("/dashboard/requests", "requests").into_iter();
            found = rows.find(|row| row.holds(part));
            found.is_some()
        });
        found.expect("a row")
    }

    /// The page of that request.
    pub fn detail_of(&self, part: &str) -> Html {
        self.page(&detail_path(&self.request_with(part)))
    }

    /// Whether the session still lets in.
    pub fn is_in(&self) -> bool {
        self.get("/dashboard/sessions").send().status == 200
    }
}

/// The `Cookie` header of any session on this server.
pub fn cookie(world: &World, session: &str) -> String {
    format!("atlas_session_{}={session}", world.address.port())
}

/// Where a row of the request log leads.
pub fn detail_path(row: &Html) -> String {
    let is_number = |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit());
    let mut links = row.links().into_iter();
    links
        .find(|link| {
            link.strip_prefix("/dashboard/requests/")
                .is_some_and(is_number)
        })
        .unwrap_or_else(|| panic!("no link to the request in {}", row.text()))
}

/// An answer as a page of this status.
#[track_caller]
pub fn page_of(answer: &Response, status: u16) -> Html {
    assert_eq!(answer.status, status, "{}", body_of(answer));
    assert!(answer.is_page(), "{:?}", answer.headers);
    let page = Html::of(&body_of(answer));
    page.check();
    page
}

/// Where an answer sends the browser, with 303.
#[track_caller]
pub fn goes_to(answer: &Response) -> String {
    assert_eq!(answer.status, 303, "{}", body_of(answer));
    answer.header("location").expect("Location").to_owned()
}

pub fn body_of(answer: &Response) -> String {
    String::from_utf8(answer.body.clone()).expect("UTF-8")
}

//! The buyer's page as a browser without script meets it: opened, read, its forms filled and sent.

use url::Url;

use super::PRICE;
use crate::dashboard::html::Html;
use crate::dashboard::operator::{FORM, body_of, encoded, goes_to};
use crate::world::{Request, Response, World};

/// A page that was opened, and where.
pub struct Page {
    pub path: String,
    pub html: Html,
    pub answer: Response,
}

impl Page {
    /// Opens a page; goes on where this server sends the browser elsewhere on itself.
    #[track_caller]
    pub fn open(world: &World, path: &str) -> Self {
        let mut path = path.to_owned();
        for _ in 0..3 {
            let answer = open(world, &path).send();
            if answer.status != 303 {
                return Self::of(&path, answer, 200);
            }
            path = own_path(world, &goes_to(&answer)).expect("a page of this server");
        }
        panic!("the browser is sent around in circles");
    }

    /// What a browser shows for this answer: the page itself, or the one it is sent to on this server.
    #[track_caller]
    pub fn after(world: &World, path: &str, answer: Response) -> Self {
        if answer.status == 303 {
            let place = goes_to(&answer);
            let place = own_path(world, &place).unwrap_or_else(|| panic!("sent to {place}"));
            return Self::open(world, &place);
        }
        Self::of(path, answer, 200)
    }

    /// An answer as a page of this status.
    #[track_caller]
    pub fn of(path: &str, answer: Response, status: u16) -> Self {
        assert_eq!(answer.status, status, "{path}: {}", body_of(&answer));
        assert!(answer.is_page(), "{path}: {:?}", answer.headers);
        let html = Html::of(&body_of(&answer));
        check(&html);
        Self {
            path: path.to_owned(),
            html,
            answer,
        }
    }

    /// What a browser sends when the form that has these fields is filled so and sent.
    #[track_caller]
    pub fn filled(&self, world: &World, fields: &[(&str, &str)]) -> Request {
        let form = self.form_with(fields);
        let method = form.attribute("method").unwrap_or("get").to_lowercase();
        assert_eq!(method, "post", "the form's method");
        let here = Url::parse(&format!("http://{}{}", world.address, self.path)).expect("a URL");
        let action = form.attribute("action").unwrap_or_default();
        let target = here.join(action).expect("an action");
        assert_eq!(target.origin(), here.origin(), "the form leaves the server");
        let kept = defaults(&form).into_iter().filter(|(name, _)| {
            let given = fields.iter().any(|(field, _)| field == name);
            !given
        });
        let kept: Vec<(String, String)> = kept.collect();
        let all: Vec<(&str, &str)> = kept
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .chain(fields.iter().copied())
            .collect();
        post(world, target.path(), &all).header("Origin", self.origin(world))
    }

    #[track_caller]
    pub fn send(&self, world: &World, fields: &[(&str, &str)]) -> Response {
        self.filled(world, fields).send()
    }

    /// Whether a form of the page has a field or a button of this name.
    pub fn asks_for(&self, name: &str) -> bool {
        self.html.all("form").iter().any(|form| has(form, name))
    }

    /// The values of the buttons of this name.
    pub fn buttons(&self, name: &str) -> Vec<String> {
        let mut buttons = self.html.all("button");
        buttons.retain(|button| button.attribute("name") == Some(name));
        let values = buttons
            .iter()
            .filter_map(|button| button.attribute("value"));
        values.map(str::to_owned).collect()
    }

    #[track_caller]
    fn form_with(&self, fields: &[(&str, &str)]) -> Html {
        let mut forms = self.html.all("form").into_iter();
        let wanted = forms.find(|form| fields.iter().all(|(name, _)| has(form, name)));
        wanted.unwrap_or_else(|| panic!("no form for {fields:?} in {}", self.html.text()))
    }

    /// What a browser says about where its form comes from: nothing, where the page bids it be silent.
    fn origin(&self, world: &World) -> String {
        match self.answer.header("referrer-policy") {
            Some("no-referrer") => "null".to_owned(),
            _ => format!("http://{}", world.address),
        }
    }
}

/// What a browser sends to open a page.
pub fn open(world: &World, path: &str) -> Request {
    world.get(path).header("Accept", "text/html")
}

/// A form of these fields and, where they say no sum, that of an ordinary sale.
pub fn post(world: &World, path: &str, fields: &[(&str, &str)]) -> Request {
    let price = PRICE.to_string();
    let mut all = fields.to_vec();
    if !fields.iter().any(|(name, _)| *name == "amount") {
        all.extend([("amount", price.as_str()), ("currency", "USD")]);
    }
    post_as_it_is(world, path, &all)
}

/// A form of these fields and no other.
pub fn post_as_it_is(world: &World, path: &str, fields: &[(&str, &str)]) -> Request {
    let request = world.post(path).header("Accept", "text/html");
    request.header("Content-Type", FORM).body(encoded(fields))
}

/// The path of a URL on this server; none if it leads elsewhere.
pub fn own_path(world: &World, url: &str) -> Option<String> {
    let root = Url::parse(&format!("http://{}/", world.address)).expect("a URL");
    let url = root.join(url).ok()?;
    (url.origin() == root.origin()).then(|| url.path().to_owned())
}

/// A card as a buyer types it; American Express prints four digits on the front.
pub fn typed(number: &str) -> [(&str, &str); 4] {
    let is_amex = number.starts_with("37");
    [
        ("number", number),
        ("exp_month", "12"),
        ("exp_year", "2034"),
        ("cvc", if is_amex { "7373" } else { "737" }),
    ]
}

fn controls(form: &Html) -> Vec<Html> {
    let kinds = ["input", "select", "textarea", "button"];
    kinds.iter().flat_map(|kind| form.all(kind)).collect()
}

fn has(form: &Html, name: &str) -> bool {
    let controls = controls(form);
    controls
        .iter()
        .any(|control| control.attribute("name") == Some(name))
}

/// What the form's fields are filled with before anybody types.
fn defaults(form: &Html) -> Vec<(String, String)> {
    let mut fields = [form.all("input"), form.all("select")].concat();
    fields.retain(|field| !matches!(field.attribute("type"), Some("submit" | "button")));
    let names = fields.iter().filter_map(|field| field.attribute("name"));
    names
        .map(|name| (name.to_owned(), form.field(name).unwrap_or_default()))
        .collect()
}

/// The laws of every page: it works without script, and nothing on it is script or style in the page.
fn check(html: &Html) {
    assert_eq!(html.all("head")[0].all("title").len(), 1, "one title");
    assert_eq!(html.all("main").len(), 1, "one main landmark");
    assert!(html.all("html")[0].attribute("lang").is_some(), "no lang");
    assert!(html.all("style").is_empty(), "a style element");
    for (name, value) in html.attributes() {
        assert!(!name.starts_with("on") && name != "style", "{name}={value}");
        let scheme = value.trim_start().to_lowercase();
        assert!(!scheme.starts_with("javascript:"), "{name}={value}");
    }
    for script in html.all("script") {
        assert!(script.attribute("src").is_some(), "a script in the page");
        assert_eq!(script.text(), "");
    }
    let sources = html
        .attributes()
        .filter(|(name, _)| *name == "src")
        .map(|(_, value)| value.to_owned());
    let styles = html.all("link");
    let styles = styles.iter().filter_map(|link| link.attribute("href"));
    for place in sources.chain(styles.map(str::to_owned)) {
        let own = place.starts_with('/') && !place.starts_with("//");
        assert!(own, "{place} is of another host");
    }
}

//! Pages taken apart as far as tests need it: tags, attributes, text.

#[derive(Clone, Debug)]
enum Piece {
    Open(String, Vec<(String, String)>),
    Close(String),
    Text(String),
}

/// A page, or one element of it with all that is in it.
#[derive(Clone, Debug)]
pub struct Html(Vec<Piece>);

impl Html {
    pub fn of(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find('<') {
            push_text(&mut pieces, &rest[..start]);
            let (inside, after) = cut_tag(&rest[start..]);
            match inside.strip_prefix('/') {
                Some(name) => pieces.push(Piece::Close(name.trim().to_lowercase())),
                None if inside.starts_with(['!', '?']) => (),
                None => push_tag(&mut pieces, inside),
            }
            rest = after;
        }
        push_text(&mut pieces, rest);
        Self(pieces)
    }

    /// The element with this id.
    pub fn find(&self, id: &str) -> Option<Self> {
        self.elements(|_, attributes| value_of(attributes, "id") == Some(id))
            .into_iter()
            .next()
    }

    /// The same, which must be there.
    #[track_caller]
    pub fn id(&self, id: &str) -> Self {
        self.find(id)
            .unwrap_or_else(|| panic!("no #{id} in {}", self.text()))
    }

    /// Every element of this name.
    pub fn all(&self, name: &str) -> Vec<Self> {
        self.elements(|given, _| given == name)
    }

    /// The rows of a table's body; none where a sentence stands for an empty table.
    pub fn rows(&self, table: &str) -> Vec<Self> {
        let bodies = self.find(table).map(|table| table.all("tbody"));
        let bodies = bodies.unwrap_or_default();
        bodies.iter().flat_map(|body| body.all("tr")).collect()
    }

    /// What a reader sees, with single spaces.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            if let Piece::Text(part) = piece {
                text.push_str(part);
            }
            text.push(' ');
        }
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The text as it stands in the first element, white space and all.
    pub fn exact_text(&self) -> String {
        let parts = self.0.iter().map(|piece| match piece {
            Piece::Text(part) => part.as_str(),
            Piece::Open(..) | Piece::Close(_) => "",
        });
        parts.collect()
    }

    /// Whether a word of the text is this one, in any case.
    pub fn says(&self, word: &str) -> bool {
        self.text()
            .split_whitespace()
            .any(|given| given.eq_ignore_ascii_case(word))
    }

    /// Whether it stands anywhere, as text or in an attribute.
    pub fn holds(&self, part: &str) -> bool {
        self.exact_text().contains(part) || self.attributes().any(|(_, value)| value.contains(part))
    }

    /// An attribute of the element itself.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        match self.0.first() {
            Some(Piece::Open(_, attributes)) => value_of(attributes, name),
            Some(Piece::Close(_) | Piece::Text(_)) | None => None,
        }
    }

    /// Where the links lead.
    pub fn links(&self) -> Vec<String> {
        let links = self.all("a");
        links
            .iter()
            .filter_map(|link| link.attribute("href").map(str::to_owned))
            .collect()
    }

    /// What the first field of this name is filled with.
    pub fn field(&self, name: &str) -> Option<String> {
        let fields = self.elements(|kind, attributes| {
            matches!(kind, "input" | "select" | "textarea")
                && value_of(attributes, "name") == Some(name)
        });
        let first = fields.first()?;
        let with = |mark: &str, among: &[Self]| {
            let mut among = among.iter();
            among.find(|one| one.attribute(mark).is_some()).cloned()
        };
        let filled = match (first.kind(), first.attribute("type")) {
            ("textarea", _) => return Some(first.exact_text()),
            ("select", _) => {
                let options = first.all("option");
                with("selected", &options).or(options.first().cloned())?
            }
            (_, Some("radio" | "checkbox")) => with("checked", &fields)?,
            _ => first.clone(),
        };
        Some(filled.attribute("value").unwrap_or_default().to_owned())
    }

    /// The laws of every page: nothing on it is script or style but our own files, and every form
    /// that changes something carries the session's token.
    pub fn check(&self) {
        assert_eq!(self.all("head")[0].all("title").len(), 1, "one title");
        assert_eq!(self.all("main").len(), 1, "one main landmark");
        assert!(self.all("html")[0].attribute("lang").is_some(), "no lang");
        assert!(self.all("style").is_empty(), "a style element");
        for (name, value) in self.attributes() {
            assert!(!name.starts_with("on") && name != "style", "{name}={value}");
            let scheme = value.trim_start().to_lowercase();
            assert!(!scheme.starts_with("javascript:"), "{name}={value}");
            if name == "src" {
                assert!(value.starts_with("/dashboard/"), "{name}={value}");
            }
        }
        for script in self.all("script") {
            assert!(script.attribute("src").is_some(), "a script in the page");
            assert_eq!(script.text(), "");
        }
        for link in self.all("link") {
            let place = link.attribute("href").unwrap_or_default();
            assert!(place.starts_with("/dashboard/"), "{place}");
        }
        for form in self.all("form") {
            let action = form.attribute("action").unwrap_or_default();
            let method = form.attribute("method").unwrap_or("get").to_lowercase();
            let needs_token = method == "post" && action != "/dashboard/login";
            let token = form.field("csrf").unwrap_or_default();
            assert!(!needs_token || !token.is_empty(), "{action} has no csrf");
        }
    }

    fn kind(&self) -> &str {
        match self.0.first() {
            Some(Piece::Open(name, _)) => name,
            Some(Piece::Close(_) | Piece::Text(_)) | None => "",
        }
    }

    /// Every attribute of every tag, with its value.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        let tags = self.0.iter().filter_map(|piece| match piece {
            Piece::Open(_, attributes) => Some(attributes),
            Piece::Close(_) | Piece::Text(_) => None,
        });
        tags.flatten()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn elements(&self, wanted: impl Fn(&str, &[(String, String)]) -> bool) -> Vec<Self> {
        let mut found = Vec::new();
        for (at, piece) in self.0.iter().enumerate() {
            if let Piece::Open(name, attributes) = piece
                && wanted(name, attributes)
            {
                found.push(Self(self.0[at..self.end_of(at, name)].to_vec()));
            }
        }
        found
    }

    /// Where the element that begins here ends.
    fn end_of(&self, start: usize, name: &str) -> usize {
        let mut depth = 0;
        for (at, piece) in self.0.iter().enumerate().skip(start) {
            match piece {
                Piece::Open(open, _) if open == name => depth += 1,
                Piece::Close(close) if close == name => depth -= 1,
                Piece::Open(..) | Piece::Close(_) | Piece::Text(_) => (),
            }
            if depth == 0 || VOID.contains(&name) {
                return at + 1;
            }
        }
        panic!("<{name}> never ends")
    }
}

const VOID: &[&str] = &["br", "hr", "img", "input", "link", "meta", "wbr"];

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(decode(text)));
    }
}

/// The inside of the tag that begins here, and what follows it.
fn cut_tag(text: &str) -> (&str, &str) {
    let mut quote = None;
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (None, '>') => return (&text[1..at], &text[at + 1..]),
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), close) if open == close => quote = None,
            _ => (),
        }
    }
    panic!("a tag never ends: {text}")
}

fn push_tag(pieces: &mut Vec<Piece>, inside: &str) {
    let (inside, closed) = match inside.strip_suffix('/') {
        Some(inside) => (inside, true),
        None => (inside, false),
    };
    let (name, mut rest) = inside
        .split_once(char::is_whitespace)
        .unwrap_or((inside, ""));
    let name = name.to_lowercase();
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            break;
        }
        let end = rest
            .find(|c: char| c.is_whitespace() || c == '=')
            .unwrap_or(rest.len());
        let (attribute, after) = rest.split_at(end);
        let (value, after) = match after.strip_prefix('=') {
            Some(after) => cut_value(after),
            None => ("", after),
        };
        attributes.push((attribute.to_lowercase(), decode(value)));
        rest = after;
    }
    pieces.push(Piece::Open(name.clone(), attributes));
    if closed && !VOID.contains(&name.as_str()) {
        pieces.push(Piece::Close(name));
    }
}

fn cut_value(text: &str) -> (&str, &str) {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    match quote {
        Some(quote) => text[1..].split_once(quote).unwrap_or((&text[1..], "")),
        None => text.split_at(text.find(char::is_whitespace).unwrap_or(text.len())),
    }
}

fn value_of<'a>(attributes: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut values = attributes.iter().filter(|(given, _)| given == name);
    values.next().map(|(_, value)| value.as_str())
}

fn decode(text: &str) -> String {
    let mut decoded = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        decoded.push_str(&rest[..start]);
        rest = &rest[start..];
        let name = rest[1..].split(';').next().unwrap_or_default();
        match character(name) {
            Some(character) => {
                decoded.push(character);
                rest = &rest[name.len() + 2..];
            }
            None => {
                decoded.push('&');
                rest = &rest[1..];
            }
        }
    }
    decoded + rest
}

fn character(name: &str) -> Option<char> {
    let number = match (name.strip_prefix("#x"), name.strip_prefix('#')) {
        (Some(hex), _) => u32::from_str_radix(hex, 16).ok()?,
        (None, Some(decimal)) => decimal.parse().ok()?,
        (None, None) => {
            let known = [
                ("lt", '<'),
                ("gt", '>'),
                ("amp", '&'),
                ("quot", '"'),
                ("nbsp", '\u{a0}'),
            ];
            return known
                .into_iter()
                .find(|(given, _)| *given == name)
                .map(|(_, character)| character);
        }
    };
    char::from_u32(number)
}

#[test]
fn a_page_is_taken_apart_as_a_browser_would() {
    let page = Html::of(
        "<!DOCTYPE html><!-- no --><main id=a class='x y'>A &lt;b&gt; &amp;amp; &#39;c&#x27;<br>d\
         <svg><path d=\"M0 > 1\"/></svg></main>\
         <table id=\"t\"><thead><tr><th>h</th></tr></thead><tbody><tr id=\"r\"><td>1</td></tr></tbody></table>\
         <input name=n value=\"&quot;v&quot;\"><input type=radio name=m value=1>\
         <input type=radio name=m value=2 checked>\
         <select name=s><option value=1>x</option><option value=2 selected>y</option></select>",
    );
    assert_eq!(page.id("a").text(), "A <b> &amp; 'c' d");
    assert_eq!(page.id("a").attribute("class"), Some("x y"));
    assert_eq!(page.all("path")[0].attribute("d"), Some("M0 > 1"));
    let rows = page.rows("t");
    assert_eq!((rows.len(), rows[0].attribute("id")), (1, Some("r")));
    for (name, value) in [("n", "\"v\""), ("m", "2"), ("s", "2")] {
        assert_eq!(page.field(name).as_deref(), Some(value));
    }
    assert!(page.find("none").is_none() && page.field("none").is_none());
}

//! Reads members of a JSON object as the types of the API, and says of a wrong one which it is and what it must be.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::domain::json::Json;
use crate::domain::refusal::Refusal;
use crate::policy;

/// The members of one object of a body; `path` names the object, empty for the body itself.
pub struct Fields<'a> {
    path: &'static str,
    members: &'a BTreeMap<String, Json>,
}

impl<'a> Fields<'a> {
    /// The members of a whole body.
    ///
    /// # Errors
    /// [`Refusal::InvalidJson`] when the body is not an object.
    pub fn of_body(body: &'a Json) -> Result<Self, Refusal> {
        match body {
            Json::Object(members) => Ok(Self { path: "", members }),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
                Err(Refusal::InvalidJson {
                    why: "The body must be a JSON object, as {\"amount\": 4990}.".to_owned(),
                })
            }
        }
    }

    /// A member; `null` counts as absent, as clients in languages without optional members send it.
    pub fn get(&self, name: &str) -> Option<&'a Json> {
        self.members.get(name).filter(|value| **value != Json::Null)
    }

    /// Refuses members that mean nothing here: where a mistyped one would do something else than was meant.
    ///
    /// # Errors
    /// [`Refusal::ParameterInvalid`] that names the first of them.
    pub fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        let stray = self
            .members
            .keys()
            .find(|name| !known.contains(&name.as_str()));
        match stray {
            None => Ok(()),
            Some(name) if known.is_empty() => {
                let must = "means nothing here: an empty object is expected.";
                Err(Refusal::invalid(name.clone(), must))
            }
            Some(name) => {
                let must = format!("means nothing here. Known are {}.", known.join(", "));
                Err(Refusal::invalid(name.clone(), must))
            }
        }
    }

    /// The refusal of a member of this object.
    pub fn invalid(&self, name: &'static str, must: impl Into<Cow<'static, str>>) -> Refusal {
        if self.path.is_empty() {
            Refusal::invalid(name, must)
        } else {
            Refusal::invalid(format!("{}.{name}", self.path), must)
        }
    }

    /// An optional string of 1 to `longest` characters.
    ///
    /// # Errors
    /// [`Refusal::ParameterInvalid`]
    pub fn text(&self, name: &'static str, longest: usize) -> Result<Option<String>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::String(text)) if (1..=longest).contains(&text.chars().count()) => {
                Ok(Some(text.clone()))
            }
            Some(_) => Err(self.invalid(
                name,
                format!("must be a string of 1 to {longest} characters."),
            )),
        }
    }

    /// An optional whole number, as it was written: no fraction, no exponent, no string.
    ///
    /// # Errors
    /// [`Refusal::ParameterInvalid`]
    pub fn whole(
        &self,
        name: &'static str,
        allowed: RangeInclusive<u64>,
    ) -> Result<Option<u64>, Refusal> {
        let number = match self.get(name) {
            None => return Ok(None),
            Some(Json::Number(text)) => text.parse().ok(),
            Some(
                Json::Null | Json::Bool(_) | Json::String(_) | Json::Array(_) | Json::Object(_),
            ) => None,
        };
        let number = number.filter(|number| allowed.contains(number));
        number.map(Some).ok_or_else(|| {
            let (least, most) = (allowed.start(), allowed.end());
            self.invalid(
                name,
                format!("must be a whole number from {least} to {most}."),
            )
        })
    }

    /// An optional absolute http or https URL.
    ///
    /// # Errors
    /// [`Refusal::ParameterInvalid`]
    pub fn url(&self, name: &'static str) -> Result<Option<String>, Refusal> {
        let refuse = || {
            self.invalid(
                name,
                "must be an absolute http or https URL, as https://shop.example/paid.",
            )
        };
        let text = self.text(name, policy::URL_MAX).map_err(|_| refuse())?;
        if text.as_deref().is_none_or(is_web_url) {
            Ok(text)
        } else {
            Err(refuse())
        }
    }

    /// An optional object.
    ///
    /// # Errors
    /// [`Refusal::ParameterInvalid`]
    pub fn object(&self, name: &'static str) -> Result<Option<Fields<'a>>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Object(members)) => Ok(Some(Fields {
                path: name,
                members,
            })),
            Some(_) => Err(self.invalid(name, "must be an object.")),
        }
    }

    /// An optional object of strings with bounded names, values and number.
    ///
    /// # Errors
    /// [`Refusal::ParameterInvalid`]
    pub fn metadata(&self, name: &'static str) -> Result<BTreeMap<String, String>, Refusal> {
        let Some(object) = self.object(name)? else {
            return Ok(BTreeMap::new());
        };
        object.check_names(name)?;
        let member = |(member, value): (&String, &Json)| {
            Ok((member.clone(), metadata_value(name, member, value)?))
        };
        object.members.iter().map(member).collect()
    }

    /// The same as a change: `null` takes a name out.
    ///
    /// # Errors
    /// [`Refusal::ParameterInvalid`]
    pub fn metadata_change(
        &self,
        name: &'static str,
    ) -> Result<BTreeMap<String, Option<String>>, Refusal> {
        let Some(object) = self.object(name)? else {
            return Ok(BTreeMap::new());
        };
        object.check_names(name)?;
        let member = |(member, value): (&String, &Json)| {
            let value = (*value != Json::Null).then(|| metadata_value(name, member, value));
            let value = value.transpose()?;
            Ok((member.clone(), value))
        };
        object.members.iter().map(member).collect()
    }

    fn check_names(&self, name: &'static str) -> Result<(), Refusal> {
        if self.members.len() > policy::METADATA_MAX {
            let must = format!("must have at most {} members.", policy::METADATA_MAX);
            return Err(Refusal::invalid(name, must));
        }
        let fits =
            |member: &String| (1..=policy::METADATA_NAME_MAX).contains(&member.chars().count());
        if self.members.keys().all(fits) {
            return Ok(());
        }
        let must = format!(
            "must have names of 1 to {} characters.",
            policy::METADATA_NAME_MAX
        );
        Err(Refusal::invalid(name, must))
    }
}

fn metadata_value(name: &str, member: &str, value: &Json) -> Result<String, Refusal> {
    match value {
        Json::String(text) if text.chars().count() <= policy::METADATA_VALUE_MAX => {
            Ok(text.clone())
        }
        Json::Null
        | Json::Bool(_)
        | Json::Number(_)
        | Json::String(_)
        | Json::Array(_)
        | Json::Object(_) => {
            let must = format!(
                "must be a string of at most {} characters.",
                policy::METADATA_VALUE_MAX
            );
            Err(Refusal::invalid(format!("{name}.{member}"), must))
        }
    }
}

fn is_web_url(text: &str) -> bool {
    // The parser forgives much (`http:shop`, `http:///shop`, line breaks); a URL that is handed to a browser must be whole as it stands.
    let written_whole = ["http://", "https://"].iter().any(|scheme| {
        let (start, rest) = text.split_at_checked(scheme.len()).unwrap_or_default();
        start.eq_ignore_ascii_case(scheme) && !rest.starts_with('/')
    });
    let clean = !text
        .chars()
        .any(|c| c.is_whitespace() || c.is_control() || c == '\\');
    written_whole && clean && url::Url::parse(text).is_ok_and(|url| url.has_host())
}

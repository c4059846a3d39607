//! Rules: which requests a fault is for, how often and with what chance. The chance is a drawing that anybody can
//! repeat: by the rule's seed and the number of requests that matched before.

use std::ops::RangeInclusive;

use super::Fault;
use crate::domain::fields::Fields;
use crate::domain::id::{FaultId, KeyId};
use crate::domain::json::Json;
use crate::domain::refusal::Refusal;
use crate::policy;

/// Paths: one, or all that begin alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern(String);

impl PathPattern {
    /// Reads a path; one that ends in `*` is for all that begin so.
    ///
    /// # Errors
    /// What it must be, as a sentence without its subject.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let is_path = text == "*" || text.starts_with('/');
        if is_path && text.len() <= policy::URL_MAX {
            Ok(Self(text.to_owned()))
        } else {
            Err(
                "must be a path, as /functions/v1/create-session, or the beginning of one and a *, as /functions/v1/*.",
            )
        }
    }

    /// Whether it is for this path, which is without its query.
    pub fn fits(&self, path: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => path.starts_with(beginning),
            None => self.0 == path,
        }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which part of the requests is hit: from 0, none, to 1, all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(f64);

impl Share {
    /// None outside 0 to 1.
    pub fn new(share: f64) -> Option<Self> {
        (0.0..=1.0).contains(&share).then_some(Self(share))
    }

    /// The number.
    pub const fn value(self) -> f64 {
        self.0
    }

    /// Whether the drawing of this number under this seed is a hit. Whatever a smaller share hits, a larger one does.
    pub fn hits(self, seed: u64, number: u64) -> bool {
        let hash = blake3::hash(&[seed.to_be_bytes(), number.to_be_bytes()].concat());
        let drawn = hash.as_bytes()[..8]
            .iter()
            .fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte));
        // 53 bits are what a float holds exactly.
        let drawn = (drawn >> 11) as f64 / (1_u64 << 53) as f64;
        drawn < self.0
    }
}

/// A rule as it is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRule {
    /// What goes wrong.
    pub fault: Fault,
    /// Only for this method.
    pub method: Option<String>,
    /// Only for these paths.
    pub path: Option<PathPattern>,
    /// Only for this key, by its secret or its id.
    pub key: Option<String>,
    /// So often and no more.
    pub times: Option<u32>,
    /// With this chance.
    pub share: Share,
    /// Which drawing.
    pub seed: u64,
}

const TIMES: RangeInclusive<u64> = 1..=u32::MAX as u64;

impl NewRule {
    /// Reads and checks a body.
    ///
    /// # Errors
    /// [`Refusal`] that names the first wrong member.
    pub fn parse(body: &Json) -> Result<Self, Refusal> {
        let fields = Fields::of_body(body)?;
        fields.only(&["fault", "method", "path", "key", "times", "share", "seed"])?;
        let fault = fields
            .text("fault", policy::TEXT_MAX)?
            .ok_or(Refusal::ParameterMissing {
                param: "fault",
                must: "must say what goes wrong, as status=503 or delay=2s.",
            })?;
        let times = fields.whole("times", TIMES)?;
        Ok(Self {
            fault: Fault::parse(&fault).map_err(|must| fields.invalid("fault", must))?,
            method: method(&fields)?,
            path: fields
                .text("path", policy::URL_MAX)?
                .map(|text| PathPattern::parse(&text).map_err(|must| fields.invalid("path", must)))
                .transpose()?,
            key: fields.text("key", policy::TEXT_MAX)?,
            times: times.and_then(|times| u32::try_from(times).ok()),
            share: share(&fields)?,
            seed: fields.whole("seed", 0..=u64::MAX)?.unwrap_or(0),
        })
    }
}

fn method(fields: &Fields<'_>) -> Result<Option<String>, Refusal> {
    const MUST: &str = "must be an HTTP method, as POST.";
    let method = fields.text("method", policy::METHOD_MAX);
    let method = method.map_err(|_| fields.invalid("method", MUST))?;
    match method {
        Some(text) if text.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
            Ok(Some(text.to_ascii_uppercase()))
        }
        Some(_) => Err(fields.invalid("method", MUST)),
        None => Ok(None),
    }
}

fn share(fields: &Fields<'_>) -> Result<Share, Refusal> {
    let share = match fields.get("share") {
        None => Some(Share(1.0)),
        Some(Json::Number(text)) => text.parse().ok().and_then(Share::new),
        Some(Json::Null | Json::Bool(_) | Json::String(_) | Json::Array(_) | Json::Object(_)) => {
            None
        }
    };
    share.ok_or_else(|| fields.invalid("share", "must be a number from 0 to 1, as 0.25."))
}

/// A rule in force, with what it has done so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Names it.
    pub id: FaultId,
    /// What was asked for.
    pub asked: NewRule,
    /// Only for this key.
    pub key: Option<KeyId>,
    /// Requests that it was for.
    pub matched: u64,
    /// Those that it hit.
    pub applied: u64,
}

impl Rule {
    /// A rule that has done nothing yet; `key` is the one that was asked for.
    pub const fn new(id: FaultId, asked: NewRule, key: Option<KeyId>) -> Self {
        Self {
            id,
            asked,
            key,
            matched: 0,
            applied: 0,
        }
    }

    fn is_for(&self, method: &str, path: &str, key: Option<&KeyId>) -> bool {
        let asked = &self.asked;
        asked.method.as_ref().is_none_or(|given| given == method)
            && asked.path.as_ref().is_none_or(|given| given.fits(path))
            && self.key.as_ref().is_none_or(|given| key == Some(given))
    }

    /// Counts a request that it is for; says whether it is hit.
    fn draw(&mut self) -> bool {
        let asked = &self.asked;
        let is_left = asked
            .times
            .is_none_or(|times| self.applied < u64::from(times));
        let is_hit = is_left && asked.share.hits(asked.seed, self.matched);
        self.matched += 1;
        self.applied += u64::from(is_hit);
        is_hit
    }

    /// Nothing came of the last hit, so it does not count as one of so many.
    pub const fn takes_back(&mut self) {
        self.applied = self.applied.saturating_sub(1);
    }
}

/// The fault of the first rule that is for a request and hits it. Rules behind that one are not asked.
pub fn pick(
    rules: &mut [Rule],
    method: &str,
    path: &str,
    key: Option<&KeyId>,
) -> Option<(FaultId, Fault)> {
    rules.iter_mut().find_map(|rule| {
        let is_hit = rule.is_for(method, path, key) && rule.draw();
        is_hit.then_some((rule.id, rule.asked.fault))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::time::Timestamp;

    fn id(number: u64) -> FaultId {
        FaultId::new(Timestamp::from_millis(number), [b'f'; 20])
    }

    fn key(number: u64) -> KeyId {
        KeyId::new(Timestamp::from_millis(number), [b'k'; 20])
    }

    fn rule(body: &str) -> Rule {
        let asked = NewRule::parse(&Json::parse(body.as_bytes()).expect("JSON"));
        Rule::new(id(1), asked.expect("a rule"), None)
    }

    fn refused(body: &str) -> String {
        match NewRule::parse(&Json::parse(body.as_bytes()).expect("JSON")) {
            Err(Refusal::ParameterInvalid { param, .. }) => param.into_owned(),
            Err(Refusal::ParameterMissing { param, .. }) => format!("no {param}"),
            other => format!("{other:?}"),
        }
    }

    fn hits(rule: Rule, requests: usize) -> Vec<bool> {
        let mut rules = [rule];
        (0..requests)
            .map(|_| pick(&mut rules, "POST", "/a", Some(&key(1))).is_some())
            .collect()
    }

    #[test]
    fn a_rule_is_for_what_it_names_and_for_all_where_it_names_nothing() {
        let mut plain = [rule(r#"{"fault":"status=503"}"#)];
        assert!(pick(&mut plain, "GET", "/b", Some(&key(9))).is_some());
        let mut narrow =
            rule(r#"{"fault":"status=503","method":"post","path":"/functions/v1/create-session"}"#);
        narrow.key = Some(key(1));
        let path = "/functions/v1/create-session";
        for (method, path, of, hit) in [
            ("POST", path, key(1), true),
            ("GET", path, key(1), false),
            ("POST", "/functions/v1/create-sessions", key(1), false),
            ("POST", "/functions/v1", key(1), false),
            ("POST", path, key(2), false),
        ] {
            let found = pick(std::slice::from_mut(&mut narrow), method, path, Some(&of));
            assert_eq!(found.is_some(), hit, "{method} {path} {of}");
        }
        assert_eq!((narrow.matched, narrow.applied), (1, 1));
    }

    #[test]
    fn a_star_at_the_end_stands_for_whatever_follows() {
        let fits = |pattern: &str, path: &str| {
            PathPattern::parse(pattern).is_ok_and(|pattern| pattern.fits(path))
        };
        assert!(fits("/functions/v1/*", "/functions/v1/sessions/sess_1"));
        assert!(fits("/functions/v1/*", "/functions/v1/"));
        assert!(!fits("/functions/v1/*", "/functions/v1"));
        assert!(fits("*", "/"));
        assert!(!fits("/a*b", "/axb") && fits("/a*b", "/a*b"));
        assert!(PathPattern::parse("a").is_err() && PathPattern::parse("").is_err());
    }

    #[test]
    fn a_rule_is_over_when_it_has_hit_so_often() {
        let rule = rule(r#"{"fault":"drop-before","times":2}"#);
        assert_eq!(hits(rule, 4), [true, true, false, false]);
    }

    #[test]
    fn the_first_rule_that_hits_is_the_one_and_later_ones_are_not_asked() {
        let mut never = rule(r#"{"fault":"status=500","share":0}"#);
        never.id = id(1);
        let mut once = rule(r#"{"fault":"status=501","times":1}"#);
        once.id = id(2);
        let mut last = rule(r#"{"fault":"status=502"}"#);
        last.id = id(3);
        let mut rules = [never, once, last];
        let mut next = || pick(&mut rules, "GET", "/", Some(&key(1))).map(|(id, _)| id);
        assert_eq!(
            [next(), next(), next()],
            [Some(id(2)), Some(id(3)), Some(id(3))]
        );
        let counts = rules.map(|rule| (rule.matched, rule.applied));
        assert_eq!(counts, [(3, 0), (3, 1), (2, 2)]);
    }

    #[test]
    fn the_drawing_of_a_seed_is_known_for_good() {
        let drawn = |seed: u64| {
            let half = Share::new(0.5).expect("a share");
            let hit = |number| if half.hits(seed, number) { 'x' } else { '.' };
            (0..16).map(hit).collect::<String>()
        };
        // Written down here, since tests of others may rely on it.
        assert_eq!(drawn(0), ".xxx..xxx..xxx..");
        assert_eq!(drawn(1), "x.x.xxx.xxx.x.xx");
    }

    #[test]
    fn a_share_hits_about_that_part() {
        for (share, least, most) in [(0.1, 900, 1_100), (0.5, 4_850, 5_150), (0.9, 8_900, 9_100)] {
            let share = Share::new(share).expect("a share");
            let hit = (0..10_000).filter(|number| share.hits(7, *number)).count();
            assert!((least..=most).contains(&hit), "{hit} of {share:?}");
        }
    }

    proptest! {
        #[test]
        fn a_larger_share_hits_whatever_a_smaller_one_does(
            one in 0.0..=1.0_f64, other in 0.0..=1.0_f64, seed in any::<u64>(), number in any::<u64>(),
        ) {
            let (small, large) = (Share(one.min(other)), Share(one.max(other)));
            prop_assert!(!small.hits(seed, number) || large.hits(seed, number));
            prop_assert!(Share(1.0).hits(seed, number) && !Share(0.0).hits(seed, number));
        }

        #[test]
        fn rules_of_one_seed_hit_alike_and_never_more_often_than_they_may(
            share in 0.0..=1.0_f64, seed in any::<u64>(), times in 1_u32..20, requests in 0_usize..60,
        ) {
            let body = format!(r#"{{"fault":"status=503","share":{share},"seed":{seed}}}"#);
            let all = hits(rule(&body), requests);
            prop_assert_eq!(&all, &hits(rule(&body), requests));
            let mut few = rule(&body);
            few.asked.times = Some(times);
            let few = hits(few, requests);
            let first: usize = all.iter().filter(|hit| **hit).count().min(times as usize);
            prop_assert_eq!(few.iter().filter(|hit| **hit).count(), first);
            prop_assert!(few.iter().zip(&all).all(|(few, all)| !few || *all));
        }
    }

    #[test]
    fn a_wrong_member_is_named() {
        for (body, param) in [
            ("{}", "no fault"),
            (r#"{"fault":"nonsense"}"#, "fault"),
            (r#"{"fault":503}"#, "fault"),
            (r#"{"fault":"status=503","method":"P T"}"#, "method"),
            (r#"{"fault":"status=503","method":7}"#, "method"),
            (r#"{"fault":"status=503","path":"create"}"#, "path"),
            (r#"{"fault":"status=503","times":0}"#, "times"),
            (r#"{"fault":"status=503","times":1.5}"#, "times"),
            (r#"{"fault":"status=503","times":"1"}"#, "times"),
            (r#"{"fault":"status=503","times":4294967296}"#, "times"),
            (r#"{"fault":"status=503","share":1.1}"#, "share"),
            (r#"{"fault":"status=503","share":-0.1}"#, "share"),
            (r#"{"fault":"status=503","share":"1"}"#, "share"),
            (r#"{"fault":"status=503","share":1e999}"#, "share"),
            (r#"{"fault":"status=503","seed":-1}"#, "seed"),
        ] {
            assert_eq!(refused(body), param, "{body}");
        }
    }
}

//! What is counted while the server runs, and its text for Prometheus. Names and labels are looked at once, at the
//! start: whoever counts has a place in an array, so that counting looks nothing up and waits for nobody.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::proto::{LabelPair, Metric, MetricType};
use prometheus::{Error, HistogramOpts, HistogramVec, IntCounterVec, Opts, TextEncoder};

pub use prometheus::proto::MetricFamily as Family;

/// What [`text`] is.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Counters of one name, each at a place.
pub struct Counters {
    all: IntCounterVec,
    places: Vec<prometheus::IntCounter>,
}

/// Histograms of one name, each at a place.
pub struct Histograms {
    all: HistogramVec,
    places: Vec<prometheus::Histogram>,
}

impl Counters {
    /// Counters at nought, in the order of their labels' values.
    ///
    /// # Errors
    /// One line, when a name can't be one.
    pub fn new<const LABELS: usize>(
        name: &str,
        help: &str,
        labels: [&str; LABELS],
        values: impl IntoIterator<Item = [&'static str; LABELS]>,
    ) -> Result<Self, String> {
        let all = IntCounterVec::new(Opts::new(name, help), &labels).map_err(unnamed)?;
        let places = values
            .into_iter()
            .map(|values| all.get_metric_with_label_values(&values).map_err(unnamed));
        let places = places.collect::<Result<_, _>>()?;
        Ok(Self { all, places })
    }

    /// One counter, at place 0.
    ///
    /// # Errors
    /// As [`Counters::new`].
    pub fn single(name: &str, help: &str) -> Result<Self, String> {
        Self::new(name, help, [], [[]])
    }

    /// Counts so many at a place.
    pub fn add(&self, place: usize, count: usize) {
        if let Some(counter) = self.places.get(place) {
            counter.inc_by(count as u64);
        }
    }

    /// What they stand at.
    pub fn families(&self) -> Vec<Family> {
        self.all.collect()
    }
}

impl Histograms {
    /// Empty histograms, in the order of their labels' values.
    ///
    /// # Errors
    /// One line, when a name can't be one.
    pub fn new<const LABELS: usize>(
        name: &str,
        help: &str,
        labels: [&str; LABELS],
        values: impl IntoIterator<Item = [&'static str; LABELS]>,
        bounds: &[f64],
    ) -> Result<Self, String> {
        let options = HistogramOpts::new(name, help).buckets(bounds.to_vec());
        let all = HistogramVec::new(options, &labels).map_err(unnamed)?;
        let places = values
            .into_iter()
            .map(|values| all.get_metric_with_label_values(&values).map_err(unnamed));
        let places = places.collect::<Result<_, _>>()?;
        Ok(Self { all, places })
    }

    /// One histogram, at place 0.
    ///
    /// # Errors
    /// As [`Histograms::new`].
    pub fn single(name: &str, help: &str, bounds: &[f64]) -> Result<Self, String> {
        Self::new(name, help, [], [[]], bounds)
    }

    /// Takes in a length of time.
    pub fn took(&self, place: usize, time: Duration) {
        self.observe(place, time.as_secs_f64());
    }

    /// Takes in a value.
    pub fn observe(&self, place: usize, value: f64) {
        if let Some(histogram) = self.places.get(place) {
            histogram.observe(value);
        }
    }

    /// What they stand at.
    pub fn families(&self) -> Vec<Family> {
        self.all.collect()
    }
}

fn unnamed(error: Error) -> String {
    format!("a metric can't be made: {error}")
}

/// A value that goes up and down, as it is now.
pub fn gauge(name: &str, help: &str, value: f64) -> Family {
    gauges(name, help, [], [([], value)])
}

/// Such values of one name, each with its labels.
pub fn gauges<const LABELS: usize>(
    name: &str,
    help: &str,
    labels: [&str; LABELS],
    values: impl IntoIterator<Item = ([&'static str; LABELS], f64)>,
) -> Family {
    let metric = |(own, value)| {
        let own: [&str; LABELS] = own;
        let pair = |(name, value): (&&str, &str)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value(value.to_owned());
            pair
        };
        let mut metric = Metric::from_label(labels.iter().zip(own).map(pair).collect());
        let mut gauge = prometheus::proto::Gauge::default();
        gauge.set_value(value);
        metric.set_gauge(gauge);
        metric
    };
    family(
        name,
        help,
        MetricType::GAUGE,
        values.into_iter().map(metric).collect(),
    )
}

/// A counter that somebody else keeps, as it is now.
pub fn counted(name: &str, help: &str, value: f64) -> Family {
    let mut counter = prometheus::proto::Counter::default();
    counter.set_value(value);
    let mut metric = Metric::from_label(Vec::new());
    metric.set_counter(counter);
    family(name, help, MetricType::COUNTER, vec![metric])
}

fn family(name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) -> Family {
    let mut family = Family::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

/// All of them as Prometheus reads them, by name.
pub fn text(mut families: Vec<Family>) -> String {
    // One of which there is nothing to tell is none.
    families.retain(|family| !family.get_metric().is_empty());
    families.sort_by(|one, other| one.name().cmp(other.name()));
    let mut text = String::new();
    if let Err(error) = TextEncoder::new().encode_utf8(&families, &mut text) {
        log::error!("the metrics could not be written: {error}");
    }
    text
}

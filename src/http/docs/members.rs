//! The members of an object, as rows of a table. Objects within are laid out under their path, as `customer.email`.

use maud::{Markup, html};
use serde_json::Value;

use super::document::{Document, entries, is_set, list, schema_name, text};
use super::prose::inline;
use super::types::{limits, type_of};

/// Objects within objects that are laid out.
const DEPTH_MAX: usize = 4;
/// Schemas that are looked at for one table.
const SCHEMAS_MAX: usize = 2_000;
/// Rows of a table; what a schema has beyond is left out.
const ROWS_MAX: usize = 200;

/// A row of a table of members or parameters.
pub(super) struct Row<'a> {
    /// Its name or path.
    pub(super) name: String,
    /// Where a parameter stands: `path`, `query`, `header`.
    pub(super) place: Option<&'a str>,
    /// What it must be.
    pub(super) schema: &'a Value,
    /// Whether it must be there.
    pub(super) is_required: bool,
    /// What it means.
    pub(super) description: Option<&'a str>,
}

/// The members that objects of this schema have.
pub(super) fn rows<'a>(document: Document<'a>, schema: &'a Value) -> Vec<Row<'a>> {
    let mut table = Collector {
        document,
        rows: Vec::new(),
        left: SCHEMAS_MAX,
    };
    table.collect(schema, "", 0);
    table.rows
}

struct Collector<'a> {
    document: Document<'a>,
    rows: Vec<Row<'a>>,
    left: usize,
}

impl<'a> Collector<'a> {
    fn collect(&mut self, schema: &'a Value, path: &str, depth: usize) {
        let schema = self.document.resolve(schema);
        if depth > DEPTH_MAX || self.left == 0 {
            return;
        }
        self.left -= 1;
        for part in list(schema, "allOf") {
            self.collect(part, path, depth + 1);
        }
        let required: Vec<&str> = list(schema, "required").filter_map(Value::as_str).collect();
        let is_required = |name: &str| required.contains(&name);
        let (first, rest): (Vec<_>, Vec<_>) =
            entries(schema, "properties").partition(|(name, _)| is_required(name));
        for (name, member) in first.into_iter().chain(rest) {
            let target = self.document.resolve(member);
            let description = text(member, "description").or(text(target, "description"));
            let path = format!("{path}{name}");
            self.push(&path, member, is_required(name), description);
            self.lay_out(member, &path, depth);
        }
        let others = schema
            .get("additionalProperties")
            .filter(|others| others.is_object());
        if let Some(others) = others {
            let description = text(others, "description").or(Some("Any other name."));
            self.push(&format!("{path}*"), others, false, description);
        }
    }

    fn push(
        &mut self,
        path: &str,
        schema: &'a Value,
        is_required: bool,
        description: Option<&'a str>,
    ) {
        if self.rows.len() < ROWS_MAX {
            self.rows.push(Row {
                name: path.to_owned(),
                place: None,
                schema,
                is_required,
                description,
            });
        }
    }

    /// The members of what stands in a member itself. What is a reference has a place of its own.
    fn lay_out(&mut self, member: &'a Value, path: &str, depth: usize) {
        if schema_name(member).is_some() {
            return;
        }
        self.collect(member, &format!("{path}."), depth + 1);
        let items = member
            .get("items")
            .filter(|items| schema_name(items).is_none());
        if let Some(items) = items {
            self.collect(items, &format!("{path}[]."), depth + 1);
        }
    }
}

/// The parameters of an operation, references followed.
pub(super) fn of_parameters<'a>(document: Document<'a>, parameters: &[&'a Value]) -> Vec<Row<'a>> {
    let row = |parameter: &&'a Value| {
        Some(Row {
            name: text(parameter, "name")?.to_owned(),
            place: text(parameter, "in"),
            schema: parameter.get("schema").unwrap_or(&Value::Null),
            is_required: is_set(parameter, "required"),
            description: text(parameter, "description")
                .or_else(|| text(document.member(parameter, "schema")?, "description")),
        })
    };
    parameters.iter().take(ROWS_MAX).filter_map(row).collect()
}

/// The table of these rows; nothing when there are none.
pub(super) fn table(caption: &str, rows: &[Row<'_>]) -> Markup {
    let has_places = rows.iter().any(|row| row.place.is_some());
    html! {
        @if !rows.is_empty() {
            table.members {
                caption.unseen { (caption) }
                thead {
                    tr {
                        th scope="col" { "Name" }
                        @if has_places { th scope="col" { "In" } }
                        th scope="col" { "Type" }
                        th scope="col" { "Required" }
                        th scope="col" { "Description" }
                    }
                }
                tbody { @for row in rows { (table_row(row, has_places)) } }
            }
        }
    }
}

fn table_row(row: &Row<'_>, has_places: bool) -> Markup {
    let presence = if row.is_required {
        "required"
    } else {
        "optional"
    };
    let limits = limits(row.schema);
    html! {
        tr {
            th scope="row" { code { (row.name) } }
            @if has_places { td { (row.place.unwrap_or_default()) } }
            td { (type_of(row.schema)) }
            td { span.(presence) { (presence) } }
            td {
                @if let Some(text) = row.description { (inline(text)) }
                @if !limits.is_empty() {
                    small { @for (at, limit) in limits.iter().enumerate() { @if at > 0 { "; " } (limit) } }
                }
            }
        }
    }
}

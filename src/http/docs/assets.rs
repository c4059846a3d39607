//! Style and icon of the reference: the Dashboard's, and what the reference adds. They hold no data, so anybody may have
//! them.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::domain::refusal::Refusal;
use crate::http::assets::{Asset, send};
use crate::http::dashboard;

const ASSETS: [Asset; 3] = [
    dashboard::assets::STYLE,
    dashboard::assets::ICON,
    Asset::style("docs.css", include_str!("assets/docs.css")),
];

/// `GET /docs/assets/{name}`
pub(in crate::http) async fn asset(
    request: HttpRequest,
    name: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    send(&ASSETS, &name, &request)
}

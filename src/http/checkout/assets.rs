//! Style and icon of the buyer's page. They hold no data, so anybody may have them.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::domain::refusal::Refusal;
use crate::http::assets::{Asset, send};

const ASSETS: [Asset; 2] = [
    Asset::style("checkout.css", include_str!("assets/checkout.css")),
    Asset::drawing("icon.svg", include_str!("assets/icon.svg")),
];

/// `GET /pay/assets/{name}`
pub(in crate::http) async fn asset(
    request: HttpRequest,
    name: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    send(&ASSETS, &name, &request)
}

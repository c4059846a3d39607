//! Style, script and icon of the Dashboard. They hold no data, so anybody may have them.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::domain::refusal::Refusal;
use crate::http::assets::{Asset, send};

/// The style sheet, which the reference of the API builds on.
pub(in crate::http) const STYLE: Asset =
    Asset::style("atlas.css", include_str!("assets/atlas.css"));

/// The icon, which the reference shows too.
pub(in crate::http) const ICON: Asset = Asset::drawing("icon.svg", include_str!("assets/icon.svg"));

const ASSETS: [Asset; 3] = [
    STYLE,
    Asset::script("atlas.js", include_str!("assets/atlas.js")),
    ICON,
];

/// `GET /dashboard/assets/{name}`
pub(super) async fn asset(
    request: HttpRequest,
    name: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    send(&ASSETS, &name, &request)
}

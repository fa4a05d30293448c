//! Routes that a framework or a browser asks for without the app naming them.

use std::time::Duration;

use palisade_event::Kind;

use crate::model::{Framework, Limit, Route, RouteSource};

/// The routes of a framework. A path that the app declares itself is left to the app (see the builder).
///
/// Source: the URLs of Next.js 16 (`.next/routes-manifest.json`); `/_next/image` resizes on request, which costs.
pub(crate) fn routes(framework: Option<Framework>) -> Vec<Route> {
    let Some(Framework::NextJs) = framework else { return Vec::new() };
    let mut image = Route::new("/_next/image", Kind::PublicRead);
    image.limit = Some(Limit { count: 300, window: Duration::from_secs(60) });
    let files = ["/_next/static/{*rest}", "/favicon.ico", "/robots.txt", "/sitemap.xml"];
    let mut routes: Vec<Route> = files.into_iter().map(|path| Route::new(path, Kind::Static)).collect();
    routes.push(image);
    for route in &mut routes {
        route.source = RouteSource::Preset;
    }
    routes
}

//! Routes that a framework or a browser asks for without the app naming them.

use std::time::Duration;

use palisade_event::Kind;

use crate::model::{Framework, Limit, Method, Methods, Route, RouteSource, Service};

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

/// Clerk's frontend API and scripts, where the app serves them under its own origin (`proxyUrl`; automatic for
/// deployments under `*.vercel.app`). Clerk limits and authenticates what arrives there.
pub(crate) fn service_routes(services: &[Service]) -> Vec<Route> {
    if !services.contains(&Service::Clerk) {
        return Vec::new();
    }
    let methods = [Method::Get, Method::Post, Method::Put, Method::Patch, Method::Delete];
    let methods = methods.into_iter().fold(Methods::NONE, Methods::with);
    vec![Route { methods, source: RouteSource::Preset, ..Route::new("/__clerk/{*rest}", Kind::Delegated) }]
}

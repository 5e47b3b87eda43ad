//! The status page.

use hyper::HeaderMap;

use crate::report::GatewayReport;

/// The whole page.
pub(crate) fn page(report: &GatewayReport) -> String {
    content(report)
}

/// What of it changes.
pub(crate) fn content(_report: &GatewayReport) -> String {
    String::new()
}

/// Of the answer that carries it.
pub(crate) fn headers() -> HeaderMap {
    HeaderMap::new()
}

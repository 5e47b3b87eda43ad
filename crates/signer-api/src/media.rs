//! Content types: JSON, BSON and octet-stream, as octez negotiates them (resto's `media_type.ml`).

use hyper::HeaderMap;
use hyper::header::{ACCEPT, CONTENT_TYPE};

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// Text. What is not said is this.
    Json,
    /// JSON's values in binary.
    Bson,
    /// The binary form of each value behind its length in bytes, four of them, big-endian.
    OctetStream,
}

impl Media {
    /// The first one is preferred.
    pub(crate) const ALL: [Media; 3] = [Media::Json, Media::Bson, Media::OctetStream];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Media::Json => "application/json",
            Media::Bson => "application/bson",
            Media::OctetStream => "application/octet-stream",
        }
    }

    /// How the body of a request is written: said letter by letter, for octez takes no parameters, or not said at all.
    /// None when it cannot be read.
    #[must_use]
    pub fn of_body(headers: &HeaderMap) -> Option<Media> {
        let Some(value) = headers.get(CONTENT_TYPE) else { return Some(Media::Json) };
        Media::ALL.into_iter().find(|media| media.name().as_bytes() == value.as_bytes())
    }

    /// How the answer is written: what the client likes best, and of those what comes first here. None when it takes
    /// none of them.
    #[must_use]
    pub fn accepted(headers: &HeaderMap) -> Option<Media> {
        if !headers.contains_key(ACCEPT) {
            return Some(Media::Json);
        }
        let values = headers.get_all(ACCEPT).iter();
        let texts = values.flat_map(|value| value.to_str().unwrap_or_default().split(','));
        let wanted = texts.map(Range::parse).filter(|range| range.quality > 0.0);
        let media = wanted.filter_map(|range| Some((range.quality, range.first_media()?)));
        let best = media.reduce(|best, next| if next.0 > best.0 { next } else { best });
        best.map(|(_, media)| media)
    }
}

/// A part of `Accept` (RFC 9110, section 12.5.1).
struct Range<'a> {
    name: &'a str,
    /// 0 to 1; 0 is "not this".
    quality: f32,
}

impl Range<'_> {
    fn parse(text: &str) -> Range<'_> {
        let mut parts = text.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok());
        Range { name, quality: quality.filter(|quality: &f32| !quality.is_nan()).unwrap_or(1.0) }
    }

    fn first_media(&self) -> Option<Media> {
        let is_any = matches!(self.name, "*/*" | "application/*");
        Media::ALL.into_iter().find(|media| is_any || self.name == media.name())
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn accepted(values: &[&'static str]) -> Option<Media> {
        let values = values.iter().map(|value| (ACCEPT, HeaderValue::from_static(value)));
        Media::accepted(&values.collect())
    }

    #[test]
    fn what_the_client_likes_best_is_written() {
        for (values, media) in [
            (&[][..], Some(Media::Json)),
            (&["*/*"], Some(Media::Json)),
            (&["application/octet-stream"], Some(Media::OctetStream)),
            (&["application/json;q=0.1, application/octet-stream;q=0.9"], Some(Media::OctetStream)),
            (&["application/bson", "application/octet-stream"], Some(Media::Bson)),
            (&["text/html, */*;q=0.1"], Some(Media::Json)),
            (&["application/json;q=0, application/bson;q=0.5"], Some(Media::Bson)),
            (&["application/octet-stream;q=nan"], Some(Media::OctetStream)),
            (&["text/html"], None),
            (&["application/json;q=0"], None),
            (&[""], None),
        ] {
            assert_eq!(accepted(values), media, "{values:?}");
        }
        let octez =
            "application/json;q=1,application/bson;q=0.100,application/octet-stream;q=0.200";
        assert_eq!(accepted(&[octez]), Some(Media::Json));
    }
}

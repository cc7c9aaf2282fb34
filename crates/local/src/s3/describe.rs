//! What a client says about an object, to be told again later. Pure.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{
    error::{ApiError, Code},
    head::Head,
    query::Query,
    store::record::Description,
};

/// S3's most metadata, names and values together.
const METADATA_BYTES_MAX: usize = 2048;
/// S3's type of an object that nobody gave one.
const TYPE_DEFAULT: &str = "binary/octet-stream";
const METADATA_PREFIX: &str = "x-amz-meta-";
/// The headers that are kept as they are, and the parameters that replace them in an answer.
const KEPT: [(&str, &str); 6] = [
    ("content-type", "response-content-type"),
    ("content-encoding", "response-content-encoding"),
    ("content-language", "response-content-language"),
    ("content-disposition", "response-content-disposition"),
    ("cache-control", "response-cache-control"),
    ("expires", "response-expires"),
];

impl Description {
    /// Only a type.
    pub(crate) fn of_type(content_type: &str) -> Description {
        let headers = [("content-type".to_owned(), content_type.to_owned())].into();
        Description { headers, ..Description::default() }
    }

    /// What the headers of a request say.
    ///
    /// # Errors
    ///
    /// When it is too much.
    pub(crate) fn of(head: &Head) -> Result<Description, ApiError> {
        let mut description = Description::default();
        for (name, _) in KEPT {
            let value = head.header(name).map(|value| match name {
                "content-encoding" => without_chunks(value),
                _ => value.to_owned(),
            });
            if let Some(value) = value.filter(|it| !it.is_empty()) {
                description.headers.insert(name.to_owned(), value);
            }
        }
        let mut n_bytes = 0;
        for name in head.headers.keys() {
            let Some(short) = name.as_str().strip_prefix(METADATA_PREFIX) else { continue };
            // A header may come several times.
            let values = head.headers.get_all(name).iter();
            let values: Vec<_> =
                values.filter_map(|it| std::str::from_utf8(it.as_bytes()).ok()).collect();
            let value = values.join(",");
            n_bytes += short.len() + value.len();
            description.metadata.insert(short.to_owned(), value);
        }
        if METADATA_BYTES_MAX < n_bytes {
            return Err(Code::MetadataTooLarge
                .about("Size", n_bytes.to_string())
                .with("MaxSizeAllowed", METADATA_BYTES_MAX.to_string()));
        }
        Ok(description)
    }

    /// Adds it to the headers of an answer. A presigned address may ask for others.
    pub(crate) fn tell(&self, query: &Query, headers: &mut HeaderMap) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(TYPE_DEFAULT));
        let kept = self.headers.iter().map(|(name, value)| (name.clone(), value.as_str()));
        let metadata = self.metadata.iter();
        let metadata = metadata.map(|(name, it)| (format!("{METADATA_PREFIX}{name}"), it.as_str()));
        let asked = KEPT
            .iter()
            .filter_map(|(name, parameter)| Some(((*name).to_owned(), query.filled(parameter)?)));
        for (name, value) in kept.chain(metadata).chain(asked) {
            // The file beside the object may have been edited; a parameter may hold anything.
            let name = HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
                headers.insert(name, value);
            }
        }
    }
}

/// An encoding is the object's own but for the one of its way here.
fn without_chunks(encoding: &str) -> String {
    let encodings = encoding.split(',').map(str::trim);
    let own: Vec<_> =
        encodings.filter(|it| !it.eq_ignore_ascii_case("aws-chunked") && !it.is_empty()).collect();
    own.join(",")
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    #[test]
    fn an_object_keeps_what_was_said_about_it() {
        let head = head(&[
            ("content-type", "application/json"),
            ("content-encoding", "aws-chunked, gzip"),
            ("x-amz-meta-author", "Dan Brown"),
            ("x-amz-meta-author", "Émile"),
            ("x-amz-date", "20261122T100000Z"),
        ]);
        let description = Description::of(&head).unwrap();
        let mut headers = HeaderMap::new();
        let query = Query::parse("response-content-type=text/plain&response-expires=%0A").unwrap();
        description.tell(&query, &mut headers);
        for (name, value, when) in [
            ("content-type", "text/plain", "asked for"),
            ("content-encoding", "gzip", "without the way"),
            ("x-amz-meta-author", "Dan Brown,Émile", "both"),
        ] {
            assert_eq!(headers[name], HeaderValue::from_bytes(value.as_bytes()).unwrap(), "{when}");
        }
        assert_eq!(headers.len(), 3);
    }

    #[test]
    fn metadata_has_a_limit() {
        let text = "x".repeat(METADATA_BYTES_MAX - 1);
        assert!(Description::of(&head(&[("x-amz-meta-a", &text)])).is_ok());
        let error = Description::of(&head(&[("x-amz-meta-ab", &text)])).unwrap_err();
        assert!(error.is(Code::MetadataTooLarge));
    }

    fn head(headers: &[(&'static str, &str)]) -> Head {
        let mut request = Request::builder().uri("/books/a");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Head::of(&request.body(()).unwrap().into_parts().0).unwrap()
    }
}

//! The two answers of S3 that we read: a listing, an error. Pure.

use quick_xml::{Reader, events::Event};

use super::{Object, ObjectPage};

/// A `ListBucketResult`; `None` when it is none.
pub(super) fn listing(body: &[u8]) -> Option<ObjectPage> {
    let (mut page, mut object) = (ObjectPage::default(), None::<Object>);
    let mut is_listing = false;
    walk(body, |path, text| match (path, text) {
        ([root], None) if root == "ListBucketResult" => is_listing = true,
        ([_, name], Some(text)) if name == "NextContinuationToken" => {
            page.next.get_or_insert_default().push_str(text);
        }
        ([_, contents], None) if contents == "Contents" => {
            page.objects.extend(object.replace(Object {
                key: String::new(),
                size: 0,
                etag: String::new(),
                last_modified: String::new(),
            }));
        }
        ([_, contents, name], Some(text)) if contents == "Contents" => {
            let Some(object) = &mut object else { return };
            match name.as_str() {
                "Key" => object.key.push_str(text),
                "Size" => object.size = text.trim().parse().unwrap_or(0),
                "ETag" => object.etag.push_str(text.trim_matches('"')),
                "LastModified" => object.last_modified.push_str(text),
                _ => {}
            }
        }
        _ => {}
    })?;
    page.objects.extend(object);
    is_listing.then_some(page)
}

/// The code and message of an `Error`; `None` when it is none.
pub(super) fn refusal(body: &[u8]) -> Option<(String, String)> {
    let (mut code, mut message) = (String::new(), String::new());
    walk(body, |path, text| {
        if let ([error, name], Some(text)) = (path, text)
            && error == "Error"
        {
            match name.as_str() {
                "Code" => code.push_str(text),
                "Message" => message.push_str(text),
                _ => {}
            }
        }
    })?;
    (!code.is_empty()).then_some((code, message))
}

/// Calls `visit` with the path of each element that begins, and with its text, in pieces. `None`
/// when `body` is no XML.
fn walk(body: &[u8], mut visit: impl FnMut(&[String], Option<&str>)) -> Option<()> {
    let text = std::str::from_utf8(body).ok()?;
    let mut reader = Reader::from_str(text);
    let mut path: Vec<String> = Vec::new();
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) => {
                path.push(tag.local_name().as_ref().to_owned());
                visit(&path, None);
            }
            Event::End(_) => {
                path.pop()?;
            }
            Event::Text(text) => visit(&path, Some(&text)),
            Event::GeneralRef(name) => {
                let text = match name.resolve_char_ref().ok()? {
                    Some(letter) => letter.to_string(),
                    None => quick_xml::escape::resolve_predefined_entity(&name)?.to_owned(),
                };
                visit(&path, Some(&text));
            }
            Event::Eof => return path.is_empty().then_some(()),
            _ => {}
        }
    }
}

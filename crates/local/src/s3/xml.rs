//! The small XML documents of S3: written piece by piece, read into a tree. Pure.

use quick_xml::{Reader, escape::resolve_predefined_entity, events::Event};

use super::error::{ApiError, Code};

/// What S3's own documents are made of.
pub(crate) const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
/// No document that S3 takes is deeper.
const DEPTH_MAX: usize = 8;
/// Ten thousand parts with a number, an etag and a checksum, and room to spare.
const ELEMENTS_MAX: usize = 100_000;

/// A document on the way.
#[derive(Debug)]
pub(crate) struct Writer {
    out: String,
}

impl Writer {
    pub(crate) fn new() -> Writer {
        Writer { out: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned() }
    }

    /// A document whose root lies in S3's namespace.
    pub(crate) fn document(root: &str) -> Writer {
        let mut writer = Writer::new();
        writer.push(&["<", root, " xmlns=\"", NAMESPACE, "\">"]);
        writer
    }

    pub(crate) fn open(&mut self, element: &str) {
        self.push(&["<", element, ">"]);
    }

    pub(crate) fn close(&mut self, element: &str) {
        self.push(&["</", element, ">"]);
    }

    /// An element that holds only text.
    pub(crate) fn text(&mut self, element: &str, text: &str) {
        self.open(element);
        self.content(text);
        self.close(element);
    }

    /// Text inside the element that is open.
    pub(crate) fn content(&mut self, text: &str) {
        for letter in text.chars() {
            match letter {
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '&' => self.out.push_str("&amp;"),
                '"' => self.out.push_str("&quot;"),
                // XML 1.0 cannot hold most of these, even so; clients that have such keys ask
                // for `encoding-type=url`.
                _ if letter.is_ascii_control() => {
                    self.push(&["&#", &u32::from(letter).to_string(), ";"]);
                }
                _ => self.out.push(letter),
            }
        }
    }

    /// An element that is there only if there is something to say.
    pub(crate) fn maybe(&mut self, element: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(element, text);
        }
    }

    pub(crate) fn number(&mut self, element: &str, number: impl std::fmt::Display) {
        self.text(element, &number.to_string());
    }

    pub(crate) fn finish(self) -> String {
        self.out
    }

    fn push(&mut self, parts: &[&str]) {
        self.out.extend(parts.iter().copied());
    }
}

/// An element that was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    /// Without its namespace.
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// Reads a document with this root.
    ///
    /// # Errors
    ///
    /// When it is not well-formed, another document, or beyond any bounds.
    pub(crate) fn read(document: &str, root: &str) -> Result<Element, ApiError> {
        let element = read(document)?;
        if element.name == root {
            return Ok(element);
        }
        Err(Code::MalformedXml
            .because(format!("expected a document `{root}`, found `{}`", element.name)))
    }

    pub(crate) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|it| it.name == name)
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |it| it.name == name)
    }

    /// The text of a child.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|it| it.text.as_str())
    }
}

fn read(document: &str) -> Result<Element, ApiError> {
    let malformed = |what: &str| Code::MalformedXml.because(format!("malformed XML: {what}"));
    let mut reader = Reader::from_str(document);
    reader.config_mut().expand_empty_elements = true;
    // The elements around the place that is read, outermost first, under one that is not there.
    let mut open = vec![Element::default()];
    let mut n_elements = 0;
    loop {
        let event = reader.read_event().map_err(|it| malformed(&it.to_string()))?;
        let here = open.last_mut().expect("the outermost is never closed");
        match event {
            Event::Start(start) => {
                n_elements += 1;
                if ELEMENTS_MAX < n_elements || DEPTH_MAX < open.len() {
                    return Err(malformed("too many elements"));
                }
                let name = start.local_name().as_ref().to_owned();
                open.push(Element { name, ..Element::default() });
            }
            Event::End(_) => {
                let child = open.pop().expect("the reader pairs tags");
                let Some(parent) = open.last_mut() else { return Err(malformed("a lost tag")) };
                parent.children.push(child);
            }
            Event::Text(text) => here.text.push_str(&text.xml10_content()),
            Event::CData(text) => here.text.push_str(&text.xml10_content()),
            Event::GeneralRef(reference) => {
                let letter =
                    reference.resolve_char_ref().map_err(|it| malformed(&it.to_string()))?;
                match (letter, resolve_predefined_entity(&reference)) {
                    (Some(letter), _) => here.text.push(letter),
                    (None, Some(text)) => here.text.push_str(text),
                    (None, None) => return Err(malformed("an unknown entity")),
                }
            }
            Event::DocType(_) => return Err(malformed("a document type is not taken")),
            Event::Eof => break,
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
    let nothing = Element::default();
    match (open.pop(), open.is_empty()) {
        (Some(mut outside), true) if outside.children.len() == 1 => {
            Ok(outside.children.pop().unwrap_or(nothing))
        }
        _ => Err(malformed("it has no end")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_a_document() {
        let document = r#"<?xml version="1.0"?>
            <s3:Delete xmlns:s3="http://s3.amazonaws.com/doc/2006-03-01/">
              <s3:Quiet>true</s3:Quiet>
              <Object><Key>a&amp;b&#x20;&#233;</Key></Object><!-- and -->
              <Object><Key><![CDATA[<c>]]></Key></Object>
              <Nothing/>
            </s3:Delete>"#;
        let root = Element::read(document, "Delete").unwrap();
        assert_eq!(root.text_of("Quiet"), Some("true"));
        assert_eq!(root.text_of("Nothing"), Some(""));
        let keys: Vec<_> = root.all("Object").filter_map(|it| it.text_of("Key")).collect();
        assert_eq!(keys, ["a&b é", "<c>"]);
    }

    #[test]
    fn refuses_what_is_no_document() {
        for (document, when) in [
            ("", "nothing"),
            ("plain", "no element"),
            ("<Delete>", "no end"),
            ("<Delete></Other>", "another end"),
            ("</Delete>", "only an end"),
            ("<Delete/><Delete/>", "two roots"),
            ("<Other/>", "another document"),
            ("<Delete>&lol;</Delete>", "an entity of its own"),
            ("<!DOCTYPE Delete><Delete/>", "a document type"),
            (&"<Delete>".repeat(20), "too deep"),
            (&format!("<Delete>{}</Delete>", "<a/>".repeat(ELEMENTS_MAX)), "too many"),
        ] {
            assert!(Element::read(document, "Delete").is_err(), "{when}");
        }
    }

    proptest! {
        /// Text comes back as it was written, and no document makes the reader panic.
        #[test]
        fn reading_undoes_writing(text in any::<String>()) {
            let mut out = Writer::document("Root");
            out.text("Text", &text);
            out.close("Root");
            let text = text.replace('\0', "");
            if let Ok(root) = Element::read(&out.finish(), "Root") {
                prop_assert_eq!(root.text_of("Text"), Some(text.as_str()));
            }
            let _ = read(&text);
        }

        #[test]
        fn takes_almost_documents(text in "(<|>|/|&|;|#|!|\\[|\\]|CDATA|--|a|\"|=| ){0,30}") {
            let _ = read(&text);
        }
    }
}

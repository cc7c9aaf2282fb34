//! Stand-in until the language lands: literals and `${getMetadata("name")}`.
use pipeline::Event;
/// A text with one placeholder at most.
#[derive(Debug, Clone)]
pub struct Template {
    literal: Option<String>,
    metadata: Option<String>,
}
impl Template {
    /// Parses.
    ///
    /// # Errors
    ///
    /// When it is more than this stand-in knows.
    pub fn parse(text: &str) -> Result<Template, String> {
        if let Some(name) =
            text.strip_prefix("${getMetadata(\"").and_then(|it| it.strip_suffix("\")}"))
        {
            return Ok(Template { literal: None, metadata: Some(name.to_owned()) });
        }
        if text.contains("${") {
            return Err("not yet".to_owned());
        }
        Ok(Template { literal: Some(text.to_owned()), metadata: None })
    }
    /// The text, if it is always the same.
    pub fn literal(&self) -> Option<&str> {
        self.literal.as_deref()
    }
    /// The metadata it is.
    pub fn as_metadata(&self) -> Option<&str> {
        self.metadata.as_deref()
    }
    /// Whether it reads the document.
    pub fn uses_fields(&self) -> bool {
        false
    }
    /// Renders.
    ///
    /// # Errors
    ///
    /// When the metadata is missing.
    pub fn render(&self, event: &Event, out: &mut String) -> Result<(), String> {
        let name = self.metadata.as_deref().unwrap_or_default();
        match event.metadata(name) {
            Ok(Some(pipeline::Value::String(text))) => {
                out.push_str(&text);
                Ok(())
            }
            _ => Err("no such metadata".to_owned()),
        }
    }
}

//! YAML text in, a located tree out; every mistake in it at once. Pure.
//!
//! Written out, aliases can make a small file astronomically large, so what they add up to is
//! counted before anybody walks over it.

use std::{collections::HashMap, ops::Range, sync::Arc};

use granit_parser::{Event, Options, Parser, ScalarStyle, Span, StrInput, Tag};

use super::{
    ConfigError, Place, SourceText,
    node::{Entry, Node, Scalar, Tree},
};

/// A pipeline file is a few kilobytes; this leaves room for index templates.
const TEXT_MAX: usize = 4 << 20;
/// How many values a file may have when every alias is written out.
const NODES_MAX: usize = 200_000;
/// How deep values may be nested. Readers recurse.
const DEPTH_MAX: usize = 64;

/// Reads the one document of a file, as far as it can be read, and what is wrong with it.
pub(super) fn parse(source: &Arc<SourceText>) -> (Option<Arc<Node>>, Option<ConfigError>) {
    if TEXT_MAX < source.text.len() {
        let problem = format!("the file is larger than {} MiB", TEXT_MAX >> 20);
        let error = ConfigError::new("", problem).with_place(place(source, 0..0));
        return (None, Some(error.with_help("divide it into several files")));
    }
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.flow_nesting_limit = DEPTH_MAX;
    options.block_nesting_limit = DEPTH_MAX;
    let mut builder = Builder {
        source,
        parser: Parser::new_from_str_with_options(&source.text, options),
        anchors: HashMap::new(),
        n_nodes: 0,
        errors: Vec::new(),
    };
    let (root, last) = match builder.stream() {
        Ok(root) => (Some(root), None),
        Err(error) => (None, Some(error)),
    };
    (root, ConfigError::all(builder.errors.into_iter().chain(last)))
}

fn place(source: &Arc<SourceText>, span: Range<usize>) -> Place {
    Place { source: Arc::clone(source), span }
}

struct Builder<'a> {
    source: &'a Arc<SourceText>,
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Arc<Node>>,
    n_nodes: usize,
    errors: Vec<ConfigError>,
}

impl<'a> Builder<'a> {
    fn stream(&mut self) -> Result<Arc<Node>, ConfigError> {
        let mut root = None;
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentEnd, _) => {}
                (Event::DocumentStart(..), _) if root.is_none() => {
                    let (event, span) = self.next()?;
                    root = Some(self.node(event, &span, 0)?);
                }
                (Event::DocumentStart(..), span) => {
                    let problem = "a second document begins here, and would never be read";
                    let help = "put it into a file of its own, or remove the `---`";
                    return Err(self.error(range(&span), problem).with_help(help));
                }
                (Event::StreamEnd, span) => {
                    return Ok(root.unwrap_or_else(|| Arc::new(null(range(&span)))));
                }
                (_, span) => return Err(self.error(range(&span), "unexpected YAML")),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), ConfigError> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let at = error.marker().byte_offset().unwrap_or(self.source.text.len());
                let problem = self.error(at..at, format!("this is not YAML: {}", error.info()));
                let line = self.source.text.get(..at).and_then(|text| text.rsplit('\n').next());
                let tabs = line.is_some_and(|line| line.trim_start_matches(' ').starts_with('\t'));
                let help = if tabs {
                    "indent with spaces, not with tabs"
                } else {
                    "look for an open quote or bracket before, or a wrong indent"
                };
                Err(problem.with_help(help))
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(
        &mut self,
        event: Event<'a>,
        span: &Span,
        depth: usize,
    ) -> Result<Arc<Node>, ConfigError> {
        let anchor = event.anchor_id();
        self.no_foreign_tag(event.tag(), span);
        let node = match event {
            Event::Alias(id) => {
                let Some(node) = self.anchors.get(&id).cloned() else {
                    let problem = "this alias stands inside the value it refers to";
                    return Err(self.error(range(span), problem));
                };
                self.count(node.n_nodes, depth + node.depth, span)?;
                return Ok(node);
            }
            Event::Scalar(text, style, _, tag) => {
                let is_text = tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str"));
                let quoted = style != ScalarStyle::Plain || is_text;
                let scalar = Scalar::written(text.into_owned(), quoted);
                Node::new(range(span), Tree::Scalar(scalar))
            }
            Event::SequenceStart(..) => self.list(span, depth)?,
            Event::MappingStart(..) => self.map(span, depth)?,
            _ => return Err(self.error(range(span), "expected a value here")),
        };
        self.count(1, depth, span)?;
        let node = Arc::new(node);
        if let Some(id) = anchor {
            self.anchors.insert(id, Arc::clone(&node));
        }
        Ok(node)
    }

    fn list(&mut self, start: &Span, depth: usize) -> Result<Node, ConfigError> {
        let mut nodes = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, end) => {
                    return Ok(Node::new(range(start).start..range(&end).end, Tree::List(nodes)));
                }
                (event, span) => nodes.push(self.node(event, &span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, start: &Span, depth: usize) -> Result<Node, ConfigError> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen: HashMap<String, Range<usize>> = HashMap::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Node::new(range(start).start..range(&span).end, Tree::Map(entries)));
            }
            let key = self.node(event, &span, depth + 1)?;
            let (event, span) = self.next()?;
            let node = self.node(event, &span, depth + 1)?;
            let key_span = key.span.clone();
            let Tree::Scalar(Scalar { text: key, .. }) = &key.tree else {
                let error = self.error(key_span, "a key must be a name, not a list or a map");
                self.errors.push(error.with_help("put texts that begin with `{` or `[` in quotes"));
                continue;
            };
            if key == "<<" {
                let error = self.error(key_span, "merging with `<<` is not supported");
                self.errors.push(error.with_help("write the keys out"));
                continue;
            }
            if let Some(first) = seen.insert(key.clone(), key_span.clone()) {
                let line = place(self.source, first).line();
                let problem = format!("`{key}` is given twice; the first is in line {line}");
                let error = self.error(key_span, problem).with_help("remove one of them");
                self.errors.push(error);
                continue;
            }
            entries.push(Entry { key: key.clone(), key_span, node });
        }
    }

    fn no_foreign_tag(&mut self, tag: Option<&Tag>, span: &Span) {
        if let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema()) {
            let at = span.tag_span().map_or_else(|| range(span), |tag| range(&tag));
            let error = self.error(at, format!("the tag `{}` means nothing here", tag.original()));
            self.errors.push(error.with_help("remove it, or put the text in quotes"));
        }
    }

    fn count(&mut self, n_nodes: usize, depth: usize, span: &Span) -> Result<(), ConfigError> {
        self.n_nodes = self.n_nodes.saturating_add(n_nodes);
        if NODES_MAX < self.n_nodes {
            let problem = format!("the file has more than {NODES_MAX} values, counting aliases");
            return Err(self.error(range(span), problem));
        }
        if DEPTH_MAX < depth {
            let problem = format!("values are nested deeper than {DEPTH_MAX} levels here");
            return Err(self.error(range(span), problem));
        }
        Ok(())
    }

    fn error(&self, span: Range<usize>, problem: impl Into<String>) -> ConfigError {
        ConfigError::new("", problem).with_place(place(self.source, span))
    }
}

fn range(span: &Span) -> Range<usize> {
    span.byte_range().unwrap_or_default()
}

fn null(span: Range<usize>) -> Node {
    let scalar = Scalar::written(String::new(), false);
    Node::new(span, Tree::Scalar(scalar))
}

//! Which events go to which sink. Pure.

use expression::Expression;
use pipeline::{Event, Sink};

use crate::{Forward, Pipeline};

/// A destination, and which events it wants.
pub struct Target {
    /// Where the events go.
    pub to: Destination,
    /// Which ones.
    pub wants: Wants,
    /// Who gets them after that. Only for sinks.
    pub forward: Option<Forward>,
}

/// Where events go from a pipeline.
pub enum Destination {
    /// Out of the program.
    Sink(Box<dyn Sink>),
    /// Into another pipeline.
    Pipeline(Pipeline),
}

/// Which events a sink wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wants {
    /// All of them.
    Everything,
    /// Those of which one of these routes is true, and perhaps those of which none is.
    Routes {
        /// By their place in the pipeline's list.
        any_of: Vec<usize>,
        /// Whether it also wants what no route is true of.
        unrouted: bool,
    },
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Target({:?})", self.wants)
    }
}

impl From<Box<dyn Sink>> for Target {
    fn from(sink: Box<dyn Sink>) -> Target {
        Target { to: Destination::Sink(sink), wants: Wants::Everything, forward: None }
    }
}

/// Events by sink, and what the sorting did to their number.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Spread {
    /// For each sink, in order.
    pub(crate) events: Vec<Vec<Event>>,
    /// How many events no sink wants.
    pub(crate) unwanted: u64,
    /// How many more there are now, because several sinks want the same.
    pub(crate) added: u64,
}

/// Gives every sink the events it wants, in their order. A condition that cannot be evaluated is
/// not true, as in Data Prepper.
pub(crate) fn spread(mut events: Vec<Event>, routes: &[Expression], wants: &[&Wants]) -> Spread {
    if let [Wants::Everything] = wants {
        return Spread { events: vec![events], ..Spread::default() };
    }
    let opens = routes.iter().any(Expression::uses_fields);
    let mut spread = Spread { events: vec![Vec::new(); wants.len()], ..Spread::default() };
    for event in &mut events {
        if opens {
            // One that cannot be opened has no fields, and becomes a dead letter in its sink.
            let _ = event.open();
        }
        let is_true: Vec<bool> = routes.iter().map(|route| route.holds(event)).collect();
        let is_unrouted = !is_true.contains(&true);
        let wanting = wants.iter().enumerate().filter(|(_, wants)| match wants {
            Wants::Everything => true,
            Wants::Routes { any_of, unrouted } => {
                any_of.iter().any(|n| is_true[*n]) || (*unrouted && is_unrouted)
            }
        });
        let mut n_wanting = 0u64;
        for (n, _) in wanting {
            spread.events[n].push(event.clone());
            n_wanting += 1;
        }
        spread.unwanted += u64::from(n_wanting == 0);
        spread.added += n_wanting.saturating_sub(1);
    }
    spread
}

#[cfg(test)]
mod tests {
    use pipeline::Document;

    use super::*;

    fn event(kind: &str) -> Event {
        let fields = [("kind".to_owned(), kind.into())].into_iter().collect();
        Event { document: Document::Fields(fields), ..Event::default() }
    }

    fn routes() -> Vec<Expression> {
        ["/kind == \"a\"", "/kind in {\"a\", \"b\"}"]
            .map(|it| Expression::parse(it).unwrap())
            .to_vec()
    }

    #[track_caller]
    fn check(wants: &[Wants], expected: &[&[&str]], unwanted: u64, added: u64) {
        let events = ["a", "b", "c"].map(event).to_vec();
        let spread = spread(events, &routes(), &wants.iter().collect::<Vec<_>>());
        let expected: Vec<Vec<Event>> =
            expected.iter().map(|it| it.iter().map(|kind| event(kind)).collect()).collect();
        assert_eq!(spread, Spread { events: expected, unwanted, added });
    }

    fn some(any_of: &[usize], unrouted: bool) -> Wants {
        Wants::Routes { any_of: any_of.to_vec(), unrouted }
    }

    #[test]
    fn an_event_goes_wherever_a_route_is_true() {
        check(&[some(&[0], false), some(&[1], false)], &[&["a"], &["a", "b"]], 1, 1);
        check(&[some(&[0, 1], false)], &[&["a", "b"]], 1, 0);
        check(&[some(&[1], false), Wants::Everything], &[&["a", "b"], &["a", "b", "c"]], 0, 2);
    }

    #[test]
    fn what_no_route_is_true_of_goes_where_that_is_wanted() {
        check(&[some(&[0], false), some(&[], true)], &[&["a"], &["c"]], 1, 0);
    }

    #[test]
    fn a_lone_sink_that_wants_everything_gets_it_unopened() {
        check(&[Wants::Everything], &[&["a", "b", "c"]], 0, 0);
    }
}

//! Several changes to one document in one write: only the last is sent, and if it is refused, the one
//! before. Pure.
//!
//! With versions, OpenSearch would end with the same document if it were sent all of them; this way it
//! has less to do, and no two of a request have the same id.

use std::collections::HashMap;

use wire::json::{Cursor, Malformed};

use crate::{Bulk, Op, Rejected};

/// What became of one event by a deadline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The index has it, or no longer has it, as it should be.
    Written(Op),
    /// The index has something newer: from before, or from the same write.
    Superseded,
    /// OpenSearch will never take it. It belongs into the dead letters.
    Rejected(Rejected),
    /// A dead letter holds it: the sink's own settings say where.
    SetAside,
    /// There was no time left to find out. It must be sent again.
    Unsettled(String),
}

/// The items of a write that are not settled yet.
#[derive(Debug)]
pub(crate) struct Backlog {
    bulk: Bulk,
    /// Items for one document, in their order. Only the last of each is sent.
    stacks: Vec<Vec<usize>>,
    /// What is known of each event.
    fates: Vec<Option<Fate>>,
}

impl Backlog {
    /// All of `bulk`, which holds `n_events` events or fewer. `external` if versions are sent: only
    /// then may changes be left out.
    pub(crate) fn new(bulk: Bulk, n_events: usize, external: bool) -> Backlog {
        let mut stacks: Vec<Vec<usize>> = Vec::with_capacity(bulk.items.len());
        let mut stack_of: HashMap<(&[u8], &[u8]), usize> = HashMap::new();
        for (n, item) in bulk.items.iter().enumerate() {
            let is_whole = external && matches!(item.op, Op::Index | Op::Delete);
            let target = is_whole.then(|| target(&bulk.body[item.lines.clone()])).flatten();
            let at = match target {
                Some(target) => *stack_of.entry(target).or_insert(stacks.len()),
                None => stacks.len(),
            };
            if at == stacks.len() {
                stacks.push(Vec::new());
            }
            stacks[at].push(n);
        }
        Backlog { bulk, stacks, fates: vec![None; n_events] }
    }

    /// What is to be sent now, in requests of at most so many bytes and documents. One document alone
    /// may be larger. Empty when all is settled.
    pub(crate) fn requests(&self, bytes_max: usize, items_max: usize) -> Vec<Bulk> {
        let mut tops: Vec<usize> = self.stacks.iter().filter_map(|it| it.last().copied()).collect();
        tops.sort_unstable();
        let mut requests: Vec<Bulk> = Vec::new();
        for n in tops {
            let item = &self.bulk.items[n];
            let lines = &self.bulk.body[item.lines.clone()];
            let fits = requests.last().is_some_and(|it| {
                it.items.len() < items_max && it.body.len() + lines.len() <= bytes_max
            });
            if !fits {
                requests.push(Bulk::default());
            }
            let request = requests.last_mut().expect("pushed above");
            let start = request.body.len();
            request.body.extend_from_slice(lines);
            if request.indices.is_empty() {
                // Those of all: to ask for one too many does no harm.
                request.indices.clone_from(&self.bulk.indices);
            }
            let mut item = item.clone();
            item.lines = start..request.body.len();
            request.items.push(item);
        }
        requests
    }

    /// Notes what became of an event that was sent.
    pub(crate) fn note(&mut self, event: usize, fate: Fate) {
        self.fates[event] = Some(fate);
    }

    /// Closes a round: where the last change was refused the one before is next, everywhere else the
    /// earlier ones share its fate.
    pub(crate) fn close_round(&mut self) {
        let Backlog { bulk, stacks, fates } = self;
        stacks.retain_mut(|stack| {
            let Some(top) = stack.pop() else { return false };
            let event = |n: usize| bulk.items[n].event;
            let fate = match &fates[event(top)] {
                Some(Fate::Rejected(_) | Fate::SetAside) => return !stack.is_empty(),
                Some(Fate::Written(_) | Fate::Superseded) => Fate::Superseded,
                Some(it @ Fate::Unsettled(_)) => it.clone(),
                None => Fate::Unsettled("it was not sent".to_owned()),
            };
            for earlier in stack.drain(..).chain(fates[event(top)].is_none().then_some(top)) {
                fates[event(earlier)] = Some(fate.clone());
            }
            false
        });
    }

    /// What became of every event, in their order.
    pub(crate) fn fates(self) -> Vec<Fate> {
        let unknown = || Fate::Unsettled("it was not sent".to_owned());
        self.fates.into_iter().map(|it| it.unwrap_or_else(unknown)).collect()
    }
}

/// Whether a refusal says that something is set up wrong, rather than that this document is bad. All
/// others would be refused like it, so none of them is a dead letter.
pub(crate) fn is_configuration(refused: &Rejected) -> bool {
    matches!(refused.status, 401 | 403)
        || matches!(refused.cause.as_str(), "index_not_found_exception" | "index_closed_exception")
        || refused.reason == "closed"
        || refused.reason.starts_with("no write index is defined for alias")
}

/// Index and id of an action line, escapes kept. `None` without an id: OpenSearch makes one up.
fn target(lines: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut index, mut id) = (None, None);
    let walked = Cursor::new(lines).object(|cursor, _op| {
        cursor.object(|cursor, name| {
            match name {
                b"_index" => index = Some(cursor.string()?),
                b"_id" => id = Some(cursor.string()?),
                _ => {
                    cursor.skip()?;
                }
            }
            Ok::<(), Malformed>(())
        })
    });
    walked.ok()?;
    index.zip(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Item;

    /// A bulk of deletes with these ids, one per event.
    fn bulk(ids: &[&str]) -> Bulk {
        let mut bulk = Bulk::default();
        for (event, id) in ids.iter().enumerate() {
            let start = bulk.body.len();
            let line =
                format!("{{\"delete\":{{\"_index\":\"b\",\"_id\":\"{id}\",\"version\":1}}}}\n");
            bulk.body.extend_from_slice(line.as_bytes());
            let lines = start..bulk.body.len();
            bulk.items.push(Item { event, op: Op::Delete, lines, document: None, last: None });
        }
        bulk
    }

    fn backlog(ids: &[&str]) -> Backlog {
        Backlog::new(bulk(ids), ids.len(), true)
    }

    /// The events of each request.
    fn sent(requests: &[Bulk]) -> Vec<Vec<usize>> {
        requests.iter().map(|it| it.items.iter().map(|it| it.event).collect()).collect()
    }

    fn refused() -> Fate {
        Fate::Rejected(Rejected { status: 400, reason: "no".to_owned(), ..Rejected::default() })
    }

    #[test]
    fn only_the_last_change_of_a_document_is_sent() {
        let mut backlog = backlog(&["a", "b", "a", "c", "a"]);
        let requests = backlog.requests(1 << 20, 10);
        assert_eq!(sent(&requests), [[1, 3, 4]]);
        let again = requests[0].items.iter().map(|it| &requests[0].body[it.lines.clone()]);
        assert!(again.map(target).all(|it| it.is_some()));
        for event in [1, 3, 4] {
            backlog.note(event, Fate::Written(Op::Delete));
        }
        backlog.close_round();
        assert!(backlog.requests(1 << 20, 10).is_empty());
        let (written, left_out) = (Fate::Written(Op::Delete), Fate::Superseded);
        assert_eq!(
            backlog.fates(),
            [left_out.clone(), written.clone(), left_out, written.clone(), written]
        );
    }

    #[test]
    fn when_the_last_is_refused_the_one_before_is_sent() {
        let mut backlog = backlog(&["a", "a", "a"]);
        assert_eq!(sent(&backlog.requests(1 << 20, 10)), [[2]]);
        backlog.note(2, refused());
        backlog.close_round();
        assert_eq!(sent(&backlog.requests(1 << 20, 10)), [[1]]);
        backlog.note(1, Fate::Written(Op::Delete));
        backlog.close_round();
        assert_eq!(backlog.fates(), [Fate::Superseded, Fate::Written(Op::Delete), refused()]);
    }

    #[test]
    fn what_is_not_settled_keeps_all_changes_before_it_unsettled() {
        let mut backlog = backlog(&["a", "b", "a"]);
        let late = Fate::Unsettled("late".to_owned());
        backlog.note(2, late.clone());
        backlog.close_round();
        let fates = backlog.fates();
        assert_eq!((&fates[0], &fates[2]), (&late, &late));
        assert_eq!(fates[1], Fate::Unsettled("it was not sent".to_owned()));
    }

    #[test]
    fn without_versions_every_change_is_sent() {
        let backlog = Backlog::new(bulk(&["a", "a"]), 2, false);
        assert_eq!(sent(&backlog.requests(1 << 20, 10)), [[0, 1]]);
    }

    #[test]
    fn requests_are_cut_by_bytes_and_by_count() {
        let backlog = backlog(&["a", "b", "c", "d", "e"]);
        let line = bulk(&["a"]).body.len();
        for (bytes_max, items_max, expected) in [
            (1 << 20, 2, vec![vec![0, 1], vec![2, 3], vec![4]]),
            (line * 3, 10, vec![vec![0, 1, 2], vec![3, 4]]),
            (1, 10, vec![vec![0], vec![1], vec![2], vec![3], vec![4]]),
        ] {
            assert_eq!(sent(&backlog.requests(bytes_max, items_max)), expected);
        }
    }

    #[test]
    fn a_mistake_in_the_setup_is_told_from_a_bad_document() {
        for (status, cause, reason, expected) in [
            (403, "security_exception", "no permissions for [indices:data/write/bulk]", true),
            (404, "index_not_found_exception", "no such index [books]", true),
            (400, "index_closed_exception", "closed", true),
            (400, "illegal_argument_exception", "no write index is defined for alias [b]", true),
            (400, "mapper_parsing_exception", "failed to parse field [pages]", false),
            (404, "document_missing_exception", "[x]: document missing", false),
            (0, "unreadable", "its image cannot be read", false),
        ] {
            let (cause, reason) = (cause.to_owned(), reason.to_owned());
            let refused = Rejected { status, cause, reason, ..Rejected::default() };
            assert_eq!(is_configuration(&refused), expected, "{}", refused.reason);
        }
    }
}

//! Which documents are in requests under way, so that no two writes of one document overtake each
//! other. Pure.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// The documents under way, and in how many requests each is.
#[derive(Debug, Default)]
pub(crate) struct Order(HashMap<u64, u32, BuildHasherDefault<Hashed>>);

/// The numbers of documents are hashes already.
#[derive(Debug, Default)]
pub(crate) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

impl Order {
    /// Whether the document may go: nothing about it is under way.
    pub(crate) fn may_go(&self, document: u64) -> bool {
        self.0.is_empty() || !self.0.contains_key(&document)
    }

    /// A request with these documents leaves.
    pub(crate) fn leave(&mut self, documents: impl Iterator<Item = u64>) {
        for document in documents {
            *self.0.entry(document).or_default() += 1;
        }
    }

    /// All of them are settled.
    pub(crate) fn settle(&mut self, documents: impl Iterator<Item = u64>) {
        for document in documents {
            if let Some(n) = self.0.get_mut(&document) {
                *n -= 1;
                if *n == 0 {
                    self.0.remove(&document);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_waits_until_all_of_it_is_settled() {
        let mut order = Order::default();
        order.leave([1, 2, 1].into_iter());
        assert!(!order.may_go(1));
        assert!(order.may_go(3));
        order.settle([1].into_iter());
        assert!(!order.may_go(1), "it stands twice in the request");
        order.settle([1, 2].into_iter());
        assert!(order.may_go(1) && order.may_go(2));
    }
}

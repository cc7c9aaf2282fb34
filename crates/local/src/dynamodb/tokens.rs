//! The tokens of transactions: whoever sends one again, with the same request, gets the same answer,
//! and nothing is done twice.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::error::ApiError;

/// How long a token is remembered.
pub(crate) const REMEMBERED_MS: u64 = 10 * 60 * 1000;
/// How many tokens are remembered. The oldest go first.
const TOKENS_MAX: usize = 100_000;

/// Tokens of the last ten minutes.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    known: Mutex<HashMap<String, Done>>,
    hasher: RandomState,
}

#[derive(Clone, Debug)]
struct Done {
    request: u64,
    at_ms: u64,
}

/// The right to carry out the request of a token; others that have one wait meanwhile.
pub(crate) struct Turn<'a> {
    known: MutexGuard<'a, HashMap<String, Done>>,
    token: String,
    done: Done,
}

impl Tokens {
    /// Asks for the turn of a token; `None` if its request was carried out already.
    ///
    /// # Errors
    ///
    /// When it was another request.
    pub(crate) fn turn(
        &self,
        token: &str,
        request: &[u8],
        now_ms: u64,
    ) -> Result<Option<Turn<'_>>, ApiError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if TOKENS_MAX <= known.len() {
            known.retain(|_, done| now_ms < done.at_ms + REMEMBERED_MS);
        }
        if TOKENS_MAX <= known.len() {
            // All of them young: half of them must do.
            let mut times: Vec<u64> = known.values().map(|it| it.at_ms).collect();
            times.sort_unstable();
            let middle = times[times.len() / 2];
            known.retain(|_, done| middle < done.at_ms);
        }
        let request = self.hasher.hash_one(request);
        match known.get(token).filter(|done| now_ms < done.at_ms + REMEMBERED_MS) {
            Some(done) if done.request == request => Ok(None),
            Some(_) => Err(ApiError::Named {
                name: "IdempotentParameterMismatchException",
                message: "Provided idempotency token has already been used with a different set of parameters".to_owned(),
            }),
            None => {
                let done = Done { request, at_ms: now_ms };
                Ok(Some(Turn { known, token: token.to_owned(), done }))
            }
        }
    }
}

impl Turn<'_> {
    /// Remembers that it was carried out.
    pub(crate) fn done(mut self) {
        self.known.insert(self.token, self.done);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_counts_once_for_ten_minutes() {
        let tokens = Tokens::default();
        for (token, request, now_ms, expected, when) in [
            ("a", "one", 0, Ok(true), "new"),
            ("a", "one", REMEMBERED_MS - 1, Ok(false), "again"),
            ("a", "two", REMEMBERED_MS - 1, Err(()), "another request"),
            ("b", "two", REMEMBERED_MS - 1, Ok(true), "another token"),
            ("a", "two", REMEMBERED_MS, Ok(true), "forgotten"),
        ] {
            let turn = tokens.turn(token, request.as_bytes(), now_ms);
            let seen = turn.map(|turn| turn.map(Turn::done).is_some()).map_err(|_| ());
            assert_eq!(seen, expected, "{when}");
        }
        // A request that failed leaves no trace.
        drop(tokens.turn("c", b"one", 0).unwrap());
        assert!(tokens.turn("c", b"two", 0).unwrap().is_some());
    }
}

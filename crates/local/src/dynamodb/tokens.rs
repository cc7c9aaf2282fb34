//! The tokens of transactions: whoever sends one again, with the same request, gets the same answer,
//! and nothing is done twice. They are written down with what was done, and survive with it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use sha2::{Digest, Sha256};

use super::{error::ApiError, store::codec};

/// How long a token is remembered.
pub(crate) const REMEMBERED_MS: u64 = 10 * 60 * 1000;
/// How many tokens are remembered. The oldest go first.
const TOKENS_MAX: usize = 100_000;

/// Tokens of the last ten minutes.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    known: Mutex<HashMap<String, Done>>,
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
    /// The tokens that a journal tells of: request and time, by token.
    pub(crate) fn restored(tokens: BTreeMap<String, (u64, u64)>, now_ms: u64) -> Tokens {
        let young = tokens.into_iter().filter(|(_, (_, at_ms))| now_ms < at_ms + REMEMBERED_MS);
        let known = young.map(|(token, (request, at_ms))| (token, Done { request, at_ms }));
        Tokens { known: Mutex::new(known.collect()) }
    }

    /// The records of all tokens, for a journal that does not have them yet.
    pub(crate) fn records(&self, now_ms: u64) -> Vec<Vec<u8>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let young = known.iter().filter(|(_, done)| now_ms < done.at_ms + REMEMBERED_MS);
        young.map(|(token, done)| codec::token(token, done.request, done.at_ms)).collect()
    }

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
        let request = fingerprint(request);
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

/// The same in every process.
fn fingerprint(request: &[u8]) -> u64 {
    let hash: [u8; 32] = Sha256::digest(request).into();
    hash[..8].iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

impl Turn<'_> {
    /// What the journal keeps of it, together with what was done.
    pub(crate) fn record(&self) -> Vec<u8> {
        codec::token(&self.token, self.done.request, self.done.at_ms)
    }

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

//! Which host of the cluster gets the next request: they take turns, and one that is away is left
//! out for a while, longer each time. Pure.

use pipeline::Timestamp;

/// How long a host is left out at first and at most, in milliseconds.
const AWAY_MS_MIN: u64 = 1_000;
const AWAY_MS_MAX: u64 = 60_000;

/// The hosts and how they are.
#[derive(Clone, Debug)]
pub(crate) struct Hosts {
    hosts: Vec<Health>,
    next: usize,
}

#[derive(Clone, Debug)]
struct Health {
    /// How often it was away in a row.
    n_failures: u32,
    away_until: Timestamp,
}

impl Health {
    const WELL: Health = Health { n_failures: 0, away_until: Timestamp(0) };
}

impl Hosts {
    /// `n` hosts, all of them well.
    pub(crate) fn new(n: usize) -> Hosts {
        Hosts { hosts: vec![Health::WELL; n.max(1)], next: 0 }
    }

    /// Whose turn it is. When all are away: the one that may be back first.
    pub(crate) fn pick(&mut self, now: Timestamp) -> usize {
        let n = self.hosts.len();
        let in_turn = (0..n).map(|it| (self.next + it) % n);
        let picked =
            in_turn.min_by_key(|it| self.hosts[*it].away_until.max(now)).unwrap_or_default();
        self.next = (picked + 1) % n;
        picked
    }

    /// It answered.
    pub(crate) fn is_well(&mut self, host: usize) {
        self.hosts[host] = Health::WELL;
    }

    /// It did not. Says whether another one seems well.
    pub(crate) fn is_away(&mut self, host: usize, now: Timestamp) -> bool {
        let health = &mut self.hosts[host];
        let away = AWAY_MS_MIN << health.n_failures.min(16);
        health.n_failures += 1;
        health.away_until = Timestamp(now.0 + away.min(AWAY_MS_MAX));
        self.hosts.iter().any(|it| it.away_until <= now)
    }

    /// How many are left out now.
    pub(crate) fn n_away(&self, now: Timestamp) -> usize {
        self.hosts.iter().filter(|it| now < it.away_until).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picks(hosts: &mut Hosts, now: u64, n: usize) -> Vec<usize> {
        (0..n).map(|_| hosts.pick(Timestamp(now))).collect()
    }

    #[test]
    fn they_take_turns() {
        assert_eq!(picks(&mut Hosts::new(3), 0, 5), [0, 1, 2, 0, 1]);
    }

    #[test]
    fn one_that_is_away_is_left_out_until_it_may_be_back() {
        let mut hosts = Hosts::new(3);
        assert!(hosts.is_away(1, Timestamp(0)), "others are well");
        assert_eq!(picks(&mut hosts, 500, 4), [0, 2, 0, 2]);
        assert_eq!(hosts.n_away(Timestamp(500)), 1);
        assert!(picks(&mut hosts, 1_000, 3).contains(&1));
        hosts.is_away(1, Timestamp(1_000));
        assert!(!picks(&mut hosts, 2_500, 3).contains(&1), "longer the second time");
        hosts.is_well(1);
        assert!(picks(&mut hosts, 2_500, 3).contains(&1));
    }

    #[test]
    fn when_all_are_away_the_first_to_be_back_is_tried() {
        let mut hosts = Hosts::new(2);
        hosts.is_away(0, Timestamp(0));
        assert!(!hosts.is_away(1, Timestamp(10)));
        assert_eq!(picks(&mut hosts, 20, 2), [0, 0]);
    }
}

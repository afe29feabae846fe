//! The newest disagreements, those first that must not be missed.

use std::cmp::Reverse;

use jiff::Timestamp;
use serde::Serialize;
use tolerancia_wire::live::{Disagreement, KEPT_DISAGREEMENTS, Standing};

/// For so long after its last vote a lie or a lost quorum stays above lag, which comes with every write; microseconds.
const URGENT_US: i64 = 10_000_000;

/// At most [`KEPT_DISAGREEMENTS`]. The newest `last` first; but what is more than lag, and ended at most 10 s before the
/// newest, stays above lag. The page orders them by the same rule.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize))]
#[serde(transparent)]
pub(crate) struct Disagreements(Vec<Disagreement>);

impl Disagreements {
    /// Takes one in, in the place of the one that is the same: the voter begins to count anew when it is started anew, so the
    /// beginning belongs to the number. Says whether that was news. Of too many, lag goes first, the oldest of it; the newest
    /// of all only where the others are as new, since lies of yesterday must not hide that something lags now.
    pub(super) fn put(&mut self, new: Disagreement) -> bool {
        let is_same = |known: &Disagreement| (known.id, known.first) == (new.id, new.first);
        match self.0.iter_mut().find(|known| is_same(known)) {
            Some(known) if *known == new => return false,
            Some(known) => *known = new.clone(),
            None => self.0.insert(0, new.clone()),
        }
        let Some(newest) = self.0.iter().map(|one| one.last).max() else {
            return false;
        };
        self.0.sort_by_key(|one| (!is_urgent(one, newest), Reverse(one.last)));
        if self.0.len() > KEPT_DISAGREEMENTS {
            let lag = self.0.iter().rposition(|one| is_lag(one) && one.last < newest);
            self.0.remove(lag.unwrap_or(self.0.len() - 1));
        }
        self.0.iter().any(is_same)
    }

    /// How many there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

fn is_urgent(one: &Disagreement, newest: Timestamp) -> bool {
    let age_us = newest.as_microsecond() - one.last.as_microsecond();
    !is_lag(one) && age_us <= URGENT_US
}

/// Whether nobody lied, and a quorum decided.
fn is_lag(one: &Disagreement) -> bool {
    !one.no_quorum && one.voices.iter().all(|voice| voice.standing != Standing::Dissents)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;
    use tolerancia_wire::time::rfc3339;

    use super::*;

    /// Its last vote was `ms` after the beginning.
    fn one(id: u64, ms: i64, standings: &[&str]) -> Disagreement {
        let voice =
            |standing| json!({ "instance": "1", "answer": "ok", "on": true, "newest": null, "standing": standing });
        let voices: Vec<_> = standings.iter().map(voice).collect();
        let at = |ms| rfc3339(Timestamp::from_millisecond(ms).unwrap());
        let value = json!({ "id": id, "first": at(0), "last": at(ms), "count": 1, "product": "PROD-001",
            "no_quorum": false, "version": null, "stock": null, "voices": voices });
        serde_json::from_value(value).unwrap()
    }

    fn lie(id: u64, ms: i64) -> Disagreement {
        one(id, ms, &["dissents", "agrees", "agrees"])
    }

    fn lag(id: u64, ms: i64) -> Disagreement {
        one(id, ms, &["stale", "agrees", "agrees"])
    }

    fn ids(all: impl IntoIterator<Item = Disagreement>) -> Vec<u64> {
        let mut known = Disagreements::default();
        for one in all {
            known.put(one);
        }
        known.0.iter().map(|one| one.id).collect()
    }

    #[test]
    fn the_newest_comes_first_but_what_is_more_than_lag_stays_above_it_for_ten_seconds() {
        assert_eq!(ids([lag(1, 0), lag(2, 5000), lag(1, 6000)]), [1, 2]);
        assert_eq!(ids([lie(1, 3000), lag(2, 5000), lag(3, 13_000)]), [1, 3, 2]);
        assert_eq!(ids([lie(1, 3000), lag(2, 5000), lag(3, 13_001)]), [3, 2, 1]);
        let mut lost = lag(4, 4000);
        lost.no_quorum = true;
        assert_eq!(ids([lost, lag(1, 5000)]), [4, 1]);
        assert_eq!(ids([one(1, 0, &["stale", "missing", "agrees"]), lag(2, 9000)]), [2, 1]);
    }

    #[test]
    fn what_is_known_already_is_no_news() {
        let mut known = Disagreements::default();
        assert!(known.put(lag(1, 5)) && !known.put(lag(1, 5)) && known.put(lag(1, 6)));
        assert_eq!(known.len(), 1);
    }

    #[test]
    fn of_too_many_lag_goes_first_but_lies_of_yesterday_do_not_hide_the_lag_of_today() {
        let many = KEPT_DISAGREEMENTS as u64;
        let mut known = Disagreements::default();
        for id in 0..many {
            assert!(known.put(lag(100 + id, 5000 + id as i64)));
        }
        for id in 0..many {
            assert!(known.put(lie(id, id as i64)));
        }
        assert!(known.0.iter().all(|one| !is_lag(one)), "they are all as new");
        assert!(!known.put(lag(1000, 5001)), "there is no room for it");
        let day = 86_400_000;
        assert!(known.put(lag(1001, day)) && known.put(lag(1002, day + 1)));
        let lags: Vec<u64> = known.0.iter().filter(|one| is_lag(one)).map(|one| one.id).collect();
        assert_eq!((lags, known.0[0].id), (vec![1002], 1002));
        assert!(known.put(lie(2000, day + 2)) && known.0.iter().all(|one| !is_lag(one)));
        assert_eq!(known.len(), KEPT_DISAGREEMENTS);
    }
}

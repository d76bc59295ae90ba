//! Who has connections open, and what each of them may hold.
//!
//! A caller may have a few connections and a share of the memory. Callers that are not registered may connect, so that
//! they are told why they get nothing, but all of them together have only a few places.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    admission::Caller,
    memory::{Budget, Memory},
};

/// How many connections there may be, and how many bytes for each caller.
#[derive(Copy, Clone, Debug)]
pub(super) struct Places {
    pub(super) per_caller: usize,
    pub(super) for_strangers: usize,
    pub(super) bytes_per_caller: usize,
}

/// All callers that are connected.
#[derive(Debug)]
pub(super) struct Callers {
    places: Places,
    total: Arc<Budget>,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    strangers: usize,
    /// Only callers that have a connection.
    callers: HashMap<Caller, Present>,
}

#[derive(Debug)]
struct Present {
    connections: usize,
    memory: Arc<Budget>,
}

/// A place for one connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    callers: Arc<Callers>,
    caller: Caller,
    is_stranger: bool,
    pub(super) memory: Memory,
}

impl Callers {
    /// `total`: what all callers together may hold.
    pub(super) fn new(places: Places, total: Arc<Budget>) -> Arc<Callers> {
        Arc::new(Callers {
            places,
            total,
            taken: Mutex::default(),
        })
    }

    /// A place for one more connection, or the reason why there is none.
    pub(super) fn place(
        self: &Arc<Self>,
        caller: Caller,
        is_registered: bool,
    ) -> Result<Place, &'static str> {
        let is_stranger = !is_registered && caller != Caller::Anonymous;
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if is_stranger && taken.strangers >= self.places.for_strangers {
            return Err("strangers");
        }
        let connections = taken
            .callers
            .get(&caller)
            .map_or(0, |present| present.connections);
        if caller != Caller::Anonymous && connections >= self.places.per_caller {
            return Err("caller");
        }
        taken.strangers += usize::from(is_stranger);
        let present = taken.callers.entry(caller).or_insert_with(|| Present {
            connections: 0,
            memory: Budget::new(self.places.bytes_per_caller),
        });
        present.connections += 1;
        let memory = Memory {
            caller: present.memory.clone(),
            total: self.total.clone(),
        };
        drop(taken);
        Ok(Place {
            callers: self.clone(),
            caller,
            is_stranger,
            memory,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self
            .callers
            .taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        taken.strangers -= usize::from(self.is_stranger);
        if let Some(present) = taken.callers.get_mut(&self.caller) {
            present.connections -= 1;
            if present.connections == 0 {
                taken.callers.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use neuron_wallet::PublicKey;

    use super::*;

    const PLACES: Places = Places {
        per_caller: 2,
        for_strangers: 3,
        bytes_per_caller: 10,
    };

    fn caller(seed: u8) -> Caller {
        Caller::Hotkey(PublicKey([seed; 32]))
    }

    #[test]
    fn a_caller_has_a_few_places() {
        let callers = Callers::new(PLACES, Budget::new(100));
        let first = callers.place(caller(1), true).unwrap();
        let _second = callers.place(caller(1), true).unwrap();
        assert_eq!(callers.place(caller(1), true).unwrap_err(), "caller");
        assert!(callers.place(caller(2), true).is_ok());
        drop(first);
        assert!(callers.place(caller(1), true).is_ok());
    }

    #[test]
    fn strangers_share_a_few_places() {
        let callers = Callers::new(PLACES, Budget::new(100));
        let strangers: Vec<Place> = (1..=3)
            .map(|seed| callers.place(caller(seed), false).unwrap())
            .collect();
        assert_eq!(callers.place(caller(4), false).unwrap_err(), "strangers");
        assert!(callers.place(caller(5), true).is_ok());
        drop(strangers);
        assert!(callers.place(caller(4), false).is_ok());
    }

    #[test]
    fn connections_of_a_caller_share_its_memory_and_nothing_is_left_of_it() {
        let callers = Callers::new(PLACES, Budget::new(15));
        let (first, second) = (
            callers.place(caller(1), true).unwrap(),
            callers.place(caller(1), true).unwrap(),
        );
        let held = first.memory.try_take(10).unwrap();
        assert!(second.memory.try_take(1).is_err());
        let other = callers.place(caller(2), true).unwrap();
        assert!(other.memory.try_take(6).is_err());
        assert!(other.memory.try_take(5).is_ok());
        drop((held, first, second, other));
        assert!(callers.taken.lock().unwrap().callers.is_empty());
        assert_eq!(callers.total.held(), 0);
    }
}

//! Whose turn it is, and which nonces are under way: the order of each signer's transactions.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use neuron_wallet::PublicKey;
use tokio::sync::OwnedMutexGuard;

/// Every signer of this program.
#[derive(Default)]
pub(crate) struct Accounts(Mutex<HashMap<PublicKey, Arc<Account>>>);

/// One signer.
#[derive(Default)]
pub(crate) struct Account {
    turn: Arc<tokio::sync::Mutex<()>>,
    under_way: Mutex<BTreeSet<u64>>,
}

/// A nonce that is under way. Dropping it says that it is known what became of it.
pub(crate) struct Nonce {
    number: u64,
    account: Arc<Account>,
}

impl Accounts {
    /// The signer with this key.
    pub(crate) fn of(&self, key: &PublicKey) -> Arc<Account> {
        lock(&self.0).entry(*key).or_default().clone()
    }
}

impl Account {
    /// Waits until no other transaction of this signer is being handed over.
    pub(crate) async fn turn(&self) -> OwnedMutexGuard<()> {
        self.turn.clone().lock_owned().await
    }

    /// The first nonce at or above `next` that is not under way, `next` being what the node says comes next. The node counts
    /// what it has in its pool, but a node that was turned to a moment ago may not have everything yet.
    pub(crate) fn reserve(self: &Arc<Self>, next: u64) -> Nonce {
        let mut under_way = lock(&self.under_way);
        let mut number = next;
        while !under_way.insert(number) {
            number += 1;
        }
        Nonce {
            number,
            account: self.clone(),
        }
    }
}

impl Nonce {
    /// The number.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Nonce {
    fn drop(&mut self) {
        lock(&self.account.under_way).remove(&self.number);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves a set of numbers as it was: nothing is half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_nonce_is_given_twice_while_it_is_under_way() {
        let account = Arc::new(Account::default());
        let first = account.reserve(5);
        let second = account.reserve(5);
        assert_eq!((first.number(), second.number()), (5, 6));
        drop(first);
        assert_eq!(account.reserve(5).number(), 5);
        // The node has moved on.
        assert_eq!(account.reserve(7).number(), 7);
    }

    #[test]
    fn a_signer_has_one_account_and_others_have_theirs() {
        let accounts = Accounts::default();
        let (alice, bob) = (PublicKey([1; 32]), PublicKey([2; 32]));
        let _under_way = accounts.of(&alice).reserve(0);
        assert_eq!(accounts.of(&alice).reserve(0).number(), 1);
        assert_eq!(accounts.of(&bob).reserve(0).number(), 0);
    }

    #[tokio::test]
    async fn one_transaction_at_a_time_is_handed_over() {
        use futures::FutureExt;
        let account = Account::default();
        let turn = account.turn().await;
        assert!(account.turn().now_or_never().is_none());
        drop(turn);
        assert!(account.turn().now_or_never().is_some());
    }
}

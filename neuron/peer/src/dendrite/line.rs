//! The way to one peer: a connection, or the attempt to make it.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::{
    connection::{self, Connection, DialError},
    peer::Endpoint,
    peers::Settings,
};

/// A connection, or the attempt to make it. Dropping the last clone ends the attempt, and lets the connection end with the
/// calls that are on it.
#[derive(Clone)]
pub(super) struct Line {
    endpoint: Endpoint,
    /// None while it is dialled. Up to date whether or not anybody waits for it: what a peer failed at while nobody called
    /// must not be told to who calls next.
    outcome: watch::Receiver<Option<Result<Connection, DialError>>>,
    _dialling: Arc<AbortOnDropHandle<()>>,
}

/// How a line is.
pub(super) enum State {
    Dialling,
    Open(Connection),
    /// It could not be had, or was closed since.
    Lost,
}

impl Line {
    /// Begins to connect, in a task of its own.
    pub(super) fn dial(endpoint: Endpoint, settings: &Settings) -> Line {
        let Settings {
            identity,
            connect_timeout,
            open,
            ..
        } = settings;
        let dialling = connection::dial(endpoint, identity.clone(), *connect_timeout, open.clone());
        let (tell, outcome) = watch::channel(None);
        let dialling = tokio::spawn(async move {
            tell.send_replace(Some(dialling.await));
        });
        Line {
            endpoint,
            outcome,
            _dialling: Arc::new(AbortOnDropHandle::new(dialling)),
        }
    }

    pub(super) fn state(&self) -> State {
        // Looked at first: once the task has ended, what is there is final.
        let has_ended = self.outcome.has_changed().is_err();
        match &*self.outcome.borrow() {
            Some(Ok(connection)) if !connection.is_closed() => State::Open(connection.clone()),
            None if !has_ended => State::Dialling,
            _ => State::Lost,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state(), State::Open(_))
    }

    /// Whether this is the line on which that connection was made.
    pub(super) fn is(&self, connection: &Connection) -> bool {
        matches!(&*self.outcome.borrow(), Some(Ok(own)) if own.is(connection))
    }

    /// Waits until it is known whether there is a connection.
    pub(super) async fn connected(mut self) -> Result<Connection, DialError> {
        let address = self.endpoint.address;
        let outcome = self.outcome.wait_for(Option::is_some).await;
        outcome
            .ok()
            .and_then(|outcome| outcome.clone())
            .unwrap_or(Err(DialError::GivenUp { address }))
    }
}

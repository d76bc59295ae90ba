//! What is shown while the demo runs: a dashboard where there is a terminal, lines of text where there is none.
//!
//! Both show an [`Observation`] and know nothing else.

mod dashboard;
mod lines;

use crate::observation::Observation;
use anyhow::{Context, Result};
use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use lines::Lines;
use ratatui::DefaultTerminal;
use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

/// Where the progress of the demo is shown.
pub(crate) enum View {
    /// A dashboard that fills the terminal.
    Dashboard(Dashboard),
    /// Lines on stderr.
    Lines(Lines),
}

impl View {
    /// The dashboard if stdout, where it is drawn, and stdin are a terminal and nobody asked for lines.
    ///
    /// # Errors
    ///
    /// If the terminal does not do what it should.
    pub(crate) fn open(plain: bool) -> Result<Self> {
        let terminal = io::stdout().is_terminal() && io::stdin().is_terminal();
        Ok(if plain || !terminal {
            Self::Lines(Lines::default())
        } else {
            Self::Dashboard(Dashboard::open()?)
        })
    }

    /// Shows what was measured so far.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub(crate) fn show(&mut self, observation: &Observation) -> Result<()> {
        match self {
            Self::Dashboard(dashboard) => dashboard.show(observation),
            Self::Lines(lines) => {
                let text = lines.news(observation);
                io::stderr().lock().write_all(text.as_bytes())?;
                Ok(())
            }
        }
    }

    /// Whether somebody pressed `q` or Ctrl-C since the last time. A terminal in raw mode sends no signal for it.
    ///
    /// # Errors
    ///
    /// If the keyboard cannot be read.
    pub(crate) fn wants_to_end(&self) -> Result<bool> {
        match self {
            Self::Dashboard(_) => ends_by_key(),
            Self::Lines(_) => Ok(false),
        }
    }
}

/// The terminal while the dashboard fills it. Dropping it gives the terminal back as it was, and so does a panic.
pub(crate) struct Dashboard(DefaultTerminal);

impl Dashboard {
    fn open() -> Result<Self> {
        ratatui::try_init()
            .map(Self)
            .context("the terminal cannot show a dashboard; --plain prints lines instead")
    }

    fn show(&mut self, observation: &Observation) -> Result<()> {
        self.0
            .draw(|frame| dashboard::draw(frame, observation))
            .context("the terminal is gone")?;
        Ok(())
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

fn ends_by_key() -> Result<bool> {
    let mut ends = false;
    while event::poll(Duration::ZERO)? {
        if let Event::Key(key) = event::read()? {
            ends |= is_end(key);
        }
    }
    Ok(ends)
}

fn is_end(key: KeyEvent) -> bool {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind == KeyEventKind::Press
        && match key.code {
            KeyCode::Char('q') => true,
            KeyCode::Char('c') => control,
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q_and_control_c_end_the_demo_and_c_does_not() {
        let key = |code, modifiers| KeyEvent::new(KeyCode::Char(code), modifiers);
        assert!(is_end(key('q', KeyModifiers::NONE)));
        assert!(is_end(key('c', KeyModifiers::CONTROL)));
        assert!(!is_end(key('c', KeyModifiers::NONE)));
    }
}

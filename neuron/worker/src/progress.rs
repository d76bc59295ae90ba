//! The line that shows on a terminal how far training is, and how what is logged gets past it.
//!
//! Whoever writes to the terminal while the line is drawn writes into it. So what is logged goes [past](Progress::past) it: the
//! line is taken away, and drawn again below.

use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The line. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    is_for_people: bool,
}

/// What writes above the line.
#[derive(Debug)]
pub(crate) struct Past<To> {
    bar: ProgressBar,
    to: To,
}

impl Progress {
    /// Hidden, until it is [shown](Self::show); for good where scripts read standard error.
    pub(crate) fn new(is_for_people: bool) -> Self {
        Self {
            bar: ProgressBar::hidden(),
            is_for_people,
        }
    }

    /// Shows it from now on, where there is a terminal, for training that ends at step `steps`, if it ends by itself.
    pub(crate) fn show(&self, steps: Option<u64>) {
        if self.is_for_people && io::stderr().is_terminal() {
            self.draw(ProgressDrawTarget::stderr(), steps);
        }
    }

    /// What writes to where it is drawn, in whole lines.
    pub(crate) fn past<To: Write>(&self, to: To) -> Past<To> {
        Past {
            bar: self.bar.clone(),
            to,
        }
    }

    fn draw(&self, target: ProgressDrawTarget, steps: Option<u64>) {
        let shape = match steps {
            Some(_) => "{bar:24} step {pos}/{len} {eta} {msg}",
            None => "{spinner} step {pos} {elapsed} {msg}",
        };
        let style = ProgressStyle::with_template(shape).expect("the template is a constant");
        self.bar.set_style(style);
        match steps {
            Some(steps) => self.bar.set_length(steps),
            None => self.bar.unset_length(),
        }
        self.bar.reset();
        self.bar.set_draw_target(target);
    }

    /// Whether there is nothing to be seen of it.
    pub(crate) fn is_hidden(&self) -> bool {
        self.bar.is_hidden()
    }

    /// So far is training.
    pub(crate) fn at(&self, step: u64, message: String) {
        self.bar.set_position(step);
        self.bar.set_message(message);
    }

    /// Writes `line` above it, if there is something to be seen of it.
    pub(crate) fn tell(&self, line: &str) {
        self.bar.println(line);
    }

    /// Leaves it as it is: training is over.
    pub(crate) fn end(&self) {
        self.bar.abandon();
    }
}

impl<To: Write> Write for Past<To> {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let to = &mut self.to;
        self.bar.suspend(|| to.write_all(lines))?;
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use indicatif::TermLike;

    use super::*;

    /// A terminal of which the rows are seen.
    #[derive(Clone, Debug, Default)]
    struct Terminal(Arc<Mutex<Screen>>);

    #[derive(Debug, Default)]
    struct Screen {
        rows: Vec<[char; WIDTH as usize]>,
        row: usize,
        column: usize,
    }

    const WIDTH: u16 = 60;

    impl Screen {
        fn put(&mut self, text: &str) {
            for character in text.chars() {
                match character {
                    '\r' => self.column = 0,
                    '\n' => (self.row, self.column) = (self.row + 1, 0),
                    character => {
                        // As terminals do, it begins a row when there is something to write in it.
                        if self.column == usize::from(WIDTH) {
                            (self.row, self.column) = (self.row + 1, 0);
                        }
                        let column = self.column;
                        self.row()[column] = character;
                        self.column += 1;
                    }
                }
            }
        }

        fn row(&mut self) -> &mut [char; WIDTH as usize] {
            let n_rows = self.rows.len().max(self.row + 1);
            self.rows.resize(n_rows, [' '; WIDTH as usize]);
            &mut self.rows[self.row]
        }
    }

    impl Terminal {
        fn change(&self, change: impl FnOnce(&mut Screen)) -> io::Result<()> {
            change(&mut self.0.lock().unwrap());
            Ok(())
        }

        fn rows(&self) -> Vec<String> {
            let screen = self.0.lock().unwrap();
            let rows = screen.rows.iter().map(String::from_iter);
            let rows = rows.map(|row: String| row.trim_end().to_owned());
            rows.filter(|row| !row.is_empty()).collect()
        }
    }

    impl TermLike for Terminal {
        fn width(&self) -> u16 {
            WIDTH
        }

        fn move_cursor_up(&self, n: usize) -> io::Result<()> {
            self.change(|screen| screen.row -= n)
        }

        fn move_cursor_down(&self, n: usize) -> io::Result<()> {
            self.change(|screen| screen.row += n)
        }

        fn move_cursor_right(&self, n: usize) -> io::Result<()> {
            self.change(|screen| screen.column += n)
        }

        fn move_cursor_left(&self, n: usize) -> io::Result<()> {
            self.change(|screen| screen.column -= n)
        }

        fn write_line(&self, text: &str) -> io::Result<()> {
            self.change(|screen| screen.put(&format!("{text}\n")))
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            self.change(|screen| screen.put(text))
        }

        fn clear_line(&self) -> io::Result<()> {
            self.change(|screen| {
                screen.column = 0;
                screen.row().fill(' ');
            })
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Write for Terminal {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let written = String::from_utf8(text.to_vec()).unwrap();
            self.change(|screen| screen.put(&written))?;
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log(progress: &Progress, terminal: &Terminal, event: &str) {
        // An event comes in one piece.
        let mut past = progress.past(terminal.clone());
        past.write_all(format!("{event}\n").as_bytes()).unwrap();
    }

    #[test]
    fn what_is_logged_is_above_the_line_and_the_line_is_there_once() {
        let terminal = Terminal::default();
        let progress = Progress::new(true);
        log(&progress, &terminal, "present");
        assert_eq!(terminal.rows(), ["present"]);

        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        progress.draw(target, Some(8));
        assert!(!progress.is_hidden());
        progress.at(2, "loss 1.5".to_owned());
        log(&progress, &terminal, "the chain is lost");
        progress.tell("step 2: measured");
        log(&progress, &terminal, "the chain is back");
        progress.at(3, "loss 1.25".to_owned());
        progress.end();
        log(&progress, &terminal, "over");

        let rows = terminal.rows();
        let (line, logged) = rows.split_last().unwrap();
        assert!(
            line.contains("step 3/8") && line.ends_with("loss 1.25"),
            "{rows:?}"
        );
        let expected = [
            "present",
            "the chain is lost",
            "step 2: measured",
            "the chain is back",
            "over",
        ];
        assert_eq!(logged, expected);
    }

    #[test]
    fn without_a_line_events_are_written_as_they_are() {
        let terminal = Terminal::default();
        let progress = Progress::new(false);
        progress.show(Some(8));
        progress.at(1, "loss 1.5".to_owned());
        log(&progress, &terminal, "one");
        progress.tell("nobody sees this");
        progress.end();
        log(&progress, &terminal, "two");
        assert_eq!(terminal.rows(), ["one", "two"]);
    }
}

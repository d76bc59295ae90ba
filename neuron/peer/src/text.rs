//! Texts that cross the wire for people to read.

use neuron_proto::MAX_MESSAGE_TEXT;

/// A text fit for a status, a log and a terminal: of at most [`MAX_MESSAGE_TEXT`] bytes, without control characters. For
/// what strangers wrote, and for what is written to them.
pub(crate) fn printable(text: &str) -> String {
    let mut kept = String::new();
    for character in text.chars().filter(|character| !character.is_control()) {
        if kept.len() + character.len_utf8() > MAX_MESSAGE_TEXT {
            break;
        }
        kept.push(character);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_bounded_and_cannot_move_the_cursor() {
        assert_eq!(printable("no\x1b[2J way\n"), "no[2J way");
        assert_eq!(printable(&"ä".repeat(10_000)).len(), MAX_MESSAGE_TEXT);
    }
}

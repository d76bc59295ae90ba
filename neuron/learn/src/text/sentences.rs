//! Where sentences end.
//!
//! A sentence ends
//!
//! * at an empty line,
//! * after `.`, `!`, `?` or `…`, and quotes and brackets that close, before whitespace and then anything but a small letter,
//! * after `。`, `！` or `？`, and what closes.
//!
//! A full stop after an initial or an abbreviation of [`ABBREVIATIONS`] ends none. Rules of this kind cannot be right
//! everywhere; a pair of pieces that follow each other serves nearly as well as a pair of sentences.

/// Words that are followed by a full stop and then go on, in small letters.
const ABBREVIATIONS: [&str; 19] = [
    "al", "cf", "co", "corp", "dr", "e.g", "fig", "i.e", "inc", "jr", "ltd", "mr", "mrs", "ms",
    "prof", "rev", "sr", "st", "vs",
];

/// The sentences of a text, in order, without whitespace around them. Nothing but whitespace is lost between them.
pub fn sentences(text: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let mut begin = 0;
    for (at, character) in text.char_indices() {
        let after = at + character.len_utf8();
        let end = match character {
            _ if at < begin => None,
            '\n' => ends_paragraph(&text[after..]).then_some(after),
            '.' | '!' | '?' | '…' => ends_sentence(text, begin, at, after),
            '。' | '！' | '？' => Some(after + closing(&text[after..])),
            _ => None,
        };
        if let Some(end) = end {
            sentences.push(text[begin..end].trim());
            begin = end;
        }
    }
    sentences.push(text[begin..].trim());
    sentences.retain(|sentence| !sentence.is_empty());
    sentences
}

/// Whether the line that begins here is empty.
fn ends_paragraph(line: &str) -> bool {
    line.trim_start_matches([' ', '\t', '\r']).starts_with('\n')
}

/// The end of the sentence from `begin` whose mark is at `mark..after`, if it is one.
fn ends_sentence(text: &str, begin: usize, mark: usize, after: usize) -> Option<usize> {
    let end = after + closing(&text[after..]);
    let rest = &text[end..];
    let next = rest.trim_start();
    if next.len() == rest.len() && !next.is_empty() {
        return None;
    }
    if next.chars().next().is_some_and(char::is_lowercase) {
        return None;
    }
    let is_abbreviated =
        &text[mark..after] == "." && end == after && is_abbreviation(&text[begin..mark]);
    (!is_abbreviated).then_some(end)
}

/// Bytes of the quotes and brackets that close here.
fn closing(text: &str) -> usize {
    text.len()
        - text
            .trim_start_matches(['"', '\'', ')', ']', '”', '’', '»', '」', '』'])
            .len()
}

/// Whether the text ends in an abbreviation or an initial, its full stop not included.
fn is_abbreviation(text: &str) -> bool {
    let word = text
        .rsplit(|c: char| c.is_whitespace() || matches!(c, '(' | '[' | '"' | '“' | '‘'))
        .next()
        .unwrap_or(text);
    let mut letters = word.chars();
    let is_initial =
        letters.next().is_some_and(char::is_uppercase) && letters.next().is_none() && word != "I";
    is_initial || ABBREVIATIONS.contains(&word.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sentences_end_where_a_reader_would_pause() {
        let text = "It rained. Did it? \"Yes!\" said Dr. Jones (a friend of J. S. Bach). It was 3.5 mm, i.e. little…\n\
                    More came later!! Then, e.g. here, it stopped";
        let expected = [
            "It rained.",
            "Did it?",
            "\"Yes!\" said Dr. Jones (a friend of J. S. Bach).",
            "It was 3.5 mm, i.e. little…",
            "More came later!!",
            "Then, e.g. here, it stopped",
        ];
        assert_eq!(sentences(text), expected);
    }

    #[test]
    fn an_empty_line_ends_a_sentence_and_a_line_does_not() {
        assert_eq!(
            sentences("A title\n \r\n\nA line\nand another"),
            ["A title", "A line\nand another"]
        );
    }

    #[test]
    fn scripts_without_spaces_have_sentences() {
        assert_eq!(
            sentences("雨です。「本当？」はい"),
            ["雨です。", "「本当？」", "はい"]
        );
    }

    #[test]
    fn marks_alone_are_no_reason_to_panic() {
        for text in ["", " ", ".", "...", "\n\n", "I.", "é.", "?!\"", "。。"] {
            let joined: String = sentences(text).concat();
            assert_eq!(joined, text.trim());
        }
        assert_eq!(sentences("It was I. You knew."), ["It was I.", "You knew."]);
    }

    proptest! {
        #[test]
        fn nothing_but_whitespace_is_lost(text in "([a-zA-Z.!?…。 \n\"')é]|Dr\\. ){0,200}") {
            let without = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            let sentences = sentences(&text);
            prop_assert_eq!(without(&sentences.concat()), without(&text));
            prop_assert!(sentences.iter().all(|s| !s.is_empty() && s.trim() == *s));
        }
    }
}

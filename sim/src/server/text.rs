//! What every answer says.

/// Words number `from` up to, but not including, `to` of an endless text. Each is one token in every encoding.
pub(super) fn words(from: u64, to: u64) -> String {
    const WORDS: [&str; 8] = [" the", " way", " of", " all", " time", " is", " not", " one"];
    let text: String = (from..to).map(|number| WORDS[(number % 8) as usize]).collect();
    if from == 0 { text.trim_start().to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiktoken_rs::{cl100k_base_singleton, o200k_base_singleton};

    #[test]
    fn an_answer_has_exactly_the_tokens_it_is_billed_for() {
        for tokens in [0, 1, 2, 7, 8, 9, 100] {
            let text = words(0, tokens);
            assert_eq!(cl100k_base_singleton().count_ordinary(&text) as u64, tokens);
            assert_eq!(o200k_base_singleton().count_ordinary(&text) as u64, tokens);
        }
    }

    #[test]
    fn pieces_add_up_to_the_whole() {
        assert_eq!(words(0, 3) + &words(3, 11) + &words(11, 20), words(0, 20));
    }
}

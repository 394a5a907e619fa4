//! What somebody who misspelt a word may have meant.

/// With more valid words than this, only the nearest are listed.
const MOST_LISTED: usize = 12;

/// The valid word nearest to `word`, if one is near enough to be meant.
pub fn nearest<'a>(word: &str, valid: &[&'a str]) -> Option<&'a str> {
    let (candidate, distance) = valid
        .iter()
        .map(|candidate| (*candidate, distance(word, candidate)))
        .min_by_key(|(_, distance)| *distance)?;
    let longer = word.chars().count().max(candidate.chars().count());
    (distance <= (longer / 3).max(1) && distance < longer).then_some(candidate)
}

/// A list of words for a person, the nearest to `word` first.
pub fn listed(word: &str, valid: &[&str]) -> String {
    let mut words: Vec<&str> = valid.to_vec();
    words.sort_by_key(|candidate| distance(word, candidate));
    let more = words.len().saturating_sub(MOST_LISTED);
    words.truncate(MOST_LISTED);
    let mut list = words.join(", ");
    if more > 0 {
        list.push_str(&format!(" and {more} more"));
    }
    list
}

/// The way out of an unknown word: the one that was meant, or all that are valid.
pub fn hint(what: &str, word: &str, valid: &[&str]) -> String {
    match nearest(word, valid) {
        Some(meant) => format!("did you mean {meant:?}?"),
        None if valid.is_empty() => format!("there is no {what} that is valid here"),
        None => format!("valid here: {}", listed(word, valid)),
    }
}

/// Letters' case, '-' and '_' count little: they are the likeliest slips.
fn distance(word: &str, candidate: &str) -> usize {
    // A word longer than any key is no slip, and comparing it would cost the product of both lengths.
    if word.len() > 256 {
        return usize::MAX;
    }
    if plain(word) == plain(candidate) {
        return usize::from(word != candidate);
    }
    strsim::damerau_levenshtein(word, candidate)
}

fn plain(word: &str) -> String {
    word.chars()
        .filter(|c| !matches!(c, '-' | '_'))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_word_that_was_meant() {
        let valid = ["address", "addresses", "gateway", "next_hop"];
        assert_eq!(nearest("adress", &valid), Some("address"));
        assert_eq!(nearest("nextHop", &valid), Some("next_hop"));
        assert_eq!(nearest("getaway", &valid), Some("gateway"));
        assert_eq!(nearest("mtu", &valid), None);
        assert_eq!(nearest(&"a".repeat(300), &valid), None);
    }

    #[test]
    fn lists_the_nearest_first_and_not_all_of_many() {
        assert_eq!(listed("brige", &["bond", "bridge"]), "bridge, bond");
        let many: Vec<String> = (0..20).map(|n| format!("kind{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(listed("x", &many).ends_with("and 8 more"));
    }
}

//! Correlation tokens: what they look like, and where the model's requests carry them.

use crate::wire::{Incoming, MAX_BODY};

/// What correlation tokens begin with.
const TOKEN_MARK: &[u8] = b"oapt";

/// Length of a correlation token: the mark and 16 hex digits.
const TOKEN_LENGTH: usize = 20;

/// Whether these bytes are a correlation token.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    bytes.len() == TOKEN_LENGTH
        && bytes.starts_with(TOKEN_MARK)
        && bytes[TOKEN_MARK.len()..]
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// All tokens in a model request: in the body, then in the address, then in the headers.
pub(crate) fn tokens(incoming: &Incoming) -> impl Iterator<Item = String> {
    // A body that is too large is not looked at either.
    let body: &[u8] = if incoming.body.len() > MAX_BODY {
        &[]
    } else {
        &incoming.body
    };
    let query = incoming
        .query
        .iter()
        .flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
    let headers = incoming.headers.values().map(String::as_bytes);
    [body, incoming.path.as_bytes()]
        .into_iter()
        .chain(query)
        .chain(headers)
        .flat_map(|text| {
            let found = text.windows(TOKEN_LENGTH).filter(|window| is_token(window));
            found.map(|window| String::from_utf8_lossy(window).into_owned())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_anywhere_in_order() {
        let incoming = Incoming {
            method: "POST".into(),
            path: "/oapt0000000000000002/chat".into(),
            query: vec![("user".into(), "oapt0000000000000003".into())],
            headers: [("x-user".to_owned(), "U-oapt0000000000000004".to_owned())].into(),
            authorization: Vec::new(),
            body: b"MeetBot-oapt00000000000000aa]oapt0000000000000001 oaptG000000000000000 oapt00"
                .to_vec(),
        };
        let found: Vec<String> = tokens(&incoming).collect();
        let ends: Vec<&str> = found.iter().map(|token| &token[18..]).collect();
        assert_eq!(ends, ["aa", "01", "02", "03", "04"]);
    }
}

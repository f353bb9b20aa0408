//! Modules of strangers, before anything is compiled.

use oap_conform::sandbox::read_module;

/// A module: the bytes as the text they are, and as base64 of a binary.
pub fn module(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        taken(text);
    }
    taken(&encoded(bytes));
}

fn taken(code: &str) {
    let open = read_module(code, true);
    let closed = read_module(code, false);
    assert!(
        open.is_ok() || closed.is_err(),
        "a module is taken only because it has no network"
    );
    if let Ok(module) = open {
        let again =
            read_module(&encoded(&module), true).expect("a module that was taken is taken again");
        assert_eq!(again, module);
    }
}

/// Base64 with padding.
fn encoded(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let all = group
            .iter()
            .chain([&0; 2])
            .take(3)
            .fold(0_usize, |all, byte| all << 8 | usize::from(*byte));
        for place in 0..4 {
            let digit = DIGITS[all >> (18 - 6 * place) & 63];
            text.push(if place > group.len() {
                '='
            } else {
                char::from(digit)
            });
        }
    }
    text
}

//! What a model's provider answers: bodies in one piece, streams, and plans in them.

use oap_conform::model::backoff::rest_of;
use oap_conform::model::{LARGEST_ANSWER, ModelReply, Wire};
use oap_conform::runtime::plan::{read_plan, strip_fence};

/// A body in one piece, for every wire, and its text as a plan.
pub fn reply(bytes: &[u8]) {
    for wire in Wire::ALL {
        if let Ok(reply) = wire.read_reply(200, None, bytes) {
            planned(&reply);
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = read_plan(strip_fence(text));
        let _ = rest_of(text, "2026-01-01T00:00:00Z".parse().expect("a time"));
    }
}

/// A stream, for every wire: in whatever pieces it comes, it says the same. The first byte is the size of the pieces.
pub fn stream(bytes: &[u8]) {
    let Some((size, events)) = bytes.split_first() else {
        return;
    };
    for wire in Wire::ALL {
        let whole = read(wire, events, events.len().max(1));
        let pieces = read(wire, events, usize::from(*size).max(1));
        match (&whole, &pieces) {
            (Some(one), Some(other)) => assert_eq!(
                (&one.text, &one.finish_reason),
                (&other.text, &other.finish_reason),
                "{wire} in pieces of {size}"
            ),
            (None, None) => {}
            _ => panic!("{wire}: pieces of {size} decide whether there is a reply"),
        }
        if let Some(reply) = &whole {
            assert!(reply.text.len() <= LARGEST_ANSWER);
            planned(reply);
        }
    }
}

fn read(wire: Wire, events: &[u8], size: usize) -> Option<ModelReply> {
    let mut reader = wire.stream();
    for piece in events.chunks(size) {
        reader.push(piece).ok()?;
        if reader.is_done() {
            break;
        }
    }
    reader.end().ok()
}

fn planned(reply: &ModelReply) {
    if let Ok(plan) = read_plan(strip_fence(&reply.text)) {
        assert!(plan.raw.is_object(), "a plan that is no object");
    }
}

//! `cache` and `batch` of definitions that only read (`spec/extensions.md`, section 5).

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::Value;

use super::members::Members;
use super::report::Report;
use super::{Batch, Cache, Effect, Kind};

/// The members.
const CACHE: &str = "cache";
const BATCH: &str = "batch";

/// Their own members.
pub(super) const KNOWN_OF_CACHE: &[&str] = &["ttl_s"];
pub(super) const KNOWN_OF_BATCH: &[&str] = &["window_ms", "member", "result_member"];

const TTL_S: RangeInclusive<u64> = 1..=3600;
const WINDOW_MS: RangeInclusive<u64> = 1..=1000;

/// Reads both into an `invoke_api` definition; on what may do more than read they are refused.
pub(super) fn read(
    members: &Members<'_>,
    kind: Option<&mut Kind>,
    effects: &[Effect],
    report: &mut Report,
) {
    let given = [CACHE, BATCH].map(|name| members.get(name).map(|value| (value, name)));
    let reads = matches!(effects, [Effect::Read]);
    let api = match kind {
        // Its type is refused already, and it may be one that reads.
        None => return,
        Some(Kind::InvokeApi(api)) if reads => api,
        Some(_) => {
            for (_, name) in given.into_iter().flatten() {
                report.refuse(
                    &members.place(name),
                    "not_a_read",
                    format!(
                        "leave {name:?} out, or say \"effects\": [\"read\"] of an invoke_api action that only reads"
                    ),
                );
            }
            return;
        }
    };
    let [cache, batch] = given;
    api.cache = cache.and_then(|(value, name)| read_cache(value, members.place(name), report));
    api.batch = batch.and_then(|(value, name)| {
        read_batch(
            value,
            members.place(name),
            members.get("input_schema"),
            report,
        )
    });
}

fn read_cache(value: &Value, place: String, report: &mut Report) -> Option<Cache> {
    let members = Members::of(value, &place, report)?;
    members.require("ttl_s", report)?;
    let ttl = members.integer("ttl_s", TTL_S, *TTL_S.start(), report);
    members.warn_unknown(&[KNOWN_OF_CACHE], CACHE, report);
    Some(Cache {
        ttl: Duration::from_secs(ttl),
        pointer: report.original(&place),
    })
}

fn read_batch(
    value: &Value,
    place: String,
    input_schema: Option<&Value>,
    report: &mut Report,
) -> Option<Box<Batch>> {
    let members = Members::of(value, &place, report)?;
    let window = members.require("window_ms", report);
    let member = members.required_text("member", report);
    let result_member = members.text("result_member", report);
    members.warn_unknown(&[KNOWN_OF_BATCH], BATCH, report);
    window?;
    let window = members.integer("window_ms", WINDOW_MS, *WINDOW_MS.start(), report);
    let member = member?;
    if !always_an_array(input_schema, member) {
        report.refuse(
            &members.place("member"),
            "not_an_array",
            "name an argument that \"required\" of the input schema lists and its \"properties\" say is of \"type\": \"array\"",
        );
        return None;
    }
    Some(Box::new(Batch {
        window: Duration::from_millis(window),
        member: member.to_owned(),
        result_member: result_member.map(str::to_owned),
        pointer: report.original(&place),
    }))
}

/// Whether every argument object that satisfies a schema has this member, and it is an array.
fn always_an_array(schema: Option<&Value>, member: &str) -> bool {
    let Some(schema) = schema else {
        return false;
    };
    let required = schema.get("required").and_then(Value::as_array);
    let listed = required.is_some_and(|names| names.iter().any(|name| name == member));
    let declared = schema
        .get("properties")
        .and_then(|properties| properties.get(member)?.get("type"));
    listed && declared.is_some_and(|kind| kind == "array")
}

//! The calendar: free slots, events that may not overlap, agendas.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::clock::instant;
use crate::script::Seed;
use crate::wire::{Answer, Incoming};

/// Slots offered unless a seed says otherwise: the two of the first article's story.
const SLOTS: [(&str, &str); 2] = [
    ("2026-04-03T10:00:00-07:00", "2026-04-03T10:45:00-07:00"),
    ("2026-04-04T14:00:00-07:00", "2026-04-04T14:45:00-07:00"),
];

/// Events kept for one token.
const MAX_EVENTS: usize = 10_000;

/// One token's calendar.
#[derive(Debug, Clone)]
pub(crate) struct Calendar {
    slots: Vec<Slot>,
    events: Vec<Event>,
    created: u32,
}

#[derive(Debug, Clone)]
struct Slot {
    span: Span,
    shown: Value,
}

#[derive(Debug, Clone)]
struct Event {
    id: String,
    span: Span,
    shown: Value,
}

/// A half-open stretch of time, in milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: i64,
    end: i64,
}

impl Span {
    fn of(start: &str, end: &str) -> Result<Span, String> {
        let read =
            |text: &str| instant(text).ok_or_else(|| format!("`{text}` is no RFC 3339 date-time"));
        let span = Span {
            start: read(start)?,
            end: read(end)?,
        };
        if span.start < span.end {
            Ok(span)
        } else {
            Err("`end` must be later than `start`".to_owned())
        }
    }

    /// The span of an object with `start` and `end`.
    fn of_members(members: &Map<String, Value>) -> Result<Span, String> {
        let text = |name: &str| {
            members
                .get(name)
                .and_then(Value::as_str)
                .ok_or_else(|| format!("`{name}` must be an RFC 3339 date-time"))
        };
        Span::of(text("start")?, text("end")?)
    }

    fn overlaps(self, other: Span) -> bool {
        self.start < other.end && other.start < self.end
    }
}

impl Default for Calendar {
    fn default() -> Self {
        let slot = |&(start, end): &(&str, &str)| {
            let shown = json!({"start": start, "end": end});
            Some(Slot {
                span: Span::of(start, end).ok()?,
                shown,
            })
        };
        Calendar {
            slots: SLOTS.iter().filter_map(slot).collect(),
            events: Vec::new(),
            created: 0,
        }
    }
}

/// `seed` of the calendar.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CalendarSeed {
    #[serde(default)]
    events: Vec<Map<String, Value>>,
    slots: Option<Vec<Map<String, Value>>>,
}

impl Seed for Calendar {
    type Raw = CalendarSeed;

    fn grow(raw: CalendarSeed) -> Result<Self, (String, String)> {
        let mut calendar = Calendar::default();
        if let Some(slots) = raw.slots {
            let slot =
                |(index, members): (usize, Map<String, Value>)| -> Result<Slot, (String, String)> {
                    let span = Span::of_members(&members)
                        .map_err(|message| (format!("/slots/{index}"), message))?;
                    Ok(Slot {
                        span,
                        shown: Value::Object(members),
                    })
                };
            calendar.slots = slots
                .into_iter()
                .enumerate()
                .map(slot)
                .collect::<Result<_, _>>()?;
        }
        for (index, mut members) in raw.events.into_iter().enumerate() {
            let at = |message: String| (format!("/events/{index}"), message);
            let span = Span::of_members(&members).map_err(at)?;
            let given = members.get("event_id").or(members.get("id"));
            // A number range of its own: the first event that a case creates is `ev_0001` whatever was seeded.
            let id = given
                .and_then(Value::as_str)
                .map_or_else(|| format!("seed_{:04}", index + 1), str::to_owned);
            if calendar.events.iter().any(|event| event.id == id) {
                return Err(at(format!("event `{id}` is there already")));
            }
            name(&mut members, &id);
            calendar.events.push(Event {
                id,
                span,
                shown: Value::Object(members),
            });
        }
        Ok(calendar)
    }
}

/// Puts an event's identifier into its members, under both names that callers know.
fn name(members: &mut Map<String, Value>, id: &str) {
    members.insert("event_id".to_owned(), json!(id));
    members.insert("id".to_owned(), json!(id));
}

impl Calendar {
    /// The answer to a call; `None` when the calendar has no such endpoint.
    pub(crate) fn answer(&mut self, incoming: &Incoming) -> Option<Answer> {
        let path = incoming.path.as_str();
        Some(match (incoming.method.as_str(), path) {
            ("POST", "/v1/free_slots") => {
                with_object(incoming, |body| match body.get("duration_minutes") {
                    None => self.free(None),
                    Some(minutes) => self.free(Some(minutes.as_f64())),
                })
            }
            ("GET", "/v1/free-slots") => {
                let minutes = incoming
                    .query
                    .iter()
                    .find(|(name, _)| name == "duration")
                    .map(|(_, text)| text.parse().ok());
                self.free(minutes)
            }
            ("POST", "/v1/events") => with_object(incoming, |body| self.create(body)),
            ("GET", "/v1/events") => Answer::json(200, &self.state()),
            ("POST", "/v1/agendas") => with_object(incoming, |body| {
                match body.get("purpose").and_then(Value::as_str) {
                    Some(purpose) => {
                        Answer::json(200, &json!({"agenda": format!("Agenda: {purpose}")}))
                    }
                    None => Answer::error(422, "invalid_agenda", "`purpose` must be a string"),
                }
            }),
            (method, path) => {
                let id = path
                    .strip_prefix("/v1/events/")
                    .filter(|id| !id.is_empty() && !id.contains('/'))?;
                let found = self.events.iter().position(|event| event.id == id);
                match (method, found) {
                    ("GET" | "DELETE", None) => {
                        Answer::error(404, "not_found", &format!("no event `{id}`"))
                    }
                    ("GET", Some(index)) => Answer::json(200, &self.events[index].shown),
                    ("DELETE", Some(index)) => {
                        self.events.remove(index);
                        Answer::empty(204)
                    }
                    _ => return None,
                }
            }
        })
    }

    /// `{events}`.
    pub(crate) fn state(&self) -> Value {
        json!({"events": self.events.iter().map(|event| &event.shown).collect::<Vec<_>>()})
    }

    /// The slots that no event touches and that last long enough; the inner `None` is a length that is no number.
    fn free(&self, minutes: Option<Option<f64>>) -> Answer {
        let least = match minutes {
            None => 0.0,
            Some(Some(minutes)) if minutes > 0.0 => minutes * 60_000.0,
            Some(_) => {
                return Answer::error(
                    422,
                    "invalid_duration",
                    "the duration must be a positive number of minutes",
                );
            }
        };
        let fits = |slot: &&Slot| {
            let long_enough = (slot.span.end - slot.span.start) as f64 >= least;
            long_enough
                && !self
                    .events
                    .iter()
                    .any(|event| event.span.overlaps(slot.span))
        };
        let slots: Vec<&Value> = self
            .slots
            .iter()
            .filter(fits)
            .map(|slot| &slot.shown)
            .collect();
        Answer::json(200, &json!({"slots": slots}))
    }

    fn create(&mut self, mut members: Map<String, Value>) -> Answer {
        let span = match Span::of_members(&members) {
            Ok(span) => span,
            Err(message) => return Answer::error(422, "invalid_event", &message),
        };
        if let Some(other) = self.events.iter().find(|event| event.span.overlaps(span)) {
            let body = json!({"error": "conflict", "message": format!("overlaps event `{}`", other.id), "event_id": other.id});
            return Answer::json(409, &body);
        }
        if self.events.len() >= MAX_EVENTS {
            return Answer::error(507, "calendar_full", "this calendar holds no more events");
        }
        let id = loop {
            self.created += 1;
            let id = format!("ev_{:04}", self.created);
            if self.events.iter().all(|event| event.id != id) {
                break id;
            }
        };
        name(&mut members, &id);
        let answer = Answer::json(201, &json!({"event_id": id, "id": id}));
        self.events.push(Event {
            id,
            span,
            shown: Value::Object(members),
        });
        answer
    }
}

/// Hands on the body's members; a body that is no JSON object is 400.
pub(crate) fn with_object(
    incoming: &Incoming,
    answer: impl FnOnce(Map<String, Value>) -> Answer,
) -> Answer {
    match serde_json::from_slice(&incoming.body) {
        Ok(Value::Object(members)) => answer(members),
        _ => Answer::error(400, "invalid_body", "the body must be a JSON object"),
    }
}

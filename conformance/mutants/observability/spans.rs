//! Mutants of section 3: spans and their collector.

use serde_json::{Value, json};

use crate::mutants::Mutant;
use crate::runtime::Reference;
use crate::runtime::answer::Answer;
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::telemetry::What;
use crate::runtime::telemetry::span::Span;
use crate::runtime::telemetry::trace::TraceId;

/// The mutants.
pub(super) fn mutants() -> Vec<Mutant> {
    vec![
        swap_telemetry!(
            "no-model-spans",
            "OBV-013",
            "sends no span for a call of the model",
            fn finish_span(&self, span: Span) -> Option<Span> {
                Reference
                    .finish_span(span)
                    .filter(|span| span.what != What::Model)
            },
        ),
        swap_telemetry!(
            "no-api-spans",
            "OBV-013",
            "sends no span for a call of a service",
            fn finish_span(&self, span: Span) -> Option<Span> {
                Reference
                    .finish_span(span)
                    .filter(|span| span.what != What::Api)
            },
        ),
        swap_telemetry!(
            "no-sandbox-spans",
            "OBV-013",
            "sends no span for a run of code",
            fn finish_span(&self, span: Span) -> Option<Span> {
                Reference
                    .finish_span(span)
                    .filter(|span| span.what != What::Sandbox)
            },
        ),
        swap_telemetry!(
            "spans-in-other-traces",
            "OBV-013",
            "puts the span of a call of a service into a trace of its own",
            fn finish_span(&self, mut span: Span) -> Option<Span> {
                if span.what == What::Api {
                    span.trace = TraceId::new();
                }
                Reference.finish_span(span)
            },
        ),
        swap_telemetry!(
            "steps-without-parent",
            "OBV-013",
            "does not say that the span of a step is below that of its caller",
            fn finish_span(&self, mut span: Span) -> Option<Span> {
                if span.what == What::Step {
                    span.parent = None;
                }
                Reference.finish_span(span)
            },
        ),
        swap_telemetry!(
            "own-span-names",
            "OBV-014",
            "gives spans names of its own",
            fn finish_span(&self, mut span: Span) -> Option<Span> {
                span.name = format!("oap {:?}", span.what);
                Reference.finish_span(span)
            },
        ),
        swap_telemetry!(
            "steps-without-attributes",
            "OBV-014",
            "does not say of a step of which session and action it is",
            fn finish_span(&self, mut span: Span) -> Option<Span> {
                span.attributes
                    .retain(|(name, _)| !["oap.session.id", "oap.action.name"].contains(name));
                Reference.finish_span(span)
            },
        ),
        swap_telemetry!(
            "tokens-are-not-told",
            "OBV-014",
            "does not say how many tokens a call of the model took",
            fn finish_span(&self, mut span: Span) -> Option<Span> {
                span.attributes.retain(|(name, _)| {
                    !["gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"].contains(name)
                });
                Reference.finish_span(span)
            },
        ),
        swap_telemetry!(
            "status-is-not-told",
            "OBV-014",
            "does not say what a service answered",
            fn finish_span(&self, mut span: Span) -> Option<Span> {
                span.attributes
                    .retain(|(name, _)| !["http.response.status_code"].contains(name));
                Reference.finish_span(span)
            },
        ),
        swap_telemetry!(
            "errors-look-well",
            "OBV-015",
            "sends spans of failed calls as if they were well",
            fn finish_span(&self, mut span: Span) -> Option<Span> {
                span.error = None;
                Reference.finish_span(span)
            },
        ),
        swap_telemetry!(
            "errors-without-type",
            "OBV-015",
            "does not say of which type an error is",
            fn finish_span(&self, mut span: Span) -> Option<Span> {
                span.attributes
                    .retain(|(name, _)| !["error.type"].contains(name));
                Reference.finish_span(span)
            },
        ),
        swap_telemetry!(
            "exports-another-format",
            "OBV-016",
            "sends spans in a format of its own",
            fn finish_export(&self, body: Value) -> Value {
                json!({"spans": [body]})
            },
        ),
        swap_telemetry!(
            "waits-for-the-collector",
            "OBV-017",
            "answers a step when the collector has answered",
            fn waits_for_collector(&self) -> bool {
                true
            },
        ),
        swap_telemetry!(
            "fails-with-the-collector",
            "OBV-017",
            "fails a step whose spans were not delivered",
            fn waits_for_collector(&self) -> bool {
                true
            },
            fn after_collector(&self, delivered: bool, answer: Answer) -> Answer {
                if delivered {
                    answer
                } else {
                    Answer::error(
                        &Reference,
                        &ErrorObject::new(Code::LlmUnavailable, "the collector took no spans"),
                    )
                }
            },
        ),
    ]
}

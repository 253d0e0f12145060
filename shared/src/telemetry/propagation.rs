//! The trace hand-over: what travels in outbox rows, record headers and stored causes.

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// W3C `traceparent`, or nothing for a trace that does not exist.
pub fn to_traceparent(span: &SpanContext) -> Option<String> {
    span.is_valid().then(|| {
        format!(
            "00-{}-{}-{:02x}",
            span.trace_id(),
            span.span_id(),
            span.trace_flags().to_u8()
        )
    })
}

/// An invalid or missing value is no trace: hostile headers must not break processing.
pub fn from_traceparent(value: Option<&str>) -> SpanContext {
    value.and_then(parse).unwrap_or(SpanContext::NONE)
}

fn parse(value: &str) -> Option<SpanContext> {
    let mut parts = value.split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let lower_hex = |part: &str, length| {
        part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    if parts.next().is_some()
        || version != "00"
        || !lower_hex(trace, 32)
        || !lower_hex(span, 16)
        || !lower_hex(flags, 2)
    {
        return None;
    }
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()? & 1),
        true,
        TraceState::NONE,
    );
    context.is_valid().then_some(context)
}

/// Makes `span` a child of a span of another process. **Before the span is entered.**
pub fn continue_trace(span: &Span, parent: &SpanContext) {
    if parent.is_valid() {
        // Fails only without telemetry, where there is nothing to continue.
        let _ = span.set_parent(Context::new().with_remote_span_context(parent.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::{from_traceparent, to_traceparent};

    #[track_caller]
    fn check(value: &str, survives: bool) {
        let again = to_traceparent(&from_traceparent(Some(value)));
        assert_eq!(again.as_deref(), survives.then_some(value));
    }

    #[test]
    fn a_valid_trace_context_survives_and_a_hostile_one_is_dropped() {
        check(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            true,
        );
        check(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
            true,
        );
        check(
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            false,
        );
        check(
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            false,
        );
        check(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            false,
        );
        check(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            false,
        );
        check("", false);
        check(&"-".repeat(8192), false);
    }
}

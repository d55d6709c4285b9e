"""One trace per job, through every service: W3C trace context in the envelope's `traceparent`.

Only the OpenTelemetry API is used here. Without an SDK nothing is recorded and
the context still travels; with one, every span joins the job's trace.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import context, trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR = TraceContextTextMapPropagator()


def current_traceparent() -> str | None:
    """Return the `traceparent` of the work at hand, if it belongs to a trace."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def continued(traceparent: str | None) -> Iterator[None]:
    """Let what happens inside belong to the trace of `traceparent`, or to a new one if it names none."""
    carrier = {"traceparent": traceparent} if traceparent else {}
    remote = _PROPAGATOR.extract(carrier)
    if not trace.get_current_span(remote).get_span_context().is_valid:
        remote = trace.set_span_in_context(NonRecordingSpan(_new_context()))
    token = context.attach(remote)
    try:
        yield
    finally:
        context.detach(token)


def _new_context() -> SpanContext:
    return SpanContext(
        trace_id=secrets.randbits(128) | 1,
        span_id=secrets.randbits(64) | 1,
        is_remote=False,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )

//! Spans for an OpenTelemetry collector, if one is configured: what was submitted, asked, committed and
//! admitted, and how long it took.
//!
//! The collector is nobody that a refund waits for. Spans go into a bounded queue, a thread of its own
//! sends them, what does not fit is dropped, and the last of them get a few seconds at the end. A span
//! names refund, account and gateway; never an amount, a key, a signing string or a body.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider};
use tracing::{Span, Subscriber, field};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

/// The target of all spans of this file: the log leaves them out, the collector gets nothing else.
pub(super) const TARGET: &str = "refundd::spans";

/// How long the collector may take for one batch.
const EXPORT_MAX: Duration = Duration::from_secs(5);

/// How long the last spans get when refundd stops.
const FLUSH_MAX: Duration = Duration::from_secs(3);

/// How often spans are sent.
const EXPORT_EVERY: Duration = Duration::from_secs(2);

/// Most spans that wait; the next ones are dropped. About 1 KiB each.
const QUEUE_MAX: usize = 8_192;

/// Whoever sends the spans of this process.
static PROVIDER: Mutex<Option<SdkTracerProvider>> = Mutex::new(None);

/// Starts sending to the collector at `endpoint`, such as `http://127.0.0.1:4318`; returns the layer
/// that makes spans of ours.
///
/// # Errors
/// [`ExporterBuildError`] if the address is none or no HTTP client can be made.
pub(super) fn layer<S>(endpoint: &str) -> Result<impl Layer<S> + use<S>, ExporterBuildError>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    // The exporter's own client needs it; another one that is in place already stays.
    drop(rustls::crypto::ring::default_provider().install_default());
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .with_timeout(EXPORT_MAX)
        .build()?;
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE_MAX)
        .with_scheduled_delay(EXPORT_EVERY)
        .build();
    let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
    let resource = Resource::builder().with_service_name("refundd").build();
    let provider =
        SdkTracerProvider::builder().with_span_processor(processor).with_resource(resource).build();
    let tracer = provider.tracer("refundd");
    *PROVIDER.lock().unwrap_or_else(PoisonError::into_inner) = Some(provider);
    let ours = filter_fn(|about| about.is_span() && about.target() == TARGET);
    let layer = tracing_opentelemetry::layer().with_tracer(tracer);
    let layer = layer.with_location(false).with_threads(false).with_tracked_inactivity(false);
    Ok(layer.with_target(false).with_filter(ours))
}

/// Sends what is left, for three seconds at most. Blocks; does nothing without a collector.
pub fn flush() {
    let provider = PROVIDER.lock().unwrap_or_else(PoisonError::into_inner).take();
    // A collector that does not answer is no reason to tell anybody who stops refundd.
    drop(provider.map(|provider| provider.shutdown_with_timeout(FLUSH_MAX)));
}

/// A submit, from the first byte to the answer.
pub fn submit(refund_no: &str, account: &str, gateway: &str, attempt: u32) -> Span {
    tracing::info_span!(
        target: TARGET,
        "submit",
        otel.kind = "client",
        messaging.system = "refundd",
        messaging.operation.name = "submit",
        "messaging.operation.type" = "process",
        messaging.message.id = refund_no,
        refund.no = refund_no,
        refund.account = account,
        refund.attempt = attempt,
        gateway.name = gateway,
        refund.event = field::Empty,
    )
}

/// A query, from the first byte to the answer.
pub fn query(refund_no: &str, account: &str, gateway: &str, poll: u32) -> Span {
    tracing::info_span!(
        target: TARGET,
        "query",
        otel.kind = "client",
        messaging.system = "refundd",
        messaging.operation.name = "query",
        "messaging.operation.type" = "process",
        messaging.message.id = refund_no,
        refund.no = refund_no,
        refund.account = account,
        refund.poll = poll,
        gateway.name = gateway,
        refund.event = field::Empty,
    )
}

/// A write of `refunds` steps to the ledger, retries included; `refund_no` if it is one alone.
pub fn commit(refund_no: Option<&str>, refunds: usize) -> Span {
    batch("commit", "settle", refund_no, refunds)
}

/// A write that takes `refunds` requests in; `refund_no` if it is one alone.
pub fn admit(refund_no: Option<&str>, refunds: usize) -> Span {
    batch("admit", "receive", refund_no, refunds)
}

fn batch(name: &'static str, kind: &'static str, refund_no: Option<&str>, refunds: usize) -> Span {
    tracing::info_span!(
        target: TARGET,
        "ledger",
        otel.name = name,
        otel.kind = "consumer",
        messaging.system = "redis",
        messaging.operation.name = name,
        "messaging.operation.type" = kind,
        messaging.batch.message_count = refunds,
        messaging.message.id = refund_no,
        refund.no = refund_no,
    )
}

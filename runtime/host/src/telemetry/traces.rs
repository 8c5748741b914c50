//! Traces, for a collector that speaks OTLP. One trace holds a call from its enqueueing to
//! its settlement, and all that comes of it, across processes: a job carries the W3C
//! `traceparent` of what made it in its headers.
//!
//! Where no collector is configured none of this costs anything, and jobs that carry a
//! trace pass it on as it is.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lovage_queue::client::{Enqueueing, Tracer};
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags,
    TraceId, TraceState, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter as Otlp, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, SpanData,
    SpanExporter,
};
use tokio::runtime::{Builder, Handle, Runtime};

/// Spans that wait for the collector; what comes past it is dropped, since a job must not
/// wait for who watches it.
const WAITING: usize = 16 * 1024;
/// How often they are sent.
const EVERY: Duration = Duration::from_secs(1);
/// How long a process that ends waits for the collector.
const LAST: Duration = Duration::from_secs(3);

/// Why nothing can be traced.
#[derive(Debug, thiserror::Error)]
#[error("cannot send traces to `{endpoint}`: {reason}")]
pub struct TracesError {
    endpoint: String,
    reason: String,
}

/// A process's way to the collector, if it has one. Cheap to clone.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<Inner>>);

struct Inner {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    /// Where requests to the collector run. It must outlive the provider.
    runtime: Option<Runtime>,
}

/// What lies between its beginning and its end, with what happened meanwhile.
pub struct Span {
    span: opentelemetry_sdk::trace::Span,
    tracer: SdkTracer,
}

impl Traces {
    /// Sends spans to the collector at a URL; of traces that begin here, this share.
    ///
    /// # Errors
    /// A URL that is none, and a system that gives no thread.
    pub fn start(endpoint: &str, sample: f64) -> Result<Self, TracesError> {
        let failed = |reason: &dyn std::fmt::Display| TracesError {
            endpoint: endpoint.to_owned(),
            reason: reason.to_string(),
        };
        let path = "/v1/traces";
        let root = endpoint.trim_end_matches('/');
        let url = format!("{}{path}", root.trim_end_matches(path));
        let exporter = Otlp::builder().with_http().with_endpoint(url);
        let exporter = exporter.build().map_err(|e| failed(&e))?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("traces")
            .enable_all()
            .build()
            .map_err(|e| failed(&e))?;
        let exporter = Aside {
            exporter: Arc::new(exporter),
            runtime: runtime.handle().clone(),
        };
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(WAITING)
            .with_scheduled_delay(EVERY);
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(config.build());
        let begins = Sampler::TraceIdRatioBased(sample);
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor.build())
            .with_sampler(Sampler::ParentBased(Box::new(begins)))
            .with_resource(Resource::builder().with_service_name("lovage").build());
        let provider = provider.build();
        Ok(Traces(Some(Arc::new(Inner {
            tracer: provider.tracer("lovage"),
            provider,
            runtime: Some(runtime),
        }))))
    }

    /// Whether there is a collector.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Begins a span, in the trace that a `traceparent` names, or in a new one.
    pub fn span(&self, name: String, kind: Kind, parent: Option<&str>) -> Option<Span> {
        let inner = self.0.as_ref()?;
        let kind = match kind {
            Kind::Producer => SpanKind::Producer,
            Kind::Consumer => SpanKind::Consumer,
        };
        let parent = parent.and_then(parse);
        let within = match parent {
            Some(parent) => Context::new().with_remote_span_context(parent),
            None => Context::new(),
        };
        let builder = SpanBuilder::from_name(name).with_kind(kind);
        let span = inner.tracer.build_with_context(builder, &within);
        let tracer = inner.tracer.clone();
        Some(Span { span, tracer })
    }

    /// Sends what is left. Nothing is sent after that.
    pub async fn end(self) {
        let Some(inner) = self.0 else { return };
        let ended = tokio::task::spawn_blocking(move || inner.provider.shutdown_with_timeout(LAST));
        if let Ok(Err(e)) = ended.await {
            tracing::warn!(error = %e, "the last spans did not reach the collector");
        }
    }
}

impl Tracer for Traces {
    fn enqueueing(&self, task: &str, queue: &str, jobs: usize) -> Option<Enqueueing> {
        let mut span = self.span(format!("enqueue {task}"), Kind::Producer, None)?;
        span.note("lovage.task", task.to_owned());
        span.note("lovage.queue", queue.to_owned());
        span.note("lovage.jobs", jobs as i64);
        Some(Enqueueing {
            traceparent: span.traceparent(),
            span: Box::new(span),
        })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Which end of a queue a span is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It makes jobs.
    Producer,
    /// It runs one.
    Consumer,
}

impl Span {
    /// What a job carries that comes of this.
    pub fn traceparent(&self) -> String {
        let context = self.span.span_context();
        let flags = context.trace_flags().to_u8();
        format!(
            "00-{}-{}-{flags:02x}",
            context.trace_id(),
            context.span_id()
        )
    }

    /// Whether anybody will see it.
    pub fn is_recorded(&self) -> bool {
        self.span.is_recording()
    }

    /// Notes something of it.
    pub fn note(&mut self, key: &'static str, value: impl Into<opentelemetry::Value>) {
        self.span.set_attribute(KeyValue::new(key, value));
    }

    /// It came to nothing, and why.
    pub fn failed(&mut self, why: String) {
        self.span.set_status(Status::error(why));
    }

    /// What happened within it, from then until now.
    pub fn within(&self, name: &'static str, since: SystemTime) {
        if !self.is_recorded() {
            return;
        }
        let parent = self.span.span_context().clone();
        let within = Context::new().with_remote_span_context(parent);
        let builder = SpanBuilder::from_name(name).with_kind(SpanKind::Internal);
        let builder = builder.with_start_time(since);
        self.tracer.build_with_context(builder, &within).end();
    }
}

/// What a `traceparent` says. Of later versions only what is known of this one.
fn parse(text: &str) -> Option<SpanContext> {
    let mut parts = text.trim().split('-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let (span, flags) = (parts.next()?, parts.next()?);
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|it| it.is_ascii_hexdigit())
    };
    let sound = hex(version, 2) && hex(trace, 32) && hex(span, 16) && hex(flags, 2);
    if !sound || version == "ff" || version == "00" && parts.next().is_some() {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()? & 1);
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::NONE);
    context.is_valid().then_some(context)
}

/// An exporter whose requests run elsewhere: the thread that hands it spans has no
/// runtime.
#[derive(Debug)]
struct Aside {
    exporter: Arc<Otlp>,
    runtime: Handle,
}

impl SpanExporter for Aside {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let exporter = self.exporter.clone();
        let sent = self
            .runtime
            .spawn(async move { exporter.export(batch).await });
        let failed = |e| OTelSdkError::InternalFailure(format!("{e}"));
        sent.await.map_err(failed)?
    }

    fn set_resource(&mut self, resource: &Resource) {
        if let Some(exporter) = Arc::get_mut(&mut self.exporter) {
            exporter.set_resource(resource);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_read_as_w3c_has_it() {
        let context = parse(SOUND).unwrap();
        assert!(context.is_sampled() && context.is_remote());
        assert_eq!(context.span_id().to_string(), "00f067aa0ba902b7");
        assert!(!parse(&SOUND.replace("-01", "-00")).unwrap().is_sampled());
        assert!(parse(&format!("{}-more", SOUND.replace("00-4", "01-4"))).is_some());
        for wrong in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            &format!("{SOUND}-more"),
            &SOUND.replace("00-4", "ff-4"),
            &SOUND.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &SOUND.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &SOUND.replace("4bf92f", "4bf92 "),
        ] {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn without_a_collector_there_are_no_spans() {
        let traces = Traces::default();
        assert!(traces.span("a".into(), Kind::Producer, None).is_none());
    }
}

//! Prints what Prometheus would scrape from a program that uses dxgrt: the metrics of a small run, in its text format.
//!
//!     cargo run --release -p dxg-examples --features prometheus --example prometheus

use std::process::ExitCode;

use dxg_examples::{Digits, Latency, Mode, Outcome, block_on, classifier, finish};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};

/// One epoch, and every metric that it leaves. A server would keep the handle and render it for each scrape.
fn run() -> Outcome<String> {
    let sizes = [1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0];
    let seconds = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0];
    // Before the device is opened: its handles go to the recorder of that time.
    let prometheus = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full("dxgrt_batch_operations".into()), &sizes)?
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &seconds)?
        .install_recorder()?;
    let options = dxg_examples::DeviceOptions { device: "software".into(), latency: Latency::Default, json: false };
    let device = options.open(Mode::Batched, &Latency::Default)?;
    let digits = Digits::load(7)?;
    block_on(classifier::work(&device, &digits, 1, 7, |_| {}))?;
    Ok(prometheus.render())
}

fn main() -> ExitCode {
    finish(run().map(|text| print!("{text}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_scraped_and_adds_up() {
        let text = run().unwrap();
        let sum = |start: &str| -> f64 {
            let lines = text.lines().filter(|line| line.starts_with(start));
            lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
        };
        for name in [
            "dxgrt_operations_total",
            "dxgrt_waits_total",
            "dxgrt_batches_total",
            "dxgrt_batch_operations_count",
            "dxgrt_batch_seconds_count",
            "dxgrt_submit_seconds_count",
            "dxgrt_ring_bytes_total",
        ] {
            assert!(sum(name) > 0.0, "{name} in\n{text}");
        }
        assert_eq!(sum("dxgrt_batch_operations_sum"), sum("dxgrt_operations_total"));
        assert_eq!(sum("dxgrt_batches_total"), sum("dxgrt_batch_seconds_count"), "every batch has come back");
        for level in ["dxgrt_operations_in_flight", "dxgrt_batches_in_flight", "dxgrt_failures_total"] {
            assert!(text.contains(level) && sum(level) == 0.0, "{level} in\n{text}");
        }
        assert!(text.contains("reason=\"waiter\"") && text.contains("device=\"software:0\""), "{text}");
    }
}

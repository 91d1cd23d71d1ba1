//! Spans and events of `tracing`: those that the documentation of `Device` lists, with those fields and levels, and no others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use dxg_runtime::{Device, ModuleSource, Parameters, RustKernel, args};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// What was seen under a target: kind and name, level, fields.
type Seen = BTreeMap<(String, String), (String, BTreeSet<String>)>;

#[derive(Clone, Default)]
struct Listener(Arc<Mutex<Seen>>);

/// The fields of an event, its message told apart.
#[derive(Default)]
struct Fields {
    message: String,
    names: BTreeSet<String>,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            name => drop(self.names.insert(name.to_owned())),
        }
    }
}

impl Listener {
    fn add(&self, metadata: &Metadata<'_>, what: String, fields: BTreeSet<String>) {
        if metadata.target().starts_with("dxgrt::") {
            let key = (metadata.target().to_owned(), what);
            let level = metadata.level().to_string();
            if let Some(before) = self.0.lock().unwrap().insert(key.clone(), (level.clone(), fields.clone())) {
                assert_eq!(before, (level, fields), "{key:?} has always the same fields");
            }
        }
    }
}

impl Subscriber for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields::default();
        span.record(&mut fields);
        self.add(span.metadata(), format!("span `{}`", span.metadata().name()), fields.names);
        Id::from_u64(1)
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.add(event.metadata(), format!("event `{}`", fields.message), fields.names);
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The table in the documentation.
fn documented() -> Seen {
    let source = include_str!("../src/device.rs");
    let rows = source.lines().filter_map(|line| line.strip_prefix("/// | `dxgrt::"));
    let unquoted = |text: &str| text.trim().trim_matches('`').to_owned();
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_end_matches(" |").split(" | ").collect();
        let [target, level, what, fields] = cells[..] else { panic!("four columns: {row}") };
        let fields = fields.split(", ").map(unquoted).collect();
        ((format!("dxgrt::{}", unquoted(target)), what.to_owned()), (unquoted(level), fields))
    })
    .collect()
}

#[test]
fn what_is_told_is_what_is_documented() {
    let listener = Listener::default();
    // The driver's thread tells things too.
    tracing::subscriber::set_global_default(listener.clone()).expect("nobody listens yet");
    let device = Device::builder().selector("software").parameters(Parameters::zero()).open().expect("it opens");
    let body = RustKernel::new("add_one").write::<f32>().body(|block| {
        block.write::<f32>(0)?.iter_mut().for_each(|value| *value += 1.0);
        Ok(())
    });
    let kernel = device.load(&ModuleSource::new().rust([body])).and_then(|m| m.kernel("add_one")).expect("a kernel");
    let (stream, x) = (device.stream().expect("a stream"), device.alloc::<f32>(16).expect("memory"));
    stream.try_fill(&x, 0.0f32).expect("room");
    for _ in 0..100 {
        stream.try_launch(&kernel, 1, args![x.read_write()]).expect("room");
    }
    stream.last().wait().expect("done");
    let documented = documented();
    assert!(documented.len() >= 5, "{documented:?}");
    assert_eq!(*listener.0.lock().unwrap(), documented);
}

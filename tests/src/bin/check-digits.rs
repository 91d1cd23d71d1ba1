//! Checks the JSON that the example `digits` prints: `check-digits DEFAULT.json ZERO.json`, where the first was made with
//! default latencies and the second with `--latency zero`. Exits with 1 and a sentence for each promise that is broken.

use std::process::ExitCode;

use serde_json::Value;

const KEYS: [&str; 9] = [
    "mode",
    "accuracy",
    "operations",
    "submissions",
    "posted_messages",
    "round_trips",
    "steady_round_trips",
    "ring_bytes",
    "wall_ms",
];
const MODES: [&str; 3] = ["one-by-one", "one-by-one-spin", "batched"];

fn main() -> ExitCode {
    let files: Vec<String> = std::env::args().skip(1).collect();
    let [default, zero] = files.as_slice() else {
        eprintln!("usage: check-digits DEFAULT.json ZERO.json");
        return ExitCode::FAILURE;
    };
    match (Document::read(default), Document::read(zero)) {
        (Ok(default), Ok(zero)) => report(&default, &zero),
        (Err(error), _) | (_, Err(error)) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn report(default: &Document, zero: &Document) -> ExitCode {
    let broken = broken_promises(default, zero);
    for promise in &broken {
        eprintln!("broken: {promise}");
    }
    let wall = |document: &Document, mode: usize| document.number(mode, "wall_ms");
    eprintln!(
        "default latencies: one-by-one {:.1} ms, batched {:.1} ms ({:.1} ×); zero: one-by-one-spin {:.1} ms, batched {:.1} ms ({:.1} ×)",
        wall(default, 0),
        wall(default, 2),
        wall(default, 0) / wall(default, 2),
        wall(zero, 1),
        wall(zero, 2),
        wall(zero, 1) / wall(zero, 2),
    );
    match broken.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// What `digits --json` printed, known to have the right form.
struct Document(Vec<Value>);

impl Document {
    fn read(path: &str) -> Result<Document, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
        Document::parse(&text).map_err(|error| format!("{path}: {error}"))
    }

    fn parse(text: &str) -> Result<Document, String> {
        let objects: Vec<Value> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let modes: Vec<&str> = objects.iter().filter_map(|object| object["mode"].as_str()).collect();
        if modes != MODES {
            return Err(format!("modes are {modes:?}, not {MODES:?}"));
        }
        for object in &objects {
            let keys: Vec<&str> = object.as_object().into_iter().flat_map(|o| o.keys().map(String::as_str)).collect();
            if keys != KEYS {
                return Err(format!("keys are {keys:?}, not {KEYS:?}"));
            }
            if let Some(key) = KEYS[1..].iter().find(|key| !object[**key].is_number()) {
                return Err(format!("`{key}` is {}, not a number", object[*key]));
            }
        }
        Ok(Document(objects))
    }

    fn number(&self, mode: usize, key: &str) -> f64 {
        self.0[mode][key].as_f64().unwrap_or(f64::NAN)
    }
}

fn broken_promises(default: &Document, zero: &Document) -> Vec<String> {
    let mut broken = Vec::new();
    let mut promise = |kept: bool, what: String| {
        if !kept {
            broken.push(what);
        }
    };
    for (document, name) in [(default, "default"), (zero, "zero")] {
        let get = |mode, key| document.number(mode, key);
        for (mode, mode_name) in MODES.iter().enumerate() {
            let accuracy = get(mode, "accuracy");
            promise(accuracy >= 0.95, format!("{name} latencies, {mode_name}: accuracy {accuracy} is below 0.95"));
            promise(accuracy == default.number(0, "accuracy"), format!("{name}, {mode_name}: accuracy differs"));
        }
        let (one, batched) = (get(0, "submissions"), get(2, "submissions"));
        promise(batched * 10.0 <= one, format!("{name} latencies: {batched} submissions are over 1/10 of {one}"));
        let steady = get(2, "steady_round_trips");
        promise(steady == 0.0, format!("{name} latencies: batched made {steady} round trips in steady state"));
    }
    let (one, batched) = (default.number(0, "wall_ms"), default.number(2, "wall_ms"));
    promise(batched * 10.0 <= one, format!("batched took {batched} ms, over 1/10 of one-by-one's {one} ms"));
    let (spin, batched) = (zero.number(1, "wall_ms"), zero.number(2, "wall_ms"));
    promise(
        batched <= spin,
        format!("at zero latencies batched took {batched} ms, longer than one-by-one-spin's {spin} ms"),
    );
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(wall: [f64; 3], submissions: [u64; 3], steady: u64, accuracy: f64) -> Document {
        let objects: Vec<Value> = (0..3)
            .map(|i| {
                serde_json::json!({
                    "mode": MODES[i], "accuracy": accuracy, "operations": 10, "submissions": submissions[i],
                    "posted_messages": 1, "round_trips": 1, "steady_round_trips": if i == 2 { steady } else { 9 },
                    "ring_bytes": 1, "wall_ms": wall[i],
                })
            })
            .collect();
        Document::parse(&serde_json::to_string(&objects).unwrap()).unwrap()
    }

    #[test]
    fn kept_promises_pass_and_each_broken_one_is_named() {
        let good = || document([100.0, 20.0, 9.0], [1000, 1000, 50], 0, 0.98);
        assert!(broken_promises(&good(), &good()).is_empty());
        let slow = document([100.0, 20.0, 11.0], [1000, 1000, 50], 0, 0.98);
        assert!(broken_promises(&slow, &good())[0].contains("over 1/10"));
        let many = document([100.0, 20.0, 9.0], [1000, 1000, 101], 0, 0.98);
        assert!(broken_promises(&many, &good())[0].contains("submissions"));
        let waiting = document([100.0, 20.0, 9.0], [1000, 1000, 50], 3, 0.98);
        assert!(broken_promises(&waiting, &good())[0].contains("round trips"));
        let behind_spin = document([100.0, 8.0, 9.0], [1000, 1000, 50], 0, 0.98);
        assert!(broken_promises(&good(), &behind_spin)[0].contains("one-by-one-spin"));
        let wrong = document([100.0, 20.0, 9.0], [1000, 1000, 50], 0, 0.9);
        assert!(!broken_promises(&wrong, &good()).is_empty());
    }

    #[test]
    fn a_missing_key_is_an_error() {
        let error = Document::parse(r#"[{"mode":"one-by-one"},{"mode":"one-by-one-spin"},{"mode":"batched"}]"#);
        assert!(error.is_err_and(|error| error.contains("keys are")));
    }
}

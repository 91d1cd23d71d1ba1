//! Timelines for Perfetto: trace events as JSON, written as they come. Open the file at <https://ui.perfetto.dev>.
//!
//! ```text
//! process, track ─▶ names      slice, instant, counter, flow ─▶ one line of JSON each ─▶ any io::Write
//! ```
//!
//! A [`Track`] is a row; slices of one row nest or follow one another, which the caller sees to. Times are nanoseconds,
//! written as microseconds with three decimals, so that none is lost. Nothing is kept in memory.
//!
//! An event is a line, between a first line and a last one that are alike in all documents: documents are joined by lines.

use std::io::{self, Write};

/// How every document begins.
pub const FIRST_LINE: &str = "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[";
/// How every document ends.
pub const LAST_LINE: &str = "]}";

/// A row of the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Track {
    process: u32,
    row: u32,
}

/// A value shown with a slice or an instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A number.
    Number(u64),
    /// A text.
    Text(&'a str),
}

/// Writes one document.
#[derive(Debug)]
pub struct Perfetto<W> {
    out: W,
    first: bool,
    /// Added to every time.
    later: u64,
}

impl<W: Write> Perfetto<W> {
    /// Begins the document.
    ///
    /// # Errors
    /// What `out` answers.
    pub fn new(mut out: W) -> io::Result<Self> {
        out.write_all(FIRST_LINE.as_bytes())?;
        Ok(Perfetto { out, first: true, later: 0 })
    }

    /// The same document, all of whose times are so many nanoseconds later.
    pub fn later(mut self, nanos: u64) -> Self {
        self.later = nanos;
        self
    }

    /// Names a group of rows. Processes are shown in the order of their numbers.
    ///
    /// # Errors
    /// What the output answers, here and below.
    pub fn process(&mut self, process: u32, name: &str) -> io::Result<()> {
        let track = Track { process, row: 0 };
        self.metadata(track, "process_name", &[("name", Value::Text(name))])?;
        self.metadata(track, "process_sort_index", &[("sort_index", Value::Number(process.into()))])
    }

    /// A row of a process. Rows are shown in the order of their numbers, which begin at 1.
    ///
    /// # Errors
    /// As [`Perfetto::process`].
    pub fn track(&mut self, process: u32, row: u32, name: &str) -> io::Result<Track> {
        let track = Track { process, row };
        self.metadata(track, "thread_name", &[("name", Value::Text(name))])?;
        self.metadata(track, "thread_sort_index", &[("sort_index", Value::Number(row.into()))])?;
        Ok(track)
    }

    /// Something that lasted from `begin` to `end`.
    ///
    /// # Errors
    /// As [`Perfetto::process`].
    pub fn slice(
        &mut self,
        track: Track,
        name: &str,
        begin: u64,
        end: u64,
        values: &[(&str, Value<'_>)],
    ) -> io::Result<()> {
        self.begin(track, 'X', name)?;
        self.time("ts", begin)?;
        self.time("dur", end.saturating_sub(begin))?;
        self.end(values)
    }

    /// Something that happened at one time.
    ///
    /// # Errors
    /// As [`Perfetto::process`].
    pub fn instant(&mut self, track: Track, name: &str, at: u64, values: &[(&str, Value<'_>)]) -> io::Result<()> {
        self.begin(track, 'i', name)?;
        self.time("ts", at)?;
        self.out.write_all(b",\"s\":\"t\"")?;
        self.end(values)
    }

    /// A quantity of a process has this value from now on.
    ///
    /// # Errors
    /// As [`Perfetto::process`].
    pub fn counter(&mut self, process: u32, name: &str, at: u64, value: u64) -> io::Result<()> {
        self.begin(Track { process, row: 0 }, 'C', name)?;
        self.time("ts", at)?;
        self.end(&[("value", Value::Number(value))])
    }

    /// An arrow from the slice of `from` that covers its time to the slice of `to` that does. Each has a number of its own.
    ///
    /// # Errors
    /// As [`Perfetto::process`].
    pub fn flow(&mut self, number: u64, name: &str, from: (Track, u64), to: (Track, u64)) -> io::Result<()> {
        for (phase, (track, at)) in [('s', from), ('f', to)] {
            self.begin(track, phase, name)?;
            self.time("ts", at)?;
            write!(self.out, ",\"cat\":\"flow\",\"id\":{number}")?;
            if phase == 'f' {
                self.out.write_all(b",\"bp\":\"e\"")?; // it ends at the slice that covers it, not at the next one
            }
            self.end(&[])?;
        }
        Ok(())
    }

    /// Ends the document and hands the output back, flushed.
    ///
    /// # Errors
    /// What the output answers.
    pub fn finish(mut self) -> io::Result<W> {
        writeln!(self.out, "\n{LAST_LINE}")?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn metadata(&mut self, track: Track, name: &str, values: &[(&str, Value<'_>)]) -> io::Result<()> {
        self.begin(track, 'M', name)?;
        self.end(values)
    }

    fn begin(&mut self, track: Track, phase: char, name: &str) -> io::Result<()> {
        let separator = if std::mem::take(&mut self.first) { "\n" } else { ",\n" };
        write!(self.out, "{separator}{{\"ph\":\"{phase}\",\"pid\":{},\"tid\":{},\"name\":", track.process, track.row)?;
        self.text(name)
    }

    fn time(&mut self, key: &str, nanos: u64) -> io::Result<()> {
        let nanos = if key == "ts" { nanos.saturating_add(self.later) } else { nanos };
        write!(self.out, ",\"{key}\":{}.{:03}", nanos / 1000, nanos % 1000)
    }

    fn end(&mut self, values: &[(&str, Value<'_>)]) -> io::Result<()> {
        for (index, (key, value)) in values.iter().enumerate() {
            self.out.write_all(if index == 0 { b",\"args\":{" } else { b"," })?;
            self.text(key)?;
            match value {
                Value::Number(number) => write!(self.out, ":{number}")?,
                Value::Text(text) => {
                    self.out.write_all(b":")?;
                    self.text(text)?;
                }
            }
        }
        self.out.write_all(if values.is_empty() { b"}" } else { b"}}" })
    }

    /// A string with its quotes, escaped.
    fn text(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(b"\"")?;
        let mut rest = text;
        while let Some(at) = rest.find(|letter: char| matches!(letter, '"' | '\\') || letter < ' ') {
            let (plain, special) = rest.split_at(at);
            self.out.write_all(plain.as_bytes())?;
            // All of them are one byte long.
            write!(self.out, "\\u{:04x}", special.as_bytes()[0])?;
            rest = &special[1..];
        }
        self.out.write_all(rest.as_bytes())?;
        self.out.write_all(b"\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_json_and_times_keep_their_nanoseconds() -> io::Result<()> {
        let mut perfetto = Perfetto::new(Vec::new())?;
        perfetto.process(3, "a \"name\" with\nedges \u{1} é")?;
        let row = perfetto.track(3, 1, "row")?;
        let values = [("count", Value::Number(u64::MAX)), ("why", Value::Text("\\"))];
        perfetto.slice(row, "work", 1_000_000_000_000_001, 1_000_000_000_002_003, &values)?;
        perfetto.instant(row, "now", 7, &[])?;
        perfetto.counter(3, "bytes", 1_500, 12)?;
        perfetto.flow(9, "to", (row, 1), (row, 2))?;
        let text = String::from_utf8(perfetto.finish()?).expect("UTF-8");
        let document: serde_json::Value = serde_json::from_str(&text)?;
        let events = document["traceEvents"].as_array().expect("an array");
        assert_eq!(events.len(), 2 + 2 + 1 + 1 + 1 + 2);
        assert_eq!(events[0]["args"]["name"], "a \"name\" with\nedges \u{1} é");
        assert!(text.contains("\"ts\":1000000000000.001,\"dur\":2.002"), "{text}");
        assert_eq!((&events[4]["args"]["count"], &events[4]["args"]["why"]), (&u64::MAX.into(), &"\\".into()));
        assert_eq!((&events[6]["ph"], &events[6]["args"]["value"]), (&"C".into(), &12.into()));
        assert_eq!((&events[7]["ph"], &events[8]["ph"], &events[8]["bp"]), (&"s".into(), &"f".into(), &"e".into()));
        assert_eq!(events[7]["id"], events[8]["id"]);
        Ok(())
    }

    #[test]
    fn later_moves_times_and_no_durations() -> io::Result<()> {
        let mut perfetto = Perfetto::new(Vec::new())?.later(1_000_000);
        let row = perfetto.track(1, 1, "row")?;
        perfetto.slice(row, "work", 5_000, 7_000, &[])?;
        let text = String::from_utf8(perfetto.finish()?).expect("UTF-8");
        assert!(text.contains("\"ts\":1005.000,\"dur\":2.000"), "{text}");
        let mut lines = text.lines();
        assert_eq!((lines.next(), lines.last()), (Some(FIRST_LINE), Some(LAST_LINE)), "documents are joined by lines");
        Ok(())
    }

    #[test]
    fn an_empty_document_is_one_and_a_full_disk_is_said() -> io::Result<()> {
        let empty = Perfetto::new(Vec::new())?.finish()?;
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&empty)?["traceEvents"], serde_json::json!([]));
        let mut full = [0u8; 60];
        let mut perfetto = Perfetto::new(full.as_mut_slice())?;
        assert_eq!(perfetto.process(1, "too long for it").unwrap_err().kind(), io::ErrorKind::WriteZero);
        Ok(())
    }
}

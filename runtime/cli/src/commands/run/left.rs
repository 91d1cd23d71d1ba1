//! What a program has left when it has ended: reports and timelines of its devices of dxgrt, the trace of its calls.
//!
//! ```text
//! trace ─▶ drawn ─┐
//! timelines ──────┴─▶ joined line by line ─▶ one document
//! ```

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use dxg_runtime::perfetto::{FIRST_LINE, LAST_LINE};

use crate::commands::{Outcome, timeline};

/// Makes a folder that the program's devices leave something in.
pub fn folder(within: &Path, name: &str) -> io::Result<PathBuf> {
    let path = within.join(name);
    std::fs::create_dir(&path)?;
    Ok(path)
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)?;
    let mut files = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

/// The texts in a folder.
pub fn texts(folder: &Path) -> io::Result<Vec<String>> {
    files(folder)?.iter().map(std::fs::read_to_string).collect()
}

/// Draws the calls of a trace, if it is there, and the timelines in a folder, into one document; whether there was anything.
pub fn draw(trace: &Path, timelines: &Path, out: File) -> Outcome<bool> {
    let mut documents = files(timelines)?;
    // Nothing is traced of a program that does not open the node.
    let lines = if trace.exists() { timeline::read(trace)? } else { Vec::new() };
    if !lines.is_empty() {
        let calls = timelines.join("calls");
        timeline::draw(&lines, 0, BufWriter::new(File::create(&calls)?))?;
        documents.insert(0, calls);
    }
    let mut out = BufWriter::new(out);
    join(&documents, &mut out)?;
    out.flush()?;
    Ok(!documents.is_empty())
}

/// Documents as one: all lines but the first and the last of each.
fn join(documents: &[PathBuf], out: &mut impl Write) -> io::Result<()> {
    write!(out, "{FIRST_LINE}")?;
    let mut separator = "\n";
    for document in documents {
        for line in BufReader::new(File::open(document)?).lines() {
            let line = line?;
            let event = line.strip_suffix(',').unwrap_or(&line);
            if !matches!(event, FIRST_LINE | LAST_LINE | "") {
                write!(out, "{separator}{event}")?;
                separator = ",\n";
            }
        }
    }
    writeln!(out, "\n{LAST_LINE}")
}

#[cfg(test)]
mod tests {
    use dxg_runtime::perfetto::Perfetto;

    use super::*;

    #[test]
    fn joined_documents_are_one() {
        let folder = tempfile::tempdir().unwrap();
        let documents: Vec<PathBuf> = (0..3u32)
            .map(|number| {
                let path = folder.path().join(number.to_string());
                let mut perfetto = Perfetto::new(File::create(&path).unwrap()).unwrap();
                // The second is empty.
                if number != 1 {
                    let row = perfetto.track(number, 1, "a \"row\",").unwrap();
                    perfetto.slice(row, "work", 1, 2, &[]).unwrap();
                }
                perfetto.finish().unwrap();
                path
            })
            .collect();
        for (documents, events) in [(&documents[..], 6), (&documents[1..2], 0), (&[][..], 0)] {
            let mut out = Vec::new();
            join(documents, &mut out).unwrap();
            let document: serde_json::Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(document["traceEvents"].as_array().map(Vec::len), Some(events));
        }
    }
}

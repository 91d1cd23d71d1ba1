//! The stored inputs, and how they were made.

use std::io;
use std::path::{Path, PathBuf};

use dxg_io::software::packet::{Access, CommandWriter, CopyEntry, FillEntry, Full, Header, ItemDescription};

use super::{Bytes, TARGETS, native};

/// Where they lie: the folder that cargo-fuzz looks in.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus")
}

/// The stored inputs of a target, in the order of their names.
///
/// # Panics
/// If there are none: then the folder is not where it should be.
pub fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = folder().join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    let read = |file: &PathBuf| std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let inputs: Vec<Vec<u8>> = files.iter().map(read).collect();
    assert!(!inputs.is_empty(), "{} is empty", folder.display());
    inputs
}

/// Writes the inputs that fuzzing begins with; answers with how many. What a fuzzer or a failure added stays.
///
/// # Errors
/// Of the file system.
pub fn write_corpus(into: &Path) -> io::Result<usize> {
    let mut written = 0;
    for (name, _) in TARGETS {
        let folder = into.join(name);
        std::fs::create_dir_all(&folder)?;
        for (number, input) in seeds(name).iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number}")), input)?;
            written += 1;
        }
    }
    Ok(written)
}

fn random(seed: u64, bytes: usize) -> Vec<u8> {
    let mut input = vec![0; bytes];
    Bytes::new(seed).fill(&mut input);
    input
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "packets" => [commands(1), commands(40)].into_iter().flatten().collect(),
        "native" => {
            let mut cut = native::header();
            cut.extend([0; 20]);
            let mut whole = native::header();
            whole.extend([0; 200]);
            vec![native::header(), cut, whole, random(4, 64)]
        }
        "trace" => {
            vec![TRACE.as_bytes().to_vec(), TRACE.as_bytes()[..TRACE.len() / 2].to_vec(), b"\x1f\x8b\x08".to_vec()]
        }
        _ => [64, 700, 4_000].into_iter().map(|bytes| random(bytes, bytes as usize)).collect(),
    }
}

/// A command buffer with every packet in it.
fn commands(items: u64) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 64 << 10];
    let write = |buffer: &mut [u8]| -> Result<usize, Full> {
        let mut writer = CommandWriter::new(buffer, Header { status_va: 8, poison_va: 16, after: Some(3) })?;
        let mut dispatch = writer.dispatch(7)?;
        for tag in 1..=items {
            let accesses = [Access { arg_offset: 0, flags: Access::READ | Access::WRITE, va: 4096 * tag, len: 64 }];
            dispatch.item(&ItemDescription {
                op_tag: tag,
                stream: 1,
                grid: [2, 1, 1],
                block: [64, 1, 1],
                shared_bytes: 0,
                args: &(4096 * tag).to_le_bytes(),
                accesses: &accesses,
            })?;
        }
        drop(dispatch);
        writer.copy()?.entry(CopyEntry { op_tag: 90, stream: 1, src: 4096, dst: 8192, len: 100 })?;
        let fill = FillEntry { op_tag: 91, stream: 2, dst: 4096, len: 64, pattern: 5, pattern_len: 8 };
        writer.fill()?.entry(fill)?;
        writer.barrier()?;
        writer.progress(4)?;
        writer.timestamp(64)?;
        writer.depend(1, 90, 2, 91)?;
        writer.nop(32)?;
        Ok(writer.len())
    };
    let length = write(&mut buffer).ok()?;
    buffer.truncate(length);
    Some(buffer)
}

/// A few lines of the kind that recorders write.
const TRACE: &str = include_str!("trace-seed.jsonl");

//! The recordings of one mode, and what was found against them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use dxg_io::boundary::RawOutcome;
use dxg_io::software::{LoggedMessage, Parameters, SoftwareAdapter};
use dxg_io::status::{Errno, NtStatus};
use serde_json::Value;

use crate::raw::Client;

/// Which host was recorded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    AsyncV40,
    SyncV40,
    V27Gpadl,
    RingFull,
}

impl Mode {
    fn file(self) -> &'static str {
        match self {
            Mode::AsyncV40 => "async-v40.jsonl",
            Mode::SyncV40 => "sync-v40.jsonl",
            Mode::V27Gpadl => "sync-v27-gpadl.jsonl",
            Mode::RingFull => "ring-full.jsonl",
        }
    }

    /// An adapter like the recorded host; the header of each file says what it was.
    fn parameters(self) -> Parameters {
        let zero = Parameters::zero();
        match self {
            Mode::AsyncV40 => zero,
            Mode::SyncV40 => Parameters { async_messages: false, ..zero },
            Mode::V27Gpadl => Parameters { vmbus_version: 27, map_guest_pages: false, ..zero },
            Mode::RingFull => {
                Parameters { full_ring_tries: 100, full_ring_sleep_min_us: 50.0, full_ring_sleep_max_us: 50.0, ..zero }
            }
        }
    }
}

struct Row {
    recorded: Value,
    /// What we found to differ, once the row was played.
    played: Option<Vec<String>>,
}

/// All rows of one file.
pub struct Book {
    mode: Mode,
    rows: BTreeMap<(String, String), Row>,
}

/// One group being played.
pub struct Group<'a> {
    book: &'a mut Book,
    name: &'static str,
    pub adapter: Arc<SoftwareAdapter>,
    pub client: Client,
}

fn message_text(message: &LoggedMessage) -> String {
    let kind = if message.posted { " async" } else { "" };
    let status = match message.status {
        NtStatus::SUCCESS => String::new(),
        status => format!("={:#x}", status.0 as u32),
    };
    format!("{}{kind}{status}", message.command)
}

impl Book {
    pub fn open(mode: Mode) -> Book {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden").join(mode.file());
        let text = std::fs::read_to_string(path).unwrap();
        let mut rows = BTreeMap::new();
        for line in text.lines() {
            let recorded: Value = serde_json::from_str(line).unwrap();
            if recorded.get("header").is_some() {
                continue;
            }
            let key = |name: &str| recorded[name].as_str().unwrap().to_owned();
            let known = rows.insert((key("group"), key("case")), Row { recorded: recorded.clone(), played: None });
            assert!(known.is_none(), "a case is recorded twice: {line}");
        }
        Book { mode, rows }
    }

    /// Starts a group on an adapter of its own.
    pub fn group(&mut self, name: &'static str) -> Group<'_> {
        let adapter = crate::raw::adapter(self.mode.parameters());
        adapter.log_messages(true);
        let client = Client::new(&adapter);
        Group { book: self, name, adapter, client }
    }

    /// Everything must have been played and be as recorded, but for the rows listed.
    pub fn close(self, different: &[(&str, &str, &str)], waiting: &[(&str, &str)]) {
        assert!(different.len() <= 10, "too many rows are different");
        let mut complaints = Vec::new();
        for ((group, case), row) in &self.rows {
            let is_waiting = waiting.contains(&(group, case));
            let listed = different.iter().find(|(g, c, _)| g == group && c == case);
            match (&row.played, is_waiting, listed) {
                (None, true, _) => {}
                (None, false, _) => complaints.push(format!("{group}/{case}: was not played")),
                (Some(_), true, _) => complaints.push(format!("{group}/{case}: is played, so it is not waiting")),
                (Some(found), _, Some((.., reason))) if found.is_empty() => {
                    complaints.push(format!("{group}/{case}: as recorded, although listed as different: {reason}"));
                }
                (Some(found), _, None) if !found.is_empty() => {
                    complaints.push(format!("{group}/{case}: {}", found.join("; ")));
                }
                _ => {}
            }
        }
        for (group, case, _) in different {
            if !self.rows.contains_key(&((*group).to_owned(), (*case).to_owned())) {
                complaints.push(format!("{group}/{case}: is listed but not recorded"));
            }
        }
        assert!(complaints.is_empty(), "{} rows:\n{}", complaints.len(), complaints.join("\n"));
    }
}

impl Group<'_> {
    fn row(&mut self, case: &str) -> &mut Row {
        let key = (self.name.to_owned(), case.to_owned());
        let row = self.book.rows.get_mut(&key).unwrap_or_else(|| panic!("{}/{case} is not recorded", self.name));
        assert!(row.played.is_none(), "{}/{case} is played twice", self.name);
        row
    }

    /// Plays one recorded ioctl and compares what it returned and sent.
    pub fn case(&mut self, case: &str, call: impl FnOnce(&Client) -> RawOutcome) -> RawOutcome {
        self.adapter.take_message_log();
        let outcome = call(&self.client);
        self.compare(case, outcome);
        outcome
    }

    /// Compares a call that was made just now with the messages logged since.
    pub fn compare(&mut self, case: &str, outcome: RawOutcome) {
        let log = self.adapter.take_message_log();
        let messages: Vec<String> = log.iter().map(message_text).collect();
        let row = self.row(case);
        let mut found = Vec::new();
        let recorded_ret = row.recorded["ret"].as_i64().unwrap();
        if i64::from(outcome.ret) != recorded_ret {
            found.push(format!("ret {} for {recorded_ret} (errno {:?})", outcome.ret, Errno(outcome.errno)));
        }
        let recorded_errno = row.recorded["errno"].as_str().unwrap_or("0");
        let errno = if outcome.ret == -1 { Errno(outcome.errno).to_string() } else { "0".to_owned() };
        if errno != recorded_errno {
            found.push(format!("errno {errno} for {recorded_errno}"));
        }
        let recorded: Vec<&str> =
            row.recorded["host"].as_array().unwrap().iter().map(|message| message.as_str().unwrap()).collect();
        if messages != recorded {
            found.push(format!("messages {messages:?} for {recorded:?}"));
        }
        let posted = log.iter().filter(|message| message.posted).count() as u32;
        let bytes: u64 = log.iter().map(|message| u64::from(message.ring_bytes)).sum();
        let traffic = outcome.traffic;
        if (traffic.posted, traffic.round_trips, traffic.ring_bytes) != (posted, log.len() as u32 - posted, bytes) {
            found.push(format!("the call's own traffic does not agree with the log: {traffic:?}"));
        }
        row.played = Some(found);
    }

    /// Plays a row that is an observation: `holds` says whether it is observed here too.
    pub fn note(&mut self, case: &str, holds: bool) {
        let row = self.row(case);
        let text = row.recorded["note"].as_str().unwrap().to_owned();
        row.played = Some(if holds { Vec::new() } else { vec![format!("not observed: {text}")] });
    }

    /// Checks an output of the case that was played last.
    #[track_caller]
    pub fn expect(&mut self, case: &str, what: &str, holds: bool) {
        let key = (self.name.to_owned(), case.to_owned());
        if let (false, Some(Row { played: Some(found), .. })) = (holds, self.book.rows.get_mut(&key)) {
            found.push(format!("output: {what}"));
        }
    }
}

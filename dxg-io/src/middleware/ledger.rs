//! Counts in a file that several processes map: whoever reads them needs neither the writers' help nor their good end.
//!
//! `dxgrt run` makes the file, every process of the program that it runs maps it and adds to it, and when the program has
//! ended, however it did, the sums are there. Each counter is a relaxed atomic: exact by itself, together no snapshot.
//!
//! A ledger also counts what batching would have saved, by two rules that need no knowledge of the program:
//!
//! - submissions of one process that follow each other without a wait by the CPU between them could have been one;
//! - calls that take a list, made one after another without any other call between them, could have been one.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::tracer::{CallStats, NUMBERS, Slot};
use crate::boundary::{RawOutcome, Traffic};
use crate::sys::{self, IoctlInfo};

/// First eight bytes: format and version.
const MAGIC: u64 = u64::from_le_bytes(*b"DXGLDGR2");

/// Calls that take a list of what they do.
const LISTS: [u32; 7] = [
    sys::LX_DXMAKERESIDENT,
    sys::LX_DXEVICT,
    sys::LX_DXMAPGPUVIRTUALADDRESS,
    sys::LX_DXCREATEALLOCATION,
    sys::LX_DXDESTROYALLOCATION2,
    sys::LX_DXOFFERALLOCATIONS,
    sys::LX_DXRECLAIMALLOCATIONS2,
];

#[derive(Debug)]
#[repr(C)]
struct Page {
    magic: AtomicU64,
    processes: AtomicU64,
    slots: [Slot; NUMBERS],
    unknown: Slot,
    opens: Slot,
    closes: Slot,
    merged_submissions: AtomicU64,
    merged_lists: AtomicU64,
    /// Calls that were begun, by number; what is missing in `slots` did not return.
    begun: [AtomicU64; NUMBERS],
    /// Processes that joined, a bit each: one that becomes another program joins again.
    joined: [AtomicU64; MOST_PROCESSES / 64],
}

/// More numbers of processes than Linux gives.
const MOST_PROCESSES: usize = 1 << 22;

/// What batching would have saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Savings {
    /// Submissions that could have gone with the one before.
    pub submissions: u64,
    /// Round trips of calls whose list could have been part of the call before.
    pub round_trips: u64,
}

/// A mapped ledger.
#[derive(Debug)]
pub struct Ledger {
    page: *const Page,
    /// Of this process: a submission came, and no wait since.
    run: AtomicU32,
    /// Of this process: the request of the last call.
    last: AtomicU32,
}

// SAFETY: needed because of the pointer; it refers to atomics in a mapping that lives as long as the ledger.
unsafe impl Send for Ledger {}
// SAFETY: as above; everything behind it is atomic.
unsafe impl Sync for Ledger {}

impl Ledger {
    /// Makes an empty one. The file must not be there yet.
    ///
    /// # Errors
    /// What the system answers.
    pub fn create(path: &Path) -> io::Result<Ledger> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        file.set_len(size_of::<Page>() as u64)?;
        let ledger = Ledger::map(&file)?;
        ledger.page().magic.store(MAGIC, Ordering::Release);
        Ok(ledger)
    }

    /// Maps one that is there.
    ///
    /// # Errors
    /// What the system answers; `InvalidData` for a file that is no ledger of this version.
    pub fn open(path: &Path) -> io::Result<Ledger> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let invalid = || io::Error::new(io::ErrorKind::InvalidData, "this file is no ledger of this version");
        if file.metadata()?.len() != size_of::<Page>() as u64 {
            return Err(invalid());
        }
        let ledger = Ledger::map(&file)?;
        if ledger.page().magic.load(Ordering::Acquire) != MAGIC {
            return Err(invalid());
        }
        Ok(ledger)
    }

    fn map(file: &File) -> io::Result<Ledger> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at an address the system chooses, of a file that has this length.
        let page = unsafe {
            let (at, length) = (std::ptr::null_mut(), size_of::<Page>());
            libc::mmap(at, length, protection, libc::MAP_SHARED, file.as_raw_fd(), 0)
        };
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Ledger { page: page.cast(), run: AtomicU32::new(0), last: AtomicU32::new(0) })
    }

    fn page(&self) -> &Page {
        // SAFETY: the mapping is as long as the page, aligned, lives as long as `self`, and any bytes are valid atomics.
        unsafe { &*self.page }
    }

    /// This process joins. One that has become another program (exec) is the same process.
    pub fn add_process(&self) {
        self.join(std::process::id());
    }

    fn join(&self, process: u32) {
        let (page, bit) = (self.page(), 1 << (process % 64));
        let new =
            page.joined.get(process as usize / 64).is_none_or(|word| word.fetch_or(bit, Ordering::Relaxed) & bit == 0);
        page.processes.fetch_add(new.into(), Ordering::Relaxed);
    }

    /// An ioctl is about to be made. Without [`Ledger::add`] after it, it is one that did not return.
    pub fn begin(&self, request: u32) {
        let begun = IoctlInfo::of(request).and_then(|info| self.page().begun.get(usize::from(info.nr)));
        if let Some(begun) = begun {
            begun.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Calls that were begun and have not returned, by name: where a process was when it was ended.
    pub fn unfinished(&self) -> Vec<(&'static str, u64)> {
        let known = sys::IOCTLS.iter().chain(&sys::OPTIONAL_IOCTLS);
        let missing = known.filter_map(|info| {
            let number = usize::from(info.nr);
            let begun = self.page().begun.get(number)?.load(Ordering::Relaxed);
            Some((info.name, begun.saturating_sub(self.page().slots.get(number)?.read("").calls)))
        });
        missing.filter(|(_, calls)| *calls != 0).collect()
    }

    /// A descriptor was opened (or could not be).
    pub fn add_open(&self, outcome: &RawOutcome, took: Duration) {
        self.page().opens.add(outcome, took);
    }

    /// A descriptor was closed for the last time.
    pub fn add_close(&self, traffic: Traffic, took: Duration) {
        self.page().closes.add(&RawOutcome::success().with_traffic(traffic), took);
    }

    /// An ioctl was made.
    pub fn add(&self, request: u32, outcome: &RawOutcome, took: Duration) {
        let page = self.page();
        let slot = IoctlInfo::of(request).and_then(|info| page.slots.get(usize::from(info.nr)));
        slot.unwrap_or(&page.unknown).add(outcome, took);
        let last = self.last.swap(request, Ordering::Relaxed);
        if outcome.ret < 0 {
            return;
        }
        match request {
            sys::LX_DXSUBMITCOMMAND | sys::LX_DXSUBMITCOMMANDTOHWQUEUE => {
                let follows = self.run.swap(1, Ordering::Relaxed);
                page.merged_submissions.fetch_add(follows.into(), Ordering::Relaxed);
            }
            sys::LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMCPU => self.run.store(0, Ordering::Relaxed),
            _ if last == request && LISTS.contains(&request) => {
                page.merged_lists.fetch_add(u64::from(outcome.traffic.round_trips), Ordering::Relaxed);
            }
            _ => {}
        }
    }

    /// Processes that joined.
    pub fn processes(&self) -> u64 {
        self.page().processes.load(Ordering::Relaxed)
    }

    /// What was counted, for each ioctl that was called at all; requests that are not the driver's have no name.
    pub fn by_call(&self) -> Vec<CallStats> {
        let known = sys::IOCTLS.iter().chain(&sys::OPTIONAL_IOCTLS);
        let known = known.filter_map(|info| Some((self.page().slots.get(usize::from(info.nr))?, info.name)));
        known.chain([(&self.page().unknown, "")]).map(|(slot, name)| slot.read(name)).filter(|s| s.calls != 0).collect()
    }

    /// Opening and closing, which send messages too: a host process is made and torn down.
    pub fn opens_and_closes(&self) -> (CallStats, CallStats) {
        (self.page().opens.read("open"), self.page().closes.read("close"))
    }

    /// The sum over everything.
    pub fn total(&self) -> CallStats {
        let (opens, closes) = self.opens_and_closes();
        let sum = self.by_call().into_iter().chain([opens, closes]).fold(CallStats::default(), CallStats::add);
        CallStats { name: "", ..sum }
    }

    /// What batching would have saved.
    pub fn savings(&self) -> Savings {
        let page = self.page();
        Savings {
            submissions: page.merged_submissions.load(Ordering::Relaxed),
            round_trips: page.merged_lists.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        // SAFETY: unmaps what `map` mapped; no reference outlives `self`.
        unsafe { libc::munmap(self.page.cast_mut().cast(), size_of::<Page>()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("dxg-ledger-{name}-{}", std::process::id()))
    }

    #[test]
    fn two_mappings_add_up_and_runs_are_found() {
        let path = path("sums");
        let reader = Ledger::create(&path).unwrap();
        let (first, second) = (Ledger::open(&path).unwrap(), Ledger::open(&path).unwrap());
        let posted = RawOutcome::success().with_traffic(Traffic::posted(100));
        let asked = RawOutcome::success().with_traffic(Traffic::round_trip(100));
        let took = Duration::from_nanos(10);
        for (ledger, process) in [(&first, 7), (&second, 4_000_000), (&second, 7)] {
            ledger.join(process);
        }
        for ledger in [&first, &second] {
            for _ in 0..4 {
                ledger.add(sys::LX_DXSUBMITCOMMANDTOHWQUEUE, &posted, took);
            }
            ledger.add(sys::LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMCPU, &asked, took);
            ledger.add(sys::LX_DXSUBMITCOMMAND, &posted, took);
            for _ in 0..3 {
                ledger.add(sys::LX_DXMAKERESIDENT, &asked, took);
            }
        }
        second.begin(sys::LX_DXMAKERESIDENT);
        for _ in 0..7 {
            first.begin(sys::LX_DXMAKERESIDENT);
        }
        first.begin(0x1234);
        assert_eq!(reader.unfinished(), [("LX_DXMAKERESIDENT", 2)]);
        first.add(0x1234, &RawOutcome::failed(libc::ENOTTY), took);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(reader.processes(), 2);
        assert_eq!(reader.savings(), Savings { submissions: 2 * 3, round_trips: 2 * 2 });
        let total = reader.total();
        assert_eq!((total.calls, total.failures, total.posted, total.round_trips), (19, 1, 10, 8));
        assert_eq!(reader.by_call().last().map(|stats| (stats.name, stats.failures)), Some(("", 1)));
    }

    #[test]
    fn another_file_is_refused() {
        let path = path("other");
        std::fs::write(&path, [0u8; 100]).unwrap();
        assert_eq!(Ledger::open(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(Ledger::create(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        std::fs::remove_file(&path).unwrap();
    }
}

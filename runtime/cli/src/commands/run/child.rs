//! The program as a child: signals go on to it, and dxgrt ends as it does.
//!
//! What a terminal sends (interrupt, quit) reaches the program by itself; dxgrt stays to report. Other signals that ask to
//! end or mean something to the program are sent on.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Command;
use std::sync::atomic::{AtomicI32, Ordering};

use crate::commands::Verdict;
use crate::output::complain;

const SENT_ON: [libc::c_int; 5] = [libc::SIGTERM, libc::SIGHUP, libc::SIGUSR1, libc::SIGUSR2, libc::SIGCONT];
const LEFT_TO_THE_TERMINAL: [libc::c_int; 2] = [libc::SIGINT, libc::SIGQUIT];

static CHILD: AtomicI32 = AtomicI32::new(0);

extern "C" fn send_on(signal: libc::c_int) {
    let child = CHILD.load(Ordering::Relaxed);
    if child > 0 {
        // SAFETY: kill may be called in a signal handler; the child was not waited for yet.
        unsafe { libc::kill(child, signal) };
    }
}

/// Runs the program to its end.
pub fn run(command: &mut Command) -> io::Result<Verdict> {
    let ignore = |signal| {
        // SAFETY: sets a disposition; no handler runs.
        unsafe { libc::signal(signal, libc::SIG_IGN) }
    };
    let before = LEFT_TO_THE_TERMINAL.map(ignore);
    // SAFETY: between fork and exec the closure only sets dispositions, as a signal handler might.
    unsafe {
        command.pre_exec(move || {
            for (signal, before) in LEFT_TO_THE_TERMINAL.iter().zip(before) {
                libc::signal(*signal, before);
            }
            Ok(())
        });
    }
    let mut child = command.spawn()?;
    CHILD.store(child.id() as i32, Ordering::Relaxed);
    for signal in SENT_ON {
        // SAFETY: the handler does only what a handler may.
        unsafe { libc::signal(signal, send_on as *const () as libc::sighandler_t) };
    }
    let ended = child.wait();
    CHILD.store(0, Ordering::Relaxed);
    let ended = ended?;
    let code = ended.code().or(ended.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Ok(Verdict::Ended(code as u8))
}

/// The program could not be started: says so, with the code that shells give.
pub fn not_started(name: &OsStr, error: &io::Error) -> Verdict {
    complain(&format!("{} cannot be started: {error}", name.to_string_lossy()));
    Verdict::Ended(if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 })
}

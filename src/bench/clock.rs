//! Clocks: the wall's, and those of the processor.

use std::time::Instant;

/// Seconds by the wall, and seconds of the processor over all threads that worked.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Times {
    /// By the wall.
    pub wall: f64,
    /// Of the processor.
    pub cpu: f64,
}

/// Runs something and times it with all threads of the process, drivers included.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Times) {
    let (start, cpu) = (Instant::now(), process_seconds());
    let result = work();
    (result, Times { wall: start.elapsed().as_secs_f64(), cpu: process_seconds() - cpu })
}

/// The same with the calling thread alone.
pub fn timed_here<T>(work: impl FnOnce() -> T) -> (T, Times) {
    let (start, cpu) = (Instant::now(), thread_seconds());
    let result = work();
    (result, Times { wall: start.elapsed().as_secs_f64(), cpu: thread_seconds() - cpu })
}

/// Seconds of the processor that this process has used so far.
pub fn process_seconds() -> f64 {
    read(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// Seconds of the processor that the calling thread has used so far.
pub fn thread_seconds() -> f64 {
    read(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn read(clock: libc::clockid_t) -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one `timespec` to the address it is given, which is that of a live one.
    let result = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert_eq!(result, 0, "the system has clocks for processes and threads");
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Bytes of memory that the process holds now; none where the system does not say.
pub fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(1024 * line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?)
}

//! Counts allocations of the calling thread, and says where they come from.

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};

/// The system's allocator, counting. A program that wants numbers makes it its global one.
#[derive(Debug, Default)]
pub struct CountingAllocator;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static TRACING: Cell<bool> = const { Cell::new(false) };
    static TRACES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn count() {
    // Threads that end have no counter any more.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
    if TRACING.try_with(|tracing| tracing.replace(false)).unwrap_or(false) {
        let trace = Backtrace::force_capture().to_string();
        TRACES.with(|traces| traces.borrow_mut().push(trace));
        TRACING.set(true);
    }
}

// SAFETY: everything is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Allocations of the calling thread so far; 0 for ever in a program with another allocator.
pub fn of_this_thread() -> u64 {
    COUNT.get()
}

/// Starts or stops to note where allocations of the calling thread come from. Slow.
pub fn trace(on: bool) {
    TRACING.set(on);
}

/// Where allocations came from since the last call.
pub fn take_traces() -> Vec<Site> {
    TRACES.take().iter().map(|trace| Site::of(trace)).collect()
}

/// Where an allocation comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Site {
    /// Whether wgpu or a driver called the allocator, not this crate.
    pub graphics: bool,
    /// The nearest function of this crate.
    pub function: String,
}

impl Site {
    /// Reads a backtrace: the innermost function comes first.
    pub fn of(trace: &str) -> Self {
        let names = trace.lines().filter_map(|line| {
            let (number, name) = line.trim_start().split_once(": ")?;
            number.parse::<u32>().is_ok().then_some(name)
        });
        let mut graphics = false;
        for name in names {
            let own = name.trim_start_matches('<').starts_with("bevy_discon::");
            // This file is on top of every trace.
            if own && !name.contains("::allocations::") {
                return Self { graphics, function: name.trim_start_matches('<').to_string() };
            }
            graphics |= ["wgpu", "naga", "ash::", "gpu_allocator", "gpu_descriptor", "lvp_", "vk_", "llvmpipe"]
                .iter()
                .any(|part| name.contains(part));
        }
        Self { graphics, function: "outside this crate".into() }
    }
}

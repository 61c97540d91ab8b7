//! Inputs of coming steps, made while a step runs.
//!
//! A graphics card finishes a step of many textures sooner than one processor core draws its noise. What a step gets
//! depends on its number alone, so a run is the same with any number of threads.

use super::shares::SHARES;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};

/// Inputs that each thread makes in advance.
const DEPTH: usize = 1;

/// Makes the inputs of every part of every step, in order.
pub struct Ahead<'a, T> {
    make: &'a (dyn Fn(u64, usize) -> T + Sync),
    first: u64,
    threads: Vec<Mutex<Receiver<T>>>,
}

impl<T: Send> Ahead<'_, T> {
    /// Runs `body` with the inputs of the steps from `first` on; `make` makes one by the number of its step and of its
    /// part. Without threads it is called where the input is needed.
    pub fn run<R>(
        threads: usize,
        first: u64,
        make: impl Fn(u64, usize) -> T + Sync,
        body: impl FnOnce(&Ahead<T>) -> R,
    ) -> R {
        let make = &make;
        // Parts of one step run at once and must not wait at the same thread.
        let threads = if threads == 0 { 0 } else { threads.max(SHARES) };
        std::thread::scope(|scope| {
            let receivers = (0..threads).map(|thread| {
                let (sender, receiver) = sync_channel(DEPTH);
                scope.spawn(move || {
                    let mut job = thread;
                    // Ends when nobody waits any more.
                    while sender.send(make(first + (job / SHARES) as u64, job % SHARES)).is_ok() {
                        job += threads;
                    }
                });
                Mutex::new(receiver)
            });
            // Dropped before the scope ends, so that the threads do end.
            body(&Ahead { make, first, threads: receivers.collect() })
        })
    }

    /// The input of a part of a step. With threads, each must be taken once, and steps in their order.
    pub fn take(&self, step: u64, share: usize) -> T {
        if self.threads.is_empty() {
            return (self.make)(step, share);
        }
        let job = (step - self.first) as usize * SHARES + share;
        let receiver = self.threads[job % self.threads.len()].lock().unwrap_or_else(PoisonError::into_inner);
        receiver.recv().unwrap_or_else(|_| (self.make)(step, share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_gets_its_own_input() {
        for threads in [0, 1, 3, 5] {
            let found = Ahead::run(
                threads,
                7,
                |step, share| (step, share),
                |ahead| {
                    (7..20)
                        .flat_map(|step| [1, 0].map(|share| (ahead.take(step, share), (step, share))))
                        .collect::<Vec<_>>()
                },
            );
            assert!(found.iter().all(|(found, expected)| found == expected), "{threads} threads: {found:?}");
        }
    }
}

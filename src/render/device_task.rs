//! Work on a task thread that uses the graphics device.

use bevy::tasks::{AsyncComputeTaskPool, Task, block_on, poll_once};

/// A task that nobody outlives: dropping it waits until it has ended.
///
/// Task threads run on while a process ends. Under one that compiles kernels the driver is taken down, and some crash then. So
/// an app that is closed early waits for the kernel that is being compiled, some tenths of a second.
pub struct DeviceTask<T>(Option<Task<T>>);

impl<T: Send + 'static> DeviceTask<T> {
    /// Starts on a task thread.
    pub fn spawn(work: impl FnOnce() -> T + Send + 'static) -> Self {
        Self(Some(AsyncComputeTaskPool::get().spawn(async move { work() })))
    }

    /// What came out, once.
    pub fn poll(&mut self) -> Option<T> {
        let result = block_on(poll_once(self.0.as_mut()?))?;
        self.0 = None;
        Some(result)
    }
}

impl<T> DeviceTask<T> {
    /// Lets it end alone: what comes out is not wanted any more, and a frame must not wait.
    pub fn let_go(mut self) {
        if let Some(task) = self.0.take() {
            task.detach();
        }
    }
}

impl<T> Drop for DeviceTask<T> {
    fn drop(&mut self) {
        let Some(task) = self.0.take() else { return };
        if cfg!(target_arch = "wasm32") {
            // There are no threads, so nothing runs now, and waiting would have no end.
            task.detach();
        } else {
            // One that has not begun never does.
            block_on(task.cancel());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bevy::tasks::TaskPool;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, mpsc};
    use std::time::{Duration, Instant};

    #[test]
    fn what_has_begun_has_ended_when_the_task_is_dropped() {
        AsyncComputeTaskPool::get_or_init(TaskPool::default);
        let (begun, wait) = mpsc::channel();
        let ended = Arc::new(AtomicBool::new(false));
        let task = DeviceTask::spawn({
            let ended = ended.clone();
            move || {
                begun.send(()).expect("the test waits");
                std::thread::sleep(Duration::from_millis(50));
                ended.store(true, Ordering::SeqCst);
            }
        });
        wait.recv().expect("the task begins");
        drop(task);
        assert!(ended.load(Ordering::SeqCst));
    }

    #[test]
    fn a_result_comes_once() {
        AsyncComputeTaskPool::get_or_init(TaskPool::default);
        let mut task = DeviceTask::spawn(|| 7);
        let started = Instant::now();
        let result = loop {
            match task.poll() {
                None if started.elapsed() < Duration::from_secs(30) => std::thread::yield_now(),
                result => break result,
            }
        };
        assert_eq!((result, task.poll()), (Some(7), None));
    }
}

//! Memory of large matrices, used again: getting fresh pages for every result costs up to a third of the time of a texture.
//!
//! Each thread has its own; an executor gives those of its thread back to the system when it is dropped. Threads that compute
//! bands for it keep the few that one band needs.

use std::cell::RefCell;

/// Values below which the allocator is as fast.
const LEAST: usize = 1 << 15;
/// Buffers that are kept: as many as the network has large results alive or just gone at a time.
const KEPT: usize = 12;

thread_local! {
    static FREE: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// An empty vector with room for `count` values.
pub fn empty(count: usize) -> Vec<f32> {
    let found = FREE.with_borrow_mut(|free| {
        let fits = |vector: &Vec<f32>| (count..=4 * count).contains(&vector.capacity());
        let places = (0..free.len()).filter(|place| fits(&free[*place]));
        places.min_by_key(|place| free[*place].capacity()).map(|place| free.swap_remove(place))
    });
    found.unwrap_or_else(|| Vec::with_capacity(count))
}

/// `count` zeros.
pub fn zeros(count: usize) -> Vec<f32> {
    let mut values = empty(count);
    values.resize(count, 0.0);
    values
}

/// Takes a vector that nobody needs any more.
pub fn give(mut values: Vec<f32>) {
    if values.capacity() < LEAST {
        return;
    }
    values.clear();
    // A thread that ends has no buffers any more; then the vector is freed as usual.
    let _ = FREE.try_with(|free| {
        let mut free = free.borrow_mut();
        if free.len() == KEPT {
            free.remove(0);
        }
        free.push(values);
    });
}

/// Frees all.
pub fn clear() {
    let _ = FREE.try_with(|free| free.borrow_mut().clear());
}

/// Frees all buffers of the thread when it is dropped.
pub struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_and_never_seen_with_old_values() {
        clear();
        let mut first = zeros(2 * LEAST);
        first.fill(7.0);
        let address = first.as_ptr();
        give(first);
        let small = zeros(LEAST / 4);
        assert_ne!(small.as_ptr(), address, "a small matrix does not take a large buffer");
        let second = zeros(2 * LEAST - 5);
        assert_eq!(second.as_ptr(), address);
        assert!(second.len() == 2 * LEAST - 5 && second.iter().all(|value| *value == 0.0));
        give(second);
        clear();
        FREE.with_borrow(|free| assert!(free.is_empty()));
    }
}

// A coordinate, at most a length outside of the grid, moved into it: wrapped where the axis wraps, else clamped to the border.

fn resolve(at: i32, length: u32, wraps: u32) -> u32 {
    let end = i32(length);
    let around = select(select(at, at + end, at < 0), at - end, at >= end);
    return u32(select(clamp(at, 0, end - 1), around, wraps != 0u));
}

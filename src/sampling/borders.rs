//! Borders of tokens in a decoded picture: what is too large a step there is spread over the pixels beside it.
//!
//! Latents of neighbours are sampled together, but in smooth materials their brightness still differs by more than the
//! picture does inside a token, and the eye finds squares of 16 pixels. As a deblocking filter of a video codec does
//! (ITU-T H.264, section 8.7), the last operation on pixels takes the excess away. Its own part is what counts as excess: what the
//! border of a token turns more than the lines inside the two tokens beside it, so that rough materials keep their grain, and a
//! step as large as an edge stays one.
//!
//! For a border, its pixels are averaged along it with triangular weights over [`ALONG`] pixels to each side. The *turn* at a
//! line is its step less the mean of the steps before and after it. The excess is the turn at the border less [`NATURAL`]
//! times the root of the mean square of the turns at the lines of [`INSIDE`] to both sides, over one plus the fourth power of
//! its size over [`EDGE`]. It is spread over [`SMOOTHED_PIXELS`] to each side, most beside the border.

pub use crate::model::SMOOTHED_PIXELS;

/// Pixels along a border, to each side, that a step is averaged over.
pub const ALONG: usize = 4;
/// First and last line from a border, in pixels, whose turns say what is natural.
pub const INSIDE: [usize; 2] = [2, 6];
/// Share of the natural turn that stays at a border. Measured: 0.5 makes the mean step at borders equal to that inside.
pub const NATURAL: f32 = 0.5;
/// Size of an edge, of pixels from -1 to 1.
pub const EDGE: f32 = 0.3;

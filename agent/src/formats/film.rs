//! What every format of a film must know.

/// The pictures of a film.
#[derive(Clone, Copy, Debug)]
pub struct FilmSettings {
    /// Width and height in pixels, both even.
    pub size: (u32, u32),
    /// Pictures per second.
    pub fps: u32,
    /// Length at most; the drive may end earlier.
    pub seconds: f64,
}

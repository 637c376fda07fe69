//! Films as H.264 in mp4, which browsers play. The encoder is Cisco's, built from source; nothing is looked for at run time.

use crate::formats::film::FilmSettings;
use anyhow::Context;
use muxide::api::{Muxer, MuxerBuilder, VideoCodec};
use openh264::encoder::{
    BitRate, Encoder, EncoderConfig, FrameRate, FrameType, IntraFramePeriod, RateControlMode, SpsPpsStrategy,
    UsageType, VuiConfig,
};
use openh264::formats::{RgbSliceU8, YUVBuffer};
use openh264::{OpenH264API, Timestamp};
use std::sync::{Arc, Mutex};

/// The fastest film that the encoder takes.
pub(crate) const MOST_FPS: u32 = 60;
/// Pixels of a picture at most: 36,864 macroblocks of H.264's level 5.2 (ITU-T H.264, table A-1), which is what the encoder takes.
pub(crate) const MOST_PIXELS: u32 = 36_864 * 256;

/// A film under way.
pub struct Mp4 {
    encoder: Encoder,
    muxer: Muxer<Shared>,
    bytes: Shared,
    yuv: YUVBuffer,
    size: (usize, usize),
    fps: u32,
    count: u32,
}

/// The file in memory, for the muxer to write and for us to take.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

const WHOLE: &str = "nobody panics while writing into memory";

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect(WHOLE).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Mp4 {
    /// Starts a film.
    ///
    /// # Errors
    /// If the encoder refuses the format.
    pub fn new(settings: &FilmSettings) -> anyhow::Result<Self> {
        let (width, height) = settings.size;
        // Constant quality, one thread, every picture kept: the same bytes for the same pictures.
        let config = EncoderConfig::new()
            .usage_type(UsageType::CameraVideoRealTime)
            .max_frame_rate(FrameRate::from_hz(settings.fps as f32))
            .rate_control_mode(RateControlMode::Off)
            .bitrate(BitRate::from_bps(8_000_000))
            .skip_frames(false)
            .num_threads(1)
            .sps_pps_strategy(SpsPpsStrategy::ConstantId)
            .intra_frame_period(IntraFramePeriod::from_num_frames(settings.fps * 2))
            .vui(VuiConfig::bt601());
        let encoder = Encoder::with_api_config(OpenH264API::from_source(), config).context("starting the encoder")?;
        let bytes = Shared::default();
        let muxer = MuxerBuilder::new(bytes.clone())
            .video(VideoCodec::H264, width, height, f64::from(settings.fps))
            .with_fast_start(true)
            .build()
            .context("starting the mp4 file")?;
        let size = (width as usize, height as usize);
        Ok(Self { encoder, muxer, bytes, yuv: YUVBuffer::new(size.0, size.1), size, fps: settings.fps, count: 0 })
    }

    /// Adds a picture, `height × width × 3`.
    ///
    /// # Errors
    /// If the encoder fails.
    pub fn add(&mut self, rgb: &[u8]) -> anyhow::Result<()> {
        self.yuv.read_rgb8(RgbSliceU8::new(rgb, self.size));
        let at = Timestamp::from_millis(u64::from(self.count) * 1000 / u64::from(self.fps));
        let encoded = self.encoder.encode_at(&self.yuv, at).context("encoding a picture")?;
        let key = encoded.frame_type() == FrameType::IDR;
        let seconds = f64::from(self.count) / f64::from(self.fps);
        self.muxer.write_video(seconds, &encoded.to_vec(), key).context("adding a picture to the mp4 file")?;
        self.count += 1;
        Ok(())
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// If the file cannot be completed.
    pub fn finish(self) -> anyhow::Result<Vec<u8>> {
        self.muxer.finish().context("completing the mp4 file")?;
        Ok(std::mem::take(&mut *self.bytes.0.lock().expect(WHOLE)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openh264::decoder::Decoder;
    use openh264::formats::YUVSource;

    /// A bright square that moves over a gradient.
    fn picture(step: usize) -> Vec<u8> {
        (0..48 * 64)
            .flat_map(|pixel| {
                let (x, y) = (pixel % 64, pixel / 64);
                let inside = (4 * step..4 * step + 16).contains(&x) && (16..32).contains(&y);
                if inside { [240, 240, 240] } else { [(2 * x) as u8, (3 * y) as u8, 60] }
            })
            .collect()
    }

    fn film() -> Vec<u8> {
        let settings = FilmSettings { size: (64, 48), fps: 10, seconds: 1.0 };
        let mut film = Mp4::new(&settings).expect("an encoder");
        (0..8).for_each(|step| film.add(&picture(step)).expect("a picture"));
        film.finish().expect("a file")
    }

    /// The pictures in the file: every length-prefixed unit of its media box, through a decoder.
    fn decoded(file: &[u8]) -> Vec<Vec<u8>> {
        let box_at = |name: &[u8]| file.windows(4).position(|window| window == name).expect("a box");
        let mut at = box_at(b"mdat") + 4;
        let (mut decoder, mut pictures) = (Decoder::new().expect("a decoder"), Vec::new());
        let configuration = box_at(b"avcC");
        assert!(file[configuration + 4] == 1, "version of the decoder configuration");
        while at + 4 <= file.len() {
            let length = u32::from_be_bytes(file[at..at + 4].try_into().expect("four bytes")) as usize;
            if length == 0 || at + 4 + length > file.len() {
                break;
            }
            let unit = [&[0, 0, 0, 1][..], &file[at + 4..at + 4 + length]].concat();
            if let Some(yuv) = decoder.decode(&unit).expect("a unit") {
                let mut rgb = vec![0; yuv.rgb8_len()];
                yuv.write_rgb8(&mut rgb);
                pictures.push(rgb);
            }
            at += 4 + length;
        }
        pictures.extend(decoder.flush_remaining().expect("the rest").into_iter().map(|yuv| {
            let mut rgb = vec![0; yuv.rgb8_len()];
            yuv.write_rgb8(&mut rgb);
            rgb
        }));
        pictures
    }

    #[test]
    fn a_film_shows_the_pictures_it_was_made_of() {
        let pictures = decoded(&film());
        assert_eq!(pictures.len(), 8);
        for (step, found) in pictures.iter().enumerate() {
            let error: f32 = found.iter().zip(picture(step)).map(|(a, b)| (f32::from(*a) - f32::from(b)).abs()).sum();
            assert!(error / (found.len() as f32) < 8.0, "picture {step}: {} off", error / found.len() as f32);
        }
    }

    #[test]
    fn the_same_pictures_make_the_same_film() {
        assert!(film() == film());
    }
}

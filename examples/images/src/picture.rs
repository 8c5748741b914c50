//! Opening pictures that nobody has vouched for.

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use lovage::Failure;
use std::io::Cursor;

/// A file of a few bytes can claim any size. Past this the pixels would not fit the task's memory beside the result.
const MOST_PIXEL_BYTES: u64 = 128 << 20;

/// A picture whose header is read, and whose pixels are not.
pub(crate) struct Picture<'a> {
    pub(crate) format: ImageFormat,
    decoder: Box<dyn ImageDecoder + 'a>,
}

/// Reads a picture's header.
pub(crate) fn open(file: &[u8]) -> Result<Picture<'_>, Failure> {
    let mut reader = ImageReader::new(Cursor::new(file)).with_guessed_format()?;
    let format = match reader.format() {
        Some(format @ (ImageFormat::Jpeg | ImageFormat::Png)) => format,
        _ => return Err(refused("not a PNG or JPEG picture")),
    };
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST_PIXEL_BYTES);
    reader.limits(limits);
    Ok(Picture {
        format,
        decoder: Box::new(reader.into_decoder().map_err(failure)?),
    })
}

impl Picture<'_> {
    pub(crate) fn size(&self) -> (u32, u32) {
        self.decoder.dimensions()
    }

    pub(crate) fn color(&self) -> String {
        format!("{:?}", self.decoder.color_type()).to_lowercase()
    }

    /// Decodes the pixels, turned the way the camera was held: a thumbnail carries no note of that any more.
    pub(crate) fn pixels(mut self) -> Result<DynamicImage, Failure> {
        if self.decoder.total_bytes() > MOST_PIXEL_BYTES {
            let (width, height) = self.size();
            return Err(refused(format!(
                "a picture of {width} by {height} pixels is too large"
            )));
        }
        let orientation = self
            .decoder
            .orientation()
            .unwrap_or(Orientation::NoTransforms);
        let mut pixels = DynamicImage::from_decoder(self.decoder).map_err(failure)?;
        pixels.apply_orientation(orientation);
        Ok(pixels)
    }
}

/// `jpeg` or `png`.
pub(crate) fn name(format: ImageFormat) -> String {
    format!("{format:?}").to_lowercase()
}

/// A picture that is broken stays broken: it is never tried again.
pub(crate) fn failure(error: ImageError) -> Failure {
    Failure::from(error).kind("image").never_retry()
}

fn refused(message: impl Into<String>) -> Failure {
    Failure::new(message).kind("image").never_retry()
}

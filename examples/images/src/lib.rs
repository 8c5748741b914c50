//! Makes thumbnails of PNG and JPEG pictures.

mod picture;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageFormat};
use lovage::{Bytes, Failure, context};
use picture::{failure, open};
use std::io::Cursor;

/// A picture made smaller.
#[lovage::data]
#[derive(Debug)]
struct Thumbnail {
    /// In the format of the picture that it was made of.
    image: Bytes,
    /// `jpeg` or `png`.
    format: String,
    width: u32,
    height: u32,
}

/// Makes a thumbnail of a picture, in the same format and proportions.
///
/// A picture that is small enough keeps its size. One that cannot be read is a failure of kind `image`.
#[lovage::task(retries = 2, timeout = "30s", memory = "256MiB")]
fn thumbnail(
    /// A PNG or JPEG file.
    image: Bytes,
    /// The longer side of the thumbnail, in pixels.
    max_side: u32,
) -> Result<Thumbnail, Failure> {
    if max_side == 0 {
        return Err(
            Failure::new("argument `max_side` of `thumbnail` must be at least 1")
                .kind("argument")
                .never_retry(),
        );
    }
    let picture = open(&image)?;
    let format = picture.format;
    let pixels = picture.pixels()?;
    context::progress(0.5, "decoded")?;

    let small = match pixels.width().max(pixels.height()) > max_side {
        true => pixels.thumbnail(max_side, max_side),
        false => pixels,
    };
    context::progress(0.8, "scaled")?;

    let image = encode(&small, format)?;
    context::progress(1.0, "encoded")?;
    Ok(Thumbnail {
        image,
        format: picture::name(format),
        width: small.width(),
        height: small.height(),
    })
}

/// What a picture is.
#[lovage::data]
#[derive(Debug, PartialEq)]
struct Probe {
    /// `jpeg` or `png`.
    format: String,
    width: u32,
    height: u32,
    /// Its channels and the bits of each, such as `rgb8`.
    color: String,
    bytes: u64,
}

/// Says what a picture is, from its header alone: its pixels are not decoded.
#[lovage::task]
fn probe(
    /// A PNG or JPEG file.
    image: Bytes,
) -> Result<Probe, Failure> {
    let picture = open(&image)?;
    let (width, height) = picture.size();
    Ok(Probe {
        format: picture::name(picture.format),
        width,
        height,
        color: picture.color(),
        bytes: image.len() as u64,
    })
}

fn encode(pixels: &DynamicImage, format: ImageFormat) -> Result<Bytes, Failure> {
    let mut file = Cursor::new(Vec::new());
    match format {
        // Above the crate's own quality: a small picture has few pixels to hide the artefacts in.
        ImageFormat::Jpeg => {
            pixels.write_with_encoder(JpegEncoder::new_with_quality(&mut file, 85))
        }
        format => pixels.write_to(&mut file, format),
    }
    .map_err(failure)?;
    Ok(file.into_inner().into())
}

#[cfg(test)]
mod tests;

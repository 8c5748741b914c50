use super::*;
use lovage::Retry;
use lovage::serde_json::json;
use lovage::testing::{Context, call};

const JPEG: &[u8] = include_bytes!("../photos/dandelions.jpg");
const PROGRESSIVE: &[u8] = include_bytes!("../photos/dogs.jpg");
const PNG: &[u8] = include_bytes!("../photos/fig.png");

fn read(file: &[u8]) -> Probe {
    probe(Bytes::from(file)).unwrap()
}

#[test]
fn probes() {
    let jpeg = Probe {
        format: "jpeg".into(),
        width: 1600,
        height: 900,
        color: "rgb8".into(),
        bytes: JPEG.len() as u64,
    };
    assert_eq!(read(JPEG), jpeg);
    assert_eq!(
        (read(PNG).format.as_str(), read(PNG).width, read(PNG).height),
        ("png", 600, 406)
    );
}

#[test]
fn a_thumbnail_keeps_format_and_proportions() {
    for (file, size) in [(JPEG, (64, 36)), (PROGRESSIVE, (43, 64)), (PNG, (64, 43))] {
        let thumbnail = thumbnail(file.into(), 64).unwrap();
        assert_eq!((thumbnail.width, thumbnail.height), size);
        let small = read(&thumbnail.image);
        assert_eq!(small.format, read(file).format);
        assert_eq!((small.width, small.height), size);
        assert!(small.bytes < 16_384, "{small:?}");
    }
}

#[test]
fn a_small_picture_keeps_its_size() {
    let thumbnail = thumbnail(PNG.into(), 2000).unwrap();
    assert_eq!((thumbnail.width, thumbnail.height), (600, 406));
}

#[test]
fn progress_is_reported() {
    let (_, record) = Context::new().run(|| thumbnail(PNG.into(), 64).unwrap());
    let shares: Vec<_> = record
        .progress
        .iter()
        .filter_map(|progress| progress.share)
        .collect();
    assert_eq!(shares, [0.5, 0.8, 1.0]);
}

#[test]
fn a_broken_picture_is_never_retried() {
    let damaged = [&PNG[..5000], &[0; 5000], &PNG[10_000..]].concat();
    for file in [
        &b""[..],
        b"no picture",
        b"GIF89a",
        &JPEG[..100],
        &PNG[..40],
        &PNG[..100_000],
        &damaged,
    ] {
        let failure = thumbnail(file.into(), 64).unwrap_err();
        assert_eq!(
            (failure.kind.as_str(), failure.retry),
            ("image", Retry::Never),
            "{failure}"
        );
    }
}

#[test]
fn a_picture_that_claims_to_be_huge_is_refused() {
    // A header of 60,000 by 60,000 pixels: the size, and the checksum of the chunk it stands in.
    let mut file = PNG.to_vec();
    file[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    let checksum = crc32(&file[12..29]);
    file[29..33].copy_from_slice(&checksum.to_be_bytes());
    let failure = thumbnail(file.into(), 64).unwrap_err();
    assert_eq!(
        (failure.kind.as_str(), failure.retry),
        ("image", Retry::Never)
    );
    assert!(
        failure.message.contains("too large") || failure.message.contains("limit"),
        "{failure}"
    );
}

#[test]
fn a_thumbnail_of_no_size_is_refused() {
    let failure = call::<Thumbnail>("thumbnail", &json!({"image": "", "max_side": 0})).unwrap_err();
    assert_eq!(failure.kind, "argument");
}

fn crc32(data: &[u8]) -> u32 {
    let step = |crc: u32, _| {
        if crc & 1 == 1 {
            crc >> 1 ^ 0xedb8_8320
        } else {
            crc >> 1
        }
    };
    !data
        .iter()
        .fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

//! A module's bytes at rest: one zstd frame, cut into chunks that no store
//! minds, and verified against the digest on every read.

use super::Digest;

/// The size of a stored chunk, in bytes.
pub const CHUNK: usize = 512 * 1024;
/// The largest module that is taken, in bytes.
pub const MAX_MODULE: usize = 256 * 1024 * 1024;
/// Fast to write, and a Python module still shrinks to a third.
const LEVEL: i32 = 3;

/// Compresses and cuts up.
pub fn pack(bytes: &[u8]) -> std::io::Result<Vec<Vec<u8>>> {
    let packed = zstd::bulk::compress(bytes, LEVEL)?;
    Ok(packed.chunks(CHUNK).map(<[u8]>::to_vec).collect())
}

/// Puts together, unpacks, and verifies; `None` where the bytes have another
/// digest or are no frame at all. Never unpacks past [`MAX_MODULE`].
pub fn unpack(chunks: &[Vec<u8>], digest: Digest) -> Option<Vec<u8>> {
    let packed = chunks.concat();
    let size = zstd::zstd_safe::get_frame_content_size(&packed).ok()??;
    if size > MAX_MODULE as u64 {
        return None;
    }
    let bytes = zstd::bulk::decompress(&packed, size as usize).ok()?;
    (Digest::of(&bytes) == digest).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_unpacks_and_what_is_bent_does_not() {
        let bytes: Vec<u8> = (0..2_000_000u32)
            .flat_map(|n| (n ^ n >> 7).to_le_bytes())
            .collect();
        let digest = Digest::of(&bytes);
        let mut chunks = pack(&bytes).unwrap();
        assert!(chunks.len() > 1);
        assert_eq!(unpack(&chunks, digest).as_deref(), Some(&bytes[..]));
        assert_eq!(unpack(&chunks, Digest::of(b"other")), None);
        chunks.pop();
        assert_eq!(unpack(&chunks, digest), None);
        assert_eq!(unpack(&[b"no frame".to_vec()], digest), None);
    }
}

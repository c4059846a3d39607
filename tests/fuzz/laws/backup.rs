//! Backups: what is believed is copied to the byte, and nothing that was cut, changed or added to is believed.

use atlas::store::check_copy;

/// Bytes of the magic number and the version, of a frame's kind and length, and of its checksum.
const START: usize = 12;
const HEAD: usize = 5;
const CHECKSUM: usize = 16;

pub fn holds(bytes: &[u8]) {
    believed(bytes);
    // No fuzzer finds a checksum, so it is given them.
    let sealed = sealed(bytes);
    if believed(&sealed) {
        let middle = sealed.len() / 2;
        let mut changed = sealed.clone();
        changed[middle] ^= 1;
        let longer = [&sealed[..], b"\0"].concat();
        for other in [
            &sealed[..middle],
            &sealed[..sealed.len() - 1],
            &changed,
            &longer,
        ] {
            assert!(!believed(other), "a damaged backup is believed");
        }
    }
}

fn believed(bytes: &[u8]) -> bool {
    let mut copy = Vec::new();
    match check_copy(bytes, &mut copy) {
        Ok(summary) => {
            assert_eq!(copy, bytes);
            assert_eq!(summary.bytes, bytes.len() as u64);
            true
        }
        Err(why) => {
            assert!(!why.is_empty());
            false
        }
    }
}

/// The same frames with the checksums that they should have.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let (start, mut rest) = bytes.split_at(START.min(bytes.len()));
    let mut out = start.to_vec();
    while let Some((head, behind)) = rest.split_first_chunk::<HEAD>() {
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let (payload, behind) = behind.split_at(length.min(behind.len()));
        out.push(head[0]);
        out.extend_from_slice(&(payload.len() as u32).to_be_bytes());
        out.extend_from_slice(payload);
        let checksum = blake3::hash(&out);
        out.extend_from_slice(&checksum.as_bytes()[..CHECKSUM]);
        rest = behind.get(CHECKSUM..).unwrap_or_default();
    }
    out
}

//! Reports of 64 bytes, at the device's end: channel, tag, sequence number, and in the first one the length of it all.

use std::io::{self, Read};

const REPORT: usize = 64;
const TAG: u8 = 0x05;

/// A report as it goes over the wire.
pub(super) type Report = [u8; REPORT];

/// The next APDU, and the channel it came on. A report out of order begins nothing: a real device forgets as well.
pub(super) fn read(port: &mut impl Read) -> io::Result<([u8; 2], Vec<u8>)> {
    let mut partial: Option<Partial> = None;
    loop {
        let mut report = [0; REPORT];
        port.read_exact(&mut report)?;
        partial = Partial::push(partial, &report);
        if let Some(Partial { channel, missing: 0, apdu, .. }) = partial {
            return Ok((channel, apdu));
        }
    }
}

/// An APDU of which something is missing.
struct Partial {
    channel: [u8; 2],
    next: u16,
    missing: usize,
    apdu: Vec<u8>,
}

impl Partial {
    fn push(partial: Option<Partial>, report: &Report) -> Option<Partial> {
        let [channel_high, channel_low, TAG, high, low, body @ ..] = report else { return partial };
        let (channel, sequence) =
            ([*channel_high, *channel_low], u16::from_be_bytes([*high, *low]));
        if sequence == 0 {
            let (length, body) = body.split_first_chunk::<2>()?;
            let missing = usize::from(u16::from_be_bytes(*length));
            let first = Partial { channel, next: 1, missing, apdu: Vec::new() };
            return Some(first.take(body));
        }
        let partial = partial.filter(|partial| partial.next == sequence)?;
        Some(Partial { next: partial.next.wrapping_add(1), ..partial }.take(body))
    }

    fn take(mut self, body: &[u8]) -> Partial {
        let part = body.get(..self.missing).unwrap_or(body);
        self.missing -= part.len();
        self.apdu.extend_from_slice(part);
        self
    }
}

/// An answer in reports.
pub(super) fn split(channel: [u8; 2], answer: &[u8]) -> Vec<Report> {
    let length = u16::try_from(answer.len()).unwrap_or(u16::MAX);
    let message = [&length.to_be_bytes(), answer].concat();
    let header = |sequence: u16| [&channel[..], &[TAG], &sequence.to_be_bytes()].concat();
    let chunks = message.chunks(REPORT - 5).zip(0_u16..);
    let report = |(chunk, sequence): (&[u8], u16)| {
        let mut report = [0; REPORT];
        report
            .iter_mut()
            .zip(header(sequence).iter().chain(chunk))
            .for_each(|(to, from)| *to = *from);
        report
    };
    chunks.map(report).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_split_is_read_again() {
        for length in [2, 57, 58, 200, 260] {
            let apdu = vec![7; length];
            let reports = split([1, 1], &apdu);
            assert_eq!(read(&mut reports.as_flattened()).unwrap(), ([1, 1], apdu));
        }
    }

    #[test]
    fn an_apdu_that_breaks_off_is_forgotten() {
        let (broken, whole) = (split([1, 1], &[7; 200]), split([1, 1], &[8; 200]));
        let reports = [&broken[..2], &whole[..]].concat();
        assert_eq!(read(&mut reports.as_flattened()).unwrap().1, [8; 200]);
        let reports = [&broken[1..], &whole[..]].concat();
        assert_eq!(read(&mut reports.as_flattened()).unwrap().1, [8; 200]);
    }
}

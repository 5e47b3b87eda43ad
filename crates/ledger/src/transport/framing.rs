//! APDUs in USB reports of 64 bytes.
//!
//! Each report: channel 0x0101, tag 05, a sequence number of two bytes from 0; the first one also
//! the length of the whole, two bytes. The rest is filled with zeros. Pure: no device in here.

use crate::transport::TransportError;

pub(crate) const REPORT: usize = 64;
/// A report as it goes over the wire.
pub(crate) type Report = [u8; REPORT];

const CHANNEL: [u8; 2] = [0x01, 0x01];
const TAG: u8 = 0x05;
const HEADER: usize = 5;
/// More than any answer of the app has.
const MAX_ANSWER: usize = 1024;

/// Cuts an APDU into reports. None when it is longer than a length of two bytes can say.
pub(crate) fn split(apdu: &[u8]) -> Option<Vec<Report>> {
    let length = u16::try_from(apdu.len()).ok()?;
    let message = [&length.to_be_bytes(), apdu].concat();
    let chunks = message.chunks(REPORT - HEADER);
    Some(chunks.zip(0_u16..).map(|(chunk, sequence)| report(sequence, chunk)).collect())
}

fn report(sequence: u16, chunk: &[u8]) -> Report {
    let [high, low] = sequence.to_be_bytes();
    let [channel_high, channel_low] = CHANNEL;
    let header = [channel_high, channel_low, TAG, high, low];
    let mut report = [0; REPORT];
    for (to, from) in report.iter_mut().zip(header.iter().chain(chunk)) {
        *to = *from;
    }
    report
}

/// Puts the reports of one answer together.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    sequence: u16,
    /// What is still missing, once the first report has said how long it all is.
    missing: Option<usize>,
    answer: Vec<u8>,
}

impl Assembler {
    /// Takes the next report; gives the answer when it is whole. A report of another channel is skipped.
    pub(crate) fn push(&mut self, report: &Report) -> Result<Option<Vec<u8>>, TransportError> {
        let [channel_high, channel_low, tag, sequence_high, sequence_low, body @ ..] = report;
        if [*channel_high, *channel_low] != CHANNEL {
            return Ok(None);
        }
        if *tag != TAG {
            return Err(TransportError::Garbage("a report with an unknown tag"));
        }
        if u16::from_be_bytes([*sequence_high, *sequence_low]) != self.sequence {
            return Err(TransportError::Garbage("a report out of order"));
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.take(body)
    }

    fn take(&mut self, body: &[u8]) -> Result<Option<Vec<u8>>, TransportError> {
        let (missing, body) = match self.missing {
            Some(missing) => (missing, body),
            None => length(body)?,
        };
        let part = body.get(..missing.min(body.len())).unwrap_or(body);
        self.answer.extend_from_slice(part);
        let missing = missing - part.len();
        self.missing = Some(missing);
        Ok((missing == 0).then(|| std::mem::take(&mut self.answer)))
    }
}

fn length(body: &[u8]) -> Result<(usize, &[u8]), TransportError> {
    let (length, body) =
        body.split_first_chunk::<2>().ok_or(TransportError::Garbage("a report without length"))?;
    match usize::from(u16::from_be_bytes(*length)) {
        0 | 1 => Err(TransportError::Garbage("an answer without status word")),
        length if length > MAX_ANSWER => {
            Err(TransportError::Garbage("it claims to be longer than any answer"))
        }
        length => Ok((length, body)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn assemble(reports: &[Report]) -> Result<Option<Vec<u8>>, TransportError> {
        let mut assembler = Assembler::default();
        let mut last = Ok(None);
        for report in reports {
            last = assembler.push(report);
            if !matches!(last, Ok(None)) {
                break;
            }
        }
        last
    }

    fn hex(text: &str) -> Report {
        let mut report = [0; REPORT];
        hex::decode_to_slice(format!("{text:0<128}"), &mut report).unwrap();
        report
    }

    /// As Ledger's own library frames `b0 01 00 00 00`.
    #[test]
    fn a_short_command_is_one_report() {
        assert_eq!(
            split(&[0xb0, 1, 0, 0, 0]).unwrap(),
            [hex("0101050000" /* sequence 0 */).map(|byte| byte)]
                .map(|_| hex("01010500000005b001000000"))
        );
    }

    #[test]
    fn a_recorded_version_is_read() {
        assert_eq!(
            assemble(&[hex("01010500000006010205019000")]),
            Ok(Some(vec![1, 2, 5, 1, 0x90, 0]))
        );
    }

    #[test]
    fn a_report_of_another_channel_is_passed_over() {
        let mut assembler = Assembler::default();
        assert_eq!(assembler.push(&hex("02020500000002dead")), Ok(None));
        assert_eq!(assembler.push(&hex("010105000000029000")), Ok(Some(vec![0x90, 0])));
    }

    #[test]
    fn lies_are_garbage() {
        let garbage = |text| matches!(assemble(&[hex(text)]), Err(TransportError::Garbage(_)));
        assert!(garbage("010106000000029000"), "tag");
        assert!(garbage("010105000100029000"), "sequence");
        assert!(garbage("01010500000000"), "no length");
        assert!(garbage("0101050000ffff"), "a huge length");
        let long = split(&[7; 200]).unwrap();
        let skipped = [*long.first().unwrap(), *long.last().unwrap()];
        assert!(matches!(assemble(&skipped), Err(TransportError::Garbage(_))));
    }

    proptest! {
        #[test]
        fn what_is_split_is_put_together_again(apdu in prop::collection::vec(any::<u8>(), 2..1000)) {
            prop_assert_eq!(assemble(&split(&apdu).unwrap()), Ok(Some(apdu)));
        }

        #[test]
        fn any_reports_are_read_or_refused(
            reports in prop::collection::vec(prop::collection::vec(any::<u8>(), REPORT), 1..40),
            honest in any::<bool>(),
        ) {
            let reports: Vec<Report> = (0_u16..).zip(reports).map(|(sequence, mut bytes)| {
                if honest {
                    let [high, low] = sequence.to_be_bytes();
                    bytes[..HEADER].copy_from_slice(&[1, 1, TAG, high, low]);
                }
                bytes.try_into().unwrap()
            }).collect();
            if let Ok(Some(answer)) = assemble(&reports) {
                prop_assert!(answer.len() <= MAX_ANSWER);
            }
        }
    }
}

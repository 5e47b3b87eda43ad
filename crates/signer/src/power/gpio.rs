//! A GPIO line of a UPS hat, over the kernel's character device (`Documentation/userspace-api/gpio/chardev.rst`).
//!
//! The line is requested once and kept: no other program can turn it into an output meanwhile.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;
use std::str::FromStr;

use gpiocdev_uapi::v2::{self, LineConfig, LineFlags, LineRequest, LineValues};
use parking_lot::Mutex;
use thiserror::Error;

use super::Answer;

/// A line that is active while the mains are lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) chip: PathBuf,
    /// Its number on the chip.
    pub(crate) offset: u32,
    /// Active is low, and not high.
    pub(crate) is_active_low: bool,
}

/// A text that names no line. Always *misused*.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{0:?} is no GPIO line; write gpio:/dev/gpiochip0:6, with :active_low at its end if the line is low while mains are lost"
)]
pub(crate) struct LineError(String);

/// Why a line cannot be read. *Failed*.
#[derive(Debug, Error)]
pub(super) enum GpioError {
    #[error("there is no {}; \"gpiodetect\" lists the GPIO chips: correct source under [power]", .0.display())]
    NoChip(PathBuf),
    #[error("{} is no GPIO chip; \"gpiodetect\" lists them: correct source under [power]", .0.display())]
    OtherFile(PathBuf),
    #[error(
        "{} may not be opened by the signer's user; put that user into the chip's group (as in \"usermod --append \
         --groups gpio peel\"), or let a udev rule give it the chip", .0.display()
    )]
    NoPermission(PathBuf),
    #[error(
        "line {offset} of {} is held by another program; \"gpioinfo\" names it: stop that program", chip.display()
    )]
    Busy { chip: PathBuf, offset: u32 },
    #[error(
        "there is no line {offset} on {}; \"gpioinfo\" lists them: correct source under [power]", chip.display()
    )]
    NoLine { chip: PathBuf, offset: u32 },
    #[error("line {offset} of {}: {cause}; look for the chip in \"dmesg\"", chip.display())]
    System { chip: PathBuf, offset: u32, cause: io::Error },
}

impl FromStr for Line {
    type Err = LineError;

    fn from_str(text: &str) -> Result<Line, LineError> {
        let (line, is_active_low) = match text.strip_suffix(":active_low") {
            Some(line) => (line, true),
            None => (text, false),
        };
        let parts = line.rsplit_once(':').filter(|(chip, _)| chip.starts_with('/'));
        let parsed = parts.and_then(|(chip, offset)| {
            Some(Line { chip: chip.into(), offset: offset.parse().ok()?, is_active_low })
        });
        parsed.ok_or_else(|| LineError(text.to_owned()))
    }
}

/// Reads a line. It blocks as long as the chip's driver does.
#[derive(Debug)]
pub(super) struct Reader {
    line: Line,
    /// The line as the kernel has given it, until it fails.
    held: Mutex<Option<File>>,
}

impl Reader {
    pub(super) fn new(line: Line) -> Reader {
        Reader { line, held: Mutex::new(None) }
    }

    pub(super) fn read(&self) -> Result<Answer, GpioError> {
        let mut held = self.held.lock();
        let line = match held.take() {
            Some(line) => line,
            None => self.line.request()?,
        };
        let is_active = is_active(&line).map_err(|cause| self.line.failed(cause))?;
        *held = Some(line);
        Ok(answer(is_active))
    }
}

/// The kernel has turned the level round for a line that is active when low.
fn answer(is_active: bool) -> Answer {
    Answer { is_on_mains: !is_active, charge: None, is_low: false }
}

fn is_active(line: &File) -> io::Result<bool> {
    let mut values = LineValues { mask: 1, ..LineValues::default() };
    v2::get_line_values(line, &mut values).map_err(into_io)?;
    Ok(values.bits & 1 == 1)
}

impl Line {
    fn request(&self) -> Result<File, GpioError> {
        let chip = self.open_chip()?;
        let mut request = LineRequest {
            consumer: CONSUMER.into(),
            config: LineConfig { flags: self.flags(), ..LineConfig::default() },
            num_lines: 1,
            ..LineRequest::default()
        };
        request.offsets.set(0, self.offset);
        v2::get_line(&chip, request).map_err(|error| self.not_given(into_io(error)))
    }

    /// Looked at first: to open a pipe would wait for its other end.
    fn open_chip(&self) -> Result<File, GpioError> {
        let found = fs::metadata(&self.chip).map_err(|cause| self.not_opened(cause))?;
        if !found.file_type().is_char_device() {
            return Err(GpioError::OtherFile(self.chip.clone()));
        }
        File::open(&self.chip).map_err(|cause| self.not_opened(cause))
    }

    /// A pull-up or pull-down is left as the hat's own driver or the boot loader has set it.
    fn flags(&self) -> LineFlags {
        if self.is_active_low { LineFlags::INPUT | LineFlags::ACTIVE_LOW } else { LineFlags::INPUT }
    }

    fn not_opened(&self, cause: io::Error) -> GpioError {
        let is = |kind| cause.kind() == kind;
        if is(ErrorKind::NotFound) {
            GpioError::NoChip(self.chip.clone())
        } else if is(ErrorKind::PermissionDenied) {
            GpioError::NoPermission(self.chip.clone())
        } else {
            self.failed(cause)
        }
    }

    fn not_given(&self, cause: io::Error) -> GpioError {
        let (chip, offset) = (self.chip.clone(), self.offset);
        match cause.raw_os_error() {
            Some(ENOTTY) => GpioError::OtherFile(chip),
            Some(EBUSY) => GpioError::Busy { chip, offset },
            Some(EINVAL) => GpioError::NoLine { chip, offset },
            Some(_) | None => self.failed(cause),
        }
    }

    fn failed(&self, cause: io::Error) -> GpioError {
        GpioError::System { chip: self.chip.clone(), offset: self.offset, cause }
    }
}

/// The holder of the line, as "gpioinfo" shows it.
const CONSUMER: &str = "peel";
/// "Device or resource busy": another program, or a driver of the kernel, has the line.
const EBUSY: i32 = 16;
/// "Invalid argument": the chip has fewer lines.
const EINVAL: i32 = 22;
/// "Inappropriate ioctl for device": a device of another kind.
const ENOTTY: i32 = 25;

fn into_io(error: gpiocdev_uapi::Error) -> io::Error {
    match error {
        gpiocdev_uapi::Error::Os(number) => io::Error::from_raw_os_error(number.0),
        gpiocdev_uapi::Error::UnderRead(error) => io::Error::other(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::path::Path;

    use super::*;

    fn line(chip: impl Into<PathBuf>) -> Line {
        Line { chip: chip.into(), offset: 6, is_active_low: false }
    }

    fn error(chip: impl Into<PathBuf>) -> String {
        Reader::new(line(chip)).read().unwrap_err().to_string()
    }

    #[test]
    fn a_line_is_a_chip_a_number_and_a_level() {
        let high = line("/dev/gpiochip0");
        assert_eq!("/dev/gpiochip0:6".parse(), Ok(high.clone()));
        let low = Line { is_active_low: true, ..high };
        assert_eq!("/dev/gpiochip0:6:active_low".parse(), Ok(low));
        for wrong in [
            "",
            "/dev/gpiochip0",
            "gpiochip0:6",
            "/dev/gpiochip0:",
            "/dev/gpiochip0:-1",
            "/dev/gpiochip0:6:low",
        ] {
            let error = wrong.parse::<Line>().unwrap_err().to_string();
            assert!(error.contains("gpio:/dev/gpiochip0:6"), "{wrong}: {error}");
        }
    }

    #[test]
    fn an_active_line_means_that_mains_are_lost() {
        assert!(!answer(true).is_on_mains);
        assert!(answer(false).is_on_mains);
        assert_eq!((answer(true).charge, answer(true).is_low), (None, false));
    }

    #[test]
    fn the_kernel_turns_round_a_line_that_is_active_when_low() {
        let high = line("/dev/gpiochip0");
        let low = Line { is_active_low: true, ..high.clone() };
        assert_eq!(high.flags(), LineFlags::INPUT);
        assert_eq!(low.flags(), LineFlags::INPUT | LineFlags::ACTIVE_LOW);
    }

    #[test]
    fn a_chip_that_is_missing_is_told_with_the_cure() {
        let error = error("/dev/no-such-gpiochip");
        assert!(error.contains("there is no /dev/no-such-gpiochip; \"gpiodetect\""), "{error}");
    }

    #[test]
    fn what_is_no_chip_is_told_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "1").unwrap();
        let socket = folder.path().join("socket");
        let _listener = UnixListener::bind(&socket).unwrap();
        // The last one is a device of another kind.
        for other in [folder.path(), &file, &socket, Path::new("/dev/null")] {
            let error = error(other);
            assert!(error.contains("is no GPIO chip; \"gpiodetect\""), "{error}");
        }
    }

    #[test]
    fn what_the_kernel_refuses_is_told_with_the_cure() {
        let line = line("/dev/gpiochip0");
        let number = io::Error::from_raw_os_error;
        let (eacces, eio) = (13, 5);
        for (error, words) in [
            (line.not_opened(number(eacces)), ["may not be opened", "usermod"]),
            (line.not_opened(number(eio)), ["line 6 of /dev/gpiochip0: ", "dmesg"]),
            (
                line.not_given(number(EBUSY)),
                ["line 6 of /dev/gpiochip0 is held", "stop that program"],
            ),
            (line.not_given(number(EINVAL)), ["there is no line 6 on /dev/gpiochip0", "gpioinfo"]),
            (line.not_given(number(eio)), ["line 6 of /dev/gpiochip0: ", "dmesg"]),
        ] {
            let error = error.to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        }
    }
}

//! Figures as a person reads them. What a signer says may be no number, or one that cannot be: that is shown as unknown.

use std::time::Duration;

use super::html::Html;

/// A figure that cannot be.
const UNKNOWN: &str = "unknown";

/// Between a number and its unit, so that no line ends there.
const SPACE: char = '\u{a0}';

/// Times of a daemon, told by the gateway's clock. The one at home may be wrong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    /// By the gateway's clock, in seconds since 1970.
    pub(super) now: f64,
    /// How far the daemon's clock is behind that, in seconds.
    pub(super) behind: f64,
}

impl Clock {
    /// That of the gateway.
    pub(super) fn own(now: f64) -> Clock {
        Clock { now, behind: 0.0 }
    }

    /// That of a signer, which said what time it is `age` seconds ago.
    pub(super) fn of_signer(now: f64, said: f64, age: f64) -> Clock {
        Clock { now, behind: now - age - said }
    }

    /// Seconds since then.
    pub(super) fn since(self, at: f64) -> f64 {
        self.now - self.behind - at
    }

    /// "3 s ago", with the date and time for what reads the page.
    pub(super) fn ago(self, html: &mut Html, at: f64) {
        self.time(html, at, &ago(self.since(at)));
    }

    /// "for 3 s", likewise.
    pub(super) fn lasting(self, html: &mut Html, at: f64) {
        let text = format!("for{SPACE}{}", span(self.since(at)));
        self.time(html, at, &text);
    }

    fn time(self, html: &mut Html, at: f64, text: &str) {
        let Some(moment) = Moment::of(at + self.behind).filter(|_| at > 0.0) else {
            html.raw(UNKNOWN);
            return;
        };
        html.raw("<time datetime=\"")
            .name(&moment.date_time())
            .raw("\">")
            .name(text)
            .raw("</time>");
    }
}

fn ago(seconds: f64) -> String {
    match seconds {
        soon if soon < -5.0 => format!("in {}", span(-soon)),
        now if now < 1.0 => "just now".to_owned(),
        past => format!("{} ago", span(past)),
    }
}

/// A time to sign, or of a round trip: "238 ms", "1.2 s".
pub(super) fn latency(seconds: f64) -> String {
    match seconds {
        short if (0.0..0.9995).contains(&short) => format!("{:.0}{SPACE}ms", short * 1000.0),
        medium if (0.9995..9.95).contains(&medium) => format!("{medium:.1}{SPACE}s"),
        other => span(other),
    }
}

/// A longer time, in one unit: "12 s", "4 min", "3 d".
pub(super) fn span(seconds: f64) -> String {
    if !seconds.is_finite() {
        return UNKNOWN.to_owned();
    }
    let (count, unit) = match seconds.max(0.0) {
        few if few < 59.5 => (few, "s"),
        some if some < 3570.0 => (some / 60.0, "min"),
        many if many < 172_800.0 => (many / 3600.0, "h"),
        more => (more / 86_400.0, "d"),
    };
    if count < LONGEST { format!("{count:.0}{SPACE}{unit}") } else { UNKNOWN.to_owned() }
}

/// Days, a hundred years and more of them.
const LONGEST: f64 = 99_999.0;

/// A level, a round, a count: as octez writes it, so that it can be searched for.
pub(super) fn whole(number: f64) -> String {
    let is_exact = (0.0..9_007_199_254_740_992.0).contains(&number);
    if is_exact { format!("{number:.0}") } else { UNKNOWN.to_owned() }
}

/// A part of one as "83 %".
pub(super) fn percent(part: f64) -> Option<String> {
    (0.0..=1.0).contains(&part).then(|| format!("{:.0}{SPACE}%", part * 100.0))
}

/// A date and time in UTC.
pub(super) struct Moment {
    year: u64,
    month: u64,
    day: u64,
    second_of_day: u64,
}

const SECONDS_OF_A_DAY: u64 = 86_400;

/// From the first of March of the year 0 to 1970.
const DAYS_TO_1970: u64 = 719_468;

impl Moment {
    /// From seconds since 1970; none outside of the years from 1970 to 9999, which RFC 3339 does not write.
    pub(super) fn of(at: f64) -> Option<Moment> {
        let seconds = Duration::try_from_secs_f64(at).ok()?.as_secs();
        let moment = Moment::of_day(seconds / SECONDS_OF_A_DAY, seconds % SECONDS_OF_A_DAY);
        (seconds < 400_000_000_000 && moment.year <= 9999).then_some(moment)
    }

    /// Years begin in March here, so that the leap day is the last one (Hinnant, "chrono-compatible low-level date
    /// algorithms", `civil_from_days`).
    fn of_day(day: u64, second_of_day: u64) -> Moment {
        let day = day + DAYS_TO_1970;
        let (era, day) = (day / 146_097, day % 146_097);
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        Moment { year: era * 400 + year + later, month, day, second_of_day }
    }

    /// As RFC 3339 writes it.
    pub(super) fn date_time(&self) -> String {
        format!("{:04}-{:02}-{:02}T{}Z", self.year, self.month, self.day, self.time_of_day())
    }

    /// Hours, minutes and seconds.
    pub(super) fn time_of_day(&self) -> String {
        let (minutes, second) = (self.second_of_day / 60, self.second_of_day % 60);
        format!("{:02}:{:02}:{second:02}", minutes / 60, minutes % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        text.replace(SPACE, " ")
    }

    #[test]
    fn a_time_is_said_in_one_unit() {
        let latencies = [(0.0042, "4 ms"), (0.238, "238 ms"), (0.9996, "1.0 s"), (1.24, "1.2 s")];
        for (seconds, text) in latencies {
            assert_eq!(plain(&latency(seconds)), text);
        }
        assert_eq!(plain(&latency(12.3)), "12 s");
        for (seconds, text) in [(59.4, "59 s"), (240.0, "4 min"), (7200.0, "2 h"), (3e5, "3 d")] {
            assert_eq!(plain(&span(seconds)), text);
        }
        assert_eq!(plain(&ago(3.2)), "3 s ago");
        assert_eq!(plain(&ago(-0.5)), "just now");
        assert_eq!(plain(&ago(-60.0)), "in 1 min");
    }

    #[test]
    fn a_number_that_cannot_be_is_unknown() {
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
            assert_eq!(latency(number), UNKNOWN);
            assert_eq!(whole(number), UNKNOWN);
            assert_eq!(percent(number), None);
            assert!(Moment::of(number).is_none());
        }
        assert_eq!(whole(-1.0), UNKNOWN);
        assert_eq!(whole(7_654_321.0), "7654321");
        assert_eq!(percent(0.834).map(|text| plain(&text)).as_deref(), Some("83 %"));
    }

    #[test]
    fn a_moment_is_a_date_of_the_calendar() {
        let said = |at| Moment::of(at).map(|moment| moment.date_time());
        assert_eq!(said(0.0).as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(said(951_826_154.9).as_deref(), Some("2000-02-29T12:09:14Z"));
        assert_eq!(said(1_796_000_000.0).as_deref(), Some("2026-11-30T00:53:20Z"));
        assert_eq!(said(253_402_300_799.0).as_deref(), Some("9999-12-31T23:59:59Z"));
        assert_eq!(said(253_402_300_800.0), None);
    }

    #[test]
    fn a_wrong_clock_at_home_does_not_show() {
        let (now, an_hour_fast) = (1_796_000_000.0, 1_796_003_600.0);
        let clock = Clock::of_signer(now, an_hour_fast, 2.0);
        let mut html = Html::default();
        clock.ago(&mut html, an_hour_fast - 1.0);
        let shown = plain(&html.into_string());
        assert_eq!(shown, "<time datetime=\"2026-11-30T00:53:17Z\">3 s ago</time>");
    }
}

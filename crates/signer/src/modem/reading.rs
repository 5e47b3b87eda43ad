//! What `mmcli --modem any --output-json` says of a modem.

use serde::Deserialize;

/// A modem at one moment. Neither its numbers nor its operator's name are in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ModemReading {
    /// From 0 to 1; none before the modem has measured it.
    pub(crate) signal: Option<f64>,
    pub(crate) state: ModemState,
    pub(crate) registration: Registration,
    /// The fastest way it speaks with the network at present, in ModemManager's word ([`TECHNOLOGIES`]).
    pub(crate) technology: Option<&'static str>,
}

/// How far the modem is (`MMModemState`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ModemState {
    /// It cannot be used.
    Failed,
    /// It cannot be used without a SIM.
    NoSim,
    /// It wants the PIN of its SIM.
    Locked,
    /// Its radio is off.
    Disabled,
    /// Its radio is on, and no network has taken it.
    Searching,
    /// A network has taken it.
    Registered,
    /// It carries packets.
    Connected,
    /// Between two of these.
    Changing,
}

/// Whether a network has taken the modem (`MMModem3gppRegistrationState`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Registration {
    /// Its own.
    Home,
    /// Another one.
    Roaming,
    /// One that takes no data: messages or emergency calls only.
    Limited,
    Searching,
    Denied,
    /// It does not search.
    Idle,
    Unknown,
}

/// ModemManager's words for how a modem speaks with the network, the fastest first.
pub(crate) const TECHNOLOGIES: [&str; 14] = [
    "5gnr",
    "lte",
    "lte-cat-m",
    "lte-nb-iot",
    "hspa-plus",
    "hspa",
    "hsupa",
    "hsdpa",
    "umts",
    "edge",
    "gprs",
    "gsm-compact",
    "gsm",
    "pots",
];

/// The parts of the answer that are read. A value that there is not is `--`.
#[derive(Deserialize)]
struct Answer {
    modem: AnsweredModem,
}

#[derive(Deserialize)]
struct AnsweredModem {
    generic: Generic,
    #[serde(default, rename = "3gpp")]
    network: Network,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Generic {
    state: String,
    #[serde(default)]
    state_failed_reason: String,
    #[serde(default)]
    signal_quality: SignalQuality,
    #[serde(default)]
    access_technologies: Vec<String>,
}

#[derive(Default, Deserialize)]
struct SignalQuality {
    #[serde(default)]
    value: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Network {
    registration_state: String,
}

impl ModemReading {
    /// None when it is no answer of mmcli.
    pub(super) fn parse(json: &[u8]) -> Option<ModemReading> {
        let AnsweredModem { generic, network } = serde_json::from_slice::<Answer>(json).ok()?.modem;
        let speaks = |word: &&&str| generic.access_technologies.iter().any(|own| own == *word);
        Some(ModemReading {
            signal: signal(&generic.signal_quality.value),
            state: ModemState::of(&generic.state, &generic.state_failed_reason),
            registration: Registration::of(&network.registration_state),
            technology: TECHNOLOGIES.iter().find(speaks).copied(),
        })
    }

    /// Whether a network takes it, for data.
    pub(crate) fn is_registered(&self) -> bool {
        matches!(self.registration, Registration::Home | Registration::Roaming)
    }

    /// What keeps the modem from carrying a link, and the cure.
    pub(crate) fn complaint(&self) -> Option<&'static str> {
        match (self.state, self.registration) {
            (ModemState::Connected, _) => None,
            (ModemState::NoSim, _) => Some("the modem has no SIM: put it in"),
            (ModemState::Failed, _) => {
                Some("the modem has failed: take its power for a moment; \"mmcli -m any\" says why")
            }
            (ModemState::Locked, _) => {
                Some("the modem wants the PIN of its SIM: \"mmcli -i any --pin=PIN\"")
            }
            (ModemState::Disabled, _) => {
                Some("the radio of the modem is off: \"mmcli -m any --enable\" switches it on")
            }
            (_, Registration::Denied) => {
                Some("the network refuses the SIM: is it activated, is it paid for?")
            }
            (ModemState::Searching, _) => Some(
                "the modem finds no network that takes it: is its antenna on, is there reception?",
            ),
            (_, Registration::Limited) => Some("the network takes no data of this SIM"),
            (ModemState::Registered, _) => Some(
                "the modem is on the network and carries nothing: its connection is not up; is its APN right?",
            ),
            (ModemState::Changing, _) => None,
        }
    }
}

/// Of percent.
fn signal(percent: &str) -> Option<f64> {
    let percent: u8 = percent.parse().ok()?;
    Some(f64::from(percent.min(100)) / 100.0)
}

impl ModemState {
    fn of(word: &str, why_failed: &str) -> ModemState {
        match word {
            "failed" if why_failed == "sim-missing" => ModemState::NoSim,
            "failed" => ModemState::Failed,
            "locked" => ModemState::Locked,
            "disabled" => ModemState::Disabled,
            "enabled" | "searching" => ModemState::Searching,
            "registered" => ModemState::Registered,
            "connected" => ModemState::Connected,
            _ => ModemState::Changing,
        }
    }

    /// As in a metric.
    pub(crate) fn word(self) -> &'static str {
        match self {
            ModemState::Failed => "failed",
            ModemState::NoSim => "no_sim",
            ModemState::Locked => "locked",
            ModemState::Disabled => "disabled",
            ModemState::Searching => "searching",
            ModemState::Registered => "registered",
            ModemState::Connected => "connected",
            ModemState::Changing => "changing",
        }
    }
}

impl Registration {
    fn of(word: &str) -> Registration {
        match word {
            "home" | "home-csfb-not-preferred" => Registration::Home,
            "roaming" | "roaming-csfb-not-preferred" => Registration::Roaming,
            "home-sms-only" | "roaming-sms-only" | "emergency-only" | "attached-rlos" => {
                Registration::Limited
            }
            "searching" => Registration::Searching,
            "denied" => Registration::Denied,
            "idle" => Registration::Idle,
            _ => Registration::Unknown,
        }
    }

    /// As in a metric.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Registration::Home => "home",
            Registration::Roaming => "roaming",
            Registration::Limited => "limited",
            Registration::Searching => "searching",
            Registration::Denied => "denied",
            Registration::Idle => "idle",
            Registration::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(state: &str, registration: &str) -> ModemReading {
        let (generic, network) = (
            format!(r#"{{"state": "{state}", "signal-quality": {{"value": "--"}}}}"#),
            format!(r#"{{"registration-state": "{registration}"}}"#),
        );
        let answer = format!(r#"{{"modem": {{"generic": {generic}, "3gpp": {network}}}}}"#);
        ModemReading::parse(answer.as_bytes()).unwrap()
    }

    #[test]
    fn what_a_modem_does_not_say_is_not_known() {
        let least = ModemReading::parse(br#"{"modem": {"generic": {"state": "initializing"}}}"#);
        let unknown = ModemReading {
            signal: None,
            state: ModemState::Changing,
            registration: Registration::Unknown,
            technology: None,
        };
        assert_eq!(least, Some(unknown));
        assert_eq!(reading("unknown", "--"), unknown);
        assert_eq!(reading("of 2030", "of 2030"), unknown);
        assert_eq!(ModemReading::parse(b"{}"), None);
    }

    #[test]
    fn a_signal_is_between_0_and_1() {
        for (percent, share) in [("0", 0.0), ("50", 0.5), ("100", 1.0), ("255", 1.0)] {
            assert_eq!(signal(percent), Some(share));
        }
        for none in ["", "--", "-1", "1e1", "256", "NaN"] {
            assert_eq!(signal(none), None, "{none}");
        }
    }

    #[test]
    fn a_modem_that_carries_is_not_complained_of_and_another_has_its_cure() {
        assert_eq!(reading("connected", "roaming").complaint(), None);
        assert_eq!(reading("connecting", "home").complaint(), None);
        for (state, registration, word) in [
            ("failed", "--", "failed"),
            ("locked", "--", "PIN"),
            ("disabled", "idle", "--enable"),
            ("searching", "searching", "antenna"),
            ("searching", "denied", "refuses"),
            ("enabled", "idle", "antenna"),
            ("registered", "home", "APN"),
            ("registered", "emergency-only", "no data"),
        ] {
            let complaint = reading(state, registration).complaint().unwrap();
            assert!(complaint.contains(word), "{complaint}");
        }
    }
}

//! What is wrong with a line, and what to do: a pure function of what was read.

use crate::lines::interface::{Carrier, InterfaceReading, Kind};

/// How far a line is from carrying requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum LineState {
    /// A gateway is connected over it.
    Up,
    /// There is no such interface.
    NoInterface,
    /// It is switched off, or nothing answers at its other end.
    NoCarrier,
    /// It has no address that a gateway could be dialled from.
    NoAddress,
    /// It has no default route.
    NoRoute,
    /// It has all of these, and no gateway is connected over it.
    Dialling,
}

impl LineState {
    /// Every state, for a metric.
    pub(crate) const ALL: [LineState; 6] = [
        LineState::Up,
        LineState::NoInterface,
        LineState::NoCarrier,
        LineState::NoAddress,
        LineState::NoRoute,
        LineState::Dialling,
    ];

    /// `has_link`: a signing link over it is up. That counts more than what was read: routes in other tables than
    /// the main one are not read.
    pub(crate) fn of(reading: &InterfaceReading, has_link: bool) -> LineState {
        let carrier = reading.device.map(|device| device.carrier);
        match carrier {
            _ if has_link => LineState::Up,
            None => LineState::NoInterface,
            Some(Carrier::Absent | Carrier::Off) => LineState::NoCarrier,
            Some(Carrier::Present) if !reading.has_address() => LineState::NoAddress,
            Some(Carrier::Present) if !reading.has_way_out() => LineState::NoRoute,
            Some(Carrier::Present) => LineState::Dialling,
        }
    }

    /// As in a metric.
    pub(crate) fn word(self) -> &'static str {
        match self {
            LineState::Up => "up",
            LineState::NoInterface => "no_interface",
            LineState::NoCarrier => "no_carrier",
            LineState::NoAddress => "no_address",
            LineState::NoRoute => "no_route",
            LineState::Dialling => "dialling",
        }
    }

    /// What is wrong, and the cure, in one line. No address is in it.
    pub(crate) fn sentence(self, reading: &InterfaceReading) -> String {
        let name = &reading.name;
        match self {
            LineState::Up => format!("{name} carries a link"),
            LineState::NoInterface => no_interface(reading),
            LineState::NoCarrier => no_carrier(reading),
            LineState::NoAddress => no_address(reading),
            LineState::NoRoute => format!(
                "{name} has no default route: the router or the network's configuration has to give it one; \
                 \"ip route show dev {name}\" shows those it has"
            ),
            LineState::Dialling => {
                format!("{name} is ready, and no gateway is connected over it; the log says why")
            }
        }
    }
}

fn no_interface(reading: &InterfaceReading) -> String {
    let cure = match reading.kind {
        Kind::Mobile => "is the modem plugged in, has it power?",
        Kind::Wired | Kind::Wireless => "is the adapter plugged in?",
    };
    format!("{} is not there: {cure} \"ip link\" shows the interfaces there are", reading.name)
}

fn no_carrier(reading: &InterfaceReading) -> String {
    let name = &reading.name;
    if reading.device.is_some_and(|device| device.carrier == Carrier::Off) {
        return format!("{name} is switched off: \"ip link set {name} up\" switches it on");
    }
    let cure = match reading.kind {
        Kind::Wired => "is the cable in, is the router on?",
        Kind::Wireless => "is the access point on, is its password right?",
        Kind::Mobile => "is the SIM in, is there reception?",
    };
    format!("{name} has no carrier: {cure}")
}

fn no_address(reading: &InterfaceReading) -> String {
    let cure = match reading.kind {
        Kind::Wired | Kind::Wireless => "does the router give out addresses (DHCP)?",
        Kind::Mobile => {
            "is the modem connected? APN, PIN and credit decide that; \"mmcli -m any\" shows it"
        }
    };
    format!("{} has no address: {cure}", reading.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::interface::{Device, Family};

    const ALL: Family = Family { has_address: true, has_default_route: true };
    const ADDRESS: Family = Family { has_address: true, has_default_route: false };
    const ROUTE: Family = Family { has_address: false, has_default_route: true };
    const NOTHING: Family = Family { has_address: false, has_default_route: false };

    fn reading(carrier: Option<Carrier>, ipv4: Family, ipv6: Family) -> InterfaceReading {
        let device = carrier.map(|carrier| Device { carrier, received: 0, sent: 0 });
        InterfaceReading { name: "eth0".to_owned(), device, kind: Kind::Wired, ipv4, ipv6 }
    }

    #[test]
    fn the_first_thing_that_is_missing_is_named() {
        let present = Some(Carrier::Present);
        for (carrier, ipv4, ipv6, state) in [
            (None, NOTHING, NOTHING, LineState::NoInterface),
            (None, ALL, ALL, LineState::NoInterface),
            (Some(Carrier::Off), ALL, ALL, LineState::NoCarrier),
            (Some(Carrier::Absent), ALL, NOTHING, LineState::NoCarrier),
            (present, NOTHING, NOTHING, LineState::NoAddress),
            (present, ROUTE, ROUTE, LineState::NoAddress),
            (present, ADDRESS, NOTHING, LineState::NoRoute),
            (present, ADDRESS, ROUTE, LineState::NoRoute),
            (present, ALL, NOTHING, LineState::Dialling),
            (present, NOTHING, ALL, LineState::Dialling),
            (present, ADDRESS, ALL, LineState::Dialling),
        ] {
            let reading = reading(carrier, ipv4, ipv6);
            assert_eq!(LineState::of(&reading, false), state, "{reading:?}");
            assert_eq!(LineState::of(&reading, true), LineState::Up, "{reading:?}");
        }
    }

    #[test]
    fn each_kind_of_line_has_the_cure_of_its_kind() {
        let told = |kind, carrier, state: LineState| {
            let reading = reading(carrier, NOTHING, NOTHING);
            state.sentence(&InterfaceReading { kind, ..reading })
        };
        let absent = Some(Carrier::Absent);
        assert_eq!(
            told(Kind::Wired, absent, LineState::NoCarrier),
            "eth0 has no carrier: is the cable in, is the router on?"
        );
        assert!(told(Kind::Mobile, absent, LineState::NoCarrier).contains("SIM"));
        assert!(told(Kind::Wireless, absent, LineState::NoCarrier).contains("access point"));
        assert!(
            told(Kind::Wired, Some(Carrier::Off), LineState::NoCarrier).contains("ip link set")
        );
        assert!(told(Kind::Mobile, None, LineState::NoInterface).contains("modem"));
        assert!(told(Kind::Mobile, absent, LineState::NoAddress).contains("APN"));
        assert!(told(Kind::Wired, absent, LineState::NoAddress).contains("DHCP"));
    }

    #[test]
    fn every_state_has_a_word_of_its_own() {
        let words: std::collections::HashSet<_> = LineState::ALL.map(LineState::word).into();
        assert_eq!(words.len(), LineState::ALL.len());
    }
}

//! What upsd answers (RFC 9271, section 4), and what it means.

use super::super::Answer;
use super::error::NutError;

/// The value in the answer to `GET VAR ups name`; none if this UPS has no such variable.
pub(super) fn parse(line: &str, ups: &str, name: &str) -> Result<Option<String>, NutError> {
    let line = line.trim_end();
    if let Some(error) = line.strip_prefix("ERR ") {
        let code = error.split_whitespace().next().unwrap_or_default();
        return refusal(code, ups).map_or(Ok(None), Err);
    }
    let value =
        line.strip_prefix(&format!("VAR {ups} {name} \"")).and_then(|rest| rest.strip_suffix('"'));
    value.map(|value| Some(value.to_owned())).ok_or(NutError::Nonsense)
}

/// None for a variable that is not there.
fn refusal(code: &str, ups: &str) -> Option<NutError> {
    Some(match code {
        "VAR-NOT-SUPPORTED" => return None,
        "UNKNOWN-UPS" => NutError::UnknownUps(ups.to_owned()),
        "DATA-STALE" => NutError::Stale,
        "DRIVER-NOT-CONNECTED" => NutError::NoDriver,
        "ACCESS-DENIED" => NutError::AccessDenied,
        other => NutError::Refused(shown(other)),
    })
}

/// What `ups.status` and `battery.charge` mean together.
pub(super) fn understand(status: Option<&str>, charge: Option<&str>) -> Result<Answer, NutError> {
    let status = status.unwrap_or_default();
    let says = |token: &str| status.split_whitespace().any(|own| own == token);
    let is_on_mains = match (says("OL"), says("OB")) {
        (true, false) => true,
        (false, true) => false,
        (false, false) if says("WAIT") => return Err(NutError::Waiting),
        (true, true) | (false, false) => return Err(NutError::NoStatus(shown(status))),
    };
    // FSD: upsmon is shutting down every computer that hangs on it.
    let is_low = says("LB") || says("FSD");
    Ok(Answer { is_on_mains, charge: charge.map(share).transpose()?, is_low })
}

/// From percent. Some UPS say a little more than 100.
fn share(text: &str) -> Result<f64, NutError> {
    let percent = text.trim().parse().ok().filter(|percent: &f64| percent.is_finite());
    let percent = percent.filter(|percent| *percent >= 0.0).ok_or(NutError::NoPercentage)?;
    Ok(percent.min(100.0) / 100.0)
}

/// Codes and states are capital letters: nothing else that a server may say gets into a log or onto a page.
fn shown(text: &str) -> String {
    let of_a_code = |c: &char| c.is_ascii_uppercase() || matches!(c, '-' | ' ');
    text.chars().filter(of_a_code).take(SHOWN_CHARS).collect()
}

const SHOWN_CHARS: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: &str, charge: &str) -> Answer {
        understand(Some(status), Some(charge)).unwrap()
    }

    #[test]
    fn the_tokens_of_a_status_count_alone() {
        let full = Answer { is_on_mains: true, charge: Some(1.0), is_low: false };
        for status in ["OL", "OL CHRG", "ALARM OL RB", "OL DISCHRG CAL", " OL  BOOST "] {
            assert_eq!(answer(status, "100"), full, "{status}");
        }
        let on_battery = Answer { is_on_mains: false, charge: Some(0.425), is_low: false };
        assert_eq!(answer("OB DISCHRG", "42.5"), on_battery);
        for status in ["OB LB", "OB LB RB", "FSD OB"] {
            assert!(answer(status, "5").is_low, "{status}");
        }
        assert!(answer("OL CHRG LB", "5").is_low);
    }

    #[test]
    fn a_status_without_mains_or_battery_is_unknown() {
        for status in ["", "OFF", "BYPASS", "OL OB", "XOL", "ol", "ALARM"] {
            let error = understand(Some(status), Some("50")).unwrap_err();
            assert!(matches!(error, NutError::NoStatus(_)), "{status}: {error}");
        }
        assert!(matches!(understand(Some("WAIT"), None), Err(NutError::Waiting)));
        assert!(matches!(understand(None, Some("50")), Err(NutError::NoStatus(_))));
    }

    #[test]
    fn a_ups_without_a_charge_is_understood() {
        assert_eq!(understand(Some("OL"), None).unwrap().charge, None);
        assert_eq!(answer("OL", "101").charge, Some(1.0));
    }

    #[test]
    fn a_charge_that_is_no_percentage_is_unknown() {
        for charge in ["", "full", "NaN", "inf", "-1", "5 %"] {
            let error = understand(Some("OL"), Some(charge)).unwrap_err();
            assert!(matches!(error, NutError::NoPercentage), "{charge}: {error}");
        }
    }

    #[test]
    fn an_answer_to_another_question_is_nonsense() {
        let parse = |line: &str| parse(line, "ups", "ups.status");
        assert_eq!(parse("VAR ups ups.status \"OL\"\r").unwrap().as_deref(), Some("OL"));
        for line in [
            "VAR ups battery.charge \"100\"",
            "VAR ups2 ups.status \"OL\"",
            "VAR ups ups.status OL",
            "VAR ups ups.status \"OL",
            "VAR ups ups.status \"",
            "HTTP/1.1 400 Bad Request",
            "",
        ] {
            assert!(matches!(parse(line), Err(NutError::Nonsense)), "{line}");
        }
    }

    #[test]
    fn every_refusal_is_told_with_the_cure() {
        assert!(matches!(parse("ERR VAR-NOT-SUPPORTED", "ups", "battery.charge"), Ok(None)));
        for (code, word) in [
            ("UNKNOWN-UPS", "upsc -l"),
            ("DATA-STALE", "cable"),
            ("DRIVER-NOT-CONNECTED", "start nut-driver"),
            ("ACCESS-DENIED", "hosts.allow"),
            ("TLS-NOT-ENABLED", "its log"),
        ] {
            let error = parse(&format!("ERR {code} more"), "ups", "ups.status").unwrap_err();
            let error = error.to_string();
            let shows_code = error.contains(code) || error.contains("no UPS \"ups\"");
            assert!(error.contains(word) && shows_code, "{error}");
        }
    }

    #[test]
    fn what_a_server_invents_is_not_repeated() {
        let error = understand(Some("SEE 192.168.1.7 <b>now</b>"), None).unwrap_err().to_string();
        assert!(error.contains("\"SEE  \"") && !error.contains("192"), "{error}");
        let error = parse(&format!("ERR {}", "X".repeat(900)), "ups", "ups.status").unwrap_err();
        assert!(error.to_string().len() < 120, "{error}");
    }
}

//! Of the certificate of `[http] tls`: how long it is valid.

use std::fmt;

use daemon::health::seconds_since_1970;
use daemon::tls::Tls;
use daemon::{Fact, Verdict, scrape};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

/// The certificate in force.
#[derive(Debug, Clone)]
pub(crate) struct CertificateInForce(pub(crate) Tls);

/// Time for a person to renew it, in seconds.
const SOON: f64 = 14.0 * A_DAY;
const A_DAY: f64 = 86_400.0;

impl CertificateInForce {
    pub(crate) fn fact(&self) -> Fact {
        of_certificate(self.0.complaint(), self.0.expiry(), seconds_since_1970())
    }
}

/// Bakers through the tunnel need no certificate: it is a part of the work.
fn of_certificate(complaint: Option<String>, expiry: Option<f64>, now: f64) -> Fact {
    let fact = |state, verdict, line| Fact::new("certificate", state, verdict, line);
    if let Some(complaint) = complaint {
        return fact("not_renewed", Verdict::Degraded, complaint);
    }
    let Some(expiry) = expiry else {
        let line = "its end cannot be read; is it an X.509 certificate?".to_owned();
        return fact("unknown", Verdict::Unknown, line);
    };
    let days = ((expiry - now) / A_DAY).floor();
    let fact = if expiry <= now {
        let line = "it has expired: bakers refuse it; renew the files that [http] tls names";
        fact("expired", Verdict::Degraded, line.to_owned())
    } else if expiry - now < SOON {
        let line = format!("valid for {days} more days; renew the files that [http] tls names");
        fact("expires_soon", Verdict::Degraded, line)
    } else {
        fact("valid", Verdict::Good, format!("valid for {days} more days"))
    };
    fact.with("expiry", expiry)
}

impl Collector for CertificateInForce {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(expiry) = self.0.expiry() else { return Ok(()) };
        let help = "When the certificate of the HTTPS port ends, in seconds since 1970";
        let name = "peel_signer_certificate_expiry_timestamp_seconds";
        scrape::gauge(&mut encoder, (name, help), expiry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: f64 = 1_700_000_000.0;

    fn state(complaint: Option<&str>, days: Option<f64>) -> String {
        let expiry = days.map(|days| NOW + days * A_DAY);
        of_certificate(complaint.map(str::to_owned), expiry, NOW).state.into_owned()
    }

    #[test]
    fn a_certificate_that_ends_soon_is_told_two_weeks_before() {
        assert_eq!(state(None, Some(14.1)), "valid");
        assert_eq!(state(None, Some(13.9)), "expires_soon");
        assert_eq!(state(None, Some(-0.1)), "expired");
        assert_eq!(state(None, None), "unknown");
        assert_eq!(state(Some("the key does not go with it"), Some(100.0)), "not_renewed");
    }
}

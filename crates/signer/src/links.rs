//! The links of the tunnel, as monitoring sees them. Only those of the signing service carry votes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use daemon::{Fact, Verdict, scrape};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use tunnel::Service;
use tunnel::home::{LinkReport, LinkState};

use crate::facts::Look;

/// All links, as they are at each call. Clones share them.
#[derive(Clone)]
pub(crate) struct Links(Arc<dyn Fn() -> Vec<LinkReport> + Send + Sync>);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LinkLabels {
    /// As the configuration names it.
    gateway: String,
    uplink: String,
    service: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorLabels {
    gateway: String,
    uplink: String,
    service: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByteLabels {
    #[prometheus(flatten)]
    link: LinkLabels,
    direction: &'static str,
}

/// The uplink's name when it is whatever route the system has.
const ANY_ROUTE: &str = "any";
/// The longest wait of a link is for the silence of a metered uplink, 30 s.
const STUCK_AFTER: Duration = Duration::from_secs(60);

impl Links {
    pub(crate) fn new(look: impl Fn() -> Vec<LinkReport> + Send + Sync + 'static) -> Links {
        Links(Arc::new(look))
    }

    /// Whether a gateway can reach this signer at all, and how each link is.
    pub(crate) fn facts(&self) -> Vec<Fact> {
        [self.fact()].into_iter().chain((self.0)().iter().map(of_link)).collect()
    }

    /// The task of each link has come round lately, whether the link is up or not. One that has not would leave its
    /// report as it was: a restart mends it.
    pub(crate) fn liveness(&self) -> Look {
        let links = self.clone();
        Box::new(move || {
            (links.0)()
                .iter()
                .map(|link| Fact::vital("link_task", turns(link)).about(subject(link)))
                .collect()
        })
    }

    /// A gateway can reach this signer over at least one of them.
    fn fact(&self) -> Fact {
        let links = self.signing();
        let state = if links.iter().any(is_up) { Ok(()) } else { Err(complaint(&links)) };
        Fact::vital("tunnel", state).logged_elsewhere()
    }

    /// Those of the signing service.
    pub(crate) fn signing(&self) -> Vec<LinkReport> {
        let mut links = (self.0)();
        links.retain(|link| link.service == Service::Signing);
        links
    }

    /// Whether a metered uplink carries the votes, although there are others.
    fn is_metered_in_use(&self) -> bool {
        let (metered, others): (Vec<_>, Vec<_>) =
            self.signing().into_iter().partition(|link| link.metered);
        metered.iter().any(is_up) && !others.is_empty() && !others.iter().any(is_up)
    }

    /// 0 when the main line carries a link, as the charts of others read it; none when every line is
    /// metered.
    fn wired_network(&self) -> Option<i64> {
        let mut wired = self.signing();
        wired.retain(|link| !link.metered);
        (!wired.is_empty()).then(|| i64::from(!wired.iter().any(is_up)))
    }
}

fn is_up(link: &LinkReport) -> bool {
    link.state == LinkState::Up
}

fn complaint(links: &[LinkReport]) -> String {
    let each = links
        .iter()
        .map(|link| format!("gateway {} over {}: {}", link.gateway_name, route(link), how(link)));
    let each: Vec<String> = each.collect();
    format!("no gateway is connected; {}", each.join("; "))
}

/// How a link is, in words.
fn how(link: &LinkReport) -> &str {
    match (&link.error, link.state) {
        (_, LinkState::Up) => "up",
        (Some(error), _) => error.message.as_str(),
        (None, LinkState::Standby) => "another connection has the port",
        (None, LinkState::Down) => "dialling",
    }
}

/// One that is not up is a part of the work: another one may be up. The link logs its changes itself.
fn of_link(link: &LinkReport) -> Fact {
    let (state, verdict) = match link.state {
        LinkState::Up => ("up", Verdict::Good),
        // Of a stock sshd one connection alone has the port.
        LinkState::Standby => ("standby", Verdict::Good),
        LinkState::Down => ("dialling", Verdict::Degraded),
    };
    let fact = Fact::new("link", state, verdict, how(link).to_owned())
        .about(subject(link))
        .with("metered", f64::from(u8::from(link.metered)))
        .logged_elsewhere();
    match link.round_trip {
        Some(round_trip) => fact.with("round_trip", round_trip.as_secs_f64()),
        None => fact,
    }
}

fn subject(link: &LinkReport) -> String {
    format!("{}_{}_{}", link.gateway_name, route(link), link.service)
}

fn turns(link: &LinkReport) -> Result<(), String> {
    let idle = link.turned.elapsed();
    if idle < STUCK_AFTER {
        return Ok(());
    }
    Err(format!("its task was not seen for {} s", idle.as_secs()))
}

fn route(link: &LinkReport) -> &str {
    link.uplink.as_deref().unwrap_or(ANY_ROUTE)
}

fn labels(link: &LinkReport) -> LinkLabels {
    let (uplink, service) = (route(link).to_owned(), link.service.to_string());
    LinkLabels { gateway: link.gateway_name.clone(), uplink, service }
}

impl Collector for Links {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let links = (self.0)();
        let up = links.iter().map(|link| (labels(link), i64::from(is_up(link))));
        let help = "1: requests can come over this link";
        scrape::gauges(&mut encoder, ("peel_signer_link_up", help), up)?;
        let round_trips = links.iter().filter_map(|link| {
            Some((labels(link), link.round_trip.filter(|_| is_up(link))?.as_secs_f64()))
        });
        let help = "Round trip of this link, when it was last measured";
        let name = "peel_signer_link_round_trip_seconds";
        scrape::gauges(&mut encoder, (name, help), round_trips)?;
        let bytes = links.iter().flat_map(|link| {
            let of = |direction| ByteLabels { link: labels(link), direction };
            [(of("sent"), link.sent), (of("received"), link.received)]
        });
        let help = "Bytes of this link's connections";
        scrape::counters(&mut encoder, ("peel_signer_link_bytes", help), bytes)?;
        let ups = links.iter().map(|link| (labels(link), link.ups));
        let help = "How often this link came up";
        scrape::counters(&mut encoder, ("peel_signer_link_ups", help), ups)?;
        let in_use = i64::from(self.is_metered_in_use());
        let help = "1: a metered uplink carries the votes, no other one being up";
        scrape::gauge(&mut encoder, ("peel_signer_metered_in_use", help), in_use)?;
        let errors = links.iter().filter_map(|link| Some((error_labels(link)?, 1)));
        let help = "1: this link is not up, for this reason";
        scrape::gauges(&mut encoder, ("peel_signer_link_error", help), errors)?;
        let Some(wired_network) = self.wired_network() else { return Ok(()) };
        let help = "0: a line that is not metered is up";
        scrape::gauge(&mut encoder, ("wired_network", help), wired_network)
    }
}

/// None while the link is up, or was not tried yet.
fn error_labels(link: &LinkReport) -> Option<ErrorLabels> {
    let error = link.error.as_ref().filter(|_| !is_up(link))?;
    let LinkLabels { gateway, uplink, service } = labels(link);
    Some(ErrorLabels { gateway, uplink, service, reason: error.reason })
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries((self.0)()).finish()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use prometheus_client::registry::Registry;
    use tokio::time::Instant;
    use tunnel::home::LinkError;

    use super::*;

    /// `wwan0` is metered.
    fn link(uplink: &str, service: Service, state: LinkState) -> LinkReport {
        let metered = uplink == "wwan0";
        let uplink = Some(uplink.to_owned()).filter(|name| name != ANY_ROUTE);
        LinkReport {
            gateway_name: "cloud".to_owned(),
            uplink,
            metered,
            service,
            state,
            since: Instant::now(),
            turned: Instant::now(),
            error: None,
            ups: 2,
            round_trip: None,
            sent: 0,
            received: 0,
        }
    }

    pub(crate) fn signing(uplink: &str, state: LinkState) -> LinkReport {
        link(uplink, Service::Signing, state)
    }

    fn refused() -> LinkReport {
        let line = "the gateway does not know this key; paste it".to_owned();
        let error = Some(LinkError { reason: "key_refused", message: line });
        LinkReport { error, ..signing("eth0", LinkState::Down) }
    }

    pub(crate) fn links(reports: &[LinkReport]) -> Links {
        let reports = reports.to_vec();
        Links::new(move || reports.clone())
    }

    fn metrics(reports: &[LinkReport]) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(links(reports)));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn a_signer_whose_signing_door_nobody_can_reach_is_not_ready() {
        let up = |reports: &[LinkReport]| links(reports).fact().is_good();
        assert!(up(&[refused(), signing("wwan0", LinkState::Up)]));
        assert!(!up(&[refused(), link("eth0", Service::Shell, LinkState::Up)]));
        assert!(!up(&[signing("eth0", LinkState::Standby)]));
        assert!(!up(&[]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_whose_task_does_not_come_round_is_not_alive_although_it_looks_up() {
        let stuck = signing("eth0", LinkState::Up);
        tokio::time::advance(STUCK_AFTER).await;
        let look = links(&[stuck, refused()]).liveness();
        let lines: Vec<String> = look().iter().map(ToString::to_string).collect();
        let expected = [
            "[-] link_task_cloud_eth0_signing: its task was not seen for 60 s",
            "[+] link_task_cloud_eth0_signing: ok",
        ];
        assert_eq!(lines, expected);
    }

    /// Two facts of one name are changes of each other: each look would be news, and be logged.
    #[test]
    fn a_link_and_its_task_are_facts_of_two_names() {
        let links = links(&[refused(), link(ANY_ROUTE, Service::Shell, LinkState::Up)]);
        let facts = links.facts().into_iter().chain(links.liveness()());
        let mut names: Vec<String> = facts.map(|fact| fact.name()).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count, "{names:?}");
    }

    #[test]
    fn the_trouble_of_each_link_and_its_cure_are_told() {
        let links = links(&[refused(), signing(ANY_ROUTE, LinkState::Standby)]);
        assert_eq!(
            links.fact().to_string(),
            "[-] tunnel: no gateway is connected; \
             gateway cloud over eth0: the gateway does not know this key; paste it; \
             gateway cloud over any: another connection has the port"
        );
    }

    #[test]
    fn a_link_is_shown_with_bounded_labels() {
        let text = metrics(&[refused(), link(ANY_ROUTE, Service::Shell, LinkState::Up)]);
        for line in [
            "peel_signer_link_up{gateway=\"cloud\",uplink=\"eth0\",service=\"signing\"} 0",
            "peel_signer_link_up{gateway=\"cloud\",uplink=\"any\",service=\"shell\"} 1",
            "peel_signer_link_ups_total{gateway=\"cloud\",uplink=\"eth0\",service=\"signing\"} 2",
            "peel_signer_link_error{gateway=\"cloud\",uplink=\"eth0\",service=\"signing\",reason=\"key_refused\"} 1",
        ] {
            assert!(text.lines().any(|own| own == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("paste it"), "{text}");
    }

    #[test]
    fn a_trouble_that_is_over_is_not_shown() {
        let recovered = LinkReport { state: LinkState::Up, ..refused() };
        assert!(!metrics(&[recovered]).contains("key_refused"));
    }

    #[test]
    fn the_wired_network_is_up_when_a_line_that_is_not_metered_carries_the_signing_door() {
        let wired = |report| {
            let text = metrics(&[refused(), report]);
            text.lines().any(|line| line == "wired_network 0")
        };
        assert!(wired(signing("eth0", LinkState::Up)));
        assert!(wired(signing(ANY_ROUTE, LinkState::Up)));
        assert!(!wired(signing("wwan0", LinkState::Up)));
        assert!(!wired(signing("eth0", LinkState::Standby)));
        assert!(!wired(link("eth0", Service::Shell, LinkState::Up)));
        assert!(!metrics(&[signing("wwan0", LinkState::Up)]).contains("wired_network"));
    }
}

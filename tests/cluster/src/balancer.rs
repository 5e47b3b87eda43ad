//! The cloud's load balancer: gives Services of type LoadBalancer their addresses, which lead to the node.
//!
//! kube-proxy does the rest, as on a node behind a real one: it takes what comes for such an address to a pod.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Context;
use lab::wait;
use serde_json::{Value, json};

use crate::namespace::{Namespace, SOON, name};

/// An address that is kept for a Service, whatever becomes of the Service, as a static address of a cloud is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    service: String,
    ip: Ipv4Addr,
}

impl Address {
    /// The `number`th address of this cloud, for the Service of this name.
    #[must_use]
    pub fn new(number: u8, service: &str) -> Address {
        Address { service: service.to_owned(), ip: Ipv4Addr::new(10, 202, 0, number) }
    }

    /// Gives it to the Service, as soon as that is there; gives where signers dial.
    ///
    /// # Errors
    /// When there is no such Service soon, or it has no port for ssh.
    pub fn give(&self, namespace: &Namespace) -> anyhow::Result<SocketAddr> {
        let what = format!("the Service {} of type LoadBalancer", self.service);
        let service = wait::until(&what, SOON, || {
            let services = namespace.kubectl.items(&["services"])?;
            Ok(services.into_iter().find(|one| name(one) == self.service && is_balanced(one)))
        })?;
        let ingress = json!([{ "ip": self.ip.to_string() }]);
        let patch = json!({ "status": { "loadBalancer": { "ingress": ingress } } }).to_string();
        let words = ["patch", "service", &self.service, "--subresource=status", "--patch", &patch];
        namespace.kubectl.run(&words)?;
        Ok(SocketAddr::new(IpAddr::V4(self.ip), ssh_port(&service)?))
    }
}

fn is_balanced(service: &Value) -> bool {
    service.pointer("/spec/type") == Some(&"LoadBalancer".into())
}

fn ssh_port(service: &Value) -> anyhow::Result<u16> {
    let ports = service.pointer("/spec/ports").and_then(Value::as_array).context("no ports")?;
    let port = ports.first().and_then(|port| port.get("port")).and_then(Value::as_u64);
    Ok(port.context("no port")?.try_into()?)
}

//! Promised: from the workstation to a signer's shell, by `peel ssh` and by hand; and what is in the way is said in a line,
//! with the cure.

use std::fs;
use std::time::Duration;

use anyhow::ensure;
use cluster::home::Home;
use cluster::namespace::{Namespace, in_namespace};
use cluster::release::Release;
use cluster::said;
use cluster::workstation::{SSHD, Workstation};

use cluster::fixture::{Fixture, PORT, RELEASE};

/// Only at home there is such an address.
const WHERE: &str = "ip -brief address show dev node";
const HOME: &str = "10.201.0.2";
const LIMIT: Duration = Duration::from_secs(30);

/// A signer with a shell, and an operator who may use it.
struct Operator<'a> {
    fixture: Fixture<'a>,
    workstation: Workstation<'a>,
}

impl<'a> Operator<'a> {
    fn new(namespace: &'a Namespace) -> anyhow::Result<Operator<'a>> {
        let workstation = Workstation::new(namespace, "home")?;
        let fixture = Fixture::with_shell(namespace, 1, Some(SSHD))?;
        Ok(Operator { fixture, workstation })
    }

    /// What `peel ssh` says when it fails.
    fn complaint(&self, words: &[&str]) -> anyhow::Result<String> {
        match said(self.workstation.peel_ssh(words), LIMIT) {
            Ok(said) => anyhow::bail!("peel ssh {} worked: {said}", words.join(" ")),
            Err(error) => Ok(error.to_string()),
        }
    }
}

#[test]
fn peel_ssh_reaches_a_real_sshd_at_home() -> anyhow::Result<()> {
    in_namespace("peel-ssh", |namespace| {
        let operator = Operator::new(namespace)?;
        let workstation = &operator.workstation;
        let listed = said(workstation.peel_ssh(&["--list"]), LIMIT)?;
        println!("{listed}");
        ensure!(listed.contains("home"), "{listed}");
        let shown = workstation.run_at_home("home", WHERE)?;
        ensure!(shown.contains(HOME), "that is not home: {shown}");

        let [file, there] = ["file", "there"].map(|name| workstation.file(name));
        fs::write(&file, "by scp")?;
        workstation.copy_home("home", &file, &there)?;
        ensure!(fs::read_to_string(&there)? == "by scp", "another file");
        Ok(())
    })
}

#[test]
fn kubectl_port_forward_reaches_a_real_sshd_at_home() -> anyhow::Result<()> {
    in_namespace("port-forward", |namespace| {
        let Operator { fixture, workstation } = Operator::new(namespace)?;
        let shown = workstation.run_by_port_forward(&fixture.release.pod(0), PORT + 1000, WHERE)?;
        ensure!(shown.contains(HOME), "that is not home: {shown}");
        Ok(())
    })
}

#[test]
fn what_is_in_the_way_of_peel_ssh_is_said() -> anyhow::Result<()> {
    in_namespace("in-the-way", |namespace| {
        let operator = Operator::new(namespace)?;
        let says = |words: &[&str], wanted: &[&str]| {
            let complaint = operator.complaint(words)?;
            println!("{}", complaint.lines().skip(1).collect::<Vec<_>>().join("\n"));
            let missing: Vec<_> =
                wanted.iter().filter(|text| !complaint.contains(**text)).collect();
            ensure!(missing.is_empty(), "{missing:?} is not in: {complaint}");
            Ok(())
        };
        says(&["--context", "nowhere", "home"], &["no context \"nowhere\"", "cluster"])?;
        says(&["office"], &["no signer \"office\"", "home"])?;

        let second = Release::new(namespace, "second", 1)?;
        let office = Home::new(namespace.node, "office", PORT)?;
        second.install(&second.values(&[&office])?)?;
        says(&["home"], &["several releases", RELEASE, "second", "--release"])?;
        lab::wait::until("the second release's gateway", LIMIT, || {
            Ok(namespace.monitor(&second.pod(0), "livez").ok())
        })?;
        says(&["--release", "second", "office"], &["\"office\" is not connected"])?;
        Ok(())
    })
}

#[test]
fn a_missing_permission_is_named() -> anyhow::Result<()> {
    in_namespace("forbidden", |namespace| {
        let operator = Operator::new(namespace)?;
        namespace.kubectl.run(&["create", "serviceaccount", "visitor"])?;
        let token = namespace.kubectl.run(&["create", "token", "visitor"])?;
        let config = operator.workstation.file("visitor.conf");
        namespace.node.config_with(token.trim(), &config)?;
        let ask = || {
            let mut command = operator.workstation.peel_ssh(&["home", "true"]);
            command.env("KUBECONFIG", &config);
            said(command, LIMIT).err().map(|error| error.to_string()).unwrap_or_default()
        };
        let refused = ask();
        ensure!(refused.contains("may not list pods"), "{refused}");

        let role = ["create", "role", "visitor", "--verb=get,list", "--resource=pods"];
        namespace.kubectl.run(&role)?;
        let account = format!("--serviceaccount={}:visitor", namespace.name);
        namespace.kubectl.run(&["create", "rolebinding", "visitor", "--role=visitor", &account])?;
        let refused = ask();
        println!("{refused}");
        ensure!(refused.contains("pods/portforward"), "{refused}");
        Ok(())
    })
}

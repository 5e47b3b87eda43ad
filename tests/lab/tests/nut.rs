//! The UPS of the lab says what it is told to say.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use lab::net::{Namespace, in_test};
use lab::nut::Ups;
use lab::wait;

const SOON: Duration = Duration::from_secs(10);

/// What the server says to two questions.
fn said(ups: &Ups) -> anyhow::Result<[String; 2]> {
    let mut stream = TcpStream::connect(ups.address())?;
    stream.set_read_timeout(Some(SOON))?;
    stream.write_all(b"GET VAR ups ups.status\nGET VAR ups battery.charge\n")?;
    let mut lines = BufReader::new(stream).lines();
    let mut line = || anyhow::Ok(lines.next().unwrap()?);
    Ok([line()?, line()?])
}

fn says(ups: &Ups, status: &str, charge: u8) -> anyhow::Result<()> {
    let wanted = [
        format!("VAR ups ups.status \"{status}\""),
        format!("VAR ups battery.charge \"{charge}\""),
    ];
    wait::until(&format!("{wanted:?}"), SOON, || Ok((said(ups)? == wanted).then_some(())))
}

#[test]
fn a_ups_is_full_at_first_and_then_what_it_is_set_to() -> anyhow::Result<()> {
    let ups = Ups::start(Namespace::here())?;
    assert_eq!(ups.url(), format!("nut://ups@{}", ups.address()));
    says(&ups, "OL", 100)?;
    ups.set("OB LB", 15)?;
    says(&ups, "OB LB", 15)
}

#[test]
fn two_ups_do_not_meet() -> anyhow::Result<()> {
    let (one, two) = (Ups::start(Namespace::here())?, Ups::start(Namespace::here())?);
    assert_ne!(one.address(), two.address());
    one.set("OB", 15)?;
    says(&one, "OB", 15)?;
    says(&two, "OL", 100)
}

#[test]
fn a_ups_can_be_at_home() -> anyhow::Result<()> {
    in_test("a_ups_can_be_at_home", |internet| {
        let home = internet.home();
        let ups = Ups::start(home)?;
        ups.set("OB", 50)?;
        assert!(said(&ups).is_err(), "it is in the cloud, too");
        home.on_thread(|| says(&ups, "OB", 50))
    })
}

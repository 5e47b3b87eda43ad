//! Promised: when the cable of one line is taken out, signing goes on over the other, and the line is used again when it is back.

use anyhow::ensure;
use boot::home::at_home;
use boot::machine::Line;

#[test]
fn signing_goes_on_over_the_second_line() -> anyhow::Result<()> {
    at_home(|home| goes_on_without(home, Line::First))
}

#[test]
fn signing_goes_on_over_the_first_line() -> anyhow::Result<()> {
    at_home(|home| goes_on_without(home, Line::Second))
}

fn goes_on_without(home: &mut boot::home::Home, line: Line) -> anyhow::Result<()> {
    home.gateway.wait_for_sessions(2)?;
    let baker = home.baker()?;
    baker.wait_for_signatures(3, boot::votes::AGAIN)?;
    home.machine()?.set_link(line, false)?;
    home.gateway.wait_for_sessions(1)?;
    baker.wait_for_signatures(5, boot::votes::AGAIN)?;
    home.machine()?.set_link(line, true)?;
    home.gateway.wait_for_sessions(2)?;
    baker.wait_for_signatures(3, boot::votes::AGAIN)?;
    let votes = home.finish(baker)?;
    println!("    {line:?} without a cable: {votes}");
    ensure!(votes.failures().is_empty(), "{:?}", votes.failures());
    Ok(())
}

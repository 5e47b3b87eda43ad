//! Promised: a line that is named is used as soon as its interface is there, and needs no default route of the computer.

use lab::net::{Line, in_test};

use crate::fixture::{BOTH_LINES, Fixture};

#[test]
fn a_modem_that_is_plugged_in_later_carries() -> anyhow::Result<()> {
    let name = "a_line_is_used_when_it_comes::a_modem_that_is_plugged_in_later_carries";
    in_test(name, |internet| {
        let fixture = Fixture::with_lines_away(internet, &BOTH_LINES, &[Line::Mobile])?;
        let baker = fixture.baker()?;
        internet.bring(Line::Mobile)?;
        fixture.wait_for_both_lines()?;
        internet.take_away(Line::Wired)?;
        let alone = fixture.carried_over_mobile(&baker, 15)?;
        internet.bring(Line::Wired)?;
        fixture.wait_for_both_lines()?;
        let record = baker.finish()?;
        println!("{alone} bytes over the modem; {record}");
        assert!(alone > 0);
        assert!(record.failures().is_empty(), "{:?}", record.failures());
        Ok(())
    })
}

#[test]
fn a_line_needs_no_default_route_of_the_computer() -> anyhow::Result<()> {
    let name = "a_line_is_used_when_it_comes::a_line_needs_no_default_route_of_the_computer";
    in_test(name, |internet| {
        Line::ALL.into_iter().try_for_each(|line| internet.keep_route_apart(line))?;
        let routes = internet.home().run("ip", &["route", "show", "default"])?;
        assert_eq!(routes.trim(), "", "the computer itself has no way out");
        let fixture = Fixture::open(internet, &BOTH_LINES)?;
        let baker = fixture.baker()?;
        let both = fixture.carried(&baker, 15)?;
        assert!(both.is_over_the_main_line(), "{both:?}");
        let record = baker.finish()?;
        assert!(record.failures().is_empty(), "{:?}", record.failures());
        Ok(())
    })
}

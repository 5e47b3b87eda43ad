//! Promised: the slowest answer takes 1 s, and no request fails, when the main line swallows every
//! packet and nobody is told. The metered line carries then, and only then.

use std::time::Duration;

use lab::net::{Line, in_test};

use crate::fixture::{BOTH_LINES, Fixture, lasts};

#[test]
fn the_metered_line_carries_as_long_as_the_main_line_is_silent() -> anyhow::Result<()> {
    let name = "signing_goes_on_when_the_main_line_falls_silent::\
                the_metered_line_carries_as_long_as_the_main_line_is_silent";
    in_test(name, |internet| {
        let fixture = Fixture::open(internet, &BOTH_LINES)?;
        let baker = fixture.baker()?;
        let before = fixture.carried(&baker, 15)?;
        assert!(before.is_over_the_main_line(), "{before:?}");

        internet.silence(Line::Wired)?;
        let silent = fixture.carried(&baker, 25)?;
        assert!(silent.is_over_the_metered_line(), "{silent:?}");
        lasts(Duration::from_secs(5));
        internet.restore(Line::Wired)?;

        fixture.wait_for_both_lines()?;
        let after = fixture.carried(&baker, 15)?;
        assert!(after.is_over_the_main_line(), "{after:?}");
        let record = baker.finish()?;
        println!("the main line was silent for 10 s: {record}");
        assert!(record.failures().is_empty(), "{:?}", record.failures());
        assert!(record.slowest() <= Some(Duration::from_secs(2)), "{record}");
        Ok(())
    })
}

//! The small internet does what its words say.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;
use lab::net::{CLOUD, Internet, Line, Pace, in_test, in_test_within};

const SOON: Duration = Duration::from_secs(5);
/// For what must not come; ten round trips here take a millisecond.
const A_MOMENT: Duration = Duration::from_millis(300);

/// Tells every client its address; gives the port.
fn mirror() -> u16 {
    let listener = TcpListener::bind((CLOUD, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let from = stream.peer_addr().unwrap().ip();
            let _ = stream.write_all(from.to_string().as_bytes());
        }
    });
    port
}

fn heard(mut stream: TcpStream) -> String {
    stream.set_read_timeout(Some(SOON)).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    said
}

fn passes(internet: &Internet, line: Line, port: u16) {
    let said = heard(internet.dial(line, port, SOON).unwrap());
    assert_eq!(said, line.address().to_string());
}

fn blocks(internet: &Internet, line: Line, port: u16) {
    assert!(internet.dial(line, port, A_MOMENT).is_err(), "{line:?} passes");
}

#[test]
fn each_line_reaches_the_cloud_by_itself() -> anyhow::Result<()> {
    in_test("each_line_reaches_the_cloud_by_itself", |internet| {
        let port = mirror();
        for line in Line::ALL {
            passes(internet, line, port);
            assert!(internet.carried(line)? > 0);
        }
        Ok(())
    })
}

#[test]
fn who_binds_to_no_interface_goes_over_the_wired_line() -> anyhow::Result<()> {
    in_test("who_binds_to_no_interface_goes_over_the_wired_line", |internet| {
        let port = mirror();
        let call = || internet.home().on_thread(|| Ok(TcpStream::connect((CLOUD, port))?));
        assert_eq!(heard(call()?), Line::Wired.address().to_string());
        internet.unplug(Line::Wired)?;
        assert_eq!(heard(call()?), Line::Mobile.address().to_string());
        Ok(())
    })
}

#[test]
fn a_silent_line_swallows_everything_and_the_other_goes_on() -> anyhow::Result<()> {
    in_test("a_silent_line_swallows_everything_and_the_other_goes_on", |internet| {
        let port = mirror();
        for (line, other) in [(Line::Wired, Line::Mobile), (Line::Mobile, Line::Wired)] {
            internet.silence(line)?;
            blocks(internet, line, port);
            passes(internet, other, port);
            assert!(carrier(internet, line)?);
            internet.restore(line)?;
            passes(internet, line, port);
        }
        Ok(())
    })
}

#[test]
fn a_connection_lives_through_a_silence() -> anyhow::Result<()> {
    in_test("a_connection_lives_through_a_silence", |internet| {
        let listener = TcpListener::bind((CLOUD, 0))?;
        let port = listener.local_addr()?.port();
        let mut at_home = internet.dial(Line::Wired, port, SOON)?;
        let (mut in_cloud, _) = listener.accept()?;
        internet.silence(Line::Wired)?;
        at_home.write_all(b"late")?;
        in_cloud.set_read_timeout(Some(A_MOMENT))?;
        let mut bytes = [0; 4];
        assert!(in_cloud.read(&mut bytes).is_err());
        internet.restore(Line::Wired)?;
        in_cloud.set_read_timeout(Some(SOON))?;
        in_cloud.read_exact(&mut bytes)?;
        assert_eq!(&bytes, b"late");
        Ok(())
    })
}

fn carrier(internet: &Internet, line: Line) -> anyhow::Result<bool> {
    let shown = internet.home().run("ip", &["link", "show", line.interface()])?;
    Ok(shown.contains("LOWER_UP"))
}

#[test]
fn a_line_that_is_unplugged_or_cut_comes_back() -> anyhow::Result<()> {
    in_test("a_line_that_is_unplugged_or_cut_comes_back", |internet| {
        let port = mirror();
        for line in Line::ALL {
            internet.unplug(line)?;
            let shown = internet.home().run("ip", &["link", "show", line.interface()])?;
            assert!(shown.contains("state DOWN") && !shown.contains(",UP"), "{shown}");
            blocks(internet, line, port);
            internet.plug(line)?;
            passes(internet, line, port);

            internet.pull_cable(line)?;
            let shown = internet.home().run("ip", &["link", "show", line.interface()])?;
            assert!(shown.contains("NO-CARRIER") && shown.contains(",UP"), "{shown}");
            blocks(internet, line, port);
            internet.plug(line)?;
            passes(internet, line, port);
        }
        Ok(())
    })
}

/// How long a line takes from home to the cloud with 100 kB.
fn load(internet: &Internet, line: Line) -> anyhow::Result<Duration> {
    let listener = TcpListener::bind((CLOUD, 0))?;
    let mut at_home = internet.dial(line, listener.local_addr()?.port(), SOON)?;
    let (mut in_cloud, _) = listener.accept()?;
    in_cloud.set_read_timeout(Some(SOON))?;
    let started = Instant::now();
    let sending = thread::spawn(move || at_home.write_all(&[0; 100_000]));
    in_cloud.read_exact(&mut [0; 100_000])?;
    sending.join().unwrap()?;
    Ok(started.elapsed())
}

#[test]
fn a_slow_line_is_slow_and_can_be_hurried() -> anyhow::Result<()> {
    in_test("a_slow_line_is_slow_and_can_be_hurried", |internet| {
        // 100 kB are 800 kbit: 0.8 s, less what goes in one burst.
        let slow = Duration::from_millis(500);
        match internet.slow(Line::Wired, 1000, Duration::from_millis(200))? {
            Pace::Unavailable(why) => lab::skip(&why),
            Pace::Slowed => {
                assert!(load(internet, Line::Wired)? > slow);
                assert!(load(internet, Line::Mobile)? < slow);
                internet.hurry(Line::Wired)?;
            }
        }
        assert!(load(internet, Line::Wired)? < slow);
        Ok(())
    })
}

fn can_go_inside() -> bool {
    lab::net::why_not().unwrap().is_none()
}

#[test]
fn what_fails_inside_fails_outside() {
    let outcome = in_test("what_fails_inside_fails_outside", |_| bail!("on purpose"));
    match outcome {
        Err(error) if error.to_string() == "on purpose" => panic!("inside: {error}"),
        Err(error) => assert!(error.to_string().contains("failed inside"), "{error}"),
        Ok(()) => assert!(!can_go_inside()),
    }
}

#[test]
fn a_name_that_leads_nowhere_is_an_error() {
    match in_test("no_such_test", |_| Ok(())) {
        Err(error) => assert!(error.to_string().contains("did not lead"), "{error}"),
        Ok(()) => assert!(!can_go_inside()),
    }
}

/// Seconds that a sleep is told to last: by them it is found from outside.
const MARK: &str = "PEEL_LAB_TEST_MARK";

fn sleepers(mark: &str) -> usize {
    let sleep = format!("sleep\0{mark}\0");
    let words = |process: &fs::DirEntry| fs::read(process.path().join("cmdline"));
    let is_one = |process: &fs::DirEntry| words(process).is_ok_and(|is| is == sleep.as_bytes());
    fs::read_dir("/proc").unwrap().filter(|entry| is_one(entry.as_ref().unwrap())).count()
}

fn wait_for_sleepers(mark: &str, count: usize) -> anyhow::Result<()> {
    let there = || Ok((sleepers(mark) == count).then_some(()));
    lab::wait::until(&format!("{count} sleepers"), SOON, there)
}

/// Two programs that would outlive their parent.
fn sleep_in(internet: &Internet, mark: &str) -> anyhow::Result<()> {
    for place in [internet.home(), internet.cloud()] {
        let mut sleep = place.command("sleep")?;
        sleep.arg(mark).process_group(0).spawn()?;
    }
    thread::sleep(Duration::from_secs(600));
    Ok(())
}

/// This test once more, where `MARK` is set: its two programs have begun to sleep. `number` is its own, below 10.
fn started_again(name: &str, number: u8, said: &File) -> anyhow::Result<(Child, String)> {
    let mark = format!("1{:06}{number}", std::process::id());
    let mut test = Command::new(std::env::current_exe()?);
    test.args(["--exact", name]).env(MARK, &mark);
    let test = test.stdout(said.try_clone()?).stderr(said.try_clone()?).spawn()?;
    wait_for_sleepers(&mark, 2)?;
    Ok((test, mark))
}

#[test]
fn what_takes_too_long_is_ended_with_all_it_started() -> anyhow::Result<()> {
    let name = "what_takes_too_long_is_ended_with_all_it_started";
    if let Ok(mark) = std::env::var(MARK) {
        return in_test_within(SOON, name, |internet| sleep_in(internet, &mark));
    }
    if !can_go_inside() {
        lab::skip("no namespaces");
        return Ok(());
    }
    let mut file = tempfile::tempfile()?;
    let (mut test, mark) = started_again(name, 1, &file)?;
    let status = test.wait()?;
    let mut said = String::new();
    file.rewind()?;
    file.read_to_string(&mut said)?;
    assert!(!status.success() && said.contains("not within 5.0 s"), "{said}");
    wait_for_sleepers(&mark, 0)
}

#[test]
fn a_test_that_is_killed_leaves_nothing_behind() -> anyhow::Result<()> {
    let name = "a_test_that_is_killed_leaves_nothing_behind";
    if let Ok(mark) = std::env::var(MARK) {
        return in_test(name, |internet| sleep_in(internet, &mark));
    }
    if !can_go_inside() {
        lab::skip("no namespaces");
        return Ok(());
    }
    let (mut test, mark) = started_again(name, 2, &tempfile::tempfile()?)?;
    test.kill()?;
    test.wait()?;
    wait_for_sleepers(&mark, 0)
}

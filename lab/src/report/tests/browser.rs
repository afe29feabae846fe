//! `report.html` in a real browser, as wide as a desk and as narrow as a phone. It needs Chromium, so it is run on
//! demand: `cargo test -p tolerancia-lab browser -- --ignored`. `CHROMIUM` names another program than `chromium`,
//! `PAGES` a directory in which the pages are left to be looked at.

use std::path::Path;
use std::process::{Command, Output};

use serde::Deserialize;
use tolerancia_core::detector::DetectorKind;

use super::page::{aborted, absurd, empty, hostile, html};
use super::sample;

const PROBE: &str = include_str!("probe.js");
const WIDTHS: [u32; 2] = [1280, 390];
/// What a page may take, seconds.
const LIMIT: &str = "120";

/// What the probe says of a page.
#[derive(Debug, Deserialize)]
struct Seen {
    width: u32,
    needed: u32,
    drawn: usize,
    cut: Vec<String>,
}

fn chromium(args: &[&str]) -> Output {
    let program = std::env::var("CHROMIUM").unwrap_or_else(|_| "chromium".to_owned());
    let home = tempfile::tempdir().unwrap();
    let profile = format!("--user-data-dir={}", home.path().display());
    let output = Command::new("timeout")
        .args([
            LIMIT,
            &program,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
        ])
        .args([
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-breakpad",
            &profile,
        ])
        .args(args)
        .env("HOME", home.path())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} does not work; install it with `apt-get install chromium`: {error}"
    );
    output
}

/// Opens copies of a page in frames of both widths, with the probe in them.
fn open(page: &str, dir: &Path) -> (Vec<Seen>, Vec<String>) {
    let with_probe = page.replace("</body>", &format!("<script>{PROBE}</script></body>"));
    assert_ne!(with_probe, page);
    std::fs::write(dir.join("page.html"), with_probe).unwrap();
    // A window cannot be as narrow as a phone; a frame can.
    let frames = WIDTHS.map(|width| {
        format!("<iframe src=\"page.html\" width=\"{width}\" height=\"800\" style=\"border:0\"></iframe>")
    });
    let script = "const seen = []; addEventListener('message', (message) => { seen.push(message.data); \
                  document.querySelector('pre').textContent = JSON.stringify(seen); });";
    let frames = frames.concat();
    let wrapper = format!("<!DOCTYPE html><title>frames</title><script>{script}</script><pre></pre>{frames}");
    std::fs::write(dir.join("frames.html"), wrapper).unwrap();
    let url = format!("file://{}", dir.join("frames.html").display());
    let output = chromium(&[
        "--window-size=1400,2000",
        "--hide-scrollbars",
        "--virtual-time-budget=20000",
        "--enable-logging=stderr",
        "--dump-dom",
        &url,
    ]);
    let (dom, log) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    let said = dom.split("<pre>").nth(1).and_then(|rest| rest.split("</pre>").next());
    let said = said
        .unwrap_or_default()
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&");
    let mut seen: Vec<Seen> =
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("the probe said {said:?} ({error}): {log}"));
    seen.sort_by_key(|seen| std::cmp::Reverse(seen.width));
    let console = log.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned);
    (seen, console.collect())
}

#[test]
#[ignore = "needs Chromium"]
fn every_report_fits_a_desk_and_a_phone_and_draws_its_charts() {
    let both = [DetectorKind::Accrual, DetectorKind::Consecutive];
    let cases = [
        ("classic", html(&sample::report(10, &both[..1])), 73),
        ("compared", html(&sample::report(2, &both)), 37),
        ("hostile", html(&hostile()), 37),
        ("absurd", html(&absurd()), 25),
        ("aborted", html(&aborted()), 6),
        ("empty", html(&empty()), 0),
    ];
    for (name, page, charts) in cases {
        if let Ok(dir) = std::env::var("PAGES") {
            std::fs::write(Path::new(&dir).join(format!("{name}.html")), &page).unwrap();
        }
        let dir = tempfile::tempdir().unwrap();
        let (seen, console) = open(&page, dir.path());
        assert_eq!(console, [""; 0], "{name}");
        let widths: Vec<u32> = seen.iter().map(|seen| seen.width).collect();
        assert_eq!(widths, WIDTHS, "{name}");
        for seen in seen {
            assert!(seen.needed <= seen.width, "{name} is too wide: {seen:?}");
            assert_eq!(seen.drawn, charts, "{name}: {seen:?}");
            assert!(seen.cut.is_empty(), "{name}: {seen:?}");
        }
    }
}

#[test]
#[ignore = "needs Chromium"]
fn the_probe_sees_what_it_is_there_for() {
    let broken = "<!DOCTYPE html><title>broken</title><body style=\"margin:0\">\
                  <div style=\"width:700px\">wide</div><script>console.error('told'); missing();</script>\
                  <svg width=\"200\" height=\"100\"><text x=\"190\" y=\"50\">cut off</text></svg>\
                  <svg width=\"0\" height=\"0\"></svg></body>";
    let dir = tempfile::tempdir().unwrap();
    let (seen, console) = open(broken, dir.path());
    assert_eq!((seen[0].needed, seen[1].needed), (1280, 700), "{seen:?}");
    for seen in &seen {
        assert_eq!(
            (seen.drawn, seen.cut.as_slice()),
            (1, ["cut off".to_owned()].as_slice())
        );
    }
    assert!(console.iter().any(|line| line.contains("told")), "{console:?}");
    assert!(
        console.iter().any(|line| line.contains("missing is not defined")),
        "{console:?}"
    );
}

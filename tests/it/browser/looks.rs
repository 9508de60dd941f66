//! What every page is like on a desk and on a telephone, in light and dark, and with keys alone.

use serde_json::json;

use super::{DESK, House, PHONE};
use crate::support::browser::Scheme;

/// Every page: its name in `target/screenshots/`, its path, and words that it has when it is all there.
const PAGES: &[(&str, &str, &str)] = &[
    ("overview", "/", "Needs attention"),
    ("refunds", "/refunds", "L-a-very-long-refund-number-30"),
    ("refund", "/refunds/L-parked", "Timeline"),
    ("check", "/refunds/L-parked/check", "Why"),
    ("release", "/refunds/L-parked/release", "Why"),
    ("resolve", "/refunds/L-parked/resolve", "Why"),
    ("abandon", "/refunds/L-parked/abandon", "Why"),
    ("pause", "/pause", "Pauses"),
    ("pausing", "/pause?do=pause&account=shop-ca", "Why"),
    ("attention", "/attention?reason=discrepancy", "This is about 1 refund"),
    ("audit", "/audit", "shop-ca"),
    ("unknown", "/refunds/L-nobody", "There is no refund"),
];

/// Shows every page, keeps its picture, and holds it to what is true of all of them.
async fn every_page(width: u32, scheme: Scheme) {
    let house = House::with(width, scheme, |toml| toml).await;
    let browser = &house.browser;
    house.park("L-parked").await;
    house.settle("L-a-very-long-refund-number-30").await;
    let paused =
        house.shop.call(&["pause", "--account", "shop-ca", "--by", "ann", "--reason", "a look"]);
    assert!(paused.status.success(), "{paused:?}");
    for (name, path, words) in PAGES {
        house.go(path).await;
        browser.says("main", words).await;
        browser.picture(&format!("{name}-{width}-{}", scheme.as_str())).await;
        let wide = browser.ask("return document.scrollingElement.scrollWidth").await;
        assert!(wide.as_u64() <= Some(u64::from(width)), "{path} scrolls sideways: {wide}");
        let seen = browser.ask("return window.innerWidth").await;
        assert_eq!(seen.as_u64(), Some(u64::from(width)), "{path} widens the window");
        assert_eq!(browser.ask(TWICE).await, json!([]), "{path}: one id twice");
        let dark = browser.ask(IS_DARK).await;
        assert_eq!(dark, scheme == Scheme::Dark, "{path} in {scheme:?}");
        assert_eq!(browser.ask(UNNAMED).await, json!([]), "{path}: fields without a name");
    }
    assert_eq!(house.complaints().await, [""; 0]);
}

/// Whether what is written is brighter than what it is written on.
const IS_DARK: &str = "\
    const bright = colour => { \
      const box = document.createElement('canvas').getContext('2d'); \
      box.fillStyle = colour; box.fillRect(0, 0, 1, 1); \
      const [r, g, b] = box.getImageData(0, 0, 1, 1).data; return r + g + b; }; \
    const ground = [document.body, document.documentElement].map(e => getComputedStyle(e).backgroundColor) \
      .find(colour => colour !== 'rgba(0, 0, 0, 0)') || 'white'; \
    return bright(getComputedStyle(document.body).color) > bright(ground);";

/// Ids that stand twice: labels and the live parts would take the wrong one.
const TWICE: &str = "\
    const ids = [...document.querySelectorAll('[id]')].map(e => e.id); \
    return ids.filter((id, at) => ids.indexOf(id) !== at);";

/// Fields, links and buttons that a screen reader could not name.
const UNNAMED: &str = "\
    return [...document.querySelectorAll('a, button, input:not([type=hidden]), select, textarea')] \
      .filter(e => !(e.textContent.trim() || e.getAttribute('aria-label') || (e.labels && e.labels.length))) \
      .map(e => e.outerHTML);";

#[tokio::test(flavor = "multi_thread")]
async fn every_page_fits_a_desk_in_light() {
    every_page(DESK, Scheme::Light).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_fits_a_desk_in_the_dark() {
    every_page(DESK, Scheme::Dark).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_fits_a_telephone_in_light() {
    every_page(PHONE, Scheme::Light).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_fits_a_telephone_in_the_dark() {
    every_page(PHONE, Scheme::Dark).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_can_be_reached_and_done_with_keys() {
    let house = House::open().await;
    let browser = &house.browser;
    house.park("L-keys").await;
    house.go("/refunds/L-keys").await;
    browser.says("#timeline", "parked").await;
    // The first stop leads past the navigation.
    browser.press("\u{e004}").await;
    let focused = "return document.activeElement.textContent.trim()";
    assert_eq!(browser.ask(focused).await, "Skip to the content");
    let shown = "const box = document.activeElement.getBoundingClientRect(); \
                 return box.width > 1 && box.height > 1 && box.top >= 0 && box.left >= 0";
    assert_eq!(browser.ask(shown).await, true, "it is seen when it has the focus");
    browser.press("\u{e007}").await;
    assert_eq!(browser.ask("return document.activeElement.id").await, "main");
    // From there to the action, with a frame around whatever has the focus.
    let action = "return document.activeElement.getAttribute('href') === '/refunds/L-keys/resolve'";
    for _ in 0..40 {
        browser.press("\u{e004}").await;
        let ringed =
            browser.ask("return getComputedStyle(document.activeElement).outlineStyle").await;
        assert_ne!(
            ringed,
            "none",
            "{}",
            browser.ask("return document.activeElement.outerHTML").await
        );
        if browser.ask(action).await == true {
            break;
        }
    }
    assert_eq!(browser.ask(action).await, true, "the action is reached");
    browser.press("\u{e007}").await;
    browser.says("h1", "Resolve L-keys?").await;
    for _ in 0..40 {
        if browser.ask("return document.activeElement.type === 'radio'").await == true {
            break;
        }
        browser.press("\u{e004}").await;
    }
    browser.press(" ").await;
    browser.press("\u{e004}").await;
    browser.press("seen in the portal").await;
    browser.press("\u{e004}").await;
    browser.press("\u{e007}").await;
    browser.says("main", "Resolved").await;
    assert_eq!(house.audited("L-keys").len(), 1);
    assert_eq!(house.complaints().await, [""; 0]);
}

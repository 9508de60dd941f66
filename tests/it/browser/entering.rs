//! Who gets in, and what they may do there.

use super::{DESK, House};
use crate::ops::with_tokens;
use crate::support::browser::Scheme;

async fn house() -> House {
    House::with(DESK, Scheme::Light, with_tokens).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_the_page_that_was_wanted_and_a_wrong_one_does_not() {
    let house = house().await;
    let browser = &house.browser;
    house.park("E-1").await;
    house.go("/refunds/E-1").await;
    browser.says("h1", "Sign in").await;
    browser.picture("login-1280-light").await;
    browser.type_in("#token", "guessed").await;
    browser.click("form.act button").await;
    browser.says("[role=alert]", "not known").await;
    house.go("/refunds/E-1").await;
    browser.says("h1", "Sign in").await;
    browser.type_in("#token", "operate").await;
    browser.click("form.act button").await;
    house.arrives("/refunds/E-1").await;
    browser.says(".who", "operate-token").await;
    assert!(browser.count("ul.actions a").await > 0);
    // The cookie is out of reach of scripts.
    assert_eq!(browser.ask("return document.cookie").await, "");
    browser.click(".who button").await;
    browser.says("h1", "Sign in").await;
    house.go("/").await;
    browser.says("h1", "Sign in").await;
    assert_eq!(house.complaints().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_to_read_sees_everything_and_no_way_to_act() {
    let house = house().await;
    let browser = &house.browser;
    house.park("E-2").await;
    house.go("/login?next=/refunds/E-2").await;
    browser.type_in("#token", "read").await;
    browser.click("form.act button").await;
    house.arrives("/refunds/E-2").await;
    browser.says("#timeline", "parked").await;
    browser.says("#actions", "You may look").await;
    assert_eq!(browser.count("ul.actions a, form.act").await, 0);
    // Nor by typing the address.
    house.go("/refunds/E-2/resolve").await;
    browser.says("main", "operate").await;
    assert_eq!(browser.count("form.act").await, 0);
    house.go("/pause").await;
    browser.says("tbody", "shop-ca").await;
    assert_eq!(browser.count("a[href*='do=pause']").await, 0);
    assert_eq!(house.audited("E-2").len(), 0);
    assert_eq!(house.complaints().await, [""; 0]);
}

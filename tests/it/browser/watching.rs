//! What a person sees without doing anything: the overview, a refund's way, and an outage.

use serde_json::json;

use super::{DESK, House};
use crate::support::browser::Scheme;
use crate::support::service::request;

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_shows_a_refund_that_is_parked_without_a_reload() {
    let house = House::open().await;
    let browser = &house.browser;
    house.go("/").await;
    browser.says("#state", "Nothing is wrong").await;
    // A mark that a reload would wipe away.
    browser.ask("window.stayed = true").await;
    house.park("W-parked").await;
    let banner = browser.says("#state", "1 refund parked").await;
    assert!(banner.contains("CAD 5.00") || banner.contains("5.00 CAD"), "{banner}");
    browser.says("#risk", "for a person to decide").await;
    let needs = browser.says("#attention", "discrepancy").await;
    assert!(needs.contains("shop-ca") || needs.contains("5.00"), "{needs}");
    house.settle("W-settled").await;
    browser.says("#settle", "1 refund").await;
    assert_eq!(browser.ask("return window.stayed").await, json!(true), "the page was reloaded");
    assert_eq!(house.complaints().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_is_found_by_its_order_and_followed_to_its_end() {
    let house = House::open().await;
    let browser = &house.browser;
    house.park("W-way").await;
    house.settle("W-other").await;
    for number in ["P-W-way", "O-W-way", "W-way"] {
        house.go("/").await;
        browser.type_in("#find-q", number).await;
        browser.click("form.find button").await;
        house.arrives("/refunds/W-way").await;
    }
    let timeline = browser.says("#timeline", "parked").await;
    // Newest first, down to its admission.
    let at = |words: &str| timeline.find(words).unwrap_or_else(|| panic!("{words}: {timeline}"));
    assert!(at("parked") < at("accepted") && at("accepted") < at("submit_started"), "{timeline}");
    assert!(at("submit_started") < at("admitted"), "{timeline}");
    browser.says("#state", "discrepancy").await;
    // What happens next comes by itself.
    browser.ask("window.stayed = true").await;
    let done = house.shop.call(&[
        "resolve",
        "W-way",
        "--outcome",
        "failed",
        "--reason",
        "the portal says so",
        "--by",
        "ann",
        "--yes",
    ]);
    assert!(done.status.success(), "{done:?}");
    browser.says("#timeline", "the portal says so").await;
    browser.says("#state", "settled: failed").await;
    assert_eq!(browser.ask("return window.stayed").await, json!(true), "the page was reloaded");
    // A number that nobody has.
    house.go("/refunds?q=P-nobody").await;
    browser.says("main", "No refund matches").await;
    assert_eq!(house.complaints().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_redis_is_red_with_the_age_of_the_data_and_ends_by_itself() {
    let mut house = House::open().await;
    house.park("W-before").await;
    house.go("/").await;
    house.browser.says("#state", "1 refund parked").await;
    house.browser.ask("window.stayed = true").await;

    house.shop.redis.kill();
    house.browser.says("#state", "▲ Alarm: Redis").await;
    let age = house.browser.says("#asof", "Old figures: as of").await;
    assert!(age.contains(" ago"), "{age}");
    // What was known is still shown, as old, and never as zero.
    let risk = house.browser.text("#risk").await;
    assert!(risk.contains("for a person to decide"), "{risk}");
    assert_eq!(house.browser.count("#risk.old").await, 1);
    let title = house.browser.ask("return document.title").await;
    assert!(title.as_str().unwrap().contains('▲'), "{title}");
    house.browser.picture("outage-1280-light").await;
    // Whoever comes now sees the same.
    house.go("/").await;
    house.browser.says("#state", "▲ Alarm: Redis").await;
    house.browser.says("#risk", "for a person to decide").await;
    house.browser.ask("window.stayed = true").await;

    house.shop.redis.restart();
    house.browser.says("#asof", "Figures as of").await;
    house.browser.until("the alarm to end", "return !document.querySelector('.banner.bad')").await;
    assert_eq!(house.browser.count(".old").await, 0);
    // A restart is told as what it is: perhaps a loss, and no alarm.
    let told = house.browser.says("#state", "● Look: Redis was restarted or replaced").await;
    assert!(told.contains("may have lost writes") && !told.contains("Redis lost"), "{told}");
    house.browser.says("#safety", "Redis was restarted or replaced").await;
    assert_eq!(house.browser.ask("return window.stayed").await, json!(true), "it was reloaded");
    house.settle("W-after").await;
    house.go("/audit").await;
    let audit = house.browser.says("tbody", "Redis may have lost writes").await;
    assert!(audit.contains("refundd"), "{audit}");
    assert_eq!(house.complaints().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_open_page_of_a_refund_says_that_redis_is_away_and_comes_back_with_it() {
    let mut house = House::open().await;
    let browser = &house.browser;
    house.park("W-open").await;
    house.go("/refunds/W-open").await;
    browser.says("#state", "discrepancy").await;
    browser.ask("window.stayed = true").await;
    house.shop.redis.kill();
    let said = browser.says("#asof", "▲ Alarm: Redis").await;
    assert!(said.contains("What you see is old") && said.contains(" ago"), "{said}");
    // What was known is still shown, as old.
    assert!(browser.text("#state").await.contains("discrepancy"));
    for part in ["#state.old", "#facts.old", "#timeline.old"] {
        assert_eq!(browser.count(part).await, 1, "{part}");
    }
    let title = browser.ask("return document.title").await;
    assert!(title.as_str().unwrap().starts_with("▲ old"), "{title}");
    browser.picture("refund-outage-1280-light").await;
    house.shop.redis.restart();
    let browser = &house.browser;
    browser.until("the alarm to end", "return !document.querySelector('.banner.bad, .old')").await;
    browser.until("its title", "return document.title.startsWith('W-open parked')").await;
    assert_eq!(browser.ask("return window.stayed").await, json!(true), "it was reloaded");
    assert_eq!(house.complaints().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_whose_server_stands_still_says_so_and_recovers() {
    let house = House::open().await;
    house.go("/").await;
    house.browser.says("#state", "Nothing is wrong").await;
    let is_connected = "return document.getElementById('connection').hidden";
    assert_eq!(house.browser.ask(is_connected).await, json!(true));
    // The connection stays open, and nothing comes on it any more.
    house.shop.signal(0, "STOP");
    house.browser.says("#connection", "Disconnected since").await;
    let title = house.browser.ask("return document.title").await;
    assert!(title.as_str().unwrap().contains("▲ disconnected"), "{title}");
    house.shop.signal(0, "CONT");
    house.browser.until("the page to be connected again", is_connected).await;
    house.park("W-still").await;
    house.browser.says("#state", "1 refund parked").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_while_a_person_selects_text_is_shown_when_they_let_go() {
    let house = House::open().await;
    let browser = &house.browser;
    house.go("/").await;
    browser.says("#state", "Nothing is wrong").await;
    let select = |id: &str| {
        format!("window.getSelection().selectAllChildren(document.getElementById('{id}'))")
    };
    browser.ask(&select("risk")).await;
    house.park("W-select").await;
    browser.says("#state", "1 refund parked").await;
    let selected = "return window.getSelection().toString().includes('Oldest unsettled')";
    assert_eq!(browser.ask(selected).await, json!(true), "the selection stays");
    browser.ask("window.getSelection().removeAllRanges()").await;
    browser.says("#risk", "for a person to decide").await;
    // Nothing keeps an alarm from being seen.
    browser.ask(&select("state")).await;
    house.park("W-select-2").await;
    browser.says("#state", "2 refunds parked").await;
    assert_eq!(house.complaints().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_loses_its_server_says_so_and_comes_back_with_it() {
    let mut house = House::with(DESK, Scheme::Dark, |toml| toml).await;
    let port = house.address.clone();
    house.shop.configure(|toml| toml.replace("127.0.0.1:0", &port));
    house.go("/").await;
    house.browser.says("#state", "Nothing is wrong").await;
    house.shop.kill(0);
    house.browser.says("#connection", "Disconnected since").await;
    house.browser.picture("disconnected-1280-dark").await;
    house.shop.run();
    let back = "return document.getElementById('connection').hidden";
    house.browser.until("the page to be connected again", back).await;
    house.park("W-again").await;
    house.browser.says("#state", "1 refund parked").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_scripts_every_page_shows_the_same_data() {
    let house = House::open().await;
    let browser = &house.browser;
    house.park("W-plain").await;
    let off = json!({"value": true});
    browser.devtools("Emulation.setScriptExecutionDisabled", off).await;
    house.go("/").await;
    browser.says("#risk", "for a person to decide").await;
    browser.says("#attention", "discrepancy").await;
    house.go("/refunds?state=parked").await;
    browser.says("tbody", "W-plain").await;
    house.go("/refunds/W-plain").await;
    browser.says("#timeline", "parked").await;
    // Also what is done needs none.
    browser.click("a[href='/refunds/W-plain/check']").await;
    browser.type_in("#reason", "somebody called").await;
    browser.click("form.act button").await;
    browser.says("main", "What the gateway answers appears below").await;
    house.shop.push(&request("W-late", "shop-ca"));
    house.shop.results(2).await;
    house.go("/refunds").await;
    browser.says("tbody", "W-late").await;
}

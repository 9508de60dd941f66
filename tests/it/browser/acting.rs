//! What a person does: with a reason, on what they have seen, once.

use refundd::contract::OutcomeV1;

use super::House;

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_refund_is_resolved_on_its_confirm_page_and_stands_in_the_audit() {
    let house = House::open().await;
    let browser = &house.browser;
    house.park("A-1").await;
    house.go("/refunds/A-1").await;
    browser.click("a[href='/refunds/A-1/resolve']").await;
    let page = browser.says("main", "Resolve A-1?").await;
    assert!(
        page.contains("5.00") && page.contains("discrepancy"),
        "it says what it is about: {page}"
    );
    browser.picture("confirm-1280-light").await;
    browser.click("input[value=succeeded]").await;
    browser.type_in("#reason", "the bank confirmed it on the telephone").await;
    browser.click("form.act button").await;
    house.arrives("/refunds/A-1?done=resolve").await;
    browser.says("main", "Resolved").await;
    browser.says("#state", "settled: succeeded").await;
    browser.says("#timeline", "the bank confirmed it on the telephone").await;

    let told: Vec<_> =
        house.shop.results(2).await.into_iter().map(|one| (one.event_id, one.outcome)).collect();
    let parked = ("A-1.1.parked".to_owned(), OutcomeV1::Parked);
    assert_eq!(told, [parked, ("A-1.2.succeeded".to_owned(), OutcomeV1::Succeeded)]);
    house.go("/audit").await;
    let audit = browser.says("tbody", "A-1").await;
    for words in ["resolve", "loopback", "the bank confirmed it on the telephone"] {
        assert!(audit.contains(words), "{words}: {audit}");
    }
    house.go("/").await;
    browser.says("#state", "Nothing is wrong").await;
    assert_eq!(house.complaints().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_sent_twice_does_one_thing_and_says_so() {
    let house = House::open().await;
    let browser = &house.browser;
    house.park("A-2").await;
    house.go("/refunds/A-2/resolve").await;
    browser.click("input[value=failed]").await;
    browser.type_in("#reason", "never arrived").await;
    // The same form, sent as fast as a page can: the statuses of both answers.
    let twice = "const form = document.querySelector('form.act'); const send = () => \
                 fetch(form.action, {method: 'POST', body: new URLSearchParams(new FormData(form)), redirect: 'manual'})\
                 .then(answer => answer.type === 'opaqueredirect' ? 303 : answer.status);\
                 Promise.all([send(), send()]).then(both => window.both = both.sort().join(' '));";
    browser.ask(twice).await;
    browser.until("both answers", "return window.both !== undefined").await;
    assert_eq!(browser.ask("return window.both").await, "303 409");
    // And once more from the page that is still open.
    browser.click("form.act button").await;
    let said = browser.says("main", "Nothing was done").await;
    assert!(said.contains("never arrived"), "it shows what came in between: {said}");
    browser.picture("stale-1280-light").await;
    assert_eq!(house.audited("A-2").len(), 1);
    assert_eq!(house.shop.results_now().len(), 2, "parked and failed");
    assert_eq!(house.shown("A-2")["outcome"], "failed");
    assert_eq!(house.complaints().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_is_set_and_lifted_with_a_reason() {
    let house = House::open().await;
    let browser = &house.browser;
    house.go("/pause").await;
    browser.click("a[href='/pause?do=pause&account=shop-ca']").await;
    browser.says("h1", "Pause the submits of shop-ca?").await;
    browser.type_in("#reason", "the gateway has asked for it").await;
    browser.click("form.act button").await;
    browser.says("main", "See below what is paused now").await;
    browser.says("tbody", "the gateway has asked for it").await;
    browser.picture("paused-1280-light").await;
    house.go("/").await;
    browser.says("#state", "1 pause in force").await;
    house.go("/pause").await;
    browser.click("a[href='/pause?do=resume&account=shop-ca']").await;
    let lifts = browser.says(".facts", "the gateway has asked for it").await;
    assert!(lifts.contains("loopback"), "whose pause it lifts: {lifts}");
    browser.type_in("#reason", "it is back").await;
    browser.click("form.act button").await;
    browser.says("main", "See below what is paused now").await;
    house.settle("A-3").await;
    assert_eq!(house.complaints().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn parked_refunds_of_one_reason_are_checked_together() {
    let house = House::open().await;
    let browser = &house.browser;
    house.park("A-4").await;
    house.park("A-5").await;
    house.go("/").await;
    browser.click("a[href='/attention?reason=discrepancy']").await;
    let asked = browser.says("main", "This is about 2 refunds").await;
    assert!(asked.contains("10.00") && asked.contains("Nothing has been done yet"), "{asked}");
    browser.click("input[value=check]").await;
    browser.type_in("#reason", "the gateway has mended its amounts").await;
    browser.click("form.act button").await;
    browser.says("h1", "check: 2 of 2 done").await;
    browser.picture("bulk-1280-light").await;
    for no in ["A-4", "A-5"] {
        assert!(browser.text("tbody").await.contains(no));
        let audited = house.audited(no);
        assert_eq!(audited.len(), 1, "{audited:?}");
        assert_eq!(audited[0]["action"], "check");
    }
    assert_eq!(house.complaints().await, [""; 0]);
}

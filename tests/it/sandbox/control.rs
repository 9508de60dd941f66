//! The control side: the book, faults and orders over HTTP.

use refundd::sandbox::{BookSnapshot, Duplicates, FaultPlan, Settings, Totals, Violation};
use serde_json::json;

use super::Shop;

#[tokio::test]
async fn the_book_is_read_over_http_and_shows_a_gateway_that_paid_twice() {
    let shop =
        Shop::open(Settings { duplicates: Duplicates::PaysAgain, ..Settings::default() }).await;
    shop.submit("R1").await.unwrap();
    shop.submit("R1").await.unwrap();
    let (status, text) = shop.control(reqwest::Method::GET, "/book", String::new()).await;
    let book: BookSnapshot = serde_json::from_str(&text).unwrap();
    assert_eq!(status, 200);
    assert_eq!(book, shop.gateway.book());
    let twice = Violation::PaidTwice { refund_no: "R1".to_owned(), effects: 2 };
    assert_eq!(book.violations, [twice]);
    let (_, text) = shop.control(reqwest::Method::GET, "/book/totals", String::new()).await;
    assert_eq!(serde_json::from_str::<Totals>(&text).unwrap(), book.totals);
}

#[tokio::test]
async fn faults_and_orders_are_set_over_http_and_a_misspelt_name_is_refused() {
    use reqwest::Method;
    let shop = Shop::open(Settings::default()).await;
    let plan = json!({"seed": 1, "rules": [{"on": "submits", "prefix": "R", "fault": "html"}]});
    let (status, _) = shop.control(Method::PUT, "/faults", plan.to_string()).await;
    assert_eq!(status, 200);
    assert_eq!(shop.submit("R1").await.unwrap().params.len(), 0);
    let (_, text) = shop.control(Method::GET, "/faults", String::new()).await;
    assert_eq!(serde_json::from_str::<FaultPlan>(&text).unwrap().seed, 1);

    let bad = json!({"rules": [{"fault": "htlm"}]}).to_string();
    let (status, text) = shop.control(Method::PUT, "/faults", bad).await;
    assert_eq!(status, 400);
    assert!(text.contains("htlm"), "{text}");
    shop.control(Method::PUT, "/faults", "{}".to_owned()).await;
    assert_ne!(shop.submit("R2").await.unwrap().params.len(), 0);

    let order = |cents| json!([{"order_no": "M-7", "paid_cents": cents}]).to_string();
    for (body, expected) in [
        (order(500), 200),
        (order(500), 200),
        (order(501), 409),
        (json!([{"paid_cents": 1}]).to_string(), 400),
        (json!([{"order_no": "M-8", "paid": 1}]).to_string(), 400),
    ] {
        let (status, text) = shop.control(Method::POST, "/orders", body).await;
        assert_eq!(status, expected, "{text}");
    }
    for (method, path, expected) in [
        (Method::GET, "/healthz", 200),
        (Method::POST, "/book", 405),
        (Method::GET, "/nowhere", 404),
    ] {
        let (status, _) = shop.control(method, path, String::new()).await;
        assert_eq!(status, expected, "{path}");
    }
}

//! Without faults: what each protocol answers, and what the book says then.

use std::sync::Arc;

use refundd::domain::UnixMillis;
use refundd::gateways::sign;
use refundd::ports::ManualClock;
use refundd::sandbox::{Duplicates, Lines, PaidOrder, Sandbox, Settings, Totals};

use super::{Seen, Shop, client};

#[tokio::test]
async fn iotpay_takes_a_refund_and_signs_what_became_of_it() {
    let shop = Shop::open(Settings { processing_polls: 1, ..Settings::default() }).await;
    let taken = shop.submit("R1").await.unwrap();
    assert!(taken.signed_by(shop.key()), "{taken:?}");
    let said = ["retCode", "resCode", "mchRefundNo", "refundAmount", "status"];
    let said = said.map(|name| taken.get(name));
    assert_eq!(said, ["SUCCESS", "SUCCESS", "R1", "100", "1"]);
    assert!(taken.text.contains("\"refundAmount\":100"), "{}", taken.text);

    assert_eq!(shop.ask("R1").await.unwrap().get("status"), "1");
    let ended = shop.ask("R1").await.unwrap();
    assert!(ended.signed_by(shop.key()));
    assert_eq!(ended.get("status"), "2");
    assert_eq!(ended.get("refundOrderId"), taken.get("refundOrderId"));
    assert_eq!((shop.effects("R1"), shop.queries("R1")), (1, 2));
}

#[tokio::test]
async fn a_refund_submitted_over_iotpay_is_found_over_ionlinepay() {
    let shop = Shop::open(Settings::default()).await;
    shop.submit("R1").await.unwrap();
    let found = shop.ask_hk("R1").await.unwrap();
    assert!(found.signed_by(shop.hk_key()), "{found:?}");
    let said = ["status", "result_code", "refund_count", "out_refund_no_0"];
    assert_eq!(said.map(|name| found.get(name)), ["0", "0", "1", "R1"]);
    let said = ["refund_fee_0", "refund_status_0", "transaction_id"];
    assert_eq!(said.map(|name| found.get(name)), ["100", "SUCCESS", "U-1"]);
    assert_eq!(found.get("refund_time_0").len(), 14);
}

#[tokio::test]
async fn ionlinepay_takes_a_refund_and_names_every_parameter_of_the_page() {
    let shop = Shop::open(Settings::default()).await;
    let taken = shop.submit_hk("R1").await.unwrap();
    assert!(taken.signed_by(shop.hk_key()), "{taken:?}");
    let said = ["out_refund_no", "refund_fee", "out_trade_no"];
    assert_eq!(said.map(|name| taken.get(name)), ["R1", "100", "M-1"]);
    let found = shop.ask_hk("R1").await.unwrap();
    for name in [
        "version",
        "charset",
        "sign_type",
        "status",
        "result_code",
        "mch_id",
        "nonce_str",
        "sign",
        "transaction_id",
        "out_trade_no",
        "trade_channel",
        "trade_type",
        "body",
        "refund_count",
        "out_refund_no_0",
        "refund_id_0",
        "refund_fee_0",
        "refund_time_0",
        "refund_status_0",
    ] {
        assert_ne!(found.get(name), "", "{name} in {found:?}");
    }
    assert_eq!(found.get("refund_reason_0"), "wrong size & colour");
    assert_eq!(found.get("refund_id_0"), taken.get("refund_id"));
}

#[tokio::test]
async fn a_query_may_show_the_whole_order_with_the_own_line_last() {
    let shop = Shop::open(Settings { lines: Lines::WholeOrder, ..Settings::default() }).await;
    for no in ["R1", "R2"] {
        shop.submit(no).await.unwrap();
    }
    let found = shop.ask_hk("R1").await.unwrap();
    let said = ["refund_count", "out_refund_no_0", "out_refund_no_1"];
    assert_eq!(said.map(|name| found.get(name)), ["2", "R2", "R1"]);
    let all =
        shop.hk("ionline.unified.trade.refundquery", &[("transaction_id", "U-1")]).await.unwrap();
    assert_eq!(all.get("refund_count"), "2");
}

#[tokio::test]
async fn iotpay_says_what_is_wrong_with_a_request_and_never_signs_a_failure() {
    let shop = Shop::open(Settings::default()).await;
    let good = || shop.refund_params("R1", "100");
    let changed = |name: &str, value: &str| {
        let mut params = good();
        params.remove("sign");
        params.insert(name.to_owned(), value.to_owned());
        params.insert("sign".to_owned(), sign::sign(&params, shop.key()));
        params
    };
    let mut forged = good();
    forged.insert("refundAmount".to_owned(), "101".to_owned());
    for (params, code) in [
        (forged, "0013"),
        (changed("mchId", "1"), "0015"),
        (changed("refundAmount", "0"), "0014"),
        (changed("refundAmount", "1.5"), "0014"),
        (changed("mchRefundNo", &"R".repeat(31)), "0014"),
        (changed("clientIp", ""), "0014"),
    ] {
        let seen = shop.iotpay("/v1/refund_order", &params).await.unwrap();
        assert_eq!((seen.get("retCode"), seen.get("errCode")), ("FAIL", code));
        assert_eq!(seen.get("sign"), "");
    }
    let url = format!("{}/v1/refund_order", shop.gateway.base_url());
    let empty = shop.post(url.clone(), &[]).await.unwrap();
    assert_eq!(empty.get("errCode"), "0012");
    let read = shop.http.get(url).send().await.unwrap();
    assert_eq!(Seen::of(read).await.unwrap().get("errCode"), "0011");
    assert_eq!(shop.gateway.sandbox().totals(), Totals::default());
}

#[tokio::test]
async fn ionlinepay_leaves_unsigned_what_it_did_not_understand() {
    let shop = Shop::open(Settings::default()).await;
    let url = shop.gateway.ionlinepay_url();
    let form = [("mch_id", "sandbox-hk"), ("sign", "00"), ("nonce_str", "1")];
    let forged = shop.post(url, &form).await.unwrap();
    assert_eq!(forged.get("message"), "signature error");
    let other = shop.hk("ionline.unified.trade.query", &[]).await.unwrap();
    assert_eq!(other.get("message"), "no such service");
    for seen in [forged, other] {
        assert_eq!((seen.get("status"), seen.get("sign")), ("400", ""));
    }
}

#[tokio::test]
async fn unknown_orders_unknown_refunds_and_too_much_are_refused_in_each_protocols_words() {
    let mut settings = Settings::default();
    settings.iotpay.not_found_code = Some("0112".to_owned());
    let gateway = Sandbox::start(settings).await.unwrap();
    let http = client();
    let shop = Shop { gateway, http };
    let unknown = shop.submit("R1").await.unwrap();
    assert!(unknown.signed_by(shop.key()));
    let said = ["retCode", "resCode", "errCode"];
    assert_eq!(said.map(|name| unknown.get(name)), ["SUCCESS", "FAIL", "0112"]);
    assert_eq!(shop.submit_hk("R1").await.unwrap().get("err_code"), "ORDERNOTEXIST");
    assert_eq!(shop.ask("R1").await.unwrap().get("errCode"), "0112");
    assert_eq!(shop.ask_hk("R1").await.unwrap().get("err_code"), "REFUNDNOTEXIST");

    let paid = PaidOrder {
        gateway_order_no: Some("U-1".to_owned()),
        order_no: Some("M-1".to_owned()),
        paid_cents: 99,
    };
    shop.gateway.sandbox().add_order(paid).unwrap();
    let over = shop.submit("R1").await.unwrap();
    assert_eq!((over.get("retCode"), over.get("errCode")), ("FAIL", ""));
    let over = shop.submit_hk("R1").await.unwrap();
    assert_eq!(over.get("err_code"), "REFUND_FEE_INVALID");
    assert_eq!(shop.effects("R1"), 0);
}

#[tokio::test]
async fn iotpay_by_default_says_in_words_only_that_it_knows_no_such_refund() {
    let shop = Shop::open(Settings::default()).await;
    let seen = shop.ask("R1").await.unwrap();
    let said = ["retCode", "retMsg", "errCode", "sign"];
    let expected = ["FAIL", "refund order not exist", "", ""];
    assert_eq!(said.map(|name| seen.get(name)), expected);
}

#[tokio::test]
async fn a_repeated_number_is_replayed_rejected_or_paid_again_as_the_settings_say() {
    for (duplicates, code, effects) in [
        (Duplicates::Replays, "SUCCESS", 1),
        (Duplicates::Rejects, "FAIL", 1),
        (Duplicates::PaysAgain, "SUCCESS", 2),
    ] {
        let shop = Shop::open(Settings { duplicates, ..Settings::default() }).await;
        let first = shop.submit("R1").await.unwrap();
        let again = shop.submit("R1").await.unwrap();
        assert_eq!(again.get("retCode"), code, "{duplicates:?}");
        assert_eq!(shop.effects("R1"), effects, "{duplicates:?}");
        let violations = shop.gateway.book().violations;
        assert_eq!(violations.is_empty(), effects == 1, "{violations:?}");
        if duplicates == Duplicates::Replays {
            assert_eq!(again.get("refundOrderId"), first.get("refundOrderId"));
        }
    }
}

#[tokio::test]
async fn a_refund_settles_by_the_clock() {
    let clock = Arc::new(ManualClock::new(UnixMillis::new(0)));
    let settings =
        Settings { auto_orders: Some(100), settle_after_ms: 60_000, ..Settings::default() };
    let addr = settings.listen;
    let sandbox = Sandbox::with_clock(settings, clock.clone());
    let gateway = sandbox.listen(addr).await.unwrap();
    let http = client();
    let shop = Shop { gateway, http };
    shop.submit("R1").await.unwrap();
    clock.advance(59_999);
    assert_eq!(shop.ask("R1").await.unwrap().get("status"), "1");
    clock.advance(1);
    assert_eq!(shop.ask("R1").await.unwrap().get("status"), "2");
    let found = shop.ask_hk("R1").await.unwrap();
    assert_eq!(found.get("refund_time_0"), "19700101080100");
}

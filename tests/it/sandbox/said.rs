//! Faults in what is said: signatures, echoes, codes, statuses, lines.

use refundd::sandbox::{Fault, On, Rule, Settings, Standing};

use super::Shop;

#[tokio::test]
async fn signatures_can_be_wrong_or_missing() {
    for fault in [Fault::BadSignature, Fault::NoSignature] {
        let shop = Shop::with_fault(On::Both, fault.clone()).await;
        let there = fault == Fault::BadSignature;
        let (submitted, asked) = (shop.submit("R1").await, shop.ask("R1").await);
        for seen in [submitted.unwrap(), asked.unwrap()] {
            assert_eq!(seen.get("retCode"), "SUCCESS");
            assert!(!seen.signed_by(shop.key()));
            assert_eq!(seen.get("sign").len(), if there { 32 } else { 0 });
        }
        let asked = shop.ask_hk("R1").await.unwrap();
        assert_eq!(asked.get("refund_status_0"), "SUCCESS");
        assert!(!asked.signed_by(shop.hk_key()));
    }
}

#[tokio::test]
async fn another_amount_or_number_is_echoed_under_a_good_signature() {
    let shop = Shop::with_fault(On::Both, Fault::WrongAmount).await;
    let seen = shop.submit("R1").await.unwrap();
    assert!(seen.signed_by(shop.key()));
    assert_eq!(seen.get("refundAmount"), "101");
    assert_eq!(shop.ask_hk("R1").await.unwrap().get("refund_fee_0"), "101");
    let book = shop.gateway.book();
    assert_eq!(book.refund("R1").unwrap().paid_out_cents, 100);

    let shop = Shop::with_fault(On::Both, Fault::WrongNumber).await;
    let seen = shop.submit("R1").await.unwrap();
    assert!(seen.signed_by(shop.key()));
    assert_eq!(seen.get("mchRefundNo"), "XR1");
    assert_eq!(shop.ask_hk("R1").await.unwrap().get("out_refund_no_0"), "XR1");
    assert_eq!((shop.effects("R1"), shop.effects("XR1")), (1, 0));
}

#[tokio::test]
async fn a_system_error_tells_nobody_whether_the_refund_was_executed() {
    for (processed, effects) in [(true, 1), (false, 0)] {
        let code = None;
        let shop = Shop::with_fault(On::Submits, Fault::SysError { code, processed }).await;
        let seen = shop.submit("R1").await.unwrap();
        assert!(seen.signed_by(shop.key()));
        assert_eq!((seen.get("resCode"), seen.get("errCode")), ("FAIL", "0010"));
        let seen = shop.submit_hk("R2").await.unwrap();
        assert!(seen.signed_by(shop.hk_key()));
        assert_eq!(seen.get("err_code"), "SYSTEMERROR");
        assert_eq!((shop.effects("R1"), shop.effects("R2")), (effects, effects));
    }
    let code = Some("0110".to_owned());
    let fault = Fault::SysError { code, processed: true };
    let shop = Shop::with_fault(On::Queries, fault).await;
    assert_eq!(shop.ask("R1").await.unwrap().get("errCode"), "0110");
}

#[tokio::test]
async fn a_refusal_has_the_code_that_was_set_and_moves_nothing() {
    let code = "NOTENOUGH".to_owned();
    let shop = Shop::with_fault(On::Submits, Fault::Refuse { code }).await;
    let seen = shop.submit_hk("R1").await.unwrap();
    assert!(seen.signed_by(shop.hk_key()));
    assert_eq!((seen.get("status"), seen.get("err_code")), ("0", "NOTENOUGH"));
    assert_eq!(shop.submit("R1").await.unwrap().get("errCode"), "NOTENOUGH");
    assert!(shop.gateway.book().refund("R1").is_none());
}

#[tokio::test]
async fn statuses_can_be_unsure_unlisted_or_any_word_whatever_the_book_says() {
    let word = |word: &str| Fault::Status { word: word.to_owned() };
    for (fault, iotpay, ionlinepay) in [
        (Fault::NotSure, "0", "NOTSURE"),
        (Fault::UnlistedStatus, "7", "REVERSING"),
        (word("REFUNDCLOSE"), "REFUNDCLOSE", "REFUNDCLOSE"),
        (word("4"), "4", "4"),
    ] {
        let shop = Shop::with_fault(On::Queries, fault).await;
        shop.submit("R1").await.unwrap();
        let seen = shop.ask("R1").await.unwrap();
        assert!(seen.signed_by(shop.key()));
        assert_eq!(seen.get("status"), iotpay);
        let seen = shop.ask_hk("R1").await.unwrap();
        assert!(seen.signed_by(shop.hk_key()));
        assert_eq!(seen.get("refund_status_0"), ionlinepay);
        assert_eq!(shop.effects("R1"), 1);
    }
}

#[tokio::test]
async fn final_failures_and_abnormal_and_endless_refunds_move_no_money() {
    for (fault, standing, iotpay, ionlinepay) in [
        (Fault::FailFinal, Standing::Failed, "3", "FAIL"),
        (Fault::Change, Standing::Abnormal, "3", "CHANGE"),
        (Fault::NeverSettle, Standing::Processing, "1", "PROCESSING"),
    ] {
        let shop = Shop::with_fault(On::Submits, fault).await;
        let seen = shop.submit("R1").await.unwrap();
        assert_eq!(seen.get("resCode"), "SUCCESS", "accepted is not settled");
        assert_eq!(shop.ask("R1").await.unwrap().get("status"), iotpay);
        let seen = shop.ask_hk("R1").await.unwrap();
        assert_eq!(seen.get("refund_status_0"), ionlinepay);
        let book = shop.gateway.book();
        let refund = book.refund("R1").unwrap();
        assert_eq!((refund.standing, refund.effects), (standing, 0));
    }
}

#[tokio::test]
async fn a_refund_can_stay_invisible_for_a_number_of_queries() {
    let shop = Shop::open(Settings::default()).await;
    let rule = Rule::new(On::Queries, Fault::NotFound).refund_no("R1").times(2);
    shop.gateway.sandbox().add_fault(rule);
    shop.submit("R1").await.unwrap();
    assert_eq!(shop.ask_hk("R1").await.unwrap().get("err_code"), "REFUNDNOTEXIST");
    assert_eq!(shop.ask("R1").await.unwrap().get("retCode"), "FAIL");
    assert_eq!(shop.ask("R1").await.unwrap().get("status"), "2");
    assert_eq!((shop.effects("R1"), shop.queries("R1")), (1, 3));
}

#[tokio::test]
async fn a_stranger_can_stand_on_the_first_line() {
    let shop = Shop::with_fault(On::Queries, Fault::StrangerLine).await;
    shop.submit("R1").await.unwrap();
    let found = shop.ask_hk("R1").await.unwrap();
    assert!(found.signed_by(shop.hk_key()));
    let said = ["refund_count", "out_refund_no_0", "refund_status_0", "out_refund_no_1"];
    let said = said.map(|name| found.get(name));
    assert_eq!(said, ["2", "STRANGER-1", "SUCCESS", "R1"]);
    assert_eq!(shop.gateway.sandbox().totals().refunds, 1);
}

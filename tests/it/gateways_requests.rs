//! The adapters end to end: the exact bytes of a request, and how an answer comes back.

use std::collections::BTreeMap;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use refundd::domain::Grade;
use refundd::gateways::ionlinepay::{self, IonlinepayQuerier, IonlinepaySubmitter};
use refundd::gateways::iotpay::{self, IotpayQuerier, IotpaySubmitter};
use refundd::gateways::sign;
use refundd::ports::{Certainty, GatewayError, QueryAnswer, RefundQuerier, RefundSubmitter, chain};

use super::server::{Reply, Server};
use super::{KEY, client, name, refund};

fn iotpay_settings(base_url: &str) -> iotpay::Settings {
    iotpay::Settings::new(name("iotpay"), base_url, "10000576", "vincent", KEY.into())
}

fn iotpay(server: &Server) -> Arc<iotpay::Gateway> {
    Arc::new(iotpay::Gateway::new(iotpay_settings(&server.url("/")), client()).unwrap())
}

fn ionlinepay(server: &Server) -> Arc<ionlinepay::Gateway> {
    let url = server.url("/gateway/");
    let settings = ionlinepay::Settings::new(name("ionlinepay"), url, "100520000116", KEY.into());
    Arc::new(ionlinepay::Gateway::new(settings, client()).unwrap())
}

fn iotpay_submitter(server: &Server) -> IotpaySubmitter {
    IotpaySubmitter::new(iotpay(server), Some("203.0.113.7".to_owned()))
}

/// A body with its signature.
fn signed(pairs: &[(&str, &str)]) -> String {
    let mut params: BTreeMap<String, String> =
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    params.insert("sign".to_owned(), sign::sign(&params, KEY));
    serde_json::to_string(&params).unwrap()
}

/// The fields of a form.
fn form(body: &str) -> BTreeMap<String, String> {
    let decode = |text: &str| percent_decode_str(text).decode_utf8().unwrap().into_owned();
    body.split('&')
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

#[tokio::test]
async fn an_iotpay_refund_goes_out_once_and_byte_for_byte_as_the_page_says() {
    let server = Server::start([Reply::ok(r#"{"retCode":"SUCCESS","resCode":"SUCCESS"}"#)]).await;
    let submitter = iotpay_submitter(&server);
    let accepted = submitter.submit(&refund()).await.unwrap();
    assert_eq!(accepted.gateway_refund_no, None);
    let [seen] = &server.seen()[..] else {
        panic!("one request");
    };
    assert_eq!(seen.line, "POST /v1/refund_order HTTP/1.1");
    assert_eq!(seen.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(
        seen.body,
        concat!(
            "params=%7B%22clientIp%22%3A%22203.0.113.7%22%2C%22loginName%22%3A%22vincent%22%2C",
            "%22mchId%22%3A%2210000576%22%2C%22mchRefundNo%22%3A%22R20261122-0001%22%2C",
            "%22payOrderId%22%3A%22U0018%26x%3D1%2B2%253%22%2C%22refundAmount%22%3A%22500%22%2C",
            "%22sign%22%3A%222610E1A4669043157E39F6514F43F030%22%7D"
        )
    );
}

#[tokio::test]
async fn an_iotpay_query_names_our_number_and_reads_the_signed_line() {
    let answer = signed(&[
        ("retCode", "SUCCESS"),
        ("mchRefundNo", "R20261122-0001"),
        ("refundAmount", "500"),
        ("status", "2"),
    ]);
    let server = Server::start([Reply::ok(&answer)]).await;
    let querier = IotpayQuerier::new(iotpay(&server));
    let QueryAnswer::Found(found) = querier.query(&refund()).await.unwrap() else {
        panic!("found");
    };
    assert_eq!((found.grade, found.lines.len()), (Grade::A, 1));
    let seen = server.seen();
    assert_eq!(seen[0].line, "POST /v1/query_refund HTTP/1.1");
    let params: BTreeMap<String, String> =
        serde_json::from_str(&form(&seen[0].body)["params"]).unwrap();
    assert!(sign::verify(&params, KEY));
    let names: Vec<&str> = params.keys().map(String::as_str).collect();
    assert_eq!(names, ["mchId", "mchRefundNo", "sign"]);
    assert_eq!(params["mchRefundNo"], "R20261122-0001");
}

#[tokio::test]
async fn an_ionlinepay_refund_goes_out_once_as_a_signed_form() {
    let answer = signed(&[
        ("status", "0"),
        ("result_code", "0"),
        ("mch_id", "100520000116"),
        ("out_refund_no", "R20261122-0001"),
        ("refund_id", "RID1"),
        ("refund_fee", "500"),
    ]);
    let server = Server::start([Reply::ok(&answer)]).await;
    let submitter = IonlinepaySubmitter::new(ionlinepay(&server));
    let accepted = submitter.submit(&refund()).await.unwrap();
    assert_eq!(accepted.gateway_refund_no.unwrap().as_str(), "RID1");
    let [seen] = &server.seen()[..] else {
        panic!("one request");
    };
    assert_eq!(seen.line, "POST /gateway/ HTTP/1.1");
    assert_eq!(seen.header("content-type"), Some("application/x-www-form-urlencoded"));
    let sent = form(&seen.body);
    assert!(sign::verify(&sent, KEY));
    let (nonce, signature) = (&sent["nonce_str"], &sent["sign"]);
    assert_eq!(
        seen.body,
        format!(
            "charset=UTF-8&mch_id=100520000116&nonce_str={nonce}&op_user_id=100520000116\
             &out_refund_no=R20261122-0001&out_trade_no=O-1&refund_fee=500\
             &service=ionline.unified.trade.refund&sign={signature}&sign_type=MD5&total_fee=900\
             &transaction_id=U0018%26x%3D1%2B2%253&version=1.0"
        )
    );
}

#[tokio::test]
async fn an_ionlinepay_query_names_our_number_and_reads_the_signed_lines() {
    let answer = signed(&[
        ("status", "0"),
        ("result_code", "0"),
        ("mch_id", "100520000116"),
        ("refund_count", "1"),
        ("out_refund_no_0", "R20261122-0001"),
        ("refund_fee_0", "500"),
        ("refund_status_0", "SUCCESS"),
    ]);
    let server = Server::start([Reply::ok(&answer)]).await;
    let querier = IonlinepayQuerier::new(ionlinepay(&server));
    let QueryAnswer::Found(found) = querier.query(&refund()).await.unwrap() else {
        panic!("found");
    };
    assert_eq!((found.grade, found.lines.len()), (Grade::A, 1));
    let sent = form(&server.seen()[0].body);
    assert!(sign::verify(&sent, KEY));
    assert_eq!(sent["service"], "ionline.unified.trade.refundquery");
    assert_eq!(sent["out_refund_no"], "R20261122-0001");
    assert!(!sent.contains_key("out_trade_no") && !sent.contains_key("transaction_id"));
}

#[tokio::test]
async fn what_is_no_answer_of_the_protocol_is_unknown_and_sent_once() {
    let tampered = signed(&[("retCode", "SUCCESS"), ("status", "0")]).replace("SUCCESS", "FAIL");
    for body in [
        "",
        "<html><body>502 Bad Gateway</body></html>",
        "SUCCESS",
        "{\"retCode\":\"SUCC",
        "{}",
        "[]",
        "{\"retCode\":\"FAIL\",\"retMsg\":\"busy\"}",
        "{\"status\":\"500\",\"message\":\"SYSERR\"}",
        "{\"status\":\"0\",\"result_code\":\"0\"}",
        tampered.as_str(),
    ] {
        let server = Server::start(vec![Reply::ok(body); 4]).await;
        let submitters: [Box<dyn RefundSubmitter>; 2] = [
            Box::new(iotpay_submitter(&server)),
            Box::new(IonlinepaySubmitter::new(ionlinepay(&server))),
        ];
        for submitter in submitters {
            let err = submitter.submit(&refund()).await.unwrap_err();
            assert_eq!(err.certainty(), Certainty::Unknown, "{body}: {}", chain(&err));
        }
        let queriers: [Box<dyn RefundQuerier>; 2] = [
            Box::new(IotpayQuerier::new(iotpay(&server))),
            Box::new(IonlinepayQuerier::new(ionlinepay(&server))),
        ];
        for querier in queriers {
            assert!(querier.query(&refund()).await.is_err(), "{body}");
        }
        assert_eq!(server.seen().len(), 4, "{body}");
    }
}

#[tokio::test]
async fn a_refund_that_the_protocol_cannot_carry_never_reaches_the_wire() {
    let server = Server::start([]).await;
    let no_ip = IotpaySubmitter::new(iotpay(&server), None);
    assert_eq!(no_ip.check(&refund()).unwrap_err().field, "client_ip");
    let err = no_ip.submit(&refund()).await.unwrap_err();
    assert!(matches!(err, GatewayError::Request(_)), "{err}");
    let mut unpaid = refund();
    unpaid.order.paid = None;
    let submitter = IonlinepaySubmitter::new(ionlinepay(&server));
    let err = submitter.submit(&unpaid).await.unwrap_err();
    assert_eq!(
        err.to_string(),
        "the request could not be built: order.paid_cents is needed by this gateway (total_fee)"
    );
    assert_eq!(server.seen().len(), 0);
}

#[tokio::test]
async fn the_hash_covers_the_business_parameters_and_nothing_that_changes_by_itself() {
    let server = Server::start([]).await;
    let submitters: [Box<dyn RefundSubmitter>; 2] = [
        Box::new(iotpay_submitter(&server)),
        Box::new(IonlinepaySubmitter::new(ionlinepay(&server))),
    ];
    let mut hashes = Vec::new();
    for submitter in submitters {
        let first = submitter.params_hash(&refund());
        assert_eq!(submitter.params_hash(&refund()), first);
        let mut later = refund();
        later.requested_at = None;
        later.metadata = Some("{}".to_owned());
        assert_eq!(submitter.params_hash(&later), first);
        let mut other = refund();
        other.amount = refundd::domain::AmountCents::new(501).unwrap();
        assert_ne!(submitter.params_hash(&other), first);
        hashes.push(first);
    }
    assert_ne!(hashes[0], hashes[1]);
}

#[tokio::test]
async fn a_new_key_signs_what_follows_and_changes_no_hash() {
    let new_key = "a-key-of-next-year";
    let answer = signed(&[("retCode", "SUCCESS"), ("mchRefundNo", "R20261122-0001")]);
    let server = Server::start(vec![Reply::ok(&answer); 2]).await;
    let mut settings = iotpay_settings(&server.url("/"));
    let before = iotpay_submitter(&server);
    settings.key = new_key.into();
    let after = Arc::new(iotpay::Gateway::new(settings, client()).unwrap());
    let submitter = IotpaySubmitter::new(after.clone(), Some("203.0.113.7".to_owned()));
    assert_eq!(submitter.params_hash(&refund()), before.params_hash(&refund()));
    let err = IotpayQuerier::new(after).query(&refund()).await.unwrap_err();
    assert!(matches!(err, GatewayError::BadSignature(_)), "the old key counts no more: {err}");
    let params: BTreeMap<String, String> =
        serde_json::from_str(&form(&server.seen()[0].body)["params"]).unwrap();
    assert!(sign::verify(&params, new_key) && !sign::verify(&params, KEY));
}

#[test]
fn settings_that_no_request_could_carry_are_refused_by_name() {
    let field = |change: &dyn Fn(&mut iotpay::Settings)| {
        let mut settings = iotpay_settings("https://api.iotpaycloud.com");
        change(&mut settings);
        iotpay::Gateway::new(settings, client()).map_or_else(|err| err.field, |_| String::new())
    };
    assert_eq!(field(&|_| {}), "");
    assert_eq!(field(&|s| s.merchant_id = "1".repeat(31)), "merchant_id");
    assert_eq!(field(&|s| s.login_name = String::new()), "login_name");
    assert_eq!(field(&|s| s.key = "".into()), "key");
    assert_eq!(field(&|s| s.submit_path = "@other.example/".to_owned()), "submit_path");
    assert_eq!(field(&|s| s.base_url = "nonsense".to_owned()), "submit_path");
    assert_eq!(field(&|s| s.query_id_field = "sign".to_owned()), "query_id_field");
}

#[test]
fn no_key_is_ever_printed() {
    let settings = iotpay_settings("https://api.iotpaycloud.com");
    let gateway = Arc::new(iotpay::Gateway::new(settings, client()).unwrap());
    let printed = format!("{:?}", IotpaySubmitter::new(gateway, None));
    assert!(printed.contains("vincent") && !printed.contains(KEY), "{printed}");
}

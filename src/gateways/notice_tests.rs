//! Notices as gateways and forgers send them.

use super::*;
use crate::gateways::sign::{self, Params, SIGN_FIELD};

const KEY: &str = "notice-key";

fn names() -> Names<'static> {
    Names {
        merchant: ("mchId", "10000576"),
        refund_no: &["mchRefundNo"],
        reading: Reading::Tolerant,
    }
}

/// The fields of a notice about `R-1`, signed.
fn notice() -> Params {
    signed(&[("mchId", "10000576"), ("mchRefundNo", "R-1"), ("status", "2"), ("param1", "a b+c")])
}

pub(super) fn signed(fields: &[(&str, &str)]) -> Params {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let mut params: Params = fields.iter().map(owned).collect();
    params.insert(SIGN_FIELD.to_owned(), sign::sign(&params, KEY));
    params
}

pub(super) fn form(params: &Params) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish()
}

pub(super) fn flat_xml(params: &Params) -> String {
    let field = |(name, value): (&String, &String)| format!("<{name}><![CDATA[{value}]]></{name}>");
    format!("<?xml version=\"1.0\"?>\n<xml>{}</xml>", params.iter().map(field).collect::<String>())
}

pub(super) fn hear(body: impl AsRef<[u8]>) -> Result<String, NoticeError> {
    read(body.as_ref(), &SecretString::from(KEY), &names()).map(|no| no.to_string())
}

#[test]
fn a_signed_notice_names_its_refund_however_it_is_wrapped() {
    let params = notice();
    let json = serde_json::to_string(&params).unwrap();
    let wrapped = form(&Params::from([("params".to_owned(), json.clone())]));
    for body in [form(&params), json, wrapped, flat_xml(&params)] {
        assert_eq!(hear(&body), Ok("R-1".to_owned()), "{body}");
    }
}

#[test]
fn a_notice_that_was_changed_or_is_for_somebody_else_is_forged() {
    let mut changed = notice();
    changed.insert("mchRefundNo".to_owned(), "R-2".to_owned());
    let mut unsigned = notice();
    unsigned.remove(SIGN_FIELD);
    let other = signed(&[("mchId", "10000577"), ("mchRefundNo", "R-1")]);
    let hiding =
        signed(&[("mchId", "10000576"), ("mchRefundNo", "R-1"), ("x", "1&mchRefundNo=R-2")]);
    for params in [changed, unsigned, other, hiding] {
        for body in [form(&params), flat_xml(&params)] {
            assert!(matches!(hear(&body), Err(NoticeError::Forged(_))), "{body}");
        }
    }
}

#[test]
fn what_is_no_notice_is_unreadable() {
    let nameless = form(&signed(&[("mchId", "10000576")]));
    let illegal = form(&signed(&[("mchId", "10000576"), ("mchRefundNo", "R 1")]));
    let many: Params = (0..=FIELDS_MAX).map(|n| (format!("f{n}"), "1".to_owned())).collect();
    let bodies = [
        "",
        " \n",
        "{",
        "{\"a\":1,\"a\":2}",
        "a=1&a=2",
        "<xml><a>1</a>",
        "<xml><a><b>1</b></a></xml>",
        "<!DOCTYPE xml [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><xml><a>&e;</a></xml>",
        "<xml><a>&e;</a></xml>",
        &nameless,
        &illegal,
        &form(&many),
        &flat_xml(&many),
    ];
    for body in bodies {
        assert!(matches!(hear(body), Err(NoticeError::Unreadable(_))), "{body}");
    }
}

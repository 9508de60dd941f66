//! A gateway's notice as received: flat fields, however they were wrapped.
//!
//! No page documents refund notices. Assumed, from what the families do elsewhere: XxPay, which IOTPay
//! descends from, sends a form; SwiftPass, like iOnline Pay's own payment notice, sends XML with the
//! root `xml`. All of it is believed only as far as its signature goes, so how it is wrapped is found
//! out by looking at it.

use quick_xml::Reader;
use quick_xml::events::Event;
use secrecy::{ExposeSecret, SecretString};

use super::answer::{Answer, Signature, clip};
use super::sign::Reading;
use crate::domain::RefundNo;
use crate::ports::NoticeError;

/// Most fields of a notice: far above any that is documented, and a bound for the work.
const FIELDS_MAX: usize = 200;

/// The text that both families take as "received". Source: iOnline Pay "Notice"; IOTPay "payment
/// result"; upper or lower case.
pub(super) const RECEIVED: &str = "success";

/// What a protocol calls things in its notices.
#[derive(Debug)]
pub(super) struct Names<'a> {
    /// The field that names the merchant, and who that is.
    pub(super) merchant: (&'static str, &'a str),
    /// The fields that may hold our refund number, best first.
    pub(super) refund_no: &'static [&'static str],
    /// How far the signature may be read.
    pub(super) reading: Reading,
}

/// The refund that a signed notice is about.
pub(super) fn read(
    body: &[u8],
    key: &SecretString,
    names: &Names<'_>,
) -> Result<RefundNo, NoticeError> {
    let fields = fields(body)?;
    let forged = |why: &str| NoticeError::Forged(why.to_owned());
    match fields.signature(key.expose_secret(), names.reading) {
        Signature::Valid => {}
        Signature::Missing => return Err(forged("sign is missing")),
        Signature::Wrong => return Err(forged("sign does not match the fields")),
        Signature::Unclear => {
            return Err(forged("a value could hide other fields under the same sign"));
        }
    }
    let (field, merchant) = names.merchant;
    if fields.text(field) != Some(merchant) {
        return Err(NoticeError::Forged(format!("{field} is not this merchant's")));
    }
    let no = names.refund_no.iter().find_map(|name| fields.text(name));
    let no = no.ok_or_else(|| NoticeError::Unreadable("it names no refund number".to_owned()))?;
    RefundNo::parse(no).map_err(|err| NoticeError::Unreadable(format!("refund number {err}")))
}

/// The fields: a JSON object, a form, a form whose one field `params` holds JSON, or flat XML.
fn fields(body: &[u8]) -> Result<Answer, NoticeError> {
    let unreadable = |why: String| NoticeError::Unreadable(clip(&why));
    let json = |bytes: &[u8]| Answer::parse(bytes).map_err(|err| unreadable(err.to_string()));
    match body.iter().find(|b| !b.is_ascii_whitespace()) {
        None => Err(unreadable("empty".to_owned())),
        Some(b'{') => json(body),
        Some(b'<') => collect(xml(body).map_err(unreadable)?),
        Some(_) => {
            let pairs: Vec<(String, String)> =
                form_urlencoded::parse(body).take(FIELDS_MAX + 1).map(owned).collect();
            match pairs.as_slice() {
                [(name, text)] if name == "params" => json(text.as_bytes()),
                _ => collect(pairs),
            }
        }
    }
}

fn owned(
    (name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>),
) -> (String, String) {
    (name.into_owned(), value.into_owned())
}

fn collect(pairs: Vec<(String, String)>) -> Result<Answer, NoticeError> {
    if pairs.len() > FIELDS_MAX {
        return Err(NoticeError::Unreadable(format!("it has more than {FIELDS_MAX} fields")));
    }
    Answer::of(pairs).map_err(|err| NoticeError::Unreadable(err.to_string()))
}

/// The children of the root, by name and text. Whatever is not plain text in plain elements is
/// refused: attributes, entities of its own, deeper elements.
fn xml(body: &[u8]) -> Result<Vec<(String, String)>, String> {
    let text = std::str::from_utf8(body).map_err(|err| err.to_string())?;
    let mut reader = Reader::from_str(text);
    let (mut path, mut pairs) = (Vec::new(), Vec::new());
    let mut value = String::new();
    loop {
        match reader.read_event().map_err(|err| err.to_string())? {
            Event::Start(start) if path.len() < 2 && pairs.len() <= FIELDS_MAX => {
                path.push(start.name().as_ref().to_owned());
                value.clear();
            }
            Event::End(_) => {
                let ended = path.pop().unwrap_or_default();
                if path.len() == 1 {
                    pairs.push((ended, std::mem::take(&mut value)));
                } else if path.is_empty() {
                    return Ok(pairs);
                }
            }
            Event::Empty(empty) if path.len() == 1 => {
                pairs.push((empty.name().as_ref().to_owned(), String::new()));
            }
            Event::CData(data) if path.len() == 2 => value.push_str(&data),
            Event::Text(data) if path.len() == 2 => value.push_str(&data),
            Event::GeneralRef(entity) if path.len() == 2 => value.push(plain(&entity)?),
            Event::Text(_) | Event::Decl(_) | Event::Comment(_) => {}
            Event::Eof => return Err("it ends too early".to_owned()),
            Event::Start(_)
            | Event::Empty(_)
            | Event::CData(_)
            | Event::GeneralRef(_)
            | Event::PI(_)
            | Event::DocType(_) => return Err("it is not flat XML".to_owned()),
        }
    }
}

/// One of the five entities that XML itself has.
fn plain(entity: &str) -> Result<char, String> {
    match entity {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => Err("it has an entity of its own".to_owned()),
    }
}

#[cfg(test)]
#[path = "notice_fuzz_tests.rs"]
mod fuzz_tests;
#[cfg(test)]
#[path = "notice_tests.rs"]
mod tests;

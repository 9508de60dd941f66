//! Whatever the domain can hold comes back as it was; whatever else is stored is an error.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::domain::evidence::{StatusLine, StatusWord};
use crate::domain::policy::Policy;
use crate::domain::refund::tests::admitted;
use crate::domain::refund::{HistoryLine, ParamsHash, Tally};
use crate::domain::state::{
    Absences, Event, EventKind, Outcome, ParkCause, Parking, RefundState, Refusal, Settlement,
};
use crate::domain::{Evidence, GatewayRefundNo, Grade, Source, step};

fn back(record: &RefundRecord) -> RefundRecord {
    let asked = encode_refund(record).unwrap();
    let asked = decode_refund(record.refund.refund_no.as_str(), &asked).unwrap();
    decode_state(asked, &encode_state(record).unwrap()).unwrap()
}

pub(super) fn asked() -> (Refund, GatewayName) {
    let record = admitted("R1", 500, UnixMillis::new(0));
    (record.refund, record.order_scope)
}

const AT: UnixMillis = UnixMillis::new(1_700_000_000_123);

pub(super) fn sample(kind: StateKind) -> RefundRecord {
    let at = AT;
    let mut record = admitted("R1", 500, at);
    record.refund.metadata = Some("{\"a\": 1.50}".to_owned());
    record.params_hash = Some(ParamsHash([7; 32]));
    record.gateway_refund_no = GatewayRefundNo::parse("G-1").ok();
    record.tally = Tally { attempts: 1, polls: 4, submitted_at: Some(at), results: 1, revision: 3 };
    let event = Event::NoAnswer { note: "HTTP 502".to_owned(), retry_after_ms: None };
    record.remember(&event, at);
    record.remember(&event, at.plus(5_000));
    record.state = sample_state(kind);
    record
}

fn sample_state(kind: StateKind) -> RefundState {
    let at = AT;
    let evidence = Evidence { grade: Grade::A, source: Source::Query, at };
    let lines = vec![StatusLine {
        n: 2,
        refund_no: "R1".to_owned(),
        gateway_refund_no: Some(GatewayRefundNo::parse("G-1").unwrap()),
        amount_cents: 500,
        word: StatusWord::Failed,
        status: "REFUNDCLOSE".to_owned(),
        time: Some(at),
        reason: Some("card \"void\"".to_owned()),
    }];
    let absences = Some(Absences { count: 2, first_at: at });
    match kind {
        StateKind::Requested => RefundState::Requested { waits: 3 },
        StateKind::Submitting => RefundState::Submitting { waits: 3 },
        StateKind::Unconfirmed => RefundState::Unconfirmed { polls: 2, absences },
        StateKind::Refused => RefundState::Refused {
            refusal: Refusal {
                code: "0014".to_owned(), message: "nö".to_owned(), grade: Grade::B
            },
            polls: 1,
            absences: None,
        },
        StateKind::Processing => RefundState::Processing { polls: 9 },
        StateKind::Parked => RefundState::Parked(Parking {
            cause: ParkCause::Discrepancy,
            message: "499".to_owned(),
            evidence,
            lines,
        }),
        StateKind::Settled => RefundState::Settled(Settlement {
            outcome: Outcome::Failed,
            evidence,
            lines,
            code: Some("REFUNDCLOSE".to_owned()),
            message: None,
        }),
    }
}

#[test]
fn every_state_comes_back_as_it_was() {
    for kind in StateKind::ALL {
        let record = sample(*kind);
        assert_eq!(back(&record), record, "{kind:?}");
    }
}

#[test]
fn only_a_requested_refund_begins_with_the_letter_that_a_claim_submits() {
    for kind in StateKind::ALL {
        let text = encode_state(&sample(*kind)).unwrap();
        assert_eq!(text[0] == b'r', *kind == StateKind::Requested, "{kind:?}");
    }
}

#[test]
fn a_newer_version_is_left_for_a_newer_worker() {
    let record = sample(StateKind::Processing);
    let (refund, state) = (encode_refund(&record).unwrap(), encode_state(&record).unwrap());
    for newer in VERSION + 1..=LAST_VERSION {
        // As this version writes it, or whatever else that version means, or nothing at all.
        for rest in [&refund[1..], &state[2..], b"{\"any\":1}", b"\xc1\xff", b""] {
            let err = decode_refund("R1", &[&[newer], rest].concat()).unwrap_err();
            assert!(matches!(err, RecordError::Newer(v) if v == newer), "{err}");
            let err = decode_state(asked(), &[&[b'p', newer], rest].concat()).unwrap_err();
            assert!(matches!(err, RecordError::Newer(v) if v == newer), "{err}");
        }
    }
}

#[test]
fn what_has_no_version_is_refused_even_if_it_looks_the_same() {
    let record = sample(StateKind::Processing);
    let (mut refund, mut state) = (encode_refund(&record).unwrap(), encode_state(&record).unwrap());
    for other in (LAST_VERSION + 1..=u8::MAX).chain([0]) {
        (refund[0], state[1]) = (other, other);
        let err = decode_refund("R1", &refund).unwrap_err();
        assert!(matches!(err, RecordError::Value("version")), "{err}");
        let err = decode_state(asked(), &state).unwrap_err();
        assert!(matches!(err, RecordError::Value("version")), "{err}");
    }
}

#[test]
fn a_state_under_the_letter_of_another_is_refused() {
    for kind in StateKind::ALL {
        let mut text = encode_state(&sample(*kind)).unwrap();
        let own = text[0];
        for letter in 0..=u8::MAX {
            text[0] = letter;
            let read = decode_state(asked(), &text);
            assert_eq!(read.is_ok(), letter == own, "{kind:?} under {letter}");
        }
    }
}

#[test]
fn a_text_that_is_cut_off_or_goes_on_is_refused() {
    for kind in StateKind::ALL {
        let record = sample(*kind);
        let (refund, state) = (encode_refund(&record).unwrap(), encode_state(&record).unwrap());
        for end in 0..refund.len() {
            assert!(decode_refund("R1", &refund[..end]).is_err(), "{kind:?} up to {end}");
        }
        for end in 0..state.len() {
            assert!(decode_state(asked(), &state[..end]).is_err(), "{kind:?} up to {end}");
        }
        for more in 0..=u8::MAX {
            let err = decode_refund("R1", &[&refund[..], &[more]].concat()).unwrap_err();
            assert!(matches!(err, RecordError::Value("end")), "{err}");
            let err = decode_state(asked(), &[&state[..], &[more]].concat()).unwrap_err();
            assert!(matches!(err, RecordError::Value("end")), "{err}");
        }
    }
}

#[test]
fn a_length_that_is_not_there_takes_no_memory() {
    // Admitted, requested with waits, six that are empty, then a history of four thousand million.
    let history = b"r\x01\x9b\x00\x92\x00\x00\x00\x00\x00\xc0\xc0\xdd\xff\xff\xff\xff";
    // The same of lines of an answer, of a note, and of the whole.
    let lines = b"z\x01\x92\x00\x96\x06\x00\x93\x00\x00\x00\xdd\xff\xff\xff\xff";
    let note = b"r\x01\x98\x00\x92\x00\x00\x00\x00\x00\xc0\xc0\x91\x93\x00\x00\xdb\xff\xff\xff\xff";
    let whole = b"r\x01\xdd\xff\xff\xff\xff\x00";
    for text in [&history[..], &lines[..], &note[..], &whole[..]] {
        let asked = asked();
        let mut read = None;
        let held = allocation_counter::measure(|| read = Some(decode_state(asked, text))).bytes_max;
        assert!(matches!(read, Some(Err(RecordError::Form(_)))), "{read:?}");
        assert!(held < 4_096, "{held} bytes for {text:?}");
    }
}

/// These bytes are in people's Redis: whoever changes them gives them another version.
#[test]
fn what_this_version_has_written_is_read_for_ever() {
    let refund = "0199a26777a473686f70cd01f4a3434144a25031c0c0c0ab7b2261223a20312e35307d";
    let state = "7a019bcf0000018bcfe5687b9606019300010091950205a000ab636172642022766f696422ab524546554e44434c4f5345c000030100\
                 c420070707070707070707070707070707070707070707070707070707070707070791950800a84854545020353032cd13880104a3472d3101";
    let record = sample(StateKind::Settled);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let bytes = |hex: &str| hex.as_bytes().chunks(2).map(byte).collect::<Vec<u8>>();
    assert_eq!(encode_refund(&record).unwrap(), bytes(refund));
    assert_eq!(encode_state(&record).unwrap(), bytes(state));
    let asked = decode_refund("R1", &bytes(refund)).unwrap();
    assert_eq!(decode_state(asked, &bytes(state)).unwrap(), record);
}

#[test]
fn records_stay_small() {
    let at = UnixMillis::new(1_700_000_000_123);
    let plain = admitted("R20261122-000001", 500, at);
    let submitted = step::advance(plain, &Event::SubmitStarted, at, &Policy::default()).unwrap();
    let accepted = Event::Accepted { gateway_refund_no: None };
    let record = step::advance(submitted.record, &accepted, at, &Policy::default()).unwrap().record;
    let bytes = encode_refund(&record).unwrap().len() + encode_state(&record).unwrap().len();
    assert!(bytes < 60, "an open refund takes {bytes} bytes");
}

#[test]
fn a_line_does_not_repeat_what_the_record_says() {
    let own = sample(StateKind::Settled);
    let mut other = own.clone();
    let RefundState::Settled(end) = &mut other.state else { panic!("settled") };
    end.lines[0].refund_no = "R2".to_owned();
    end.lines[0].gateway_refund_no = GatewayRefundNo::parse("G-2").ok();
    end.lines[0].amount_cents = 501;
    assert_eq!(back(&other), other);
    let more = encode_state(&other).unwrap().len() - encode_state(&own).unwrap().len();
    assert_eq!(more, "G-2".len() + 3 + "_R2".len(), "number, amount, number");
}

#[test]
fn a_line_may_not_point_at_a_number_that_the_record_lacks() {
    let mut record = sample(StateKind::Settled);
    record.gateway_refund_no = None;
    let written = encode_state(&sample(StateKind::Settled)).unwrap();
    let number = b"\xa3G-1";
    let at = written.windows(number.len()).rposition(|bytes| bytes == number).unwrap();
    let without = [&written[..at], b"\xc0", &written[at + number.len()..]].concat();
    let err = decode_state(asked(), &without).unwrap_err();
    assert!(matches!(err, RecordError::Value("gateway number")), "{err}");
    assert_eq!(back(&record), record, "its own number is written then");
}

proptest! {
    #[test]
    fn no_stored_text_can_bring_the_reader_down(text in vec(any::<u8>(), 0..200)) {
        let _ = decode_state(asked(), &text);
        let _ = decode_refund("R1", &text);
        let _ = decode_state(asked(), &[b"p\x01", &text[..]].concat());
        let _ = decode_refund("R1", &[b"\x01", &text[..]].concat());
    }

    #[test]
    fn any_record_comes_back_as_it_was(record in any_record()) {
        let read = back(&record);
        prop_assert_eq!(&read, &record);
        prop_assert_eq!(encode_state(&read).unwrap(), encode_state(&record).unwrap());
    }
}

/// Any moment, most of all those where arithmetic goes wrong.
fn moment() -> impl Strategy<Value = UnixMillis> {
    let ends = prop_oneof![Just(i64::MIN), Just(-1), Just(0), Just(i64::MAX)];
    prop_oneof![any::<i64>(), ends, Just(AT.get()), (0..9_999_i64).prop_map(|ms| AT.get() + ms)]
        .prop_map(UnixMillis::new)
}

fn words() -> impl Strategy<Value = String> {
    prop_oneof!["\\PC{0,40}", Just(String::new()), Just("x\u{0}\u{10ffff}".repeat(60))]
}

fn gateway_no() -> impl Strategy<Value = Option<GatewayRefundNo>> {
    let some = |text: String| GatewayRefundNo::parse(&text).unwrap();
    option::of(prop_oneof![Just("G-1".to_owned()), "[!-~]{1,64}"].prop_map(some))
}

fn one_of<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    proptest::sample::select(all)
}

fn any_line() -> impl Strategy<Value = StatusLine> {
    const MEANINGS: &[StatusWord] = &[StatusWord::Success, StatusWord::FailedUnproven];
    let status = prop_oneof![Just("SUCCESS".to_owned()), Just("2".to_owned()), words()];
    let refund_no = prop_oneof![Just("R1".to_owned()), words()];
    let amount = prop_oneof![Just(500), any::<u64>()];
    let told = (option::of(one_of(MEANINGS)), option::of(moment()), option::of(words()));
    (any::<u32>(), refund_no, gateway_no(), amount, status, told).prop_map(
        |(n, refund_no, gateway_refund_no, amount_cents, status, (means, time, reason))| {
            let word = means.unwrap_or(StatusWord::parse(&status));
            StatusLine { n, refund_no, gateway_refund_no, amount_cents, word, status, time, reason }
        },
    )
}

fn any_evidence() -> impl Strategy<Value = Evidence> {
    const GRADES: &[Grade] = &[Grade::A, Grade::B, Grade::C];
    const SOURCES: &[Source] =
        &[Source::Submit, Source::Query, Source::Callback, Source::Operator, Source::Refundd];
    (one_of(GRADES), one_of(SOURCES), moment()).prop_map(|(grade, source, at)| Evidence {
        grade,
        source,
        at,
    })
}

fn any_state() -> impl Strategy<Value = RefundState> {
    let absences = || {
        option::of(
            (any::<u32>(), moment()).prop_map(|(count, first_at)| Absences { count, first_at }),
        )
    };
    let lines = || vec(any_line(), 0..20);
    prop_oneof![
        any::<u32>().prop_map(|waits| RefundState::Requested { waits }),
        any::<u32>().prop_map(|waits| RefundState::Submitting { waits }),
        any::<u32>().prop_map(|polls| RefundState::Processing { polls }),
        (any::<u32>(), absences())
            .prop_map(|(polls, absences)| RefundState::Unconfirmed { polls, absences }),
        (any::<u32>(), absences(), words(), words(), any_evidence()).prop_map(
            |(polls, absences, code, message, Evidence { grade, .. })| {
                let refusal = Refusal { code, message, grade };
                RefundState::Refused { refusal, polls, absences }
            }
        ),
        (one_of(ParkCause::ALL), words(), any_evidence(), lines()).prop_map(
            |(cause, message, evidence, lines)| {
                RefundState::Parked(Parking { cause, message, evidence, lines })
            }
        ),
        (one_of(Outcome::ALL), any_evidence(), lines(), option::of(words()), option::of(words()))
            .prop_map(|(outcome, evidence, lines, code, message)| {
                RefundState::Settled(Settlement { outcome, evidence, lines, code, message })
            }),
    ]
}

fn any_history() -> impl Strategy<Value = Vec<HistoryLine>> {
    let line = (moment(), moment(), any::<u32>(), one_of(EventKind::ALL), words()).prop_map(
        |(at, last_at, times, event, note)| HistoryLine { at, last_at, times, event, note },
    );
    vec(line, 0..70)
}

fn any_refund() -> impl Strategy<Value = Refund> {
    let paid =
        option::of((1..=AmountCents::MAX).prop_map(|cents| AmountCents::new(cents).unwrap()));
    let order = (option::of("[!-~]{1,64}"), option::of("[!-~]{1,64}"), paid).prop_filter_map(
        "an order has a number",
        |(gateway, merchant, paid)| {
            let gateway = gateway.map(|no| GatewayOrderNo::parse(&no).unwrap());
            OrderRef::new(gateway, merchant.map(|no| OrderNo::parse(&no).unwrap()), paid)
        },
    );
    let said = (option::of(words()), option::of(words()), option::of(words()), option::of(words()));
    let cents = prop_oneof![Just(500), 1..=AmountCents::MAX];
    (order, cents, "[A-Z]{3}", said, option::of(moment()), option::of(moment())).prop_map(
        |(order, cents, currency, (reason, client_ip, device, metadata), asked, not_before)| {
            let (mut refund, _) = super::tests::asked();
            refund.order = order;
            refund.amount = AmountCents::new(cents).unwrap();
            refund.currency = Currency::parse(&currency).unwrap();
            (refund.requested_at, refund.not_before) = (asked, not_before);
            Refund { reason, client_ip, device, metadata, ..refund }
        },
    )
}

prop_compose! {
    fn any_record()(
        refund in any_refund(),
        (pushed_at, admitted_at, submitted_at) in (moment(), moment(), option::of(moment())),
        (attempts, polls, results, revision) in any::<(u32, u32, u32, u32)>(),
        state in any_state(),
        gateway_refund_no in gateway_no(),
        hash in option::of(any::<[u8; 32]>()),
        history in any_history(),
    ) -> RefundRecord {
        RefundRecord {
            refund,
            order_scope: GatewayName::parse("gw").unwrap(),
            pushed_at,
            admitted_at,
            state,
            tally: Tally { attempts, polls, submitted_at, results, revision },
            gateway_refund_no,
            params_hash: hash.map(ParamsHash),
            history,
        }
    }
}

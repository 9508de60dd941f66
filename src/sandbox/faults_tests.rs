//! Which exchange is disturbed: by order, by number, at random but reproducibly.

use super::*;

fn faults(rules: Vec<Rule>) -> Faults {
    Faults::new(FaultPlan { seed: 7, rules })
}

fn struck(faults: &Faults, op: Op, no: &str) -> Option<Fault> {
    faults.choose(op, no).fault
}

#[test]
fn rules_for_one_number_are_a_queue_of_faults() {
    let faults = faults(vec![
        Rule::new(On::Submits, Fault::Html).refund_no("R1").times(1),
        Rule::new(On::Submits, Fault::Pass).refund_no("R1").times(1),
        Rule::new(On::Submits, Fault::EmptyBody).refund_no("R1").times(2),
    ]);
    let seen: Vec<_> = (0..5).map(|_| struck(&faults, Op::Submit, "R1")).collect();
    assert_eq!(
        seen,
        [
            Some(Fault::Html),
            Some(Fault::Pass),
            Some(Fault::EmptyBody),
            Some(Fault::EmptyBody),
            None
        ]
    );
    assert_eq!(struck(&faults, Op::Query, "R1"), None);
    assert_eq!(struck(&faults, Op::Submit, "R2"), None);
}

#[test]
fn a_rule_counts_for_each_number_alone() {
    let faults = faults(vec![Rule::new(On::Queries, Fault::NotFound).after(1).times(2)]);
    for no in ["R1", "R2"] {
        let seen: Vec<_> = (0..4).map(|_| struck(&faults, Op::Query, no).is_some()).collect();
        assert_eq!(seen, [false, true, true, false]);
    }
}

#[test]
fn prefix_and_suffix_choose_numbers() {
    let faults = faults(vec![Rule::new(On::Both, Fault::Html).prefix("A-").suffix("9")]);
    assert!(struck(&faults, Op::Submit, "A-19").is_some());
    assert!(struck(&faults, Op::Submit, "B-19").is_none());
    assert!(struck(&faults, Op::Submit, "A-18").is_none());
}

#[test]
fn a_fate_and_a_disturbance_may_strike_together() {
    let faults = faults(vec![
        Rule::new(On::Submits, Fault::FailFinal),
        Rule::new(On::Submits, Fault::ResetAfter),
        Rule::new(On::Submits, Fault::Html),
    ]);
    let chosen = faults.choose(Op::Submit, "R1");
    assert_eq!(chosen.fate, Some(Fault::FailFinal));
    assert_eq!(chosen.fault, Some(Fault::ResetAfter));
}

#[test]
fn a_share_of_requests_is_struck_and_the_same_ones_in_every_run() {
    let rule = || Rule::new(On::Both, Fault::Html).per_mille(250);
    let run = |seed| {
        let faults = Faults::new(FaultPlan { seed, rules: vec![rule()] });
        (0..4_000)
            .map(|i| struck(&faults, Op::Submit, &format!("R{}", i / 2)).is_some())
            .collect::<Vec<_>>()
    };
    let first = run(1);
    let share = first.iter().filter(|struck| **struck).count();
    assert!((850..1_150).contains(&share), "{share} of 4000 at 250 per mille");
    assert_eq!(first, run(1));
    assert_ne!(first, run(2));
    // A number that was struck once is not struck for ever.
    assert!(first.chunks(2).any(|pair| pair[0] != pair[1]));
}

#[test]
fn two_rules_of_the_same_share_draw_apart() {
    let faults = faults(vec![
        Rule::new(On::Both, Fault::Html).per_mille(500),
        Rule::new(On::Both, Fault::EmptyBody).per_mille(500),
    ]);
    let seen: Vec<_> = (0..1_000).map(|i| struck(&faults, Op::Submit, &format!("R{i}"))).collect();
    let count = |wanted: &Option<Fault>| seen.iter().filter(|s| *s == wanted).count();
    assert!((400..600).contains(&count(&Some(Fault::Html))));
    assert!((180..320).contains(&count(&Some(Fault::EmptyBody))));
    assert!((180..320).contains(&count(&None)));
}

#[test]
fn the_json_form_is_strict_and_round_trips() {
    let text = r#"{"seed":3,"rules":[
        {"on":"submits","refund_no":"R1","times":1,"fault":{"answer_late":{"ms":5000}}},
        {"prefix":"A","suffix":"7","per_mille":50,"fault":"reset_after"},
        {"on":"queries","fault":{"http":{"status":502}}}]}"#;
    let plan: FaultPlan = serde_json::from_str(text).unwrap();
    assert_eq!(plan.rules[0].fault, Fault::AnswerLate { ms: 5000 });
    assert_eq!(plan.rules[1].on, On::Both);
    assert_eq!(plan.rules[2].fault, Fault::Http { status: 502, processed: false });
    let again: FaultPlan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
    assert_eq!(again, plan);
    for bad in [
        r#"{"rules":[{"fault":"resetafter"}]}"#,
        r#"{"rules":[{"fault":"html","time":1}]}"#,
        r#"{"rules":[{"fault":{"http":{"status":502,"proc":true}}}]}"#,
        r#"{"rule":[]}"#,
    ] {
        assert!(serde_json::from_str::<FaultPlan>(bad).is_err(), "{bad}");
    }
}

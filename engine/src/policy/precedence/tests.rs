use super::*;
use proptest::prelude::*;

const NOW: Micros = Micros(1_000);
const PAST: Micros = Micros(1_000);
const FUTURE: Micros = Micros(1_001);

/// What the order of rules says, written out: the first line that fits holds. Columns: actions; hold,
/// lock (`-` none, `p` part, `a` all, `+` part or all, `.` any); then of restricted, case, person asks,
/// past its time, approved, consents, region `y`, `n` or `.`; and what is decided.
const LINES: &[(&str, &str, &str)] = &[
    // Nothing leaves or enters the region, whatever else is so.
    ("append read export", ".. ......n", "refuse region"),
    // Holds and locks that keep everything.
    ("erase", "a. ..y.y..", "restrict hold"),
    ("erase", "pa ..y.y..", "restrict hold"),
    ("erase", "-a ..y.y..", "restrict lock"),
    ("erase expire acts", "a. .......", "refuse hold"),
    ("erase expire acts", "pa .......", "refuse hold"),
    ("erase expire acts", "-a .......", "refuse lock"),
    // What is one change is kept by a part as well.
    ("remove change say", "+. .......", "refuse hold"),
    ("remove", "-+ .......", "refuse lock"),
    // Those who may not at all, also not the rest.
    ("append read export", ".. .....n.", "refuse consent"),
    ("erase", ".. y.n....", "refuse restriction"),
    ("expire", ".. y......", "refuse restriction"),
    ("say read export", ".. ynn....", "refuse restriction"),
    ("expire acts", ".. ...n...", "refuse early"),
    ("any", ".. ....n..", "refuse approval"),
    // The rest goes.
    ("erase", "p. ..y....", "part hold restricted"),
    ("erase", "-p ..y....", "part lock restricted"),
    ("erase expire acts", "p. .......", "part hold"),
    ("erase expire acts", "-p .......", "part lock"),
    ("any", ".. .......", "allow"),
];

fn groups(action: Action) -> &'static str {
    match action {
        Action::ErasePerson | Action::EraseConversation | Action::EraseRecord => "erase",
        Action::ExpireClass => "expire",
        Action::ExpireActs => "acts",
        Action::Redact | Action::Rename | Action::UserErase | Action::Compact => "remove",
        Action::Correct | Action::UserDelete | Action::UserEdit => "say",
        Action::Link | Action::Unlink | Action::AddIdentifier => "change",
        Action::Restrict | Action::Unrestrict | Action::Release => "mild",
        Action::Append => "append",
        Action::Read => "read",
        Action::Export => "export",
    }
}

fn by_the_lines(action: Action, facts: &Facts, now: Micros) -> &'static str {
    let reach = |reach| match reach {
        Reach::None => '-',
        Reach::Part => 'p',
        Reach::All => 'a',
    };
    let lock = facts.lock.filter(|lock| lock.until.0 > now.0).map_or(Reach::None, |lock| lock.reach);
    let approved = facts.approvals.needed == 0
        || facts.approvals.given >= facts.approvals.needed + u32::from(facts.approvals.by_requester);
    let answers = [
        facts.restricted,
        facts.has_case,
        facts.asked_by_person,
        facts.past_maximum,
        approved,
        facts.missing_consents.is_empty(),
        !facts.elsewhere,
    ];
    let row: Vec<char> = [reach(facts.held.reach), reach(lock), ' ']
        .into_iter()
        .chain(answers.map(|yes| if yes { 'y' } else { 'n' }))
        .collect();
    let fits = |pattern: &str| {
        pattern.chars().zip(&row).all(|(want, is)| match want {
            '.' => true,
            '+' => matches!(is, 'p' | 'a'),
            want => want == *is,
        })
    };
    LINES
        .iter()
        .find(|(who, pattern, _)| {
            (*who == "any" || who.split(' ').any(|group| group == groups(action))) && fits(pattern)
        })
        .map_or("nothing", |line| line.2)
}

fn told(decision: &Decision) -> String {
    match decision {
        Decision::Allow => "allow".into(),
        Decision::Part { ground, restrict: true } => format!("part {} restricted", ground.name()),
        Decision::Part { ground, restrict: false } => format!("part {}", ground.name()),
        Decision::Restrict(ground) => format!("restrict {}", ground.name()),
        Decision::Refuse(ground) => format!("refuse {}", ground.name()),
    }
}

/// How much is done: nothing at all; hidden and kept; a part; everything.
fn rank(decision: &Decision) -> u8 {
    match decision {
        Decision::Refuse(_) => 0,
        Decision::Restrict(_) => 1,
        Decision::Part { .. } => 2,
        Decision::Allow => 3,
    }
}

const REACHES: [Reach; 3] = [Reach::None, Reach::Part, Reach::All];

fn every(mut look: impl FnMut(Action, &Facts)) {
    let locks = REACHES
        .into_iter()
        .flat_map(|reach| [PAST, FUTURE].map(|until| Some(Lock { reach, until })))
        .chain([None]);
    let approvals = [(0, 0, false), (0, 1, true), (1, 0, false), (1, 1, false), (1, 1, true), (2, 3, true)]
        .map(|(needed, given, by_requester)| Approvals { needed, given, by_requester });
    for lock in locks {
        for (reach, approvals) in REACHES.into_iter().flat_map(|r| approvals.map(|a| (r, a))) {
            for bits in 0..64u32 {
                let bit = |n: u32| bits >> n & 1 == 1;
                let facts = Facts {
                    held: Held { reach, codes: vec!["h1".into()] },
                    lock,
                    restricted: bit(0),
                    has_case: bit(1),
                    asked_by_person: bit(2),
                    past_maximum: bit(3),
                    missing_consents: if bit(4) { vec!["ads".into()] } else { Vec::new() },
                    approvals,
                    elsewhere: bit(5),
                };
                for action in Action::ALL {
                    look(action, &facts);
                }
            }
        }
    }
}

#[test]
fn every_combination_is_decided_by_the_lines() {
    let mut count = 0;
    let mut seen = std::collections::BTreeSet::new();
    every(|action, facts| {
        let told = told(&decide(action, facts, NOW));
        assert_eq!(told, by_the_lines(action, facts, NOW), "{action:?} {facts:?}");
        seen.insert(told);
        count += 1;
    });
    assert_eq!(count, 7 * 3 * 6 * 64 * 21);
    let decided: std::collections::BTreeSet<_> = LINES.iter().map(|line| line.2.to_owned()).collect();
    assert_eq!(seen, decided);
}

#[test]
fn adding_a_hold_never_allows_more() {
    every(|action, facts| {
        for reach in REACHES {
            if reach >= facts.held.reach {
                let mut more = facts.clone();
                more.held.reach = reach;
                let (before, after) = (decide(action, facts, NOW), decide(action, &more, NOW));
                assert!(rank(&after) <= rank(&before), "{action:?} {facts:?} {reach:?}");
            }
        }
    });
}

#[test]
fn whatever_is_held_is_neither_removed_nor_changed() {
    let spared =
        [Action::Restrict, Action::Unrestrict, Action::Release, Action::Append, Action::Read, Action::Export];
    for action in Action::ALL {
        assert_eq!(action.bows_to_hold(), !spared.contains(&action), "{action:?}");
    }
    every(|action, facts| {
        if facts.held.reach == Reach::All && !spared.contains(&action) {
            assert!(!decide(action, facts, NOW).is_allowed(), "{action:?} {facts:?}");
        }
    });
}

#[test]
fn a_longer_lock_never_allows_more_and_a_later_time_never_less() {
    let ends = [0, 999, 1_000, 1_001, 5_000].map(Micros);
    every(|action, facts| {
        let Some(lock) = facts.lock else { return };
        let mut before = u8::MAX;
        for until in ends {
            let longer = Facts { lock: Some(Lock { until, ..lock }), ..facts.clone() };
            let rank = rank(&decide(action, &longer, NOW));
            assert!(rank <= before, "{action:?} {facts:?} {until:?}");
            before = rank;
        }
        let mut before = 0;
        for now in ends {
            let rank = rank(&decide(action, facts, now));
            assert!(rank >= before, "{action:?} {facts:?} {now:?}");
            before = rank;
        }
    });
}

#[test]
fn who_asks_does_not_approve() {
    let own = |needed, given| Approvals { needed, given, by_requester: true }.missing();
    assert_eq!((own(1, 1), own(1, 2), own(2, 2), own(0, 1)), (1, 0, 1, 0));
    // Facts that can't be are no panic.
    assert_eq!((own(1, 0), own(u32::MAX, u32::MAX)), (1, 1));
}

#[test]
fn the_answer_names_what_it_rests_on() {
    let held = Held { reach: Reach::All, codes: vec!["tax".into(), "suit".into()] };
    let lock = Some(Lock { reach: Reach::All, until: FUTURE });
    let mut facts = Facts { held, lock, past_maximum: true, ..Facts::default() };
    let ground = decide(Action::ExpireClass, &facts, NOW).ground().cloned();
    assert_eq!(ground, Some(Ground::Hold { codes: vec!["tax".into(), "suit".into()] }));
    facts.held = Held::default();
    let ground = decide(Action::ExpireClass, &facts, NOW).ground().cloned();
    assert_eq!(ground, Some(Ground::Lock { until: FUTURE }));
    assert_eq!(decide(Action::ExpireClass, &facts, FUTURE), Decision::Allow);
    facts.missing_consents = vec!["ads".into()];
    let ground = decide(Action::Append, &facts, NOW).ground().cloned();
    assert_eq!(ground, Some(Ground::Consent { missing: vec!["ads".into()] }));
    assert_eq!(Decision::Allow.ground(), None);
}

proptest! {
    /// One more approval, consent or case, and one rule less, never allows less.
    #[test]
    fn what_speaks_for_it_never_forbids(
        action in 0usize..20, reach in 0usize..3, lock in 0usize..3, bits in 0u32..64, needed in 0u32..3,
        given in 0u32..3, own: bool, now in 0i64..2_000,
    ) {
        let facts = Facts {
            held: Held { reach: REACHES[reach], codes: Vec::new() },
            lock: Some(Lock { reach: REACHES[lock], until: FUTURE }),
            restricted: bits & 1 > 0,
            has_case: bits & 2 > 0,
            asked_by_person: bits & 4 > 0,
            past_maximum: bits & 8 > 0,
            missing_consents: if bits & 16 > 0 { vec!["ads".into()] } else { Vec::new() },
            approvals: Approvals { needed, given, by_requester: own },
            elsewhere: bits & 32 > 0,
        };
        let (action, now) = (Action::ALL[action], Micros(now));
        let of = |change: fn(&mut Facts)| {
            let mut changed = facts.clone();
            change(&mut changed);
            rank(&decide(action, &changed, now))
        };
        let before = rank(&decide(action, &facts, now));
        prop_assert!(of(|f| f.approvals.given += 1) >= before);
        prop_assert!(of(|f| f.missing_consents.clear()) >= before);
        prop_assert!(of(|f| f.has_case = true) >= before);
        prop_assert!(of(|f| f.past_maximum = true) >= before);
        prop_assert!(of(|f| f.restricted = false) >= before);
        prop_assert!(of(|f| f.elsewhere = false) >= before);
        prop_assert!(of(|f| f.lock = None) >= before);
        prop_assert!(of(|f| f.held = Held::default()) >= before);
        prop_assert!(of(|f| f.asked_by_person = true) >= before);
    }
}

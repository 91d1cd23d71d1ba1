//! The simulator's goals: recorded traces near what no policy can beat, beside no other policy behind, no full ring; and
//! workloads made by rule. `cargo run --release -p dxg-tests --bin replay-goals` prints every figure.

use dxg_tests::goals::{HELD, HELD_SMALL_BESIDE_LONG, Held, RowLimits, Setting, Synthetic, measure, traces};

/// Measures these settings and says what does not hold.
fn check(held: Vec<Held>) {
    let traces = traces().expect("the recorded traces can be read");
    assert!(traces.len() >= 6, "only {} traces", traces.len());
    let settings: Vec<Setting> = held.iter().map(|held| held.setting).collect();
    let rows = measure(&traces, &settings).expect("every setting can be simulated");
    assert_eq!(rows.len(), held.len());
    let complaints: Vec<String> = rows.iter().zip(&held).flat_map(|(row, held)| row.complaints(held.limits)).collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn one_copy_is_near_the_bound_in_every_setting() {
    check(HELD.into_iter().filter(|held| held.setting.copies == 1).collect());
}

/// The shortest and the longest think time; `.ci/run` measures all of them.
#[test]
fn many_copies_are_near_the_bound() {
    let ends = |held: &Held| held.setting.copies == 64 && [0.0, 1.0].contains(&held.setting.think);
    check(HELD.into_iter().filter(ends).collect());
}

#[test]
fn every_setting_of_the_goals_has_a_limit() {
    let mut settings: Vec<Setting> = [1, 64].into_iter().flat_map(Setting::all).collect();
    for held in HELD {
        let before = settings.len();
        settings.retain(|setting| *setting != held.setting);
        assert_eq!(settings.len() + 1, before, "{}", held.setting);
        let goal = RowLimits::goal(held.setting.copies);
        let limits = held.limits;
        let above = limits.mean >= goal.mean && limits.worst >= goal.worst && limits.beside_best >= goal.beside_best;
        assert!(above, "{}: a limit below the goal is none", held.setting);
    }
    assert!(settings.is_empty(), "{settings:?}");
}

#[test]
fn a_limit_that_is_broken_is_said() {
    let traces = traces().expect("the recorded traces can be read");
    let setting = Setting { posted: true, copies: 1, think: 1.0 };
    let row = measure(&traces, &[setting]).expect("it can be simulated").remove(0);
    let complaints = row.complaints(RowLimits { mean: 0.5, worst: 0.5, beside_best: 0.5 });
    assert_eq!(complaints.len(), 1 + 2 * traces.len(), "{complaints:?}");
    let mut impossible = row.clone();
    impossible.measured[0].bound *= 2;
    let complaints = impossible.complaints(RowLimits { mean: 9.0, worst: 9.0, beside_best: 9.0 });
    assert!(complaints[0].contains("is below the bound"), "{complaints:?}");
}

#[test]
fn single_operations_small_beside_long_ones_and_floods() {
    for posted in [true, false] {
        let found = Synthetic::measure(posted, 1_000_000).expect("it can be simulated");
        assert!(found.single <= 1.02 && found.single >= 1.0, "posted {posted}: {found:?}");
        assert!(found.small_beside_long <= HELD_SMALL_BESIDE_LONG, "posted {posted}: {found:?}");
        assert_eq!(found.flood_sleeps, 0, "posted {posted}");
        // Who waits for each answer never fills a ring.
        assert!(!posted || found.flood_sleeps_of_submit_each > 1_000, "{found:?}");
    }
}

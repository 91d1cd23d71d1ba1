//! No policy is ever below the lower bound, whatever the workload, the parameters and the protocol mode.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::Parameters;

fn work() -> impl Strategy<Value = SimWork> {
    let kind = prop_oneof![Just(SimCopy::HostToDevice), Just(SimCopy::DeviceToHost), Just(SimCopy::DeviceToDevice)];
    prop_oneof![
        4 => prop_oneof![1u64..8, 1u64..3000].prop_map(|blocks| SimWork::Launch { blocks }),
        1 => (kind, 0u64..1 << 20).prop_map(|(kind, bytes)| SimWork::Copy { kind, bytes }),
        1 => (0u64..1 << 20).prop_map(|bytes| SimWork::Fill { bytes }),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    let gpu = prop_oneof![0u64..3_000, 0u64..200_000];
    let operation = (0u32..4, work(), gpu, proptest::option::of(0u64..6), 0u32..4);
    let operation =
        operation.prop_map(|(stream, work, gpu, merge, kernel)| SimOperation { stream, work, gpu, merge, kernel });
    prop_oneof![
        5 => operation.prop_map(Action::Enqueue),
        2 => prop_oneof![0u64..15_000, 0u64..500_000].prop_map(Action::Think),
        1 => Just(Action::Sync),
    ]
}

/// Operations that may merge do the same, as the same line of copies of a trace does.
fn agree(workload: &mut Workload) {
    for client in &mut workload.clients {
        for (index, action) in client.actions.iter_mut().enumerate() {
            if let Action::Enqueue(operation) = action {
                let sort = match operation.work {
                    SimWork::Launch { .. } => 0,
                    SimWork::Copy { kind: SimCopy::HostToDevice, .. } => 1,
                    SimWork::Copy { kind: SimCopy::DeviceToHost, .. } => 2,
                    SimWork::Copy { kind: SimCopy::DeviceToDevice, .. } => 3,
                    SimWork::Fill { .. } => 4,
                };
                operation.merge = operation.merge.map(|_| index as u64 * 8 + sort);
            }
        }
    }
}

fn workload() -> impl Strategy<Value = Workload> {
    let start = prop_oneof![Just(0u64), 0u64..20_000, 0u64..300_000];
    // Short ones too: where little happens, the bound is tight.
    let actions = prop_oneof![vec(action(), 0..4), vec(action(), 0..40)];
    let client = (start, actions).prop_map(|(start, actions)| Client { start, streams: 4, actions }).boxed();
    let wait = prop_oneof![Just(Wait::Poll), Just(Wait::Sleep)];
    (prop_oneof![vec(client.clone(), 1..=2), vec(client, 1..=8)], wait).prop_map(|(clients, wait)| {
        let mut workload = Workload { clients, wait };
        agree(&mut workload);
        workload
    })
}

fn parameters() -> impl Strategy<Value = Parameters> {
    let micros = || prop_oneof![2 => Just(None), 1 => Just(Some(0.0)), 2 => (0.0..60.0f64).prop_map(Some)];
    let times = (micros(), micros(), micros(), micros(), micros(), micros(), micros());
    (times, any::<bool>(), prop_oneof![Just(1056u32), 1u32..200], prop_oneof![Just(262_144u32), Just(8192u32)])
        .prop_map(
            |(
                (posted, doorbell, round_trip, message, submission, wake_up, launch),
                async_messages,
                block_slots,
                ring_bytes,
            )| {
                let defaults = Parameters::default();
                Parameters {
                    posted_us: posted.unwrap_or(defaults.posted_us),
                    doorbell_us: doorbell.unwrap_or(defaults.doorbell_us),
                    round_trip_us: round_trip.unwrap_or(defaults.round_trip_us),
                    host_message_us: message.unwrap_or(defaults.host_message_us),
                    host_submission_us: submission.unwrap_or(defaults.host_submission_us),
                    wake_up_us: wake_up.unwrap_or(defaults.wake_up_us),
                    launch_us: launch.unwrap_or(defaults.launch_us),
                    async_messages,
                    block_slots,
                    ring_bytes,
                    ..defaults
                }
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_policy_is_below_the_bound(workload in workload(), parameters in parameters()) {
        let bound = lower_bound(&workload, &parameters).max(copy_engines(&workload, &parameters));
        for policy in SimPolicy::ALL {
            let report = match simulate(&workload, &parameters, policy, None) {
                Ok(report) => report,
                Err(error) => return Err(TestCaseError::fail(format!("{policy}: {error}"))),
            };
            prop_assert!(report.makespan >= bound, "{policy}: {} below {bound}", report.makespan);
            prop_assert_eq!(report.operations, workload.operations());
        }
    }
}

//! What can be chosen about handing work over while a program stands as it is: the policy by its variable, and limits of a
//! device in use.

use std::process::Command as Process;

use dxg_runtime::{Command, Device, Error, Limits, POLICY_VARIABLE, Parameters, Policy, args};
use dxg_tests::{Kernels, block_on};

/// A software device whose policy is left to the environment.
fn device() -> Device {
    Device::builder().selector("software").parameters(Parameters::zero()).open().unwrap()
}

/// Set in the children that this test starts: they are the program that knows nothing of policies.
const CHILD: &str = "DXGRT_TEST_CHILD";

/// The test itself, in a process of its own with this policy; what it said.
fn in_a_child(test: &str, policy: &str) -> (bool, String) {
    let mut process = Process::new(std::env::current_exe().unwrap());
    process.args(["--exact", test, "--nocapture"]).env(CHILD, "1").env(POLICY_VARIABLE, policy);
    let output = process.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn the_variable_makes_a_program_submit_one_by_one_and_name_what_failed() {
    if std::env::var_os(CHILD).is_none() {
        let test = "the_variable_makes_a_program_submit_one_by_one_and_name_what_failed";
        let (passed, said) = in_a_child(test, "one-by-one");
        assert!(passed && said.contains("1 passed"), "{said}");
        let (passed, said) = in_a_child(test, "one by one");
        assert!(!passed && said.contains(POLICY_VARIABLE) && said.contains("one-by-one"), "{said}");
        return;
    }
    let device = device();
    assert_eq!(device.policy(), Policy::OneByOne);
    let kernels = Kernels::load(&device).unwrap();
    let (stream, x) = (device.stream().unwrap(), device.alloc::<u32>(8).unwrap());
    block_on(async {
        let before = device.stats();
        // Nobody awaits these: it is the policy that keeps them apart.
        for value in 0..20 {
            stream.fill(&x, value).await.unwrap();
        }
        stream.synchronize().await.unwrap();
        let filled = device.stats().since(&before);
        assert_eq!((filled.operations, filled.submissions), (20, 20), "each operation goes by itself");
        for turn in 0..9 {
            let launched = match turn {
                5 => stream.launch(&kernels.broken, 1, args![x.write()]).await,
                _ => stream.launch(&kernels.stir, 1, args![x.write(), 3u32]).await,
            };
            // Behind the failure the stream may refuse at once, or the operation fails when its turn comes.
            let outcome = match launched {
                Ok(completion) => completion.await,
                Err(refused) => Err(refused),
            };
            match (turn, outcome) {
                (0..5, Ok(())) | (6.., Err(Error::DependencyFailed { .. })) => {}
                (5, Err(Error::LaunchFailed { kernel, message, .. })) => {
                    assert_eq!(&*kernel, "broken");
                    assert!(message.contains("broken on purpose"), "{message}");
                }
                (_, outcome) => panic!("launch {turn} ended with {outcome:?}"),
            }
        }
    });
}

#[test]
fn limits_set_in_use_hold_for_what_comes_after() {
    let device = Device::builder().selector("software").parameters(Parameters::zero()).policy(Policy::Adaptive);
    let device = device.open().unwrap();
    let kernels = Kernels::load(&device).unwrap();
    let (stream, x) = (device.stream().unwrap(), device.alloc::<u32>(8).unwrap());
    let list: Vec<Command> = (0..32).map(|k| Command::launch(&kernels.stir, 1, args![x.write(), k as u32])).collect();
    let submissions = || {
        let before = device.stats();
        block_on(async { stream.submit(&list).await?.await }).unwrap();
        device.stats().since(&before).submissions
    };
    let free = submissions();
    assert!(free < 16, "{free} submissions for one list of 32");
    device.set_limits(Limits { batch_operations: 2, ..device.limits() }).unwrap();
    let bounded = submissions();
    assert!(bounded >= 16, "{bounded} submissions of at most two operations for 32");
    device.set_limits(Limits::default()).unwrap();
    let free = submissions();
    assert!(free < 16, "{free} submissions for one list of 32, the limit lifted");
}

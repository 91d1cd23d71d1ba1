//! A device in shards: streams of different ones are ordered by events, fail with each other where they must, and end together.

use std::time::{Duration, Instant};

use dxg_runtime::{Command, Device, Error, Event, Graph, Limits, Policy, Stream, args};
use dxg_tests::cuda::{Target, load, same};

use super::fake::Fake;

/// Long enough for what would happen by mistake.
const QUIET: Duration = Duration::from_millis(30);

fn sharded(fake: &Fake) -> Target {
    Target { sharded: true, ..fake.target() }
}

/// A device, and two streams of different shards.
fn two(fake: &Fake) -> (Device, Stream, Stream) {
    let device = sharded(fake).open().unwrap();
    let (one, other) = (device.stream().unwrap(), device.stream().unwrap());
    assert_eq!(fake.calls("cuStreamCreateWithPriority"), 8 + 4, "a shard more, with queues of its own");
    (device, one, other)
}

#[test]
fn streams_are_divided_among_as_many_shards_as_may_be() {
    let fake = Fake::new();
    let device = sharded(&fake).open().unwrap();
    assert_eq!(fake.calls("cuStreamCreateWithPriority"), 8);
    let streams: Vec<_> = (0..10).map(|_| device.stream().unwrap()).collect();
    assert_eq!(fake.calls("cuStreamCreateWithPriority"), 8 + 3 * 4, "four shards");
    let mut ids: Vec<_> = streams.iter().map(Stream::id).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..10).collect::<Vec<_>>(), "numbers are the device's");
    let x = device.alloc::<u32>(10).unwrap();
    for (place, stream) in streams.iter().enumerate() {
        stream.try_fill(x.slice(place..place + 1).unwrap(), place as u32).unwrap();
    }
    device.synchronize_blocking().unwrap();
    same("filled", &streams[3].try_copy_out(&x).unwrap().wait().unwrap(), &(0..10).collect::<Vec<u32>>()).unwrap();
    let stats = device.stats();
    assert_eq!((stats.operations, stats.fills, stats.copies), (11, 10, 1), "all shards are counted");
    assert!(stats.submissions >= 5 && stats.flushes.total() == stats.submissions, "{stats:?}");
    assert_eq!(device.report().stats.operations, 11);
    // A stream that is gone makes room for another in its shard.
    drop(streams);
    let again: Vec<_> = (0..4).map(|_| device.stream().unwrap()).collect();
    again.iter().for_each(|stream| stream.try_fill(&x, 1u32).unwrap().wait().unwrap());
}

#[test]
fn few_streams_or_one_by_one_are_one_shard() {
    for policy in [Policy::Adaptive, Policy::OneByOne] {
        let fake = Fake::new();
        let streams = if policy == Policy::Adaptive { 60 } else { 300 };
        let limits = Limits { shards: 4, ..Limits::default() };
        let device = fake.target().builder().limits(limits).policy(policy).open().unwrap();
        let _streams: Vec<_> = (0..streams).map(|_| device.stream().unwrap()).collect();
        assert_eq!(fake.calls("cuStreamCreateWithPriority"), 8, "{policy}");
    }
    let fake = Fake::new();
    let limits = Limits { shards: 2, ..Limits::default() };
    let device = fake.target().open_with(limits).unwrap();
    let _streams: Vec<_> = (0..300).map(|_| device.stream().unwrap()).collect();
    assert_eq!(fake.calls("cuStreamCreateWithPriority"), 8 + 4, "as many as the limit says");
    let error = device.set_limits(Limits { shards: 3, ..device.limits() }).unwrap_err().to_string();
    assert!(error.contains("limit shards") && error.contains("fixed at 2"), "{error}");
    let error = fake.target().open_with(Limits { shards: 9, ..limits }).unwrap_err().to_string();
    assert!(error.contains("limit shards") && error.contains("at most 4"), "{error}");
}

#[test]
fn a_wait_for_another_shard_holds_the_stream_back_until_the_record_is_complete() {
    let fake = Fake::new();
    let (device, one, other) = two(&fake);
    let (x, y) = (device.alloc::<u32>(8).unwrap(), device.alloc::<u32>(8).unwrap());
    one.try_fill(&x, 1u32).unwrap().wait().unwrap();
    let event = Event::without_time(&device).unwrap();
    // Never recorded: no wait.
    other.try_wait(&event).unwrap().wait().unwrap();
    fake.number("fake_hold", 1);
    let filled = one.try_fill(&x, 2u32).unwrap();
    one.try_record(&event).unwrap();
    let before = other.try_fill(&y, 7u32).unwrap();
    let waited = other.try_wait(&event).unwrap();
    let copied = other.try_copy(&x, &y).unwrap();
    device.flush();
    assert!(copied.wait_timeout(QUIET).is_none() && !waited.is_done() && !filled.is_done());
    fake.number("fake_hold", 0);
    copied.wait_timeout(Duration::from_secs(20)).expect("it is released").unwrap();
    assert!(filled.is_done() && before.is_done() && waited.is_done());
    same("copied behind the wait", &other.try_copy_out(&y).unwrap().wait().unwrap(), &[2; 8]).unwrap();
    // Complete already: it costs nothing, and nothing is held.
    other.try_wait(&event).unwrap().wait().unwrap();
    // Of the stream's own shard again: the latest record counts, wherever the ones before were.
    other.try_fill(&x, 3u32).unwrap();
    other.try_record(&event).unwrap();
    one.try_wait(&event).unwrap();
    same("handed back", &one.try_copy_out(&x).unwrap().wait().unwrap(), &[3; 8]).unwrap();
}

#[test]
fn whoever_waits_behind_a_hold_gets_what_is_gathered_elsewhere() {
    let fake = Fake::new();
    let (device, one, other) = two(&fake);
    let x = device.alloc::<u32>(8).unwrap();
    for turn in 0..50u32 {
        let event = Event::without_time(&device).unwrap();
        one.try_fill(&x, turn).unwrap();
        one.try_record(&event).unwrap();
        other.try_wait(&event).unwrap();
        let read = other.try_copy_out(&x).unwrap();
        same("handed over", &read.wait().unwrap(), &[turn; 8]).unwrap();
        let event = Event::without_time(&device).unwrap();
        other.try_record(&event).unwrap();
        one.try_wait(&event).unwrap();
    }
}

#[test]
fn lists_and_graphs_wait_for_other_shards_too() {
    let fake = Fake::new();
    let (device, one, other) = two(&fake);
    let (x, y) = (device.alloc::<u32>(8).unwrap(), device.alloc::<u32>(8).unwrap());
    let event = Event::without_time(&device).unwrap();
    let commands =
        [Command::wait(&event), Command::copy(&x, &y).unwrap(), Command::marker(), Command::fill(&x, 0u32).unwrap()];
    let mut builder = Graph::builder(&device);
    for command in &commands {
        builder.in_order(command.clone()).unwrap();
    }
    let graph = builder.build().unwrap();
    for turn in 1..20u32 {
        fake.number("fake_hold", 1);
        one.try_fill(&x, turn).unwrap();
        one.try_record(&event).unwrap();
        let done = match turn % 2 {
            0 => other.try_submit(&commands).unwrap(),
            _ => graph.try_launch(&other, &[]).unwrap(),
        };
        device.flush();
        assert!(turn > 2 || done.wait_timeout(QUIET).is_none());
        fake.number("fake_hold", 0);
        done.wait().unwrap();
        same("behind the wait", &other.try_copy_out(&y).unwrap().wait().unwrap(), &[turn; 8]).unwrap();
        // What the next turn writes comes after what this one has read.
        other.try_record(&event).unwrap();
        one.try_wait(&event).unwrap();
    }
}

#[test]
fn a_failure_passes_to_a_stream_of_another_shard_that_waits() {
    for waits_first in [true, false] {
        let fake = Fake::new();
        let (device, bad, other) = two(&fake);
        let axpy = load(&device, "axpy").unwrap();
        let (x, y) = (device.alloc::<f32>(64).unwrap(), device.alloc::<f32>(64).unwrap());
        bad.try_fill(&x, 1.0f32).unwrap().wait().unwrap();
        let event = Event::without_time(&device).unwrap();
        fake.number("fake_hold", 1);
        fake.fail("cuLaunchKernel", 701, 0);
        let refused = bad.try_launch(&axpy, (2, 32), args![1.0f32, x.read(), x.read_write(), 64u32]).unwrap();
        bad.try_record(&event).unwrap();
        let wait = || {
            let before = other.try_fill(&y, 5.0f32).unwrap();
            let waited = other.try_wait(&event).unwrap();
            (before, waited, other.try_fill(&y, 6.0f32))
        };
        let held = if waits_first { Some(wait()) } else { None };
        device.flush();
        fake.number("fake_hold", 0);
        let error = refused.wait().unwrap_err();
        assert!(matches!(error, Error::LaunchFailed { .. }), "{error}");
        let (before, waited, behind) = held.unwrap_or_else(wait);
        before.wait().unwrap();
        let error = waited.wait().unwrap_err();
        assert!(matches!(&error, Error::DependencyFailed { cause } if cause.to_string().contains("axpy")), "{error}");
        // Refused, or accepted before the failure was known.
        let behind = behind.map_or(true, |behind| behind.wait().is_err());
        assert!(behind, "what is behind the wait fails with it");
        other.reset().unwrap();
        same("before", &other.try_copy_out(&y).unwrap().wait().unwrap(), &[5.0; 64]).unwrap();
        bad.reset().unwrap();
        same("refused", &bad.try_copy_out(&x).unwrap().wait().unwrap(), &[1.0; 64]).unwrap();
    }
}

#[test]
fn a_device_lost_by_one_shard_is_lost_for_all() {
    let fake = Fake::new();
    let (device, one, other) = two(&fake);
    let kernel = load(&device, "nothing").unwrap();
    let x = device.alloc::<u32>(8).unwrap();
    one.try_fill(&x, 1u32).unwrap().wait().unwrap();
    let third = device.stream().unwrap();
    let event = Event::without_time(&device).unwrap();
    // Until the first shard sleeps without a limit.
    std::thread::sleep(QUIET);
    fake.number("fake_hold", 1);
    fake.number("fake_fault", 700);
    let bad = other.try_launch(&kernel, 1, args![]).unwrap();
    other.try_record(&event).unwrap();
    let held = third.try_wait(&event).unwrap();
    device.flush();
    fake.number("fake_hold", 0);
    for (what, done) in [("the launch", bad), ("what waits for it", held)] {
        let error = done.wait_timeout(Duration::from_secs(30)).expect("a lost device ends every wait").unwrap_err();
        assert!(error.is_device_lost(), "{what}: {error}");
    }
    let begun = Instant::now();
    // The first shard has nothing to do, and finds out all the same.
    while device.stream().is_ok() {
        // Not often: many requests would bring it to look.
        std::thread::sleep(Duration::from_millis(5));
        assert!(begun.elapsed() < Duration::from_secs(5), "an idle shard never learns of it");
    }
    assert!([&one, &other, &third].iter().all(|stream| stream.try_fill(&x, 2u32).is_err()));
    assert!(device.alloc::<u32>(1).is_err());
    assert!(device.shutdown_blocking(Duration::from_secs(20)), "every shard ends");
}

#[test]
fn a_shutdown_completes_what_every_shard_has_accepted_and_gives_everything_back() {
    let fake = Fake::new();
    let device = sharded(&fake).open().unwrap();
    let streams: Vec<_> = (0..8).map(|_| device.stream().unwrap()).collect();
    let x = device.alloc::<u32>(64).unwrap();
    let events: Vec<_> = (0..8).map(|_| Event::without_time(&device).unwrap()).collect();
    let mut done = Vec::new();
    for turn in 0..200u32 {
        let at = turn as usize % 8;
        streams[at].try_wait(&events[(at + 7) % 8]).unwrap();
        done.push(streams[at].try_fill(&x, turn).unwrap());
        streams[at].try_record(&events[at]).unwrap();
    }
    assert!(device.shutdown_blocking(Duration::from_secs(20)));
    done.iter().for_each(|done| done.wait().unwrap());
    assert!(matches!(streams[5].try_fill(&x, 1u32), Err(dxg_runtime::TryError::Failed(Error::ShutDown))));
    drop((done, events, streams, x, device));
    let begun = Instant::now();
    while fake.retained() > 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "the context is still held");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_shard_that_cannot_be_opened_leaves_its_streams_to_the_others() {
    let fake = Fake::new();
    let limits = Limits { pinned_bytes: 80 << 20, staging_bytes: 1 << 20, ..Limits::default() };
    let device = sharded(&fake).open_with(limits).unwrap();
    let host = device.host_buffer::<u8>(56 << 20).unwrap();
    let streams: Vec<_> = (0..20).map(|_| device.stream().unwrap()).collect();
    let x = device.alloc::<u32>(20).unwrap();
    for stream in &streams {
        stream.try_fill(&x, 3u32).unwrap().wait().unwrap();
    }
    let made = fake.calls("cuStreamCreateWithPriority");
    assert!(made < 8 + 3 * 4, "there was memory for all: {made}, {:?}", device.memory_info());
    drop(host);
}

#[test]
fn limits_and_policy_are_those_of_every_shard() {
    let fake = Fake::new();
    let (device, one, other) = two(&fake);
    let x = device.alloc::<u32>(1).unwrap();
    device.set_policy(Policy::Fixed(1)).unwrap();
    device.set_limits(Limits { stream_operations: dxg_runtime::Bound::new(4, 2), ..device.limits() }).unwrap();
    let (_third, fourth) = (device.stream().unwrap(), device.stream().unwrap());
    for stream in [&one, &other, &fourth] {
        fake.number("fake_hold", 1);
        let before = device.stats();
        for _ in 0..4 {
            stream.try_fill(&x, 1u32).unwrap();
        }
        assert!(matches!(stream.try_fill(&x, 1u32), Err(dxg_runtime::TryError::Full { .. })));
        fake.number("fake_hold", 0);
        stream.last().wait().unwrap();
        assert_eq!(device.stats().since(&before).submissions, 4, "one in each");
    }
}

#[test]
fn room_is_that_of_the_device() {
    let fake = Fake::new();
    let limits = Limits { device_operations: dxg_runtime::Bound::new(4, 2), ..Limits::default() };
    let device = sharded(&fake).open_with(limits).unwrap();
    let (one, other) = (device.stream().unwrap(), device.stream().unwrap());
    let x = device.alloc::<u32>(8).unwrap();
    fake.number("fake_hold", 1);
    for _ in 0..4 {
        one.try_fill(&x, 1u32).unwrap();
    }
    let full = other.try_fill(&x, 2u32).unwrap_err();
    assert!(matches!(full, dxg_runtime::TryError::Full { bound: dxg_runtime::Full::Device, .. }), "{full}");
    fake.number("fake_hold", 0);
    // Nobody waits for the others' operations, nor flushes them.
    for turn in 0..100u32 {
        let stream = if turn % 2 == 0 { &other } else { &one };
        drop(futures::executor::block_on(stream.fill(&x, turn)).unwrap());
    }
    device.synchronize_blocking().unwrap();
}

#[test]
fn a_timeline_shows_every_shard() {
    let fake = Fake::new();
    let (device, one, other) = two(&fake);
    let recording = device.record_timeline().unwrap();
    let third = device.stream().unwrap();
    let x = device.alloc::<u32>(8).unwrap();
    for stream in [&one, &other, &third] {
        stream.try_fill(&x, 1u32).unwrap().wait().unwrap();
    }
    assert!(device.record_timeline().is_err(), "it is recorded already");
    let mut document = Vec::new();
    let summary = recording.finish(&mut document).unwrap();
    assert_eq!((summary.batches, summary.operations), (3, 3));
    let document = String::from_utf8(document).unwrap();
    for shard in ["shard 0: streams", "shard 1: streams", "shard 2: streams"] {
        assert!(document.contains(shard), "{shard}");
    }
    drop(device.record_timeline().expect("the other has ended everywhere"));
}

//! Hostile callers: any bytes as arguments of any ioctl. The adapter answers; it never panics, hangs or touches memory
//! that the caller could not touch itself.

mod raw;

use dxg_io::software::Parameters;
use dxg_io::sys;
use proptest::prelude::*;
use raw::{Client, adapter};

/// What a word of the argument struct is made of.
#[derive(Clone, Debug)]
enum Word {
    Any(u32),
    Small(u32),
    Handle(usize),
    Buffer(u16),
}

fn word() -> impl Strategy<Value = Word> {
    prop_oneof![
        1 => any::<u32>().prop_map(Word::Any),
        4 => (0u32..40).prop_map(Word::Small),
        4 => any::<prop::sample::Index>().prop_map(|index| Word::Handle(index.index(16))),
        2 => any::<u16>().prop_map(Word::Buffer),
    ]
}

/// A client with one object of each kind, and their handles.
fn furnished() -> (Client, Vec<u32>) {
    let adapter = adapter(Parameters::zero());
    let client = Client::new(&adapter);
    let handle = client.enumerate();
    let device = client.device(handle);
    let context = client.context(device);
    let (queue, progress) = client.hw_queue(context);
    let (paging_queue, paging) = client.paging_queue(device);
    let fence = client.fence(device, 0);
    let allocation = client.allocation(device, 65_536);
    let handles =
        [handle, device, context, queue, progress.handle, paging_queue, paging.handle, fence.handle, allocation];
    (client, handles.iter().map(|handle| handle.v).chain([0]).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_arguments_are_answered(calls in prop::collection::vec((0usize..62, prop::collection::vec(word(), 202)), 1..60)) {
        let (client, handles) = furnished();
        let mut buffer = vec![0u64; 64];
        for (index, handle) in handles.iter().cycle().take(32).enumerate() {
            buffer[index] = u64::from(*handle) | u64::from(*handle) << 32;
        }
        let buffer_at = buffer.as_mut_ptr() as u64;
        for (which, words) in calls {
            let info = &sys::IOCTLS[which];
            let mut argument = vec![0u64; 101];
            let bytes = argument.as_mut_ptr().cast::<u32>();
            let mut at = 0;
            for word in words {
                let (value, length) = match word {
                    Word::Any(value) | Word::Small(value) => (u64::from(value), 1),
                    Word::Handle(index) => (u64::from(handles[index % handles.len()]), 1),
                    Word::Buffer(_) if at % 2 == 1 => (0, 1),
                    Word::Buffer(offset) => (buffer_at + u64::from(offset % 256), 2),
                };
                for part in 0..length {
                    if at < 202 {
                        // SAFETY: the argument has 202 words.
                        unsafe { bytes.add(at).write((value >> (32 * part)) as u32) };
                        at += 1;
                    }
                }
            }
            if info.request == sys::LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMCPU && argument[3] == 0 {
                // Without an eventfd a wait that is never satisfied would block for good, as it should.
                argument[3] = 1;
            }
            let outcome = client.call_at(info.request, argument.as_mut_ptr() as u64);
            prop_assert!(outcome.ret != -1 || outcome.errno != 0, "{}: {outcome:?}", info.name);
        }
    }
}

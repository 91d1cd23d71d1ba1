//! Batches made by hand, lowered, and read back with the engine's own reader.

use std::sync::Arc;

use dxg_io::software::packet::{Access, Commands, Packet};
use dxg_scheduler::{AccessList, CopyKind, CostKey, EventId, Extent, GroupKind, Hazard, Point, StreamId, Ticket, Work};

use super::*;
use crate::backend::LoadedKernel;
use crate::backend::dxg::test_batch::{TestOperation, batch};
use crate::op::{ArgBytes, Blocks, KeepAlive, Launch, Shape};

const HEADER: Header = Header { status_va: 0x1000, poison_va: 0x2000 };

fn kernel(id: u64) -> Arc<LoadedKernel> {
    LoadedKernel::new(id, "k".into(), None, Arc::new(()))
}

fn launch(kernel_id: u64) -> TestOperation {
    let access = Access { arg_offset: 8, flags: Access::READ, va: 0xabc0, len: 64 };
    let kind = OpKind::Launch(Launch {
        kernel: kernel(kernel_id),
        shape: Shape::new([3, 2, 1], [64, 1, 1], 16).expect("a small grid"),
        args: ArgBytes::from_slice(&[7; 16]),
        blocks: Blocks::new(),
    });
    let work = Work::Launch { merge: Some(kernel_id), blocks: 6, cost: CostKey(0) };
    (work, kind, Hazard::Declared(AccessList::from_slice(&[ArgTag::pack(access)])))
}

fn copy(src: u64, dst: u64, len: u64) -> TestOperation {
    (Work::Copy { kind: CopyKind::HostToDevice, src, dst, len }, OpKind::Copy(KeepAlive::new()), Hazard::Ordered)
}

fn fill(dst: u64) -> TestOperation {
    let kind = OpKind::Fill { pattern: 0xffff, pattern_len: 4, held: KeepAlive::new() };
    (Work::Fill { dst, len: 8, pattern_len: 4 }, kind, Hazard::Ordered)
}

/// The packets of a command buffer, one word each.
fn read(bytes: &[u8]) -> Vec<String> {
    let (header, commands) = Commands::parse(bytes).expect("a command buffer");
    assert_eq!(header, HEADER);
    commands
        .map(|packet| match packet.expect("a packet") {
            Packet::Dispatch(dispatch) => {
                let tags: Vec<_> = dispatch.items().map(|item| item.expect("an item").op_tag).collect();
                format!("dispatch {} {tags:?}", dispatch.kernel)
            }
            Packet::Copy(copies) => {
                let list: Vec<_> = copies.iter().map(|c| (c.op_tag, c.src, c.dst, c.len)).collect();
                format!("copy {list:?}")
            }
            Packet::Fill(fills) => {
                let list: Vec<_> = fills.iter().map(|f| (f.op_tag, f.dst, f.len, f.pattern, f.pattern_len)).collect();
                format!("fill {list:?}")
            }
            other => format!("{other:?}"),
        })
        .collect()
}

fn lowered(batch: &Batch<Op>) -> Vec<String> {
    let most = bytes_at_most(batch);
    let mut buffer = vec![0xee; most];
    let len = lower(batch, &mut buffer, HEADER, 0).expect("bytes_at_most are enough");
    assert!(len <= most);
    let packets = read(&buffer[..len]);
    // One byte less than it took is refused, whatever is written by then.
    assert!(lower(batch, &mut buffer[..len - 1], HEADER, 0).is_err());
    packets
}

#[test]
fn a_group_is_one_packet_and_waves_are_apart() {
    let batch = batch(vec![
        (None, vec![(GroupKind::Launch, vec![launch(5), launch(5), launch(5)]), (GroupKind::Fill, vec![fill(0x40)])]),
        (
            Some(11),
            vec![(GroupKind::Copy(CopyKind::HostToDevice), vec![copy(0x100, 0x200, 8), copy(0x300, 0x400, 16)])],
        ),
        (Some(12), vec![(GroupKind::Launch, vec![launch(6)])]),
    ]);
    let packets = lowered(&batch);
    assert_eq!(packets.len(), 7, "{packets:#?}");
    assert_eq!(packets[0], "dispatch 5 [1, 2, 3]");
    assert_eq!(packets[1], "fill [(4, 64, 8, 65535, 4)]");
    assert!(packets[2].starts_with("Barrier"));
    assert_eq!(packets[3], "copy [(5, 256, 512, 8), (6, 768, 1024, 16)]");
    assert!(packets[4].starts_with("Barrier"));
    assert!(packets[5].starts_with("Progress") && packets[5].contains("11"), "{}", packets[5]);
    assert_eq!(packets[6], "dispatch 6 [7]");
}

#[test]
fn adjacent_copies_are_one_entry() {
    let mut batch = batch(vec![(
        Some(1),
        vec![(GroupKind::Copy(CopyKind::DeviceToHost), vec![copy(0x100, 0x200, 8), copy(0x108, 0x208, 8)])],
    )]);
    batch.extents = vec![Extent { src: 0x100, dst: 0x200, len: 16, operations: 0..2 }];
    batch.groups[0].extents = 0..1;
    assert_eq!(lowered(&batch), ["copy [(1, 256, 512, 16)]"]);
}

#[test]
fn launches_carry_everything() {
    let batch = batch(vec![(Some(1), vec![(GroupKind::Launch, vec![launch(9)])])]);
    let mut buffer = vec![0; 4096];
    let len = lower(&batch, &mut buffer, HEADER, 0).expect("room");
    let (_, mut commands) = Commands::parse(&buffer[..len]).expect("a command buffer");
    let Some(Ok(Packet::Dispatch(dispatch))) = commands.next() else { panic!("a dispatch") };
    let item = dispatch.items().next().expect("one").expect("an item");
    assert_eq!((item.op_tag, item.stream), (1, 1));
    assert_eq!((item.grid, item.block, item.shared_bytes), ([3, 2, 1], [64, 1, 1], 16));
    assert_eq!(item.args, [7; 16]);
    assert_eq!(item.accesses.get(0), Some(Access { arg_offset: 8, flags: Access::READ, va: 0xabc0, len: 64 }));
}

#[test]
fn kernels_in_one_group_are_never_mixed() {
    let batch = batch(vec![(Some(1), vec![(GroupKind::Launch, vec![launch(1), launch(2), launch(2)])])]);
    assert_eq!(lowered(&batch), ["dispatch 1 [1]", "dispatch 2 [2, 3]"]);
}

#[test]
fn waits_pass_failures_on_and_records_take_the_time() {
    let source = Some(Point { stream: StreamId(9), ticket: Ticket(77) });
    let wait = |source| (Work::Wait { event: EventId(0), source }, OpKind::Wait(KeepAlive::new()), Hazard::Ordered);
    let record = |timestamp| {
        (
            Work::Record { event: EventId(0), timed: timestamp != 0 },
            OpKind::Record { timestamp, held: KeepAlive::new() },
            Hazard::Ordered,
        )
    };
    let batch = batch(vec![(
        Some(1),
        vec![
            (GroupKind::Depend, vec![wait(source), wait(None)]),
            (GroupKind::Timestamp, vec![record(0x5000), record(0)]),
            (GroupKind::None, vec![(Work::Marker, OpKind::Marker(KeepAlive::new()), Hazard::Ordered)]),
        ],
    )]);
    let packets = lowered(&batch);
    assert_eq!(packets.len(), 2, "{packets:?}");
    assert!(packets[0].starts_with("Depend") && packets[0].contains("77"), "{}", packets[0]);
    assert!(packets[1].starts_with("Timestamp") && packets[1].contains("20480"), "{}", packets[1]);
}

#[test]
fn a_batch_of_nothing_is_still_a_command_buffer() {
    let batch = batch(vec![(
        Some(1),
        vec![(GroupKind::None, vec![(Work::Marker, OpKind::Marker(KeepAlive::new()), Hazard::Ordered)])],
    )]);
    assert_eq!(lowered(&batch), Vec::<String>::new());
}

//! Encoding command packets: launches as items of one DISPATCH, copies as entries of one COPY. An element is an operation.
//!
//!     cargo bench -p dxg-io

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dxg_io::software::packet::{Access, CommandWriter, CopyEntry, Header, ItemDescription};

const OPERATIONS: u64 = 1024;
const HEADER: Header = Header { status_va: 0x1000, poison_va: 0x2000, after: None };

fn packet_encoding(criterion: &mut Criterion) {
    let mut memory = vec![0u8; 1 << 20];
    let mut group = criterion.benchmark_group("packet encoding");
    group.throughput(Throughput::Elements(OPERATIONS));
    let accesses = [
        Access { arg_offset: 8, flags: Access::READ, va: 0x10_0000, len: 1024 },
        Access { arg_offset: 16, flags: Access::READ | Access::WRITE, va: 0x20_0000, len: 1024 },
    ];
    group.bench_function("1024 launches", |bencher| {
        bencher.iter(|| {
            let mut writer = CommandWriter::new(&mut memory, HEADER).expect("room for a header");
            let mut packet = writer.dispatch(1).expect("room for a packet");
            for tag in 0..OPERATIONS {
                let item = ItemDescription {
                    op_tag: tag,
                    stream: tag as u32 % 64,
                    grid: [1, 1, 1],
                    block: [1, 1, 1],
                    shared_bytes: 0,
                    args: &[7; 24],
                    accesses: &accesses,
                };
                packet.item(black_box(&item)).expect("room for an item");
            }
            drop(packet);
            writer.len()
        });
    });
    group.bench_function("1024 copies", |bencher| {
        bencher.iter(|| {
            let mut writer = CommandWriter::new(&mut memory, HEADER).expect("room for a header");
            let mut packet = writer.copy().expect("room for a packet");
            for tag in 0..OPERATIONS {
                let src = 0x10_0000 + 1024 * tag;
                let entry = CopyEntry { op_tag: tag, stream: tag as u32 % 64, src, dst: src + (1 << 24), len: 1024 };
                packet.entry(black_box(entry)).expect("room for an entry");
            }
            drop(packet);
            writer.len()
        });
    });
    group.finish();
}

criterion_group!(packets, packet_encoding);
criterion_main!(packets);

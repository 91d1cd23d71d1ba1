use super::*;
use proptest::prelude::*;

type WrittenItem = (u64, u32, [u32; 3], [u32; 3], u32, Vec<u8>, Vec<Access>);

#[derive(Clone, Debug)]
enum Written {
    Dispatch(u64, Vec<WrittenItem>),
    Copy(Vec<CopyEntry>),
    Fill(Vec<FillEntry>),
    Barrier,
    Progress(u64),
    Timestamp(u64),
    Depend(u32, u64, u32, u64),
    Nop(usize),
}

fn access() -> impl Strategy<Value = Access> {
    (any::<u32>(), 1..4u32, any::<u64>(), any::<u64>()).prop_map(|(arg_offset, flags, va, len)| Access {
        arg_offset,
        flags,
        va,
        len,
    })
}

fn written() -> impl Strategy<Value = Written> {
    let item = (
        1..u64::MAX,
        any::<u32>(),
        any::<[u32; 3]>(),
        any::<[u32; 3]>(),
        any::<u32>(),
        proptest::collection::vec(any::<u8>(), 0..80),
        proptest::collection::vec(access(), 0..5),
    );
    let copy = any::<(u64, u32, u64, u64, u64)>().prop_map(|(op_tag, stream, src, dst, len)| CopyEntry {
        op_tag,
        stream,
        src,
        dst,
        len,
    });
    let fill =
        (any::<(u64, u32, u64, u64, u64)>(), 0..4u32).prop_map(|((op_tag, stream, dst, len, pattern), shift)| {
            FillEntry { op_tag, stream, pattern_len: 1 << shift, dst, len, pattern }
        });
    prop_oneof![
        (any::<u64>(), proptest::collection::vec(item, 1..6))
            .prop_map(|(kernel, items)| Written::Dispatch(kernel, items)),
        proptest::collection::vec(copy, 1..6).prop_map(Written::Copy),
        proptest::collection::vec(fill, 1..6).prop_map(Written::Fill),
        Just(Written::Barrier),
        any::<u64>().prop_map(Written::Progress),
        any::<u64>().prop_map(|va| Written::Timestamp(va & !7)),
        any::<(u32, u64, u32, u64)>().prop_map(|(dst, by, src, tag)| Written::Depend(dst, by, src, tag)),
        (0..100usize).prop_map(Written::Nop),
    ]
}

fn write(writer: &mut CommandWriter<'_>, packet: &Written) -> Result<(), Full> {
    match packet {
        Written::Dispatch(kernel, items) => {
            let mut dispatch = writer.dispatch(*kernel)?;
            for (op_tag, stream, grid, block, shared_bytes, args, accesses) in items {
                dispatch.item(&ItemDescription {
                    op_tag: *op_tag,
                    stream: *stream,
                    grid: *grid,
                    block: *block,
                    shared_bytes: *shared_bytes,
                    args,
                    accesses,
                })?;
            }
            Ok(())
        }
        Written::Copy(entries) => {
            let mut copy = writer.copy()?;
            entries.iter().try_for_each(|entry| copy.entry(*entry))
        }
        Written::Fill(entries) => {
            let mut fill = writer.fill()?;
            entries.iter().try_for_each(|entry| fill.entry(*entry))
        }
        Written::Barrier => writer.barrier(),
        Written::Progress(value) => writer.progress(*value),
        Written::Timestamp(va) => writer.timestamp(*va),
        Written::Depend(dst, by, src, tag) => writer.depend(*dst, *by, *src, *tag),
        Written::Nop(bytes) => writer.nop(*bytes),
    }
}

fn assert_same(written: &Written, read: &Packet<'_>) {
    match (written, read) {
        (Written::Dispatch(kernel, items), Packet::Dispatch(dispatch)) => {
            assert_eq!((*kernel, items.len() as u32), (dispatch.kernel, dispatch.count));
            let read: Vec<_> = dispatch.items().map(|item| item.expect("a written item reads back")).collect();
            assert_eq!(read.len(), items.len());
            for (read, (op_tag, stream, grid, block, shared_bytes, args, accesses)) in read.iter().zip(items) {
                assert_eq!((read.op_tag, read.stream, read.grid), (*op_tag, *stream, *grid));
                assert_eq!((read.block, read.shared_bytes, read.args), (*block, *shared_bytes, &args[..]));
                assert_eq!(read.accesses.iter().collect::<Vec<_>>(), *accesses);
            }
        }
        (Written::Copy(entries), Packet::Copy(read)) => assert_eq!(read.iter().collect::<Vec<_>>(), *entries),
        (Written::Fill(entries), Packet::Fill(read)) => assert_eq!(read.iter().collect::<Vec<_>>(), *entries),
        (Written::Barrier, Packet::Barrier) | (Written::Nop(_), Packet::Nop) => {}
        (Written::Progress(written), Packet::Progress { value }) => assert_eq!(written, value),
        (Written::Timestamp(written), Packet::Timestamp { va }) => assert_eq!(written, va),
        (Written::Depend(dst, by, src, tag), Packet::Depend { dst_stream, dst_tag, src_stream, src_tag }) => {
            assert_eq!((dst, by, src, tag), (dst_stream, dst_tag, src_stream, src_tag));
        }
        (written, read) => panic!("wrote {written:?}, read {read:?}"),
    }
}

/// Walks everything that a reader can reach.
fn walk(bytes: &[u8]) {
    let Ok((_, commands)) = Commands::parse(bytes) else { return };
    for packet in commands {
        match packet {
            Ok(Packet::Dispatch(dispatch)) => {
                for item in dispatch.items().flatten() {
                    assert!(item.args.len() <= MAX_ARG_BYTES);
                    assert_eq!(item.accesses.iter().count(), item.accesses.len());
                    item.blocks();
                }
            }
            Ok(Packet::Copy(copies)) => drop(copies.iter().count()),
            Ok(Packet::Fill(fills)) => assert!(fills.iter().all(|fill| fill.pattern_len.is_power_of_two())),
            Ok(_) => {}
            Err(error) => assert!(error.offset <= bytes.len()),
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_back(packets in proptest::collection::vec(written(), 0..12), room in 0..40_000usize) {
        let mut buffer = vec![0xA5; room];
        let header = Header { status_va: 0x1000, poison_va: 0x2000, after: Some(9) };
        let Ok(mut writer) = CommandWriter::new(&mut buffer, header) else { return Ok(()) };
        let mut whole = 0;
        for packet in &packets {
            if write(&mut writer, packet).is_err() {
                break;
            }
            whole += 1;
        }
        let length = writer.len();
        let (read_header, commands) = Commands::parse(&buffer[..length]).expect("the header reads back");
        prop_assert_eq!(header, read_header);
        let read: Vec<_> = commands.map(|packet| packet.expect("a written packet reads back")).collect();
        // A packet that did not fit whole may have left its first entries.
        prop_assert!(read.len() == whole || read.len() == whole + 1);
        for (written, read) in packets.iter().zip(&read).take(whole) {
            assert_same(written, read);
        }
    }

    #[test]
    fn random_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..600), framed in any::<bool>()) {
        if framed && bytes.len() >= HEADER_BYTES {
            bytes[..4].copy_from_slice(&MAGIC.to_le_bytes());
            bytes[4..8].copy_from_slice(&1u32.to_le_bytes());
            bytes[8..HEADER_BYTES].fill(0);
        }
        walk(&bytes);
    }

    #[test]
    fn damaged_buffers_never_panic(
        packets in proptest::collection::vec(written(), 1..8),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut buffer = vec![0; 20_000];
        let mut writer = CommandWriter::new(&mut buffer, Header::default()).expect("room for the header");
        for packet in &packets {
            if write(&mut writer, packet).is_err() {
                break;
            }
        }
        let length = writer.len();
        for (place, byte) in damage {
            buffer[place.index(length)] = byte;
        }
        walk(&buffer[..length]);
        walk(&buffer[..cut.index(length)]);
    }
}

fn one_packet(write: impl FnOnce(&mut CommandWriter<'_>)) -> Vec<u8> {
    let mut buffer = vec![0; 4096];
    let mut writer = CommandWriter::new(&mut buffer, Header::default()).expect("room for the header");
    write(&mut writer);
    let length = writer.len();
    buffer.truncate(length);
    buffer
}

fn first_error(bytes: &[u8]) -> Option<&'static str> {
    match Commands::parse(bytes) {
        Err(error) => Some(error.what),
        Ok((_, commands)) => {
            for packet in commands {
                match packet {
                    Err(error) => return Some(error.what),
                    Ok(Packet::Dispatch(dispatch)) => {
                        if let Some(Err(error)) = dispatch.items().find(Result::is_err) {
                            return Some(error.what);
                        }
                    }
                    Ok(_) => {}
                }
            }
            None
        }
    }
}

#[test]
fn each_kind_of_damage_is_named() {
    let good = one_packet(|writer| writer.progress(7).expect("room"));
    assert_eq!(first_error(&good), None);
    let damaged = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        first_error(&bytes).expect("damage is found")
    };
    assert!(damaged(0, 0).contains("magic"));
    assert!(damaged(4, 9).contains("version"));
    assert!(damaged(8, 1).contains("8-byte aligned"));
    assert!(damaged(32, 99).contains("opcode"));
    assert!(damaged(34, 1).contains("flags"));
    assert!(damaged(36, 8).contains("multiple of 16"));
    assert!(damaged(36, 32).contains("longer than the buffer"));
    assert!(damaged(32, Opcode::Depend as u8).contains("does not fit the opcode"));
    assert!(first_error(&good[..40]).expect("damage is found").contains("smallest packet"));
    assert!(first_error(&good[..31]).expect("damage is found").contains("header"));
}

#[test]
fn counts_that_exceed_the_packet_are_refused() {
    let item = ItemDescription {
        op_tag: 1,
        stream: 0,
        grid: [1; 3],
        block: [1; 3],
        shared_bytes: 0,
        args: &[1, 2, 3],
        accesses: &[],
    };
    let good = one_packet(|writer| writer.dispatch(1).expect("room").item(&item).expect("room"));
    let with = |at: usize, value: u32| {
        let mut bytes = good.clone();
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        first_error(&bytes).expect("damage is found")
    };
    assert!(with(HEADER_BYTES + 16, 2).contains("number of items"));
    assert!(with(HEADER_BYTES + 16, u32::MAX).contains("number of items"));
    assert!(with(HEADER_BYTES + 16, 0).contains("longer than its items"));
    let item_start = HEADER_BYTES + DISPATCH_BYTES;
    assert!(with(item_start + 12, 17).contains("longer than its packet"));
    assert!(with(item_start + 12, u32::MAX).contains("4096"));
    assert!(with(item_start + 40, 65).contains("64 accesses"));
    assert!(with(item_start, 0).contains("must not be 0"));

    let fill = one_packet(|writer| {
        let entry = FillEntry { pattern_len: 4, ..FillEntry::default() };
        writer.fill().expect("room").entry(entry).expect("room");
    });
    let mut bad = fill.clone();
    bad[HEADER_BYTES + ENTRIES_BYTES + 12] = 3;
    assert!(first_error(&bad).expect("damage is found").contains("pattern"));
    let mut bad = fill;
    bad[HEADER_BYTES + 8] = 9;
    assert!(first_error(&bad).expect("damage is found").contains("entries"));
}

#[test]
fn a_full_buffer_says_so_and_stays_valid() {
    let mut buffer = [0; HEADER_BYTES + 16 + ENTRIES_BYTES + 48];
    let mut writer = CommandWriter::new(&mut buffer, Header::default()).expect("room");
    writer.progress(1).expect("room");
    let mut copy = writer.copy().expect("room");
    copy.entry(CopyEntry { op_tag: 5, ..CopyEntry::default() }).expect("room");
    let full = copy.entry(CopyEntry::default()).expect_err("the buffer is full");
    assert_eq!(full, Full { needed: 96, left: 64 });
    assert_eq!(copy.entries(), 1);
    drop(copy);
    assert_eq!(writer.barrier(), Err(Full { needed: 16, left: 0 }));
    let length = writer.len();
    assert_eq!(first_error(&buffer[..length]), None);
    assert!(CommandWriter::new(&mut [0; 31], Header::default()).is_err());
}

#[test]
fn a_packet_without_entries_disappears() {
    let bytes = one_packet(|writer| {
        drop(writer.dispatch(1).expect("room"));
        drop(writer.copy().expect("room"));
        drop(writer.fill().expect("room"));
        assert!(writer.is_empty());
    });
    assert_eq!(bytes.len(), HEADER_BYTES);
}

#[test]
fn a_huge_grid_does_not_overflow() {
    let item = Item {
        op_tag: 1,
        stream: 0,
        grid: [u32::MAX; 3],
        block: [1; 3],
        shared_bytes: 0,
        args: &[],
        accesses: Accesses::default(),
    };
    assert_eq!(item.blocks(), u64::MAX);
}

//! The packet decoder: any bytes are walked as far as a reader can reach.

use dxg_io::software::packet::{Commands, MAGIC, MAX_ARG_BYTES, Packet, VERSION};

/// Walks the bytes as a command buffer: as they are, and behind a header that is right.
pub fn packets(data: &[u8]) -> u64 {
    walk(data);
    let mut headed = Vec::with_capacity(data.len() + 32);
    headed.extend(MAGIC.to_le_bytes());
    headed.extend(u32::from(VERSION).to_le_bytes());
    headed.extend([0; 24]);
    headed.extend(data);
    walk(&headed);
    2
}

fn walk(bytes: &[u8]) {
    let Ok((_, mut commands)) = Commands::parse(bytes) else { return };
    let mut before = commands.offset();
    while let Some(packet) = commands.next() {
        match packet {
            Ok(Packet::Dispatch(dispatch)) => {
                let mut items = dispatch.items();
                while let Some(item) = items.next() {
                    let Ok(item) = item else { break };
                    assert!(item.args.len() <= MAX_ARG_BYTES, "an item with {} bytes of arguments", item.args.len());
                    assert_eq!(item.accesses.iter().count(), item.accesses.len());
                    let _blocks = item.blocks();
                    assert!(items.offset() <= bytes.len());
                }
            }
            Ok(Packet::Copy(copies)) => assert!(copies.iter().count() <= bytes.len() / 40),
            Ok(Packet::Fill(fills)) => {
                assert!(fills.iter().all(|fill| matches!(fill.pattern_len, 1 | 2 | 4 | 8)));
            }
            Ok(_) => {}
            Err(error) => {
                assert!(error.offset <= bytes.len(), "{error}");
                return;
            }
        }
        // Every packet takes room, so a walk comes to an end.
        assert!(commands.offset() > before && commands.offset() <= bytes.len());
        before = commands.offset();
    }
}

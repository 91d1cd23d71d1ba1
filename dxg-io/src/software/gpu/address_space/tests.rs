use proptest::prelude::*;

use super::{super::memory::PageArena, *};

fn arena() -> PageArena {
    PageArena::new(c"test", 64 * PAGE_BYTES).expect("memory")
}

fn request(arena: &PageArena, base: Option<u64>, pages: u64) -> MapRequest {
    let backing = Backing::Pages(arena.allocate(pages).expect("room"), 0);
    MapRequest { base, min: 0, max: 0, backing, offset_pages: 0, pages, protection: protection::WRITE }
}

#[test]
fn the_adapter_chooses_the_host_address() {
    let (space, arena) = (AddressSpace::default(), arena());
    let first = request(&arena, None, 2);
    let Backing::Pages(pages, _) = &first.backing else { panic!("pages") };
    let base = space.map(&first).expect("free");
    assert_eq!(base, pages.host_ptr().addr() as u64);
    // The same memory again cannot have the same address.
    let again = space.map(&first).expect("another address");
    assert!(again >= TRANSLATED_BASE);
    assert_eq!(space.find(again + 4097).expect("mapped").host, pages.host_ptr());
    // A window that excludes the host address.
    let low = space.map(&MapRequest { min: 0x10_0000, max: 0x20_0000, ..first.clone() }).expect("free");
    assert_eq!(low, 0x10_0000);
    assert_eq!(space.map(&MapRequest { min: 0x10_0000, max: 0x10_2000, ..first }), Err(GpuError::NoMemory));
}

#[test]
fn the_client_chooses_and_reserved_addresses_can_be_mapped() {
    let (space, arena) = (AddressSpace::default(), arena());
    let base = 0x4000_0000;
    assert_eq!(space.reserve(Some(base), 0, 0, 16 * PAGE_BYTES), Ok(base));
    assert_eq!(space.reserve(Some(base + PAGE_BYTES), 0, 0, PAGE_BYTES), Err(GpuError::InvalidParameter));
    assert!(space.find(base).is_none());
    assert_eq!(space.map(&request(&arena, Some(base + PAGE_BYTES), 2)), Ok(base + PAGE_BYTES));
    assert!(space.find(base).is_none() && space.find(base + 3 * PAGE_BYTES).is_none());
    let segment = space.find(base + 2 * PAGE_BYTES).expect("mapped");
    assert_eq!((segment.start, segment.end, segment.writable), (base + PAGE_BYTES, base + 3 * PAGE_BYTES, true));
    assert_eq!(space.map(&request(&arena, Some(base + 2 * PAGE_BYTES), 2)), Err(GpuError::InvalidParameter));
    assert!(space.free(base, 17 * PAGE_BYTES).is_err());
    assert!(space.free(base, 16 * PAGE_BYTES).is_ok());
    assert!(space.find(base + PAGE_BYTES).is_none());
}

#[test]
fn freeing_a_part_leaves_the_rest() {
    let (space, arena) = (AddressSpace::default(), arena());
    let base = 0x4000_0000;
    let whole = request(&arena, Some(base), 4);
    space.map(&whole).expect("free");
    let host = space.find(base).expect("mapped").host;
    space.free(base + PAGE_BYTES, PAGE_BYTES).expect("mapped");
    assert!(space.find(base + PAGE_BYTES).is_none());
    assert_eq!(space.find(base).expect("mapped").end, base + PAGE_BYTES);
    let tail = space.find(base + 3 * PAGE_BYTES).expect("mapped");
    assert_eq!((tail.start, tail.host), (base + 2 * PAGE_BYTES, host.wrapping_add(2 * PAGE_BYTES as usize)));
}

#[test]
fn nonsense_is_refused() {
    let (space, arena) = (AddressSpace::default(), arena());
    let good = request(&arena, Some(0x4000_0000), 2);
    let refused = |request: MapRequest| assert_eq!(space.map(&request), Err(GpuError::InvalidParameter));
    refused(MapRequest { base: Some(0x4000_0001), ..good.clone() });
    refused(MapRequest { base: Some(0), ..good.clone() });
    refused(MapRequest { base: Some(ADDRESS_END), ..good.clone() });
    refused(MapRequest { base: Some(!4095), ..good.clone() });
    refused(MapRequest { pages: 0, ..good.clone() });
    refused(MapRequest { pages: 3, ..good.clone() });
    refused(MapRequest { pages: u64::MAX, ..good.clone() });
    refused(MapRequest { offset_pages: 1, ..good.clone() });
    refused(MapRequest { offset_pages: u64::MAX, ..good.clone() });
    refused(MapRequest { backing: Backing::System { ptr: 4096, len: 4096, writable: true }, ..good.clone() });
    refused(MapRequest { backing: Backing::System { ptr: 100, len: 1 << 20, writable: true }, ..good.clone() });
    assert!(space.free(0x4000_0000, PAGE_BYTES).is_err());
    let hidden = MapRequest { protection: protection::NO_ACCESS, ..good };
    space.map(&hidden).expect("free");
    assert!(space.find(0x4000_0000).is_none());
}

#[test]
fn client_memory_is_waited_for() {
    let space = AddressSpace::default();
    #[repr(align(4096))]
    struct Page([u8; 4096]);
    let page = Box::new(Page([0; 4096]));
    let ptr = page.0.as_ptr().expose_provenance() as u64;
    let backing = Backing::System { ptr, len: 4096, writable: false };
    let request = MapRequest { base: None, min: 0, max: 0, backing, offset_pages: 0, pages: 1, protection: 1 };
    assert_eq!(space.map(&request), Ok(ptr));
    let held = space.find(ptr).expect("mapped");
    assert!(!held.writable);
    let released = space.free(ptr, 4096).expect("mapped");
    let releaser = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        drop(held);
    });
    let begin = Instant::now();
    assert!(released.wait(Duration::from_secs(10)));
    assert!(begin.elapsed() >= Duration::from_millis(15));
    releaser.join().expect("it ends");
    assert_eq!(space.map(&request), Ok(ptr));
    let _held = space.find(ptr).expect("mapped");
    assert!(!space.free_all().wait(Duration::from_millis(5)));
}

proptest! {
    /// Against a model that knows for each page of a small window what is behind it.
    #[test]
    fn updates_do_what_a_page_table_would(operations in proptest::collection::vec((0..4u8, 0..12u64, 1..5u64, 0..12u64), 1..40)) {
        const BASE: u64 = 0x4000_0000;
        let (space, arena) = (AddressSpace::default(), arena());
        let pages = arena.allocate(16).expect("room");
        let host = pages.host_ptr().addr() as u64;
        let mut model: Vec<Option<u64>> = vec![None; 16];
        for (kind, at, count, other) in operations {
            let (base, bytes) = (BASE + at * PAGE_BYTES, count * PAGE_BYTES);
            let range = at as usize..(at + count) as usize;
            match kind {
                0 => {
                    let map = MapRequest { base: Some(base), min: 0, max: 0, backing: Backing::Pages(pages.clone(), 0), offset_pages: other, pages: count, protection: 1 };
                    prop_assert!(space.update(&[UpdateVa::Map(map)]).1.is_ok());
                    for (index, page) in model[range].iter_mut().enumerate() {
                        *page = Some(host + (other + index as u64) * PAGE_BYTES);
                    }
                }
                1 => {
                    prop_assert_eq!(space.update(&[UpdateVa::Unmap { base, bytes }]).1, Ok(()));
                    model[range].fill(None);
                }
                2 => {
                    let src = BASE + other * PAGE_BYTES;
                    prop_assert_eq!(space.update(&[UpdateVa::Copy { src, dst: base, bytes }]).1, Ok(()));
                    let copied: Vec<_> = (0..count).map(|index| model[(other + index) as usize]).collect();
                    model[range].copy_from_slice(&copied);
                }
                _ => {
                    if space.free(base, bytes).is_ok() {
                        model[range].fill(None);
                    }
                }
            }
            for (index, page) in model.iter().enumerate() {
                let va = BASE + index as u64 * PAGE_BYTES;
                let found = space.find(va).map(|segment| segment.host.addr() as u64 + (va - segment.start));
                prop_assert_eq!(found, *page, "page {}", index);
            }
        }
    }
}

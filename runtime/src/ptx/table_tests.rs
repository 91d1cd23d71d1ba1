use super::*;
use proptest::prelude::*;

/// What a twin's prologue does, in Rust: where a block of the merged launch belongs.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    block: [u32; 3],
    grid: [u32; 3],
    args: Vec<u8>,
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn place(table: &MergeTable, bytes: &[u8], launched: [u32; 3]) -> Place {
    let args = table.args(0x1000);
    assert_eq!(u64::from_le_bytes(args[..8].try_into().unwrap()), 0x1000);
    let (index, shift, size) = (word(&args, 8) as usize, word(&args, 12), table.args_size);
    if shift & EQUAL_GRIDS != 0 {
        let depth = shift ^ EQUAL_GRIDS;
        let item = launched[2] / depth;
        let at = (item * padded(size)) as usize;
        let grid = [table.grid()[0], table.grid()[1], depth];
        let block = [launched[0], launched[1], launched[2] % depth];
        return Place { block, grid, args: bytes[at..at + size as usize].to_vec() };
    }
    let stride = mixed_stride(size) as usize;
    let bucket = index + (launched[0] >> shift) as usize * 4;
    let (mut low, mut high) = (word(bytes, bucket), word(bytes, bucket + 4));
    let mut probes = 0;
    while shift != 0 && low < high {
        let middle = (low + high).div_ceil(2);
        if word(bytes, middle as usize * stride) <= launched[0] {
            low = middle;
        } else {
            high = middle - 1;
        }
        probes += 1;
        assert!(probes <= 32, "the search does not end");
    }
    let record = low as usize * stride;
    let grid: [u32; 3] = std::array::from_fn(|axis| word(bytes, record + 4 + axis * 4));
    let linear = launched[0] - word(bytes, record);
    let block = [linear % grid[0], linear / grid[0] % grid[1], linear / grid[0] / grid[1]];
    Place { block, grid, args: bytes[record + 16..record + 16 + size as usize].to_vec() }
}

fn written(args_size: u32, grids: &[[u32; 3]]) -> (MergeTable, Vec<u8>, Vec<Vec<u8>>) {
    let table = MergeTable::plan(args_size, grids.iter().copied()).unwrap();
    let args: Vec<Vec<u8>> =
        (0..grids.len()).map(|item| (0..args_size as usize).map(|at| (item * 31 + at * 7) as u8).collect()).collect();
    let mut bytes = vec![0xee; table.bytes() + 3];
    let items = grids.iter().zip(&args).map(|(grid, args)| MergeItem { grid: *grid, args });
    table.write(items, &mut bytes).unwrap();
    assert_eq!(bytes[table.bytes()..], [0xee; 3], "wrote behind its end");
    bytes.truncate(table.bytes());
    (table, bytes, args)
}

/// Every block of the merged launch, in order, against every block of every item, in order.
fn check(args_size: u32, grids: &[[u32; 3]]) {
    let (table, bytes, args) = written(args_size, grids);
    let mut expected = Vec::new();
    for (grid, args) in grids.iter().zip(&args) {
        for z in 0..grid[2] {
            for y in 0..grid[1] {
                expected.extend((0..grid[0]).map(|x| Place { block: [x, y, z], grid: *grid, args: args.clone() }));
            }
        }
    }
    let [x, y, z] = table.grid();
    assert_eq!(expected.len(), (x * y * z) as usize);
    let launched = (0..z).flat_map(|z| (0..y).flat_map(move |y| (0..x).map(move |x| [x, y, z])));
    for (block, expected) in launched.zip(expected) {
        assert_eq!(place(&table, &bytes, block), expected, "block {block:?} of {grids:?}");
    }
}

#[test]
fn equal_grids_need_no_search() {
    for grid in [[1, 1, 1], [7, 1, 1], [3, 4, 1], [2, 3, 5]] {
        let (table, bytes, _) = written(20, &[grid; 9]);
        assert_eq!((table.grid(), bytes.len()), ([grid[0], grid[1], grid[2] * 9], 9 * 32));
        check(20, &[grid; 9]);
    }
}

#[test]
fn many_equal_items_and_deep_grids_fall_back_to_the_index() {
    check(0, &[[1, 1, 1]; 65_535]);
    check(4, &[[1, 1, 1]; 65_536]);
    check(4, &[[1, 1, 300]; 219]);
    assert_eq!(MergeTable::plan(4, [[1, 1, 300]; 219]).unwrap().grid(), [65_700, 1, 1]);
}

#[test]
fn one_large_item_among_small_ones_costs_only_itself() {
    let mut grids = vec![[1, 1, 1]; 1000];
    grids[400] = [100, 10, 3];
    let table = MergeTable::plan(16, grids.iter().copied()).unwrap();
    assert_eq!(table.grid(), [3999, 1, 1]);
    // The index has about as many entries as there are items, whatever the sizes are.
    assert!(table.bytes() < 1000 * 32 + 4 * 2100, "{}", table.bytes());
    check(16, &grids);
}

#[test]
fn the_largest_launch_has_a_small_table() {
    let grids = [[i32::MAX as u32 - 1, 1, 1], [1, 1, 1]];
    let (table, bytes, _) = written(8, &grids);
    assert!(bytes.len() < 100, "{}", bytes.len());
    for (block, item) in [(0, 0), (i32::MAX as u32 - 2, 0), (i32::MAX as u32 - 1, 1)] {
        assert_eq!(place(&table, &bytes, [block, 0, 0]).grid, grids[item]);
    }
    let error = MergeTable::plan(8, [grids[0], grids[1], [1, 1, 1]]).unwrap_err();
    assert_eq!(error, MergeError::TooMany { items: 3, blocks: 1 << 31 });
}

#[test]
fn items_without_blocks_do_nothing() {
    check(8, &[[0, 1, 1], [2, 2, 1], [3, 0, 9], [5, 0, 1], [1, 1, 1], [4, 4, 0]]);
    assert_eq!(MergeTable::plan(8, [[0, 1, 1]; 3]), Err(MergeError::Empty));
    assert_eq!(MergeTable::plan(8, []), Err(MergeError::Empty));
}

#[test]
fn what_cannot_be_laid_out_is_said() {
    let error = MergeTable::plan(8, [[1, 1, 1], [1, 65_536, 1]]).unwrap_err();
    assert_eq!(error.to_string(), "item 1: a grid of [1, 65536, 1] blocks; the largest is [2147483647, 65535, 65535]");
    let table = MergeTable::plan(8, [[1, 1, 1], [2, 1, 1]]).unwrap();
    let item = |x, args| MergeItem { grid: [x, 1, 1], args };
    let mut room = vec![0; table.bytes()];
    let short = table.write([item(1, &[0; 8]), item(2, &[0; 7])], &mut room).unwrap_err();
    assert_eq!(short.to_string(), "item 1 has 7 bytes of arguments; its kernel takes 8");
    assert_eq!(table.write([item(1, &[0; 8]), item(2, &[0; 16])], &mut room), Ok(()));
    for items in
        [vec![item(1, &[0; 8])], vec![item(1, &[0; 8]); 2], vec![item(1, &[0; 8]); 3], vec![item(3, &[0; 8]); 2]]
    {
        assert_eq!(table.write(items, &mut room), Err(MergeError::OtherItems));
    }
    let huge = vec![MergeItem { grid: [u32::MAX; 3], args: &[0; 8] }; 2];
    assert_eq!(table.write(huge, &mut room), Err(MergeError::OtherItems));
    let needed = room.len();
    let error = table.write([item(1, &[0; 8]), item(2, &[0; 8])], &mut room[1..]).unwrap_err();
    assert_eq!(error, MergeError::Room { needed, room: needed - 1 });
    let equal = MergeTable::plan(8, [[1, 1, 1]; 2]).unwrap();
    assert_eq!(equal.write([item(1, &[0; 8]), item(2, &[0; 8])], &mut room), Err(MergeError::OtherItems));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_block_finds_its_item(
        args_size in 0u32..40,
        grids in prop::collection::vec((0u32..9, 0u32..4, 0u32..3), 1..60),
        large in prop::option::of((0usize..60, 1u32..3000)),
    ) {
        let mut grids: Vec<[u32; 3]> = grids.into_iter().map(|(x, y, z)| [x, y, z]).collect();
        if let Some((at, blocks)) = large {
            let at = at % grids.len();
            grids[at] = [blocks, 1, 1];
        }
        if grids.iter().any(|grid| !grid.contains(&0)) {
            check(args_size, &grids);
        }
    }
}

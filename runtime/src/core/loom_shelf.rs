//! Model of the shelf: a holder that leaves a list, a helper that comes by, and the end.

use super::loom_harness::{RACE, explore, must_fail};
use super::shelf::Shelf;
use crate::sync::{Arc, Mutation, UnsafeCell, thread};

/// What is let go of: once, by one thread.
struct Thing(Arc<UnsafeCell<u32>>);

impl Drop for Thing {
    fn drop(&mut self) {
        // SAFETY: needed to write to the shared cell; that nobody else is at it is what the model is about.
        self.0.with_mut(|dropped| unsafe { *dropped += 1 });
    }
}

#[test]
fn letting_go() {
    explore("shelf_letting_go", "everything left on the shelf is let go of once, and who closes sees it", || {
        let cells: Vec<_> = (0..2).map(|_| Arc::new(UnsafeCell::new(0))).collect();
        let shelf = Arc::new(Shelf::new());
        shelf.help(|_: &mut Vec<Thing>| {});
        let helper = {
            let shelf = shelf.clone();
            thread::spawn(move || {
                shelf.help(|list| list.truncate(1));
                shelf.help(Vec::clear);
            })
        };
        let list: Vec<Thing> = cells.iter().map(|cell| Thing(cell.clone())).collect();
        drop(shelf.leave(list));
        while let Some(list) = shelf.take_back() {
            drop(list);
        }
        shelf.end_step(drop);
        // As the attendant: it looks until nothing is left anywhere.
        while !shelf.is_clear() {
            drop(shelf.take_back());
            thread::yield_now();
        }
        for cell in &cells {
            // SAFETY: as in `drop`.
            cell.with(|dropped| assert_eq!(unsafe { *dropped }, 1, "let go of once"));
        }
        helper.join().expect("the helper ends");
    });
}

#[test]
fn letting_go_notices_a_forgotten_helper() {
    must_fail("core::loom_shelf::letting_go", Mutation::ShelfForgetsHelpers, &[RACE, "let go of once"]);
}

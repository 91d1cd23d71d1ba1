//! Unit tests of admission, with the standard primitives.

use super::*;
use std::sync::Arc as StdArc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::task::Wake;

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: StdArc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

struct Task<'a> {
    flag: StdArc<Flag>,
    future: Pin<Box<Enter<'a>>>,
}

impl<'a> Task<'a> {
    fn new(gate: &'a StreamGate, n: u32) -> Self {
        Self { flag: StdArc::default(), future: Box::pin(gate.enter(n)) }
    }

    /// Polls; the room is left taken.
    fn poll(&mut self) -> bool {
        let waker = Waker::from(self.flag.clone());
        match self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(Ok(permit)) => {
                permit.spend();
                true
            }
            Poll::Ready(Err(full)) => panic!("{full:?}"),
            Poll::Pending => false,
        }
    }

    fn woken(&self) -> bool {
        self.flag.0.load(Ordering::SeqCst)
    }
}

fn bound(high: u32, low: u32) -> Bound {
    Bound { high, low }
}

fn enter(gate: &StreamGate, n: u32) {
    gate.try_enter(n).map(Permit::spend).expect("room");
}

#[test]
fn both_levels_are_bounded() {
    let admission = Admission::new(bound(6, 2));
    let (a, b) = (admission.gate(bound(4, 1)), admission.gate(bound(4, 1)));
    assert_eq!(a.try_enter(5).map(|_| ()), Err(Full::Never { most: 4 }));
    enter(&a, 4);
    assert_eq!(a.try_enter(1).map(|_| ()), Err(Full::Stream));
    enter(&b, 2);
    assert_eq!(b.try_enter(1).map(|_| ()), Err(Full::Global));
    assert_eq!((a.in_use(), b.in_use(), admission.in_use()), (4, 2, 6));
    a.leave(1);
    let permit = b.try_enter(1).expect("room again");
    assert_eq!((permit.n(), admission.in_use()), (1, 6));
    drop(permit);
    assert_eq!(admission.in_use(), 5);
    drop(a);
    assert_eq!(admission.in_use(), 2, "what is in leaves with its stream");
}

#[test]
fn waiters_are_let_in_at_the_low_mark_in_order() {
    let admission = Admission::new(bound(100, 50));
    let gate = admission.gate(bound(4, 1));
    enter(&gate, 4);
    let mut tasks: Vec<_> = (0..4).map(|_| Task::new(&gate, 1)).collect();
    assert!(tasks.iter_mut().all(|task| !task.poll()));
    gate.leave(1);
    gate.leave(1);
    assert!(tasks.iter().all(|task| !task.woken()), "above the low mark");
    assert!(gate.try_enter(1).is_err(), "nobody overtakes");
    gate.leave(1);
    let woken: Vec<_> = tasks.iter().map(Task::woken).collect();
    assert_eq!(woken, [true, true, true, false]);
    assert!(tasks[0].poll() && tasks[1].poll() && tasks[2].poll() && !tasks[3].poll());
    gate.leave(4);
    assert!(tasks[3].poll());
    assert_eq!((gate.in_use(), admission.in_use()), (1, 1));
    enter(&gate, 3);
}

#[test]
fn a_flood_on_one_stream_takes_turns_with_the_others() {
    let admission = Admission::new(bound(4, 3));
    let (flood, calm) = (admission.gate(bound(100, 50)), admission.gate(bound(100, 50)));
    enter(&flood, 4);
    let mut flooding: Vec<_> = (0..20).map(|_| Task::new(&flood, 1)).collect();
    assert!(flooding.iter_mut().all(|task| !task.poll()));
    let mut other = Task::new(&calm, 1);
    assert!(!other.poll());
    flood.leave(1);
    flood.leave(1);
    assert!(other.woken(), "second in turn, not twenty-first in line");
    assert!(other.poll());
}

#[test]
fn a_stream_held_up_by_itself_does_not_close_the_device() {
    let admission = Admission::new(bound(4, 2));
    let (narrow, wide) = (admission.gate(bound(1, 0)), admission.gate(bound(4, 2)));
    enter(&narrow, 1);
    let mut waiting = Task::new(&narrow, 1);
    assert!(!waiting.poll());
    enter(&wide, 3);
    wide.leave(3);
    assert!(!waiting.woken());
    narrow.leave(1);
    assert!(waiting.woken() && waiting.poll());
}

#[test]
fn a_wait_can_be_dropped_at_any_time() {
    let admission = Admission::new(bound(4, 3));
    let gate = admission.gate(bound(4, 3));
    enter(&gate, 4);
    let (mut large, mut small, mut last) = (Task::new(&gate, 3), Task::new(&gate, 1), Task::new(&gate, 1));
    assert!(!large.poll() && !small.poll() && !last.poll());
    gate.leave(1);
    assert!(!large.woken() && !small.woken(), "the first does not fit, the second does not overtake");
    drop(large);
    assert!(small.woken(), "the one behind fits");
    drop(small);
    assert!(last.woken(), "room given to a dropped waiter goes on");
    assert!(last.poll());
    assert_eq!(gate.in_use(), 4);
    let mut alone = Task::new(&gate, 1);
    assert!(!alone.poll());
    drop(alone);
    gate.leave(2);
    enter(&gate, 1);
    assert_eq!((gate.in_use(), admission.in_use()), (3, 3));
}

#[test]
fn bounds_change_while_waiting() {
    let admission = Admission::new(bound(4, 0));
    let gate = admission.gate(bound(4, 0));
    enter(&gate, 4);
    let (mut first, mut second) = (Task::new(&gate, 1), Task::new(&gate, 4));
    assert!(!first.poll() && !second.poll());
    admission.set_bound(bound(8, 4));
    assert!(!first.woken(), "the stream is still full");
    gate.set_bound(bound(5, 4));
    assert!(first.woken() && first.poll() && !second.woken());
    gate.set_bound(bound(2, 1));
    gate.leave(5);
    assert!(second.poll(), "alone, although more than the new bound");
    assert_eq!(gate.in_use(), 4);
}

#[test]
fn many_threads_stay_within_the_bounds_and_all_get_through() {
    let admission = Admission::new(bound(5, 2));
    let gates = [admission.gate(bound(3, 1)), admission.gate(bound(4, 2))];
    let inside = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..6usize {
            let (gate, inside) = (&gates[thread % 2], &inside);
            scope.spawn(move || {
                for round in 0..1_000usize {
                    let n = 1 + (round + thread) % 3;
                    let permit = match gate.try_enter(n as u32) {
                        Ok(permit) => permit,
                        Err(_) => sync::block_on(gate.enter(n as u32)).expect("fits"),
                    };
                    let now = inside.fetch_add(n, Ordering::SeqCst) + n;
                    assert!(now <= 5, "{now} inside");
                    inside.fetch_sub(n, Ordering::SeqCst);
                    permit.spend();
                    gate.leave(n as u32);
                }
            });
        }
    });
    assert_eq!(admission.in_use(), 0);
    assert!(gates.iter().all(|gate| gate.in_use() == 0 && gate.try_enter(1).is_ok()));
}

#[test]
fn the_end_refuses_who_waits_and_who_comes_late_for_its_room() {
    let admission = Admission::new(bound(1, 0));
    let gate = admission.gate(bound(4, 2));
    enter(&gate, 1);
    let [mut given, mut waiting, mut dropped] = std::array::from_fn(|_| Task::new(&gate, 1));
    assert!(!given.poll() && !waiting.poll() && !dropped.poll());
    gate.leave(1);
    assert!(given.woken() && !waiting.woken());
    assert!(!admission.is_drained(), "it has not ended");
    enter_at_the_end(&admission);
    assert!(waiting.woken() && dropped.woken());
    assert!(admission.is_drained(), "room that nobody has come for is not waited for");
    for task in [&mut given, &mut waiting] {
        let answer = task.future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(answer, Poll::Ready(Err(Full::Closed))));
    }
    drop((given, waiting, dropped));
    assert_eq!((gate.in_use(), admission.in_use()), (0, 0));
    assert!(matches!(
        Task::new(&gate, 1).future.as_mut().poll(&mut Context::from_waker(Waker::noop())),
        Poll::Ready(Err(_))
    ));
}

fn enter_at_the_end(admission: &Admission) {
    admission.close();
    let late = admission.gate(bound(4, 2));
    assert_eq!(late.try_enter(1).map(|_| ()), Err(Full::Global));
}

#[test]
fn the_end_waits_for_who_is_in() {
    let admission = Admission::new(bound(4, 2));
    let gate = admission.gate(bound(4, 2));
    let permit = gate.try_enter(2).expect("room");
    admission.close();
    assert!(!admission.is_drained());
    permit.spend();
    gate.leave(1);
    assert!(!admission.is_drained());
    gate.leave(1);
    assert!(admission.is_drained());
}

//! Deliberate mistakes that a loom model must notice.
//!
//! A model that can not fail proves nothing. Each [`Mutation`] weakens one ordering or removes one re-check of the
//! concurrency core. The mutation tests start their own model again in a child process with [`VARIABLE`] set and expect it
//! to fail. Outside `--cfg dxg_loom` [`mutated`] is a constant `false`, so no trace of this is left in the product.

/// Environment variable that names the one mutation to switch on (its `Debug` name).
#[cfg(all(test, dxg_loom))]
pub(crate) const VARIABLE: &str = "DXG_LOOM_MUTATION";

/// Declares [`Mutation`], and the list of all: a mistake that no model notices is found by its absence.
macro_rules! mutations {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// One deliberate mistake each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[cfg_attr(not(all(dxg_loom, test)), allow(dead_code, reason = "some stand in code that only tests use"))]
        pub(crate) enum Mutation {
            $($(#[$doc])* $name,)*
        }

        impl Mutation {
            /// All of them.
            #[cfg(all(test, dxg_loom))]
            pub(crate) const ALL: &[Mutation] = &[$(Mutation::$name),*];
        }
    };
}

mutations! {
    /// A queue slot is published with a Relaxed store: the consumer may see the stamp without the value.
    QueuePublishRelaxed,
    /// Several slots are claimed after a look at the first one only.
    QueueClaimLooksAtFirst,
    /// A poke that finds the mark already set writes nothing, so the holder does not synchronise with it.
    RolePokeSkipsMarked,
    /// The holder leaves without looking whether it was poked.
    RoleLeaveIgnoresPoke,
    /// The thread announces its sleep without ordering that before its last look for work.
    DozeAnnounceUnfenced,
    /// The thread sleeps although somebody left work in the role's state since it looked there.
    DozeOverlooksNote,
    /// A waiter is registered without looking again under the lock.
    TimelineRegisterBlindly,
    /// A dropped registration stays in the registry.
    TimelineDropKeepsWaker,
    /// A loss is noted, and those who wait are not woken.
    TimelineLossWakesNobody,
    /// The completed ticket is published with a Relaxed store.
    TimelineCompleteRelaxed,
    /// A waiter announces itself after its last look at the global bound.
    AdmissionMarkAfterLook,
    /// Who frees room of the device looks at the waiters only when its own stream is flagged.
    AdmissionLeaveServesNobody,
    /// A waiter that is cancelled after it was given room does not give it back.
    AdmissionCancelKeepsRoom,
    /// Who waits for room is not told that there will be none.
    AdmissionCloseWakesNobody,
    /// Operations enter although the device takes none any more.
    AdmissionEntersClosed,
    /// A list that a helper has counts as gone.
    ShelfForgetsHelpers,
    /// Freeing a staging piece does not publish the last use of its bytes.
    StagingFreeRelaxed,
    /// A chunk is recycled when it is retired, whether or not pieces of it are alive.
    StagingRecycleEarly,
    /// A second right to a staging piece is not counted.
    StagingShareUncounted,
    /// A notice is finished and the delivering thread is not called.
    NoticeFinishesSilently,
    /// A callback is registered although everything has been closed.
    NoticeAddIgnoresClose,
    /// A wake-up that comes during a poll leads to no other poll.
    NoticeTurnForgetsWake,
    /// Who finds no memory does not look again after it has registered.
    RoomLooksOnce,
    /// Who registers for memory looks again without ordering the look after the registration.
    RoomRegisterUnfenced,
    /// A delivery is handed over without a call to the thread.
    LaneCallsSilently,
    /// A thread that ends leaves the delivery that was handed to it.
    LaneCloseDropsHanded,
    /// The hint that an outcome is there comes before the outcome.
    LaneHintsEarly,
    /// A freed block's range can be given out before its address is forgotten.
    PoolForgetsLate,
    /// Chunks go back to the driver with blocks of them in use.
    PoolTrimsInUse,
    /// The attendant sleeps on a fence that moved before it was armed.
    ArmIgnoresProgress,
    /// The attendant relies on the notification alone.
    ArmedSleepUnbounded,
    /// The attendant does not look whether a device whose fences stand still is alive.
    HealthUnchecked,
    /// The attendant ends while somebody is about to enqueue.
    EndForgetsWhoEnters,
    /// Who waits for memory is not told that nothing is accepted any more.
    RefusalWakesNobody,
    /// Requests are obeyed although operations pushed before them may still be in the queue.
    RequestsOvertake,
    /// Who asks for everything to be handed over overwrites others who asked.
    FlushAskedByStore,
    /// Operations on streams that the driver has not met keep their room when the device is lost.
    LossForgetsNewStreams,
    /// Operations taken in after a loss keep their room.
    LossKeepsRoom,
    /// Who waits for room leaves what takes it where it is.
    RoomFlushesNothing,
}

/// Whether `mutation` is switched on.
#[cfg(not(dxg_loom))]
#[inline(always)]
pub(crate) const fn mutated(_mutation: Mutation) -> bool {
    false
}

/// Whether `mutation` is switched on.
#[cfg(all(dxg_loom, not(test)))]
pub(crate) fn mutated(_mutation: Mutation) -> bool {
    false
}

/// Whether `mutation` is switched on.
#[cfg(all(dxg_loom, test))]
pub(crate) fn mutated(mutation: Mutation) -> bool {
    // The standard OnceLock, not loom's: the answer is the same in every execution of a model.
    static ACTIVE: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    ACTIVE.get_or_init(|| std::env::var(VARIABLE).ok()).as_deref() == Some(&format!("{mutation:?}"))
}

//! Deliberate mistakes that a loom model must notice.
//!
//! A model that can not fail proves nothing. Each [`Mutation`] weakens one ordering or removes one re-check of the
//! concurrency core. The mutation tests start their own model again in a child process with [`VARIABLE`] set and expect it
//! to fail. Outside `--cfg dxg_loom` [`mutated`] is a constant `false`, so no trace of this is left in the product.

/// Environment variable that names the one mutation to switch on (its `Debug` name).
#[cfg(all(test, dxg_loom))]
pub(crate) const VARIABLE: &str = "DXG_LOOM_MUTATION";

/// One deliberate mistake each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// A queue slot is published with a Relaxed store: the consumer may see the stamp without the value.
    QueuePublishRelaxed,
    /// Several slots are claimed after a look at the first one only.
    QueueClaimLooksAtFirst,
    /// A poke that finds the mark already set writes nothing, so the holder does not synchronise with it.
    #[cfg(test)]
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
    /// The completed ticket is published with a Relaxed store.
    TimelineCompleteRelaxed,
    /// A waiter announces itself after its last look at the global bound.
    AdmissionMarkAfterLook,
    /// Who frees room of the device looks at the waiters only when its own stream is flagged.
    AdmissionLeaveServesNobody,
    /// A waiter that is cancelled after it was given room does not give it back.
    AdmissionCancelKeepsRoom,
    /// Freeing a staging piece does not publish the last use of its bytes.
    StagingFreeRelaxed,
    /// A chunk is recycled when it is retired, whether or not pieces of it are alive.
    StagingRecycleEarly,
    /// A callback is registered although everything has been closed.
    NoticeAddIgnoresClose,
    /// A wake-up that comes during a poll leads to no other poll.
    NoticeTurnForgetsWake,
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

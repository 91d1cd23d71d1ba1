//! Async runtime that coalesces small GPU launches and copies into few batched D3DKMT submissions.
#![deny(missing_docs)]

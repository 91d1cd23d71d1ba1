//! What crosses the crates of dxgrt.

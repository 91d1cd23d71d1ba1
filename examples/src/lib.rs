//! Programs a user of dxgrt would run first.

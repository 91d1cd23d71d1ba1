//! The backend over dxg-io: batches become command packets, one submission each.

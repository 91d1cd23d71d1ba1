//! The C functions that this library stands before. What is not about the node goes on to the next library with its
//! arguments unchanged, at the price of one or two loads.
//!
//! Not stood before: functions of the C library that call each other inside it (closing a `FILE`, for one). What they do to a
//! descriptor of ours is found out when the number is used next.

mod close;
mod duplicate;
mod ioctl;
mod name;
mod open;
mod stat;
mod syscall;

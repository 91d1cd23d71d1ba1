//! What things cost: pure state machines that take time as an argument.

pub mod bus;
pub mod slots;

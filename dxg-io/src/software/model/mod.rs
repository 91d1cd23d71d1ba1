//! What things cost: pure state machines that take time as an argument.

pub(crate) mod slots;

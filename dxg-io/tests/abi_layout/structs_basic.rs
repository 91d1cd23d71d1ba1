//! Types of `sys::structs_basic`, as the compiler has them.
// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.

use super::*;

#[rustfmt::skip]
pub fn types() -> Vec<TypeRow> {
    vec![
        structure!(d3dkmthandle {
            v: u32,
        }),
        structure!(ntstatus {
            v: i32,
        }),
        structure!(winluid {
            a: u32,
            b: u32,
        }),
        structure!(d3dddi_rational {
            numerator: u32,
            denominator: u32,
        }),
    ]
}

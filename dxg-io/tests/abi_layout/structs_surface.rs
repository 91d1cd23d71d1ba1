//! Types of `sys::structs_surface`, as the compiler has them.
// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.

use super::*;

#[rustfmt::skip]
pub fn types() -> Vec<TypeRow> {
    vec![
        structure!(d3dkmdt_gdisurfacedata {
            width: u32,
            height: u32,
            format: u32,
            r#type: d3dkmdt_gdisurfacetype,
            flags: u32,
            pitch: u32,
        }),
        structure!(d3dkmdt_stagingsurfacedata {
            width: u32,
            height: u32,
            pitch: u32,
        }),
        structure!(d3dkmdt_sharedprimarysurfacedata {
            width: u32,
            height: u32,
            format: d3dddiformat,
            refresh_rate: d3dddi_rational,
            vidpn_source_id: u32,
        }),
        structure!(d3dkmdt_shadowsurfacedata {
            width: u32,
            height: u32,
            format: d3dddiformat,
            pitch: u32,
        }),
    ]
}

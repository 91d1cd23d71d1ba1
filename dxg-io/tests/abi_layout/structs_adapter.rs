//! Types of `sys::structs_adapter`, as the compiler has them.
// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.

use super::*;

#[rustfmt::skip]
pub fn types() -> Vec<TypeRow> {
    vec![
        structure!(d3dkmt_adapterinfo {
            adapter_handle: d3dkmthandle,
            adapter_luid: winluid,
            num_sources: u32,
            present_move_regions_preferred: u32,
        }),
        structure!(d3dkmt_enumadapters2 {
            num_adapters: u32,
            reserved: u32,
            adapters: u64,
        }),
        structure!(d3dkmt_enumadapters_filter {
            value: u64,
        }),
        structure!(d3dkmt_enumadapters3 {
            filter: d3dkmt_enumadapters_filter,
            adapter_count: u32,
            reserved: u32,
            adapters: u64,
        }),
        structure!(d3dkmt_openadapterfromluid {
            adapter_luid: winluid,
            adapter_handle: d3dkmthandle,
        }),
        structure!(d3dkmt_closeadapter {
            adapter_handle: d3dkmthandle,
        }),
        structure!(d3dkmt_adaptertype {
            value: u32,
        }),
        structure!(d3dkmt_queryadapterinfo {
            adapter: d3dkmthandle,
            r#type: kmtqueryadapterinfotype,
            private_data: u64,
            private_data_size: u32,
            _padding_20: [u8; 4],
        }),
        structure!(d3dddi_escapeflags {
            value: u32,
        }),
        structure!(d3dkmt_escape {
            adapter: d3dkmthandle,
            device: d3dkmthandle,
            r#type: d3dkmt_escapetype,
            flags: d3dddi_escapeflags,
            priv_drv_data: u64,
            priv_drv_data_size: u32,
            context: d3dkmthandle,
        }),
        structure!(d3dkmt_isfeatureenabled_result {
            version: u16,
            value: u16,
        }),
        structure!(d3dkmt_isfeatureenabled {
            adapter: d3dkmthandle,
            feature_id: u32,
            result: d3dkmt_isfeatureenabled_result,
        }),
    ]
}

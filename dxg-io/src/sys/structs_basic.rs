//! Handles, statuses and the values that many structs share.
// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.

use super::support::{bits, plain};

/// Member of `d3dkmt_adapterinfo`, member of `d3dkmt_closeadapter` and 78 more; 4 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct d3dkmthandle {
    /// Bytes 0..4: `__u32`.
    pub v: u32,
}

plain!(d3dkmthandle, 4, 4);

bits! {
    d3dkmthandle.v: u32 {
        range instance set_instance 0 6;
        range index set_index 6 24;
        range unique set_unique 30 2;
    }
}

/// `ntstatus`, 4 bytes; named by no ioctl argument.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ntstatus {
    /// Bytes 0..4: `__s32`.
    pub v: i32,
}

plain!(ntstatus, 4, 4);

bits! {
    ntstatus.v: u32 {
        flag customer set_customer 29;
        range code set_code 0 16;
        range facility set_facility 16 13;
        range severity set_severity 30 2;
    }
}

/// Member of `d3dkmt_adapterinfo`, member of `d3dkmt_openadapterfromluid`, member of `d3dkmt_querystatistics`; 8 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct winluid {
    /// Bytes 0..4: `__u32`.
    pub a: u32,
    /// Bytes 4..8: `__u32`.
    pub b: u32,
}

plain!(winluid, 8, 4);

/// Member of `d3dkmdt_sharedprimarysurfacedata`; 8 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dddi_rational {
    /// Bytes 0..4: `__u32`.
    pub numerator: u32,
    /// Bytes 4..8: `__u32`.
    pub denominator: u32,
}

plain!(d3dddi_rational, 8, 4);

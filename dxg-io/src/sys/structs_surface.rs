//! Descriptions of display surfaces that drivers exchange.
// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.

use super::support::plain;
use super::*;

/// `d3dkmdt_gdisurfacedata`, 24 bytes; named by no ioctl argument.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmdt_gdisurfacedata {
    /// Bytes 0..4: `__u32`.
    pub width: u32,
    /// Bytes 4..8: `__u32`.
    pub height: u32,
    /// Bytes 8..12: `__u32`.
    pub format: u32,
    /// Bytes 12..16: `enum d3dkmdt_gdisurfacetype`.
    pub r#type: d3dkmdt_gdisurfacetype,
    /// Bytes 16..20: `__u32`.
    pub flags: u32,
    /// Bytes 20..24: `__u32`.
    pub pitch: u32,
}

plain!(d3dkmdt_gdisurfacedata, 24, 4);

/// `d3dkmdt_stagingsurfacedata`, 12 bytes; named by no ioctl argument.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmdt_stagingsurfacedata {
    /// Bytes 0..4: `__u32`.
    pub width: u32,
    /// Bytes 4..8: `__u32`.
    pub height: u32,
    /// Bytes 8..12: `__u32`.
    pub pitch: u32,
}

plain!(d3dkmdt_stagingsurfacedata, 12, 4);

/// `d3dkmdt_sharedprimarysurfacedata`, 24 bytes; named by no ioctl argument.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmdt_sharedprimarysurfacedata {
    /// Bytes 0..4: `__u32`.
    pub width: u32,
    /// Bytes 4..8: `__u32`.
    pub height: u32,
    /// Bytes 8..12: `enum d3dddiformat`.
    pub format: d3dddiformat,
    /// Bytes 12..20: `struct d3dddi_rational`.
    pub refresh_rate: d3dddi_rational,
    /// Bytes 20..24: `__u32`.
    pub vidpn_source_id: u32,
}

plain!(d3dkmdt_sharedprimarysurfacedata, 24, 4);

/// `d3dkmdt_shadowsurfacedata`, 16 bytes; named by no ioctl argument.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct d3dkmdt_shadowsurfacedata {
    /// Bytes 0..4: `__u32`.
    pub width: u32,
    /// Bytes 4..8: `__u32`.
    pub height: u32,
    /// Bytes 8..12: `enum d3dddiformat`.
    pub format: d3dddiformat,
    /// Bytes 12..16: `__u32`.
    pub pitch: u32,
}

plain!(d3dkmdt_shadowsurfacedata, 16, 4);

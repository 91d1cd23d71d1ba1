//! Adapters: which there are, and one that is open.

use std::sync::Arc;

use crate::call::Dxg;
use crate::error::{Error, Result};
use crate::sys::*;

/// An adapter that an enumeration found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdapterInfo {
    /// How the guest names it.
    pub luid: winluid,
    /// What kind it is.
    pub kind: d3dkmt_adaptertype,
}

/// An open adapter. Closed when the last clone, and the last object made on it, is dropped.
#[derive(Clone, Debug)]
pub struct Adapter {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dxg: Dxg,
    handle: d3dkmthandle,
    luid: winluid,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // SAFETY: everything on the adapter holds this, so nothing of it is left that could use its memory.
        let closed = unsafe { self.dxg.close_adapter(self.handle) };
        closed.unwrap_or_else(|error| self.dxg.note_failed_teardown(&error));
    }
}

impl Adapter {
    /// The adapters there are. An enumeration opens each of them; they are closed again.
    pub fn enumerate(dxg: &Dxg) -> Result<Vec<AdapterInfo>> {
        // Owners first: a failure on the way closes all the same.
        let opened: Vec<Self> =
            dxg.enum_adapters2()?.iter().map(|a| Self::owning(dxg, a.adapter_handle, a.adapter_luid)).collect();
        opened.iter().map(|a| Ok(AdapterInfo { luid: a.luid(), kind: a.kind()? })).collect()
    }

    /// Opens the adapter with this LUID.
    pub fn open(dxg: &Dxg, luid: winluid) -> Result<Self> {
        let handle = dxg.open_adapter_from_luid(luid)?;
        Ok(Self::owning(dxg, handle, luid))
    }

    /// Opens the n-th adapter of an enumeration.
    pub fn open_nth(dxg: &Dxg, n: usize) -> Result<Self> {
        let mut opened: Vec<Self> =
            dxg.enum_adapters2()?.iter().map(|a| Self::owning(dxg, a.adapter_handle, a.adapter_luid)).collect();
        if n >= opened.len() {
            let reason = format!("adapter {n} was asked for, there are {}, counted from 0", opened.len());
            return Err(Error::invalid("opening an adapter", reason));
        }
        Ok(opened.swap_remove(n))
    }

    fn owning(dxg: &Dxg, handle: d3dkmthandle, luid: winluid) -> Self {
        Self { inner: Arc::new(Inner { dxg: dxg.clone(), handle, luid }) }
    }

    /// The handle, for calls that this layer does not make.
    pub fn handle(&self) -> d3dkmthandle {
        self.inner.handle
    }

    /// How the guest names it.
    pub fn luid(&self) -> winluid {
        self.inner.luid
    }

    /// The calls it was opened through.
    pub fn dxg(&self) -> &Dxg {
        &self.inner.dxg
    }

    /// What kind it is.
    pub fn kind(&self) -> Result<d3dkmt_adaptertype> {
        self.dxg().adapter_type(self.handle())
    }

    /// Information of one type, in and out.
    pub fn query(&self, kind: kmtqueryadapterinfotype, data: &mut [u8]) -> Result<()> {
        self.dxg().query_adapter_info(self.handle(), kind, data)
    }

    /// Budget and use of a memory segment group.
    pub fn video_memory(&self, group: d3dkmt_memory_segment_group) -> Result<d3dkmt_queryvideomemoryinfo> {
        self.dxg().query_video_memory_info(self.handle(), group, 0)
    }

    /// GPU and CPU clocks at one moment.
    pub fn clocks(&self, node_ordinal: u32) -> Result<dxgk_gpuclockdata> {
        self.dxg().query_clock_calibration(self.handle(), node_ordinal, 0)
    }
}

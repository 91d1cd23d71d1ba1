//! The sides that use the driver by hand: plain launches in one stream and over 16, a captured graph, a merged kernel.

use std::ffi::c_void;

use dxg_runtime::bench_support::cuda::{Peer, PeerHost, PeerKernel, PeerMemory};

use super::work::{BYTES, FACTORS, HELD, STREAMS, VALUES, check_values, input, ramp, result};
use crate::commands::Outcome;

/// Nodes of a graph, items of a merged launch.
pub const MERGED: usize = 1024;
const NODES: usize = 256;
/// Bytes of an item of the hand-made table.
const ITEM: usize = 32;

/// The driver with everything that the sides need.
pub struct Plain {
    pub peer: Peer,
    axpy: PeerKernel,
    axpy_table: PeerKernel,
    mm: PeerKernel,
    x: PeerMemory,
    /// A buffer for each stream.
    y: Vec<PeerMemory>,
    /// How often each was added to.
    added: Vec<u64>,
    /// Buffers of the merged kernel, one for each item.
    items: PeerMemory,
    items_added: u64,
    table: PeerMemory,
    table_host: PeerHost,
    sources: PeerHost,
    results: PeerHost,
}

impl Plain {
    pub fn open(index: u32, library: Option<std::path::PathBuf>) -> Outcome<Plain> {
        let peer = Peer::open(index, library, STREAMS, super::KERNELS)?;
        let (axpy, axpy_table, mm) = (peer.kernel("axpy")?, peer.kernel("axpy_table")?, peer.kernel("mm")?);
        let memory = |bytes: usize| peer.allocate(bytes as u64);
        let mut plain = Plain {
            axpy,
            axpy_table,
            mm,
            x: memory(BYTES)?,
            y: (0..STREAMS).map(|_| memory(BYTES)).collect::<Result<_, _>>()?,
            added: vec![0; STREAMS],
            items: memory(MERGED * BYTES)?,
            items_added: 0,
            table: memory(MERGED * ITEM)?,
            table_host: peer.host(MERGED * ITEM)?,
            sources: peer.host(HELD * BYTES)?,
            results: peer.host(HELD * BYTES)?,
            peer,
        };
        let zeros = plain.peer.host(MERGED * BYTES)?;
        let mut ramps = plain.peer.host(BYTES)?;
        write(ramps.bytes(), &ramp());
        // SAFETY: needed to copy by address: all of it lives until the streams are through, which is waited for.
        unsafe {
            plain.peer.copy(0, plain.x.address(), ramps.address(), BYTES)?;
            plain.peer.copy(0, plain.items.address(), zeros.address(), MERGED * BYTES)?;
            for y in &plain.y {
                plain.peer.copy(0, y.address(), zeros.address(), BYTES)?;
            }
        }
        plain.peer.synchronize_all()?;
        for request in 0..HELD {
            write(&mut plain.sources.bytes()[request * BYTES..][..BYTES], &input(request));
        }
        Ok(plain)
    }

    #[inline]
    fn launch(&self, stream: usize, y: u64, factor: f32) -> Outcome<()> {
        let (mut a, mut x, mut y, mut n) = (factor, self.x.address(), y, VALUES as u32);
        let mut arguments: [*mut c_void; 4] =
            [(&raw mut a).cast(), (&raw mut x).cast(), (&raw mut y).cast(), (&raw mut n).cast()];
        // SAFETY: needed to launch by hand; the arguments are axpy's, and the buffers live as long as the peer.
        Ok(unsafe { self.peer.launch(stream, self.axpy, [1, 1, 1], [VALUES as u32, 1, 1], &mut arguments) }?)
    }

    /// Launches over so many streams, one wait at the end.
    pub fn launches(&mut self, streams: usize, count: usize) -> Outcome<()> {
        for i in 0..count {
            self.launch(i % streams, self.y[i % streams].address(), 1.0)?;
            self.added[i % streams] += 1;
        }
        (0..streams).try_for_each(|stream| Ok(self.peer.synchronize(stream)?))
    }

    /// Launches, each awaited.
    pub fn launch_and_wait(&mut self, count: usize) -> Outcome<()> {
        for _ in 0..count {
            self.launch(0, self.y[0].address(), 1.0)?;
            self.added[0] += 1;
            self.peer.synchronize(0)?;
        }
        Ok(())
    }

    /// Launches of a graph that was captured before, one wait at the end.
    pub fn graph(&mut self, count: usize) -> Outcome<f64> {
        let graph = self.peer.capture(|| {
            let one = || self.launch(0, self.y[0].address(), 1.0).map_err(|_| ());
            (0..NODES).try_for_each(|_| one()).map_err(|()| dxg_runtime::Error::ShutDown)
        })?;
        // The first launch uploads it.
        graph.launch()?;
        self.peer.synchronize(0)?;
        let begun = std::time::Instant::now();
        for _ in 0..count.div_ceil(NODES) {
            graph.launch()?;
        }
        self.peer.synchronize(0)?;
        let spent = begun.elapsed().as_nanos() as f64;
        drop(graph);
        let launches = count.div_ceil(NODES) * NODES;
        self.added[0] += (launches + NODES) as u64;
        Ok(spent / launches as f64)
    }

    /// Launches of a kernel made for it, its table built and uploaded for each, one wait at the end of each: the table is used
    /// again.
    pub fn merged(&mut self, count: usize) -> Outcome<()> {
        for _ in 0..count.div_ceil(MERGED) {
            let (x, items) = (self.x.address(), self.items.address());
            for (i, item) in self.table_host.bytes().chunks_exact_mut(ITEM).enumerate() {
                item[..4].copy_from_slice(&1.0f32.to_le_bytes());
                item[4..8].copy_from_slice(&(VALUES as u32).to_le_bytes());
                item[8..16].copy_from_slice(&x.to_le_bytes());
                item[16..24].copy_from_slice(&(items + (i * BYTES) as u64).to_le_bytes());
            }
            let mut table = self.table.address();
            let mut arguments: [*mut c_void; 1] = [(&raw mut table).cast()];
            // SAFETY: needed to launch by hand; the arguments are axpy_table's, and everything lives as long as the peer.
            unsafe {
                self.peer.copy(0, table, self.table_host.address(), MERGED * ITEM)?;
                let (grid, block) = ([MERGED as u32, 1, 1], [VALUES as u32, 1, 1]);
                self.peer.launch(0, self.axpy_table, grid, block, &mut arguments)?;
            }
            self.peer.synchronize(0)?;
            self.items_added += 1;
        }
        Ok(())
    }

    /// Copies of 1 KiB, pinned, one wait at the end.
    pub fn copies(&mut self, streams: usize, count: usize) -> Outcome<()> {
        for i in 0..count {
            let (stream, from) = (i % streams, self.sources.address() + (i % HELD * BYTES) as u64);
            let to = self.items.address() + (i % MERGED * BYTES) as u64;
            // SAFETY: needed to copy by hand; everything lives as long as the peer.
            unsafe { self.peer.copy(stream, to, from, BYTES)? };
        }
        (0..streams).try_for_each(|stream| self.peer.synchronize(stream))?;
        Ok(())
    }

    /// Whether the copies of the last such measurement have arrived; the buffers are zero again then.
    pub fn check_copies(&mut self, count: usize) -> Outcome<()> {
        let mut out = self.peer.host(MERGED * BYTES)?;
        let zeros = self.peer.host(MERGED * BYTES)?;
        // SAFETY: needed to copy by hand; everything lives until the wait is over.
        unsafe { self.peer.copy(0, out.address(), self.items.address(), MERGED * BYTES)? };
        // SAFETY: as above.
        unsafe { self.peer.copy(0, self.items.address(), zeros.address(), MERGED * BYTES)? };
        self.peer.synchronize(0)?;
        self.items_added = 0;
        for i in count.saturating_sub(MERGED)..count {
            check_values("a plain copy", &read(&out.bytes()[i % MERGED * BYTES..][..BYTES]), &input(i % HELD))?;
        }
        Ok(())
    }

    /// Requests over so many streams, one wait at the end of each [`HELD`] of them.
    pub fn requests(&mut self, streams: usize, count: usize, wait_each: bool) -> Outcome<()> {
        for i in 0..count {
            let (stream, slot) = (i % streams, (i % HELD * BYTES) as u64);
            let y = self.y[stream].address();
            // SAFETY: needed to copy by hand; everything lives as long as the peer.
            unsafe { self.peer.copy(stream, y, self.sources.address() + slot, BYTES)? };
            for factor in FACTORS {
                self.launch(stream, y, factor)?;
            }
            // SAFETY: as above.
            unsafe { self.peer.copy(stream, self.results.address() + slot, y, BYTES)? };
            if wait_each {
                self.peer.synchronize(stream)?;
            } else if i % HELD == HELD - 1 {
                (0..streams).try_for_each(|stream| self.peer.synchronize(stream))?;
            }
        }
        (0..streams).try_for_each(|stream| self.peer.synchronize(stream))?;
        Ok(())
    }

    /// Whether the results of the last requests are right; sets the buffers to zero.
    pub fn check_requests(&mut self, count: usize) -> Outcome<()> {
        for request in 0..count.min(HELD) {
            let found = read(&self.results.bytes()[request * BYTES..][..BYTES]);
            check_values("a plain request", &found, &result(&input(request)))?;
        }
        self.clear()
    }

    fn clear(&mut self) -> Outcome<()> {
        let zeros = self.peer.host(BYTES)?;
        for y in &self.y {
            // SAFETY: needed to copy by hand; everything lives until the wait is over.
            unsafe { self.peer.copy(0, y.address(), zeros.address(), BYTES)? };
        }
        self.peer.synchronize(0)?;
        self.added.fill(0);
        Ok(())
    }

    /// Whether every launch has added once.
    pub fn check_launches(&mut self) -> Outcome<()> {
        let mut out = self.peer.host(MERGED * BYTES)?;
        for (stream, y) in self.y.iter().enumerate() {
            // SAFETY: needed to copy by hand; everything lives until the wait is over.
            unsafe { self.peer.copy(0, out.address(), y.address(), BYTES)? };
            self.peer.synchronize(0)?;
            let expected: Vec<f32> = ramp().iter().map(|x| x * self.added[stream] as f32).collect();
            check_values("plain launches", &read(&out.bytes()[..BYTES]), &expected)?;
        }
        // SAFETY: as above.
        unsafe { self.peer.copy(0, out.address(), self.items.address(), MERGED * BYTES)? };
        self.peer.synchronize(0)?;
        let expected: Vec<f32> = ramp().iter().map(|x| x * self.items_added as f32).collect();
        for item in out.bytes().chunks_exact(BYTES) {
            check_values("launches merged by hand", &read(item), &expected)?;
        }
        self.clear()
    }

    /// One product of square matrices, into a stream.
    pub fn multiply(&self, stream: usize, size: u32, a: &PeerMemory, b: &PeerMemory, c: &PeerMemory) -> Outcome<()> {
        let mut sizes = [size, size, size, 1.0f32.to_bits()];
        let (mut a, mut b, mut c) = (a.address(), b.address(), c.address());
        let mut arguments: [*mut c_void; 4] =
            [(&raw mut sizes).cast(), (&raw mut a).cast(), (&raw mut b).cast(), (&raw mut c).cast()];
        let tiles = size.div_ceil(16);
        // SAFETY: needed to launch by hand; the arguments are mm's, and the caller keeps the matrices.
        Ok(unsafe { self.peer.launch(stream, self.mm, [tiles, tiles, 1], [16, 16, 1], &mut arguments) }?)
    }

    /// A launch that is waited for; its buffer counts it.
    pub fn touch(&mut self) -> Outcome<()> {
        self.launch_and_wait(1)
    }
}

fn write(bytes: &mut [u8], values: &[f32]) {
    for (place, value) in bytes.chunks_exact_mut(4).zip(values) {
        place.copy_from_slice(&value.to_le_bytes());
    }
}

fn read(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).collect()
}

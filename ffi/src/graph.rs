//! Graphs: commands with dependencies, enqueued again and again as one entry.
//!
//! A graph owns copies of its commands. A launch copies them once more, applies its patches to the copy, makes an operation of
//! each, and enqueues all of them: patches and launch are one step, earlier launches keep theirs.

use std::borrow::Cow;
use std::sync::Arc;

use dxg_runtime::raw;

use crate::command::{self, Owned, count_bytes};
use crate::context::{Context, context, count, maybe_output, output};
use crate::enqueue::check_count;
use crate::guard::{Failure, Outcome, guard};
use crate::handle::{self, opaque};
use crate::sized;
use crate::status::dxgrt_status;
use crate::stream::{StreamEntry, default_stream};
use crate::types::*;

opaque!(dxgrt_graph, GraphEntry, 0xC6, "graph");

/// A graph.
pub(crate) struct GraphEntry {
    context: Arc<Context>,
    nodes: Vec<Owned>,
    /// `None`: in order.
    order: Option<Order>,
}

/// Who comes after whom.
struct Order {
    /// Dependencies of node `i`: `all[start[i]..start[i + 1]]`.
    start: Vec<u32>,
    all: Vec<u32>,
    /// Whether another node comes after this one.
    awaited: Vec<bool>,
}

impl Order {
    fn after(&self, node: usize) -> &[u32] {
        &self.all[self.start[node] as usize..self.start[node + 1] as usize]
    }

    /// # Safety
    ///
    /// `offsets` points to `n + 1` numbers and `deps` to as many as the last of them says.
    unsafe fn new(n: u32, offsets: *const u32, deps: *const u32) -> Outcome<Self> {
        let bad = |text: String| Err(Failure::invalid(text));
        // SAFETY: needed to read the caller's memory, of which there are `n + 1` numbers.
        let start: Vec<u32> = (0..=n as usize).map(|i| unsafe { offsets.add(i).read_unaligned() }).collect();
        if start[0] != 0 || start.windows(2).any(|pair| pair[0] > pair[1]) {
            return bad("`dep_offsets` must begin with 0 and never fall".into());
        }
        let total = start[n as usize];
        // A node depends on earlier ones, on each once at most.
        if u64::from(total) > u64::from(n) * u64::from(n.saturating_sub(1)) / 2 {
            return bad(format!("{total} dependencies are more than {n} nodes can have; name each once"));
        }
        if total > 0 && deps.is_null() {
            return bad(format!("{total} dependencies are said to be at NULL"));
        }
        // SAFETY: as above, of which there are `total`.
        let all: Vec<u32> = (0..total as usize).map(|i| unsafe { deps.add(i).read_unaligned() }).collect();
        let mut order = Order { start, all, awaited: vec![false; n as usize] };
        for node in 0..n as usize {
            for at in order.start[node]..order.start[node + 1] {
                let on = order.all[at as usize] as usize;
                if on >= node {
                    return bad(format!("node {node} depends on node {on}, which does not come before it; sort them"));
                }
                order.awaited[on] = true;
            }
        }
        Ok(order)
    }
}

/// Makes a graph of `n` commands, which are copied. The nodes that node `i` comes after are `deps[dep_offsets[i]]` up to, not
/// including, `deps[dep_offsets[i + 1]]`; each comes before `i` in the array. `dep_offsets` NULL: one after another. Nodes that do
/// not depend on each other may run in any order, or at the same time.
///
/// Destinations on the host are written by every launch; data from the host is taken now.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_graph_create(
    ctx: *mut dxgrt_ctx,
    nodes: *const dxgrt_cmd,
    n: u32,
    dep_offsets: *const u32,
    deps: *const u32,
    out: *mut *mut dxgrt_graph,
) -> dxgrt_status {
    guard(|| {
        let out = output(out, "out")?;
        let context = context(ctx)?.share();
        let stream = handle::find(default_stream(&context)?)?.share();
        check_count(&stream, n.saturating_add(2))?;
        // SAFETY: needed to read the caller's memory; by the rules page there are `n` commands and what they point to.
        let owned = unsafe { sized::each(nodes, n)? }.map(|cmd| unsafe { Owned::new(&cmd?) });
        let nodes = owned.collect::<Outcome<Vec<_>>>()?;
        // SAFETY: as above.
        let order = if dep_offsets.is_null() { None } else { Some(unsafe { Order::new(n, dep_offsets, deps)? }) };
        for (index, node) in nodes.iter().enumerate() {
            // Checks everything; what it takes for that is given back at once.
            // SAFETY: needed because the pointers are the caller's; nothing is enqueued here.
            drop(unsafe { node.prepare(&stream) }.map_err(|failure| failure.at_node(index))?);
        }
        out.set(handle::insert(Arc::new(GraphEntry { context, nodes, order }))?);
        Ok(())
    })
}

/// Enqueues a graph as one entry, with `n` patches that hold for this launch only: earlier launches keep theirs, and a wrong patch
/// enqueues nothing. `done` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_graph_launch(
    graph: *mut dxgrt_graph,
    stream: *mut dxgrt_stream,
    patches: *const dxgrt_patch,
    n: u32,
    done: *mut dxgrt_fence,
) -> dxgrt_status {
    guard(|| {
        let (graph, stream) = (handle::find(graph)?, handle::find(stream)?);
        if !Arc::ptr_eq(&graph.context, &stream.context) {
            return Err(Failure::invalid("the stream belongs to another context than the graph"));
        }
        let mut nodes = Cow::Borrowed(graph.nodes.as_slice());
        // SAFETY: needed to read the caller's memory; by the rules page there are `n` patches.
        for patch in unsafe { sized::each(patches, n)? } {
            let patch = patch?;
            // SAFETY: as above, and of data as much as each says.
            let data = unsafe { command::bytes(patch.data, patch.size, "the data of a patch")? };
            let count = nodes.len();
            let Some(node) = nodes.to_mut().get_mut(patch.node as usize) else {
                let node = patch.node;
                return Err(Failure::invalid(format!("a patch is for node {node}, and the graph has {count}")));
            };
            apply(node, &patch, data).map_err(|failure| failure.at_node(patch.node as usize))?;
        }
        let fence = enqueue(&graph, &nodes, &stream)?;
        maybe_output(done, fence);
        Ok(())
    })
}

fn enqueue(graph: &GraphEntry, nodes: &[Owned], stream: &StreamEntry) -> Outcome<dxgrt_fence> {
    // Two places keep the nodes apart from what comes before and after.
    let mut all = raw::Batch::with_capacity(nodes.len() + 2);
    all.push(raw::barrier());
    for (index, node) in nodes.iter().enumerate() {
        // SAFETY: needed because destinations on the host are the caller's; whoever made the graph vouched for them.
        let mut prepared = unsafe { node.prepare(stream) }.map_err(|failure| failure.at_node(index))?;
        if let Some(order) = &graph.order {
            // Indices fit: the graph was made of 32 bits of nodes.
            prepared = prepared.ordered(index as u32, order.after(index), order.awaited[index]);
        }
        all.push(prepared);
    }
    all.push(raw::barrier());
    let last = all.len() as u64 - 1;
    let first = raw::enqueue_all(&stream.stream, all, stream.context.blocks)?;
    for node in nodes {
        let (kind, size) = node.copied();
        count_bytes(stream, kind, size);
    }
    count(&stream.context.counters.graph_launches, 1);
    Ok(stream.fence(first + last))
}

/// Changes one field of a node.
fn apply(node: &mut Owned, patch: &dxgrt_patch, data: &[u8]) -> Outcome {
    let word = || {
        let word = <[u8; 8]>::try_from(data).map(u64::from_ne_bytes);
        word.map_err(|_| Failure::invalid(format!("this field has 8 bytes, and the patch {}", data.len())))
    };
    let sizes = || {
        let words = data.chunks_exact(4).map(|word| u32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
        let words: Vec<u32> = words.collect();
        let three = <[u32; 3]>::try_from(words.as_slice()).ok().filter(|_| data.len() == 12);
        three.ok_or_else(|| Failure::invalid(format!("this field has 12 bytes, and the patch {}", data.len())))
    };
    match (patch.field, node) {
        (DXGRT_PATCH_ARGS, Owned::Launch { args, accesses, .. }) => {
            let start = patch.offset as usize;
            let len = args.len();
            let Some(place) = args.get_mut(start..start.saturating_add(data.len())) else {
                let end = start.saturating_add(data.len());
                return Err(Failure::invalid(format!("argument bytes {start}..{end} of {len} are to be patched")));
            };
            place.copy_from_slice(data);
            // A told range moves with the address that stands in the arguments.
            for access in accesses.iter_mut() {
                let at = access.arg_offset as usize;
                if at < start.saturating_add(data.len())
                    && at.saturating_add(8) > start
                    && let Some(Ok(address)) = args.get(at..at.saturating_add(8)).map(<[u8; 8]>::try_from)
                {
                    access.addr = u64::from_ne_bytes(address);
                }
            }
        }
        (DXGRT_PATCH_GRID, Owned::Launch { grid, .. }) => *grid = sizes()?,
        (DXGRT_PATCH_BLOCK, Owned::Launch { block, .. }) => *block = sizes()?,
        (DXGRT_PATCH_DST, Owned::H2d { dst, .. } | Owned::D2d { dst, .. } | Owned::Fill { dst, .. }) => *dst = word()?,
        (DXGRT_PATCH_DST, Owned::D2h { dst, .. }) => *dst = word()? as usize,
        (DXGRT_PATCH_SRC, Owned::D2h { src, .. } | Owned::D2d { src, .. }) => *src = word()?,
        (DXGRT_PATCH_SIZE, Owned::D2h { size, .. } | Owned::D2d { size, .. } | Owned::Fill { size, .. }) => {
            *size = word()?
        }
        (DXGRT_PATCH_DATA, Owned::H2d { data: old, .. }) => {
            if old.len() != data.len() {
                let (old, new) = (old.len(), data.len());
                return Err(Failure::invalid(format!("the copy has {old} bytes, and the patch {new}")));
            }
            *old = data.into();
        }
        (field @ DXGRT_PATCH_ARGS..=DXGRT_PATCH_DATA, _) => {
            return Err(Failure::invalid(format!("a command of this kind has no field {field}")));
        }
        (field, _) => return Err(Failure::invalid(format!("field {field} is none; use DXGRT_PATCH_*"))),
    }
    Ok(())
}

/// Frees a graph; launches in flight still complete. Never blocks. Any thread, also after the context was closed (DXGRT_SHUTDOWN:
/// freed all the same).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_graph_destroy(graph: *mut dxgrt_graph) -> dxgrt_status {
    guard(|| {
        let entry = handle::remove(graph)?;
        entry.context.check_open()
    })
}

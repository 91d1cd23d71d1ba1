//! Graphs: commands with their dependencies, checked once and enqueued again and again as one entry.
//!
//! A launch of a graph puts its nodes into a stream side by side, in an order that respects the dependencies, between two
//! barriers that keep them apart from what comes before and after. Inside, the dependencies become declared order: each node
//! that others depend on writes a byte of its own in an address space that no memory has, and they read it. So the
//! scheduler sees independent nodes as independent and may put them into one wave.

use dxg_scheduler::Access;
use smallvec::SmallVec;

use crate::args::Args;
use crate::buffer::BufferSlice;
use crate::command::{Command, CommandKind};
use crate::completion::Completion;
use crate::device::{Device, DeviceTag};
use crate::error::{Error, Result, TryError};
use crate::grid::{Extent, Grid};
use crate::pod::Pod;
use crate::request::{Ready, Request};
use crate::stream::Stream;

/// Where the nodes' ranges of declared order begin: above every address that a device uses.
const ORDER_BASE: u64 = 1 << 63;

/// A node of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(u32);

impl NodeId {
    pub(crate) fn new(index: u32) -> Self {
        NodeId(index)
    }

    /// Its index: nodes are counted from 0 in the order in which they were added.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

#[derive(Clone)]
struct Node {
    command: Command,
    /// Declared order; `None`: in its place among all.
    order: Option<SmallVec<[Access; 2]>>,
}

impl Node {
    /// Another node depends on this one. Nodes that nobody depends on declare nothing for it, which keeps lists short.
    fn is_awaited(&mut self, this: NodeId) {
        let own = Access::write(order_address(this), 1);
        if let Some(order) = &mut self.order
            && !order.contains(&own)
        {
            order.push(own);
        }
    }
}

/// The byte that stands for a node.
pub(crate) fn order_address(node: NodeId) -> u64 {
    ORDER_BASE + u64::from(node.0)
}

/// Builds a [`Graph`].
///
/// ```
/// use dxg_runtime::{Command, Device, Graph, Patch};
/// let device = Device::open("software")?;
/// let (x, y) = (device.alloc::<u32>(8)?, device.alloc::<u32>(8)?);
/// let mut graph = Graph::builder(&device);
/// let first = graph.node(Command::fill(&x, 1u32)?, &[])?;
/// let second = graph.node(Command::copy(&x, &y)?, &[first])?;
/// let graph = graph.build()?;
/// let stream = device.stream()?;
/// futures::executor::block_on(async {
///     graph.launch(&stream, &[]).await?;
///     let other = device.alloc::<u32>(8)?;
///     graph.launch(&stream, &[Patch::destination(second, &other)]).await?.await?;
///     assert_eq!(stream.copy_out(&other).await?.await?, [1; 8]);
///     Ok::<(), dxg_runtime::Error>(())
/// })?;
/// # Ok::<(), dxg_runtime::Error>(())
/// ```
pub struct GraphBuilder {
    device: Device,
    nodes: Vec<Node>,
}

impl GraphBuilder {
    /// Adds a command that runs after the nodes `after`, and beside all others that it does not depend on.
    ///
    /// Nodes are added after those they depend on, so a graph has no cycles. What nodes declare to read and write orders them
    /// too: two nodes that write the same buffer run in the order in which they were added, dependency or not.
    /// Records, waits and markers keep their place among all nodes.
    pub fn node(&mut self, command: Command, after: &[NodeId]) -> Result<NodeId> {
        let index = self.next()?;
        if let Some(unknown) = after.iter().find(|node| node.index() >= self.nodes.len()) {
            return Err(Error::invalid(format!(
                "node {index} depends on node {}, which the graph does not have yet; add that one first",
                unknown.0
            )));
        }
        let order = if command.is_movable() {
            for node in after {
                self.nodes[node.index()].is_awaited(*node);
            }
            Some(after.iter().map(|node| Access::read(order_address(*node), 1)).collect())
        } else {
            None
        };
        self.nodes.push(Node { command, order });
        Ok(NodeId(index))
    }

    /// Adds a command that runs after all nodes added before, and before all added later.
    pub fn in_order(&mut self, command: Command) -> Result<NodeId> {
        let index = self.next()?;
        self.nodes.push(Node { command, order: None });
        Ok(NodeId(index))
    }

    fn next(&self) -> Result<u32> {
        u32::try_from(self.nodes.len())
            .map_err(|_| Error::invalid("a graph takes fewer than 4,294,967,296 nodes; split it"))
    }

    /// Checks all nodes and makes the graph.
    pub fn build(self) -> Result<Graph> {
        let graph = Graph { nodes: self.nodes, tag: self.device.shared().tag };
        for node in &graph.nodes {
            // Checks everything; what it takes for that is given back at once.
            drop(node.command.ready(self.device.shared())?);
        }
        Ok(graph)
    }
}

/// Commands with dependencies, enqueued as one entry by [`Graph::launch`]. Immutable: launches do not disturb each other.
#[derive(Clone)]
pub struct Graph {
    nodes: Vec<Node>,
    tag: DeviceTag,
}

impl Graph {
    /// Begins a graph for a device.
    pub fn builder(device: &Device) -> GraphBuilder {
        GraphBuilder { device: device.clone(), nodes: Vec::new() }
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are no nodes.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Enqueues the graph as one entry, with some things changed for this launch only; waits for room if need be.
    ///
    /// Patches and launch are one step: earlier launches keep theirs, and a wrong patch enqueues nothing. The completion is
    /// that of the whole graph. An empty graph completes in its place.
    pub async fn launch(&self, stream: &Stream, patches: &[Patch]) -> Result<Completion> {
        let nodes = self.patched(stream, patches)?;
        let device = &stream.inner.device;
        let ready = device.host.room().until(|| ready_nodes(&nodes, stream)).await?;
        stream.accept_all(ready).await
    }

    /// As [`Graph::launch`], if there is room.
    pub fn try_launch(&self, stream: &Stream, patches: &[Patch]) -> Result<Completion, TryError> {
        let nodes = self.patched(stream, patches)?;
        match ready_nodes(&nodes, stream)? {
            Some(ready) => stream.try_accept_all(ready),
            None => Err(TryError::Full { bound: crate::error::Full::Staging, returned: () }),
        }
    }

    /// The same graph with patches applied for good.
    pub fn with(&self, patches: &[Patch]) -> Result<Graph> {
        let mut changed = self.clone();
        for patch in patches {
            patch.apply(&mut changed.nodes)?;
        }
        Ok(changed)
    }

    fn patched(&self, stream: &Stream, patches: &[Patch]) -> Result<std::borrow::Cow<'_, [Node]>> {
        stream.tag().check("graph", self.tag)?;
        let mut nodes = std::borrow::Cow::Borrowed(self.nodes.as_slice());
        for patch in patches {
            patch.apply(nodes.to_mut())?;
        }
        Ok(nodes)
    }
}

fn ready_nodes(nodes: &[Node], stream: &Stream) -> Result<Option<Vec<Ready>>> {
    let mut all = Vec::with_capacity(nodes.len() + 2);
    all.push(Ready::from(Request::barrier()));
    for node in nodes {
        let Some(mut ready) = node.command.ready(&stream.inner.device)? else {
            return Ok(None);
        };
        if let Some(order) = &node.order {
            ready.request = ready.request.with_order(order.iter().copied());
        }
        all.push(ready);
    }
    all.push(Ready::from(Request::barrier()));
    Ok(Some(all))
}

impl std::fmt::Debug for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Graph({} nodes on {})", self.nodes.len(), self.tag)
    }
}

impl std::fmt::Debug for GraphBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GraphBuilder({} nodes)", self.nodes.len())
    }
}

/// A change to one node, for one launch of its graph.
#[derive(Clone, Debug)]
pub struct Patch {
    node: NodeId,
    change: Change,
}

#[derive(Clone, Debug)]
enum Change {
    Argument { index: usize, argument: Box<Args> },
    Bytes { offset: u32, bytes: SmallVec<[u8; 8]> },
    Grid(Grid),
    Blocks(Extent),
    Threads(Extent),
    Source(BufferSlice<u8>),
    Destination(BufferSlice<u8>),
    Whole(Box<Command>),
}

impl Patch {
    /// Another value or buffer for argument `index` of a launch: `Patch::argument(node, 0, args![2.0f32])`.
    pub fn argument(node: NodeId, index: usize, argument: Args) -> Self {
        Patch { node, change: Change::Argument { index, argument: Box::new(argument) } }
    }

    /// Other packed argument bytes from `offset` on. Where they are the address of a declared buffer, its range moves along;
    /// the memory there must stay allocated until the launch is complete.
    ///
    /// # Safety
    ///
    /// Every address that comes to stand in the bytes belongs to device memory of the graph's device that may be used as the
    /// kernel uses it.
    pub unsafe fn argument_bytes(node: NodeId, offset: u32, bytes: &[u8]) -> Self {
        Patch { node, change: Change::Bytes { offset, bytes: SmallVec::from_slice(bytes) } }
    }

    /// Another grid for a launch.
    pub fn grid(node: NodeId, grid: impl Into<Grid>) -> Self {
        Patch { node, change: Change::Grid(grid.into()) }
    }

    /// Other blocks for a launch.
    pub fn blocks(node: NodeId, blocks: impl Into<Extent>) -> Self {
        Patch { node, change: Change::Blocks(blocks.into()) }
    }

    /// Other threads for a launch.
    pub fn threads(node: NodeId, threads: impl Into<Extent>) -> Self {
        Patch { node, change: Change::Threads(threads.into()) }
    }

    /// Another source for a copy from device memory. Both sides of a copy may be patched, so its length may change.
    pub fn source<T: Pod>(node: NodeId, source: impl Into<BufferSlice<T>>) -> Self {
        Patch { node, change: Change::Source(source.into().bytes()) }
    }

    /// Another destination for a copy into device memory, or for a fill.
    pub fn destination<T: Pod>(node: NodeId, destination: impl Into<BufferSlice<T>>) -> Self {
        Patch { node, change: Change::Destination(destination.into().bytes()) }
    }

    /// Another command in the node's place, with the same dependencies.
    pub fn command(node: NodeId, command: Command) -> Self {
        Patch { node, change: Change::Whole(Box::new(command)) }
    }

    fn apply(&self, nodes: &mut [Node]) -> Result<()> {
        let (index, count) = (self.node.index(), nodes.len());
        let refuse = |what: &str| Err(Error::invalid(format!("the patch of node {index} cannot be applied: {what}")));
        let Some(node) = nodes.get_mut(index) else {
            return refuse(&format!("the graph has {count} nodes, counted from 0"));
        };
        if let Change::Whole(command) = &self.change {
            if command.is_movable() != node.command.is_movable() {
                return refuse("records, waits and markers are replaced by their like only");
            }
            node.command = (**command).clone();
            return Ok(());
        }
        match (&self.change, &mut node.command.kind) {
            (Change::Argument { index, argument }, CommandKind::Launch(launch)) => {
                return launch.args.replace(*index, argument).or_else(|what| refuse(&what));
            }
            (Change::Bytes { offset, bytes }, CommandKind::Launch(launch)) => {
                return launch.args.overwrite(*offset, bytes).or_else(|what| refuse(&what));
            }
            (Change::Grid(new), CommandKind::Launch(launch)) => launch.grid = *new,
            (Change::Blocks(blocks), CommandKind::Launch(launch)) => {
                launch.grid = launch.grid.with_blocks(blocks.sizes())
            }
            (Change::Threads(threads), CommandKind::Launch(launch)) => {
                launch.grid = launch.grid.with_threads(threads.sizes())
            }
            (Change::Source(new), CommandKind::Copy { source, .. } | CommandKind::CopyOut { source, .. }) => {
                source.clone_from(new)
            }
            (
                Change::Destination(new),
                CommandKind::Copy { destination, .. }
                | CommandKind::CopyIn { destination, .. }
                | CommandKind::CopyFrom { destination, .. }
                | CommandKind::Fill { destination, .. },
            ) => destination.clone_from(new),
            (Change::Source(_), _) => return refuse("the node is no copy from device memory"),
            (Change::Destination(_), _) => return refuse("the node is no copy into device memory and no fill"),
            _ => return refuse("the node is no launch"),
        }
        Ok(())
    }
}

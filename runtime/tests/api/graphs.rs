//! Graphs: dependencies, patches for one launch, and refused patches.

use dxg_runtime::{Command, Error, Event, Graph, Patch, args};

use super::common::{block_on, device, kernels};

#[test]
fn a_graph_respects_its_dependencies_and_can_be_launched_again() {
    let device = device();
    let kernels = kernels(&device);
    let stream = device.stream().unwrap();
    let (x, y, z) =
        (device.alloc::<u32>(64).unwrap(), device.alloc::<u32>(64).unwrap(), device.alloc::<u32>(64).unwrap());
    let mut graph = Graph::builder(&device);
    let fill_x = graph.node(Command::fill(&x, 1u32).unwrap(), &[]).unwrap();
    let fill_y = graph.node(Command::fill(&y, 10u32).unwrap(), &[]).unwrap();
    let add = Command::launch(&kernels.add, 4, args![100u32, x.read(), y.write()]);
    let add = graph.node(add, &[fill_x, fill_y]).unwrap();
    let copy = graph.node(Command::copy(&y, &z).unwrap(), &[add]).unwrap();
    graph.node(Command::launch(&kernels.double, 3, args![z.write()]), &[copy]).unwrap();
    let graph = graph.build().unwrap();
    assert_eq!(graph.len(), 5);
    block_on(async {
        for _ in 0..10 {
            stream.fill(&z, 0u32).await.unwrap();
            graph.launch(&stream, &[]).await.unwrap();
            assert_eq!(stream.copy_out(&z).await.unwrap().await.unwrap(), [222; 64]);
        }
    });
}

#[test]
fn patches_hold_for_their_launch_only() {
    let device = device();
    let kernels = kernels(&device);
    let stream = device.stream().unwrap();
    let (x, y) = (device.alloc::<u32>(8).unwrap(), device.alloc::<u32>(8).unwrap());
    let mut graph = Graph::builder(&device);
    let launch = Command::launch(&kernels.add, 1, args![1u32, x.read(), y.write()]);
    let launch = graph.node(launch, &[]).unwrap();
    let graph = graph.build().unwrap();
    let outputs: Vec<_> = (0..4).map(|_| device.alloc::<u32>(8).unwrap()).collect();
    block_on(async {
        stream.fill(&x, 0u32).await.unwrap();
        stream.fill(&y, 0u32).await.unwrap();
        for output in &outputs {
            stream.fill(output, 0u32).await.unwrap();
        }
        // All in flight together: each launch has its own arguments.
        for (index, output) in outputs.iter().enumerate() {
            let patches = [
                Patch::argument(launch, 0, args![10 * (index as u32 + 1)]),
                Patch::argument(launch, 2, args![output.write()]),
            ];
            graph.launch(&stream, &patches).await.unwrap();
        }
        graph.launch(&stream, &[]).await.unwrap();
        for (index, output) in outputs.iter().enumerate() {
            let back = stream.copy_out(output).await.unwrap().await.unwrap();
            assert_eq!(back, [10 * (index as u32 + 1); 8]);
        }
        assert_eq!(stream.copy_out(&y).await.unwrap().await.unwrap(), [1; 8]);
        let changed = graph.with(&[Patch::argument(launch, 0, args![1000u32])]).unwrap();
        changed.launch(&stream, &[]).await.unwrap();
        assert_eq!(stream.copy_out(&y).await.unwrap().await.unwrap(), [1001; 8]);
    });
}

#[test]
fn copies_and_fills_are_patched_too() {
    let device = device();
    let stream = device.stream().unwrap();
    let (x, y, z) = (device.alloc::<u32>(4).unwrap(), device.alloc::<u32>(4).unwrap(), device.alloc::<u32>(2).unwrap());
    let mut graph = Graph::builder(&device);
    let fill = graph.node(Command::fill(&x, 1u32).unwrap(), &[]).unwrap();
    let copy = graph.node(Command::copy(&x, &y).unwrap(), &[fill]).unwrap();
    let graph = graph.build().unwrap();
    block_on(async {
        let patches = [
            Patch::command(fill, Command::fill(&x, 5u32).unwrap()),
            Patch::source(copy, x.slice(1..3).unwrap()),
            Patch::destination(copy, &z),
        ];
        graph.launch(&stream, &patches).await.unwrap();
        assert_eq!(stream.copy_out(&z).await.unwrap().await.unwrap(), [5; 2]);
        let error = graph.launch(&stream, &[Patch::destination(copy, &z)]).await.unwrap_err();
        assert!(matches!(error, Error::LengthMismatch { .. }), "{error}");
    });
}

#[test]
fn a_wrong_patch_or_node_is_refused_and_nothing_runs() {
    let device = device();
    let kernels = kernels(&device);
    let stream = device.stream().unwrap();
    let x = device.alloc::<u32>(4).unwrap();
    let mut graph = Graph::builder(&device);
    let fill = graph.node(Command::fill(&x, 1u32).unwrap(), &[]).unwrap();
    let launch = graph.node(Command::launch(&kernels.bump, 1, args![x.write()]), &[fill]).unwrap();
    let graph = graph.build().unwrap();
    let event = Event::new(&device).unwrap();
    let before = device.stats().operations;
    block_on(async {
        for (patch, says) in [
            (Patch::argument(fill, 0, args![1u32]), "no launch"),
            (Patch::argument(launch, 1, args![x.write()]), "no argument 1"),
            (Patch::argument(launch, 0, args![1u32]), "a value of 4 bytes"),
            (Patch::source(fill, &x), "no copy"),
            (Patch::blocks(fill, 3), "no launch"),
            (Patch::command(fill, Command::record(&event)), "replaced by their like"),
            (Patch::grid(launch, (u32::MAX, 1)), "blocks in x"),
        ] {
            let error = graph.launch(&stream, &[patch]).await.unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
    });
    assert_eq!(device.stats().operations, before);
    let wrong = Command::launch(&kernels.bump, 1, args![]);
    let mut graph = Graph::builder(&device);
    graph.node(wrong, &[]).unwrap();
    assert!(matches!(graph.build(), Err(Error::Arguments { .. })));
    let mut graph = Graph::builder(&device);
    assert!(graph.node(Command::marker(), &[launch]).is_err(), "a node of nowhere");
}

#[test]
fn an_empty_graph_completes_in_its_place() {
    let device = device();
    let stream = device.stream().unwrap();
    let graph = Graph::builder(&device).build().unwrap();
    assert!(graph.is_empty());
    block_on(async { graph.launch(&stream, &[]).await.unwrap().await.unwrap() });
}

#[test]
fn independent_nodes_share_a_wave() {
    let device = device();
    let kernels = kernels(&device);
    let stream = device.stream().unwrap();
    let buffers: Vec<_> = (0..32).map(|_| device.alloc::<u32>(4).unwrap()).collect();
    let mut graph = Graph::builder(&device);
    for buffer in &buffers {
        graph.node(Command::launch(&kernels.bump, 1, args![buffer.write()]), &[]).unwrap();
    }
    let graph = graph.build().unwrap();
    block_on(async {
        let before = device.stats();
        graph.launch(&stream, &[]).await.unwrap().await.unwrap();
        let spent = device.stats().since(&before);
        assert_eq!(spent.launches, 32);
        assert!(spent.dispatches <= 2, "32 independent launches of one kernel took {} dispatches", spent.dispatches);
    });
}

//! Many concurrent tasks: W3, and what an operation costs as tasks become more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use super::floor::{Floor, FloorClient};
use super::measure::{Scale, Series, settle};
use super::ours::{OurClient, Ours};
use super::report::{Growth, Row};
use super::statistics::{median, median_ratio};
use super::system::Moment;
use super::work::{FACTOR, RequestData, VALUES, ramp};
use crate::commands::Outcome;
use crate::output::Progress;

/// Tasks of W3.
pub const TASKS: usize = 64;
/// Task counts of the growth.
pub const COUNTS: [usize; 4] = [1, 100, 1_000, 10_000];
/// Rounds of the growth at most: it takes long.
const GROWTH_ROUNDS: usize = 5;
/// Operations of a task of the growth at least.
const LEAST_OF_A_TASK: usize = 4;

/// Where tasks run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Executor {
    /// All on the thread that waits for them: tokio's current-thread runtime.
    CurrentThread,
    /// On so many threads of their own: tokio's multi-thread runtime, with a thread for each core as it has by itself.
    Workers(usize),
}

impl Executor {
    fn name(self) -> String {
        match self {
            Executor::CurrentThread => format!("{TASKS} tasks, 1 thread"),
            Executor::Workers(1) => format!("{TASKS} tasks, 1 worker"),
            Executor::Workers(n) => format!("{TASKS} tasks, {n} workers"),
        }
    }

    fn build(self) -> Outcome<Runtime> {
        Ok(match self {
            Executor::CurrentThread => Builder::new_current_thread().build()?,
            Executor::Workers(n) => Builder::new_multi_thread().worker_threads(n).build()?,
        })
    }
}

/// Who does what tasks ask for.
#[derive(Clone, Debug)]
enum Server {
    Ours(OurClient),
    Floor(FloorClient),
}

impl Server {
    fn name(&self) -> &'static str {
        match self {
            Server::Ours(_) => "dxgrt",
            Server::Floor(_) => "floor",
        }
    }

    /// Answers a request in the memory of its values.
    async fn request(&self, values: &mut Vec<f32>) -> Outcome<()> {
        match self {
            Server::Ours(client) => client.request(values).await,
            Server::Floor(client) => {
                *values = client.request(std::mem::take(values)).await?;
                Ok(())
            }
        }
    }

    async fn launch(&self) -> Outcome<()> {
        match self {
            Server::Ours(client) => Ok(client.launch(FACTOR).await?.await?),
            Server::Floor(client) => client.launch().await,
        }
    }

    async fn read(&self) -> Outcome<Vec<f32>> {
        match self {
            Server::Ours(client) => client.read().await,
            Server::Floor(client) => Ok(client.read()),
        }
    }
}

fn our_servers(ours: &Ours) -> Vec<Server> {
    ours.clients().iter().cloned().map(Server::Ours).collect()
}

fn floor_servers(floor: &Floor) -> Vec<Server> {
    floor.clients().iter().cloned().map(Server::Floor).collect()
}

/// Measures W3 on so many cores.
pub fn requests(cores: usize, scale: Scale) -> Outcome<Vec<Row>> {
    let (ours, floor) = (Ours::open(TASKS)?, Floor::start(TASKS)?);
    let peers = [our_servers(&ours), floor_servers(&floor)];
    let data = Arc::new(RequestData::new());
    let mut rows = Vec::new();
    for executor in [Executor::CurrentThread, Executor::Workers(cores)] {
        let runtime = executor.build()?;
        let mut table = [Series::new("dxgrt")?, Series::new("floor")?];
        let progress = Progress::new("requests", scale.rounds as u64);
        for round in 0..=scale.rounds {
            for (servers, series) in peers.iter().zip(&mut table) {
                settle();
                let begin = Moment::now()?;
                let latencies = runtime.block_on(serve(servers, &data, scale.requests))?;
                if round > 0 {
                    series.add(begin, scale.requests as usize)?;
                    latencies.iter().for_each(|&latency| series.latencies.record(latency));
                }
            }
            progress.advance(u64::from(round > 0));
        }
        let reference = &table[1];
        rows.extend(table.iter().map(|s| s.row("w3", executor.name(), scale.requests as usize, Some(reference))));
    }
    Ok(rows)
}

/// Sends the requests from as many tasks as there are servers, and checks each answer.
async fn serve(servers: &[Server], data: &Arc<RequestData>, requests: u32) -> Outcome<Vec<Duration>> {
    let tasks = servers.iter().zip(0..).map(|(server, first)| {
        let (server, data, step) = (server.clone(), Arc::clone(data), servers.len());
        tokio::spawn(async move {
            let mut values = vec![0.0; VALUES];
            let mut latencies = Vec::with_capacity(requests as usize / step + 1);
            for request in (first..requests).step_by(step) {
                data.fill(request, &mut values);
                let begin = Instant::now();
                server.request(&mut values).await?;
                latencies.push(begin.elapsed());
                data.check(server.name(), request, &values)?;
            }
            Outcome::Ok(latencies)
        })
    });
    // All are spawned before the first is waited for.
    let tasks: Vec<_> = tasks.collect();
    let mut latencies = Vec::with_capacity(requests as usize);
    for task in tasks {
        latencies.extend(task.await??);
    }
    Ok(latencies)
}

/// Measures what a launch costs that its task awaits before the next, with ever more tasks.
pub fn growth(scale: Scale) -> Outcome<Vec<Growth>> {
    let rounds = scale.rounds.min(GROWTH_ROUNDS);
    let runtime = Executor::CurrentThread.build()?;
    let mut found = Vec::new();
    let progress = Progress::new("task counts", (COUNTS.len() * rounds) as u64);
    for tasks in COUNTS {
        let (ours, floor) = (Ours::open(tasks)?, Floor::start(tasks)?);
        let operations = scale.growth.max(tasks * LEAST_OF_A_TASK) / tasks * tasks;
        let peers = [our_servers(&ours), floor_servers(&floor)];
        let mut table = [Series::new("dxgrt")?, Series::new("floor")?];
        for round in 0..=rounds {
            for client in ours.clients() {
                futures::executor::block_on(client.clear())?;
            }
            floor.clients().iter().for_each(FloorClient::clear);
            for (servers, series) in peers.iter().zip(&mut table) {
                settle();
                let begin = Moment::now()?;
                runtime.block_on(launch(servers, operations / tasks))?;
                if round > 0 {
                    series.add(begin, operations)?;
                }
                for server in servers {
                    let values = futures::executor::block_on(server.read())?;
                    let expected = |i| (operations / tasks) as f32 * FACTOR * ramp(i);
                    if values.len() != VALUES || (0..VALUES).any(|i| values[i] != expected(i)) {
                        return Err(format!("{}, {tasks} tasks: a buffer holds wrong values", server.name()).into());
                    }
                }
            }
            progress.advance(u64::from(round > 0));
        }
        let [ours, floor] = &table;
        found.push(Growth {
            tasks,
            operations,
            dxgrt_cpu_us: median(&ours.processor_us),
            floor_cpu_us: median(&floor.processor_us),
            ratio: median_ratio(&ours.processor_us, &floor.processor_us),
        });
    }
    Ok(found)
}

async fn launch(servers: &[Server], operations: usize) -> Outcome<()> {
    let tasks: Vec<_> = servers
        .iter()
        .map(|server| {
            let server = server.clone();
            tokio::spawn(async move {
                for _ in 0..operations {
                    server.launch().await?;
                }
                Outcome::Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}

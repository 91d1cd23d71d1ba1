//! The digit classifier of the example `digits` and of `dxgrt demo`: the same work on any open device.
//!
//! A 64-64-10 perceptron is trained with 28 small launches a step, its loss is read once an epoch, and then the held-out
//! images are classified as concurrent requests from 64 tasks.

mod kernels;
mod math;
mod model;
#[cfg(test)]
mod reference;

use std::sync::Arc;

use dxg_runtime::Device;

use self::kernels::Kernels;
use self::model::{Classifier, Trainer};
use crate::{Digits, Failure, Figures, Mode, Outcome};

pub use self::model::BATCH;

/// Tasks that classify held-out images at the same time.
pub const TASKS: usize = 64;

/// What a run computed: equal in all modes, bit for bit.
#[derive(Clone, Debug, PartialEq)]
pub struct Learned {
    weights: Vec<u32>,
    losses: Vec<u32>,
    classes: Vec<u32>,
}

impl Learned {
    /// An error that names the first value which differs from those of an earlier run.
    pub fn check_equal(&self, found: &Learned, mode: Mode) -> Outcome<()> {
        let differing = |what: &str, a: &[u32], b: &[u32]| match a.iter().zip(b).position(|(a, b)| a != b) {
            Some(i) => Err(format!("{}: {what} {i} differs from the first run's", mode.name()).into()),
            None if a.len() != b.len() => Err(format!("{}: {} {what}s, not {}", mode.name(), b.len(), a.len()).into()),
            None => Ok(()),
        };
        differing("loss", &self.losses, &found.losses)?;
        differing("weight", &self.weights, &found.weights)?;
        differing("class", &self.classes, &found.classes)
    }
}

/// One run.
#[derive(Clone, Debug)]
pub struct Run {
    /// What it computed.
    pub learned: Learned,
    /// Share of the held-out images that were classified rightly.
    pub accuracy: f64,
    /// What everything cost.
    pub total: Figures,
    /// What it cost after the first epoch.
    pub steady: Figures,
}

/// Everything on one device: upload, training, inference. `progress` is told of each epoch and of each image classified:
/// [`steps`] in all.
pub async fn work(
    device: &Device,
    digits: &Digits,
    epochs: u32,
    seed: u64,
    progress: impl Fn(u64) + Clone + Send + Sync + 'static,
) -> Outcome<Run> {
    let since_open = Figures::begin(device);
    let kernels = Kernels::load(device)?;
    let mut trainer = Trainer::new(device, kernels, &digits.training, seed).await?;
    let classifiers = (0..TASKS).map(|_| Classifier::new(device)).collect::<Outcome<Vec<_>>>()?;

    // Everything is allocated and the first epoch has warmed up: from here on, batches alone cost messages.
    let mut losses = vec![trainer.epoch().await?.to_bits()];
    progress(1);
    let steady = Figures::begin(device);
    for _ in 1..epochs {
        losses.push(trainer.epoch().await?.to_bits());
        progress(1);
    }
    let trainer = Arc::new(trainer);
    let classes = classify_all(&trainer, classifiers, digits, &progress).await?;
    let steady = steady.end(device);
    let weights = trainer.parameters.read(trainer.stream()).await?.into_iter().map(f32::to_bits).collect();
    let total = since_open.end(device);

    let right = classes.iter().zip(&digits.held_out.labels).filter(|(class, label)| class == label).count();
    let accuracy = right as f64 / digits.held_out.len() as f64;
    Ok(Run { learned: Learned { weights, losses, classes }, accuracy, total, steady })
}

/// How often [`work`] tells of progress.
pub fn steps(digits: &Digits, epochs: u32) -> u64 {
    u64::from(epochs) + digits.held_out.len() as u64
}

/// Classifies the held-out images, each task taking every 64th, one request at a time.
async fn classify_all(
    trainer: &Arc<Trainer>,
    classifiers: Vec<Classifier>,
    digits: &Digits,
    progress: &(impl Fn(u64) + Clone + Send + Sync + 'static),
) -> Outcome<Vec<u32>> {
    let held_out = Arc::new(digits.held_out.clone());
    let mut tasks = Vec::new();
    for (first, classifier) in classifiers.into_iter().enumerate() {
        let (trainer, held_out, progress) = (Arc::clone(trainer), Arc::clone(&held_out), progress.clone());
        tasks.push(tokio::spawn(async move {
            let mut classes = Vec::new();
            for index in (first..held_out.len()).step_by(TASKS) {
                let image = held_out.image(index);
                let class = classifier.classify(trainer.kernels(), &trainer.parameters, image).await?;
                classes.push((index, class));
                progress(1);
            }
            Ok::<_, Failure>(classes)
        }));
    }
    let mut classes = vec![0; held_out.len()];
    for task in tasks {
        for (index, class) in task.await?? {
            classes[index] = class;
        }
    }
    Ok(classes)
}

//! The classifier on the device: a 64-64-10 perceptron, its training step of 28 launches, and its forward pass for
//! single images.

use dxg_runtime::{Buffer, Device, Stream, args};

use super::kernels::Kernels;
use crate::{CLASSES, Dataset, Outcome, PIXELS, Random};

/// Images in a training step.
pub const BATCH: usize = 32;
/// Hidden units.
pub const HIDDEN: usize = 64;
const RATE: f32 = 0.1;
const MOMENTUM: f32 = 0.9;
/// Blocks of a launch over a whole layer; smaller outputs go as one block.
const BLOCKS: u32 = 8;

/// Weights and biases of both layers.
pub struct Parameters {
    w1: Buffer<f32>,
    b1: Buffer<f32>,
    w2: Buffer<f32>,
    b2: Buffer<f32>,
}

impl Parameters {
    fn alloc(device: &Device) -> Outcome<Parameters> {
        Ok(Parameters {
            w1: device.alloc(PIXELS * HIDDEN)?,
            b1: device.alloc(HIDDEN)?,
            w2: device.alloc(HIDDEN * CLASSES)?,
            b2: device.alloc(CLASSES)?,
        })
    }

    fn all(&self) -> [&Buffer<f32>; 4] {
        [&self.w1, &self.b1, &self.w2, &self.b2]
    }

    /// The weights and biases as they are after everything enqueued so far.
    pub async fn read(&self, stream: &Stream) -> Outcome<Vec<f32>> {
        let mut values = Vec::new();
        for buffer in self.all() {
            values.extend(stream.copy_out(buffer).await?.await?);
        }
        Ok(values)
    }
}

/// A training run: everything it needs on the device.
pub struct Trainer {
    stream: Stream,
    kernels: Kernels,
    images: Buffer<f32>,
    labels: Buffer<u32>,
    order: Buffer<u32>,
    pub parameters: Parameters,
    gradients: Parameters,
    velocities: Parameters,
    step: StepBuffers,
    loss: Buffer<f32>,
    shuffle: Random,
    examples: usize,
}

/// What one training step computes on its way.
struct StepBuffers {
    images: Buffer<f32>,
    labels: Buffer<u32>,
    sums: Buffer<f32>,
    hidden: Buffer<f32>,
    logits: Buffer<f32>,
    largest: Buffer<f32>,
    exponentials: Buffer<f32>,
    totals: Buffer<f32>,
    probabilities: Buffer<f32>,
    losses: Buffer<f32>,
    logit_gradient: Buffer<f32>,
    hidden_gradient: Buffer<f32>,
    sum_gradient: Buffer<f32>,
}

impl Trainer {
    /// Uploads the training set and fresh weights drawn with `seed`.
    pub async fn new(device: &Device, kernels: Kernels, data: &Dataset, seed: u64) -> Outcome<Trainer> {
        let stream = device.stream()?;
        let layer = || device.alloc::<f32>(BATCH * HIDDEN);
        let scores = || device.alloc::<f32>(BATCH * CLASSES);
        let row = || device.alloc::<f32>(BATCH);
        let trainer = Trainer {
            kernels,
            images: device.alloc(data.images.len())?,
            labels: device.alloc(data.labels.len())?,
            order: device.alloc(data.len())?,
            parameters: Parameters::alloc(device)?,
            gradients: Parameters::alloc(device)?,
            velocities: Parameters::alloc(device)?,
            step: StepBuffers {
                images: device.alloc(BATCH * PIXELS)?,
                labels: device.alloc(BATCH)?,
                sums: layer()?,
                hidden: layer()?,
                logits: scores()?,
                largest: row()?,
                exponentials: scores()?,
                totals: row()?,
                probabilities: scores()?,
                losses: row()?,
                logit_gradient: scores()?,
                hidden_gradient: layer()?,
                sum_gradient: layer()?,
            },
            loss: device.alloc(1)?,
            shuffle: Random::new(seed ^ 0x5EED),
            examples: data.len(),
            stream,
        };
        let stream = &trainer.stream;
        stream.copy_in(&trainer.images, data.images.clone()).await?;
        stream.copy_in(&trainer.labels, data.labels.as_slice()).await?;
        for (buffer, values) in trainer.parameters.all().into_iter().zip(initial_parameters(seed)) {
            stream.copy_in(buffer, values.as_slice()).await?;
        }
        for buffer in trainer.velocities.all() {
            stream.fill(buffer, 0.0f32).await?;
        }
        Ok(trainer)
    }

    /// The stream that training runs on.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// The loaded kernels.
    pub fn kernels(&self) -> &Kernels {
        &self.kernels
    }

    /// Trains on every full batch of a new shuffle, and returns the mean loss: the one value read back.
    pub async fn epoch(&mut self) -> Outcome<f32> {
        let mut order: Vec<u32> = (0..self.examples as u32).collect();
        self.shuffle.shuffle(&mut order);
        self.stream.copy_in(&self.order, order.as_slice()).await?;
        self.stream.fill(&self.loss, 0.0f32).await?;
        let steps = self.examples / BATCH;
        let share = 1.0 / (steps * BATCH) as f32;
        for step in 0..steps {
            self.forward((step * BATCH) as u32).await?;
            self.softmax_and_loss(share).await?;
            self.backward().await?;
            self.update().await?;
        }
        let loss = self.stream.copy_out(&self.loss).await?.await?;
        Ok(loss[0])
    }

    /// 7 launches: the batch, both layers.
    async fn forward(&self, begin: u32) -> Outcome<()> {
        let (stream, k, p, s) = (&self.stream, &self.kernels, &self.parameters, &self.step);
        let (pixels, hidden, classes) = (PIXELS as u32, HIDDEN as u32, CLASSES as u32);
        let gather_rows = args![self.images.read(), self.order.read(), s.images.write(), begin, pixels];
        stream.launch(&k.gather_rows, BLOCKS, gather_rows).await?;
        let gather_labels = args![self.labels.read(), self.order.read(), s.labels.write(), begin];
        stream.launch(&k.gather_labels, 1, gather_labels).await?;
        let product = args![s.images.read(), p.w1.read(), s.sums.write(), pixels, hidden];
        stream.launch(&k.matmul, BLOCKS, product).await?;
        stream.launch(&k.add_bias, BLOCKS, args![p.b1.read(), s.sums.read_write()]).await?;
        stream.launch(&k.relu, BLOCKS, args![s.sums.read(), s.hidden.write()]).await?;
        let product = args![s.hidden.read(), p.w2.read(), s.logits.write(), hidden, classes];
        stream.launch(&k.matmul, BLOCKS, product).await?;
        stream.launch(&k.add_bias, 1, args![p.b2.read(), s.logits.read_write()]).await?;
        Ok(())
    }

    /// 6 launches: probabilities, and the loss added to that of the epoch.
    async fn softmax_and_loss(&self, share: f32) -> Outcome<()> {
        let (stream, k, s) = (&self.stream, &self.kernels, &self.step);
        let classes = CLASSES as u32;
        stream.launch(&k.row_max, 1, args![s.logits.read(), s.largest.write(), classes]).await?;
        let exponentials = args![s.logits.read(), s.largest.read(), s.exponentials.write(), classes];
        stream.launch(&k.exp_shifted, 1, exponentials).await?;
        stream.launch(&k.row_sum, 1, args![s.exponentials.read(), s.totals.write(), classes]).await?;
        let probabilities = args![s.exponentials.read(), s.totals.read(), s.probabilities.write(), classes];
        stream.launch(&k.divide_rows, 1, probabilities).await?;
        let losses = args![s.probabilities.read(), s.labels.read(), s.losses.write(), classes];
        stream.launch(&k.row_loss, 1, losses).await?;
        stream.launch(&k.accumulate, 1, args![s.losses.read(), self.loss.read_write(), share]).await?;
        Ok(())
    }

    /// 7 launches: the gradients of both layers.
    async fn backward(&self) -> Outcome<()> {
        let (stream, k, p, g, s) = (&self.stream, &self.kernels, &self.parameters, &self.gradients, &self.step);
        let (pixels, hidden, classes) = (PIXELS as u32, HIDDEN as u32, CLASSES as u32);
        let scale = 1.0 / BATCH as f32;
        let outer = args![s.probabilities.read(), s.labels.read(), s.logit_gradient.write(), scale, classes];
        stream.launch(&k.softmax_backward, 1, outer).await?;
        let w2 = args![s.hidden.read(), s.logit_gradient.read(), g.w2.write(), hidden, classes];
        stream.launch(&k.matmul_transposed_a, BLOCKS, w2).await?;
        stream.launch(&k.column_sum, 1, args![s.logit_gradient.read(), g.b2.write(), classes]).await?;
        let back = args![s.logit_gradient.read(), p.w2.read(), s.hidden_gradient.write(), classes, hidden];
        stream.launch(&k.matmul_transposed_b, BLOCKS, back).await?;
        let inner = args![s.hidden_gradient.read(), s.hidden.read(), s.sum_gradient.write()];
        stream.launch(&k.relu_backward, BLOCKS, inner).await?;
        let w1 = args![s.images.read(), s.sum_gradient.read(), g.w1.write(), pixels, hidden];
        stream.launch(&k.matmul_transposed_a, BLOCKS, w1).await?;
        stream.launch(&k.column_sum, 1, args![s.sum_gradient.read(), g.b1.write(), hidden]).await?;
        Ok(())
    }

    /// 8 launches: momentum, then a step, of each weight and bias.
    async fn update(&self) -> Outcome<()> {
        let (stream, k) = (&self.stream, &self.kernels);
        for (velocity, gradient) in self.velocities.all().into_iter().zip(self.gradients.all()) {
            stream.launch(&k.momentum, 1, args![gradient.read(), velocity.read_write(), MOMENTUM]).await?;
        }
        for (weights, velocity) in self.parameters.all().into_iter().zip(self.velocities.all()) {
            stream.launch(&k.step, 1, args![velocity.read(), weights.read_write(), RATE]).await?;
        }
        Ok(())
    }
}

/// Classifies single images: a stream and buffers of its own, so that many run at once.
pub struct Classifier {
    stream: Stream,
    image: Buffer<f32>,
    sums: Buffer<f32>,
    hidden: Buffer<f32>,
    logits: Buffer<f32>,
    class: Buffer<u32>,
}

impl Classifier {
    /// Allocates what one request at a time needs.
    pub fn new(device: &Device) -> Outcome<Classifier> {
        Ok(Classifier {
            stream: device.stream()?,
            image: device.alloc(PIXELS)?,
            sums: device.alloc(HIDDEN)?,
            hidden: device.alloc(HIDDEN)?,
            logits: device.alloc(CLASSES)?,
            class: device.alloc(1)?,
        })
    }

    /// One request: copy in, 6 launches, copy out.
    pub async fn classify(&self, k: &Kernels, p: &Parameters, image: &[f32]) -> Outcome<u32> {
        let stream = &self.stream;
        let (pixels, hidden, classes) = (PIXELS as u32, HIDDEN as u32, CLASSES as u32);
        stream.copy_in(&self.image, image).await?;
        let product = args![self.image.read(), p.w1.read(), self.sums.write(), pixels, hidden];
        stream.launch(&k.matmul, 1, product).await?;
        stream.launch(&k.add_bias, 1, args![p.b1.read(), self.sums.read_write()]).await?;
        stream.launch(&k.relu, 1, args![self.sums.read(), self.hidden.write()]).await?;
        let product = args![self.hidden.read(), p.w2.read(), self.logits.write(), hidden, classes];
        stream.launch(&k.matmul, 1, product).await?;
        stream.launch(&k.add_bias, 1, args![p.b2.read(), self.logits.read_write()]).await?;
        stream.launch(&k.argmax, 1, args![self.logits.read(), self.class.write()]).await?;
        let class = stream.copy_out(&self.class).await?.await?;
        Ok(class[0])
    }
}

/// Weights uniform within ±√(6 / inputs), biases zero; in the order of [`Parameters::all`].
pub fn initial_parameters(seed: u64) -> [Vec<f32>; 4] {
    let mut random = Random::new(seed);
    let mut uniform = |inputs: usize, count: usize| -> Vec<f32> {
        let bound = (6.0 / inputs as f32).sqrt();
        (0..count).map(|_| random.signed() * bound).collect()
    };
    let w1 = uniform(PIXELS, PIXELS * HIDDEN);
    let w2 = uniform(HIDDEN, HIDDEN * CLASSES);
    [w1, vec![0.0; HIDDEN], w2, vec![0.0; CLASSES]]
}

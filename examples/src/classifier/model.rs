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
/// Values of the hidden layer, and of the scores, of a batch.
const LAYER: usize = BATCH * HIDDEN;
const SCORES: usize = BATCH * CLASSES;

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
        k.launch(stream, (&k.gather_rows, BLOCKS, BATCH * PIXELS), gather_rows, &[BATCH * PIXELS]).await?;
        let gather_labels = args![self.labels.read(), self.order.read(), s.labels.write(), begin];
        k.launch(stream, (&k.gather_labels, 1, BATCH), gather_labels, &[BATCH]).await?;
        let product = args![s.images.read(), p.w1.read(), s.sums.write(), pixels, hidden];
        k.launch(stream, (&k.matmul, BLOCKS, LAYER), product, &[LAYER]).await?;
        let bias = args![p.b1.read(), s.sums.read_write()];
        k.launch(stream, (&k.add_bias, BLOCKS, LAYER), bias, &[LAYER, HIDDEN]).await?;
        let rectified = args![s.sums.read(), s.hidden.write()];
        k.launch(stream, (&k.relu, BLOCKS, LAYER), rectified, &[LAYER]).await?;
        let product = args![s.hidden.read(), p.w2.read(), s.logits.write(), hidden, classes];
        k.launch(stream, (&k.matmul, BLOCKS, SCORES), product, &[SCORES]).await?;
        let bias = args![p.b2.read(), s.logits.read_write()];
        k.launch(stream, (&k.add_bias, 1, SCORES), bias, &[SCORES, CLASSES]).await?;
        Ok(())
    }

    /// 6 launches: probabilities, and the loss added to that of the epoch.
    async fn softmax_and_loss(&self, share: f32) -> Outcome<()> {
        let (stream, k, s) = (&self.stream, &self.kernels, &self.step);
        let classes = CLASSES as u32;
        let largest = args![s.logits.read(), s.largest.write(), classes];
        k.launch(stream, (&k.row_max, 1, BATCH), largest, &[BATCH]).await?;
        let exponentials = args![s.logits.read(), s.largest.read(), s.exponentials.write(), classes];
        k.launch(stream, (&k.exp_shifted, 1, SCORES), exponentials, &[SCORES]).await?;
        let totals = args![s.exponentials.read(), s.totals.write(), classes];
        k.launch(stream, (&k.row_sum, 1, BATCH), totals, &[BATCH]).await?;
        let probabilities = args![s.exponentials.read(), s.totals.read(), s.probabilities.write(), classes];
        k.launch(stream, (&k.divide_rows, 1, SCORES), probabilities, &[SCORES]).await?;
        let losses = args![s.probabilities.read(), s.labels.read(), s.losses.write(), classes];
        k.launch(stream, (&k.row_loss, 1, BATCH), losses, &[BATCH]).await?;
        let sum = args![s.losses.read(), self.loss.read_write(), share];
        k.launch(stream, (&k.accumulate, 1, 1), sum, &[BATCH]).await?;
        Ok(())
    }

    /// 7 launches: the gradients of both layers.
    async fn backward(&self) -> Outcome<()> {
        let (stream, k, p, g, s) = (&self.stream, &self.kernels, &self.parameters, &self.gradients, &self.step);
        let (pixels, hidden, classes) = (PIXELS as u32, HIDDEN as u32, CLASSES as u32);
        let scale = 1.0 / BATCH as f32;
        let outer = args![s.probabilities.read(), s.labels.read(), s.logit_gradient.write(), scale, classes];
        k.launch(stream, (&k.softmax_backward, 1, SCORES), outer, &[SCORES]).await?;
        let w2 = args![s.hidden.read(), s.logit_gradient.read(), g.w2.write(), hidden, classes];
        k.launch(stream, (&k.matmul_transposed_a, BLOCKS, HIDDEN * CLASSES), w2, &[HIDDEN * CLASSES, BATCH]).await?;
        let b2 = args![s.logit_gradient.read(), g.b2.write(), classes];
        k.launch(stream, (&k.column_sum, 1, CLASSES), b2, &[CLASSES, BATCH]).await?;
        let back = args![s.logit_gradient.read(), p.w2.read(), s.hidden_gradient.write(), classes, hidden];
        k.launch(stream, (&k.matmul_transposed_b, BLOCKS, LAYER), back, &[LAYER]).await?;
        let inner = args![s.hidden_gradient.read(), s.hidden.read(), s.sum_gradient.write()];
        k.launch(stream, (&k.relu_backward, BLOCKS, LAYER), inner, &[LAYER]).await?;
        let w1 = args![s.images.read(), s.sum_gradient.read(), g.w1.write(), pixels, hidden];
        k.launch(stream, (&k.matmul_transposed_a, BLOCKS, PIXELS * HIDDEN), w1, &[PIXELS * HIDDEN, BATCH]).await?;
        let b1 = args![s.sum_gradient.read(), g.b1.write(), hidden];
        k.launch(stream, (&k.column_sum, 1, HIDDEN), b1, &[HIDDEN, BATCH]).await?;
        Ok(())
    }

    /// 8 launches: momentum, then a step, of each weight and bias.
    async fn update(&self) -> Outcome<()> {
        let (stream, k) = (&self.stream, &self.kernels);
        for (velocity, gradient) in self.velocities.all().into_iter().zip(self.gradients.all()) {
            let (n, arguments) = (gradient.len(), args![gradient.read(), velocity.read_write(), MOMENTUM]);
            k.launch(stream, (&k.momentum, 1, n), arguments, &[n]).await?;
        }
        for (weights, velocity) in self.parameters.all().into_iter().zip(self.velocities.all()) {
            let (n, arguments) = (weights.len(), args![velocity.read(), weights.read_write(), RATE]);
            k.launch(stream, (&k.step, 1, n), arguments, &[n]).await?;
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
        k.launch(stream, (&k.matmul, 1, HIDDEN), product, &[HIDDEN]).await?;
        let bias = args![p.b1.read(), self.sums.read_write()];
        k.launch(stream, (&k.add_bias, 1, HIDDEN), bias, &[HIDDEN, HIDDEN]).await?;
        let rectified = args![self.sums.read(), self.hidden.write()];
        k.launch(stream, (&k.relu, 1, HIDDEN), rectified, &[HIDDEN]).await?;
        let product = args![self.hidden.read(), p.w2.read(), self.logits.write(), hidden, classes];
        k.launch(stream, (&k.matmul, 1, CLASSES), product, &[CLASSES]).await?;
        let bias = args![p.b2.read(), self.logits.read_write()];
        k.launch(stream, (&k.add_bias, 1, CLASSES), bias, &[CLASSES, CLASSES]).await?;
        let largest = args![self.logits.read(), self.class.write()];
        k.launch(stream, (&k.argmax, 1, 1), largest, &[CLASSES]).await?;
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

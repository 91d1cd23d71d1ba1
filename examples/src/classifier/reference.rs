//! The same training as plain sequential calls, to compare the device's results with.

use super::math::*;
use super::model::{BATCH, HIDDEN, initial_parameters};
use super::work;
use crate::{CLASSES, Dataset, DeviceOptions, Digits, Latency, Mode, PIXELS, Random, block_on};

/// Weights and losses after `epochs` epochs, computed without a device.
fn train(data: &Dataset, seed: u64, epochs: usize) -> (Vec<u32>, Vec<u32>) {
    let mut parameters = initial_parameters(seed);
    let mut velocities = parameters.clone().map(|values| vec![0.0f32; values.len()]);
    let mut shuffle = Random::new(seed ^ 0x5EED);
    let mut losses = Vec::new();
    for _ in 0..epochs {
        let mut order: Vec<u32> = (0..data.len() as u32).collect();
        shuffle.shuffle(&mut order);
        let steps = data.len() / BATCH;
        let mut loss = [0.0f32];
        for step_index in 0..steps {
            let gradients = gradients(data, &parameters, &order, step_index * BATCH, |losses| {
                accumulate(&mut loss, losses, 1.0 / (steps * BATCH) as f32);
            });
            for ((values, velocity), gradient) in parameters.iter_mut().zip(&mut velocities).zip(&gradients) {
                momentum(velocity, 0, gradient, 0.9);
                step(values, 0, velocity, 0.1);
            }
        }
        losses.push(loss[0].to_bits());
    }
    (parameters.iter().flatten().map(|value| value.to_bits()).collect(), losses)
}

fn gradients(
    data: &Dataset,
    [w1, b1, w2, b2]: &[Vec<f32>; 4],
    order: &[u32],
    begin: usize,
    on_losses: impl FnOnce(&[f32]),
) -> [Vec<f32>; 4] {
    let zeros = |count: usize| vec![0.0f32; count];
    let (mut images, mut labels) = (zeros(BATCH * PIXELS), vec![0u32; BATCH]);
    gather(&mut images, 0, &data.images, order, begin, PIXELS);
    gather(&mut labels, 0, &data.labels, order, begin, 1);
    let (mut sums, mut hidden, mut logits) = (zeros(BATCH * HIDDEN), zeros(BATCH * HIDDEN), zeros(BATCH * CLASSES));
    matmul(&mut sums, 0, &images, w1, PIXELS, HIDDEN);
    add_bias(&mut sums, 0, b1);
    relu(&mut hidden, 0, &sums);
    matmul(&mut logits, 0, &hidden, w2, HIDDEN, CLASSES);
    add_bias(&mut logits, 0, b2);

    let (mut largest, mut totals, mut losses) = (zeros(BATCH), zeros(BATCH), zeros(BATCH));
    let (mut exponentials, mut probabilities) = (zeros(BATCH * CLASSES), zeros(BATCH * CLASSES));
    row_max(&mut largest, 0, &logits, CLASSES);
    exp_shifted(&mut exponentials, 0, &logits, &largest, CLASSES);
    row_sum(&mut totals, 0, &exponentials, CLASSES);
    divide_rows(&mut probabilities, 0, &exponentials, &totals, CLASSES);
    row_loss(&mut losses, 0, &probabilities, &labels, CLASSES);
    on_losses(&losses);

    let mut logit_gradient = zeros(BATCH * CLASSES);
    softmax_backward(&mut logit_gradient, 0, &probabilities, &labels, 1.0 / BATCH as f32, CLASSES);
    let (mut hidden_gradient, mut sum_gradient) = (zeros(BATCH * HIDDEN), zeros(BATCH * HIDDEN));
    matmul_transposed_b(&mut hidden_gradient, 0, &logit_gradient, w2, CLASSES, HIDDEN);
    relu_backward(&mut sum_gradient, 0, &hidden_gradient, &hidden);
    let mut result = [zeros(w1.len()), zeros(b1.len()), zeros(w2.len()), zeros(b2.len())];
    matmul_transposed_a(&mut result[0], 0, &images, &sum_gradient, PIXELS, HIDDEN);
    column_sum(&mut result[1], 0, &sum_gradient, HIDDEN);
    matmul_transposed_a(&mut result[2], 0, &hidden, &logit_gradient, HIDDEN, CLASSES);
    column_sum(&mut result[3], 0, &logit_gradient, CLASSES);
    result
}

#[test]
fn the_device_learns_bit_for_bit_what_plain_calls_learn() {
    let options = DeviceOptions { device: "software".into(), latency: Latency::Zero, json: true };
    let digits = Digits::load(11).unwrap();
    let (weights, losses) = train(&digits.training, 11, 2);
    for mode in [Mode::Batched, Mode::OneByOneSpin] {
        let device = options.open(mode, &Latency::Zero).unwrap();
        let run = block_on(work(&device, &digits, 2, 11, |_| {})).unwrap();
        assert_eq!(run.learned.losses, losses, "{mode:?}");
        assert!(run.learned.weights == weights, "{mode:?}: weights differ");
    }
}

#[test]
fn plain_training_reaches_the_promised_accuracy() {
    let digits = Digits::load(7).unwrap();
    let (weights, _) = train(&digits.training, 7, 20);
    let weights: Vec<f32> = weights.into_iter().map(f32::from_bits).collect();
    let (w1, rest) = weights.split_at(PIXELS * HIDDEN);
    let (b1, rest) = rest.split_at(HIDDEN);
    let (w2, b2) = rest.split_at(HIDDEN * CLASSES);
    let right = (0..digits.held_out.len()).filter(|&i| {
        let (mut sums, mut hidden, mut logits) = ([0.0; HIDDEN], [0.0; HIDDEN], [0.0; CLASSES]);
        matmul(&mut sums, 0, digits.held_out.image(i), w1, PIXELS, HIDDEN);
        add_bias(&mut sums, 0, b1);
        relu(&mut hidden, 0, &sums);
        matmul(&mut logits, 0, &hidden, w2, HIDDEN, CLASSES);
        add_bias(&mut logits, 0, b2);
        argmax(&logits) as u32 == digits.held_out.labels[i]
    });
    let accuracy = right.count() as f64 / digits.held_out.len() as f64;
    assert!(accuracy >= 0.97, "held-out accuracy {accuracy}");
}

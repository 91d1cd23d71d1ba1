//! Softened gravity and the energy that it keeps. A body is four numbers: x, y, z, mass; its velocity and acceleration
//! are x, y, z, 0, so that one kernel serves all of them.

use dxg_examples::Random;

/// Numbers of a body.
pub const WIDTH: usize = 4;
/// Relative change of energy above which a simulation is called wrong.
pub const ALLOWED_DRIFT: f64 = 0.02;
/// Keeps close encounters finite.
const SOFTENING: f32 = 0.05;

/// Bodies at random in a cube around the origin, of a total mass of 1, with small random velocities.
pub fn initial(count: usize, seed: u64) -> (Vec<f32>, Vec<f32>) {
    let mut random = Random::new(seed);
    let (mut bodies, mut velocities) = (Vec::new(), Vec::new());
    for _ in 0..count {
        bodies.extend([random.signed(), random.signed(), random.signed(), 1.0 / count as f32]);
        velocities.extend([random.signed() * 0.3, random.signed() * 0.3, random.signed() * 0.3, 0.0]);
    }
    (bodies, velocities)
}

/// The most blocks, up to 8, that share the bodies evenly: a block's chunk is then whole bodies.
pub fn blocks(bodies: u32) -> u32 {
    [8, 4, 2].into_iter().find(|blocks| bodies.is_multiple_of(*blocks)).unwrap_or(1)
}

/// Accelerations of the bodies from number `start / 4` on; each is summed over all bodies in their order.
pub fn attract(out: &mut [f32], start: usize, bodies: &[f32]) {
    let targets = &bodies[start..];
    for (acceleration, target) in out.chunks_exact_mut(WIDTH).zip(targets.chunks_exact(WIDTH)) {
        let mut sum = [0.0f32; 3];
        for other in bodies.chunks_exact(WIDTH) {
            let d = [other[0] - target[0], other[1] - target[1], other[2] - target[2]];
            let square = d[0] * d[0] + d[1] * d[1] + d[2] * d[2] + SOFTENING * SOFTENING;
            let strength = other[3] / (square * square.sqrt());
            for (sum, d) in sum.iter_mut().zip(d) {
                *sum += strength * d;
            }
        }
        acceleration[..3].copy_from_slice(&sum);
        acceleration[3] = 0.0;
    }
}

/// Kinetic and potential energy.
pub fn energy(bodies: &[f32], velocities: &[f32]) -> f64 {
    let body = |i: usize| -> [f64; 4] { std::array::from_fn(|k| f64::from(bodies[i * WIDTH + k])) };
    let mut energy = 0.0;
    for i in 0..bodies.len() / WIDTH {
        let a = body(i);
        let square: f64 = velocities[i * WIDTH..][..3].iter().map(|v| f64::from(*v) * f64::from(*v)).sum();
        energy += 0.5 * a[3] * square;
        for j in 0..i {
            let b = body(j);
            let square: f64 = (0..3).map(|k| (a[k] - b[k]) * (a[k] - b[k])).sum();
            energy -= a[3] * b[3] / (square + f64::from(SOFTENING) * f64::from(SOFTENING)).sqrt();
        }
    }
    energy
}

/// The same steps as plain calls.
#[cfg(test)]
pub fn simulate(count: usize, seed: u64, steps: usize, length: f32) -> (Vec<f32>, Vec<f32>) {
    let (mut bodies, mut velocities) = initial(count, seed);
    let mut accelerations = vec![0.0; bodies.len()];
    let add = |y: &mut [f32], x: &[f32], factor: f32| y.iter_mut().zip(x).for_each(|(y, x)| *y += factor * x);
    attract(&mut accelerations, 0, &bodies);
    for _ in 0..steps {
        add(&mut velocities, &accelerations, length * 0.5);
        add(&mut bodies, &velocities, length);
        attract(&mut accelerations, 0, &bodies);
        add(&mut velocities, &accelerations, length * 0.5);
    }
    (bodies, velocities)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_steps_keep_the_energy() {
        let (bodies, velocities) = initial(64, 3);
        let before = energy(&bodies, &velocities);
        let (bodies, velocities) = simulate(64, 3, 500, 1.0 / 1024.0);
        let drift = ((energy(&bodies, &velocities) - before) / before).abs();
        assert!(drift < ALLOWED_DRIFT / 4.0, "{drift}");
    }

    #[test]
    fn blocks_share_evenly() {
        assert_eq!([2, 3, 4, 12, 64].map(blocks), [2, 1, 4, 4, 8]);
    }
}

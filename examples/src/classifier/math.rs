//! The arithmetic of the classifier on plain slices.
//!
//! Every function computes one contiguous chunk of its output, which begins at element `start`, so that it serves both a
//! kernel block and a plain loop over everything. Each output element is summed in one fixed order, whatever the chunks
//! are: that is why all modes must agree bit for bit.

/// `out = a · b` with `a` of `? × inner` and `b` of `inner × columns`, rows of `out` beginning at element `start`.
pub fn matmul(out: &mut [f32], start: usize, a: &[f32], b: &[f32], inner: usize, columns: usize) {
    for_rows(out, start, columns, |row, first, part| {
        part.fill(0.0);
        let a_row = &a[row * inner..(row + 1) * inner];
        for (k, &factor) in a_row.iter().enumerate() {
            let b_row = &b[k * columns + first..][..part.len()];
            add_scaled(part, b_row, factor);
        }
    });
}

/// `out = aᵀ · b` with `a` of `inner × ?` (`a_columns` wide) and `b` of `inner × columns`.
pub fn matmul_transposed_a(out: &mut [f32], start: usize, a: &[f32], b: &[f32], a_columns: usize, columns: usize) {
    let inner = a.len() / a_columns;
    for_rows(out, start, columns, |row, first, part| {
        part.fill(0.0);
        for k in 0..inner {
            let b_row = &b[k * columns + first..][..part.len()];
            add_scaled(part, b_row, a[k * a_columns + row]);
        }
    });
}

/// `out = a · bᵀ` with `a` of `? × inner` and `b` of `columns × inner`.
pub fn matmul_transposed_b(out: &mut [f32], start: usize, a: &[f32], b: &[f32], inner: usize, columns: usize) {
    for_rows(out, start, columns, |row, first, part| {
        let a_row = &a[row * inner..(row + 1) * inner];
        for (j, value) in part.iter_mut().enumerate() {
            let b_row = &b[(first + j) * inner..][..inner];
            *value = a_row.iter().zip(b_row).map(|(x, y)| x * y).sum();
        }
    });
}

/// `out[r][c] += bias[c]`.
pub fn add_bias(out: &mut [f32], start: usize, bias: &[f32]) {
    for_rows(out, start, bias.len(), |_, first, part| {
        for (value, bias) in part.iter_mut().zip(&bias[first..]) {
            *value += bias;
        }
    });
}

/// `out = max(input, 0)`.
pub fn relu(out: &mut [f32], start: usize, input: &[f32]) {
    for (value, input) in out.iter_mut().zip(&input[start..]) {
        *value = input.max(0.0);
    }
}

/// `out = gradient` where the activation was positive, else 0.
pub fn relu_backward(out: &mut [f32], start: usize, gradient: &[f32], activation: &[f32]) {
    for ((value, gradient), activation) in out.iter_mut().zip(&gradient[start..]).zip(&activation[start..]) {
        *value = if *activation > 0.0 { *gradient } else { 0.0 };
    }
}

/// The largest value of each row.
pub fn row_max(out: &mut [f32], start: usize, input: &[f32], columns: usize) {
    for (value, row) in out.iter_mut().zip(input.chunks_exact(columns).skip(start)) {
        *value = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    }
}

/// The sum of each row, left to right.
pub fn row_sum(out: &mut [f32], start: usize, input: &[f32], columns: usize) {
    for (value, row) in out.iter_mut().zip(input.chunks_exact(columns).skip(start)) {
        *value = row.iter().sum();
    }
}

/// The sum of each column, top to bottom.
pub fn column_sum(out: &mut [f32], start: usize, input: &[f32], columns: usize) {
    out.fill(0.0);
    for row in input.chunks_exact(columns) {
        for (value, x) in out.iter_mut().zip(&row[start..]) {
            *value += x;
        }
    }
}

/// `out = exp(input − shift of its row)`.
pub fn exp_shifted(out: &mut [f32], start: usize, input: &[f32], shift: &[f32], columns: usize) {
    for_rows(out, start, columns, |row, first, part| {
        for (value, x) in part.iter_mut().zip(&input[row * columns + first..]) {
            *value = (x - shift[row]).exp();
        }
    });
}

/// `out = input / divisor of its row`.
pub fn divide_rows(out: &mut [f32], start: usize, input: &[f32], divisor: &[f32], columns: usize) {
    for_rows(out, start, columns, |row, first, part| {
        for (value, x) in part.iter_mut().zip(&input[row * columns + first..]) {
            *value = x / divisor[row];
        }
    });
}

/// Cross entropy of each row: `−ln(probability of its label)`.
pub fn row_loss(out: &mut [f32], start: usize, probabilities: &[f32], labels: &[u32], columns: usize) {
    for (i, value) in out.iter_mut().enumerate() {
        let row = start + i;
        let probability = probabilities[row * columns + labels[row] as usize];
        *value = -probability.max(f32::MIN_POSITIVE).ln();
    }
}

/// `total[0] += sum(rows) · scale`.
pub fn accumulate(total: &mut [f32], rows: &[f32], scale: f32) {
    let sum: f32 = rows.iter().sum();
    for value in total {
        *value += sum * scale;
    }
}

/// The gradient of the mean cross entropy through the softmax: `(probability − 1 if it is the label) · scale`.
pub fn softmax_backward(
    out: &mut [f32],
    start: usize,
    probabilities: &[f32],
    labels: &[u32],
    scale: f32,
    columns: usize,
) {
    for_rows(out, start, columns, |row, first, part| {
        for (j, (value, p)) in part.iter_mut().zip(&probabilities[row * columns + first..]).enumerate() {
            let target = if labels[row] as usize == first + j { 1.0 } else { 0.0 };
            *value = (p - target) * scale;
        }
    });
}

/// `velocity = momentum · velocity + gradient`.
pub fn momentum(velocity: &mut [f32], start: usize, gradient: &[f32], momentum: f32) {
    for (velocity, gradient) in velocity.iter_mut().zip(&gradient[start..]) {
        *velocity = momentum * *velocity + gradient;
    }
}

/// `weights −= rate · velocity`.
pub fn step(weights: &mut [f32], start: usize, velocity: &[f32], rate: f32) {
    for (weight, velocity) in weights.iter_mut().zip(&velocity[start..]) {
        *weight -= rate * velocity;
    }
}

/// Rows `order[begin..]` of `table`, each of `columns` values.
pub fn gather<T: Copy>(out: &mut [T], start: usize, table: &[T], order: &[u32], begin: usize, columns: usize) {
    for_rows(out, start, columns, |row, first, part| {
        let source = order[begin + row] as usize * columns + first;
        part.copy_from_slice(&table[source..][..part.len()]);
    });
}

/// Position of the largest value; the first of equals.
pub fn argmax(values: &[f32]) -> usize {
    let mut best = 0;
    for (i, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = i;
        }
    }
    best
}

/// Calls `work(row, first column, part of that row)` for every row that the chunk beginning at `start` touches.
fn for_rows<T>(out: &mut [T], start: usize, columns: usize, mut work: impl FnMut(usize, usize, &mut [T])) {
    let mut rest = out;
    let mut position = start;
    while !rest.is_empty() {
        let first = position % columns;
        let take = (columns - first).min(rest.len());
        let (part, tail) = rest.split_at_mut(take);
        work(position / columns, first, part);
        position += take;
        rest = tail;
    }
}

#[inline]
fn add_scaled(sum: &mut [f32], row: &[f32], factor: f32) {
    for (sum, value) in sum.iter_mut().zip(row) {
        *sum += factor * value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(n: usize) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * 0.37).sin()).collect()
    }

    #[test]
    fn chunking_does_not_change_a_bit() {
        let (a, b) = (ramp(6 * 5), ramp(5 * 7));
        let mut whole = vec![0.0; 6 * 7];
        matmul(&mut whole, 0, &a, &b, 5, 7);
        for size in [1, 3, 7, 10, 41] {
            let mut parts = vec![0.0; 6 * 7];
            for (i, part) in parts.chunks_mut(size).enumerate() {
                matmul(part, i * size, &a, &b, 5, 7);
            }
            assert_eq!(whole, parts, "chunks of {size}");
        }
    }

    #[test]
    fn transposed_products_agree_with_the_plain_one() {
        let (a, b) = (ramp(4 * 3), ramp(3 * 5));
        let transpose = |m: &[f32], rows: usize, columns: usize| -> Vec<f32> {
            (0..columns * rows).map(|i| m[i % rows * columns + i / rows]).collect()
        };
        let (mut plain, mut left, mut right) = (vec![0.0; 20], vec![0.0; 20], vec![0.0; 20]);
        matmul(&mut plain, 0, &a, &b, 3, 5);
        matmul_transposed_a(&mut left, 0, &transpose(&a, 4, 3), &b, 4, 5);
        matmul_transposed_b(&mut right, 0, &a, &transpose(&b, 3, 5), 3, 5);
        for i in 0..20 {
            assert!((plain[i] - left[i]).abs() < 1e-6 && (plain[i] - right[i]).abs() < 1e-6, "element {i}");
        }
    }
}

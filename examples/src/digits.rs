//! The UCI handwritten digits: 1,797 images of 8×8 pixels with their labels.

use std::io::Read;

use flate2::read::GzDecoder;

use crate::{Outcome, Random};

/// Pixels of an image.
pub const PIXELS: usize = 64;
/// Classes: the digits 0 to 9.
pub const CLASSES: usize = 10;

/// The data file; its origin and licence stand in tests/data/README.md.
static COMPRESSED: &[u8] = include_bytes!("../data/digits.csv.gz");

/// Images with their labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dataset {
    /// Pixels scaled to 0..1, [`PIXELS`] an image.
    pub images: Vec<f32>,
    /// One label an image.
    pub labels: Vec<u32>,
}

impl Dataset {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The pixels of one image.
    pub fn image(&self, index: usize) -> &[f32] {
        &self.images[index * PIXELS..(index + 1) * PIXELS]
    }

    fn push(&mut self, image: &[f32], label: u32) {
        self.images.extend_from_slice(image);
        self.labels.push(label);
    }
}

/// The digits, split into a training set (80 %) and a held-out set (20 %).
#[derive(Clone, Debug)]
pub struct Digits {
    /// 1,437 images.
    pub training: Dataset,
    /// 360 images that training never sees.
    pub held_out: Dataset,
}

impl Digits {
    /// Reads the embedded file and splits it by a shuffle with this seed.
    pub fn load(seed: u64) -> Outcome<Digits> {
        let mut text = String::new();
        GzDecoder::new(COMPRESSED).read_to_string(&mut text)?;
        let all = parse(&text)?;
        let mut order: Vec<usize> = (0..all.len()).collect();
        Random::new(seed).shuffle(&mut order);
        let (training, held_out) = order.split_at(all.len() * 4 / 5);
        let pick = |indices: &[usize]| {
            let mut part = Dataset::default();
            indices.iter().for_each(|&i| part.push(all.image(i), all.labels[i]));
            part
        };
        Ok(Digits { training: pick(training), held_out: pick(held_out) })
    }
}

/// One image a line: 64 pixels of 0..=16, then the label.
fn parse(text: &str) -> Outcome<Dataset> {
    let mut all = Dataset::default();
    for (i, line) in text.lines().enumerate() {
        let values = line
            .split(',')
            .map(str::parse::<u32>)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| format!("line {}: {error}", i + 1))?;
        match values.split_last() {
            Some((&label, pixels)) if pixels.len() == PIXELS && (label as usize) < CLASSES => {
                let scaled: Vec<f32> = pixels.iter().map(|&pixel| pixel as f32 / 16.0).collect();
                all.push(&scaled, label);
            }
            _ => return Err(format!("line {}: 64 pixels and a label from 0 to 9 expected", i + 1).into()),
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_holds_the_published_set() {
        let digits = Digits::load(1).unwrap();
        assert_eq!((digits.training.len(), digits.held_out.len()), (1437, 360));
        let mut counts = [0; CLASSES];
        digits.training.labels.iter().chain(&digits.held_out.labels).for_each(|&label| counts[label as usize] += 1);
        assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
        assert!(digits.training.images.iter().all(|pixel| (0.0..=1.0).contains(pixel)));
    }

    #[test]
    fn a_broken_line_is_named() {
        let error = parse("1,2,3").unwrap_err().to_string();
        assert!(error.starts_with("line 1: 64 pixels"), "{error}");
        assert!(parse("a").is_err());
    }
}

//! Reproducible points, and arrays of numbers in files.

use std::fs;
use std::io;
use std::path::Path;

use keops_solve::Element;
use keops_solve::ndarray::Array2;

/// An array of shape `(rows, columns)` of numbers uniform in `[0, 1)`, the same on every machine.
///
/// The numbers are multiples of `2^-24`, so that `f32` and `f64` hold the same ones. They come from SplitMix64 (Steele,
/// Lea and Flood, *Fast splittable pseudorandom number generators*, OOPSLA 2014).
pub fn uniform<T: Element>(rows: usize, columns: usize, seed: u64) -> Array2<T> {
    let mut state = seed;
    Array2::from_shape_simple_fn((rows, columns), || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        T::from_f64((z >> 40) as f64 / (1_u64 << 24) as f64)
    })
}

/// Writes numbers as little-endian `f64`.
///
/// # Errors
/// Those of writing a file.
pub fn write<'a>(path: &Path, values: impl IntoIterator<Item = &'a f64>) -> io::Result<()> {
    let bytes: Vec<u8> = values.into_iter().flat_map(|v| v.to_le_bytes()).collect();
    fs::write(path, bytes)
}

/// Reads what [`write`](write()) wrote, as an array of `columns` columns.
///
/// # Errors
/// Those of reading a file, and [`io::ErrorKind::InvalidData`] if its size does not make up full rows.
pub fn read(path: &Path, columns: usize) -> io::Result<Array2<f64>> {
    let bytes = fs::read(path)?;
    let (numbers, rest) = bytes.as_chunks::<8>();
    let values: Vec<f64> = numbers.iter().map(|&n| f64::from_le_bytes(n)).collect();
    let rows = values.len() / columns.max(1);
    if !rest.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "half a number"));
    }
    Array2::from_shape_vec((rows, columns), values)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::{read, uniform, write};

    #[test]
    fn both_types_hold_the_same_points() {
        let (single, double) = (uniform::<f32>(50, 3, 7), uniform::<f64>(50, 3, 7));
        assert_eq!(single.mapv(f64::from), double);
        assert!(double.iter().all(|v| (0.0..1.0).contains(v)));
        assert_ne!(double, uniform(50, 3, 8));
    }

    #[test]
    fn files_give_back_what_they_were_given() {
        let path = std::env::temp_dir().join(format!("keops-benches-{}.f64", std::process::id()));
        let points = uniform::<f64>(5, 3, 1);
        write(&path, &points).unwrap();
        assert_eq!(read(&path, 3).unwrap(), points);
        assert!(read(&path, 4).is_err());
        std::fs::remove_file(path).unwrap();
    }
}

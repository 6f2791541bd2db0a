//! What the machine can do at most.

use std::hint::black_box;
use std::time::Instant;

/// Fused multiply-adds on vectors of 256 bits a second, in twelve chains that do not depend on each other; 0 where there is no AVX2.
pub(crate) fn instructions_per_second() -> f64 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        const ROUNDS: usize = 5_000_000;
        let start = Instant::now();
        // SAFETY: the features are there.
        black_box(unsafe { chains(ROUNDS) });
        return (12 * ROUNDS) as f64 / start.elapsed().as_secs_f64();
    }
    0.0
}

/// Fused multiply-adds on vectors of 256 bits a second, each with the difference that it squares: the squared distances of points in a hundred dimensions, in
/// blocks of four vectors of rows and two columns, which the first cache holds; 0 where there is no AVX2.
pub(crate) fn differences_per_second() -> f64 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        const ROUNDS: usize = 50_000;
        let (rows, columns) = (vec![[0.5; 4 * 8]; 100], vec![[0.25; 2]; 100]);
        let start = Instant::now();
        for _ in 0..ROUNDS {
            // SAFETY: the features are there.
            black_box(unsafe { distances(black_box(&rows), black_box(&columns)) });
        }
        return (8 * 100 * ROUNDS) as f64 / start.elapsed().as_secs_f64();
    }
    0.0
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn distances(rows: &[[f32; 4 * 8]], columns: &[[f32; 2]]) -> f32 {
    use std::arch::x86_64::{
        _mm256_cvtss_f32, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_setzero_ps,
        _mm256_sub_ps,
    };
    let mut sums = [[_mm256_setzero_ps(); 4]; 2];
    for (row, column) in rows.iter().zip(columns) {
        let (vectors, _) = row.as_chunks::<8>();
        for (sums, &column) in sums.iter_mut().zip(column) {
            let column = _mm256_set1_ps(column);
            for (sum, vector) in sums.iter_mut().zip(vectors) {
                // SAFETY: the vector has eight numbers.
                let row = unsafe { _mm256_loadu_ps(vector.as_ptr()) };
                let difference = _mm256_sub_ps(row, column);
                *sum = _mm256_fmadd_ps(difference, difference, *sum);
            }
        }
    }
    sums.iter()
        .flatten()
        .map(|&sum| _mm256_cvtss_f32(sum))
        .sum()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn chains(rounds: usize) -> f32 {
    use std::arch::x86_64::{_mm256_cvtss_f32, _mm256_fmadd_ps, _mm256_set1_ps};
    let factor = _mm256_set1_ps(black_box(0.999));
    let term = _mm256_set1_ps(black_box(1e-3));
    let mut sums = [_mm256_set1_ps(1.0); 12];
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = _mm256_fmadd_ps(*sum, factor, term);
        }
    }
    sums.iter().map(|&sum| _mm256_cvtss_f32(sum)).sum()
}

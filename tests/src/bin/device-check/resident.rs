//! Arrays that are on the device, in and out, and the order between streams.

use std::sync::Arc;

use keops_solve::cudarc::driver::{CudaSlice, CudaStream, DeviceRepr};
use keops_solve::device_context;
use keops_solve::ndarray::Array2;
use keops_solve::prelude::*;
use keops_tests::data::points;

use super::{Gaussian, GaussianMatrix, Inverse, Outcome, typed};

genred!(Nearest: "SqDist(x,y)", x = Vi(3), y = Vj(3), reduction = KMinArgKMin(5), axis = 1);

type Failed = Box<dyn std::error::Error>;

/// Results are those of arrays on the host, to the last bit, and the order between streams is kept.
pub(crate) fn arrays(ordinal: usize) -> Outcome {
    let context = device_context(ordinal)?;
    for stream in [context.new_stream()?, context.default_stream()] {
        same_as_on_host(&stream, Backend::Cuda(ordinal))?;
        solves(&stream, Backend::Cuda(ordinal))?;
    }
    let streams = [context.new_stream()?, context.new_stream()?];
    for _ in 0..10 {
        order(&streams)?;
    }
    Ok("the same bit for bit as from the host, solves agree, and the order between streams is kept".into())
}

fn upload<T: DeviceRepr + Clone>(
    stream: &Arc<CudaStream>,
    array: &Array2<T>,
) -> Result<CudaSlice<T>, Failed> {
    let numbers = array.as_slice().ok_or("rows")?;
    Ok(stream.clone_htod(numbers)?)
}

fn download<T: DeviceRepr + Clone>(
    stream: &Arc<CudaStream>,
    array: &CudaSlice<T>,
) -> Result<Vec<T>, Failed> {
    let values = stream.clone_dtoh(array)?;
    stream.synchronize()?;
    Ok(values)
}

fn compare<'a, T: PartialEq + 'a>(
    found: &'a [T],
    expected: impl IntoIterator<Item = &'a T>,
    what: &str,
) -> Result<(), Failed> {
    match expected.into_iter().eq(found) {
        true => Ok(()),
        false => Err(format!("{what} differs from that of arrays on the host").into()),
    }
}

fn same_as_on_host(stream: &Arc<CudaStream>, cuda: Backend) -> Result<(), Failed> {
    for (rows, columns) in [(1, 1), (1000, 3001), (20_000, 20_000)] {
        let x = typed(rows, 3, 1, |x| x as f32);
        let y = match rows == columns {
            true => x.clone(),
            false => typed(columns, 3, 2, |x| x as f32),
        };
        let b = typed(columns, 1, 3, |x| x as f32);
        let v = typed(columns, 6, 4, |x| x as f32);
        let [on_x, other_y, on_b, on_v] = [&x, &y, &b, &v].map(|array| upload(stream, array));
        let (on_x, other_y, on_b, on_v) = (on_x?, other_y?, on_b?, on_v?);
        let on_y = if rows == columns { &on_x } else { &other_y };

        let expected = Gaussian.bind(&x, &y, &b, 3.0).backend(cuda).run()?;
        let found = Gaussian.bind(&on_x, on_y, &on_b, 3.0).run_on(stream)?;
        compare(&download(stream, &found)?, &expected, "a sum")?;
        let found = Gaussian.bind(&on_x, &y, &on_b, 3.0).run_on(stream)?;
        // Different arrays may take another way.
        let difference = download(stream, &found)?;
        let pairs = difference.iter().zip(&expected);
        if pairs
            .into_iter()
            .any(|(a, b)| (a - b).abs() > 1e-5 * b.abs())
        {
            return Err("a sum with an array on the host differs".into());
        }

        let expected = Nearest.bind(&x, &y).backend(cuda).run()?;
        let found = Nearest.bind(&on_x, on_y).run_on(stream)?;
        compare(&download(stream, &found.0)?, &expected.0, "distances")?;
        let indices: Vec<u64> = expected.1.iter().map(|&index| index as u64).collect();
        compare(&download(stream, &found.1)?, &indices, "neighbours")?;

        let expected = GaussianMatrix.bind(&x, &y, 3.0).backend(cuda).dot(&v)?;
        let found = GaussianMatrix
            .bind(&on_x, on_y, 3.0)
            .dot_on(&on_v, stream)?;
        compare(&download(stream, &found)?, &expected, "a product")?;
    }
    Ok(())
}

fn solves(stream: &Arc<CudaStream>, cuda: Backend) -> Result<(), Failed> {
    let (x, b) = (points(5000, 2, 1), points(5000, 1, 2));
    let (on_x, on_b) = (upload(stream, &x)?, upload(stream, &b)?);
    let tolerance = Tolerance::Relative(1e-9);
    let expected = Inverse.bind(&x, &x, &b, 50.0).backend(cuda).alpha(0.01);
    let expected = expected.tolerance(tolerance).solve()?;
    for preconditioner in [Preconditioner::Auto, Preconditioner::Cholesky { rank: 100 }] {
        let system = Inverse.bind(&on_x, &on_x, &on_b, 50.0).alpha(0.01);
        let system = system.tolerance(tolerance).preconditioner(preconditioner);
        let solution = system.solve_on(stream)?;
        let found = download(stream, &solution.values)?;
        let scale = expected
            .values
            .iter()
            .fold(0.0f64, |most, v| most.max(v.abs()));
        let pairs = found.iter().zip(&expected.values);
        let largest = pairs.fold(0.0f64, |most, (a, b)| most.max((a - b).abs()));
        if largest > 1e-4 * scale {
            return Err(format!("a solution differs by {largest:.1e} of {scale:.1e}").into());
        }
    }
    Ok(())
}

/// Points that arrive late, behind other work of their stream, and are overwritten early.
fn order([writer, own]: &[Arc<CudaStream>; 2]) -> Result<(), Failed> {
    let (x, b) = (points(30_000, 3, 1), points(30_000, 1, 2));
    let large = 1 << 27;
    let (from, mut to) = (
        writer.alloc_zeros::<u8>(large)?,
        writer.alloc_zeros::<u8>(large)?,
    );
    let (numbers, on_b) = (upload(own, &x)?, upload(own, &b)?);
    own.synchronize()?;
    let expected = Gaussian.bind(&numbers, &numbers, &on_b, 3.0).run_on(own)?;
    let expected = download(own, &expected)?;
    let mut late = own.alloc_zeros::<f64>(x.len())?;
    for _ in 0..20 {
        writer.memcpy_dtod(&from, &mut to)?;
    }
    writer.memcpy_dtod(&numbers, &mut late)?;
    let found = Gaussian.bind(&late, &late, &on_b, 3.0).run_on(own)?;
    writer.memset_zeros(&mut late)?;
    compare(
        &download(own, &found)?,
        &expected,
        "a sum of points that arrive late",
    )
}

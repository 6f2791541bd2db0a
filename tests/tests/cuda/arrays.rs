//! Arrays on a device, in and out, against a driver whose device is the processor and whose streams do what is queued on them as late as they can: results are those of
//! arrays on the host, what is on the device is not copied to the host nor from it, and the order between streams is kept.

use std::sync::Arc;

use keops_solve::cudarc::driver::{CudaContext, CudaSlice, CudaStream, DeviceRepr};
use keops_solve::ndarray::{Array2, s};
use keops_solve::prelude::*;
use keops_solve::{DeviceElement, IntoParams, IntoPoints};
use keops_tests::data::points;

use crate::process::{Counts, Driver};

genred!(Smooth: "Exp(-g*SqDist(x,y))*b", x = Vi(3), y = Vj(3), b = Vj(2), g = Pm(1), axis = 1);
genred!(Exponents: "-g*SqDist(x,y)+b", x = Vi(3), y = Vj(3), b = Vj(2), g = Pm(1), reduction = LogSumExp, axis = 0);
genred!(Softmax: "-g*SqDist(x,y)", x = Vi(3), y = Vj(3), b = Vj(2), g = Pm(1), reduction = SumSoftMaxWeight, weights = "b", axis = 1);
genred!(Smallest: "SqDist(x,y)*g+b", x = Vi(3), y = Vj(3), b = Vj(2), g = Pm(1), reduction = KMin(3), axis = 1);
genred!(Nearest: "SqDist(x,y)*g+b", x = Vi(3), y = Vj(3), b = Vj(2), g = Pm(1), reduction = KMinArgKMin(3), axis = 1);
genred!(Neighbours: "SqDist(x,y)*g+b", x = Vi(3), y = Vj(3), b = Vj(2), g = Pm(1), reduction = ArgKMin(3), axis = 1);
genred!(Last: "SqDist(x,y)*g+b", x = Vi(3), y = Vj(3), b = Vj(2), g = Pm(1), reduction = ArgMax, axis = 0);
lazy!(Gaussian: "Exp(-g*SqDist(x,y))", x = Vi(3), y = Vj(3), g = Pm(1));

#[test]
fn arrays_stay_on_a_device() {
    if let Some(driver) = Driver::new("arrays::arrays_stay_on_a_device", inside) {
        driver.run();
        driver.with_pools().run();
    }
}

#[test]
fn the_order_between_streams_is_kept() {
    if let Some(driver) = Driver::new("arrays::the_order_between_streams_is_kept", order) {
        driver.run();
        driver.with_pools().run();
    }
}

fn inside() {
    let context = CudaContext::new(0).expect("a device");
    let own = context.new_stream().expect("a stream");
    in_type::<f32>(&own, |x| x as f32, 1e-5);
    in_type::<f64>(&context.default_stream(), |x| x, 1e-12);
    views(&own);
    errors(&context);
}

/// An array on the device whose numbers are queued on a stream.
pub(crate) fn upload<T: DeviceRepr + Clone>(
    stream: &Arc<CudaStream>,
    array: &Array2<T>,
) -> CudaSlice<T> {
    let numbers = array.as_slice().expect("rows");
    stream.clone_htod(numbers).expect("an array")
}

/// The numbers of an array, by way of what is queued on a stream behind it.
pub(crate) fn download<T: DeviceRepr + Clone + Default>(
    stream: &Arc<CudaStream>,
    array: &CudaSlice<T>,
) -> Vec<T> {
    let copy = stream.clone_dtod(array).expect("a copy");
    stream.clone_dtoh(&copy).expect("numbers")
}

/// Bytes that go to the device and to the host meanwhile.
pub(crate) fn traffic<R>(run: impl FnOnce() -> R) -> (R, [u64; 2]) {
    let before = Counts::now();
    let result = run();
    let counts = Counts::now().since(before);
    (result, [counts.written, counts.read])
}

fn close<'a, T: Element>(
    found: &[T],
    expected: impl IntoIterator<Item = &'a T>,
    tolerance: f64,
    what: &str,
) {
    let expected: Vec<_> = expected.into_iter().collect();
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        let (found, expected) = (found.to_f64(), expected.to_f64());
        let difference = (found - expected).abs();
        assert!(
            found == expected || difference <= tolerance * expected.abs().max(1.0),
            "{what}: {found} {expected}"
        );
    }
}

fn same<'a>(found: &[u64], expected: impl IntoIterator<Item = &'a usize>, what: &str) {
    let expected: Vec<_> = expected.into_iter().map(|&index| index as u64).collect();
    assert_eq!(found, expected, "{what}");
}

fn in_type<T>(stream: &Arc<CudaStream>, round: impl Fn(f64) -> T, tolerance: f64)
where
    T: DeviceElement + Default + PartialEq,
    T: for<'a> IntoParams<'a, T>,
    for<'a> &'a CudaSlice<T>: IntoPoints<'a, T>,
{
    // The columns of the third are cut into parts, each value of the last is computed once.
    for (rows, columns) in [(1, 1), (200, 300), (3, 5000), (1100, 1100)] {
        let array = |rows, columns, seed| points(rows, columns, seed).mapv(&round);
        let (x, b) = (array(rows, 3, 1), array(columns, 2, 3));
        let y = if rows == 1100 {
            x.clone()
        } else {
            array(columns, 3, 2)
        };
        let [on_x, other_y, on_b] = [&x, &y, &b].map(|array| upload(stream, array));
        let on_y = if rows == 1100 { &on_x } else { &other_y };
        let g = round(1.5);
        let bytes = |array: &Array2<T>| (array.len() * size_of::<T>()) as u64;

        macro_rules! compare {
            ($name:ident, |$found:ident, $expected:ident, $what:ident| $check:expr) => {{
                let what = format!("{} of {rows} and {columns}", stringify!($name));
                let $what = what.as_str();
                let bound = $name.bind(&x, &y, &b, g);
                let $expected = bound.backend(Backend::Cpu).run().expect($what);
                let $expected = &$expected;
                let bound = $name.bind(&on_x, on_y, &on_b, g);
                let (found, between) = traffic(|| bound.run_on(stream).expect($what));
                assert_eq!(between, [0, 0], "{what}");
                let $found = &found;
                $check;
                // Only what is on the host goes to the device.
                let bound = $name.bind(&on_x, &y, &on_b, g);
                let (found, between) = traffic(|| bound.run_on(stream).expect($what));
                assert_eq!(between, [bytes(&y), 0], "{what}, with an array on the host");
                let $found = &found;
                $check;
                // To the host and from there.
                let found = $name.bind(&on_x, on_y, &on_b, g).run().expect($what);
                let host = $name.bind(&x, &y, &b, g).backend(Backend::Cuda(0));
                assert_eq!(found, host.run().expect($what), "{what}, on the host");
                let $found = &host.run_on(stream).expect($what);
                $check;
            }};
        }
        compare!(Smooth, |found, expected, what| close(
            &download(stream, found),
            expected,
            tolerance * columns as f64,
            what
        ));
        macro_rules! values {
            ($($name:ident)*) => {$(
                compare!($name, |found, expected, what| close(&download(stream, found), expected, tolerance, what));
            )*};
        }
        values!(Exponents Softmax Smallest);
        macro_rules! indices {
            ($($name:ident)*) => {$(
                compare!($name, |found, expected, what| same(&download(stream, found), expected, what));
            )*};
        }
        indices!(Neighbours Last);
        compare!(Nearest, |found, expected, what| {
            close(&download(stream, &found.0), &expected.0, tolerance, what);
            same(&download(stream, &found.1), &expected.1, what);
        });
        // Vectors one by one, and some of them together.
        for vectors in [1, 2, 6] {
            let what = format!("{vectors} products of {rows} and {columns}");
            let v = array(columns, vectors, 4);
            let on_v = upload(stream, &v);
            let expected = Gaussian.bind(&x, &y, g).backend(Backend::Cpu).dot(&v);
            let expected = expected.expect(&what);
            let bound = Gaussian.bind(&on_x, on_y, g);
            let (found, between) = traffic(|| bound.dot_on(&on_v, stream).expect(&what));
            assert_eq!(between, [0, 0], "{what}");
            let tolerance = tolerance * columns as f64;
            close(&download(stream, &found), &expected, tolerance, &what);
            let found = bound.dot_on(&v, stream).expect(&what);
            close(&download(stream, &found), &expected, tolerance, &what);
            let found = bound.dot(&v).expect(&what);
            close(
                &found.into_raw_vec_and_offset().0,
                &expected,
                tolerance,
                &what,
            );
            let transposed = Gaussian.bind(on_y, &on_x, g).t();
            let found = transposed.dot_on(&on_v, stream).expect(&what);
            close(&download(stream, &found), &expected, tolerance, &what);
        }
    }
}

/// Arrays that are written on other streams than those that they were allocated on and that the result is for, before and after, with and without cudarc's events.
fn order() {
    let context = CudaContext::new(0).expect("a device");
    let streams = [0, 1, 2].map(|_| context.new_stream().expect("a stream"));
    let [home, other, own] = &streams;
    let (x, y, b) = (points(50, 3, 1), points(70, 3, 2), points(70, 2, 3));
    let expected = Smooth.bind(&x, &y, &b, 1.5).backend(Backend::Cpu).run();
    let expected = expected.expect("a result");
    // What comes first to what has been queued is the result, or what overwrites the arrays.
    for (tracked, result_first) in [(true, true), (true, false), (false, true), (false, false)] {
        let what = format!("events {tracked}, result first {result_first}");
        if !tracked {
            // SAFETY: from here on the arrays are used on the stream that they were allocated on.
            unsafe { context.disable_event_tracking() };
        }
        let writer = if tracked { other } else { home };
        let [mut on_x, mut on_y, mut on_b] = [&x, &y, &b].map(|array| {
            let mut zeros = home.alloc_zeros::<f64>(array.len()).expect("an array");
            let numbers = upload(writer, array);
            writer.memcpy_dtod(&numbers, &mut zeros).expect("a copy");
            zeros
        });
        let found = Smooth.bind(&on_x, &on_y, &on_b, 1.5).run_on(own);
        let found = found.expect("a result");
        // The driver copies to the host what has been queued before on the same stream, and does nothing else.
        let on_stream = if tracked { other } else { own };
        if result_first {
            close(&download(on_stream, &found), &expected, 1e-12, &what);
        }
        for array in [&mut on_x, &mut on_y, &mut on_b] {
            writer.memset_zeros(array).expect("zeros");
        }
        writer.synchronize().expect("a stream");
        drop([on_x, on_y, on_b]);
        close(&download(own, &found), &expected, 1e-12, &what);
        // Without a look at it.
        drop(Smooth.bind(&x, &y, &b, 1.5).run_on(own).expect("a result"));
    }
    // SAFETY: no array that was made without events is left.
    unsafe { context.enable_event_tracking() };
}

/// Parts of arrays.
fn views(stream: &Arc<CudaStream>) {
    let (x, b) = (points(100, 3, 1), points(100, 2, 2));
    let [on_x, on_b] = [&x, &b].map(|array| upload(stream, array));
    let [few_x, few_y] = [on_x.slice(30..90), on_x.slice(60..300)];
    let few_b = on_b.slice(40..);
    let part =
        |array: &Array2<f64>, from: usize, to: usize| array.slice(s![from..to, ..]).to_owned();
    let (x, y, b) = (part(&x, 10, 30), part(&x, 20, 100), part(&b, 20, 100));
    let expected = Smooth.bind(&x, &y, &b, 1.5).backend(Backend::Cpu).run();
    let found = Smooth.bind(&few_x, &few_y, &few_b, 1.5).run_on(stream);
    let found = download(stream, &found.expect("a result"));
    close(&found, &expected.expect("a result"), 1e-12, "parts");
    // Nothing at all.
    let nothing = on_x.slice(0..0);
    let found = Smooth.bind(&nothing, &few_y, &few_b, 1.5).run_on(stream);
    assert!(found.expect("a result").is_empty());
    let found = Smooth
        .bind(&few_x, &nothing, &on_b.slice(0..0), 1.5)
        .run_on(stream);
    let found = download(stream, &found.expect("a result"));
    assert_eq!(found, [0.0; 40]);
}

fn errors(context: &Arc<CudaContext>) {
    let stream = context.new_stream().expect("a stream");
    let (x, b) = (points(10, 3, 1), points(10, 2, 2));
    let [on_x, on_b] = [&x, &b].map(|array| upload(&stream, array));
    let said = |result: Result<CudaSlice<f64>, Error>| result.expect_err("an error").to_string();
    let bound = Smooth.bind(&on_x, &x, &b, 1.5);
    for (error, expected) in [
        (
            said(bound.clone().backend(Backend::Cpu).run_on(&stream)),
            "backend Cpu: x: the array is in the memory of the CUDA device 0",
        ),
        (
            said(
                Smooth
                    .bind(&x, &x, &b, 1.5)
                    .backend(Backend::Cpu)
                    .run_on(&stream),
            ),
            "backend Cpu: the result is to stay on the CUDA device 0, that of the stream",
        ),
        (
            said(Smooth.bind(&x, &on_x, &on_x, 1.5).run_on(&stream)),
            "b: expected 10 rows, as many as y (Vj variables share their points), got 15",
        ),
        (
            said(Smooth.bind(&on_b, &on_x, &on_b, 1.5).run_on(&stream)),
            "x: expected rows of 3 numbers (Vi(3)), got a flat slice of 20, which is no multiple of 3",
        ),
        (
            said(
                Gaussian
                    .bind(&on_x, &on_x, 1.5)
                    .dot_on(&on_x.slice(0..15), &stream),
            ),
            "the operand of dot_on: expected 10 rows, one per column of the matrix, got an array of shape (15, 1)",
        ),
    ] {
        assert_eq!(error, expected);
    }
    let error = bound
        .clone()
        .backend(Backend::Cpu)
        .run()
        .expect_err("an error");
    assert!(
        error.to_string().contains("x: the array is in the memory"),
        "{error}"
    );
    let error = bound.backend(Backend::Cuda(7)).run().expect_err("an error");
    assert!(error.to_string().contains("no device 7"), "{error}");
    // What is computed on the processor.
    let matrix = Gaussian.bind(&x, &on_x, 1.5);
    for error in [
        matrix.to_dense().expect_err("an error"),
        matrix.diag().expect_err("an error"),
    ] {
        assert!(
            error
                .to_string()
                .contains("y is in the memory of the device"),
            "{error}"
        );
    }
}

//! Batches against their elements one by one.

use core::fmt::Debug;
use keops_runtime::operation::{
    ArgMin, KMin, KMinArgKMin, LogSumExp, MaxArgMax, Min, Sum, SumSoftMaxWeight, WeightedLogSumExp,
};
use keops_runtime::{
    Axis, BoundBatch, BoundReduction, Element, Error, IntoBatch, IntoPoints, Operation,
    Orientation, Ranges, Stack,
};
use ndarray::{
    Array, Array3, ArrayD, ArrayView2, Axis as Dimension, Dimension as _, Ix2, IxDyn, s,
};

use crate::data::{PAIR, Pair, in_pool};
use crate::kernels::numbers;

/// An array of small numbers whose sums and products are exact.
fn array<T: Element>(shape: &[usize], seed: u64) -> ArrayD<T> {
    let mut next = numbers(seed);
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        T::from_f64((next() * 64.0).floor() / 8.0 + 0.125)
    })
}

fn bind<'a, T: Element, Op: Operation<T>, const A: usize>(
    operation: Op,
    x: &'a ArrayD<T>,
    y: &'a ArrayD<T>,
) -> BoundBatch<'a, T, Pair, Op, Axis<A>>
where
    Axis<A>: Orientation,
{
    let arguments = vec![IntoBatch::<T>::into_batch(x), IntoBatch::<T>::into_batch(y)];
    BoundBatch::new(operation, &PAIR, arguments, Vec::new())
}

fn run_one<T: Element, Op: Operation<T>, const A: usize>(
    operation: Op,
    x: ArrayView2<'_, T>,
    y: ArrayView2<'_, T>,
) -> Op::Output
where
    Axis<A>: Orientation,
{
    let arguments = vec![
        IntoPoints::<T>::into_points(x, 2),
        IntoPoints::<T>::into_points(y, 2),
    ];
    BoundReduction::<T, Pair, Op, Axis<A>>::new(operation, &PAIR, arguments, Vec::new())
        .run()
        .unwrap()
}

/// The points of an element of an array whose batch dimensions are `leading`, the last of those of the whole.
fn element<'a, T>(array: &'a ArrayD<T>, position: &[usize]) -> ArrayView2<'a, T> {
    let leading = array.ndim() - 2;
    let mut view = array.view();
    for (&index, length) in position[position.len() - leading..]
        .iter()
        .zip(&array.shape()[..leading])
    {
        view = view.index_axis_move(Dimension(0), if *length == 1 { 0 } else { index });
    }
    view.into_dimensionality::<Ix2>().unwrap()
}

/// What can be taken apart along its first dimensions.
trait Parts {
    type Part;
    fn part(&self, position: &[usize]) -> Self::Part;
}

impl<A: Clone> Parts for ArrayD<A> {
    type Part = ArrayD<A>;
    fn part(&self, position: &[usize]) -> ArrayD<A> {
        let mut view = self.view();
        for &index in position {
            view = view.index_axis_move(Dimension(0), index);
        }
        view.to_owned()
    }
}

impl<A: Parts, B: Parts> Parts for (A, B) {
    type Part = (A::Part, B::Part);
    fn part(&self, position: &[usize]) -> Self::Part {
        (self.0.part(position), self.1.part(position))
    }
}

fn check<T: Element, Op, const A: usize>(
    operation: Op,
    x: &ArrayD<T>,
    y: &ArrayD<T>,
    batch: &[usize],
) where
    Op: Operation<T>,
    Axis<A>: Orientation,
    <Op::Output as Stack>::Stacked:
        Parts<Part = <Op::Output as Stack>::Stacked> + PartialEq + Debug,
{
    let stacked = bind::<T, Op, A>(operation, x, y).run().unwrap();
    for position in ndarray::indices(batch) {
        let position = position.slice();
        let (x, y) = (element(x, position), element(y, position));
        let rows = if A == 1 { x.nrows() } else { y.nrows() };
        let one = run_one::<T, Op, A>(operation, x, y)
            .stack(&[], rows)
            .unwrap();
        assert_eq!(stacked.part(position), one, "{position:?} of {batch:?}");
    }
}

fn check_all<T: Element + PartialEq, const A: usize>(x: &ArrayD<T>, y: &ArrayD<T>, batch: &[usize])
where
    Axis<A>: Orientation,
{
    check::<T, _, A>(Sum, x, y, batch);
    check::<T, _, A>(LogSumExp, x, y, batch);
    check::<T, _, A>(WeightedLogSumExp, x, y, batch);
    check::<T, _, A>(SumSoftMaxWeight, x, y, batch);
    check::<T, _, A>(Min, x, y, batch);
    check::<T, _, A>(ArgMin, x, y, batch);
    check::<T, _, A>(MaxArgMax, x, y, batch);
    check::<T, _, A>(KMinArgKMin(3), x, y, batch);
}

#[test]
fn every_element_is_reduced_by_itself() {
    let shapes: [(&[usize], &[usize], &[usize]); 6] = [
        (&[], &[], &[]),
        (&[4], &[4], &[4]),
        (&[2, 1], &[3], &[2, 3]),
        (&[], &[2, 1, 2], &[2, 1, 2]),
        (&[1, 3], &[2, 1], &[2, 3]),
        (&[70], &[1], &[70]),
    ];
    for (k, (x_batch, y_batch, batch)) in shapes.into_iter().enumerate() {
        for (m, n) in [(1, 1), (16, 17), (65, 300)] {
            let shape = |batch: &[usize], points| [batch, &[points, 2]].concat();
            let x = array::<f32>(&shape(x_batch, m), k as u64);
            let y = array::<f32>(&shape(y_batch, n), k as u64 + 50);
            check_all::<f32, 1>(&x, &y, batch);
            check_all::<f64, 0>(&x.mapv(f64::from), &y.mapv(f64::from), batch);
        }
    }
}

#[test]
fn large_elements_are_cut_as_single_ones() {
    let (x, y) = (
        array::<f64>(&[3, 1500, 2], 1),
        array::<f64>(&[1, 2000, 2], 2),
    );
    check::<f64, _, 1>(Sum, &x, &y, &[3]);
    check::<f64, _, 0>(KMin(5), &x, &y, &[3]);
    let run = |threads| {
        in_pool(threads, || {
            bind::<f64, _, 1>(LogSumExp, &x, &y).run().unwrap()
        })
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn results_have_the_batch_dimensions_in_front() {
    let (x, y) = (array::<f64>(&[2, 1, 5, 2], 1), array::<f64>(&[3, 7, 2], 2));
    assert_eq!(
        bind::<_, _, 1>(Sum, &x, &y).run().unwrap().shape(),
        [2, 3, 5, 2]
    );
    let (values, indices) = bind::<_, _, 0>(KMinArgKMin(4), &x, &y).run().unwrap();
    assert_eq!(values.shape(), [2, 3, 7, 4, 2]);
    assert_eq!(indices.shape(), [2, 3, 7, 4, 2]);
    // No elements, no points.
    let none = array::<f64>(&[0, 7, 2], 2);
    assert_eq!(
        bind::<_, _, 1>(Sum, &x, &none).run().unwrap().shape(),
        [2, 0, 5, 2]
    );
    let empty = array::<f64>(&[3, 0, 2], 2);
    let sums = bind::<_, _, 1>(Sum, &x, &empty).run().unwrap();
    assert_eq!(sums, ArrayD::<f64>::zeros(IxDyn(&[2, 3, 5, 2])));
    assert_eq!(
        bind::<_, _, 0>(Sum, &x, &empty).run().unwrap().shape(),
        [2, 3, 0, 2]
    );
}

#[test]
fn arrays_of_a_batch_have_any_dimension_and_strides() {
    let (x, y) = (array::<f64>(&[4, 5, 2], 1), array::<f64>(&[4, 7, 2], 2));
    let expected = bind::<_, _, 1>(Sum, &x, &y).run().unwrap();
    let x: Array3<f64> = x.into_dimensionality().unwrap();
    let reversed: Array3<f64> = Array::from_shape_fn((2, 7, 4), |(k, j, b)| y[[b, 6 - j, k]]);
    let y = reversed.slice(s![.., ..;-1, ..]).permuted_axes([2, 1, 0]);
    let arguments = vec![
        IntoBatch::<f64>::into_batch(&x),
        IntoBatch::<f64>::into_batch(y),
    ];
    let bound = BoundBatch::<f64, Pair, _, Axis<1>>::new(Sum, &PAIR, arguments, Vec::new());
    assert_eq!(bound.run().unwrap(), expected);
}

#[test]
fn ranges_hold_for_every_element() {
    let (x, y) = (array::<f64>(&[3, 40, 2], 1), array::<f64>(&[50, 2], 2));
    let ranges =
        Ranges::from_rows(&[[3, 20], [25, 40]], &[1, 3], &[[0, 10], [5, 30], [31, 50]]).unwrap();
    let stacked = bind::<_, _, 1>(LogSumExp, &x, &y)
        .ranges(&ranges)
        .run()
        .unwrap();
    for k in 0..3 {
        let arguments = vec![
            IntoPoints::<f64>::into_points(element(&x, &[k]), 2),
            IntoPoints::<f64>::into_points(element(&y, &[k]), 2),
        ];
        let one =
            BoundReduction::<f64, Pair, _, Axis<1>>::new(LogSumExp, &PAIR, arguments, Vec::new());
        assert_eq!(
            stacked.part(&[k]),
            one.ranges(&ranges).run().unwrap().into_dyn()
        );
    }
}

#[test]
fn arrays_that_do_not_fit_a_batch_are_named() {
    let refused = |x: &[usize], y: &[usize]| -> Error {
        let (x, y) = (array::<f64>(x, 1), array::<f64>(y, 2));
        bind::<_, _, 1>(Sum, &x, &y).run().unwrap_err()
    };
    assert_eq!(
        refused(&[2, 3, 5, 2], &[4, 7, 2]).to_string(),
        "y: expected batch dimension 0 to be 3, as that of x, or 1, got an array of shape (4, 7, 2)"
    );
    assert_eq!(
        refused(&[2, 3, 5, 2], &[0, 1, 7, 2]).to_string(),
        "y: expected batch dimension 0 to be 2, as that of x, or 1, got an array of shape (0, 1, 7, 2)"
    );
    assert_eq!(
        refused(&[5, 2], &[2, 7, 3]).to_string(),
        "y: expected 2 columns (Vj(2)), got an array of shape (2, 7, 3)"
    );
    assert_eq!(
        refused(&[2], &[7, 2]).to_string(),
        "x: expected the dimensions (batch.., points, 2) (Vi(2)), got an array of shape (2,)"
    );
}

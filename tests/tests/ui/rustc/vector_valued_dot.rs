use keops_solve::ndarray::array;
use keops_solve::prelude::*;

fn main() {
    let differences = lazy!(|x: Vi(2), y: Vj(2)| x - y);
    let x = array![[0.0, 1.0], [1.0, 2.0]];
    let b = array![1.0, 2.0];
    let _ = differences.bind(&x, &x).dot(&b);
}

use keops_solve::ndarray::{Array2, array};
use keops_solve::prelude::*;

fn main() {
    let conv = genred!("Exp(-g*SqDist(x,y))", x = Vi(1), y = Vj(1), g = Pm(1), axis = 1);
    let x: Array2<f64> = array![[0.0], [1.0]];
    let names = array![["a"], ["b"]];
    let integers = array![[1], [2]];
    let single: Array2<f32> = array![[1.0], [2.0]];
    let _ = conv.bind(&x, &names, 1.0).run();
    let _ = conv.bind(&x, &integers, 1.0).run();
    let _ = conv.bind(&x, &single, 1.0).run();
    let _ = conv.bind(x, &x, 1.0).run();
    let _ = conv.bind(&x, &x).run();
}

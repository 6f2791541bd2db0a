use keops_solve::prelude::*;

fn main() {
    genred!("Matern(x-y, y)", x = Vi(1), y = Vj(1), axis = 1);
    genred!("Round(x-y, 1.5)", x = Vi(1), y = Vj(1), axis = 1);
    genred!("Elem(x-y, 1.0)", x = Vi(3), y = Vj(3), axis = 1);
    genred!("Extract(x-y, 0, y)", x = Vi(3), y = Vj(3), axis = 1);
    genred!("TensorDot(x, y, [2,3], [3,2], [1.5], [0])", x = Vi(6), y = Vj(6), axis = 1);
    genred!(|x: Vi(1), y: Vj(1)| (x - y).round(1.5), axis = 1);
    genred!(|x: Vi(3), y: Vj(3)| (x - y).elem(1.0), axis = 1);
    let k = 1;
    genred!(|x: Vi(3), y: Vj(3)| (x - y).elem(k), axis = 1);
}

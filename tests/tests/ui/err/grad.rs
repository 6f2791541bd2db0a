use keops_solve::prelude::*;

fn main() {
    let g = 0.5;
    genred!("Exp(-SqDist(x,y))*b", x = Vi(2), y = Vj(2), b = Vj(1), axis = 1, grad = [x, c]);
    genred!("Exp(-SqDist(x,y))*b", x = Vi(2), y = Vj(2), b = Vj(1), axis = 1, grad = [x, b, x]);
    genred!(|x: Vi(2), y: Vj(2)| (-g * x.sqdist(y)).exp(), axis = 1, grad = [g]);
    genred!("SqDist(x,y)", x = Vi(2), y = Vj(2), reduction = ArgKMin(3), axis = 1, grad = [x]);
    kernel_solve!("Exp(-SqDist(x,y))*b", x = Vi(2), y = Vj(2), b = Vj(1), grad = [alpha]);
    lazy!(|x: Vi(2), y: Vj(2)| (-x.sqdist(y)).exp(), grad = [x]);
}

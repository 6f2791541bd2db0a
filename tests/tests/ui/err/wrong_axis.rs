use keops_solve::prelude::*;

fn main() {
    kernel_solve!("Exp(-SqDist(x,y))*b", x = Vi(2), y = Vj(2), b = Vj(1), axis = 0);
    kernel_solve!("Exp(-SqDist(x,y))*b", x = Vi(2), y = Vj(2), b = Vi(1), axis = 1);
    kernel_solve!(|x: Vi(2), y: Vj(2), b: Vj(1)| (-x.sqdist(y)).exp() * b, axis = 0);
    genred!("Exp(-SqDist(x,y))", x = Vi(2), y = Vj(2), axis = 2);
    genred!("Exp(-SqDist(x,y))", x = Vi(2), y = Vj(2), axis = -1);
    genred!("Exp(-SqDist(x,y))", x = Vi(2), y = Vj(2), axis = j);
}

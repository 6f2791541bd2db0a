use keops_solve::prelude::*;

fn main() {
    kernel_solve!("Exp(-SqDist(x,y))*Square(b)", x = Vi(2), y = Vj(2), b = Vj(1));
    kernel_solve!("Exp(-SqDist(x,y))*Square(b)", x = Vi(2), y = Vj(2), b = Vj(1), var = b);
    kernel_solve!("Exp(-SqDist(x,y))*(b+1)", x = Vi(2), y = Vj(2), b = Vj(1), var = b);
    kernel_solve!(|x: Vi(2), y: Vj(2), b: Vj(1)| (-x.sqdist(y)).exp() * b.sin(), var = b);
}

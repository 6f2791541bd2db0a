use keops_solve::prelude::*;

fn main() {
    kernel_solve!("Exp(-SqDist(x,y))*rhs", x = Vi(2), y = Vj(2), rhs = Vj(1), var = rsh);
    kernel_solve!("Exp(-SqDist(x,y))*b", x = Vi(2), y = Vj(2), b = Vj(1), var = x);
    kernel_solve!("Exp(-SqDist(x,y))*b*a", x = Vi(2), y = Vj(2), b = Vj(1), a = Pm(1), var = a);
    kernel_solve!("Exp(-SqDist(x,y))*b", x = Vi(2), y = Vj(2), b = Vj(1), c = Vj(1), var = c);
    kernel_solve!("(x|y)*Sum(b)", x = Vi(2), y = Vj(2), b = Vj(2), var = b);
    kernel_solve!(|x: Vi(2), y: Vj(2), b: Vj(1)| (-x.sqdist(y)).exp() * b, var = q);
}

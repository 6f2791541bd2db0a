use keops_solve::prelude::*;

fn main() {
    kernel_solve!("Exp(-SqDist(x,y))*b*c", x = Vi(2), y = Vj(2), b = Vj(1), c = Vj(1));
    kernel_solve!("Exp(-SqDist(x,y))", x = Vi(2), y = Vj(2));
    kernel_solve!("Exp(-SqDist(x,y))*a", x = Vi(2), y = Vj(2), a = Pm(1));
    kernel_solve!(|x: Vi(2), y: Vj(2), b: Vj(1), c: Vj(1)| (-x.sqdist(y)).exp() * b * c);
    kernel_solve!(|x: Vi(2), y: Vj(2)| (-x.sqdist(y)).exp());
}

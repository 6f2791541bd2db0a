use keops_solve::prelude::*;

fn main() {
    kernel_solve!("Exp(-SqDist(x,2*y))*b", x = Vi(2), y = Vj(2), b = Vj(1));
    kernel_solve!("Exp(-SqDist(x,y))*Elem(x,0)*b", x = Vi(2), y = Vj(2), b = Vj(1));
    kernel_solve!("Exp(-SqDist(x,y))*s*b", x = Vi(2), y = Vj(2), s = Vi(1), b = Vj(1), var = b);
    kernel_solve!("(x|w)*b", x = Vi(2), w = Pm(2), b = Vj(1), var = b);
    kernel_solve!(|x: Vi(2), y: Vj(2), b: Vj(1)| (-(x - 2 * y).sqnorm2()).exp() * b);
}

use keops_solve::prelude::*;

fn main() {
    genred!("Exp(-SqDist(x,y))", x = Vi(3), y = Vj(3));
    genred!(|x: Vi(3), y: Vj(3)| (-x.sqdist(y)).exp(), reduction = Sum);
}

use keops_solve::prelude::*;

fn main() {
    genred!("Exp(-SqDist(x,y))", x = Vi(3), y = Vj(3), x = Vj(3), axis = 1);
    genred!(|x: Vi(3), y: Vj(3), x: Pm(1)| x.sqdist(y), axis = 1);
    genred!("x + y", x = Vi(0, 3), y = Vj(0, 3), axis = 1);
    genred!("x + y", x = Vi(0, 3), y = Vj(2, 3), axis = 1);
    genred!("x + y", x = Vi(0, 3), y = Vj(3), axis = 1);
}

use keops_solve::prelude::*;

fn main() {
    genred!("Exp(-SqDist(x,y))*w", x = Vi(3), y = Vj(3), axis = 1);
    genred!("Exp(-gama*SqDist(x,y))", x = Vi(3), y = Vj(3), gamma = Pm(1), axis = 1);
}

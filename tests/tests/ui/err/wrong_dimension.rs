use keops_solve::prelude::*;

fn main() {
    genred!("Exp(-SqDist(x,y))*(x+b)", x = Vi(3), y = Vj(3), b = Vj(2), axis = 1);
    genred!("SqDist(x,b)", x = Vi(3), b = Vj(2), axis = 1);
    genred!("Elem(x,3)+y", x = Vi(3), y = Vj(1), axis = 1);
    genred!("MatVecMult(A,y)", A = Vi(7), y = Vj(3), axis = 1);
    genred!("GradMatrix(Exp(x*y),x)", x = Vi(3000), y = Vj(3000), axis = 1);
    genred!("Grad(x*y,x,b)", x = Vi(3), y = Vj(3), b = Vj(2), axis = 1);
    genred!(|x: Vi(3), y: Vj(3), b: Vj(2)| (-x.sqdist(y)).exp() * (x + b), axis = 1);
    genred!(|x: Vi(3), b: Vj(2)| x.sqdist(b), axis = 1);
    genred!(|x: Vi(3), y: Vj(1)| x[3] + y, axis = 1);
}

use keops_solve::prelude::*;

fn main() {
    genred!("Grad(Grad(Grad(Grad(Grad(Grad(Grad(Grad(Grad(Grad(Grad(Grad(Grad(Grad(Grad(Grad(Grad(Grad(Grad(Grad(Exp(-g*SqDist(x,y)),x,e),x,e),x,e),x,e),x,e),x,e),x,e),x,e),x,e),x,e),x,e),x,e),x,e),x,e),x,e),x,e),x,e),x,e),x,e),x,e)", x = Vi(1), y = Vj(1), g = Pm(1), e = Vi(1), axis = 1);
}
